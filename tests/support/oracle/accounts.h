// SPDX-License-Identifier: MIT
// The accounts of a subject: what each limit remembers that it was asked under, and which of them a call finds, opens
// and drops.
#ifndef RATELIMIT_TESTS_SUPPORT_ORACLE_ACCOUNTS_H
#define RATELIMIT_TESTS_SUPPORT_ORACLE_ACCOUNTS_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "list.h"
#include "model.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/operation.h"
#include "ratelimit/units.h"

namespace ratelimit::oracle {

/// What one limit remembers, and since when nobody was granted anything under it.
struct Account {
  LimitSpec spec;
  std::unique_ptr<Model> model;
  Instant last{};              ///< the last grant under a call that named it, or when it was opened
  std::uint64_t identity = 0;  ///< of the account, wherever it stands in the list
  std::uint64_t source = 0;    ///< the identity of the account that it starts from; until it has its own

  [[nodiscard]] Account copy() const { return {spec, model->clone(), last, identity}; }
};

inline bool is_same_limit(const LimitSpec& a, const LimitSpec& b) {
  return a.algorithm == b.algorithm && a.size == b.size && a.refill == b.refill && a.span == b.span &&
         a.aligned == b.aligned && a.unit == b.unit && a.anchor == b.anchor && a.zone == b.zone &&
         a.per_request == b.per_request && a.label == b.label;
}

inline bool is_of_one_family(Algorithm a, Algorithm b) {
  const auto is_bucket = [](Algorithm algorithm) {
    return algorithm == Algorithm::token_bucket || algorithm == Algorithm::leaky_bucket;
  };
  return a == b || (is_bucket(a) && is_bucket(b));
}

/// The model of `spec` in which as much is used as in `old`: what both have in common exactly, else as taken now.
inline std::unique_ptr<Model> converted(const Model& old, const LimitSpec& spec, Instant now) {
  std::unique_ptr<Model> made = model_of(spec);
  if (made->adopt(old, now)) return made;
  const Units used = std::min(old.used(now), spec.size);
  if (used > kNoUnits) made->charge({used, {}}, now);
  return made;
}

class Accounts {
 public:
  explicit Accounts(std::span<const LimitSpec> specs) {
    for (const LimitSpec& spec : specs) accounts_.push_back({spec, model_of(spec), {}, next_identity_++});
  }

  [[nodiscard]] std::size_t size() const { return accounts_.size(); }
  [[nodiscard]] const Account& operator[](std::size_t i) const { return accounts_[i]; }
  [[nodiscard]] Account& operator[](std::size_t i) { return accounts_[i]; }
  /// Whether the subject is asked under one list of limits: then the accounts are these, and nothing else is known.
  [[nodiscard]] bool are_one_list() const { return are_one_list_; }

  [[nodiscard]] auto begin() { return accounts_.begin(); }
  [[nodiscard]] auto end() { return accounts_.end(); }
  [[nodiscard]] auto begin() const { return accounts_.begin(); }
  [[nodiscard]] auto end() const { return accounts_.end(); }

  /// The account of one limit of a call.
  struct Found {
    std::optional<std::size_t> place;     ///< if it is there
    std::optional<Account> opened;        ///< if it is not
    std::optional<std::size_t> replaces;  ///< and what gives way to it
  };
  /// What a call finds.
  struct View {
    std::vector<bool> kept;  ///< accounts that are not dropped
    std::vector<Found> of;   ///< the limits of the call

    [[nodiscard]] bool opens() const {
      return std::any_of(of.begin(), of.end(), [](const Found& found) { return !found.place; });
    }
    [[nodiscard]] bool names(std::size_t place) const {
      return std::any_of(of.begin(), of.end(), [place](const Found& found) { return found.place == place; });
    }
    [[nodiscard]] bool replaces(std::size_t place) const {
      return std::any_of(of.begin(), of.end(), [place](const Found& found) { return found.replaces == place; });
    }
  };

  /// `at` is the instant of the decision. No account is dropped unless `may_drop`, and none that the call names.
  [[nodiscard]] View find(std::span<const LimitSpec> specs, Instant now, Instant at, bool may_drop) const {
    View view{kept_at(now, may_drop), {}};
    for (const LimitSpec& spec : specs) {
      Found found;
      for (std::size_t j = 0; j < size() && !found.place; ++j) {
        if (!view.names(j) && is_same_limit(accounts_[j].spec, spec)) found.place = j;
      }
      if (found.place) view.kept[*found.place] = true;
      view.of.push_back(std::move(found));
    }
    std::size_t count = static_cast<std::size_t>(std::count(view.kept.begin(), view.kept.end(), true));
    for (std::size_t i = 0; i < specs.size(); ++i) {
      if (view.of[i].place) continue;
      if (count == kMaxLimits) {
        view.of[i].replaces = oldest(view);
      } else {
        ++count;
      }
      view.of[i].opened = opened(specs[i], view, view.of[i].replaces, at);
      view.of[i].opened->last = now;
    }
    return view;
  }

  /// Whether all that stay are idle.
  [[nodiscard]] bool are_idle(const View& view, Instant now) const {
    for (std::size_t j = 0; j < size(); ++j) {
      if (view.kept[j] && accounts_[j].model->idle_at() > now) return false;
    }
    return true;
  }

  /// Makes the accounts those that a call found. Returns the places of those that it names. After a denied call they
  /// are never one list.
  AccountSet take(View view, Instant now, bool may_drop, bool is_denied) {
    const bool is_all_named =
        (!is_denied || accounts_.empty()) && all_are_named(view) && (may_drop || places_stay(view));
    const bool is_changed = view.opens() || std::count(view.kept.begin(), view.kept.end(), false) > 0 ||
                            (are_one_list_ ? !all_are_named(view) : is_all_named);
    AccountSet named = 0;
    if (!is_changed) {
      for (const Found& found : view.of) named |= account_set(*found.place);
      return named;
    }
    if (are_one_list_) {
      for (Account& account : accounts_) account.last = now;
    }
    std::vector<Account> next;
    const auto add = [&](Account account, bool is_named) {
      if (is_named) named |= account_set(next.size());
      if (account.identity == 0) account.identity = next_identity_++;
      next.push_back(std::move(account));
    };
    if (!is_all_named) {
      for (std::size_t j = 0; j < size(); ++j) {
        if (view.kept[j] && !view.replaces(j)) add(accounts_[j].copy(), view.names(j));
        for (Found& found : view.of) {
          // Who takes a place goes on for who had it.
          if (found.replaces != j) continue;
          found.opened->identity = accounts_[j].identity;
          add(std::move(*found.opened), true);
        }
      }
    }
    for (Found& found : view.of) {
      if (found.place && is_all_named) add(accounts_[*found.place].copy(), true);
      if (found.opened && found.opened->model) add(std::move(*found.opened), true);
    }
    accounts_ = std::move(next);
    are_one_list_ = is_all_named;
    return named;
  }

  /// Other limits are stored: each account goes on from an old one, whatever exceeds its size.
  void redefine(std::span<const LimitSpec> specs, Instant now) {
    const std::vector<std::optional<std::size_t>> from = predecessors(specs);
    std::vector<Account> next;
    for (std::size_t i = 0; i < specs.size(); ++i) {
      if (!from[i]) {
        next.push_back({specs[i], model_of(specs[i]), {}, next_identity_++});
        continue;
      }
      Account& old = accounts_[*from[i]];
      std::unique_ptr<Model> model =
          is_same_limit(old.spec, specs[i]) ? std::move(old.model) : converted(*old.model, specs[i], now);
      next.push_back({specs[i], std::move(model), {}, old.identity});
    }
    accounts_ = std::move(next);
    are_one_list_ = true;
  }

 private:
  /// Of each limit: the account with its label, else its algorithm, else the first that is left.
  [[nodiscard]] std::vector<std::optional<std::size_t>> predecessors(std::span<const LimitSpec> specs) const {
    std::vector<LimitSpec> old;
    for (const Account& account : accounts_) old.push_back(account.spec);
    const std::vector<std::string> labels = labels_of(specs);
    const std::vector<std::string> old_labels = labels_of_accounts(old);
    std::vector<std::optional<std::size_t>> from(specs.size());
    std::set<std::size_t> taken;
    for (const int likeness : {0, 1, 2}) {
      for (std::size_t i = 0; i < specs.size(); ++i) {
        for (std::size_t j = 0; j < old.size(); ++j) {
          const bool is_like =
              likeness == 2 || (likeness == 0 ? labels[i] == old_labels[j] : specs[i].algorithm == old[j].algorithm);
          if (from[i] || taken.contains(j) || !is_like) continue;
          from[i] = j;
          taken.insert(j);
        }
      }
    }
    return from;
  }

  [[nodiscard]] std::vector<bool> kept_at(Instant now, bool may_drop) const {
    std::vector<bool> kept(size(), true);
    if (are_one_list_ || !may_drop) return kept;
    Span slowest{};
    for (const Account& account : accounts_) slowest = std::max(slowest, account.model->recovery());
    Instant newest{};
    for (const Account& account : accounts_) newest = std::max(newest, account.last);
    for (std::size_t j = 0; j < size(); ++j)
      kept[j] = accounts_[j].last == newest || now - accounts_[j].last <= slowest;
    return kept;
  }

  /// The account that gives way: nobody was granted anything under it for the longest time.
  [[nodiscard]] std::optional<std::size_t> oldest(const View& view) const {
    std::optional<std::size_t> oldest;
    for (std::size_t j = 0; j < size(); ++j) {
      if (!view.kept[j] || view.names(j) || view.replaces(j)) continue;
      if (!oldest || (!are_one_list_ && accounts_[j].last < accounts_[*oldest].last)) oldest = j;
    }
    return oldest;
  }

  [[nodiscard]] Account opened(const LimitSpec& spec, const View& view, std::optional<std::size_t> replaced,
                               Instant at) const {
    const Account* best = nullptr;
    for (std::size_t j = 0; j < size(); ++j) {
      const Account& account = accounts_[j];
      if (!view.kept[j] || (replaced && replaced != j)) continue;
      if (spec.per_request && !account.spec.per_request) continue;
      if (spec.algorithm == Algorithm::concurrent && account.spec.algorithm != Algorithm::concurrent) continue;
      const auto worth = [&](const Account& each) {
        return std::pair(is_of_one_family(each.spec.algorithm, spec.algorithm), each.model->used(at));
      };
      if (best == nullptr || worth(account) > worth(*best)) best = &account;
    }
    if (best == nullptr) return {spec, model_of(spec)};
    std::unique_ptr<Model> made = converted(*best->model, spec, at);
    made->cap(at);
    return {spec, std::move(made), {}, 0, best->identity};
  }

  [[nodiscard]] bool all_are_named(const View& view) const {
    for (std::size_t j = 0; j < size(); ++j) {
      if (view.kept[j] && (!view.names(j) || view.replaces(j))) return false;
    }
    return true;
  }
  [[nodiscard]] bool places_stay(const View& view) const {
    for (std::size_t i = 0; i < view.of.size(); ++i) {
      if (view.of[i].place ? *view.of[i].place != i : i < size()) return false;
    }
    return true;
  }

  std::vector<Account> accounts_;
  bool are_one_list_ = true;
  std::uint64_t next_identity_ = 1;
};

}  // namespace ratelimit::oracle

#endif  // RATELIMIT_TESTS_SUPPORT_ORACLE_ACCOUNTS_H
