// Reads the arguments of a call: one cursor over words, whose first fault sticks. Knows no server.
//
// A parser built on it reads like the grammar of its command: it takes what must come, in order, and asks once at the
// end whether all was well. After a fault every further taking is a no-op that returns some harmless value.
#ifndef RATELIMIT_MODULE_COMMANDS_ARGUMENTS_H
#define RATELIMIT_MODULE_COMMANDS_ARGUMENTS_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "commands/errors.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/bounded_list.h"
#include "ratelimit/request.h"
#include "ratelimit/units.h"

namespace ratelimit {

class Arguments {
 public:
  /// `words` are those of the whole call, the command's name first.
  explicit Arguments(std::span<const std::string_view> words) : words_(words) {}

  /// Whether no word is left, or a fault ended the reading.
  [[nodiscard]] bool at_end() const { return fault_ || next_ == words_.size(); }

  /// Takes the next word if it is `keyword`, which is in upper case, in any case.
  bool take(std::string_view keyword);

  /// Takes a word of any content.
  std::string_view text(Argument argument);
  /// Takes an integer from 1 to 4294967295.
  Units count(Argument argument);
  /// Takes a duration from 1 ms to 3650 d.
  Span duration(Argument argument);
  /// Takes the label of a limit.
  std::string_view label();
  /// Takes the id of a lease or a hold.
  std::string_view id();
  /// Takes the name of a subject.
  std::string_view subject();
  /// Takes an integer from 0 to `most`.
  std::int64_t integer(Argument argument, std::int64_t most);

  /// Notes a fault, unless there was one before.
  void fail(const Fault& fault);
  /// Notes that the next word is none of those that may stand here.
  void fail_here(std::uint8_t options);
  [[nodiscard]] const std::optional<Fault>& fault() const { return fault_; }

 private:
  std::optional<std::string_view> next(Argument argument);

  std::span<const std::string_view> words_;
  std::size_t next_ = 1;
  std::optional<Fault> fault_;
};

/// The longest name of a subject, and the most subjects that RL.TOP names.
inline constexpr std::size_t kMaxSubjectBytes = 1024;
inline constexpr std::size_t kMostNamed = 128;

/// What a call asks of the limits of a key. What is borrowed, is borrowed from the call.
struct CheckRequest {
  LimitSpecs limits;  ///< may be empty
  Request call;
  std::string_view subject{};  ///< empty: the key itself
  Span jitter{};               ///< by how much a wait may be made longer at random
  bool headers = false;        ///< whether the reply has the fields of an HTTP response
};

/// What a call asks of several keys.
struct CheckAllRequest {
  static constexpr std::size_t kMostKeys = 64;

  std::size_t keys = 0;                               ///< the words from the second on
  BoundedList<LimitSpec, kMostKeys> limits;           ///< one for each key, or none
  BoundedList<std::string_view, kMostKeys> subjects;  ///< likewise; an empty one is the key itself
  Request call;
  Span jitter{};
  bool headers = false;
};

/// Reads `key [limit ...]`, and those of the other options that the command has: bits of Options.
[[nodiscard]] std::optional<Fault> parse_check(std::span<const std::string_view> words, std::uint8_t options,
                                               CheckRequest& request);

/// Reads `key numbers-of-the-limit [option ...]`, for the command that is named after `algorithm`.
[[nodiscard]] std::optional<Fault> parse_shorthand(std::span<const std::string_view> words, Algorithm algorithm,
                                                   CheckRequest& request);

/// Reads `numkeys key [key ...] [limit ...] [FOR subject ...]` and the other options.
[[nodiscard]] std::optional<Fault> parse_check_all(std::span<const std::string_view> words, CheckAllRequest& request);

/// Reads `key limit [limit ...] [SHADOW]`.
[[nodiscard]] std::optional<Fault> parse_definition(std::span<const std::string_view> words, LimitSpecs& limits,
                                                    bool& is_shadow);

/// Reads `key ttl [limit ...] [FOR subject] [COST n] [ID id]`.
[[nodiscard]] std::optional<Fault> parse_reservation(std::span<const std::string_view> words, CheckRequest& request,
                                                     Span& ttl);

/// Reads `key id actual [limit ...] [FOR subject]`; the actual cost, which may be 0, becomes that of the call.
[[nodiscard]] std::optional<Fault> parse_settlement(std::span<const std::string_view> words, CheckRequest& request);

/// Reads `key n [FOR subject]`.
[[nodiscard]] std::optional<Fault> parse_refund(std::span<const std::string_view> words, Units& units,
                                                std::string_view& subject);

/// Reads `key id [FOR subject]`.
[[nodiscard]] std::optional<Fault> parse_release(std::span<const std::string_view> words, std::string_view& id,
                                                 std::string_view& subject);

/// Reads `key [FOR subject]`.
[[nodiscard]] std::optional<Fault> parse_key_and_subject(std::span<const std::string_view> words,
                                                         std::string_view& subject);

/// Reads `key max_burst count period [quantity]`, of the command that redis-cell has; the quantity, which may be 0, becomes
/// the cost of the call.
[[nodiscard]] std::optional<Fault> parse_throttle(std::span<const std::string_view> words, CheckRequest& request);

/// Reads `key [count]`; what is not given stays as it is.
[[nodiscard]] std::optional<Fault> parse_top(std::span<const std::string_view> words, std::size_t& count);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_ARGUMENTS_H
