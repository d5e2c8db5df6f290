// SPDX-License-Identifier: MIT
// What can be wrong with a call, as small values. error_text.h turns them into texts.
#ifndef RATELIMIT_GRAMMAR_FAULT_H
#define RATELIMIT_GRAMMAR_FAULT_H

#include <cstdint>
#include <optional>

#include "ratelimit/grammar/grammar.h"

namespace ratelimit {

struct Fault {
  enum class Kind : std::uint8_t {
    missing,             ///< the call ends where `argument` should be
    no_key,              ///< a limit stands where the key should be
    malformed,           ///< `argument` is not what it must be
    repeated,            ///< `argument` is given twice: if it is one of alternatives, the one in `options`
    refills_too_slowly,  ///< a bucket that takes too long to refill
    repeated_label,      ///< two limits of one call have the same label
    too_many_limits,
    too_many_arguments,       ///< more than any call has
    nothing_more,             ///< something follows the last argument, `argument`
    unknown_option,           ///< the argument at `position` is none of `options`
    not_together,             ///< two options of which a call has one; `argument` is their OptionRow::one_of
    unknown_label,            ///< `argument` is the label of none of the limits that apply
    charged_twice,            ///< a limit is given a cost twice
    not_with_charge,          ///< costs that differ cannot be granted in part
    not_for_each,             ///< RL.CHECKEACH cannot say what a call with `argument` needs to know
    not_with_brief,           ///< an answer in brief cannot say what a call with `argument` needs to know
    incomplete_per_request,   ///< PER without REQUEST
    no_limits,                ///< no limits in the call and none stored in the key
    settled,                  ///< the id of a reservation whose cost is settled already
    other_limits,             ///< limits in the call that are not those stored in the key
    not_one_for_each_key,     ///< `argument` is given for some of the keys only, or for more than there are
    stores_none,              ///< an exception to limits that the key does not store
    other_labels,             ///< an exception to limits with other labels
    too_many_exceptions,      ///< more than a key has room for
    not_with_subject,         ///< the limits of one subject cannot be on trial
    too_many_changes,         ///< limits stored in the key have changed too often in a short time
    used_in_both,             ///< a subject with holds, leases or a turn cannot go over to where it is in use
    repeated_subject,         ///< the same subject of the same key is named twice in one call
    invalid_cursor,           ///< of RL.LIMITERS
    wrong_type,               ///< the key holds something else
    internal_only,            ///< a command for the primary, called by a client
    unknown_module_argument,  ///< when the module is loaded
  };

  Kind kind;
  Argument argument = Argument::none;
  std::uint16_t position = 0;        ///< of the argument in the call; 1 is the first after the command's name
  OptionSet options{};               ///< what could have stood there: the options of the command. Or see `kind`
  std::optional<Algorithm> limit{};  ///< to which a missing argument belongs

  friend bool operator==(const Fault&, const Fault&) = default;
};

}  // namespace ratelimit

#endif  // RATELIMIT_GRAMMAR_FAULT_H
