// SPDX-License-Identifier: MIT
// The accounts of a subject: one for each limit that it was asked under.
//
// A call is decided by the accounts of the limits that it names, and by no other. What it is granted is booked on all
// (booking.h). So a limit counts as if it alone had been asked all the time, whatever others ask in between.
//
// While a subject is asked under one list of limits, its accounts are this list, and nothing is remembered beside the
// states. Once it is asked under another list, each account has a `last grant`: the instant of the last grant under a
// call that named it, or when it was opened. An account that nobody uses any more is dropped. docs/adr/0026 has the
// reasons. Depends on limits, their states and conversions.
#ifndef RATELIMIT_ACCOUNT_H
#define RATELIMIT_ACCOUNT_H

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/converted_state.h"
#include "ratelimit/limit.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// The accounts that a list of limits has.
[[nodiscard]] inline AccountSet all_accounts(const Limits& limits) {
  return static_cast<AccountSet>((1U << limits.size()) - 1U);
}

/// The accounts of a subject, borrowed.
struct Accounts {
  const Limits& limits;
  std::span<Cell> cells;
  std::span<const Instant> last_grants;  ///< empty while the subject is asked under one list
  bool may_drop = true;                  ///< false while a hold lasts, which knows accounts by their places
};

/// The accounts that stay if no call names them. An account is dropped if nobody was granted anything under it for as
/// long as the slowest account takes from full use to idle. Those with the newest grant stay, so that a subject that
/// nobody asks keeps its debt.
[[nodiscard]] inline AccountSet kept_accounts(const Accounts& accounts, Instant now) {
  AccountSet kept = all_accounts(accounts.limits);
  if (accounts.last_grants.empty() || !accounts.may_drop) return kept;
  Span slowest{};
  for (std::size_t i = 0; i < accounts.limits.size(); ++i) slowest = std::max(slowest, accounts.limits[i].recovery());
  const Instant newest = *std::max_element(accounts.last_grants.begin(), accounts.last_grants.end());
  for (std::size_t i = 0; i < accounts.limits.size(); ++i) {
    const Instant last = accounts.last_grants[i];
    if (last != newest && now - last > slowest) kept &= static_cast<AccountSet>(~account_set(i));
  }
  return kept;
}

/// The accounts that a call names, in the order in which it names their limits. These are not dropped by the call, so
/// that the wait of a denial comes true.
///
/// An account that is not there is opened. It starts from another account of the same family of algorithms, else from
/// the one that counts most; at most its size counts as used. A limit of requests starts only from one of requests, and
/// one with leases only from one with leases; otherwise it starts empty. Nothing changes until `move_into` is called.
class NamedAccounts {
 public:
  using Place = std::optional<std::size_t>;

  /// `at` is the instant of the decision: now, or the turn of a call that waits.
  NamedAccounts(const Accounts& accounts, const Limits& named, Instant now, Instant at)
      : accounts_(accounts), named_(named), now_(now), at_(at) {
    for (std::size_t i = 0; i < named_.size(); ++i) find_place(i);
    kept_ = kept_accounts(accounts_, now_) | taken_;
    for (std::size_t i = 0; i < named_.size(); ++i) {
      if (!place_[i]) open(i);
    }
  }
  NamedAccounts(const NamedAccounts&) = delete;
  NamedAccounts& operator=(const NamedAccounts&) = delete;
  ~NamedAccounts() {
    for (std::size_t i = 0; i < named_.size(); ++i) {
      if (is_made_[i]) {
        named_[i].visit([&](const auto& algorithm) { std::destroy_at(&state_in(made_[i], algorithm)); });
      }
    }
  }

  /// The state of limit `i` of the call.
  [[nodiscard]] const Cell& operator[](std::size_t i) const {
    if (place_[i]) return accounts_.cells[*place_[i]];
    return is_made_[i] ? made_[i] : accounts_.cells[*source_[i]];
  }

  /// Whether the accounts that stay are idle. The subject is as good as absent then, unless something is reserved.
  [[nodiscard]] bool are_idle() const {
    for (std::size_t j = 0; j < accounts_.limits.size(); ++j) {
      if (!contains(kept_, j)) continue;
      const Instant idle_at = accounts_.limits[j].visit([&](const auto& algorithm) {
        return algorithm.idle_at(state_in(std::as_const(accounts_.cells[j]), algorithm));
      });
      if (idle_at > now_) return false;
    }
    return true;
  }
  /// Where the account of limit `i` of the call is; none if it is opened.
  [[nodiscard]] Place place(std::size_t i) const { return place_[i]; }
  /// The same for the account whose part in holds that of limit `i` has: its own, else the one whose place it takes or which
  /// it starts from. None if it has no part in any.
  [[nodiscard]] Place predecessor(std::size_t i) const {
    if (place_[i]) return place_[i];
    return replaced_[i] ? replaced_[i] : source_[i];
  }
  /// For each account afterwards.
  [[nodiscard]] std::array<Place, kMaxLimits> predecessors() const {
    std::array<Place, kMaxLimits> all;
    std::size_t place = 0;
    for_each_after([&](const Limit&, Place before, Place opened) {
      all[place] = opened ? predecessor(*opened) : before;
      ++place;
    });
    return all;
  }
  /// The accounts that the call names, of those that are there.
  [[nodiscard]] AccountSet named() const { return taken_; }
  /// Whether an account is opened: then also a denial stores it.
  [[nodiscard]] bool opens() const { return opened_ > 0; }
  /// Whether a grant changes which accounts there are, or what is remembered of them.
  [[nodiscard]] bool changes() const {
    if (opens() || kept_ != all()) return true;
    return accounts_.last_grants.empty() ? taken_ != kept_ : is_one_list();
  }

  /// Whether the subject is one that is asked under one list afterwards: all its accounts are those of the call.
  [[nodiscard]] bool is_one_list() const {
    // Where there were no accounts, there are no last grants to keep.
    const bool keeps_last_grants = is_denied_ && accounts_.limits.size() > 0;
    return !keeps_last_grants && taken_ == kept_ && !replaces() && (accounts_.may_drop || places_stay());
  }
  /// The call is denied: its accounts are opened, and each keeps its last grant.
  void note_denial() { is_denied_ = true; }
  /// The limits of the accounts afterwards. Labels and zones are borrowed from the limits.
  void add_specs(LimitSpecs& specs) const {
    for_each_after([&](const Limit& limit, Place, Place) { specs.push_back(limit.spec()); });
  }
  /// The accounts that the call names, by their places afterwards.
  [[nodiscard]] AccountSet named_afterwards() const {
    AccountSet set = 0;
    std::size_t place = 0;
    for_each_after([&](const Limit&, Place before, Place opened) {
      if (opened || contains(taken_, *before)) set |= account_set(place);
      ++place;
    });
    return set;
  }

  /// Moves the states into `cells`, which hold idle states of the limits afterwards. Those before are as good as idle
  /// then. `last_grants` is empty if `is_one_list()`.
  void move_into(std::span<Cell> cells, std::span<Instant> last_grants) {
    // Copies first: a source may be moved away.
    for (std::size_t i = 0; i < named_.size(); ++i) {
      if (!place_[i] && !is_made_[i]) make(i);
    }
    std::size_t place = 0;
    for_each_after([&](const Limit& limit, Place before, Place opened) {
      Cell& from = opened ? made_[*opened] : accounts_.cells[*before];
      limit.visit(
          [&](const auto& algorithm) { state_in(cells[place], algorithm) = std::move(state_in(from, algorithm)); });
      if (!last_grants.empty()) last_grants[place] = opened ? now_ : last_grant(*before);
      ++place;
    });
  }

 private:
  /// Whether each account has the same place in the list of the call.
  [[nodiscard]] bool places_stay() const {
    for (std::size_t i = 0; i < named_.size(); ++i) {
      if (place_[i] ? *place_[i] != i : i < accounts_.limits.size()) return false;
    }
    return true;
  }

  [[nodiscard]] AccountSet all() const { return all_accounts(accounts_.limits); }
  [[nodiscard]] Instant last_grant(std::size_t place) const {
    return accounts_.last_grants.empty() ? now_ : accounts_.last_grants[place];
  }
  [[nodiscard]] bool replaces() const {
    return std::any_of(replaced_.begin(), replaced_.end(), [](const Place& place) { return place.has_value(); });
  }

  /// The account of limit `i` of the call, unless the call named it before: twins are known by their order.
  void find_place(std::size_t i) {
    for (std::size_t j = 0; j < accounts_.limits.size(); ++j) {
      if (contains(taken_, j) || !(accounts_.limits[j] == named_[i])) continue;
      place_[i] = j;
      taken_ |= account_set(j);
      return;
    }
  }

  void open(std::size_t i) {
    ++opened_;
    replaced_[i] = account_to_replace();
    source_[i] = replaced_[i] ? source_if_possible(*replaced_[i], i) : best_source(i);
    if (!source_shows(i)) make(i);
  }

  /// Whether the state that an account starts from is also the one that it starts with: then a decision needs no copy.
  [[nodiscard]] bool source_shows(std::size_t i) const {
    return source_[i] && means_the_same(accounts_.limits[*source_[i]], named_[i]) &&
           used(*source_[i]) <= named_[i].size();
  }

  /// The account that gives way to one more if there are too many.
  [[nodiscard]] Place account_to_replace() const {
    const auto count = static_cast<std::size_t>(std::popcount(kept_));
    if (count + opened_ - replaced_count() <= kMaxLimits) return std::nullopt;
    Place oldest;
    for (std::size_t j = 0; j < accounts_.limits.size(); ++j) {
      if (!contains(kept_, j) || contains(taken_, j) || is_replaced(j)) continue;
      if (!oldest || last_grant(j) < last_grant(*oldest)) oldest = j;
    }
    return oldest;
  }
  [[nodiscard]] std::size_t replaced_count() const {
    return static_cast<std::size_t>(
        std::count_if(replaced_.begin(), replaced_.end(), [](const Place& place) { return place.has_value(); }));
  }
  [[nodiscard]] bool is_replaced(std::size_t j) const {
    return std::any_of(replaced_.begin(), replaced_.end(), [j](const Place& place) { return place == j; });
  }

  [[nodiscard]] bool may_start_from(std::size_t i, std::size_t j) const {
    const Limit& from = accounts_.limits[j];
    return (!named_[i].is_per_request() || from.is_per_request()) && (!named_[i].has_leases() || from.has_leases());
  }
  [[nodiscard]] Place source_if_possible(std::size_t j, std::size_t i) const {
    return may_start_from(i, j) ? Place(j) : std::nullopt;
  }
  [[nodiscard]] Place best_source(std::size_t i) const {
    Place best;
    for (std::size_t j = 0; j < accounts_.limits.size(); ++j) {
      if (!contains(kept_, j) || !may_start_from(i, j)) continue;
      if (!best || rank(i, j) > rank(i, *best)) best = j;
    }
    return best;
  }
  /// An account of the same family is the better source, then the one that counts more.
  [[nodiscard]] std::pair<bool, Units> rank(std::size_t i, std::size_t j) const {
    return {are_of_one_family(accounts_.limits[j].algorithm(), named_[i].algorithm()), used(j)};
  }
  [[nodiscard]] Units used(std::size_t j) const {
    return accounts_.limits[j].visit([&](const auto& algorithm) {
      return algorithm.used(state_in(std::as_const(accounts_.cells[j]), algorithm), at_);
    });
  }

  /// Makes the state that an account starts with.
  void make(std::size_t i) {
    named_[i].visit([&]<class A>(const A&) { made_[i].emplace(typename A::State{}); });
    is_made_[i] = true;
    if (!source_[i]) return;
    convert(accounts_.limits[*source_[i]], accounts_.cells[*source_[i]], named_[i], made_[i], at_);
    named_[i].visit([&](const auto& algorithm) { algorithm.cap(state_in(made_[i], algorithm), at_); });
  }

  /// Calls `visit(limit, place before, limit of the call that is opened)` for each account afterwards, in order.
  template <class Visit>
  void for_each_after(Visit visit) const {
    if (is_one_list()) {
      for (std::size_t i = 0; i < named_.size(); ++i) visit(named_[i], place_[i], opened(i));
      return;
    }
    for (std::size_t j = 0; j < accounts_.limits.size(); ++j) {
      if (!contains(kept_, j)) continue;
      const auto* const by = std::find(replaced_.begin(), replaced_.end(), Place(j));
      if (by == replaced_.end()) {
        visit(accounts_.limits[j], Place(j), Place());
      } else {
        const auto i = static_cast<std::size_t>(by - replaced_.begin());
        visit(named_[i], Place(), Place(i));
      }
    }
    for (std::size_t i = 0; i < named_.size(); ++i) {
      if (!place_[i] && !replaced_[i]) visit(named_[i], Place(), Place(i));
    }
  }
  [[nodiscard]] Place opened(std::size_t i) const { return place_[i] ? Place() : Place(i); }

  Accounts accounts_;
  const Limits& named_;
  Instant now_;
  Instant at_;
  AccountSet kept_ = 0;   ///< the accounts that stay, unless they are replaced
  AccountSet taken_ = 0;  ///< those of them that the call names
  std::size_t opened_ = 0;
  bool is_denied_ = false;
  std::array<Place, kMaxLimits> place_;     ///< of the limits of the call
  std::array<Place, kMaxLimits> source_;    ///< what an account that is opened starts from
  std::array<Place, kMaxLimits> replaced_;  ///< and whose place it takes
  std::array<bool, kMaxLimits> is_made_{};
  std::array<Cell, kMaxLimits> made_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_ACCOUNT_H
