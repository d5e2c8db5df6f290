// SPDX-License-Identifier: MIT
// The limits of a call, written once. The words that are sent to the server come from here, and so do the limits that
// this process applies when the server does not answer.
//
//     const Policy policy{token_bucket(20, 10, 1s), as("daily", per_request(fixed(1000, 24h)))};
//
// A policy is made once and used for many calls. Copies share it. Pure; depends on the limits of the core.
#ifndef RATELIMIT_CLIENT_POLICY_H
#define RATELIMIT_CLIENT_POLICY_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/algorithms/anchor.h"
#include "ratelimit/algorithms/calendar_unit.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/client/wire.h"
#include "ratelimit/grammar/limit_text.h"
#include "ratelimit/limits.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

// --- limits, as a program writes them --------------------------------------------------------

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
/// A zone other than UTC needs its rules. They must outlive every policy that names the zone.
[[nodiscard]] constexpr LimitSpec quota(std::int64_t limit, CalendarUnit unit, std::string_view zone = {},
                                        const Zone* rules = nullptr) {
  return {.algorithm = Algorithm::quota, .size = Units(limit), .unit = unit, .zone = zone, .rules = rules};
}
/// A quota whose windows begin at that minute of the zone's clock, and a whole number of units earlier and later. A
/// policy refuses other years than 1970 to 2199.
[[nodiscard]] constexpr LimitSpec anchored(LocalMinute begin, LimitSpec limit) {
  limit.anchor = Anchor(begin);
  return limit;
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

/// Whether a command can say that duration: commands have no finer ones.
[[nodiscard]] constexpr bool is_whole_milliseconds(Span span) {
  return std::chrono::floor<std::chrono::milliseconds>(span) == span;
}

// --- the policy ---------------------------------------------------------------------------------------

class Policy {
 public:
  /// None if the limits are not valid, or a command cannot write them.
  [[nodiscard]] static std::optional<Policy> make(std::span<const LimitSpec> specs) { return make(specs, true); }

  /// Throws std::invalid_argument where `make` gives none.
  Policy(std::initializer_list<LimitSpec> specs) : Policy(valid({specs.begin(), specs.size()}, true)) {}

  /// For a key that is a limiter: RL.DEFINE stored its limits, and calls do not send them. A program may name them here
  /// for two uses: to decide without the server, and for leases. Both go wrong if the key stores other limits. Throws
  /// std::invalid_argument if they are not valid.
  [[nodiscard]] static Policy stored(std::initializer_list<LimitSpec> specs = {}) {
    if (specs.size() != 0) return valid({specs.begin(), specs.size()}, false);
    return Policy(std::make_shared<const Data>());
  }

  /// Null for a limiter whose limits the program did not name.
  [[nodiscard]] const Limits* limits() const { return data_->limits ? &*data_->limits : nullptr; }
  /// The words to send. None for a limiter.
  [[nodiscard]] const std::vector<std::string>& words() const { return data_->words; }
  /// The same words, as they are sent.
  [[nodiscard]] const std::string& bytes() const { return data_->bytes; }
  /// Equal for policies of the same limits, different for others.
  [[nodiscard]] const std::string& name() const { return data_->name; }

 private:
  struct Data {
    std::optional<Limits> limits;
    std::vector<std::string> words;
    std::string bytes;
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
      if (!is_whole_milliseconds(spec.span)) return std::nullopt;
      const std::vector<std::string> words = words_of(spec);
      for (const std::string& word : words) data->name.append(" ").append(word);
      if (are_sent) data->words.insert(data->words.end(), words.begin(), words.end());
    }
    for (const std::string& word : data->words) append_word(data->bytes, word);
    return Policy(std::shared_ptr<const Data>(std::move(data)));
  }

  std::shared_ptr<const Data> data_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_POLICY_H
