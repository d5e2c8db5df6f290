// SPDX-License-Identifier: MIT
#include "ratelimit/booking.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "random.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "side_by_side.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

Request forced(std::int64_t cost) { return {.cost = Units(cost), .mode = Mode::force}; }
Request patient(std::int64_t cost, Span longest) {
  return {.cost = Units(cost), .mode = Mode::may_wait, .longest_wait = longest};
}

// --- Refunds ---

TEST(ARefund, GivesBackTheNewestUnits) {
  const std::vector<LimitSpec> specs = {bucket(9, 9, 90s), leaky(9, 9, 90s), fixed(9, 60s),
                                        sliding(9, 60s),   approx(9, 60s),   quota(9, CalendarUnit::day)};
  for (const LimitSpec& spec : specs) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    Subject caller(spec);
    caller.check(3, kToday);
    caller.check(4, kToday + 10s);
    const Units before = caller.used(0, kToday + 10s);
    EXPECT_EQ(caller.refund(2, kToday + 10s), Units(2));
    EXPECT_EQ(caller.used(0, kToday + 10s), before - Units(2));
  }
  Subject log(sliding(9, 60s));
  log.check(3, kToday);
  log.check(4, kToday + 10s);
  log.refund(5, kToday + 20s);
  EXPECT_EQ(log.used(0, kToday + 59s), Units(2)) << "of the first call";
  EXPECT_EQ(log.used(0, kToday + 60s), kNoUnits);
}

TEST(ARefund, NeverGivesBackMoreThanCounts) {
  for (const LimitSpec& spec : {bucket(9, 9, 90s), leaky(9, 9, 90s), fixed(9, 60s), aligned(9, 60s), sliding(9, 60s),
                                approx(9, 60s), quota(9, CalendarUnit::day)}) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    Subject caller(spec);
    caller.check(3, kToday);
    EXPECT_EQ(caller.refund(kMaxUnits.count(), kToday), Units(3));
    EXPECT_EQ(caller.used(0, kToday), kNoUnits);
    EXPECT_LE(caller.idle_at(0), kToday) << "idle again";
    EXPECT_EQ(caller.check(9, kToday).outcome, Outcome::granted);
    EXPECT_EQ(caller.check(1, kToday).outcome, Outcome::denied);
  }
}

TEST(ARefund, PaysADebtFirst) {
  Subject caller(bucket(5, 5, 5s));
  caller.check(forced(9), kToday);
  EXPECT_EQ(caller.refund(3, kToday), Units(3));
  EXPECT_EQ(caller.status(kToday).wait, 1s);
}

TEST(ARefund, SaysWhatOneLimitGotAtMost) {
  Subject caller({fixed(9, 60s), fixed(9, 10s)});
  caller.check(3, kToday);
  EXPECT_EQ(caller.refund(5, kToday + 10s), Units(3)) << "the window of ten seconds is over";
}

TEST(ARefund, GivesNoRequestsAndNoLeasesBack) {
  Subject caller({per_request(fixed(9, 60s)), concurrent(9, 60s)});
  caller.check(3, kToday);
  EXPECT_EQ(caller.refund(5, kToday), kNoUnits);
  EXPECT_EQ(caller.used(0, kToday), Units(1));
  EXPECT_EQ(caller.used(1, kToday), Units(3));
}

TEST(ARefund, TakesTwoCountersFromTheNewerOneFirst) {
  Subject caller(approx(10, 60s));
  caller.check(8, kToday + 30s);
  caller.check(4, kToday + 90s);
  ASSERT_EQ(caller.used(0, kToday + 90s), Units(8));
  EXPECT_EQ(caller.refund(6, kToday + 90s), Units(5)) << "four of this window, and two that count a half each";
  EXPECT_EQ(caller.used(0, kToday + 90s), Units(3));
}

// --- Holds ---

/// Limits that forget nothing in the minutes of these tests.
const std::vector<LimitSpec> kSlow = {
    bucket(100, 1, 30 * 24h), leaky(100, 1, 30 * 24h),      fixed(100, 24h), aligned(100, 24h), sliding(100, 24h),
    approx(100, 24h),         quota(100, CalendarUnit::day)};

class AHold : public ::testing::TestWithParam<LimitSpec> {
 protected:
  AHold() : caller_(GetParam()) {}

  /// Units that count, but for what flows back within minutes.
  [[nodiscard]] std::int64_t used(Span after = {}) const { return caller_.used(0, kToday + after).count(); }

  Subject caller_;
};
INSTANTIATE_TEST_SUITE_P(OfEach, AHold, ::testing::ValuesIn(kSlow),
                         [](const auto& of) { return std::to_string(of.index); });

TEST_P(AHold, ChargesTheEstimateAndGivesBackWhatWasTooMuch) {
  const Decision decision = caller_.reserve("a", 60, 1min, kToday);
  EXPECT_EQ(decision.granted, Units(60));
  EXPECT_EQ(decision.remaining, Units(40));
  EXPECT_EQ(used(), 60);
  EXPECT_TRUE(caller_.settle("a", 25, kToday + 10s));
  EXPECT_EQ(used(10s), 25);
  caller_.collect(kToday + 1min);
  EXPECT_EQ(used(1min), 25);
  EXPECT_TRUE(caller_.reservations().empty());
}

TEST_P(AHold, ChargesWhatWasMissing) {
  caller_.reserve("a", 60, 1min, kToday);
  EXPECT_TRUE(caller_.settle("a", 130, kToday + 10s));
  EXPECT_EQ(used(10s), 130) << "into debt";
  EXPECT_EQ(caller_.status(kToday + 10s).remaining, kNoUnits);
  EXPECT_GT(caller_.status(kToday + 10s).wait, Span{});
}

TEST_P(AHold, CanBeSettledOnlyOnce) {
  caller_.reserve("a", 60, 1min, kToday);
  EXPECT_TRUE(caller_.settle("a", 50, kToday));
  for (const std::int64_t again : {50, 5, 0, 90}) {
    EXPECT_TRUE(caller_.settle("a", again, kToday + 59s)) << "it is remembered until its time is over";
    EXPECT_EQ(used(59s), 50);
    EXPECT_EQ(caller_.reservations().holds.find("a")->units, Units(50)) << "with what it did cost";
  }
  EXPECT_FALSE(caller_.settle("a", 5, kToday + 1min));
  EXPECT_EQ(used(1min), 55) << "an unknown id is charged what it says";
  EXPECT_FALSE(caller_.settle("b", 0, kToday + 1min));
  EXPECT_EQ(used(1min), 55);
}

TEST_P(AHold, ThatIsSettledCannotBeTakenAgainBeforeItsTimeIsOver) {
  caller_.reserve("a", 60, 1min, kToday);
  caller_.settle("a", 20, kToday);
  EXPECT_TRUE(caller_.perform(
      {.kind = Operation::Kind::reserve, .at = kToday + 59s, .units = Units(70), .span = 1h, .id = "a"}));
  EXPECT_EQ(used(59s), 20) << "also if an operation says so";
  EXPECT_EQ(caller_.reservations().holds.find("a")->end, kToday + 1min);
  EXPECT_EQ(caller_.reserve("a", 70, 1min, kToday + 1min).granted, Units(70));
}

TEST_P(AHold, IsChargedTheDifferenceIfItsEstimateGrows) {
  caller_.reserve("a", 10, 1min, kToday);
  caller_.check(30, kToday + 1s);
  EXPECT_EQ(caller_.reserve("a", 50, 1min, kToday + 30s).granted, Units(50));
  EXPECT_EQ(used(30s), 80);
  EXPECT_EQ(caller_.reserve("a", 80, 1min, kToday + 40s).outcome, Outcome::denied)
      << "thirty more, and twenty are left";
  EXPECT_EQ(used(40s), 80);
  EXPECT_EQ(caller_.reservations().holds.find("a")->end, kToday + 90s) << "a denial renews nothing";
  EXPECT_EQ(caller_.reserve("a", 1'000, 1min, kToday + 40s).outcome, Outcome::denied) << "no more than the size";
  caller_.settle("a", 5, kToday + 50s);
  EXPECT_EQ(used(50s), 35);
}

TEST_P(AHold, IsNotChargedMoreWhileSomebodyWaits) {
  caller_.reserve("a", 10, 10min, kToday);
  caller_.check(90, kToday);
  ASSERT_EQ(caller_.check(patient(1, kMaxSpan), kToday).outcome, Outcome::granted);
  const Decision denied = caller_.reserve("a", 11, 10min, kToday);
  EXPECT_EQ(denied.outcome, Outcome::denied);
  EXPECT_GE(denied.wait, caller_.turn().wait);
  EXPECT_EQ(caller_.reserve("a", 10, 10min, kToday).granted, Units(10)) << "but it is renewed";
}

TEST_P(AHold, GivesEverythingBackWhenItEnds) {
  caller_.reserve("a", 60, 1min, kToday);
  caller_.check(10, kToday + 10s);
  caller_.collect(kToday + 1min - 1ns);
  EXPECT_EQ(used(1min - 1ns), 70);
  caller_.collect(kToday + 1min);
  EXPECT_EQ(used(1min), 10);
  EXPECT_FALSE(caller_.settle("a", 7, kToday + 2min)) << "it is no longer known";
  EXPECT_EQ(used(2min), 17);
}

TEST_P(AHold, GivesBackByItselfBeforeTheNextCallIsDecided) {
  caller_.reserve("a", 100, 1min, kToday);
  EXPECT_EQ(caller_.check(100, kToday + 1min - 1ns).outcome, Outcome::denied);
  EXPECT_EQ(caller_.check(100, kToday + 1min).outcome, Outcome::granted);
}

TEST_P(AHold, IsProlongedByItsIdAndChargedOnce) {
  caller_.reserve("a", 60, 1min, kToday);
  const Decision again = caller_.reserve("a", 20, 1min, kToday + 50s);
  EXPECT_EQ(again.outcome, Outcome::granted);
  EXPECT_EQ(again.granted, Units(60)) << "what is held";
  EXPECT_EQ(again.remaining, Units(40));
  EXPECT_EQ(again.wait, 0s);
  caller_.collect(kToday + 109s);
  EXPECT_EQ(used(109s), 60);
  caller_.collect(kToday + 110s);
  EXPECT_EQ(used(110s), 0);
}

TEST_P(AHold, IsForNoMoreThanTheLimitEverHas) {
  EXPECT_EQ(caller_.reserve("a", 1'000'000, 1min, kToday).granted, Units(100));
  EXPECT_EQ(caller_.reserve("b", 1'000'000, 1min, kToday).outcome, Outcome::denied) << "for now";
}

TEST_P(AHold, DoesNotGiveBackWhatOthersWereCharged) {
  caller_.reserve("a", 60, 1min, kToday);
  caller_.check(30, kToday + 1s);
  caller_.refund(90, kToday + 2s);
  caller_.check(20, kToday + 3s);
  EXPECT_TRUE(caller_.settle("a", 0, kToday + 4s)) << "its units are no longer there";
  EXPECT_EQ(used(4s), 20);
}

TEST_P(AHold, LosesNothingToOthersThatOverlapWithIt) {
  for (const bool in_order : {true, false}) {
    Subject caller(GetParam());
    caller.reserve("a", 60, 1min, kToday);
    caller.reserve("b", 30, 1min, kToday + 1s);
    EXPECT_TRUE(caller.settle(in_order ? "a" : "b", 5, kToday + 2s));
    EXPECT_TRUE(caller.settle(in_order ? "b" : "a", 5, kToday + 3s));
    EXPECT_EQ(caller.used(0, kToday + 3s), Units(10));
  }
}

TEST_P(AHold, LosesNothingToOthersThatEndBeforeIt) {
  caller_.reserve("a", 40, 10min, kToday);
  caller_.reserve("b", 30, 1min, kToday + 1s);
  caller_.reserve("c", 20, 10min, kToday + 2s);
  caller_.collect(kToday + 2min);
  EXPECT_EQ(used(2min), 60);
  caller_.settle("a", 1, kToday + 3min);
  EXPECT_EQ(used(3min), 21);
  caller_.settle("c", 2, kToday + 3min);
  EXPECT_EQ(used(3min), 3);
}

TEST_P(AHold, OutlivesAChangeOfLimits) {
  for (const LimitSpec& next : kSlow) {
    SCOPED_TRACE(::testing::PrintToString(next));
    Subject caller(GetParam());
    caller.reserve("a", 60, 1min, kToday);
    caller.check(10, kToday);
    caller.change({next}, kToday);
    EXPECT_EQ(caller.used(0, kToday), Units(70));
    EXPECT_TRUE(caller.settle("a", 20, kToday));
    EXPECT_EQ(caller.used(0, kToday), Units(30));
  }
}

TEST_P(AHold, IsKeptBackWhileSomebodyWaits) {
  caller_.check(100, kToday);
  ASSERT_EQ(caller_.check(patient(1, kMaxSpan), kToday).outcome, Outcome::granted);
  ASSERT_GT(caller_.turn().wait, Span{});
  const Decision denied = caller_.reserve("a", 1, 1min, kToday);
  EXPECT_EQ(denied.outcome, Outcome::denied);
  EXPECT_GE(denied.wait, caller_.turn().wait);
  EXPECT_EQ(denied.remaining, kNoUnits);
}

TEST_P(AHold, KeepsItsSubjectUntilItEnds) {
  caller_.reserve("a", 1, kMaxSpan, kToday);
  EXPECT_EQ(caller_.idle_at(), kToday + kMaxSpan);
}

TEST_P(AHold, DoesNotReserveUnderTheIdOfOneThatHasEnded) {
  caller_.reserve("a", 60, 1min, kToday);
  EXPECT_EQ(caller_.reserve("a", 30, 1min, kToday + 1min).granted, Units(30));
  EXPECT_EQ(used(1min), 30);
}

TEST(Holds, ChargeARequestOnce) {
  Subject caller({fixed(100, 24h), per_request(fixed(10, 24h))});
  caller.reserve("a", 60, 1min, kToday);
  caller.settle("a", 90, kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(90));
  EXPECT_EQ(caller.used(1, kToday), Units(1));
  caller.settle("b", 5, kToday);
  EXPECT_EQ(caller.used(0, kToday), Units(95));
  EXPECT_EQ(caller.used(1, kToday), Units(1)) << "a settlement is no request, also of a hold that nobody knows";
}

TEST(Holds, TakeALeaseThatSettlingEnds) {
  Subject caller({fixed(100, 24h), concurrent(20, 30s)});
  EXPECT_EQ(caller.reserve("a", 60, 1min, kToday).granted, Units(60)) << "the most that a limit was charged";
  EXPECT_EQ(caller.used(0, kToday), Units(60));
  EXPECT_EQ(caller.used(1, kToday), Units(20));
  caller.reserve("a", 60, 1min, kToday + 20s);
  EXPECT_EQ(caller.used(1, kToday + 49s), Units(20)) << "prolonged with the hold";
  caller.settle("a", 50, kToday + 49s);
  EXPECT_EQ(caller.used(0, kToday + 49s), Units(50));
  EXPECT_EQ(caller.used(1, kToday + 49s), kNoUnits);
}

TEST(Holds, GiveBackToEachLimitWhatItStillCounts) {
  Subject caller({fixed(100, 24h), fixed(100, 10s), bucket(100, 1, 1s)});
  caller.reserve("a", 60, 1min, kToday);
  caller.check(10, kToday + 20s);
  caller.settle("a", 0, kToday + 30s);
  EXPECT_EQ(caller.used(0, kToday + 30s), Units(10));
  EXPECT_EQ(caller.used(1, kToday + 29s), Units(10)) << "its window had ended";
  EXPECT_EQ(caller.used(2, kToday + 30s), Units(10)) << "thirty had flowed back already";
}

TEST(Holds, GiveBackAsOfTheirEndsHoweverLateThatIsNoticed) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps() / 20;) {
    const std::vector<LimitSpec> specs = {bucket(100, random.between(1, 50), 10ms), aligned(100, 3ms),
                                          sliding(100, 5ms), approx(100, 4ms), fixed(100, 2ms)};
    Subject late(specs);
    Subject early(specs);
    Instant now = kToday;
    for (const std::uint64_t end = step + 100; step < end; ++step) {
      const Instant next = now + Span{random.between(0, 3'000'000)};
      while (early.reservations().any_hold_ended(next)) early.collect(early.reservations().holds.first().end);
      now = next;
      const std::string id = std::to_string(random.below(6));
      const std::int64_t units = random.between(1, 60);
      const Span ttl{random.between(1, 10'000'000)};
      const std::uint64_t deed = random.below(3);
      for (Subject* subject : {&late, &early}) {
        if (deed == 0) subject->reserve(id, units, ttl, now);
        if (deed == 1) subject->settle(id, units, now);
        if (deed == 2) subject->check(units, now);
      }
      for (std::size_t i = 0; i < specs.size(); ++i) {
        ASSERT_EQ(late.used(i, now), early.used(i, now)) << "RATELIMIT_TEST_SEED=" << seed;
        ASSERT_EQ(late.peek(Units(units), now), early.peek(Units(units), now)) << "RATELIMIT_TEST_SEED=" << seed;
      }
    }
  }
}

TEST(Holds, NeverExceedTheLimitHoweverManyAreReservedTogether) {
  Random random(test_seed());
  for (LimitSpec spec : {bucket(100, 1, 30 * 24h), fixed(100, 24h), sliding(100, 24h), approx(100, 24h),
                         concurrent(100, 24h), quota(100, CalendarUnit::day), leaky(100, 1, 30 * 24h)}) {
    for (int round = 0; round < 200; ++round) {
      spec.size = Units(random.between(1, 100));
      Subject caller(spec);
      std::map<std::string, Units> held;
      for (int i = 0; i < 50; ++i) {
        // Who has settled an id takes another one. A hold is renewed, and asks for no more.
        const std::string id = std::to_string(random.below(20)) + (random.one_in(2) ? "" : std::to_string(i));
        const auto known = caller.reservations().holds.find(id);
        if (known && Hold::is_settled(*known)) continue;
        const std::int64_t most = known ? known->units.count() : 30;
        const Decision decision = caller.reserve(id, random.between(1, most), 1min, kToday);
        if (decision.outcome == Outcome::granted) held[id] = decision.granted;
        if (random.one_in(5) && caller.settle(id, 0, kToday)) held.erase(id);
        Units sum;
        for (const auto& [name, units] : held) sum += units;
        ASSERT_LE(sum, spec.size);
        ASSERT_EQ(caller.used(0, kToday), sum);
      }
    }
  }
}

TEST(Holds, ThatGrowNeverGiveBackMoreThanTheyHad) {
  // What one was charged later is protected from those in between: they may give back less, and never more.
  Random random(test_seed());
  for (LimitSpec spec : {bucket(100, 1, 30 * 24h), fixed(100, 24h), sliding(100, 24h), approx(100, 24h),
                         concurrent(100, 24h), quota(100, CalendarUnit::day), leaky(100, 1, 30 * 24h)}) {
    for (int round = 0; round < 100; ++round) {
      Subject caller(spec);
      std::map<std::string, Units> held;
      for (int i = 0; i < 50; ++i) {
        const std::string id = std::to_string(random.below(8)) + '-' + std::to_string(i / 10);
        const auto known = caller.reservations().holds.find(id);
        if (known && Hold::is_settled(*known)) continue;
        const Decision decision = caller.reserve(id, random.between(1, 30), 1min, kToday);
        if (decision.outcome == Outcome::granted) held[id] = decision.granted;
        if (random.one_in(5) && caller.settle(id, 0, kToday)) held.erase(id);
        Units sum;
        for (const auto& [name, units] : held) sum += units;
        ASSERT_GE(caller.used(0, kToday), sum);
        ASSERT_LE(caller.used(0, kToday), spec.size);
      }
    }
  }
}

/// A caller who keeps books of what it really used: each call with the units that it kept in the end.
class Bookkeeper {
 public:
  explicit Bookkeeper(const LimitSpec& spec) : spec_(spec), caller_(spec) {}

  void check(std::int64_t units) {
    if (caller_.check(units, now_).outcome == Outcome::granted) calls_.push_back({now_, Units(units), {}});
  }
  void reserve(const std::string& id, std::int64_t units, Span ttl) {
    const Decision decision = caller_.reserve(id, units, ttl, now_);
    if (decision.outcome == Outcome::granted) calls_.push_back({now_, decision.granted, id});
  }
  void settle_one(Random& random) {
    std::vector<Call> open;
    for (const Call& call : calls_) {
      if (!call.hold.empty()) open.push_back(call);
    }
    if (open.empty()) return;
    const Call call = open[random.below(open.size())];
    end_hold(call.hold, random.between(0, call.units.count()));
  }
  /// Holds that end on the way are settled for nothing right before: it is the same, and says what each gives back.
  void wait(Span span) {
    const Instant next = now_ + span;
    while (const auto first = first_open(next)) {
      now_ = first->first - 1ns;
      end_hold(first->second, 0);
    }
    now_ = next;
  }

  /// Whether no interval that ends now has more than the limit lets through in it. A bucket must give back a unit a
  /// millisecond.
  void expect_within_the_limit() const {
    for (const Call& call : calls_) {
      Units most = spec_.size;
      if (is_bucket(spec_.algorithm)) {
        most += Units((now_ - call.at) / 1ms);
      } else if (is_over(call.at)) {
        continue;  // of a window that is over
      }
      ASSERT_LE(kept_from(call.at), most);
    }
  }

 private:
  struct Call {
    Instant at;
    Units units;
    std::string hold;  ///< as long as it may turn out to be less
  };

  /// The end and the id of the first hold that is not settled and ends by `last`.
  [[nodiscard]] std::optional<std::pair<Instant, std::string>> first_open(Instant last) const {
    std::optional<std::pair<Instant, std::string>> first;
    caller_.reservations().holds.for_each([&](std::string_view id, const LeaseSet::Holder& hold) {
      if (!first && hold.end <= last && !Hold::is_settled(hold)) first.emplace(hold.end, id);
    });
    return first;
  }

  /// Whether a window that `at` belongs to has no part in the one that ends now.
  [[nodiscard]] bool is_over(Instant at) const {
    if (!spec_.aligned) return at <= now_ - spec_.span;
    return at.time_since_epoch() / spec_.span != now_.time_since_epoch() / spec_.span;
  }

  [[nodiscard]] Units kept_from(Instant from) const {
    Units sum;
    for (const Call& call : calls_) {
      if (from <= call.at) sum += call.units;
    }
    return sum;
  }

  /// What comes back is taken from what the hold had kept, and must never be more than that.
  void end_hold(const std::string& id, std::int64_t actual) {
    const Units before = caller_.used(0, now_);
    ASSERT_TRUE(caller_.settle(id, actual, now_));
    const Units back = before - caller_.used(0, now_);
    const auto call = std::find_if(calls_.begin(), calls_.end(), [&](const Call& each) { return each.hold == id; });
    ASSERT_NE(call, calls_.end());
    ASSERT_GE(back, kNoUnits);
    ASSERT_LE(back, call->units - Units(actual));
    call->units -= back;
    call->hold.clear();
  }

  LimitSpec spec_;
  Subject caller_;
  std::vector<Call> calls_;
  Instant now_ = kToday;
};

TEST(Holds, ThatAreSettledLateNeverLetMoreThroughThanTheLimit) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps() / 20;) {
    const std::int64_t size = random.between(1, 30);
    const LimitSpec spec = std::vector{bucket(size, 10, 10ms), leaky(size, 10, 10ms), aligned(size, 20ms),
                                       sliding(size, 16ms)}[random.below(4)];
    SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", step " << step << ", "
                                      << ::testing::PrintToString(spec));
    Bookkeeper caller(spec);
    for (const std::uint64_t end = step + 60; step < end; ++step) {
      const std::int64_t units = random.between(1, std::min<std::int64_t>(size, 6));
      caller.wait(random.between(0, 3) * 1ms);
      if (random.one_in(2)) {
        caller.check(units);
      } else {
        caller.reserve(std::to_string(step), units, random.between(1, 40) * 1ms);
      }
      if (random.one_in(3)) caller.settle_one(random);
      ASSERT_NO_FATAL_FAILURE(caller.expect_within_the_limit());
      ASSERT_FALSE(::testing::Test::HasFailure());
    }
  }
}

TEST(Holds, AreAtMostSoManyAndDenyUntilTheFirstEnds) {
  Subject caller(fixed(4'000'000'000, 24h));
  for (std::size_t i = 0; i < kMaxHolders; ++i) {
    ASSERT_EQ(caller.reserve(std::to_string(i), 1, 1h + i * 1ms, kToday).outcome, Outcome::granted);
  }
  const Decision denied = caller.reserve("one more", 1, 1h, kToday + 1min);
  EXPECT_EQ(denied.outcome, Outcome::denied);
  EXPECT_EQ(denied.wait, 59min);
  EXPECT_EQ(caller.reserve("7", 1, 1h, kToday + 1min).outcome, Outcome::granted) << "that one is there already";
  EXPECT_EQ(caller.check(1, kToday + 1min).outcome, Outcome::granted) << "a call needs no hold";
  EXPECT_EQ(caller.reserve("one more", 1, 1h, kToday + 1h).outcome, Outcome::granted);
}

TEST(Holds, GiveBackSoManyAtATimeWhenManyHaveEnded) {
  Subject caller(fixed(1000, 24h));
  for (std::size_t i = 0; i < 160; ++i) caller.reserve(std::to_string(i), 1, 1min, kToday);
  caller.collect(kToday + 1h);
  EXPECT_EQ(caller.used(0, kToday + 1h), Units(160 - 64));
  caller.collect(kToday + 1h);
  caller.collect(kToday + 1h);
  EXPECT_EQ(caller.used(0, kToday + 1h), kNoUnits);
  EXPECT_TRUE(caller.reservations().empty());
}

TEST(Holds, ThatAreLeftOverGiveBackNoEarlierThanWhatWasDoneSince) {
  // When the last holds are noticed, what they took has flowed back long ago; what was charged since must stay.
  for (const LimitSpec& spec :
       {bucket(1000, 1, 1s), leaky(1000, 1, 1s), fixed(1000, 10min), sliding(1000, 10min), approx(1000, 10min)}) {
    SCOPED_TRACE(::testing::PrintToString(spec));
    Subject caller(spec);
    for (std::size_t i = 0; i < 100; ++i) caller.reserve(std::to_string(i), 1, 1min, kToday);
    caller.settle("unknown", 500, kToday + 1h);
    ASSERT_EQ(caller.reservations().holds.size(), 36U);
    caller.collect(kToday + 1h);
    EXPECT_EQ(caller.used(0, kToday + 1h), Units(500));
  }
}

TEST(Operations, AreTotalWhateverTheirNumbersAre) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  const std::vector<LimitSpec> specs = {bucket(5, 5, 1s), fixed(5, 1s),
                                        sliding(5, 1s),   concurrent(5, 1s),
                                        approx(5, 1s),    quota(5, CalendarUnit::hour),
                                        leaky(5, 3, 1s),  per_request(sliding(3, 1h, "few"))};
  SideBySide both(specs);
  for (std::uint64_t step = 0; step < test_steps() / 100; ++step) {
    Operation operation{
        .kind = random.one_of({Operation::Kind::collect, Operation::Kind::refund, Operation::Kind::reserve,
                               Operation::Kind::settle, Operation::Kind::release}),
        .at = random.one_in(3) ? random_instant(random) : kToday + Span{random.between(0, 2'000'000'000)},
        .units = random_count(random),
        .span = random_span(random),
        .id = random.one_of<std::string_view>({"a", "b", "c", "d"})};
    // Nothing is held for nothing.
    if (operation.kind != Operation::Kind::reserve && random.one_in(4)) operation.units = kNoUnits;
    both.perform(operation);
    ASSERT_TRUE(both.agree()) << "RATELIMIT_TEST_SEED=" << seed << ", step " << step;
  }
}

TEST(Operations, AgreeWithTheOracleInEverySmallWorld) {
  const std::vector<Deed> deeds = {
      a_check({.cost = Units(2)}),
      a_check(patient(1, 2ms)),
      a_reservation(2, "a", 1ms),
      an_operation(Operation::Kind::settle, 1, "a"),
      an_operation(Operation::Kind::refund, 1),
  };
  for (const LimitSpec& spec :
       {bucket(3, 2, 1ms), fixed(3, 1ms), sliding(3, 1ms), approx(3, 1ms), concurrent(3, 1ms)}) {
    try_all({spec}, {0ns, 500us, 1ms, -300us}, deeds, 4);
  }
  // With a second hold, of which either may be older.
  const std::vector<Deed> holds = {a_check({.cost = Units(1)}),
                                   a_reservation(2, "a", 2ms),
                                   a_reservation(1, "b", 1ms),
                                   an_operation(Operation::Kind::settle, 1, "a"),
                                   an_operation(Operation::Kind::settle, 0, "b"),
                                   an_operation(Operation::Kind::settle, 3, "b")};
  for (const LimitSpec& spec : {bucket(4, 1, 1ms), fixed(4, 1ms), approx(4, 1ms)}) {
    try_all({spec}, {0ns, 700us}, holds, 4);
  }
  try_all({sliding(4, 1ms)}, {0ns, 700us}, holds, 5);
}

}  // namespace
}  // namespace ratelimit::tests
