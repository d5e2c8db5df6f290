// SPDX-License-Identifier: MIT
// What each argument of a command is for, in a few words, for the pages in docs/commands. What an argument must be is in
// its row (commands/argument_row.h), and is not said again here.
#ifndef RATELIMIT_TOOLS_ARGUMENT_MEANINGS_H
#define RATELIMIT_TOOLS_ARGUMENT_MEANINGS_H

#include <algorithm>
#include <array>
#include <string_view>

#include "ratelimit/grammar/grammar.h"

namespace ratelimit {

template <class Named>
struct Meaning {
  Named named;
  std::string_view text;
};

/// Of the words in fixed order.
inline constexpr std::array kMeaningsOfWords{
    Meaning{Argument::key, "the key"},
    Meaning{Argument::from, "the key that the subject leaves"},
    Meaning{Argument::to, "the key that the subject goes to"},
    Meaning{Argument::capacity, "how many units fit in: the burst, or the length of the queue; 0 is closed"},
    Meaning{Argument::refill, "how many units come back per period"},
    Meaning{Argument::leak, "how many units leave the queue per period"},
    Meaning{Argument::period, "the time of the refill or the leak"},
    Meaning{Argument::limit, "the most units in any window, or at once; 0 is closed"},
    Meaning{Argument::window_limit, "the most units per window; 0 is closed"},
    Meaning{Argument::window, "how long a window lasts"},
    Meaning{Argument::unit, "of the calendar: how long a window lasts"},
    Meaning{Argument::lease, "after this time a lease ends by itself"},
    Meaning{Argument::id, "the name of the lease or the hold"},
    Meaning{Argument::block_length, "how long the block lasts; 0 lifts it"},
    Meaning{Argument::number_of_keys, "how many keys follow"},
    Meaning{Argument::count, "how many to name; without it, 10"},
    Meaning{Argument::entries, "how many entries to show; without it, 10"},
    Meaning{Argument::cursor, "where the walk goes on; 0 begins it"},
    Meaning{Argument::ttl, "after this time the hold ends by itself, and its units come back"},
    Meaning{Argument::units, "how many units to give back"},
    Meaning{Argument::actual, "what the work really cost"},
    Meaning{Argument::max_burst, "how many units beyond the first are granted at once"},
    Meaning{Argument::count_per_period, "how many units come back per period"},
    Meaning{Argument::period_in_seconds, "the time of the refill"},
    Meaning{Argument::quantity, "what the call costs; without it, 1"},
};

/// Of what begins with a keyword.
inline constexpr std::array kMeaningsOfOptions{
    Meaning{Option::aligned, "windows begin at multiples of the window since 1970, in UTC"},
    Meaning{Option::approximate, "counts by two counters that estimate, in constant memory"},
    Meaning{Option::anchor, "a window begins here, and the others a whole number of units earlier and later"},
    Meaning{Option::zone, "whose calendar it is; without it, UTC"},
    Meaning{Option::label, "the name of the limit in the reply"},
    Meaning{Option::per_request, "this limit is charged 1, whatever the call costs"},
    Meaning{Option::subject, "who is limited: one of many in the key; without it, the key itself"},
    Meaning{Option::cost, "what the call costs; without it, 1"},
    Meaning{Option::costs, "what the call costs in each key, in their order"},
    Meaning{Option::charge, "a cost of its own for the limit of this label"},
    Meaning{Option::partial, "takes the units that are there, if not all of them are"},
    Meaning{Option::force, "charges whatever is left, into debt if need be"},
    Meaning{Option::max_wait, "grants a call that fits within this time; the reply says how long to hold it"},
    Meaning{Option::id, "the name of the lease or the hold; without it, the server chooses one"},
    Meaning{Option::each, "adds what each key says"},
    Meaning{Option::jitter, "makes the wait of a denial longer, by a random time up to this"},
    Meaning{Option::headers, "adds the fields of an HTTP response"},
    Meaning{Option::brief, "makes the reply one integer"},
    Meaning{Option::shadow, "puts the limits on trial: nobody is denied"},
    Meaning{Option::near, "names who was granted most often near a limit, instead of who was denied"},
    Meaning{Option::pattern, "names only keys that match, as for SCAN"},
    Meaning{Option::scanned, "how many keys of any kind to look at; without it, 10"},
    Meaning{Option::subjects, "who is limited: each is decided on its own; ends the call"},
};

/// Empty if there is none.
template <class Named, std::size_t N>
constexpr std::string_view meaning_of(Named named, const std::array<Meaning<Named>, N>& meanings) {
  const auto* const found = std::find_if(meanings.begin(), meanings.end(),
                                         [named](const Meaning<Named>& each) { return each.named == named; });
  return found == meanings.end() ? std::string_view{} : found->text;
}
constexpr std::string_view meaning_of(Argument word) { return meaning_of(word, kMeaningsOfWords); }
constexpr std::string_view meaning_of(Option option) { return meaning_of(option, kMeaningsOfOptions); }

}  // namespace ratelimit

#endif  // RATELIMIT_TOOLS_ARGUMENT_MEANINGS_H
