// SPDX-License-Identifier: MIT
// How far SLIDING … APPROX is from the exact log: the same calls of cost 1 to both, from the core itself. bench/approx
// runs it.
//
// First, kinds of arrivals over many windows: how many units both grant, and the most that any window of the limit's
// length gets. Then, for small limits, all histories of three windows: the extremes of the same figures.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "ratelimit/algorithms/sliding_window_counter.h"
#include "ratelimit/algorithms/sliding_window_log.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace {

using namespace std::chrono_literals;
using ratelimit::Ask;
using ratelimit::Instant;
using ratelimit::Outcome;
using ratelimit::SlidingWindowCounter;
using ratelimit::SlidingWindowLog;
using ratelimit::Span;
using ratelimit::Units;
using Instants = std::vector<Instant>;

constexpr Span kWindow = 1min;
constexpr Instant kStart{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}};  // a multiple of the window
constexpr int kWindows = 3000;

/// When a limit grants, of these calls.
template <class Limit>
Instants granted(const Limit& limit, const Instants& calls) {
  Instants granted;
  typename Limit::State state;
  for (const Instant now : calls) {
    const auto step = limit.decide(state, Ask{}, now);
    if (step.decision.outcome != Outcome::granted) continue;
    limit.apply(state, step.change);
    granted.push_back(now);
  }
  return granted;
}

/// The most of these instants that lie in one window, wherever it begins.
std::size_t most_in_a_window(const Instants& instants) {
  std::size_t most = 0;
  for (std::size_t first = 0, last = 0; last < instants.size(); ++last) {
    while (instants[first] + kWindow <= instants[last]) ++first;
    most = std::max(most, last - first + 1);
  }
  return most;
}

Instant window(int number) { return kStart + number * kWindow; }

/// `count` calls, evenly over a window.
void add_evenly(Instants& calls, Instant begin, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) calls.push_back(begin + kWindow * i / count);
}

/// `factor` times the limit in each window, one after the other.
Instants even(std::int64_t limit, double factor) {
  Instants calls;
  const auto count = static_cast<std::int64_t>(static_cast<double>(limit) * factor);
  for (int i = 0; i < kWindows; ++i) add_evenly(calls, window(i), count);
  return calls;
}

/// Bursts of `size` calls at random moments, `factor` times the limit in all.
Instants random(std::int64_t limit, double factor, std::int64_t size) {
  std::mt19937_64 engine(1);
  Instants calls;
  const auto bursts = static_cast<std::int64_t>(static_cast<double>(limit * kWindows) * factor) / size;
  const auto length = static_cast<std::uint64_t>((kWindows * kWindow).count());
  for (std::int64_t i = 0; i < bursts; ++i) {
    const Instant at = kStart + Span{static_cast<std::int64_t>(engine() % length)};
    calls.insert(calls.end(), static_cast<std::size_t>(size), at);
  }
  std::sort(calls.begin(), calls.end());
  return calls;
}

/// All at the beginning of each window: the approximation counts them to the end of the next one.
Instants early(std::int64_t limit) {
  Instants calls;
  for (int i = 0; i < kWindows; ++i) calls.insert(calls.end(), static_cast<std::size_t>(limit), window(i));
  return calls;
}

/// All at the end of a window, and at that of the next, where those before hardly count; then silence.
Instants late(std::int64_t limit) {
  Instants calls;
  for (int i = 0; i + 3 <= kWindows; i += 3) {
    calls.insert(calls.end(), static_cast<std::size_t>(limit), window(i + 1) - 1ns);
    calls.insert(calls.end(), static_cast<std::size_t>(limit), window(i + 2) - 2ns);
  }
  return calls;
}

constexpr std::array<std::int64_t, 3> kLimits{10, 100, 1000};

/// A line of the table: what the approximation grants, as a part of what the log does, and the most that a window gets,
/// as a part of the limit. Returns the latter for the log.
template <class CallsOf>
double compare(const char* name, const CallsOf& calls_of) {
  std::array<double, kLimits.size()> totals{};
  std::array<double, kLimits.size()> most{};
  double most_of_log = 0;
  for (std::size_t i = 0; i < kLimits.size(); ++i) {
    const Instants calls = calls_of(kLimits[i]);
    const auto limit = static_cast<double>(kLimits[i]);
    const Instants exact = granted(SlidingWindowLog::make(Units(kLimits[i]), kWindow).value(), calls);
    const Instants approximate = granted(SlidingWindowCounter::make(Units(kLimits[i]), kWindow).value(), calls);
    totals[i] = static_cast<double>(approximate.size()) / static_cast<double>(exact.size());
    most[i] = static_cast<double>(most_in_a_window(approximate)) / limit;
    most_of_log = std::max(most_of_log, static_cast<double>(most_in_a_window(exact)) / limit);
  }
  std::printf("| %s |", name);
  for (const double total : totals) std::printf(" %.3f |", total);
  for (const double each : most) std::printf(" %.3f |", each);
  std::printf("\n");
  return most_of_log;
}

void compare_all() {
  std::printf(
      "| arrivals | granted, of what the log grants: limit %d | %d | %d | most in any window, of the limit: "
      "limit %d | %d | %d |\n|---|---|---|---|---|---|---|\n",
      10, 100, 1000, 10, 100, 1000);
  double most = 0;
  const auto add = [&most](const char* name, const auto& calls_of) { most = std::max(most, compare(name, calls_of)); };
  using Limit = std::int64_t;
  add("even, 0.9 of the limit a window", [](Limit limit) { return even(limit, 0.9); });
  add("even, twice the limit", [](Limit limit) { return even(limit, 2); });
  add("random, 0.9 of the limit", [](Limit limit) { return random(limit, 0.9, 1); });
  add("random, twice the limit", [](Limit limit) { return random(limit, 2, 1); });
  add("bursts of half the limit, 0.9 of it", [](Limit limit) { return random(limit, 0.9, limit / 2); });
  add("bursts of half the limit, twice as much as it", [](Limit limit) { return random(limit, 2, limit / 2); });
  add("adversarial: all at the beginning of each window of the clock", early);
  add("adversarial: all at the end of two windows of the clock, then silence for one", late);
  std::printf("\nMost in any window with the exact log: %.3f of the limit.\n", most);
}

/// All histories in which 0 to `limit` calls come at each of a few instants of three windows.
class SmallWorld {
 public:
  explicit SmallWorld(std::int64_t limit)
      : limit_(limit), approximate_(SlidingWindowCounter::make(Units(limit), kWindow).value()) {
    constexpr std::array<Span, 4> kOffsets{0s, kWindow / 2, kWindow - 2ns, kWindow - 1ns};
    for (int i = 0; i < 3; ++i) {
      for (const Span offset : kOffsets) instants_.push_back(window(i) + offset);
    }
    walk({});
  }

  void print() const {
    std::printf("| %lld | %lld | %lld | %.3f | %.3f |\n", static_cast<long long>(limit_),
                static_cast<long long>(histories_), static_cast<long long>(most_), least_ratio_, greatest_ratio_);
  }

 private:
  struct History {
    std::size_t length = 0;
    SlidingWindowCounter::State state{};
    std::array<std::int64_t, 12> exact{};
    std::array<std::int64_t, 12> approximate{};
    std::int64_t total_exact = 0;
    std::int64_t total_approximate = 0;
  };

  void walk(const History& history) {
    if (history.length == instants_.size()) return note(history);
    for (std::int64_t calls = 0; calls <= limit_; ++calls) walk(with_calls(history, calls));
  }

  [[nodiscard]] History with_calls(History history, std::int64_t calls) const {
    const std::size_t i = history.length++;
    history.exact[i] = std::min(calls, limit_ - in_window_of(history.exact, i));
    history.total_exact += history.exact[i];
    for (; calls > 0; --calls) {
      const auto step = approximate_.decide(history.state, Ask{}, instants_[i]);
      if (step.decision.outcome != Outcome::granted) break;
      approximate_.apply(history.state, step.change);
      ++history.approximate[i];
      ++history.total_approximate;
    }
    return history;
  }

  /// What the window got that ends with instant `i`.
  [[nodiscard]] std::int64_t in_window_of(const std::array<std::int64_t, 12>& units, std::size_t i) const {
    std::int64_t sum = 0;
    for (std::size_t j = 0; j <= i; ++j) sum += instants_[j] + kWindow > instants_[i] ? units[j] : 0;
    return sum;
  }

  void note(const History& history) {
    ++histories_;
    for (std::size_t i = 0; i < instants_.size(); ++i) most_ = std::max(most_, in_window_of(history.approximate, i));
    if (history.total_exact == 0) return;
    const double ratio = static_cast<double>(history.total_approximate) / static_cast<double>(history.total_exact);
    least_ratio_ = std::min(least_ratio_, ratio);
    greatest_ratio_ = std::max(greatest_ratio_, ratio);
  }

  std::int64_t limit_;
  SlidingWindowCounter approximate_;
  Instants instants_;
  std::int64_t histories_ = 0;
  std::int64_t most_ = 0;
  double least_ratio_ = 1;
  double greatest_ratio_ = 1;
};

}  // namespace

int main() {
  compare_all();
  std::printf(
      "\n| limit | histories | most in any window | least of what the log grants | most of it |\n"
      "|---|---|---|---|---|\n");
  for (const std::int64_t limit : {1, 2, 3}) SmallWorld(limit).print();
}
