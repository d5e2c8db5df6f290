// SPDX-License-Identifier: MIT
// What the commands of users are asked for: one function reads the words of each. Each reads the form of its command
// (forms.h), and says what is wrong with the call, if anything is.
#ifndef RATELIMIT_MODULE_COMMANDS_REQUESTS_H
#define RATELIMIT_MODULE_COMMANDS_REQUESTS_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "commands/call_limits.h"
#include "commands/forms.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/bounded_list.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/grammar/grammar.h"
#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// What a call asks of the limits of a key. Names are borrowed from the words of the call, labels from there or from where
/// they are remembered.
struct CheckRequest {
  CallLimits limits;  ///< may be empty
  Request call;       ///< borrows `charged`
  BoundedList<Charge, kMaxLimits> charged;
  std::string_view subject{};                    ///< empty: the key itself
  Span jitter{};                                 ///< by how much a wait may be made longer at random
  bool headers = false;                          ///< whether the reply has the fields of an HTTP response
  bool is_brief = false;                         ///< whether the reply is one integer
  std::span<const std::string_view> subjects{};  ///< of RL.CHECKEACH, in place of `subject`
};

/// What a call asks of several keys.
struct KeysRequest {
  static constexpr std::size_t kMostKeys = ratelimit::kMostKeys;

  std::size_t keys = 0;                               ///< the words from the second on
  BoundedList<LimitSpec, kMostKeys> limits;           ///< one for each key, or none
  BoundedList<std::string_view, kMostKeys> subjects;  ///< likewise; an empty one is the key itself
  BoundedList<Units, kMostKeys> costs;                ///< likewise; if none, all cost `call.cost`
  Request call;
  Span jitter{};
  bool each = false;  ///< whether the reply has what each key says
  bool headers = false;
};

/// What limits a key is to store: for everyone in it, or for one subject, which may be none then.
struct DefinitionRequest {
  CallLimits limits;
  std::string_view subject{};  ///< empty: everyone
  bool is_shadow = false;
};

/// Which keys RL.LIMITERS looks at.
struct LimitersRequest {
  std::string_view cursor;
  std::string_view pattern = "*";
  std::int64_t count = 10;
};

/// Reads a call whose only word before its options is the key: RL.CHECK, RL.PEEK.
[[nodiscard]] std::optional<Fault> parse_check(std::span<const std::string_view> words, OptionSet options,
                                               CheckRequest& request);

/// Why a call that names no limits, and goes by these, cannot be answered in brief. A look takes no lease, and so needs
/// to know of none.
enum class Purpose : bool { look, take };
[[nodiscard]] std::optional<Fault> fault_of_brief(const Limits& limits, std::string_view id, Purpose purpose);

/// Reads a call of the command that is named after `algorithm`.
[[nodiscard]] std::optional<Fault> parse_shorthand(std::span<const std::string_view> words, Algorithm algorithm,
                                                   CheckRequest& request);

/// Why RL.CHECKEACH cannot decide under these limits.
[[nodiscard]] std::optional<Fault> fault_of_each(const Limits& limits);

/// Reads a call of RL.CHECKEACH.
[[nodiscard]] std::optional<Fault> parse_check_each(std::span<const std::string_view> words, CheckRequest& request);

/// Reads a call of RL.CHECKALL.
[[nodiscard]] std::optional<Fault> parse_check_all(std::span<const std::string_view> words, KeysRequest& request);

/// Reads a call of RL.DEFINE.
[[nodiscard]] std::optional<Fault> parse_definition(std::span<const std::string_view> words,
                                                    DefinitionRequest& request);

/// Reads a call of RL.RESERVE. Its mode is that of an estimate.
[[nodiscard]] std::optional<Fault> parse_reservation(std::span<const std::string_view> words, CheckRequest& request,
                                                     Span& ttl);

/// Reads a call of RL.SETTLE. The actual cost, which may be 0, becomes the cost of the request.
[[nodiscard]] std::optional<Fault> parse_settlement(std::span<const std::string_view> words, CheckRequest& request);

/// Reads a call of RL.RESERVEALL. Its mode is that of an estimate.
[[nodiscard]] std::optional<Fault> parse_reservation_of_all(std::span<const std::string_view> words,
                                                            KeysRequest& request, Span& ttl);

/// Reads a call of RL.SETTLEALL. The actual cost, which may be 0, becomes the cost of the request.
[[nodiscard]] std::optional<Fault> parse_settlement_of_all(std::span<const std::string_view> words,
                                                           KeysRequest& request);

/// Reads a call of RL.REFUND.
[[nodiscard]] std::optional<Fault> parse_refund(std::span<const std::string_view> words, Units& units,
                                                std::string_view& subject);

/// Reads a call of RL.RELEASE.
[[nodiscard]] std::optional<Fault> parse_release(std::span<const std::string_view> words, std::string_view& id,
                                                 std::string_view& subject);

/// Reads a call of RL.BLOCK. The length may be 0.
[[nodiscard]] std::optional<Fault> parse_block(std::span<const std::string_view> words, Span& length,
                                               std::string_view& subject);

/// Reads a call of RL.TRANSFER: the two keys differ.
[[nodiscard]] std::optional<Fault> parse_transfer(std::span<const std::string_view> words, std::string_view& subject);

/// Reads a call of RL.INFO or RL.RESET.
[[nodiscard]] std::optional<Fault> parse_key_and_subject(std::span<const std::string_view> words,
                                                         std::string_view& subject);

/// Reads a call of CL.THROTTLE. The quantity, which may be 0, becomes the cost of the request.
[[nodiscard]] std::optional<Fault> parse_throttle(std::span<const std::string_view> words, CheckRequest& request);

/// What a call of RL.TOP asks for.
struct TopRequest {
  std::size_t count = 10;
  bool is_near = false;  ///< those who were near a limit, and not those who were denied
};

/// Reads a call of RL.TOP.
[[nodiscard]] std::optional<Fault> parse_top(std::span<const std::string_view> words, TopRequest& request);

/// Reads a call of RL.LOG. A count that is not given stays as it is.
[[nodiscard]] std::optional<Fault> parse_log(std::span<const std::string_view> words, std::size_t& count);

/// Reads a call of RL.LIMITERS.
[[nodiscard]] std::optional<Fault> parse_limiters(std::span<const std::string_view> words, LimitersRequest& request);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_REQUESTS_H
