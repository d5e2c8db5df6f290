// SPDX-License-Identifier: MIT
// What a preview copies. That it shows what an operation leaves is seen in every random walk (side_by_side.h).
#include "ratelimit/preview.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "accounts.h"
#include "random.h"
#include "ratelimit/algorithms/concurrent.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/sliding_window_log.h"
#include "ratelimit/request.h"
#include "subject.h"

namespace ratelimit::tests {
namespace {

const std::vector<LimitSpec> kLimits = {concurrent(4'000'000'000, 24h), sliding(4'000'000'000, 24h)};

const LeaseSet* leases_in(const Cell& cell) { return cell.as<Concurrent::State>().leases(); }
const EventLog* log_in(const Cell& cell) { return cell.as<SlidingWindowLog::State>().log(); }

/// A subject with so many holds of 1 unit each, one of which ends each second.
class SubjectWithHolds : public Subject {
 public:
  explicit SubjectWithHolds(std::size_t count) : Subject(kLimits) {
    for (std::size_t i = 0; i < count; ++i) reserve("hold-" + std::to_string(i), 1, (i + 1) * 1s, kToday);
  }
};

TEST(APreview, BorrowsLeasesAndHoldsAndCopiesLogs) {
  SubjectWithHolds subject(100);
  Preview preview = subject.preview();
  preview.collect(kToday + 10s);
  EXPECT_EQ(leases_in(preview.cells()[0]), leases_in(subject.cells()[0]));
  EXPECT_NE(log_in(preview.cells()[1]), log_in(subject.cells()[1]));
  EXPECT_EQ(preview.reservations(), &subject.reservations());
  EXPECT_EQ(subject.reservations().holds.size(), 100U);
  EXPECT_EQ(subject.used(1, kToday + 10s), Units(100));
}

TEST(APreview, HasNoHoldsIfAllAreCollected) {
  SubjectWithHolds subject(64);
  Preview preview = subject.preview();
  preview.collect(kToday + 64s);
  EXPECT_TRUE(preview.reservations()->holds.empty());
  EXPECT_EQ(subject.reservations().holds.size(), 64U);
}

TEST(APreview, LooksAtNoMoreHoldsThanOneOperationCollects) {
  const SubjectWithHolds subject(9000);
  const Instant later = kToday + 9000s;
  const std::size_t most = subject.reservations().collected_at_once();
  EXPECT_EQ(subject.reservations().only_collected_next(later).holds.size(), most);
  EXPECT_LT(most, 64U) << "fewer among many";
  EXPECT_EQ(subject.reservations().only_collected_next(kToday + 3s).holds.size(), 3U) << "those that have ended";
}

TEST(AnOperation, HasAboutTheSameMostWorkHoweverManyHoldsThereAre) {
  for (const bool is_uneven : {false, true}) {
    for (const int holds : {1, 63, 64, 9000}) {
      SubjectWithHolds subject(holds);
      Reservations reservations = subject.reservations();
      reservations.is_uneven = is_uneven;
      const std::size_t one = static_cast<std::size_t>(holds) * (is_uneven ? 4 : 1);
      EXPECT_LE(reservations.work_of_collecting(), Reservations::kMostWork);
      EXPECT_EQ(reservations.work_of_collecting(), reservations.collected_at_once() * one);
      if (holds == 9000) {
        EXPECT_GT(reservations.work_of_collecting() + one, Reservations::kMostWork);
      }
    }
  }
}

TEST(APreview, OfThousandsOfHoldsShowsWhatTheNextOperationLeaves) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  const List list = {fixed(100'000, 24h, "a"), sliding(100'000, 24h, "b"), bucket(100'000, 10, 1s, "c")};
  Subject subject(list);
  for (int i = 0; i < 5000; ++i) {
    const std::vector<Charge> charged = {{"b", Units(random.between(0, 9))}};
    const Request estimate{.cost = Units(random.between(0, 9)),
                           .charged = random.one_in(3) ? std::span<const Charge>(charged) : std::span<const Charge>{},
                           .id = std::to_string(i)};
    subject.reserve(list, estimate, random.between(1, 3600) * 1s, kToday);
  }
  const std::string id = std::to_string(random.below(5000));
  subject.settle(id, 1, kToday);
  for (Instant now = kToday + 1s; now < kToday + 1h; now += random.between(0, 60) * 1s) {
    if (!subject.reservations().any_hold_ended(now)) continue;
    Preview preview = subject.preview();
    preview.collect(now);
    subject.collect(now);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Units shown = subject.limits()[i].visit(
          [&](const auto& algorithm) { return algorithm.used(state_in(preview.cells()[i], algorithm), now); });
      ASSERT_EQ(shown, subject.used(i, now)) << "RATELIMIT_TEST_SEED=" << seed;
    }
  }
}

TEST(APreview, BorrowsWhatIsNotAheadOfTheClock) {
  SubjectWithHolds subject(1);
  Preview preview = subject.preview();
  preview.clamp(kToday - 1s, account_set(1));
  EXPECT_EQ(leases_in(preview.cells()[0]), leases_in(subject.cells()[0])) << "is not asked for";
  EXPECT_NE(log_in(preview.cells()[1]), log_in(subject.cells()[1]));
  EXPECT_EQ(preview.reservations(), &subject.reservations()) << "nobody waits";
}

TEST(APreview, OfAnotherInstantLeavesTheTurnAlone) {
  Subject subject(bucket(10, 1, 1s));
  subject.check({.cost = Units(10)}, kToday);
  subject.check({.cost = Units(2), .mode = Mode::may_wait, .longest_wait = 1h}, kToday);
  ASSERT_EQ(subject.turn(), (Turn{kToday + 2s, 2s}));
  Preview preview = subject.preview();
  preview.clamp(kToday - 1h, kAllAccounts);
  EXPECT_EQ(preview.reservations()->turn, (Turn{kToday - 1h + 2s, 2s}));
  EXPECT_EQ(subject.turn(), (Turn{kToday + 2s, 2s}));
}

}  // namespace
}  // namespace ratelimit::tests
