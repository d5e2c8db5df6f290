// SPDX-License-Identifier: MIT
// Policies written as text, such as `TOKENBUCKET 20 10 1s AS burst FIXED 1000 1d`: in a configuration file, a flag, an
// environment variable. The text is what RL.CHECK takes for its limits, and an error is what the server would say. A test
// compares both with the parser of the server (tests/module/policy_text_test.cpp). Pure; depends on policies.
#ifndef RATELIMIT_CLIENT_POLICY_TEXT_H
#define RATELIMIT_CLIENT_POLICY_TEXT_H

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/algorithms/anchor.h"
#include "ratelimit/algorithms/calendar_unit.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/limit.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// Gives the rules of a time zone by its name; null if it knows no such zone. The rules must outlive every policy.
using ZoneFinder = std::function<const Zone*(std::string_view name)>;

/// A policy, or what is wrong with its text.
struct ParsedPolicy {
  std::optional<Policy> policy;
  std::string error;
};

namespace detail {

/// How an algorithm is written behind its keyword.
struct AlgorithmForm {
  Algorithm algorithm;
  std::string_view size;
  Units most;
  std::string_view rate;  ///< empty: it has none
  std::string_view span;
};
inline constexpr std::array kAlgorithmForms{
    AlgorithmForm{Algorithm::token_bucket, "capacity", kMax32BitUnits, "refill", "period"},
    AlgorithmForm{Algorithm::leaky_bucket, "capacity", kMax32BitUnits, "leak", "period"},
    AlgorithmForm{Algorithm::fixed_window, "limit", kMaxUnits, "", "window"},
    AlgorithmForm{Algorithm::sliding_window_log, "limit", kMax32BitUnits, "", "window"},
    AlgorithmForm{Algorithm::quota, "limit", kMaxUnits, "", "unit"},
    AlgorithmForm{Algorithm::concurrent, "limit", kMax32BitUnits, "", "lease"}};

/// As a command reads integers: no sign, no leading zero.
[[nodiscard]] inline std::optional<std::int64_t> integer_of(std::string_view digits) {
  if (digits.empty() || digits.size() > std::numeric_limits<std::int64_t>::digits10) return std::nullopt;
  if (digits.front() == '0' && digits.size() > 1) return std::nullopt;
  std::int64_t number = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number;
}

/// A duration with a unit; without one, seconds.
[[nodiscard]] inline std::optional<Span> duration_of(std::string_view word) {
  struct Unit {
    std::string_view letters;
    std::int64_t milliseconds;
  };
  constexpr std::array kUnits{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3'600'000},
                              Unit{"d", 86'400'000}};
  std::int64_t milliseconds = 1000;
  for (const Unit& unit : kUnits) {
    if (!word.ends_with(unit.letters)) continue;
    word.remove_suffix(unit.letters.size());
    milliseconds = unit.milliseconds;
    break;
  }
  constexpr auto kMost = std::chrono::floor<std::chrono::milliseconds>(kMaxSpan).count();
  const std::optional<std::int64_t> number = integer_of(word);
  if (!number || *number < 1 || *number > kMost / milliseconds) return std::nullopt;
  return Span{std::chrono::milliseconds{*number * milliseconds}};
}

/// Reads words, one after the other. The first fault sticks, and ends the reading.
class PolicyReader {
 public:
  PolicyReader(std::string_view text, const ZoneFinder& zones) : zones_(zones) {
    constexpr std::string_view kBlanks = " \t\r\n";
    for (std::size_t begin = 0; (begin = text.find_first_not_of(kBlanks, begin)) != std::string_view::npos;) {
      const std::size_t end = std::min(text.find_first_of(kBlanks, begin), text.size());
      words_.push_back(text.substr(begin, end - begin));
      begin = end;
    }
  }

  [[nodiscard]] ParsedPolicy read_all() {
    while (!is_at_end()) {
      if (take_limit() || take_option()) continue;
      fail("syntax error at word " + std::to_string(next_ + 1) +
           ": expected a limit, or an option of the limit before it");
    }
    if (error_.empty() && specs_.empty()) fail("limits must be one to eight limits, such as TOKENBUCKET 20 10 1s");
    if (!error_.empty()) return {.policy = std::nullopt, .error = std::move(error_)};
    std::optional<Policy> policy = Policy::make(specs_);
    // All else was checked word by word.
    return {.policy = policy, .error = policy ? "" : "label must be different for each limit of a call"};
  }

 private:
  [[nodiscard]] bool is_at_end() const { return !error_.empty() || next_ == words_.size(); }

  void fail(std::string error) {
    if (error_.empty()) error_ = std::move(error);
  }

  /// Whether the word is that keyword, in any case.
  [[nodiscard]] static bool is_keyword(std::string_view word, std::string_view keyword) {
    const auto is_same = [](char c, char upper) { return (c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c) == upper; };
    return std::equal(word.begin(), word.end(), keyword.begin(), keyword.end(), is_same);
  }

  /// Takes the next word, if it is that keyword.
  bool take(std::string_view keyword) {
    if (is_at_end() || !is_keyword(words_[next_], keyword)) return false;
    ++next_;
    return true;
  }

  /// The next word as `read` understands it. `requirement` follows "must be".
  template <class Read>
  auto value(std::string_view name, const std::string& requirement, Read read) {
    using Value = typename decltype(read(std::string_view{}))::value_type;
    if (!error_.empty()) return Value{};
    if (next_ == words_.size()) {
      fail(std::string(name) + " is missing: it must be " + requirement);
      return Value{};
    }
    const auto given = read(words_[next_++]);
    if (!given) fail(std::string(name) + " must be " + requirement);
    return given.value_or(Value{});
  }

  Units count(std::string_view name, Units least, Units most) {
    const std::string requirement =
        "an integer from " + std::to_string(least.count()) + " to " + std::to_string(most.count());
    return value(name, requirement, [&](std::string_view word) -> std::optional<Units> {
      const auto number = integer_of(word);
      if (!number || *number < least.count() || *number > most.count()) return std::nullopt;
      return Units(*number);
    });
  }

  bool take_limit() {
    for (const AlgorithmForm& form : kAlgorithmForms) {
      if (!take(keyword(form.algorithm))) continue;
      if (specs_.size() == kMaxLimits) {
        fail("limits must be at most " + std::to_string(kMaxLimits));
      } else {
        specs_.push_back({.algorithm = form.algorithm});
        given_.clear();
        read_numbers(form, specs_.back());
      }
      return true;
    }
    return false;
  }

  void read_numbers(const AlgorithmForm& form, LimitSpec& spec) {
    spec.size = count(form.size, kNoUnits, form.most);
    if (!form.rate.empty()) spec.refill = count(form.rate, kMinUnits, kMax32BitUnits);
    if (form.algorithm == Algorithm::quota) {
      spec.unit = value("unit", "HOUR, DAY, WEEK, MONTH, QUARTER or YEAR", &PolicyReader::unit_of);
    } else {
      spec.span =
          value(form.span, "a duration from 1ms to 3650d, such as 500ms, 10s, 1m, 2h or 1d; without a unit, seconds",
                &duration_of);
    }
    const bool is_too_slow =
        error_.empty() && !form.rate.empty() && !TokenBucket::refills_in_time(spec.size, spec.refill, spec.span);
    if (!is_too_slow) return;
    fail(std::string(form.rate) + " must be large enough for the bucket to " +
         (form.algorithm == Algorithm::leaky_bucket ? "run empty" : "refill from empty") + " within 3650d");
  }

  static std::optional<CalendarUnit> unit_of(std::string_view word) {
    constexpr std::array kUnits{CalendarUnit::hour,  CalendarUnit::day,     CalendarUnit::week,
                                CalendarUnit::month, CalendarUnit::quarter, CalendarUnit::year};
    for (const CalendarUnit unit : kUnits) {
      if (is_keyword(word, keyword(unit))) return unit;
    }
    return std::nullopt;
  }

  /// An option of the limit that was read last.
  bool take_option() {
    if (specs_.empty()) return false;
    LimitSpec& spec = specs_.back();
    const bool slides =
        spec.algorithm == Algorithm::sliding_window_log || spec.algorithm == Algorithm::sliding_window_counter;
    const bool is_quota = spec.algorithm == Algorithm::quota;
    if (spec.algorithm == Algorithm::fixed_window && take("ALIGNED")) {
      once("ALIGNED");
      spec.aligned = true;
    } else if (slides && take("APPROX")) {
      once("APPROX");
      spec.algorithm = Algorithm::sliding_window_counter;
    } else if (is_quota && take("ANCHOR")) {
      once("ANCHOR");
      read_anchor(spec);
    } else if (is_quota && take("TZ")) {
      once("TZ");
      read_zone(spec);
    } else if (take("AS")) {
      once("label");
      read_label(spec);
    } else if (take("PER")) {
      if (!take("REQUEST")) fail("PER must be followed by REQUEST");
      once("PER REQUEST");
      spec.per_request = true;
    } else {
      return false;
    }
    return true;
  }

  /// Notes that the limit has the option, which it may have once.
  void once(std::string_view option) {
    if (std::find(given_.begin(), given_.end(), option) != given_.end()) fail(std::string(option) + " is given twice");
    given_.push_back(option);
  }

  void read_label(LimitSpec& spec) {
    const std::string requirement =
        "1 to " + std::to_string(kMaxLabelBytes) + " visible ASCII characters other than \" and \\";
    spec.label = value("label", requirement,
                       [](std::string_view word) { return is_valid_label(word) ? std::optional(word) : std::nullopt; });
  }

  void read_anchor(LimitSpec& spec) {
    spec.anchor = value("ANCHOR",
                        "a date from 1970-01-01 to 2199-12-31, such as 2026-01-31, or one with a time of day, such as "
                        "2026-01-31T06:00",
                        &parse_anchor);
  }

  void read_zone(LimitSpec& spec) {
    spec.zone = value("TZ", "the IANA name of a time zone that this program knows, or UTC", [&](std::string_view word) {
      if (word == "UTC" || word == "Etc/UTC") return std::optional(std::string_view{});
      spec.rules = zones_ && is_zone_name(word) ? zones_(word) : nullptr;
      return spec.rules != nullptr ? std::optional(word) : std::nullopt;
    });
  }

  const ZoneFinder& zones_;
  std::vector<std::string_view> words_;
  std::size_t next_ = 0;
  std::vector<LimitSpec> specs_;
  std::vector<std::string_view> given_;  ///< options of the last limit
  std::string error_;
};

}  // namespace detail

/// Reads the limits of a policy. A text that names a time zone other than UTC needs `zones`, because the client must know
/// the zone's rules to decide without the server.
[[nodiscard]] inline ParsedPolicy parse_policy(std::string_view text, const ZoneFinder& zones = {}) {
  return detail::PolicyReader(text, zones).read_all();
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_POLICY_TEXT_H
