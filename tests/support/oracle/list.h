// SPDX-License-Identifier: MIT
// How a list of limits answers one call, in any mode: all are charged, or none is.
#ifndef RATELIMIT_TESTS_SUPPORT_ORACLE_LIST_H
#define RATELIMIT_TESTS_SUPPORT_ORACLE_LIST_H

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bucket.h"
#include "leases.h"
#include "log.h"
#include "model.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/decision.h"
#include "ratelimit/request.h"
#include "ratelimit/units.h"
#include "windows.h"

namespace ratelimit::oracle {

inline std::unique_ptr<Model> model_of(const LimitSpec& spec) {
  switch (spec.algorithm) {
    case Algorithm::token_bucket: return std::make_unique<Bucket>(spec.size, spec.refill, spec.span, false);
    case Algorithm::fixed_window: return std::make_unique<Window>(spec.size, spec.span, spec.aligned);
    case Algorithm::sliding_window_log: return std::make_unique<Log>(spec.size, spec.span);
    case Algorithm::leaky_bucket: return std::make_unique<Bucket>(spec.size, spec.refill, spec.span, true);
    case Algorithm::sliding_window_counter: return std::make_unique<TwoWindows>(spec.size, spec.span);
    case Algorithm::quota: return std::make_unique<Calendar>(spec.size, spec.unit, spec.rules, spec.anchor);
    case Algorithm::concurrent: return std::make_unique<Leases>(spec.size, spec.span);
  }
  return nullptr;
}

inline bool refills_in_time(Units capacity, Units refill, Span period) {
  return Exact(capacity.count()) * period.count() <= Exact(refill.count()) * kMaxSpan.count();
}

inline std::string name_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::token_bucket: return "tokenbucket";
    case Algorithm::fixed_window: return "fixed";
    case Algorithm::sliding_window_log: return "sliding";
    case Algorithm::leaky_bucket: return "leakybucket";
    case Algorithm::sliding_window_counter: return "sliding";
    case Algorithm::quota: return "quota";
    case Algorithm::concurrent: return "concurrent";
  }
  return {};
}

inline std::vector<std::string> labels_of(std::span<const LimitSpec> specs) {
  std::map<std::string, int> unnamed;
  std::vector<std::string> labels;
  for (const LimitSpec& spec : specs) {
    std::string label(spec.label);
    if (label.empty()) {
      label = name_of(spec.algorithm);
      const int number = ++unnamed[label];
      if (number > 1) label += "-" + std::to_string(number);
    }
    labels.push_back(label);
  }
  return labels;
}

/// The labels of accounts, which different calls may have given the same: then the later one gets a number.
inline std::vector<std::string> labels_of_accounts(std::span<const LimitSpec> specs) {
  std::vector<std::string> distinct;
  for (const std::string& given : labels_of(specs)) {
    std::string label = given;
    for (int number = 2; std::find(distinct.begin(), distinct.end(), label) != distinct.end(); ++number) {
      label = given + "-" + std::to_string(number);
    }
    distinct.push_back(label);
  }
  return distinct;
}

/// The turn of who waits, and how far ahead that is at most. Nobody waits once it is over.
struct Waiting {
  Instant at{};
  Span wait{};

  /// Until that turn nobody else is granted anything: then is when calls are decided.
  [[nodiscard]] Instant after(Instant now) const { return at > now ? std::min(at, now + wait) : now; }
};

struct Answer {
  Decision decision;
  std::size_t binding = 0;
  Span idle_in{};           ///< granted: until all are idle
  Span turn{};              ///< granted: until the turn of who waits for it
  bool is_blocked = false;  ///< denied by nothing but a block
};

/// The limits that a call names, and what they remember; all borrowed.
class List {
 public:
  List() = default;
  void add(const LimitSpec& spec, const Model& model) {
    specs_.push_back(spec);
    models_.emplace_back(model);
  }

  [[nodiscard]] Answer ask(const Request& request, const Waiting& waiting, Instant now) const {
    const Instant at = waiting.after(now);
    const bool somebody_waits = at > now;
    const Call call = call_of(request);
    if (call.takes_nothing() && request.mode != Mode::force) {
      return told(now, at, keep_back(ask_all(call, at), somebody_waits, request.id, at));
    }
    switch (request.mode) {
      case Mode::whole: return told(now, at, keep_back(ask_all(call, at), somebody_waits, request.id, at));
      case Mode::estimate: return told(now, at, keep_back(ask_all(cut(call), at), somebody_waits, request.id, at));
      case Mode::partial: return told(now, at, ask_part(request, call, somebody_waits, at));
      case Mode::force: return told(now, at, ask_all(call, at));
      case Mode::may_wait: return told(now, at, ask_turn(request, call, at - now, at));
    }
    return {};
  }

  /// How the limits stand.
  [[nodiscard]] Answer status(const Waiting& waiting, Instant now) const {
    const Instant at = waiting.after(now);
    return told(now, at, how_it_stands({}, at));
  }

  [[nodiscard]] bool is_any_closed() const {
    return std::any_of(specs_.begin(), specs_.end(), [](const LimitSpec& spec) { return spec.size == kNoUnits; });
  }
  /// A denial of what would be granted, until `now`.
  [[nodiscard]] Answer keep_until(Instant now, const Waiting& waiting, std::string_view id) const {
    const Instant at = waiting.after(now);
    Answer answer = denied(Span{}, id, at);
    answer.decision.reset += at - now;
    return answer;
  }

  /// The most that a limit is charged for an estimate; all of it, if requests are all that is counted.
  [[nodiscard]] Units most_of(const Request& request) const {
    const std::vector<Units> costs = asked_of(request);
    Units most;
    bool is_any_counted = false;
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      const Units cost = specs_[i].per_request ? std::min(costs[i], Units(1)) : costs[i];
      most = std::max(most, std::min(cost, specs_[i].size));
      is_any_counted |= !specs_[i].per_request;
    }
    return is_any_counted ? most : *std::max_element(costs.begin(), costs.end());
  }

  /// What each limit lacks if a hold that has charged `charged[i]` under limit i is to have that estimate.
  [[nodiscard]] std::vector<Units> lacking(const Request& request, const std::vector<Units>& charged) const {
    const Call call = call_of(request);
    std::vector<Units> more;
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      // What counts requests was charged when the hold was taken, unless that was of nothing.
      const Units held = specs_[i].per_request ? std::min(charged[i], Units(1)) : charged[i];
      more.push_back(std::max(std::min(call.costs[i], specs_[i].size) - held, kNoUnits));
    }
    return more;
  }

  /// So much more for a hold, which has `held` already.
  [[nodiscard]] Answer ask_for_more(const Request& request, Units held, const std::vector<Units>& more,
                                    const Waiting& waiting, Instant now) const {
    const Instant at = waiting.after(now);
    std::vector<Decision> answers;
    for (std::size_t i = 0; i < models_.size(); ++i) {
      const Model& model = models_[i];
      const Units cost = more[i] > kNoUnits ? more[i] + model.lease_units(request.id, at) : kNoUnits;
      answers.push_back(model.ask({cost, request.id, cost == kNoUnits}, at));
      if (cost == kNoUnits) answers.back().wait = Span{};
    }
    const Answer answer = told(now, at, keep_back(of_all(answers), at > now, request.id, at));
    if (answer.decision.outcome != Outcome::granted) return answer;
    Answer then = status_after_renewal(request.id, more, waiting, now);
    then.decision.granted = std::max(held, most_of(request));
    then.decision.wait = answer.decision.wait;
    return then;
  }

  /// How the limits stand once a hold has so much more under each, and its leases last longer.
  [[nodiscard]] Answer status_after_renewal(std::string_view id, const std::vector<Units>& more, const Waiting& waiting,
                                            Instant now) const {
    const Instant at = waiting.after(now);
    std::vector<std::unique_ptr<Model>> models;
    List after;
    for (std::size_t i = 0; i < models_.size(); ++i) {
      models.push_back(models_[i].get().clone());
      Model& model = *models.back();
      if (model.lease() > Span{} && model.has_lease(id, at)) {
        model.renew_lease(id, more[i], at, at + model.lease());
      } else if (more[i] > kNoUnits) {
        model.charge({more[i], id, true}, at);
      }
      after.add(specs_[i], model);
    }
    return after.status(waiting, now);
  }

 private:
  /// What a call asks: of each limit, and the most of it.
  struct Call {
    std::vector<Units> costs;
    Units most;
    std::string_view id;
    bool force = false;

    [[nodiscard]] bool takes_nothing() const { return most == kNoUnits; }
  };

  /// What a call says for each limit: for that of a label, or for all others.
  [[nodiscard]] std::vector<Units> asked_of(const Request& request) const {
    std::vector<Units> costs;
    for (const std::string& label : labels_of_accounts(specs_)) {
      Units cost = request.cost;
      for (const Charge& charge : request.charged) {
        if (charge.label == label) cost = charge.cost;
      }
      costs.push_back(cost);
    }
    return costs;
  }
  [[nodiscard]] Call call_of(const Request& request) const {
    Call call{asked_of(request), {}, request.id, request.mode == Mode::force};
    call.most = *std::max_element(call.costs.begin(), call.costs.end());
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      if (specs_[i].per_request) call.costs[i] = std::min(call.most, Units(1));
    }
    return call;
  }
  /// The same for `cost` under all limits.
  [[nodiscard]] Call call_of(Units cost, std::string_view id) const { return call_of({.cost = cost, .id = id}); }
  /// No limit is asked for more than it can ever hold.
  [[nodiscard]] Call cut(Call call) const {
    for (std::size_t i = 0; i < specs_.size(); ++i) call.costs[i] = std::min(call.costs[i], specs_[i].size);
    return call;
  }

  /// What is asked for nothing is denied while it is in debt.
  [[nodiscard]] Decision ask_one(std::size_t i, const Call& call, Instant at) const {
    Decision answer = models_[i].get().ask({call.costs[i], call.id, call.force}, at);
    if (call.costs[i] == kNoUnits && !call.force && answer.wait > Span{} && answer.outcome == Outcome::granted) {
      answer.outcome = Outcome::denied;
    }
    return answer;
  }

  [[nodiscard]] Answer ask_all(const Call& call, Instant at) const {
    std::vector<Decision> answers;
    for (std::size_t i = 0; i < models_.size(); ++i) answers.push_back(ask_one(i, call, at));
    Answer answer = of_all(answers);
    if (answer.decision.outcome == Outcome::granted) answer.decision.granted = call.most;
    return answer;
  }

  /// What is left, and how long debts last.
  [[nodiscard]] Answer how_it_stands(std::string_view id, Instant at) const {
    Call nothing = call_of(kNoUnits, id);
    nothing.force = true;
    return ask_all(nothing, at);
  }

  static Answer of_all(const std::vector<Decision>& answers) {
    Answer answer;
    for (std::size_t i = 1; i < answers.size(); ++i) {
      if (binds_more(answers[i], answers[answer.binding])) answer.binding = i;
    }
    answer.decision = answers[answer.binding];
    answer.decision.granted = kNoUnits;
    if (answer.decision.outcome == Outcome::granted) {
      for (const Decision& each : answers) answer.decision.wait = std::max(answer.decision.wait, each.wait);
    }
    for (const Decision& each : answers) answer.idle_in = std::max(answer.idle_in, each.reset);
    return answer;
  }

  static bool binds_more(const Decision& a, const Decision& b) {
    const auto longest = [](const Decision& d) { return d.outcome == Outcome::never ? Span::max() : d.wait; };
    const bool a_refuses = a.outcome != Outcome::granted;
    const bool b_refuses = b.outcome != Outcome::granted;
    if (a_refuses != b_refuses) return a_refuses;
    return a_refuses ? longest(a) > longest(b) : a.remaining < b.remaining;
  }

  /// What was decided as of `at`, the turn of who waits, as it is told now.
  [[nodiscard]] static Answer told(Instant now, Instant at, Answer answer) {
    const Span ahead = at - now;
    if (answer.decision.outcome != Outcome::never) answer.decision.wait += ahead;
    answer.decision.reset += ahead;
    answer.idle_in += ahead;
    answer.turn += ahead;
    if (answer.decision.outcome != Outcome::granted && ahead > Span{}) answer.decision.remaining = kNoUnits;
    return answer;
  }

  /// Nobody overtakes who waits for a turn.
  [[nodiscard]] Answer keep_back(const Answer& answer, bool somebody_waits, std::string_view id, Instant at) const {
    if (answer.decision.outcome != Outcome::granted || !somebody_waits) return answer;
    return denied(Span{}, id, at);
  }

  /// A denial, though there is something left.
  [[nodiscard]] Answer denied(Span wait, std::string_view id, Instant at) const {
    Answer answer = how_it_stands(id, at);
    answer.decision.outcome = Outcome::denied;
    answer.decision.wait = wait;
    return answer;
  }

  /// How long one limit alone would let the call wait.
  [[nodiscard]] Span wait_under(std::size_t i, const Call& call, Instant at) const {
    const Model& model = models_[i];
    const Ask ask{call.costs[i], call.id};
    const Decision first = model.ask(ask, at);
    if (first.outcome == Outcome::granted || first.wait > kLatest - at) return first.wait;
    const Decision then = model.ask(ask, at + first.wait);
    return then.outcome == Outcome::granted ? first.wait + then.wait : first.wait;
  }

  /// A denial by the limit that lets the call wait for the longest.
  [[nodiscard]] Answer too_late(const Call& call, Instant at, Span wait) const {
    Answer answer;
    for (std::size_t i = 1; i < models_.size(); ++i) {
      if (wait_under(i, call, at) > wait_under(answer.binding, call, at)) answer.binding = i;
    }
    answer.decision = models_[answer.binding].get().ask({kNoUnits, call.id, true}, at);
    answer.decision.outcome = Outcome::denied;
    answer.decision.wait = wait;
    return answer;
  }

  /// Costs of their own are not granted in part.
  [[nodiscard]] Answer ask_part(const Request& request, const Call& call, bool somebody_waits, Instant at) const {
    const Answer whole = ask_all(call, at);
    if (whole.decision.outcome == Outcome::granted) return keep_back(whole, somebody_waits, request.id, at);
    if (!request.charged.empty()) return whole;
    Units part = request.cost;
    bool is_nothing = false;
    for (std::size_t i = 0; i < models_.size(); ++i) {
      const Units left = models_[i].get().ask({kNoUnits, request.id, true}, at).remaining;
      if (!specs_[i].per_request) part = std::min(part, left);
      if (left == kNoUnits) is_nothing = true;
    }
    if (is_nothing) return ask_all(call_of(Units(1), request.id), at);
    return keep_back(ask_all(call_of(part, request.id), at), somebody_waits, request.id, at);
  }

  /// To wait until the call would be granted, if that is soon enough, and before the clocks end; and then once more,
  /// if it is to queue.
  [[nodiscard]] Answer ask_turn(const Request& request, const Call& call, Span ahead, Instant at) const {
    const Answer first = ask_all(call, at);
    if (first.decision.outcome == Outcome::never) return first;
    const bool is_denied = first.decision.outcome == Outcome::denied;
    const Span until_turn = is_denied ? first.decision.wait : Span{};
    if (until_turn > kLatest - at) return first;
    Answer then = ask_all(call, at + until_turn);
    // What a clock that was ahead left is not over when it should be.
    if (then.decision.outcome != Outcome::granted) return first;
    const Span wait = until_turn + then.decision.wait;
    if (ahead + wait > request.longest_wait) return too_late(call, at, wait - request.longest_wait);
    then.turn = until_turn;
    then.decision.wait = wait;
    then.decision.reset += until_turn;
    then.idle_in += until_turn;
    return then;
  }

  std::vector<LimitSpec> specs_;
  std::vector<std::reference_wrapper<const Model>> models_;
};

}  // namespace ratelimit::oracle

#endif  // RATELIMIT_TESTS_SUPPORT_ORACLE_LIST_H
