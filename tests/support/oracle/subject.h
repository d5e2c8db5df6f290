// SPDX-License-Identifier: MIT
// A subject: its accounts, and what it has reserved.
#ifndef RATELIMIT_TESTS_SUPPORT_ORACLE_SUBJECT_H
#define RATELIMIT_TESTS_SUPPORT_ORACLE_SUBJECT_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "accounts.h"
#include "hold.h"
#include "list.h"
#include "model.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/decision.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/units.h"

namespace ratelimit::oracle {

class Subject {
 public:
  using Answer = oracle::Answer;
  using Holds = std::map<std::string, Hold, std::less<>>;

  explicit Subject(std::span<const LimitSpec> specs) : accounts_(specs) {}

  [[nodiscard]] const Model& operator[](std::size_t i) const { return *accounts_[i].model; }
  [[nodiscard]] const Accounts& accounts() const { return accounts_; }
  [[nodiscard]] const Holds& holds() const { return holds_; }
  [[nodiscard]] Instant turn_after(Instant now) const { return waiting_.after(now); }

  // --- under the limits of all accounts, in their order ---

  [[nodiscard]] Answer ask(const Request& request, Instant now) const {
    const List list = all();
    return blocked(list, request, now, [&](Instant at) { return list.ask(request, waiting_, at); });
  }
  /// How the limits stand.
  [[nodiscard]] Answer status(Instant now) const { return nothing_left(all().status(waiting_, now), now); }
  [[nodiscard]] Span blocked_for(Instant now) const {
    return block_end_ > now ? std::min(block_end_ - now, block_length_) : Span{};
  }
  /// A reservation of as much of an estimate as each limit can ever hold.
  [[nodiscard]] Answer ask_to_reserve(const Request& request, Instant now) const {
    const List list = all();
    return blocked(list, request, now, [&](Instant at) {
      std::vector<Units> charged;
      const Hold* const hold = live_hold(request.id, at);
      for (const Account& account : accounts_) {
        charged.push_back(hold != nullptr ? hold->charged.of(account) : kNoUnits);
      }
      return reserved(list, request, charged, at);
    });
  }

  // --- under the limits that a call names ---

  [[nodiscard]] Answer ask(std::span<const LimitSpec> specs, const Request& request, Instant now) const {
    const Accounts::View view = find(specs, now);
    const List list = named_by(specs, view);
    return blocked(list, request, now, [&](Instant at) { return list.ask(request, waiting_, at); });
  }
  [[nodiscard]] Answer ask_to_reserve(std::span<const LimitSpec> specs, const Request& request, Instant now) const {
    const Accounts::View view = find(specs, now);
    const List list = named_by(specs, view);
    return blocked(list, request, now, [&](Instant at) {
      std::vector<Units> charged;
      const Hold* const hold = live_hold(request.id, at);
      for (const Accounts::Found& found : view.of) {
        const Units before = hold == nullptr ? kNoUnits : hold->units;
        const Account* const known = account_in_holds(found);
        charged.push_back(hold != nullptr && known != nullptr ? hold->charged.of(*known) : before);
      }
      return reserved(list, request, charged, at);
    });
  }
  /// Whether a denied call with these limits opens an account.
  [[nodiscard]] bool opens(std::span<const LimitSpec> specs, Instant now) const { return find(specs, now).opens(); }
  /// Opens and drops accounts as such a call does. Returns those that it names.
  AccountSet open(std::span<const LimitSpec> specs, Instant now, bool is_denied = false) {
    const AccountSet named = accounts_.take(find(specs, now), now, may_drop(), is_denied);
    for (Account& account : accounts_) take_part_in_holds(account);
    return named;
  }
  /// Whether the subject is as good as absent for such a call: accounts that are to be dropped do not count.
  [[nodiscard]] bool is_absent(std::span<const LimitSpec> specs, Instant now) const {
    const bool is_reserved = !holds_.empty() || waiting_.at > now || block_end_ > now;
    return idle_at() <= now || (!is_reserved && accounts_.are_idle(find(specs, now), now));
  }

  // --- what is done ---

  [[nodiscard]] bool any_hold_ended(Instant now) const {
    return std::any_of(holds_.begin(), holds_.end(), [now](const auto& hold) { return hold.second.end <= now; });
  }

  bool perform(const Operation& operation) {
    collect(operation.at);
    bool found = false;
    switch (operation.kind) {
      case Operation::Kind::collect: break;
      case Operation::Kind::charge: charge_at_turn(operation); break;
      case Operation::Kind::refund: refund(operation); break;
      case Operation::Kind::reserve: found = reserve(operation); break;
      case Operation::Kind::settle: found = settle(operation); break;
      case Operation::Kind::release: found = release(operation.id, operation.at); break;
      case Operation::Kind::block: block(operation.at, operation.span); break;
    }
    last_done_ = holds_.empty() ? Instant{} : operation.at;
    return found;
  }

  [[nodiscard]] Instant idle_at() const {
    Instant last{};
    for (const Account& account : accounts_) last = std::max(last, account.model->idle_at());
    for (const auto& [id, hold] : holds_) last = std::max(last, hold.end);
    return std::max({last, waiting_.at, block_end_});
  }

  [[nodiscard]] bool is_ahead(Instant now) const {
    const Instant at = turn_after(now);
    return waiting_.at > now + waiting_.wait || block_end_ > now + block_length_ ||
           std::any_of(accounts_.begin(), accounts_.end(),
                       [at](const Account& account) { return account.model->is_ahead(at); });
  }
  void clamp(Instant now) {
    waiting_.at = std::min(waiting_.at, now + waiting_.wait);
    block_end_ = std::min(block_end_, now + block_length_);
    for (Account& account : accounts_) account.model->clamp(turn_after(now));
  }

  /// Goes on under other limits.
  void change(std::span<const LimitSpec> specs, Instant now) { accounts_.redefine(specs, turn_after(now)); }

 private:
  /// Under a block a call is decided as of its end, and told at `now`: nothing is granted before, but by force.
  template <class Decide>
  [[nodiscard]] Answer blocked(const List& list, const Request& request, Instant now, Decide decide) const {
    const Span left = blocked_for(now);
    if (left == Span{}) return decide(now);
    Answer answer = decide(now);
    if (request.mode == Mode::force || answer.decision.outcome == Outcome::never) return nothing_left(answer, now);
    answer = decide(now + left);
    if (answer.decision.outcome == Outcome::granted) {
      answer = list.keep_until(now + left, waiting_, request.id);
      answer.is_blocked = true;
    }
    answer.decision.wait += left;
    answer.decision.granted = kNoUnits;
    answer.decision.remaining = kNoUnits;
    answer.decision.reset += left;
    return answer;
  }
  [[nodiscard]] Answer nothing_left(Answer answer, Instant now) const {
    if (blocked_for(now) == Span{}) return answer;
    answer.decision.remaining = kNoUnits;
    answer.decision.reset = std::max(answer.decision.reset, blocked_for(now));
    return answer;
  }
  /// The clock ends, and so does a block then.
  void block(Instant now, Span length) {
    const Instant end = std::min(now + length, kLatest);
    block_end_ = end > now ? end : Instant{};
    block_length_ = end > now ? end - now : Span{};
  }

  /// The account whose part in holds the one of a limit has.
  [[nodiscard]] const Account* account_in_holds(const Accounts::Found& found) const {
    if (found.place) return &accounts_[*found.place];
    if (found.replaces) return &accounts_[*found.replaces];
    const auto source = std::find_if(accounts_.begin(), accounts_.end(),
                                     [&](const Account& account) { return account.identity == found.opened->source; });
    return source != accounts_.end() ? &*source : nullptr;
  }
  /// An account that was just opened has the part in holds that its source has.
  void take_part_in_holds(Account& account) {
    if (account.source == 0) return;
    for (auto& [id, hold] : holds_) {
      hold.charged.known[account.identity] = hold.charged.at(account.source);
      hold.newer.known[account.identity] = hold.newer.at(account.source);
    }
    account.source = 0;
  }

  [[nodiscard]] bool may_drop() const { return holds_.empty(); }
  [[nodiscard]] Accounts::View find(std::span<const LimitSpec> specs, Instant now) const {
    return accounts_.find(specs, now, turn_after(now), may_drop());
  }
  [[nodiscard]] List all() const {
    List list;
    for (const Account& account : accounts_) list.add(account.spec, *account.model);
    return list;
  }
  [[nodiscard]] List named_by(std::span<const LimitSpec> specs, const Accounts::View& view) const {
    List list;
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const Accounts::Found& found = view.of[i];
      list.add(specs[i], found.place ? *accounts_[*found.place].model : *found.opened->model);
    }
    return list;
  }

  /// A hold that has enough is only renewed.
  [[nodiscard]] Answer reserved(const List& list, const Request& request, const std::vector<Units>& charged,
                                Instant now) const {
    const Units most = list.most_of(request);
    if (const Hold* const hold = live_hold(request.id, now); hold != nullptr && !list.is_any_closed()) {
      const std::vector<Units> more = list.lacking(request, charged);
      if (more != std::vector<Units>(more.size())) {
        return list.ask_for_more(request, hold->units, more, waiting_, now);
      }
      Answer answer = list.status_after_renewal(request.id, more, waiting_, now);
      answer.decision.granted = hold->units;
      answer.decision.wait = Span{};
      return answer;
    }
    Request estimate = request;
    estimate.mode = Mode::estimate;
    Answer answer = list.ask(estimate, waiting_, now);
    if (answer.decision.outcome == Outcome::granted) answer.decision.granted = most;
    return answer;
  }

  // --- charging ---

  /// Charges one account, if there is room for it at all.
  static void charge_one(Account& account, const Ask& ask, Instant at, bool is_turn = false) {
    const Units cost = account.spec.per_request ? std::min(ask.cost, Units(1)) : ask.cost;
    if (cost == kNoUnits) return;
    const Ask own{cost, ask.id, true};
    if (account.model->ask(own, at).outcome != Outcome::granted) return account.model->absorb(at);
    if (is_turn) {
      account.model->charge_ahead(own, at);
    } else {
      account.model->charge(own, at);
    }
  }

  /// Charges all accounts, each as `cost_of(account)` says: leases where there are leases, the rest elsewhere.
  template <class CostOf>
  void charge_all(CostOf cost_of, const Operation& operation, Instant at, bool is_turn) {
    for (std::size_t i = 0; i < accounts_.size(); ++i) {
      const bool has_leases = accounts_[i].model->lease() > Span{};
      if (has_leases && !contains(operation.named, i)) continue;
      charge_one(accounts_[i], {cost_of(i), operation.id}, at, is_turn);
    }
    const Instant end = lease_end(operation);
    for (std::size_t i = 0; i < accounts_.size() && end > at; ++i) {
      Model& model = *accounts_[i].model;
      const Units cost = accounts_[i].spec.per_request ? std::min(cost_of(i), Units(1)) : cost_of(i);
      if (contains(operation.named, i) || model.lease() == Span{} || cost == kNoUnits) continue;
      model.forget_some(operation.at);
      model.put_lease(operation.id, cost, at, end);
    }
    note_grant(operation);
  }

  /// When the lease of a call ends, under the limits that it names.
  [[nodiscard]] Instant lease_end(const Operation& operation) const {
    Instant end{};
    for (std::size_t i = 0; i < accounts_.size(); ++i) {
      if (contains(operation.named, i)) end = std::max(end, accounts_[i].model->lease_end(operation.id));
    }
    return end;
  }

  void note_grant(const Operation& operation) {
    if (accounts_.are_one_list()) return;
    for (std::size_t i = 0; i < accounts_.size(); ++i) {
      if (contains(operation.named, i)) accounts_[i].last = operation.at;
    }
  }

  /// The accounts were charged so much: after all holds but `own`. So much that no account counts as much is enough to
  /// know.
  void count(const EachAccount& units, const Hold* own = nullptr) {
    constexpr Units kEnough{std::int64_t{1} << 62U};
    for (auto& [id, hold] : holds_) {
      if (&hold == own) continue;
      know_all(hold.newer);
      hold.newer.change(
          [&](Units newer, const auto& identity) { return std::min(newer + units.at(identity), kEnough); });
    }
  }

  /// A hold that is gone took so many units too many: those that are older know it now.
  void forget_of(const Hold& gone, const EachAccount& units) {
    for (auto& [id, hold] : holds_) {
      know_all(hold.newer);
      hold.newer.change([&](Units newer, const auto& identity) {
        const Units since = gone.newer.at(identity);
        return newer > since ? std::max(newer - units.at(identity), since) : newer;
      });
    }
  }

  /// Writes down a number for each account that there is.
  void know_all(EachAccount& numbers) const {
    for (const Account& account : accounts_) numbers.known.emplace(account.identity, numbers.later);
  }

  /// What the call of an operation costs each account.
  [[nodiscard]] EachAccount costs_of(const Operation& operation) const {
    EachAccount costs{{}, operation.each ? operation.each->back() : operation.units};
    for (std::size_t i = 0; i < accounts_.size(); ++i) {
      costs.known[accounts_[i].identity] = operation.each ? (*operation.each)[i] : operation.units;
    }
    return costs;
  }

  void charge_at_turn(const Operation& operation) {
    const Instant at = operation.at + operation.span;
    const bool is_turn = operation.span > Span{};
    if (is_turn) {
      for (Account& account : accounts_) account.model->forget_some(operation.at);
    }
    const EachAccount costs = costs_of(operation);
    charge_all([&](std::size_t i) { return costs.of(accounts_[i]); }, operation, at, is_turn);
    count(costs);
    if (is_turn) waiting_ = {at, operation.span};
  }

  // --- holds ---

  /// What each account is charged for an estimate: those that are named up to their sizes, the others up to the most
  /// that one of these is. A request is one also if all else is nothing.
  [[nodiscard]] EachAccount charges_of(const Operation& operation) const {
    EachAccount charges = costs_of(operation);
    Units most;
    bool is_any_cut = false;
    for (std::size_t i = 0; i < accounts_.size(); ++i) {
      const Account& account = accounts_[i];
      if (!contains(operation.named, i) || account.spec.per_request) continue;
      Units& charge = charges.known[account.identity];
      charge = std::min(charge, account.spec.size);
      most = std::max(most, charge);
      is_any_cut = true;
    }
    if (!is_any_cut) return charges;
    const EachAccount asked = charges;
    charges.change([most](Units units, const auto&) { return std::min(units, most); });
    for (const Account& account : accounts_) {
      Units& charge = charges.known[account.identity];
      if (account.spec.per_request && charge == kNoUnits) charge = std::min(asked.of(account), Units(1));
    }
    return charges;
  }

  [[nodiscard]] static Units most_of(const EachAccount& charges) {
    Units most = charges.later;
    for (const auto& [identity, units] : charges.known) most = std::max(most, units);
    return most;
  }

  bool reserve(const Operation& operation) {
    const EachAccount charges = charges_of(operation);
    const Instant end = operation.at + operation.span;
    if (Hold* const hold = live_hold(operation.id, operation.at)) {
      if (!hold->is_settled) renew(*hold, operation, charges, end);
      return true;
    }
    charge_all([&](std::size_t i) { return charges.of(accounts_[i]); }, operation, operation.at, false);
    count(charges);
    holds_[std::string(operation.id)] = Hold{end, most_of(charges), charges, {}};
    return false;
  }

  void renew(Hold& hold, const Operation& operation, const EachAccount& charges, Instant end) {
    const Instant at = turn_after(operation.at);
    std::vector<Units> costs(accounts_.size());
    if (lacks_some(hold, operation, charges)) {
      know_all(hold.charged);
      const EachAccount before = hold.charged;
      hold.charged.change([&](Units held, const auto& identity) { return std::max(held, charges.at(identity)); });
      for (std::size_t i = 0; i < accounts_.size(); ++i) {
        Account& account = accounts_[i];
        const Units held = before.of(account);
        if (account.spec.per_request && held > kNoUnits) continue;
        costs[i] = hold.charged.of(account) - held;
        if (account.model->lease() == Span{}) charge_one(account, {costs[i], {}}, at);
      }
      EachAccount more = hold.charged;
      more.change([&](Units then, const auto& identity) { return then - before.at(identity); });
      count(more, &hold);
      hold.units = most_of(hold.charged);
    }
    hold.end = end;
    note_grant(operation);
    renew_leases(operation, costs, at);
  }

  /// Whether the estimate is more than what a limit of the call was charged.
  [[nodiscard]] bool lacks_some(const Hold& hold, const Operation& operation, const EachAccount& charges) const {
    for (std::size_t i = 0; i < accounts_.size(); ++i) {
      const Account& account = accounts_[i];
      const Units held = hold.charged.of(account);
      const bool is_counted = !account.spec.per_request || held == kNoUnits;
      if (contains(operation.named, i) && is_counted && charges.of(account) > held) return true;
    }
    return false;
  }

  /// Leases of the same id last longer; one that has ended is taken anew for what is more. Under limits that the call
  /// does not name they end as under those that it does.
  void renew_leases(const Operation& operation, const std::vector<Units>& more, Instant at) {
    for (const bool of_named : {true, false}) {
      const Instant named_end = lease_end(operation);
      if (!of_named && named_end <= at) return;
      for (std::size_t i = 0; i < accounts_.size(); ++i) {
        Model& model = *accounts_[i].model;
        if (contains(operation.named, i) != of_named || model.lease() == Span{}) continue;
        const Units cost = accounts_[i].spec.per_request ? std::min(more[i], Units(1)) : more[i];
        const Instant end = of_named ? at + model.lease() : named_end;
        if (model.has_lease(operation.id, at)) {
          model.renew_lease(operation.id, cost, at, end);
        } else if (cost > kNoUnits) {
          model.put_lease(operation.id, cost, at, end);
        }
      }
    }
  }

  bool settle(const Operation& operation) {
    Hold* const hold = live_hold(operation.id, operation.at);
    if (hold != nullptr && hold->is_settled) return true;
    release(operation.id, operation.at);
    const Instant at = turn_after(operation.at);
    const EachAccount costs = costs_of(operation);
    if (hold != nullptr) know_all(hold->newer);
    for (Account& account : accounts_) {
      if (account.spec.per_request || account.model->lease() > Span{}) continue;
      const Units before = hold != nullptr ? hold->charged.of(account) : kNoUnits;
      const Units cost = costs.of(account);
      if (cost > before) charge_one(account, {cost - before, {}}, at);
      if (hold != nullptr) {
        account.model->give_back(std::max(before - cost, kNoUnits), hold->newer.of(account), at);
      }
    }
    if (hold == nullptr) {
      count(costs);
      return false;
    }
    EachAccount missing = costs;
    EachAccount too_many = costs;
    know_all(hold->charged);
    missing.change([&](Units cost, const auto& id) { return std::max(cost - hold->charged.at(id), kNoUnits); });
    too_many.change([&](Units cost, const auto& id) { return std::max(hold->charged.at(id) - cost, kNoUnits); });
    forget_of(Hold(*hold), too_many);
    hold->units = operation.units;
    hold->charged = {{}, operation.units};
    hold->is_settled = true;
    count(missing);
    return true;
  }

  bool release(std::string_view id, Instant now) {
    bool found = false;
    for (Account& account : accounts_) found = account.model->release(id, now) || found;
    return found;
  }

  [[nodiscard]] const Hold* live_hold(std::string_view id, Instant now) const {
    const auto hold = holds_.find(id);
    return hold != holds_.end() && hold->second.end > now ? &hold->second : nullptr;
  }
  [[nodiscard]] Hold* live_hold(std::string_view id, Instant now) {
    return const_cast<Hold*>(std::as_const(*this).live_hold(id, now));
  }

  // --- giving back ---

  void refund(const Operation& operation) {
    for (Account& account : accounts_) {
      if (!account.spec.per_request) account.model->give_back(operation.units, kNoUnits, turn_after(operation.at));
    }
    for (auto& [id, hold] : holds_) {
      hold.newer.change([&](Units newer, const auto&) { return std::max(newer - operation.units, kNoUnits); });
    }
  }

  /// The holds that have ended give back as of their ends, the first first; but not before what was done since. A turn
  /// that is over is forgotten.
  void collect(Instant now) {
    while (any_hold_ended(now)) {
      auto first = holds_.begin();
      for (auto hold = holds_.begin(); hold != holds_.end(); ++hold) {
        if (hold->second.end < first->second.end) first = hold;
      }
      const Hold hold = first->second;
      holds_.erase(first);
      if (hold.is_settled) continue;
      for (Account& account : accounts_) {
        const Instant at = turn_after(std::max(hold.end, std::min(last_done_, now)));
        if (!account.spec.per_request) account.model->give_back(hold.charged.of(account), hold.newer.of(account), at);
      }
      forget_of(hold, hold.charged);
    }
    if (waiting_.at <= now) waiting_ = {};
    if (block_end_ <= now) block(now, Span{});
  }

  Accounts accounts_;
  Holds holds_;
  Waiting waiting_;
  Instant block_end_{};
  Span block_length_{};  ///< as it was when it began
  Instant last_done_{};  ///< as long as there are holds
};

}  // namespace ratelimit::oracle

#endif  // RATELIMIT_TESTS_SUPPORT_ORACLE_SUBJECT_H
