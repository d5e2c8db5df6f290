// SPDX-License-Identifier: MIT
// What the parser knows from earlier calls is what it would read: a call is understood alike the first time and the next.
#include "commands/known_limits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "commands/call_limits.h"
#include "commands/forms.h"
#include "commands/requests.h"

namespace ratelimit {
namespace {

using Call = std::vector<std::string>;

/// What a call was understood as.
struct Understood {
  std::optional<Fault> fault;
  std::vector<LimitSpec> limits;
  Units cost;
  std::string subject;

  friend bool operator==(const Understood&, const Understood&) = default;
};

Understood understand(const Call& call, std::optional<Algorithm> algorithm) {
  const std::vector<std::string_view> words(call.begin(), call.end());
  CheckRequest request;
  const std::optional<Fault> fault =
      algorithm ? parse_shorthand(words, *algorithm, request) : parse_check(words, forms::kCheck.options, request);
  const auto limits = request.limits.span();
  if (fault) return {fault, {}, {}, {}};
  return {fault, {limits.begin(), limits.end()}, request.call.cost, std::string(request.subject)};
}

/// Draws calls. Each names a label that no other does, so that none is known when it is read first.
class Calls {
 public:
  Call check() {
    Call call{"RL.CHECK", "k"};
    const std::size_t limits = 1 + draw(3);
    for (std::size_t i = 0; i < limits; ++i) add(call, kLimits[draw(kLimits.size())]);
    add_label(call);
    return call;
  }
  Call bucket() {
    Call call{"RL.TOKENBUCKET", "k"};
    add(call, kBuckets[draw(kBuckets.size())]);
    add_label(call);
    return call;
  }
  /// Adds words that may follow any limits, or are wrong there.
  void add_more(Call& call) {
    for (std::size_t i = draw(4); i > 0; --i) add(call, kMore[draw(kMore.size())]);
  }

 private:
  using Words = std::vector<std::string_view>;

  static inline const std::array<Words, 8> kLimits{{{"FIXED", "10", "1m"},
                                                    {"fixed", "100", "60s", "ALIGNED"},
                                                    {"TOKENBUCKET", "20", "10", "1s"},
                                                    {"SLIDING", "10", "1m", "APPROX", "PER", "REQUEST"},
                                                    {"QUOTA", "10", "month", "TZ", "Europe/Berlin"},
                                                    {"QUOTA", "10", "DAY", "ANCHOR", "2026-01-01", "TZ", "UTC"},
                                                    {"CONCURRENT", "10", "1m"},
                                                    {"LEAKYBUCKET", "10", "1", "1m"}}};
  static inline const std::array<Words, 3> kBuckets{{{"10", "1", "1m"}, {"10", "2", "1m"}, {"11", "1", "1h"}}};
  static inline const std::array<Words, 12> kMore{{{"COST", "2"},
                                                   {"FOR", "bob"},
                                                   {"HEADERS"},
                                                   {"AS", "again"},
                                                   {"ALIGNED"},
                                                   {"PER", "REQUEST"},
                                                   {"FIXED", "7", "1h"},
                                                   {"FIXED", "x", "1h"},
                                                   {"TZ", "UTC"},
                                                   {"CHARGE", "fixed", "1"},
                                                   {"COST"},
                                                   {"what"}}};

  std::size_t draw(std::size_t count) { return random_() % count; }
  static void add(Call& call, const Words& words) { call.insert(call.end(), words.begin(), words.end()); }
  void add_label(Call& call) {
    call.emplace_back("AS");
    call.push_back("label" + std::to_string(next_++));
  }

  std::mt19937 random_{20261129};
  std::size_t next_ = 0;
};

TEST(KnownLimits, AreReadAlikeAgain) {
  Calls calls;
  for (int round = 0; round < 20'000; ++round) {
    const std::optional<Algorithm> algorithm = round % 2 == 0 ? std::optional(Algorithm::token_bucket) : std::nullopt;
    Call call = algorithm ? calls.bucket() : calls.check();
    calls.add_more(call);
    const Understood first = understand(call, algorithm);
    EXPECT_EQ(understand(call, algorithm), first) << ::testing::PrintToString(call);
  }
}

// What is known is the beginning of a call. Whatever else is in it is read as if it were not known.
TEST(KnownLimits, LeaveTheRestOfACallToBeRead) {
  Calls calls;
  int faults = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::optional<Algorithm> algorithm = round % 2 == 0 ? std::optional(Algorithm::token_bucket) : std::nullopt;
    const Call limits = algorithm ? calls.bucket() : calls.check();
    Call call = limits;
    calls.add_more(call);
    const Understood unknown = understand(call, algorithm);
    faults += unknown.fault ? 1 : 0;
    // As long a call, so that it has the same place: as many costs and subjects as fit.
    Call known = limits;
    if ((call.size() - known.size()) % 2 == 1) known.emplace_back("HEADERS");
    for (const std::string_view option : {"COST", "JITTER", "MAXWAIT", "ID"}) {
      if (known.size() < call.size()) known.insert(known.end(), {std::string(option), "1"});
    }
    static_cast<void>(understand(known, algorithm));
    EXPECT_EQ(understand(call, algorithm), unknown) << ::testing::PrintToString(call);
  }
  EXPECT_GT(faults, 1000);
}

TEST(KnownLimits, BorrowNothingFromTheCallThatTaughtThem) {
  CheckRequest request;
  {
    const Call first{"RL.CHECK", "k", "QUOTA", "10", "day", "TZ", "Europe/Berlin", "AS", "mine"};
    static_cast<void>(understand(first, std::nullopt));
    const Call call = first;
    const std::vector<std::string_view> words(call.begin(), call.end());
    ASSERT_FALSE(parse_check(words, forms::kCheck.options, request));
  }
  ASSERT_EQ(request.limits.size(), 1U);
  EXPECT_EQ(request.limits.span()[0].label, "mine");
  EXPECT_EQ(request.limits.span()[0].zone, "Europe/Berlin");
}

// The object that the words mean stands beside them, so that it is not looked up for each call.
TEST(KnownLimits, RememberWhichObjectTheyAre) {
  LimitsPool pool;
  KnownLimits known;
  const std::array<std::string_view, 3> words{"FIXED", "10", "1m"};
  const LimitSpec spec{.algorithm = Algorithm::fixed_window, .size = Units(10), .span = std::chrono::minutes(1)};
  known.remember(words, 3, nullptr, std::array{spec}, {});
  const SharedLimits found = known.find(words, nullptr)->limits().get(pool);
  EXPECT_TRUE(known.find(words, nullptr)->limits().get(pool).refers_to_same(found));
  EXPECT_TRUE(known.find(words, nullptr)->limits().are(found));
  const LimitSpec other{.algorithm = Algorithm::fixed_window, .size = Units(11), .span = std::chrono::minutes(1)};
  EXPECT_FALSE(known.find(words, nullptr)->limits().are(pool.get(std::array{other})));
  const SharedLimits alike(*Limits::make(std::array{spec}));
  EXPECT_TRUE(known.find(words, nullptr)->limits().are(alike)) << "limits that no pool shares are compared";
  known.remember(words, 3, nullptr, std::array{other}, {});
  EXPECT_FALSE(known.find(words, nullptr)->limits().are(found)) << "other words have taken the place";
}

TEST(CallLimits, AreThoseThatAreKnownAndThoseThatFollow) {
  KnownLimits known;
  const std::array<std::string_view, 3> words{"FIXED", "10", "1m"};
  const LimitSpec first{.algorithm = Algorithm::fixed_window, .size = Units(10), .span = std::chrono::minutes(1)};
  known.remember(words, 3, nullptr, std::array{first}, {});
  CallLimits limits;
  limits.begin_with(*known.find(words, nullptr));
  EXPECT_EQ(limits.size(), 1U);
  limits.back().label = "mine";
  const LimitSpec second{.algorithm = Algorithm::token_bucket, .size = Units(2)};
  limits.push_back(second);
  ASSERT_EQ(limits.size(), 2U);
  EXPECT_EQ(limits.span()[0].label, "mine");
  EXPECT_EQ(limits.span()[0].size, Units(10));
  EXPECT_EQ(limits.span()[1], second);
  EXPECT_EQ(known.find(words, nullptr)->specs()[0], first) << "what is known stays";
  for (std::size_t i = 2; i < kMaxLimits; ++i) limits.push_back(second);
  EXPECT_TRUE(limits.full());
}

TEST(KnownLimits, AreFoundByWhatTheyBeginWith) {
  KnownLimits known;
  const std::array<std::string_view, 5> words{"FIXED", "10", "1m", "COST", "2"};
  EXPECT_EQ(known.find(words, nullptr), nullptr);
  const LimitSpec spec{.algorithm = Algorithm::fixed_window, .size = Units(10), .span = std::chrono::minutes(1)};
  known.remember(words, 3, nullptr, std::array{spec}, {{Option::label}, {}});
  const KnownLimits::Entry* const entry = known.find(words, nullptr);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->words(), 3U);
  ASSERT_EQ(entry->specs().size(), 1U);
  EXPECT_EQ(entry->specs()[0], spec);
  EXPECT_TRUE(entry->options().possible.has(Option::label));
  EXPECT_EQ(known.find(words, &row_of(Algorithm::fixed_window)), nullptr) << "numbers would come first";
  for (std::size_t i = 0; i < 3; ++i) {
    auto others = words;
    others[i] = "other";
    EXPECT_EQ(known.find(others, nullptr), nullptr) << i;
  }
  EXPECT_EQ(known.find(std::span(words).first(2), nullptr), nullptr);
  EXPECT_EQ(known.find({}, nullptr), nullptr);
}

// Words of any length are read; only short ones are remembered.
TEST(KnownLimits, AreNotTooLong) {
  KnownLimits known;
  const std::string label(256, 'x');
  const std::array<std::string_view, 5> words{"FIXED", "10", "1m", "AS", label};
  known.remember(words, 5, nullptr, std::array{LimitSpec{}}, {});
  EXPECT_EQ(known.find(words, nullptr), nullptr);
  const std::vector<std::string_view> many(33, "1");
  known.remember(many, 33, nullptr, std::array{LimitSpec{}}, {});
  EXPECT_EQ(known.find(many, nullptr), nullptr);
}

}  // namespace
}  // namespace ratelimit
