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
    switch (request.mode) {
      case Mode::whole: {
        const Answer answer = ask_all({request.cost, request.id}, at);
        return told(now, at, keep_back(answer, somebody_waits, request.id, at));
      }
      case Mode::estimate: {
        const Answer answer = ask_estimate({request.cost, request.id}, at);
        return told(now, at, keep_back(answer, somebody_waits, request.id, at));
      }
      case Mode::partial: return told(now, at, ask_part(request, somebody_waits, at));
      case Mode::force: return told(now, at, ask_all({request.cost, request.id, true}, at));
      case Mode::may_wait: return told(now, at, ask_turn(request, at - now, at));
    }
    return {};
  }

  /// How the limits stand.
  [[nodiscard]] Answer status(const Waiting& waiting, Instant now) const {
    const Instant at = waiting.after(now);
    return told(now, at, ask_all({kNoUnits, {}, true}, at));
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
  [[nodiscard]] Units most_of(Units estimate) const {
    Units most;
    bool is_any_counted = false;
    for (const LimitSpec& spec : specs_) {
      if (spec.per_request) continue;
      most = std::max(most, std::min(estimate, spec.size));
      is_any_counted = true;
    }
    return is_any_counted ? most : estimate;
  }

  /// What each limit lacks if a hold that has charged `charged[i]` under limit i is to have that estimate.
  [[nodiscard]] std::vector<Units> lacking(Units estimate, const std::vector<Units>& charged) const {
    std::vector<Units> more;
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      const Units lacks = std::max(std::min(estimate, specs_[i].size) - charged[i], kNoUnits);
      more.push_back(specs_[i].per_request ? kNoUnits : lacks);
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
    Answer answer = of_all(answers);
    if (answer.decision.outcome == Outcome::granted) answer.decision.granted = std::max(held, most_of(request.cost));
    return told(now, at, keep_back(answer, at > now, request.id, at));
  }

 private:
  [[nodiscard]] Ask ask_of(std::size_t i, const Ask& ask) const {
    return {specs_[i].per_request ? std::min(ask.cost, Units(1)) : ask.cost, ask.id, ask.force};
  }

  /// Each limit is asked for no more than it can ever hold.
  [[nodiscard]] Answer ask_estimate(const Ask& ask, Instant at) const {
    std::vector<Decision> answers;
    for (std::size_t i = 0; i < models_.size(); ++i) {
      Ask own = ask_of(i, ask);
      own.cost = std::min(own.cost, specs_[i].size);
      answers.push_back(models_[i].get().ask(own, at));
    }
    Answer answer = of_all(answers);
    if (answer.decision.outcome == Outcome::granted) answer.decision.granted = ask.cost;
    return answer;
  }

  [[nodiscard]] Answer ask_all(const Ask& ask, Instant at) const {
    std::vector<Decision> answers;
    for (std::size_t i = 0; i < models_.size(); ++i) answers.push_back(models_[i].get().ask(ask_of(i, ask), at));
    Answer answer = of_all(answers);
    if (answer.decision.outcome == Outcome::granted) answer.decision.granted = ask.cost;
    return answer;
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
    Answer answer = ask_all({kNoUnits, id, true}, at);
    answer.decision.outcome = Outcome::denied;
    answer.decision.wait = wait;
    return answer;
  }

  /// How long one limit alone would let the call wait.
  [[nodiscard]] Span wait_under(std::size_t i, const Ask& ask, Instant at) const {
    const Decision first = models_[i].get().ask(ask_of(i, ask), at);
    if (first.outcome == Outcome::granted || first.wait > kLatest - at) return first.wait;
    const Decision then = models_[i].get().ask(ask_of(i, ask), at + first.wait);
    return then.outcome == Outcome::granted ? first.wait + then.wait : first.wait;
  }

  /// A denial by the limit that lets the call wait for the longest.
  [[nodiscard]] Answer too_late(const Ask& ask, Instant at, Span wait) const {
    Answer answer;
    for (std::size_t i = 1; i < models_.size(); ++i) {
      if (wait_under(i, ask, at) > wait_under(answer.binding, ask, at)) answer.binding = i;
    }
    answer.decision = models_[answer.binding].get().ask({kNoUnits, ask.id, true}, at);
    answer.decision.outcome = Outcome::denied;
    answer.decision.wait = wait;
    return answer;
  }

  [[nodiscard]] Answer ask_part(const Request& request, bool somebody_waits, Instant at) const {
    const Answer whole = ask_all({request.cost, request.id}, at);
    if (whole.decision.outcome == Outcome::granted) return keep_back(whole, somebody_waits, request.id, at);
    Units part = request.cost;
    bool is_nothing = false;
    for (std::size_t i = 0; i < models_.size(); ++i) {
      const Units left = models_[i].get().ask({kNoUnits, request.id, true}, at).remaining;
      if (!specs_[i].per_request) part = std::min(part, left);
      if (left == kNoUnits) is_nothing = true;
    }
    if (is_nothing) return ask_all({Units(1), request.id}, at);
    return keep_back(ask_all({part, request.id}, at), somebody_waits, request.id, at);
  }

  /// To wait until the call would be granted, if that is soon enough, and before the clocks end; and then once more,
  /// if it is to queue.
  [[nodiscard]] Answer ask_turn(const Request& request, Span ahead, Instant at) const {
    const Ask ask{request.cost, request.id};
    const Answer first = ask_all(ask, at);
    if (first.decision.outcome == Outcome::never) return first;
    const bool is_denied = first.decision.outcome == Outcome::denied;
    const Span until_turn = is_denied ? first.decision.wait : Span{};
    if (until_turn > kLatest - at) return first;
    Answer then = ask_all(ask, at + until_turn);
    // What a clock that was ahead left is not over when it should be.
    if (then.decision.outcome != Outcome::granted) return first;
    const Span wait = until_turn + then.decision.wait;
    if (ahead + wait > request.longest_wait) return too_late(ask, at, wait - request.longest_wait);
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
