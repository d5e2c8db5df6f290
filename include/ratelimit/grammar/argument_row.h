// SPDX-License-Identifier: MIT
// The arguments of all commands: what each is called, and what it must be. A part of the grammar (grammar.h).
#ifndef RATELIMIT_GRAMMAR_ARGUMENT_ROW_H
#define RATELIMIT_GRAMMAR_ARGUMENT_ROW_H

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ratelimit/algorithms/calendar_unit.h"
#include "ratelimit/codec/effect_kind.h"
#include "ratelimit/heavy_hitters.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// The most keys of a call, the most subjects that RL.TOP names, and the most entries that RL.LOG shows.
inline constexpr std::size_t kMostKeys = 64;
inline constexpr std::size_t kMostNamed = HeavyHitters::kMostCounters;
inline constexpr std::size_t kMostShown = 5'000;
/// The most subjects of a call.
inline constexpr std::size_t kMostSubjects = 1024;
/// About how many keys one call of RL.LIMITERS looks at, at most.
inline constexpr std::int64_t kMostScanned = 1000;
/// The longest pattern for names of keys, in bytes.
inline constexpr std::size_t kMostPatternBytes = 1024;

/// The arguments of all commands. Each has a row in kArguments.
enum class Argument : std::uint8_t {
  none,
  key,
  from,
  to,
  capacity,
  refill,
  period,
  leak,
  limit,
  window_limit,
  window,
  unit,
  anchor,
  zone,
  lease,
  label,
  cost,
  costs,
  charged_label,
  charged_cost,
  longest_wait,
  block_length,
  id,
  subject,
  jitter,
  each,
  headers,
  brief,
  shadow,
  near,
  number_of_keys,
  count,
  entries,
  ttl,
  units,
  actual,
  max_burst,
  count_per_period,
  period_in_seconds,
  quantity,
  aligned,
  approximate,
  per_request,
  any_cost,
  mode,
  reply_form,
  limits,
  debug_subject,
  clock_action,
  unix_time,
  nanoseconds,
  near_percent,
  notify,
  notify_rate,
  log_length,
  top_size,
  cl_throttle,
  cursor,
  pattern,
  scanned,
  expiry,
  payload,
  effect_kind,
  subject_hash,
};

/// What an argument is.
enum class ArgumentKind : std::uint8_t {
  key,
  integer,       ///< from `least` to `most`
  duration,      ///< an integer with a unit; 0, which means none, if `least` is 0
  bytes,         ///< any bytes, of a length from `least` to `most`
  label,         ///< as is_valid_label wants it
  choice,        ///< one of `choices`
  text,          ///< what `requirement` says
  flag,          ///< an option without a value
  alternatives,  ///< several options, of which a call has one
};

struct ArgumentRow {
  Argument argument;
  ArgumentKind kind;
  const char* name = "";  ///< in documents. Errors use it too, but call the value of an option by its keyword
  std::int64_t least = 0;
  std::int64_t most = 0;
  std::span<const std::string_view> choices{};
  const char* requirement = nullptr;  ///< follows "must be". Of an integer, and of bytes, only what they are
};

inline constexpr std::array kCalendarUnits{CalendarUnit::hour,  CalendarUnit::day,     CalendarUnit::week,
                                           CalendarUnit::month, CalendarUnit::quarter, CalendarUnit::year};
inline constexpr auto kCalendarWords = [] {
  std::array<std::string_view, kCalendarUnits.size()> words;
  std::transform(kCalendarUnits.begin(), kCalendarUnits.end(), words.begin(),
                 [](CalendarUnit unit) { return keyword(unit); });
  return words;
}();

// The words of settings of the module.
inline constexpr std::array<std::string_view, 4> kNotifyWords{"off", "denied", "near", "all"};
inline constexpr std::array<std::string_view, 2> kFlagWords{"yes", "no"};

namespace detail {

constexpr ArgumentRow integer(Argument argument, const char* name, std::int64_t least, std::int64_t most,
                              const char* what = "an integer") {
  return {.argument = argument,
          .kind = ArgumentKind::integer,
          .name = name,
          .least = least,
          .most = most,
          .requirement = what};
}
constexpr ArgumentRow count(Argument argument, const char* name, Units most, Units least = kMinUnits) {
  return integer(argument, name, least.count(), most.count());
}
/// The size of a limit, which is closed if that is 0.
constexpr ArgumentRow size(Argument argument, const char* name, Units most) {
  return count(argument, name, most, kNoUnits);
}
constexpr ArgumentRow duration(Argument argument, const char* name) {
  return {.argument = argument, .kind = ArgumentKind::duration, .name = name, .least = 1};
}
constexpr ArgumentRow duration_or_none(Argument argument, const char* name) {
  return {.argument = argument, .kind = ArgumentKind::duration, .name = name, .least = 0};
}
constexpr ArgumentRow bytes(Argument argument, const char* name, std::size_t most, const char* what = nullptr) {
  return {.argument = argument,
          .kind = ArgumentKind::bytes,
          .name = name,
          .least = 1,
          .most = static_cast<std::int64_t>(most),
          .requirement = what};
}
constexpr ArgumentRow choice(Argument argument, const char* name, std::span<const std::string_view> choices) {
  return {.argument = argument, .kind = ArgumentKind::choice, .name = name, .choices = choices};
}
constexpr ArgumentRow text(Argument argument, const char* name, const char* requirement) {
  return {.argument = argument, .kind = ArgumentKind::text, .name = name, .requirement = requirement};
}
constexpr ArgumentRow alternatives(Argument argument, const char* name) {
  return {.argument = argument, .kind = ArgumentKind::alternatives, .name = name};
}
constexpr ArgumentRow flag(Argument argument) { return {.argument = argument, .kind = ArgumentKind::flag}; }

inline constexpr std::int64_t kMostSeconds = std::chrono::floor<std::chrono::seconds>(kMaxSpan).count();

}  // namespace detail

inline constexpr std::array kArguments{
    detail::text(Argument::none, "argument", "given"),
    ArgumentRow{.argument = Argument::key, .kind = ArgumentKind::key, .name = "key", .requirement = "a key"},
    ArgumentRow{.argument = Argument::from, .kind = ArgumentKind::key, .name = "from", .requirement = "a key"},
    ArgumentRow{
        .argument = Argument::to, .kind = ArgumentKind::key, .name = "to", .requirement = "another key than from"},
    detail::size(Argument::capacity, "capacity", kMax32BitUnits),
    detail::count(Argument::refill, "refill", kMax32BitUnits),
    detail::duration(Argument::period, "period"),
    detail::count(Argument::leak, "leak", kMax32BitUnits),
    detail::size(Argument::limit, "limit", kMax32BitUnits),
    detail::size(Argument::window_limit, "limit", kMaxUnits),
    detail::duration(Argument::window, "window"),
    detail::choice(Argument::unit, "unit", kCalendarWords),
    detail::text(Argument::anchor, "date",
                 "a date from 1970-01-01 to 2199-12-31, such as 2026-01-31, or one with a time of day, such as "
                 "2026-01-31T06:00"),
    detail::text(Argument::zone, "zone",
                 "a time zone that is known here by its IANA name, such as Europe/Berlin, or UTC"),
    detail::duration(Argument::lease, "lease"),
    ArgumentRow{.argument = Argument::label, .kind = ArgumentKind::label, .name = "label"},
    detail::integer(Argument::cost, "n", 0, kMaxUnits.count()),
    detail::integer(Argument::costs, "n", 0, kMaxUnits.count(), "one integer for each key,"),
    ArgumentRow{.argument = Argument::charged_label, .kind = ArgumentKind::label, .name = "label"},
    detail::integer(Argument::charged_cost, "n", 0, kMaxUnits.count()),
    detail::duration_or_none(Argument::longest_wait, "d"),
    detail::duration_or_none(Argument::block_length, "d"),
    detail::bytes(Argument::id, "id", kMaxIdBytes),
    detail::bytes(Argument::subject, "subject", kMaxSubjectBytes, "the name of a subject"),
    detail::duration_or_none(Argument::jitter, "d"),
    detail::flag(Argument::each),
    detail::flag(Argument::headers),
    detail::flag(Argument::brief),
    detail::flag(Argument::shadow),
    detail::flag(Argument::near),
    detail::integer(Argument::number_of_keys, "numkeys", 1, kMostKeys),
    detail::integer(Argument::count, "count", 1, kMostNamed),
    detail::integer(Argument::entries, "count", 1, kMostShown),
    detail::duration(Argument::ttl, "ttl"),
    detail::count(Argument::units, "n", kMaxUnits),
    detail::count(Argument::actual, "actual", kMaxUnits, kNoUnits),
    detail::count(Argument::max_burst, "max_burst", kMax32BitUnits - kMinUnits, kNoUnits),
    detail::count(Argument::count_per_period, "count", kMax32BitUnits),
    detail::integer(Argument::period_in_seconds, "period", 1, detail::kMostSeconds, "whole seconds,"),
    detail::count(Argument::quantity, "quantity", kMax32BitUnits, kNoUnits),
    detail::flag(Argument::aligned),
    detail::flag(Argument::approximate),
    detail::flag(Argument::per_request),
    detail::alternatives(Argument::any_cost, "cost"),
    detail::alternatives(Argument::mode, "mode"),
    detail::alternatives(Argument::reply_form, "form"),
    detail::text(Argument::limits, "limits", "one to eight limits, such as TOKENBUCKET 20 10 1s"),
    detail::text(Argument::debug_subject, "subject", "CLOCK"),
    detail::text(Argument::clock_action, "clock action", "SET unix-ns, ADVANCE ns or RESUME"),
    detail::integer(Argument::unix_time, "unix-ns", 0, kLatest.time_since_epoch().count(),
                    "a Unix time in nanoseconds"),
    detail::text(Argument::nanoseconds, "ns", "nanoseconds that lead no further than the year 2200"),
    detail::integer(Argument::near_percent, "near-percent", 1, 100),
    detail::choice(Argument::notify, "notify", kNotifyWords),
    detail::integer(Argument::notify_rate, "notify-rate", 1, 1'000'000),
    detail::integer(Argument::log_length, "log-len", 0, 65'536),
    detail::integer(Argument::top_size, "top-size", 1, 1024),
    detail::choice(Argument::cl_throttle, "cl-throttle", kFlagWords),
    detail::text(Argument::cursor, "cursor", "0, or the cursor that the call before told"),
    detail::bytes(Argument::pattern, "pattern", kMostPatternBytes),
    detail::integer(Argument::scanned, "count", 1, kMostScanned),
    detail::text(Argument::expiry, "unix-ms", "a Unix time in milliseconds"),
    detail::text(Argument::payload, "payload", "a state that this version of the module can read"),
    detail::choice(Argument::effect_kind, "kind", kEffectWords),
    detail::text(Argument::subject_hash, "subject-hash", "a hash of 8 bytes, for a kind that may name a subject"),
};

[[nodiscard]] constexpr const ArgumentRow& row_of(Argument argument) {
  return kArguments[static_cast<std::size_t>(argument)];
}
static_assert(
    [] {
      for (std::size_t i = 0; i < kArguments.size(); ++i) {
        if (static_cast<std::size_t>(kArguments[i].argument) != i) return false;
      }
      return kArguments.size() == static_cast<std::size_t>(Argument::subject_hash) + 1;
    }(),
    "each argument has a row, at its place");

/// The settings of the module, which are told behind its path and by CONFIG SET, in the order of documents.
inline constexpr std::array kSettings{Argument::near_percent, Argument::notify,   Argument::notify_rate,
                                      Argument::log_length,   Argument::top_size, Argument::cl_throttle};

}  // namespace ratelimit

#endif  // RATELIMIT_GRAMMAR_ARGUMENT_ROW_H
