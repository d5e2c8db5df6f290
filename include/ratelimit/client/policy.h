// The limits of a call, written once: what is sent to the server and what is decided without it come from here.
//
//     const Policy policy{token_bucket(20, 10, 1s), per_request(fixed(1000, 24h), "daily")};
//
// A policy is made once and used for many calls; copies share it. Pure; depends on the limits of the core.
#ifndef RATELIMIT_CLIENT_POLICY_H
#define RATELIMIT_CLIENT_POLICY_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/algorithms/calendar.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/limits.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

// --- limits, as they are written in a program --------------------------------------------------------

[[nodiscard]] constexpr LimitSpec token_bucket(std::int64_t capacity, std::int64_t refill, Span period) {
  return {.algorithm = Algorithm::token_bucket, .size = Units(capacity), .refill = Units(refill), .span = period};
}
[[nodiscard]] constexpr LimitSpec leaky_bucket(std::int64_t capacity, std::int64_t leak, Span period) {
  return {.algorithm = Algorithm::leaky_bucket, .size = Units(capacity), .refill = Units(leak), .span = period};
}
[[nodiscard]] constexpr LimitSpec fixed(std::int64_t limit, Span window) {
  return {.algorithm = Algorithm::fixed_window, .size = Units(limit), .span = window};
}
[[nodiscard]] constexpr LimitSpec fixed_aligned(std::int64_t limit, Span window) {
  return {.algorithm = Algorithm::fixed_window, .size = Units(limit), .span = window, .aligned = true};
}
[[nodiscard]] constexpr LimitSpec sliding(std::int64_t limit, Span window) {
  return {.algorithm = Algorithm::sliding_window_log, .size = Units(limit), .span = window};
}
[[nodiscard]] constexpr LimitSpec sliding_approx(std::int64_t limit, Span window) {
  return {.algorithm = Algorithm::sliding_window_counter, .size = Units(limit), .span = window};
}
/// A zone other than UTC needs its rules, which must outlive every policy that names it.
[[nodiscard]] constexpr LimitSpec quota(std::int64_t limit, CalendarUnit unit, std::string_view zone = {},
                                        const Zone* rules = nullptr) {
  return {.algorithm = Algorithm::quota, .size = Units(limit), .unit = unit, .zone = zone, .rules = rules};
}
[[nodiscard]] constexpr LimitSpec concurrent(std::int64_t limit, Span lease) {
  return {.algorithm = Algorithm::concurrent, .size = Units(limit), .span = lease};
}
[[nodiscard]] constexpr LimitSpec as(std::string_view label, LimitSpec limit) {
  limit.label = label;
  return limit;
}
[[nodiscard]] constexpr LimitSpec per_request(LimitSpec limit) {
  limit.per_request = true;
  return limit;
}

// --- limits, as they are written in a command --------------------------------------------------------

/// None if it is no whole number of milliseconds: the server has no other durations.
[[nodiscard]] inline std::optional<std::string> text_of(Span span) {
  const auto rounded = std::chrono::floor<std::chrono::milliseconds>(span);
  if (rounded != span) return std::nullopt;
  return std::to_string(rounded.count()) + "ms";
}

/// The words of a limit; none if it cannot be written.
[[nodiscard]] inline std::optional<std::vector<std::string>> words_of(const LimitSpec& limit) {
  std::vector<std::string> words{std::string(keyword(limit.algorithm)), std::to_string(limit.size.count())};
  if (is_bucket(limit.algorithm)) words.push_back(std::to_string(limit.refill.count()));
  if (limit.algorithm == Algorithm::quota) {
    words.emplace_back(keyword(limit.unit));
  } else {
    std::optional<std::string> span = text_of(limit.span);
    if (!span) return std::nullopt;
    words.push_back(std::move(*span));
  }
  const auto add = [&words](std::initializer_list<std::string_view> more) {
    words.insert(words.end(), more.begin(), more.end());
  };
  if (limit.aligned) add({"ALIGNED"});
  if (limit.algorithm == Algorithm::sliding_window_counter) add({"APPROX"});
  if (!limit.zone.empty()) add({"TZ", limit.zone});
  if (!limit.label.empty()) add({"AS", limit.label});
  if (limit.per_request) add({"PER", "REQUEST"});
  return words;
}

/// A part of a limit: this process may have `numerator` of `denominator` parts when nobody can be asked.
struct Share {
  std::uint32_t numerator = 1;
  std::uint32_t denominator = 1;
};

/// That part of a limit, rounded down, but at least one unit. The parts of all processes together are thus no more than
/// the limit, unless there are more processes than units.
[[nodiscard]] inline LimitSpec part_of(LimitSpec limit, const Share& share) {
  const auto parts = static_cast<std::int64_t>(std::max(std::min(share.numerator, share.denominator), 1U));
  const auto whole = static_cast<std::int64_t>(std::max(share.denominator, 1U));
  limit.size = std::max(Units(limit.size.count() * parts / whole), kMinUnits);
  if (!is_bucket(limit.algorithm)) return limit;
  // As much in the same time, if it is whole; or else in a longer time.
  const std::int64_t divisor = std::gcd(limit.refill.count() * parts, whole);
  const Units refill(limit.refill.count() * parts / divisor);
  const std::int64_t longer = whole / divisor;
  const bool fits = in_range(refill) && longer <= kMaxSpan.count() / limit.span.count();
  if (fits && TokenBucket::refills_in_time(limit.size, refill, limit.span * longer)) {
    limit.refill = refill;
    limit.span *= longer;
  } else {
    limit.refill = std::max(Units(limit.refill.count() * parts / whole), kMinUnits);
  }
  return limit;
}

/// Those parts of all limits; none if there is no such list of limits.
[[nodiscard]] inline std::optional<Limits> part_of(const Limits& limits, const Share& share) {
  std::vector<LimitSpec> parts;
  for (std::size_t i = 0; i < limits.size(); ++i) parts.push_back(part_of(limits[i].spec(), share));
  return Limits::make(parts);
}

// --- the policy ---------------------------------------------------------------------------------------

class Policy {
 public:
  /// None if the limits are not valid.
  [[nodiscard]] static std::optional<Policy> make(std::span<const LimitSpec> specs) { return make(specs, true); }

  /// Throws std::invalid_argument if the limits are not valid.
  Policy(std::initializer_list<LimitSpec> specs) : Policy(valid({specs.begin(), specs.size()}, true)) {}

  /// The key is a limiter: its limits were stored by RL.DEFINE, and are not sent. They may be told here all the same, to
  /// decide without the server, and for leases; if they are not what is stored, those go wrong.
  [[nodiscard]] static Policy stored(std::initializer_list<LimitSpec> specs = {}) {
    if (specs.size() != 0) return valid({specs.begin(), specs.size()}, false);
    return Policy(std::make_shared<const Data>());
  }

  /// Null if they are not known.
  [[nodiscard]] const Limits* limits() const { return data_->limits ? &*data_->limits : nullptr; }
  /// What to send.
  [[nodiscard]] const std::vector<std::string>& words() const { return data_->words; }
  /// The same for policies of the same limits, and different for others.
  [[nodiscard]] const std::string& name() const { return data_->name; }

 private:
  struct Data {
    std::optional<Limits> limits;
    std::vector<std::string> words;
    std::string name = "stored";
  };

  explicit Policy(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

  static Policy valid(std::span<const LimitSpec> specs, bool are_sent) {
    std::optional<Policy> policy = make(specs, are_sent);
    if (!policy) throw std::invalid_argument("ratelimit::client::Policy: these limits are not valid");
    return std::move(*policy);
  }

  static std::optional<Policy> make(std::span<const LimitSpec> specs, bool are_sent) {
    auto data = std::make_shared<Data>();
    data->limits = Limits::make(specs);
    if (!data->limits) return std::nullopt;
    if (are_sent) data->name.clear();
    for (const LimitSpec& spec : specs) {
      std::optional<std::vector<std::string>> words = words_of(spec);
      if (!words) return std::nullopt;
      for (const std::string& word : *words) data->name.append(" ").append(word);
      if (are_sent) data->words.insert(data->words.end(), words->begin(), words->end());
    }
    return Policy(std::shared_ptr<const Data>(std::move(data)));
  }

  std::shared_ptr<const Data> data_;
};

/// Names a subject: different for any two of key and subject, whatever bytes they have, and no name begins with another.
[[nodiscard]] inline std::string name_of_subject(std::string_view key, std::string_view subject) {
  std::string name = std::to_string(key.size());
  name.append(":").append(key).append(std::to_string(subject.size())).append(":").append(subject);
  return name;
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_POLICY_H
