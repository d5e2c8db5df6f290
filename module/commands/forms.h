// SPDX-License-Identifier: MIT
// The form of each command: the words that stand in fixed order, and the options that it has.
//
// The parser of a command (requests.cpp) and its row in the command table use the same form.
#ifndef RATELIMIT_MODULE_COMMANDS_FORMS_H
#define RATELIMIT_MODULE_COMMANDS_FORMS_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>

#include "ratelimit/grammar/grammar.h"
#include "ratelimit/units.h"

namespace ratelimit {

struct Form {
  /// The words behind the name of the command. No command has more than five.
  class Words {
   public:
    constexpr Words(std::initializer_list<Argument> words) : size_(words.size()) {
      std::copy(words.begin(), words.end(), words_.begin());
    }
    constexpr void push_back(Argument word) { words_[size_++] = word; }
    [[nodiscard]] constexpr std::size_t size() const { return size_; }
    [[nodiscard]] constexpr Argument operator[](std::size_t i) const { return words_[i]; }

   private:
    std::array<Argument, 5> words_{};
    std::size_t size_;
  };

  Words words;
  Argument last = Argument::none;  ///< one more, which may be left out
  OptionSet options{};             ///< the options of limits are not among them if Option::limit is

  /// Whether there are several keys, whose number comes first.
  [[nodiscard]] constexpr bool has_many_keys() const { return words[0] == Argument::number_of_keys; }
};

namespace forms {

inline constexpr OptionSet kSubject{Option::subject};
/// What a call of RL.CHECK may have besides limits.
inline constexpr OptionSet kCallOptions{Option::subject,  Option::cost, Option::charge, Option::partial, Option::force,
                                        Option::max_wait, Option::id,   Option::jitter, Option::headers, Option::brief};

inline constexpr Form kCheck{.words = {Argument::key}, .options = kCallOptions | OptionSet{Option::limit}};
inline constexpr Form kPeek{
    .words = {Argument::key},
    .options = {Option::limit, Option::subject, Option::cost, Option::charge, Option::headers, Option::brief}};
inline constexpr Form kCheckAll{.words = {Argument::number_of_keys, Argument::key},
                                .options = {Option::limit, Option::subject, Option::cost, Option::costs, Option::force,
                                            Option::each, Option::jitter, Option::headers}};
inline constexpr Form kCheckEach{.words = {Argument::key}, .options = {Option::limit, Option::cost, Option::subjects}};
inline constexpr Form kDefine{.words = {Argument::key}, .options = {Option::limit, Option::subject, Option::shadow}};
inline constexpr Form kReserve{.words = {Argument::key, Argument::ttl},
                               .options = {Option::limit, Option::subject, Option::cost, Option::charge, Option::id,
                                           Option::jitter, Option::headers}};
inline constexpr Form kSettle{.words = {Argument::key, Argument::id, Argument::actual},
                              .options = {Option::limit, Option::subject, Option::charge}};
inline constexpr Form kReserveAll{.words = {Argument::number_of_keys, Argument::key, Argument::ttl},
                                  .options = {Option::limit, Option::subject, Option::cost, Option::costs, Option::id,
                                              Option::each, Option::jitter, Option::headers}};
inline constexpr Form kSettleAll{.words = {Argument::number_of_keys, Argument::key, Argument::id, Argument::actual},
                                 .options = {Option::subject, Option::each}};
inline constexpr Form kRefund{.words = {Argument::key, Argument::units}, .options = kSubject};
inline constexpr Form kRelease{.words = {Argument::key, Argument::id}, .options = kSubject};
inline constexpr Form kBlock{.words = {Argument::key, Argument::block_length}, .options = kSubject};
inline constexpr Form kReset{.words = {Argument::key}, .options = kSubject};
inline constexpr Form kTransfer{.words = {Argument::from, Argument::to}, .options = kSubject};
inline constexpr Form kInfo{.words = {Argument::key}, .options = kSubject};
inline constexpr Form kTop{.words = {Argument::key}, .last = Argument::count, .options = {Option::near}};
inline constexpr Form kLog{.words = {Argument::key}, .last = Argument::entries};
inline constexpr Form kLimiters{.words = {Argument::cursor}, .options = {Option::pattern, Option::scanned}};
inline constexpr Form kThrottle{
    .words = {Argument::key, Argument::max_burst, Argument::count_per_period, Argument::period_in_seconds},
    .last = Argument::quantity};
inline constexpr Form kEffect{.words = {Argument::key, Argument::effect_kind, Argument::expiry, Argument::payload},
                              .last = Argument::subject_hash};

/// The options of the command that is named after an algorithm: those of its limit are options of the call. A brief
/// answer could not say how long a queue lets a call wait.
constexpr OptionSet shorthand_options(const AlgorithmRow& row) {
  const OptionSet options = row.options | kAnyLimitOptions | kCallOptions;
  return row.algorithm == Algorithm::leaky_bucket ? options.without({Option::brief}) : options;
}
/// The form of that command: the numbers of its limit are words of the command.
constexpr Form shorthand(const AlgorithmRow& row) {
  Form form{.words = {Argument::key, row.size}, .options = shorthand_options(row)};
  if (row.rate != Argument::none) form.words.push_back(row.rate);
  form.words.push_back(row.span);
  return form;
}
template <Algorithm kAlgorithm>
inline constexpr Form kShorthand = shorthand(row_of(kAlgorithm));

}  // namespace forms
}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_FORMS_H
