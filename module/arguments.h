// Reads the arguments of a call: one cursor over words, whose first fault sticks. Knows no server.
//
// A parser built on it reads like the grammar of its command: it takes what must come, in order, and asks once at the
// end whether all was well. After a fault every further taking is a no-op that returns some harmless value.
#ifndef RATELIMIT_MODULE_ARGUMENTS_H
#define RATELIMIT_MODULE_ARGUMENTS_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "errors.h"
#include "ratelimit/limits.h"
#include "ratelimit/operations.h"
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

/// What a call asks of the limits of a key. What is borrowed, is borrowed from the call.
struct CheckRequest {
  LimitSpecs limits;  ///< may be empty
  Request call;
};

/// Reads `key [limit ...]`, and those of the other options that the command has: bits of Options.
[[nodiscard]] std::optional<Fault> parse_check(std::span<const std::string_view> words, std::uint8_t options,
                                               CheckRequest& request);

/// Reads `key numbers-of-the-limit [option ...]`, for the command that is named after `algorithm`.
[[nodiscard]] std::optional<Fault> parse_shorthand(std::span<const std::string_view> words, Algorithm algorithm,
                                                   CheckRequest& request);

/// Reads `key ttl [limit ...] [COST n] [ID id]`.
[[nodiscard]] std::optional<Fault> parse_reservation(std::span<const std::string_view> words, CheckRequest& request,
                                                     Span& ttl);

/// Reads `key id actual [limit ...]`; the actual cost, which may be 0, becomes that of the call.
[[nodiscard]] std::optional<Fault> parse_settlement(std::span<const std::string_view> words, CheckRequest& request);

/// Reads `key n` and nothing else.
[[nodiscard]] std::optional<Fault> parse_refund(std::span<const std::string_view> words, Units& units);

/// Reads `key id` and nothing else.
[[nodiscard]] std::optional<Fault> parse_release(std::span<const std::string_view> words, std::string_view& id);

/// Reads `key` and nothing else.
[[nodiscard]] std::optional<Fault> parse_key_only(std::span<const std::string_view> words);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_ARGUMENTS_H
