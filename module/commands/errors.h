// What can be wrong with a call, as small values; the one function that turns them into texts.
//
// A text names the argument and what would be right, and never repeats what the client sent.
#ifndef RATELIMIT_MODULE_COMMANDS_ERRORS_H
#define RATELIMIT_MODULE_COMMANDS_ERRORS_H

#include <cstdint>
#include <string>

namespace ratelimit {

/// The arguments of all commands, by the names that users read in the documentation.
enum class Argument : std::uint8_t {
  none,
  key,
  capacity,
  refill,
  period,
  leak,
  limit,
  window,
  unit,
  zone,
  lease,
  label,
  cost,
  longest_wait,
  id,
  subject,
  jitter,
  headers,
  shadow,
  number_of_keys,
  count,
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
  mode,
  limits,
  debug_subject,
  clock_action,
  unix_time,
  nanoseconds,
  expiry,
  payload,
  effect_kind,
  subject_hash,
};

/// What may stand behind the key of a command, as bits.
struct Options {
  static constexpr std::uint8_t kLimits = 1U << 0U;  ///< limits, each with its options
  static constexpr std::uint8_t kCost = 1U << 1U;
  static constexpr std::uint8_t kMode = 1U << 2U;  ///< PARTIAL, FORCE or MAXWAIT
  static constexpr std::uint8_t kId = 1U << 3U;
  static constexpr std::uint8_t kSubject = 1U << 4U;
  static constexpr std::uint8_t kAnswer = 1U << 5U;  ///< JITTER and HEADERS
  static constexpr std::uint8_t kShadow = 1U << 6U;
};

struct Fault {
  enum class Kind : std::uint8_t {
    missing,             ///< the call ends where `argument` should be
    malformed,           ///< `argument` is not what it must be
    repeated,            ///< `argument` is given twice
    refills_too_slowly,  ///< a bucket that takes too long to refill
    repeated_label,      ///< two limits of one call have the same label
    too_many_limits,
    too_many_arguments,       ///< more than any call has
    nothing_more,             ///< something follows the last argument, `argument`
    unknown_option,           ///< the argument at `position` is none of `options`
    two_modes,                ///< PARTIAL, FORCE and MAXWAIT exclude each other
    incomplete_per_request,   ///< PER without REQUEST
    no_limits,                ///< no limits in the call and none stored in the key
    other_limits,             ///< limits in the call that are not those stored in the key
    not_one_for_each_key,     ///< `argument` is given for some of the keys only, or for more than there are
    wrong_type,               ///< the key holds something else
    internal_only,            ///< a command for the primary, called by a client
    unknown_module_argument,  ///< when the module is loaded
  };

  Kind kind;
  Argument argument = Argument::none;
  std::uint16_t position = 0;  ///< of the argument in the call; 1 is the first after the command's name
  std::uint8_t options = 0;    ///< of the command, as bits of Options

  friend bool operator==(const Fault&, const Fault&) = default;
};

/// The reply for a fault: an error code, a space and a sentence.
[[nodiscard]] std::string message(const Fault& fault);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_ERRORS_H
