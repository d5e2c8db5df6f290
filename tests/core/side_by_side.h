// SPDX-License-Identifier: MIT
// The core and the oracle, driven side by side: every answer must be the same, to the nanosecond and the unit.
#ifndef RATELIMIT_TESTS_CORE_SIDE_BY_SIDE_H
#define RATELIMIT_TESTS_CORE_SIDE_BY_SIDE_H

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "oracle.h"
#include "random.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/preview.h"
#include "subject.h"

namespace ratelimit::tests {

class SideBySide {
 public:
  explicit SideBySide(const std::vector<LimitSpec>& specs) : core_(specs), oracle_(specs) {}

  /// The limits of all accounts.
  [[nodiscard]] std::vector<LimitSpec> specs() const {
    std::vector<LimitSpec> specs;
    for (const oracle::Account& account : oracle_.accounts()) specs.push_back(account.spec);
    return specs;
  }
  /// Whether they agreed so far. The first difference is reported.
  [[nodiscard]] bool agree() const { return agree_; }
  [[nodiscard]] const Subject& core() const { return core_; }

  /// One call to both.
  Decision check(const Request& request, Instant now) {
    const Moment moment{request, now};
    collect(now);
    Verdict verdict = core_.verdict(request, now);
    const oracle::Subject::Answer answer = oracle_.ask(request, now);
    compare_verdict(verdict, answer, moment);
    if (request.mode == Mode::whole || request.mode == Mode::may_wait) {
      expect(is_never(core_.limits(), request), answer.decision.outcome == Outcome::never, "never", moment);
    }
    if (verdict.decision.granted > kNoUnits) {
      const std::string id = name_of(request.id);
      verdict.id = id;
      const std::optional<Charges> each = core_.costs_each(request);
      core_.commit(verdict, now, each);
      oracle_.perform({.kind = Operation::Kind::charge,
                       .at = now,
                       .units = answer.decision.granted,
                       .each = each,
                       .span = answer.turn,
                       .id = id});
    }
    compare_memory(moment);
    return verdict.decision;
  }
  Decision check(Units cost, Instant now) { return check(Request{.cost = cost}, now); }

  /// Both reserve an estimate.
  Decision reserve(Units estimate, std::string_view asked_id, Span ttl, Instant now) {
    const Request request{.cost = estimate, .id = asked_id};
    const Moment moment{request, now};
    collect(now);
    const Verdict verdict = core_.reservation(request, now);
    compare_verdict(verdict, oracle_.ask_to_reserve(request, now), moment);
    if (verdict.decision.outcome == Outcome::granted) {
      const std::string id = name_of(asked_id);
      perform({.kind = Operation::Kind::reserve, .at = now, .units = estimate, .span = ttl, .id = id});
    }
    return verdict.decision;
  }

  // --- calls that name limits ---

  Decision check(const std::vector<LimitSpec>& list, const Request& request, Instant now) {
    const Moment moment{request, now};
    collect(now);
    const Verdict verdict = core_.verdict(list, request, now);
    const oracle::Subject::Answer answer =
        is_absent(list, moment) ? oracle::Subject(list).ask(request, now) : oracle_.ask(list, request, now);
    compare_verdict(verdict, answer, moment);
    if (verdict.decision.granted > kNoUnits) {
      const std::string id = name_of(request.id);
      const AccountSet named = open(list, moment);
      do_both({.kind = Operation::Kind::charge,
               .at = now,
               .units = answer.decision.granted,
               .each = core_.costs_each(list, request, now),
               .span = answer.turn,
               .id = id,
               .named = named});
    }
    if (verdict.decision.outcome == Outcome::denied) deny(list, moment);
    compare_memory(moment);
    return verdict.decision;
  }

  Decision reserve(const std::vector<LimitSpec>& list, const Request& request, Span ttl, Instant now) {
    const Moment moment{request, now};
    collect(now);
    if (is_absent(list, moment)) begin(list);
    const Verdict verdict = core_.reservation(list, request, now);
    compare_verdict(verdict, oracle_.ask_to_reserve(list, request, now), moment);
    if (verdict.decision.outcome == Outcome::granted) {
      const std::string id = name_of(request.id);
      const auto named = static_cast<AccountSet>(open(list, moment) & all_accounts(core_.limits()));
      do_both({.kind = Operation::Kind::reserve,
               .at = now,
               .units = request.costs(Limits::make(list).value()).most(),
               .each = core_.costs_each(list, request, now),
               .span = ttl,
               .id = id,
               .named = named});
    }
    if (verdict.decision.outcome == Outcome::denied) deny(list, moment);
    compare_memory(moment);
    return verdict.decision;
  }

  // --- any call ---

  /// Both do it. What it charges accounts that are not there is the most that it charges.
  void perform(Operation operation) {
    if (operation.each) {
      std::fill(operation.each->begin() + static_cast<std::ptrdiff_t>(core_.limits().size()), operation.each->end(),
                operation.units);
    }
    const Moment moment{operation, operation.at};
    collect(operation.at);
    expect_refundable(moment);
    do_both(operation);
    expect_refundable(moment);
    compare_memory(moment);
    if (core_.limits().size() == 0) return;  // what is left of what?
    compare_verdict(
        status_at_turn(core_.limits(), std::as_const(core_).cells(), core_.turn(), core_.block(), operation.at),
        oracle_.status(operation.at), moment);
  }

  /// Both bring what is ahead of the clock back to it, which changes no answer of now. What a block denies was decided as
  /// of later.
  void clamp(Units cost, Instant now) {
    const Moment moment{"a clamp", now};
    const Decision before = core_.peek(cost, now);
    expect(core_.is_ahead(now), oracle_.is_ahead(now), "ahead", moment);
    Preview preview = core_.preview();
    preview.clamp(now, kAllAccounts);
    core_.clamp(now);
    compare_preview(preview, moment);
    oracle_.clamp(now);
    expect(core_.is_ahead(now), false, "ahead after the clamp", moment);
    if (core_.block().left(now) == Span{}) {
      expect(core_.peek(cost, now), before, "decision after the clamp and before", moment);
    }
    compare_memory(moment);
  }

  /// Both go on under other limits. Deciding on carried states must not change the old ones.
  void change(const std::vector<LimitSpec>& specs, Units cost, Instant now) {
    const Request request{.cost = cost};
    const Moment moment{"a change", now};
    collect(now);
    compare_verdict(core_.verdict(request, now), oracle_.ask(request, now), moment);
    const Limits limits = Limits::make(specs).value();
    const CarriedStates states(core_.limits(), core_.cells(), limits, core_.turn().or_later(now));
    const Decision carried = decide(limits, states, core_.turn(), core_.block(), request, now).decision;
    compare_verdict(core_.verdict(request, now), oracle_.ask(request, now), moment);
    core_.change(specs, now);
    oracle_.change(specs, now);
    compare_verdict(core_.verdict(request, now), oracle_.ask(request, now), moment);
    expect(carried, core_.peek(request, now), "decided on carried states", moment);
    compare_memory(moment);
  }

 private:
  /// What is done, and when: for reports.
  struct Moment {
    std::variant<std::string_view, Request, Operation> what;
    Instant now;
  };

  /// What every command does first.
  void collect(Instant now) {
    const bool is_due = core_.reservations().any_hold_ended(now);
    const Moment moment{"what has ended", now};
    expect(is_due, oracle_.any_hold_ended(now), "holds ended", moment);
    compare_memory(moment);
    if (!is_due) return;
    Preview preview = core_.preview();
    preview.collect(now);
    compare_memory(moment);  // nothing has changed
    core_.perform({.kind = Operation::Kind::collect, .at = now});
    oracle_.perform({.kind = Operation::Kind::collect, .at = now});
    compare_memory(moment);
    compare_preview(preview, moment);
  }

  /// What a preview showed is what is there now.
  void compare_preview(Preview& preview, const Moment& moment) {
    expect(encoded(preview.cells()), encoded(core_.cells()), "states in the preview", moment);
    const Reservations& reserved = *preview.reservations();
    const Instant now = moment.now;
    expect(reserved.holds.empty(), core_.reservations().holds.empty(), "no holds in the preview", moment);
    expect(reserved.holds.count_after(now), core_.reservations().holds.count_after(now), "holds in the preview",
           moment);
    for (const Instant at : {now, now + core_.block().left(now)}) {
      expect(oracle::unix_ns(reserved.turn.or_later(at)), oracle::unix_ns(core_.turn().or_later(at)),
             "turn in the preview", moment);
    }
    expect(reserved.block.left(now).count(), core_.block().left(now).count(), "block in the preview", moment);
  }
  [[nodiscard]] std::string encoded(std::span<const Cell> cells) const {
    std::string bytes;
    Writer out(bytes);
    encode_subject(out, core_.limits(), cells, nullptr);
    return bytes;
  }

  void do_both(const Operation& operation) {
    const Moment moment{operation, operation.at};
    expect(core_.perform(operation), oracle_.perform(operation), "found", moment);
  }

  /// An absent subject has the accounts of the call that creates it.
  void begin(const std::vector<LimitSpec>& list) {
    core_.begin(list);
    oracle_ = oracle::Subject(list);
  }
  AccountSet open(const std::vector<LimitSpec>& list, const Moment& moment) {
    if (is_absent(list, moment)) begin(list);
    const AccountSet named = core_.open(list, moment.now);
    expect(int{named}, int{oracle_.open(list, moment.now)}, "named accounts", moment);
    compare_memory(moment);
    return named;
  }
  void deny(const std::vector<LimitSpec>& list, const Moment& moment) {
    if (is_absent(list, moment)) return;
    expect(core_.opens(list, moment.now), oracle_.opens(list, moment.now), "opens an account", moment);
    if (!core_.opens(list, moment.now)) return;
    const AccountSet named = core_.open(list, moment.now, Subject::For::denial);
    expect(int{named}, int{oracle_.open(list, moment.now, true)}, "named accounts", moment);
    compare_memory(moment);
  }
  bool is_absent(const std::vector<LimitSpec>& list, const Moment& moment) {
    const bool is_absent = core_.is_absent(list, moment.now);
    expect(is_absent, oracle_.is_absent(list, moment.now), "absent", moment);
    return is_absent;
  }

  /// The server makes up an id for who has none.
  std::string name_of(std::string_view id) {
    return id.empty() ? "made-" + std::to_string(++ids_made_) : std::string(id);
  }

  void compare_memory(const Moment& moment) {
    const Turn& turn = core_.turn();
    const Instant at = turn.or_later(moment.now);
    expect(oracle::unix_ns(at), oracle::unix_ns(oracle_.turn_after(moment.now)), "turn", moment);
    expect(core_.block().left(moment.now).count(), oracle_.blocked_for(moment.now).count(), "blocked for", moment);
    const oracle::Accounts& accounts = oracle_.accounts();
    expect(core_.limits().size(), accounts.size(), "number of accounts", moment);
    expect(core_.last_grants().empty(), accounts.are_one_list(), "one list", moment);
    for (std::size_t i = 0; agree_ && i < accounts.size(); ++i) {
      expect(core_.limits()[i].matches(accounts[i].spec), true, "limit of an account", moment);
      if (!accounts.are_one_list()) {
        expect(oracle::unix_ns(core_.last_grants()[i]), oracle::unix_ns(accounts[i].last), "last grant", moment);
      }
      expect(core_.used(i, moment.now), oracle_[i].used(moment.now), "used", moment);
      if (at != moment.now) expect(core_.used(i, at), oracle_[i].used(at), "used at the turn", moment);
      expect(oracle::unix_ns(core_.idle_at(i)), oracle::unix_ns(oracle_[i].idle_at()), "idle at", moment);
    }
    expect(oracle::unix_ns(core_.idle_at()), oracle::unix_ns(oracle_.idle_at()), "all idle at", moment);
    compare_holds(moment);
  }

  void compare_holds(const Moment& moment) {
    expect(core_.reservations().holds.size(), oracle_.holds().size(), "number of holds", moment);
    if (!agree_) return;
    core_.reservations().holds.for_each([&](std::string_view id, const LeaseSet::Holder& hold) {
      const auto other = oracle_.holds().find(id);
      if (other == oracle_.holds().end()) return expect(true, false, "a hold", moment);
      expect(oracle::unix_ns(hold.end), oracle::unix_ns(other->second.end), "end of a hold", moment);
      expect(hold.units, other->second.units, "units of a hold", moment);
      expect(Hold::is_settled(hold), other->second.is_settled, "settled", moment);
      if (Hold::is_settled(hold)) return;
      for (const oracle::Account& account : oracle_.accounts()) {
        const auto place = static_cast<std::size_t>(&account - &*oracle_.accounts().begin());
        expect(core_.reservations().charged_by(hold, place), other->second.charged.of(account),
               "what an account was charged for a hold", moment);
        expect(core_.reservations().charged_after(hold, place), other->second.newer.of(account),
               "what an account was charged after a hold", moment);
      }
    });
  }

  void compare_verdict(const Verdict& verdict, const oracle::Subject::Answer& answer, const Moment& moment) {
    expect(verdict.decision, answer.decision, "decision", moment);
    expect(verdict.binding, answer.binding, "binding limit", moment);
    expect(verdict.is_blocked, answer.is_blocked, "blocked", moment);
    if (answer.decision.outcome != Outcome::granted) return;
    expect(verdict.idle_in.count(), answer.idle_in.count(), "idle in", moment);
    expect(verdict.turn.count(), answer.turn.count(), "turn in", moment);
  }

  /// What counts, but for what no refund gives back.
  void expect_refundable(const Moment& moment) {
    const Instant at = core_.turn().or_later(moment.now);
    const auto units = refundable(core_.limits(), std::as_const(core_).cells(), at);
    const std::vector<LimitSpec> specs = this->specs();
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const bool is_kept = specs[i].per_request || specs[i].algorithm == Algorithm::concurrent;
      expect(units[i], is_kept ? kNoUnits : oracle_[i].used(at), "refundable", moment);
    }
  }

  template <class T>
  void expect(const T& core, const T& oracle, const char* what, const Moment& moment) {
    if (!agree_ || core == oracle) return;
    agree_ = false;
    ADD_FAILURE() << what << " differs at " << oracle::unix_ns(moment.now) << " ns for "
                  << std::visit([](const auto& done) { return ::testing::PrintToString(done); }, moment.what)
                  << "\n  core:   " << ::testing::PrintToString(core)
                  << "\n  oracle: " << ::testing::PrintToString(oracle)
                  << "\n  limits: " << ::testing::PrintToString(specs());
  }

  Subject core_;
  oracle::Subject oracle_;
  bool agree_ = true;
  std::uint64_t ids_made_ = 0;
};

/// How a random walk chooses limits: to begin with, and in flight.
struct Choice {
  std::function<std::vector<LimitSpec>(Random&)> begin;
  std::function<std::vector<LimitSpec>(Random&, const std::vector<LimitSpec>&)> change;
};

/// One limit of `algorithm`, whose numbers change.
inline Choice one_limit(Algorithm algorithm) {
  return {[algorithm](Random& random) { return std::vector{random_spec(random, algorithm)}; },
          [](Random& random, const std::vector<LimitSpec>& specs) {
            return std::vector{random_change(random, specs.front())};
          }};
}

/// Random limits, requests, operations, gaps, clock steps and changes of limits: as many steps as test_steps() says.
inline void walk(const Choice& choice) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps();) {
    SideBySide both(choice.begin(random));
    const Habit habit = random_habit(random);
    Instant now = random_instant(random);
    Decision last;
    const std::uint64_t end = step + static_cast<std::uint64_t>(random.magnitude_between(8, 2048));
    for (; step < end; ++step) {
      if (random.one_in(50)) both.change(choice.change(random, both.specs()), last.granted + kMinUnits, now);
      const std::vector<LimitSpec> specs = both.specs();
      const LimitSpec& spec = specs[random.below(specs.size())];
      const auto [gap, cost] = random_call(random, spec, last, habit);
      now = random_next(random, now, gap, scale_of(spec));
      const std::uint64_t deed = habit.is_plain ? 0 : random.below(10);
      if (deed < 8) {
        Request request = habit.is_plain ? Request{.cost = cost} : random_request(random, spec, cost, last);
        const RandomCosts costs = random_costs(random, both.core().limits(), cost);
        if (!habit.is_plain) request.charged = costs.charged;
        if (!habit.is_plain && random.one_in(24)) request.cost = kNoUnits;
        last = both.check(request, now);
        if (last.outcome == Outcome::denied && random.one_in(2)) both.clamp(cost, now);
      } else if (deed == 8) {
        last = both.reserve(cost, random_id(random), random_time_to_live(random, spec), now);
      } else {
        both.perform(random_operation(random, spec, cost, now));
      }
      ASSERT_TRUE(both.agree()) << "RATELIMIT_TEST_SEED=" << seed << ", step " << step;
    }
  }
}

/// Something that is done to both at an instant.
using Deed = std::function<void(SideBySide&, Instant)>;

inline Deed a_check(const Request& request) {
  return [request](SideBySide& both, Instant now) { both.check(request, now); };
}
inline Deed a_reservation(std::int64_t estimate, std::string_view id, Span ttl) {
  return [=](SideBySide& both, Instant now) { both.reserve(Units(estimate), id, ttl, now); };
}
inline Deed an_operation(Operation::Kind kind, std::int64_t units, std::string_view id = {}) {
  return
      [=](SideBySide& both, Instant now) { both.perform({.kind = kind, .at = now, .units = Units(units), .id = id}); };
}
inline Deed a_clamp() {
  return [](SideBySide& both, Instant now) { both.clamp(kMinUnits, now); };
}

/// Every sequence of `length` of these deeds with those gaps (negative: the clock steps back).
inline void try_all(const std::vector<LimitSpec>& specs, const std::vector<Span>& gaps, const std::vector<Deed>& deeds,
                    unsigned length) {
  const std::uint64_t choices = gaps.size() * deeds.size();
  std::uint64_t sequences = 1;
  for (unsigned i = 0; i < length; ++i) sequences *= choices;
  for (std::uint64_t sequence = 0; sequence < sequences; ++sequence) {
    SideBySide both(specs);
    Instant now = kToday;
    std::uint64_t rest = sequence;
    for (unsigned i = 0; i < length; ++i, rest /= choices) {
      now += gaps[rest % gaps.size()];
      deeds[rest / gaps.size() % deeds.size()](both, now);
    }
    ASSERT_TRUE(both.agree()) << "sequence " << sequence;
  }
}

/// The same for plain calls of those costs.
inline void try_all(const LimitSpec& spec, const std::vector<Span>& gaps, const std::vector<std::int64_t>& costs,
                    unsigned length) {
  std::vector<Deed> deeds;
  for (const std::int64_t cost : costs) deeds.push_back(a_check({.cost = Units(cost)}));
  try_all(std::vector{spec}, gaps, deeds, length);
}

/// What a denied call of `cost` units is promised.
inline void expect_wait_comes_true(const Subject& subject, Units cost, Instant now) {
  const Span wait = subject.peek(cost, now).wait;
  ASSERT_GT(wait, Span{});
  ASSERT_EQ(subject.peek(cost, now + wait).outcome, Outcome::granted) << "after the wait";
  ASSERT_EQ(subject.peek(cost, now + wait - 1ns).outcome, Outcome::denied) << "just before";
  const Request ever{.cost = cost, .mode = Mode::may_wait, .longest_wait = 4 * kMaxSpan};
  const Verdict turn = subject.verdict(ever, now);
  ASSERT_EQ(turn.decision.outcome, Outcome::granted) << "who waits for as long as it takes";
  ASSERT_EQ(turn.turn, wait);
  ASSERT_GE(turn.decision.wait, wait);
  const auto waits = [&](Span longest) {
    return subject.peek({.cost = cost, .mode = Mode::may_wait, .longest_wait = longest}, now);
  };
  ASSERT_EQ(waits(turn.decision.wait), turn.decision) << "no longer than that";
  ASSERT_EQ(waits(turn.decision.wait - 1ns).outcome, Outcome::denied) << "but no shorter";
  ASSERT_EQ(waits(turn.decision.wait - 1ns).wait, 1ns);
}

/// What a call is promised that is forced. It is charged.
inline void expect_debt_ends(Subject& subject, Units cost, Instant now) {
  const Units size = subject.limits()[0].size();
  const Decision forced = subject.check({.cost = cost, .mode = Mode::force}, now);
  if (forced.outcome == Outcome::denied) return;  // there was no room
  ASSERT_EQ(forced.outcome, Outcome::granted);
  ASSERT_EQ(forced.granted, cost);
  const Span debt = subject.status(now).wait;
  ASSERT_GE(forced.wait, debt) << "in a queue it may be more";
  ASSERT_LE(subject.used(0, now + debt), size) << "after the debt";
  ASSERT_EQ(debt > Span{}, subject.used(0, now) > size);
  if (debt == Span{}) return;
  ASSERT_EQ(forced.remaining, kNoUnits);
  ASSERT_GT(subject.used(0, now + debt - 1ns), size) << "just before";
}

/// What every algorithm promises about its answers, for random limits, costs, debts, refunds and gaps. If the clock is
/// stepped back, states that are ahead of it are clamped before they are asked.
inline void expect_promises_kept(Algorithm algorithm) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps() / 4;) {
    const LimitSpec spec = random_spec(random, algorithm);
    Subject subject(spec);
    const Habit habit = random_habit(random);
    Instant now = kEarliest + Span{random.between(0, Span{std::chrono::years{100}}.count())};
    Decision last;
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", from step " << step << " on, "
                                      << ::testing::PrintToString(spec));
    for (const std::uint64_t end = step + 500; step < end && now < kLatest - 6 * kMaxSpan; ++step) {
      const auto [gap, cost] = random_call(random, spec, last, habit);
      now = random_next(random, now, gap, scale_of(spec));
      subject.clamp(now);
      if (!habit.is_plain && random.one_in(16)) {
        ASSERT_NO_FATAL_FAILURE(expect_debt_ends(subject, cost, now));
      }
      if (!habit.is_plain && random.one_in(16)) {
        const Units before = subject.used(0, now);
        const Units back = subject.refund(cost.count(), now);
        ASSERT_LE(back, before);
        ASSERT_EQ(before - subject.used(0, now), back);
      }
      last = subject.peek(cost, now);
      ASSERT_EQ(subject.peek(cost, now), last) << "asking changed the state";
      ASSERT_EQ(last.outcome == Outcome::never, cost > spec.size);
      if (last.outcome == Outcome::denied) {
        ASSERT_NO_FATAL_FAILURE(expect_wait_comes_true(subject, cost, now));
      }
      ASSERT_EQ(subject.check(cost, now), last);
      if (last.remaining >= kMinUnits) {
        ASSERT_EQ(subject.peek(last.remaining, now).outcome, Outcome::granted) << "what remains can be taken";
      }
      ASSERT_NE(subject.peek(last.remaining + kMinUnits, now).outcome, Outcome::granted) << "and no more";
      ASSERT_EQ(std::max(spec.size - subject.used(0, now), kNoUnits), last.remaining);
      ASSERT_EQ(subject.used(0, now + last.reset), kNoUnits) << "after the reset";
      if (last.reset > Span{}) {
        ASSERT_GT(subject.used(0, now + last.reset - 1ns), kNoUnits) << "just before";
        ASSERT_EQ(subject.idle_at(0), now + last.reset);
      }
    }
  }
}

}  // namespace ratelimit::tests

#endif  // RATELIMIT_TESTS_CORE_SIDE_BY_SIDE_H
