// SPDX-License-Identifier: MIT
// What a subject remembers beyond its states: the turn of a call that waits, a block, and the holds of calls whose cost
// is not known yet, or was settled. Depends on operations, units, turns, blocks and the lease set.
#ifndef RATELIMIT_RESERVATIONS_H
#define RATELIMIT_RESERVATIONS_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/block.h"
#include "ratelimit/operation.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// A hold, as the lease set keeps it: its units are the most that an account was charged, and once it is settled, what
/// the call did cost. Its mark orders the holds by when they were taken.
struct Hold {
  static constexpr std::uint32_t kNamed = 0xFFU;
  static constexpr std::uint32_t kSettled = 1U << 8U;
  static constexpr unsigned kBitsBeforePlace = 9;

  [[nodiscard]] static AccountSet named(const LeaseSet::Holder& hold) {
    return static_cast<AccountSet>(hold.tag & kNamed);
  }
  [[nodiscard]] static bool is_settled(const LeaseSet::Holder& hold) { return (hold.tag & kSettled) != 0; }
  /// Where `Reservations::each` has what the hold has charged each account, if it does.
  [[nodiscard]] static std::optional<std::size_t> place(std::uint32_t tag) {
    const std::uint32_t number = tag >> kBitsBeforePlace;
    return number > 0 ? std::optional<std::size_t>(number - 1) : std::nullopt;
  }
  [[nodiscard]] static std::uint32_t with_place(std::uint32_t tag, std::size_t place) {
    return (tag & (kNamed | kSettled)) | static_cast<std::uint32_t>((place + 1) << kBitsBeforePlace);
  }
};
// A file may contain twice as many holds: those that have ended, and were not collected yet.
static_assert(2 * kMaxHolders < std::size_t{1} << (32 - Hold::kBitsBeforePlace));

/// Sums of units for each account. They wrap around: only differences have a meaning.
using Sums = std::array<std::uint64_t, kChargedPlaces>;

/// What one hold has charged the accounts, and what each account was charged in all right after that.
struct AccountCharges {
  Charges charges{};
  Sums marks{};
};

/// Default: no call waits, nothing is blocked, and there are no holds.
///
/// When a hold gives units back, it must not give back what was charged after it: those units are others'. So
/// `charged` counts all units that the subject is charged, and the mark of a hold is what `charged` was right after
/// its own charge. As long as all accounts are charged the same, this says all. From the first call on that charges
/// them differently, until there are no holds, the same is counted for each account.
struct Reservations {
  Turn turn;
  Block block;
  LeaseSet holds;  ///< by their ids, with the units that each was charged
  /// Units charged since there are holds: the most that an account was charged by each call. Wraps around.
  std::uint64_t charged = 0;
  bool is_uneven = false;            ///< whether the accounts were charged differently since there are holds
  Sums charged_each{};               ///< if so: what each was charged
  std::vector<AccountCharges> each;  ///< and of each hold that is not settled
  std::vector<std::size_t> free;     ///< places in `each` that no hold has
  Instant as_of{};                   ///< the last operation, since there are holds

  [[nodiscard]] bool empty() const { return holds.empty() && turn == Turn{} && block == Block{}; }

  /// The hold with that id, settled or not, that has not ended. O(log n).
  [[nodiscard]] std::optional<LeaseSet::Holder> live_hold(std::string_view id, Instant now) const {
    const std::optional<LeaseSet::Holder> hold = holds.find(id);
    return hold && hold->end > now ? hold : std::nullopt;
  }

  /// What a hold has charged the account in that place. An account that was opened later has what the hold has.
  [[nodiscard]] Units charged_by(const LeaseSet::Holder& hold, std::size_t account) const {
    const auto place = Hold::place(hold.tag);
    return place ? each[*place].charges[account] : hold.units;
  }
  [[nodiscard]] Charges charges_of(const LeaseSet::Holder& hold) const {
    const auto place = Hold::place(hold.tag);
    return place ? each[*place].charges : same_for_all(hold.units);
  }

  /// Units charged to an account after a hold.
  [[nodiscard]] Units charged_after(const LeaseSet::Holder& hold, std::size_t account) const {
    const auto place = Hold::place(hold.tag);
    const std::uint64_t since = place ? charged_each[account] - each[*place].marks[account] : charged - hold.mark;
    return Units(static_cast<std::int64_t>(std::min(since, kMostNewer)));
  }

  /// The accounts have other places: `from[i]` is where the one was that is now in place i.
  void move_charges(const std::array<std::optional<std::size_t>, kMaxLimits>& from) {
    if (!is_uneven) return;
    const auto move = [&from](auto& values) {
      const auto before = values;
      for (std::size_t i = 0; i < from.size(); ++i) values[i] = from[i] ? before[*from[i]] : before.back();
    };
    move(charged_each);
    holds.change_numbers([&](Units, std::uint64_t, std::uint32_t tag) {
      if (const auto place = Hold::place(tag)) {
        move(each[*place].charges);
        move(each[*place].marks);
      }
      return true;
    });
  }

  /// The calls of all holds named no other accounts than these.
  void name_only(AccountSet accounts) {
    holds.change_numbers([accounts](Units, std::uint64_t, std::uint32_t& tag) {
      tag &= ~Hold::kNamed | accounts;
      return true;
    });
  }
  /// The calls of all holds named all accounts, whichever these are.
  void name_all() {
    holds.change_numbers([](Units, std::uint64_t, std::uint32_t& tag) {
      tag |= Hold::kNamed;
      return true;
    });
  }

  // --- what an operation does to the counts ---

  /// The accounts were charged so much.
  void count_charged(const Charges& units) {
    if (!holds.empty() && !are_even(units)) become_uneven();
    const Units most = *std::max_element(units.begin(), units.end());
    charged += count_of(most);
    if (is_uneven) {
      for (std::size_t i = 0; i < units.size(); ++i) charged_each[i] += count_of(units[i]);
    }
    if (most > kMax32BitUnits) [[unlikely]]
      stop_at_most_newer();
  }

  /// A hold is taken that has just charged the accounts so much. `named` are the accounts that its call names.
  void add_hold(std::string_view id, Instant end, AccountSet named, const Charges& charges) {
    if (!are_even(charges)) become_uneven();
    const Units most = *std::max_element(charges.begin(), charges.end());
    LeaseSet::Holder hold{.end = end, .units = most, .mark = charged, .tag = named};
    if (is_uneven) hold.tag = Hold::with_place(hold.tag, put({charges, charged_each}));
    holds.put(id, hold);
  }

  /// A hold has just charged the accounts so much more. What was charged after it is still as much as before.
  void grow_hold(std::string_view id, AccountSet named, const Charges& more) {
    count_charged(more);
    LeaseSet::Holder hold = *holds.find(id);
    const Units most = *std::max_element(more.begin(), more.end());
    hold.mark += count_of(most);
    hold.tag = (hold.tag & ~Hold::kNamed) | named;
    if (const auto place = Hold::place(hold.tag)) {
      AccountCharges& own = each[*place];
      for (std::size_t i = 0; i < more.size(); ++i) {
        own.charges[i] += more[i];
        own.marks[i] += count_of(more[i]);
      }
      hold.units = *std::max_element(own.charges.begin(), own.charges.end());
    } else {
      hold.units += most;
    }
    holds.put(id, hold);
  }

  /// A hold has given all its units back.
  void end_hold(std::string_view id) {
    const LeaseSet::Holder hold = *holds.find(id);
    if (!Hold::is_settled(hold)) {
      forget_charged(hold, charges_of(hold));
      release_place(hold);
    }
    holds.erase(id);
  }

  /// The call of a hold did cost so much. Its id stays, settled, with the most of it.
  void settle_hold(std::string_view id, Units cost, const Charges& given_back, const Charges& missing) {
    if (holds.size() > 1 && (!are_even(given_back) || !are_even(missing))) become_uneven();
    LeaseSet::Holder hold = *holds.find(id);
    forget_charged(hold, given_back);
    release_place(hold);
    hold.units = cost;
    hold.tag = Hold::named(hold) | Hold::kSettled;
    holds.put(id, hold);
    count_charged(missing);
  }

  /// The last `units` that were charged were given back: lowers what counts as charged after each hold.
  void forget_newest_charged(Units units) {
    const std::uint64_t less = count_of(units);
    const auto lower = [less](std::uint64_t& mark, std::uint64_t sum) {
      const std::uint64_t newer = sum - mark;
      mark = sum - (newer > less ? newer - less : 0);
    };
    holds.change_numbers([&](Units, std::uint64_t& mark, std::uint32_t tag) {
      if (!is_uneven) {
        lower(mark, charged);
      } else if (const auto place = Hold::place(tag)) {
        for (std::size_t i = 0; i < kChargedPlaces; ++i) lower(each[*place].marks[i], charged_each[i]);
      }
      return true;
    });
  }

  /// The instant from which on no call waits, nothing is blocked and no hold lasts.
  [[nodiscard]] Instant idle_at() const { return std::max({turn.at, block.end, holds.last_end()}); }

  /// Resets what only holds need, if there are no holds.
  void compact() {
    if (!holds.empty()) return;
    charged = 0;
    as_of = {};
    if (is_uneven) be_even();
  }

  /// Of how many ended holds one operation gives the units back. Each goes over all holds at worst, so among many there are
  /// fewer: no operation takes longer than some milliseconds. The rest still counts until the next operation.
  [[nodiscard]] std::size_t collected_at_once() const {
    constexpr std::size_t kMost = 64;
    return holds.empty() ? kMost : std::clamp<std::size_t>(kMostWork / work_of_one(), 1, kMost);
  }

  /// The most work of one operation that finds ended holds: some milliseconds.
  static constexpr std::size_t kMostWork = std::size_t{1} << 19U;
  /// The work of the next operation if holds have ended. Grows with the time that it takes, and is kMostWork at most.
  [[nodiscard]] std::size_t work_of_collecting() const { return collected_at_once() * work_of_one(); }

  /// The same with no other holds than those that the next operation collects. What these give back depends on no other
  /// hold, so whoever only asks for that need not copy all. O(log n + 64).
  [[nodiscard]] Reservations only_collected_next(Instant now) const {
    Reservations some;
    some.turn = turn;
    some.block = block;
    some.charged = charged;
    some.is_uneven = is_uneven;
    some.charged_each = charged_each;
    some.as_of = as_of;
    const std::size_t ended = holds.size() - holds.count_after(now);
    holds.for_first(std::min(ended, collected_at_once()), [&](std::string_view id, LeaseSet::Holder hold) {
      if (const auto place = Hold::place(hold.tag)) hold.tag = Hold::with_place(hold.tag, some.put(each[*place]));
      some.holds.put(id, hold);
    });
    return some;
  }

  /// Whether a hold has ended whose units were not given back yet.
  [[nodiscard]] bool any_hold_ended(Instant now) const { return !holds.empty() && holds.first().end <= now; }

  [[nodiscard]] std::size_t heap_bytes() const {
    return holds.heap_bytes() + each.capacity() * sizeof(AccountCharges) + free.capacity() * sizeof(std::size_t);
  }
  [[nodiscard]] std::size_t heap_pieces() const { return holds.heap_pieces() + (each.empty() ? 0 : 2); }

  /// Finds a place for what a hold has charged.
  [[nodiscard]] std::size_t put(const AccountCharges& own) {
    if (free.empty()) {
      each.push_back(own);
      return each.size() - 1;
    }
    const std::size_t place = free.back();
    free.pop_back();
    each[place] = own;
    return place;
  }

 private:
  static constexpr std::uint64_t kMostNewer = std::uint64_t{1} << 62U;

  /// The work of giving back the units of one hold: at worst it goes over all, and reads more of each where accounts are
  /// counted each for itself.
  [[nodiscard]] std::size_t work_of_one() const { return holds.size() * (is_uneven ? 4 : 1); }
  [[nodiscard]] static std::uint64_t count_of(Units units) { return static_cast<std::uint64_t>(units.count()); }
  [[nodiscard]] static bool are_even(const Charges& charges) {
    return std::all_of(charges.begin(), charges.end(), [&charges](Units units) { return units == charges.front(); });
  }

  /// From now on the accounts are counted each for itself. O(n): some milliseconds for the most holds.
  void become_uneven() {
    if (is_uneven) return;
    is_uneven = true;
    charged_each.fill(charged);
    each.reserve(holds.size());  // growing step by step would take twice as long
    holds.change_numbers([this](Units units, std::uint64_t mark, std::uint32_t& tag) {
      if ((tag & Hold::kSettled) != 0) return true;
      AccountCharges own{.charges = same_for_all(units)};
      own.marks.fill(mark);
      tag = Hold::with_place(tag, put(own));
      return true;
    });
  }

  void be_even() {
    is_uneven = false;
    charged_each = {};
    each = {};
    free = {};
  }

  /// Large counts could wrap the difference to the mark of an old hold around: it stops at kMostNewer, which is more than
  /// any account counts. Quick, unless many holds are as old.
  void stop_at_most_newer() {
    const auto stop = [](std::uint64_t& mark, std::uint64_t sum) {
      if (sum - mark > kMostNewer) mark = sum - kMostNewer;
    };
    holds.change_numbers([&](Units, std::uint64_t& mark, std::uint32_t tag) {
      const bool is_old = charged - mark > kMostNewer;
      stop(mark, charged);
      if (const auto place = Hold::place(tag)) {
        for (std::size_t i = 0; i < kChargedPlaces; ++i) stop(each[*place].marks[i], charged_each[i]);
      }
      return is_old;
    });
  }

  void release_place(const LeaseSet::Holder& hold) {
    if (const auto place = Hold::place(hold.tag)) free.push_back(*place);
  }

  /// The hold `gone` has given units back. They were charged after each older hold: lowers what counts as charged after
  /// those, but not below what was charged after `gone`. If all accounts are charged the same, this is quick if no hold is
  /// older, as when holds end in the order in which they were taken. Otherwise a hold may be older for one account and
  /// younger for another, if it has grown: then all holds are looked at, O(n).
  void forget_charged(const LeaseSet::Holder& gone, const Charges& units) {
    const auto lower = [](std::uint64_t& mark, std::uint64_t sum, std::uint64_t since_gone, Units back) {
      const std::uint64_t newer = sum - mark;
      const std::uint64_t less = count_of(back);
      if (newer > since_gone) mark = sum - std::max(since_gone, newer > less ? newer - less : 0);
    };
    if (!is_uneven) {
      const std::uint64_t since = charged - gone.mark;
      return holds.change_numbers([&](Units, std::uint64_t& mark, std::uint32_t) {
        if (charged - mark <= since) return false;
        lower(mark, charged, since, units.front());
        return true;
      });
    }
    const AccountCharges own = each[*Hold::place(gone.tag)];
    for (AccountCharges& other : each) {  // in the order of memory; what no hold has does not matter
      for (std::size_t i = 0; i < kChargedPlaces; ++i) {
        lower(other.marks[i], charged_each[i], charged_each[i] - own.marks[i], units[i]);
      }
    }
  }
};

}  // namespace ratelimit

#endif  // RATELIMIT_RESERVATIONS_H
