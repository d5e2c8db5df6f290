// SPDX-License-Identifier: MIT
#include "ratelimit/algorithms/lease_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "random.h"

namespace ratelimit {

inline void PrintTo(const LeaseSet::Holder& holder, std::ostream* out) {
  *out << holder.units.count() << " until " << holder.end.time_since_epoch().count() << " (" << holder.mark << ')';
}

}  // namespace ratelimit

namespace ratelimit::tests {
namespace {

using Holder = LeaseSet::Holder;
using Named = std::pair<std::string, Holder>;
using namespace std::string_view_literals;

static_assert(std::is_nothrow_move_constructible_v<LeaseSet> && std::is_nothrow_move_assignable_v<LeaseSet>);

constexpr Instant at(std::int64_t tick) { return Instant{Span{tick}}; }
constexpr Holder until(std::int64_t tick, std::int64_t units = 1, std::uint64_t mark = 0) {
  return {at(tick), Units(units), mark};
}

std::vector<Named> holders_of(const LeaseSet& lease_set) {
  std::vector<Named> holders;
  lease_set.for_each([&holders](std::string_view id, const Holder& holder) { holders.emplace_back(id, holder); });
  return holders;
}

std::vector<std::string> ids_of(const LeaseSet& lease_set) {
  std::vector<std::string> ids;
  lease_set.for_each([&ids](std::string_view id, const Holder&) { ids.emplace_back(id); });
  return ids;
}

/// What a lease set is, in the most obvious way: a list that is sorted after every change.
class Model {
 public:
  [[nodiscard]] const std::vector<Named>& holders() const { return holders_; }

  [[nodiscard]] std::optional<Holder> find(std::string_view id) const {
    for (const auto& [name, holder] : holders_) {
      if (name == id) return holder;
    }
    return std::nullopt;
  }

  void put(std::string_view id, const Holder& holder) {
    erase(id);
    holders_.emplace_back(id, holder);
    sort();
  }

  bool erase(std::string_view id) {
    return std::erase_if(holders_, [id](const Named& named) { return named.first == id; }) > 0;
  }

  void forget_ended(Instant now, std::size_t at_most) {
    for (; at_most > 0 && !holders_.empty() && holders_.front().second.end <= now; --at_most) {
      holders_.erase(holders_.begin());
    }
  }

  void clamp_ends(Instant latest) {
    for (auto& [id, holder] : holders_) holder.end = std::min(holder.end, latest);
    sort();
  }

  [[nodiscard]] std::vector<Named> after(Instant instant) const {
    std::vector<Named> later;
    for (const Named& named : holders_) {
      if (named.second.end > instant) later.push_back(named);
    }
    return later;
  }

 private:
  void sort() {
    std::sort(holders_.begin(), holders_.end(), [](const Named& a, const Named& b) {
      return std::tie(a.second.end, a.first) < std::tie(b.second.end, b.first);
    });
  }

  std::vector<Named> holders_;
};

Units sum_of(const std::vector<Named>& holders) {
  Units units;
  for (const auto& [id, holder] : holders) units += holder.units;
  return units;
}

/// The lease set and its model, which must hold and answer the same.
class Pair {
 public:
  [[nodiscard]] const LeaseSet& lease_set() const { return lease_set_; }
  [[nodiscard]] const Model& model() const { return model_; }

  void put(std::string_view id, const Holder& holder) {
    lease_set_.put(id, holder);
    model_.put(id, holder);
  }
  void erase(std::string_view id) { EXPECT_EQ(lease_set_.erase(id), model_.erase(id)); }
  void forget_ended(Instant now, std::size_t at_most) {
    lease_set_.forget_ended(now, at_most);
    model_.forget_ended(now, at_most);
  }
  void clamp_ends(Instant latest) {
    lease_set_.clamp_ends(latest);
    model_.clamp_ends(latest);
  }
  void copy() {
    const LeaseSet copied(lease_set_);
    // The original goes through a change and ends: whatever of the copy refers to it shows.
    lease_set_.put("of the original", until(1));
    lease_set_ = copied;
  }
  void move() {
    LeaseSet other(std::move(lease_set_));
    lease_set_ = std::move(other);
  }

  void expect_the_same() const {
    const std::vector<Named>& holders = model_.holders();
    ASSERT_EQ(holders_of(lease_set_), holders);
    ASSERT_EQ(lease_set_.size(), holders.size());
    ASSERT_EQ(lease_set_.empty(), holders.empty());
    ASSERT_EQ(lease_set_.units(), sum_of(holders));
    ASSERT_EQ(lease_set_.last_end(), holders.empty() ? Instant{} : holders.back().second.end);
    if (holders.empty()) return;
    ASSERT_EQ(lease_set_.first_id(), holders.front().first);
    ASSERT_EQ(lease_set_.first(), holders.front().second);
  }

  /// Asks for what lasts after `instant`, and when the units from there on reach `share` thousandths of their sum.
  void expect_the_same_after(Instant instant, std::int64_t share) const {
    const std::vector<Named> later = model_.after(instant);
    const Units units = sum_of(later);
    ASSERT_EQ(lease_set_.units_after(instant), units);
    ASSERT_EQ(lease_set_.count_after(instant), later.size());
    ASSERT_EQ(lease_set_.any_ends_after(instant), !later.empty());
    if (later.empty()) return;
    const Units goal(1 + (units.count() - 1) * share / 1000);
    auto holder = later.begin();
    for (Units reached = holder->second.units; reached < goal; reached += holder->second.units) ++holder;
    ASSERT_EQ(lease_set_.end_reaching(goal, instant), holder->second.end);
  }

 private:
  LeaseSet lease_set_;
  Model model_;
};

/// Ids of all lengths, of any bytes; some are beginnings of others.
std::string random_id(Random& random, std::uint64_t different) {
  const std::uint64_t number = random.below(different);
  std::string id = std::to_string(number * 0x9E3779B97F4A7C15U).substr(0, number % 4) + std::string(number % 61, '\0');
  if (number % 3 == 0) id += static_cast<char>(number * 37 % 256);
  return id;
}

/// How the callers of one lease set are: how many ids they have, and how far apart their holders end.
struct Habit {
  std::uint64_t ids = 1;
  std::int64_t spread = 1;
};

/// An instant that is, or nearly is, the end of some holder; sometimes far outside.
Instant random_instant_near(Random& random, const Model& model, Habit habit) {
  const auto& holders = model.holders();
  if (holders.empty() || random.one_in(20)) return at(random.between(0, 2 * habit.spread));
  return holders[random.below(holders.size())].second.end + Span{random.between(-1, 1)};
}

Holder random_holder(Random& random, const Model& model, Habit habit) {
  const Instant last = model.holders().empty() ? at(1) : model.holders().back().second.end;
  const Instant end = random.one_in(2) ? last + Span{random.between(0, habit.spread)}
                                       : std::max(at(1), last - Span{random.between(0, habit.spread)});
  return {end, Units(random.magnitude_between(1, kMax32BitUnits.count())), random.below(1000)};
}

/// One random change of both.
void change(Random& random, Pair& pair, Habit habit) {
  const auto near = [&] { return random_instant_near(random, pair.model(), habit); };
  switch (random.below(40)) {
    case 0: return pair.forget_ended(near(), random.below(2 * habit.ids));
    case 1:
    case 2:
    case 3: return pair.forget_ended(near(), random.below(4));
    case 4: return random.one_in(4) ? pair.clamp_ends(near()) : pair.clamp_ends(pair.lease_set().last_end() - Span{1});
    case 5: return pair.copy();
    case 6: return pair.move();
    case 7:
    case 8: return pair.lease_set().empty() ? void() : pair.erase(std::string(pair.lease_set().first_id()));
    case 9:
    case 10:
    case 11:
    case 12:
    case 13: return pair.erase(random_id(random, habit.ids));
    default: return pair.put(random_id(random, habit.ids), random_holder(random, pair.model(), habit));
  }
}

TEST(LeaseSet, IsEmptyAtFirst) {
  const LeaseSet lease_set;
  EXPECT_TRUE(lease_set.empty());
  EXPECT_EQ(lease_set.size(), 0U);
  EXPECT_EQ(lease_set.find(""), std::nullopt);
  EXPECT_EQ(lease_set.units(), kNoUnits);
  EXPECT_EQ(lease_set.units_after(kEarliest), kNoUnits);
  EXPECT_EQ(lease_set.count_after(kEarliest), 0U);
  EXPECT_EQ(lease_set.last_end(), Instant{});
  EXPECT_FALSE(lease_set.any_ends_after(Instant::min()));
  EXPECT_TRUE(holders_of(lease_set).empty());
  EXPECT_EQ(lease_set.heap_bytes(), 0U);
}

TEST(LeaseSet, KeepsWhatTheOwnerNotes) {
  LeaseSet lease_set;
  lease_set.put("a", until(10, 2, 77));
  EXPECT_EQ(lease_set.find("a"), until(10, 2, 77));
  EXPECT_EQ(lease_set.first(), until(10, 2, 77));
}

TEST(LeaseSet, HoldsOneHolderOfAnId) {
  LeaseSet lease_set;
  lease_set.put("a", until(10, 2));
  lease_set.put("b", until(20, 3));
  lease_set.put("a", until(30, 5, 1));
  EXPECT_EQ(holders_of(lease_set), (std::vector<Named>{{"b", until(20, 3)}, {"a", until(30, 5, 1)}}));
  EXPECT_EQ(lease_set.units(), Units(8));
}

TEST(LeaseSet, HoldsOneHolderWithoutAName) {
  LeaseSet lease_set;
  lease_set.put("", until(10, 2));
  lease_set.put("a", until(10, 1));
  lease_set.put("", until(10, 3));
  EXPECT_EQ(holders_of(lease_set), (std::vector<Named>{{"", until(10, 3)}, {"a", until(10, 1)}}));
  EXPECT_TRUE(lease_set.erase(""));
  EXPECT_FALSE(lease_set.erase(""));
  EXPECT_EQ(ids_of(lease_set), (std::vector<std::string>{"a"}));
}

TEST(LeaseSet, TellsIdsApartByAnyByte) {
  const std::string longest(kMaxIdBytes, '\xff');
  const std::string other = longest.substr(1) + '\xfe';
  const std::vector<std::string_view> ids{""sv,        "\0"sv, "\0\0"sv, "\0a"sv,  "a"sv, "a\0"sv,
                                          "a\0\x80"sv, "ab"sv, "\x80"sv, "\xff"sv, other, longest};
  LeaseSet lease_set;
  for (auto id = ids.rbegin(); id != ids.rend(); ++id) lease_set.put(*id, until(10, 1, id->size()));
  EXPECT_EQ(ids_of(lease_set), std::vector<std::string>(ids.begin(), ids.end()));
  for (const std::string_view id : ids) EXPECT_EQ(lease_set.find(id), until(10, 1, id.size()));
}

TEST(LeaseSet, OrdersThoseThatEndTogetherByTheirIds) {
  LeaseSet lease_set;
  for (const auto* id : {"c", "a", "d", "b"}) lease_set.put(id, until(10));
  lease_set.put("z", until(9));
  EXPECT_EQ(ids_of(lease_set), (std::vector<std::string>{"z", "a", "b", "c", "d"}));
  EXPECT_EQ(lease_set.first_id(), "z");
}

TEST(LeaseSet, ShowsNothingOfItsPast) {
  LeaseSet straight;
  for (const auto* id : {"a", "b", "c", "d"}) straight.put(id, until(10));
  LeaseSet crooked;
  for (const auto* id : {"d", "x", "b"}) crooked.put(id, until(5));
  for (const auto* id : {"c", "b", "a"}) crooked.put(id, until(12));
  crooked.put("d", until(99));
  crooked.forget_ended(at(5), 9);
  crooked.clamp_ends(at(10));
  EXPECT_EQ(holders_of(crooked), holders_of(straight));
}

TEST(LeaseSet, ForgetsTheFirstEndingFirst) {
  LeaseSet lease_set;
  for (const auto* id : {"c", "b", "a"}) lease_set.put(id, until(10));
  lease_set.put("d", until(9));
  lease_set.put("e", until(11));
  lease_set.forget_ended(at(10), 2);
  EXPECT_EQ(ids_of(lease_set), (std::vector<std::string>{"b", "c", "e"}));
  EXPECT_EQ(lease_set.find("a"), std::nullopt);
}

TEST(LeaseSet, ForgetsWhatEndsNowButNothingThatLasts) {
  LeaseSet lease_set;
  lease_set.put("a", until(10, 2));
  lease_set.put("b", until(11, 3));
  lease_set.forget_ended(at(9), 9);
  EXPECT_EQ(lease_set.size(), 2U);
  lease_set.forget_ended(at(10), 0);
  EXPECT_EQ(lease_set.size(), 2U);
  lease_set.forget_ended(at(10), 9);
  EXPECT_EQ(ids_of(lease_set), (std::vector<std::string>{"b"}));
  EXPECT_EQ(lease_set.units(), Units(3));
}

TEST(LeaseSet, CountsThoseThatHaveEndedUntilTheyAreForgotten) {
  LeaseSet lease_set;
  lease_set.put("a", until(10, 2));
  lease_set.put("b", until(20, 3));
  EXPECT_EQ(lease_set.size(), 2U);
  EXPECT_EQ(lease_set.units(), Units(5));
  EXPECT_EQ(lease_set.units_after(at(9)), Units(5));
  EXPECT_EQ(lease_set.units_after(at(10)), Units(3));
  EXPECT_EQ(lease_set.count_after(at(10)), 1U);
  EXPECT_EQ(lease_set.units_after(at(20)), kNoUnits);
  EXPECT_TRUE(lease_set.any_ends_after(at(19)));
  EXPECT_FALSE(lease_set.any_ends_after(at(20)));
}

TEST(LeaseSet, ReachesUnitsWithTheHolderThatHoldsTheLastOfThem) {
  LeaseSet lease_set;
  lease_set.put("a", until(10, 2));
  lease_set.put("b", until(20, 3));
  lease_set.put("c", until(30, 1));
  EXPECT_EQ(lease_set.end_reaching(Units(1), at(0)), at(10));
  EXPECT_EQ(lease_set.end_reaching(Units(2), at(0)), at(10));
  EXPECT_EQ(lease_set.end_reaching(Units(3), at(0)), at(20));
  EXPECT_EQ(lease_set.end_reaching(Units(5), at(0)), at(20));
  EXPECT_EQ(lease_set.end_reaching(Units(6), at(0)), at(30));
  EXPECT_EQ(lease_set.end_reaching(Units(3), at(10)), at(20));
  EXPECT_EQ(lease_set.end_reaching(Units(4), at(10)), at(30));
}

TEST(LeaseSet, EndsNobodyLaterThanTheLatest) {
  LeaseSet lease_set;
  lease_set.put("c", until(10));
  lease_set.put("b", until(20));
  lease_set.put("a", until(30, 4, 5));
  lease_set.clamp_ends(at(30));
  EXPECT_EQ(ids_of(lease_set), (std::vector<std::string>{"c", "b", "a"}));
  lease_set.clamp_ends(at(15));
  EXPECT_EQ(holders_of(lease_set), (std::vector<Named>{{"c", until(10)}, {"a", until(15, 4, 5)}, {"b", until(15)}}));
  EXPECT_EQ(lease_set.last_end(), at(15));
  EXPECT_TRUE(lease_set.erase("b"));
  EXPECT_EQ(lease_set.find("a"), until(15, 4, 5));
}

TEST(LeaseSet, ErasesTheHolderWhoseIdItLends) {
  LeaseSet lease_set;
  for (int i = 0; i < 40; ++i) lease_set.put("a holder with a long name " + std::to_string(i), until(100 - i));
  while (!lease_set.empty()) {
    const Holder first = lease_set.first();
    EXPECT_TRUE(lease_set.erase(lease_set.first_id()));
    EXPECT_FALSE(!lease_set.empty() && lease_set.first().end <= first.end);
  }
}

TEST(LeaseSet, PutsTheHolderWhoseIdItLends) {
  LeaseSet lease_set;
  for (int i = 0; i < 40; ++i) lease_set.put("a holder with a long name " + std::to_string(i), until(i));
  for (int i = 40; i < 400; ++i) lease_set.put(lease_set.first_id(), until(i));
  EXPECT_EQ(lease_set.size(), 40U);
  EXPECT_EQ(lease_set.first_id(), "a holder with a long name 0");
}

TEST(LeaseSet, HasCopiesThatGoTheirOwnWay) {
  std::optional<LeaseSet> lease_set(std::in_place);
  for (const auto* id : {"a", "b", "c"}) lease_set->put(id, until(10));
  LeaseSet copy(*lease_set);
  LeaseSet assigned;
  assigned.put("x", until(1));
  assigned = *lease_set;
  copy.put("b", until(5));
  EXPECT_EQ(ids_of(*lease_set), (std::vector<std::string>{"a", "b", "c"}));
  lease_set->clamp_ends(at(1));
  EXPECT_TRUE(lease_set->erase("a"));
  lease_set.reset();
  EXPECT_EQ(holders_of(copy), (std::vector<Named>{{"b", until(5)}, {"a", until(10)}, {"c", until(10)}}));
  EXPECT_EQ(holders_of(assigned), (std::vector<Named>{{"a", until(10)}, {"b", until(10)}, {"c", until(10)}}));
  copy.forget_ended(at(10), 9);
  EXPECT_TRUE(copy.empty());
}

TEST(LeaseSet, CopiesItselfToItself) {
  LeaseSet lease_set;
  for (const auto* id : {"b", "a"}) lease_set.put(id, until(10));
  const LeaseSet& same = lease_set;
  lease_set = same;
  EXPECT_EQ(ids_of(lease_set), (std::vector<std::string>{"a", "b"}));
}

TEST(LeaseSet, IsEmptyOnceItIsMovedFrom) {
  LeaseSet lease_set;
  for (const auto* id : {"a", "b", "c"}) lease_set.put(id, until(10));
  lease_set.forget_ended(at(10), 1);
  const LeaseSet other(std::move(lease_set));
  EXPECT_EQ(ids_of(other), (std::vector<std::string>{"b", "c"}));
  lease_set = LeaseSet();
  lease_set.put("d", until(5, 2));
  EXPECT_EQ(lease_set.units(), Units(2));
  EXPECT_EQ(ids_of(lease_set), (std::vector<std::string>{"d"}));
}

TEST(LeaseSet, HoldsWhatAPlainListHolds) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  for (std::uint64_t step = 0; step < test_steps() / 4;) {
    Pair pair;
    const Habit habit{random.one_of<std::uint64_t>({2, 10, 50, 200, 1000}),
                      random.one_of<std::int64_t>({1, 10, 1'000'000})};
    const std::uint64_t end = step + static_cast<std::uint64_t>(random.magnitude_between(1, 4096));
    for (; step < end; ++step) {
      SCOPED_TRACE(::testing::Message() << "RATELIMIT_TEST_SEED=" << seed << ", step " << step);
      change(random, pair, habit);
      ASSERT_NO_FATAL_FAILURE(pair.expect_the_same());
      const Instant instant = random_instant_near(random, pair.model(), habit);
      ASSERT_NO_FATAL_FAILURE(pair.expect_the_same_after(instant, random.between(0, 1000)));
      const std::string id = random_id(random, habit.ids);
      ASSERT_EQ(pair.lease_set().find(id), pair.model().find(id));
    }
  }
}

TEST(LeaseSet, HoldsWhatAPlainListHoldsAfterEveryShortHistory) {
  // Four changes, of 16: three ids are put with three ends, erased, forgotten or clamped, in every order.
  constexpr unsigned kChanges = 16;
  const std::vector<std::string> ids{"", "a", "ab"};
  for (unsigned history = 0; history < kChanges * kChanges * kChanges * kChanges; ++history) {
    Pair pair;
    unsigned rest = history;
    for (int i = 1; i <= 4; ++i, rest /= kChanges) {
      const unsigned which = rest % kChanges;
      if (which < 9) pair.put(ids[which / 3], until(which % 3 + 1, i));
      if (which >= 9 && which < 12) pair.erase(ids[which - 9]);
      if (which == 12 || which == 13) pair.forget_ended(at(which - 11), 1);
      if (which == 14 || which == 15) pair.clamp_ends(at(which - 13));
    }
    SCOPED_TRACE(::testing::Message() << "history " << history);
    ASSERT_NO_FATAL_FAILURE(pair.expect_the_same());
    for (std::int64_t tick = 0; tick < 4; ++tick) ASSERT_NO_FATAL_FAILURE(pair.expect_the_same_after(at(tick), 500));
  }
}

/// As many holders as there may be, roughly in the order of their ends; many end together.
std::vector<Named> most_holders(Random& random) {
  std::vector<Named> holders;
  for (std::size_t i = 0; i < kMaxHolders; ++i) {
    const std::string id = std::to_string(random.below(1'000'000'000)) + " of " + std::to_string(i);
    const auto latest = static_cast<std::int64_t>(i);
    holders.emplace_back(id, Holder{at(random.between(latest - latest / 16, latest)), kMax32BitUnits, i});
  }
  return holders;
}

void expect_holds(const LeaseSet& lease_set, const std::vector<Named>& holders) {
  std::vector<const Named*> sorted;
  sorted.reserve(holders.size());
  for (const Named& named : holders) sorted.push_back(&named);
  std::sort(sorted.begin(), sorted.end(), [](const Named* a, const Named* b) {
    return std::tie(a->second.end, a->first) < std::tie(b->second.end, b->first);
  });
  std::size_t same = 0;
  lease_set.for_each([&, i = std::size_t{0}](std::string_view id, const Holder& holder) mutable {
    if (id == sorted[i]->first && holder == sorted[i]->second) ++same;
    ++i;
  });
  EXPECT_EQ(same, holders.size());
  EXPECT_EQ(lease_set.size(), holders.size());
  EXPECT_EQ(lease_set.units(), sum_of(holders));
  EXPECT_EQ(lease_set.units_after(at(-1)), sum_of(holders));
  EXPECT_EQ(lease_set.end_reaching(sum_of(holders), at(-1)), sorted.back()->second.end);
  for (std::size_t i = 0; i < holders.size(); i += 97) EXPECT_EQ(lease_set.find(holders[i].first), holders[i].second);
}

TEST(LeaseSet, HoldsAsManyHoldersAsThereMayBe) {
  Random random(test_seed());
  std::vector<Named> holders = most_holders(random);
  LeaseSet lease_set;
  for (const auto& [id, holder] : holders) lease_set.put(id, holder);
  expect_holds(lease_set, holders);
  expect_holds(LeaseSet(lease_set), holders);

  // Few end later, then many, then all, which end together already.
  for (const std::int64_t latest : {65'000, 20'000, 1, 0}) {
    lease_set.clamp_ends(at(latest));
    for (auto& [id, holder] : holders) holder.end = std::min(holder.end, at(latest));
    expect_holds(lease_set, holders);
  }
  for (std::size_t i = 0; i < holders.size(); i += 64) {
    holders[i].second.end = at(random.between(1, 3));
    lease_set.put(holders[i].first, holders[i].second);
  }
  expect_holds(lease_set, holders);
  for (; holders.size() > 60'000; holders.pop_back()) EXPECT_TRUE(lease_set.erase(holders.back().first));
  expect_holds(lease_set, holders);
}

TEST(LeaseSet, IsTheSameWhereverALineOfAnyLengthChanges) {
  for (std::int64_t length = 1; length <= 40; ++length) {
    for (std::int64_t place = 0; place <= length; ++place) {
      Pair pair;
      for (std::int64_t i = 0; i < length; ++i) pair.put(std::to_string(i), until(10 * i + 10));
      pair.forget_ended(at(10 * place), static_cast<std::size_t>(place / 3));
      pair.put("new", until(10 * place + 5, 3));
      pair.erase(std::to_string(place));
      pair.put(std::to_string(length - 1), until(10 * place + 5));
      ASSERT_NO_FATAL_FAILURE(pair.expect_the_same()) << place << " of " << length;
      ASSERT_NO_FATAL_FAILURE(pair.expect_the_same_after(at(10 * place), 500)) << place << " of " << length;
    }
  }
}

TEST(LeaseSet, StaysSmallUnderASteadyCaller) {
  LeaseSet lease_set;
  std::size_t most = 0;
  for (int i = 0; i < 100'000; ++i) {
    lease_set.forget_ended(at(i - 100), 64);
    lease_set.put(std::to_string(i), until(i));
    most = std::max(most, lease_set.heap_bytes());
  }
  EXPECT_EQ(lease_set.size(), 100U);
  EXPECT_LE(most, 100 * 250U);
}

TEST(LeaseSet, StaysSmallWhileItsHoldersAreRenewed) {
  for (const int holders : {1, 2, 3, 100}) {
    LeaseSet lease_set;
    for (int i = 0; i < holders; ++i) lease_set.put(std::to_string(i), until(i));
    const std::size_t bytes = lease_set.heap_bytes();
    std::size_t most = 0;
    for (int i = holders; i < 10'000; ++i) {
      lease_set.put(std::to_string(i % holders), until(i));
      most = std::max(most, lease_set.heap_bytes());
    }
    EXPECT_LE(most, 2 * bytes) << holders;
  }
}

TEST(LeaseSet, GivesItsBytesBackAsItsHoldersEnd) {
  LeaseSet lease_set;
  for (int i = 0; i < 10'000; ++i) lease_set.put("a holder with a long name " + std::to_string(i), until(i));
  const std::size_t full = lease_set.heap_bytes();
  EXPECT_GT(full, 10'000 * (sizeof(Holder) + std::string_view("a holder with a long name").size()));
  EXPECT_LT(full, 10'000 * 250U);
  while (lease_set.size() > 100) lease_set.forget_ended(at(10'000), 64);
  EXPECT_LT(lease_set.heap_bytes(), full / 50);
  while (lease_set.size() > 1) EXPECT_TRUE(lease_set.erase(holders_of(lease_set).back().first));
  EXPECT_LT(lease_set.heap_bytes(), 1000U);
}

TEST(LeaseSet, CountsItsBytesThroughCopiesAndMoves) {
  LeaseSet lease_set;
  for (int i = 0; i < 64; ++i) lease_set.put("a holder with a long name " + std::to_string(i), until(i));
  const std::size_t bytes = lease_set.heap_bytes();
  LeaseSet copy(lease_set);
  EXPECT_EQ(copy.heap_bytes(), bytes);
  LeaseSet moved(std::move(lease_set));
  EXPECT_EQ(moved.heap_bytes(), bytes);
  for (LeaseSet* each : {&copy, &moved}) {
    each->forget_ended(at(100), 64);
    EXPECT_LT(each->heap_bytes(), 1000U);
  }
}

TEST(LeaseSet, TakesFewBytesForOneHolder) {
  LeaseSet lease_set;
  lease_set.put("worker-1", until(10));
  EXPECT_LE(lease_set.heap_bytes(), 128U);
  EXPECT_LE(lease_set.heap_pieces(), 3U);
  EXPECT_LE(sizeof(LeaseSet), 104U);
}

}  // namespace
}  // namespace ratelimit::tests
