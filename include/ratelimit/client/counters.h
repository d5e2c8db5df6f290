// SPDX-License-Identifier: MIT
// What a client did, in numbers that only grow, for an endpoint of metrics. Thread-safe. Depends on answers.
#ifndef RATELIMIT_CLIENT_COUNTERS_H
#define RATELIMIT_CLIENT_COUNTERS_H

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ratelimit/client/answer.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// What is counted besides how calls were answered.
enum class Event : std::uint8_t {
  connected,
  moved,
  asked,
  map_read,     ///< which node of a cluster has which slots
  failed_over,  ///< Sentinels named another primary
  breaker_opened,
  lease_taken,
  units_leased,  ///< = served + refunded + expired + what is in leases now
  units_served,
  units_refunded,
  units_expired,    ///< not refunded: they had flowed back, their window had ended, or the server did not answer
  local_undecided,  ///< denied without the server: there was no room, or the limits are not known
};
inline constexpr std::size_t kEvents = 12;

[[nodiscard]] constexpr std::string_view name_of(Source source) {
  constexpr std::array<std::string_view, kSources> kNames{"server",      "remembered", "lease",  "fail_open",
                                                          "fail_closed", "local",      "nobody", "error"};
  return kNames[static_cast<std::size_t>(source)];
}
[[nodiscard]] constexpr std::string_view name_of(Failure failure) {
  constexpr std::array<std::string_view, kFailures> kNames{
      "none", "timeout", "refused", "closed", "garbage", "server_error", "left_alone", "busy", "redirected"};
  return kNames[static_cast<std::size_t>(failure)];
}
[[nodiscard]] constexpr std::string_view name_of(Event event) {
  constexpr std::array<std::string_view, kEvents> kNames{
      "connected",   "moved",        "asked",        "map_read",       "failed_over",   "breaker_opened",
      "lease_taken", "units_leased", "units_served", "units_refunded", "units_expired", "local_undecided"};
  return kNames[static_cast<std::size_t>(event)];
}

/// Upper ends of the ranges in which latencies are counted, in microseconds; one more range has no end.
inline constexpr std::array<std::uint64_t, 12> kLatencyEnds{50,    100,    200,    500,    1'000,   2'000,
                                                            5'000, 10'000, 20'000, 50'000, 100'000, 1'000'000};
inline constexpr std::size_t kLatencies = kLatencyEnds.size() + 1;

/// The numbers at one instant. While calls are under way, one number may be newer than another.
struct Counts {
  std::array<std::uint64_t, kSources> granted{};
  std::array<std::uint64_t, kSources> denied{};
  std::array<std::uint64_t, kFailures> failures{};  ///< of calls, and of refunds of leases
  std::array<std::uint64_t, kEvents> events{};
  std::array<std::uint64_t, kLatencies> latencies{};  ///< of calls that the server answered, by `kLatencyEnds`
  std::uint64_t latency_sum = 0;                      ///< of those, in nanoseconds

  [[nodiscard]] std::uint64_t granted_by(Source source) const { return granted[static_cast<std::size_t>(source)]; }
  [[nodiscard]] std::uint64_t denied_by(Source source) const { return denied[static_cast<std::size_t>(source)]; }
  [[nodiscard]] std::uint64_t answered_by(Source source) const { return granted_by(source) + denied_by(source); }
  [[nodiscard]] std::uint64_t of(Failure failure) const { return failures[static_cast<std::size_t>(failure)]; }
  [[nodiscard]] std::uint64_t of(Event event) const { return events[static_cast<std::size_t>(event)]; }
  [[nodiscard]] std::uint64_t calls() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kSources; ++i) sum += granted[i] + denied[i];
    return sum;
  }
};

class Counters {
 public:
  void count(const Answer& answer) { add((answer.allowed() ? granted_ : denied_)[index(answer.source)], 1); }
  void count(Failure failure) {
    if (failure != Failure::none) add(failures_[index(failure)], 1);
  }
  void count(Event event) { add(events_[index(event)], 1); }
  void count(Event event, Units units) { add(events_[index(event)], static_cast<std::uint64_t>(units.count())); }

  /// How long the server took to answer, all told.
  void count_latency(Span latency) {
    const auto* const end =
        std::lower_bound(kLatencyEnds.begin(), kLatencyEnds.end(), latency,
                         [](std::uint64_t us, Span span) { return std::chrono::microseconds{us} < span; });
    add(latencies_[static_cast<std::size_t>(end - kLatencyEnds.begin())], 1);
    add(latency_sum_, static_cast<std::uint64_t>(std::max<Span>(latency, Span{}).count()));
  }

  [[nodiscard]] Counts now() const {
    Counts counts;
    copy(granted_, counts.granted);
    copy(denied_, counts.denied);
    copy(failures_, counts.failures);
    copy(events_, counts.events);
    copy(latencies_, counts.latencies);
    counts.latency_sum = latency_sum_.load(std::memory_order_relaxed);
    return counts;
  }

 private:
  using Counter = std::atomic<std::uint64_t>;

  template <class Enum>
  static std::size_t index(Enum value) {
    return static_cast<std::size_t>(value);
  }
  static void add(Counter& counter, std::uint64_t much) { counter.fetch_add(much, std::memory_order_relaxed); }
  template <std::size_t n>
  static void copy(const std::array<Counter, n>& from, std::array<std::uint64_t, n>& to) {
    for (std::size_t i = 0; i < n; ++i) to[i] = from[i].load(std::memory_order_relaxed);
  }

  std::array<Counter, kSources> granted_{};
  std::array<Counter, kSources> denied_{};
  std::array<Counter, kFailures> failures_{};
  std::array<Counter, kEvents> events_{};
  std::array<Counter, kLatencies> latencies_{};
  Counter latency_sum_{0};
};

namespace detail {

/// Nanoseconds as seconds, in digits.
[[nodiscard]] inline std::string seconds_text(std::uint64_t nanoseconds) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  std::string fraction = std::to_string(kSecond + nanoseconds % kSecond);
  fraction[0] = '.';
  return std::to_string(nanoseconds / kSecond) + fraction;
}

/// What stands above the numbers of a metric.
[[nodiscard]] inline std::string metric_head(std::string_view name, std::string_view type, std::string_view help) {
  std::string text = "# HELP ";
  text.append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  return text;
}

/// A histogram has, for each end, how many were no longer than that.
[[nodiscard]] inline std::string latency_text(const Counts& counts) {
  constexpr std::string_view kName = "ratelimit_client_latency_seconds";
  std::string text = metric_head(kName, "histogram", "How long the server took, of calls that it answered.");
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kLatencies; ++i) {
    sum += counts.latencies[i];
    const std::string end = i < kLatencyEnds.size() ? seconds_text(kLatencyEnds[i] * 1000) : "+Inf";
    text.append(kName).append("_bucket{le=\"").append(end).append("\"} ").append(std::to_string(sum)).append("\n");
  }
  text.append(kName).append("_sum ").append(seconds_text(counts.latency_sum)).append("\n");
  text.append(kName).append("_count ").append(std::to_string(sum)).append("\n");
  return text;
}

}  // namespace detail

/// The numbers in the text format of Prometheus.
[[nodiscard]] inline std::string metrics_text(const Counts& counts) {
  std::string text = detail::metric_head("ratelimit_client_calls_total", "counter", "Calls by who answered, and how.");
  const auto add = [&text](std::string_view name, std::string_view labels, std::uint64_t value) {
    text.append(name).append("{").append(labels).append("} ").append(std::to_string(value)).append("\n");
  };
  for (std::size_t i = 0; i < kSources; ++i) {
    const std::string source = "source=\"" + std::string(name_of(static_cast<Source>(i))) + "\",outcome=";
    add("ratelimit_client_calls_total", source + "\"granted\"", counts.granted[i]);
    add("ratelimit_client_calls_total", source + "\"denied\"", counts.denied[i]);
  }
  text += detail::metric_head("ratelimit_client_failures_total", "counter", "Calls that the server did not answer.");
  for (std::size_t i = 1; i < kFailures; ++i) {
    const std::string kind = "kind=\"" + std::string(name_of(static_cast<Failure>(i))) + "\"";
    add("ratelimit_client_failures_total", kind, counts.failures[i]);
  }
  text += detail::metric_head("ratelimit_client_events_total", "counter", "What happened besides, by its kind.");
  for (std::size_t i = 0; i < kEvents; ++i) {
    const std::string kind = "kind=\"" + std::string(name_of(static_cast<Event>(i))) + "\"";
    add("ratelimit_client_events_total", kind, counts.events[i]);
  }
  text += detail::latency_text(counts);
  return text;
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_COUNTERS_H
