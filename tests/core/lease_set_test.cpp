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

inline void PrintTo(const Roster::Member& member, std::ostream* out) {
  *out << member.units.count() << " until " << member.end.time_since_epoch().count() << " (" << member.mark << ')';
}

}  // namespace ratelimit

namespace ratelimit::tests {
namespace {

using Member = Roster::Member;
using Named = std::pair<std::string, Member>;
using namespace std::string_view_literals;

static_assert(std::is_nothrow_move_constructible_v<Roster> && std::is_nothrow_move_assignable_v<Roster>);

constexpr Instant at(std::int64_t tick) { return Instant{Span{tick}}; }
constexpr Member until(std::int64_t tick, std::int64_t units = 1, std::uint64_t mark = 0) {
  return {at(tick), Units(units), mark};
}

std::vector<Named> members_of(const Roster& roster) {
  std::vector<Named> members;
  roster.for_each([&members](std::string_view id, const Member& member) { members.emplace_back(id, member); });
  return members;
}

std::vector<std::string> ids_of(const Roster& roster) {
  std::vector<std::string> ids;
  roster.for_each([&ids](std::string_view id, const Member&) { ids.emplace_back(id); });
  return ids;
}

/// What a roster is, in the most obvious way: a list that is sorted after every change.
class Model {
 public:
  [[nodiscard]] const std::vector<Named>& members() const { return members_; }

  [[nodiscard]] std::optional<Member> find(std::string_view id) const {
    for (const auto& [name, member] : members_) {
      if (name == id) return member;
    }
    return std::nullopt;
  }

  void put(std::string_view id, const Member& member) {
    erase(id);
    members_.emplace_back(id, member);
    sort();
  }

  bool erase(std::string_view id) {
    return std::erase_if(members_, [id](const Named& named) { return named.first == id; }) > 0;
  }

  void forget_ended(Instant now, std::size_t at_most) {
    for (; at_most > 0 && !members_.empty() && members_.front().second.end <= now; --at_most) {
      members_.erase(members_.begin());
    }
  }

  void clamp_ends(Instant latest) {
    for (auto& [id, member] : members_) member.end = std::min(member.end, latest);
    sort();
  }

  [[nodiscard]] std::vector<Named> after(Instant instant) const {
    std::vector<Named> later;
    for (const Named& named : members_) {
      if (named.second.end > instant) later.push_back(named);
    }
    return later;
  }

 private:
  void sort() {
    std::sort(members_.begin(), members_.end(), [](const Named& a, const Named& b) {
      return std::tie(a.second.end, a.first) < std::tie(b.second.end, b.first);
    });
  }

  std::vector<Named> members_;
};

Units sum_of(const std::vector<Named>& members) {
  Units units;
  for (const auto& [id, member] : members) units += member.units;
  return units;
}

/// The roster and its model, which must hold and answer the same.
class Pair {
 public:
  [[nodiscard]] const Roster& roster() const { return roster_; }
  [[nodiscard]] const Model& model() const { return model_; }

  void put(std::string_view id, const Member& member) {
    roster_.put(id, member);
    model_.put(id, member);
  }
  void erase(std::string_view id) { EXPECT_EQ(roster_.erase(id), model_.erase(id)); }
  void forget_ended(Instant now, std::size_t at_most) {
    roster_.forget_ended(now, at_most);
    model_.forget_ended(now, at_most);
  }
  void clamp_ends(Instant latest) {
    roster_.clamp_ends(latest);
    model_.clamp_ends(latest);
  }
  void copy() {
    const Roster copied(roster_);
    // The original goes through a change and ends: whatever of the copy refers to it shows.
    roster_.put("of the original", until(1));
    roster_ = copied;
  }
  void move() {
    Roster other(std::move(roster_));
    roster_ = std::move(other);
  }

  void expect_the_same() const {
    const std::vector<Named>& members = model_.members();
    ASSERT_EQ(members_of(roster_), members);
    ASSERT_EQ(roster_.size(), members.size());
    ASSERT_EQ(roster_.empty(), members.empty());
    ASSERT_EQ(roster_.units(), sum_of(members));
    ASSERT_EQ(roster_.last_end(), members.empty() ? Instant{} : members.back().second.end);
    if (members.empty()) return;
    ASSERT_EQ(roster_.first_id(), members.front().first);
    ASSERT_EQ(roster_.first(), members.front().second);
  }

  /// Asks for what lasts after `instant`, and when the units from there on reach `share` thousandths of their sum.
  void expect_the_same_after(Instant instant, std::int64_t share) const {
    const std::vector<Named> later = model_.after(instant);
    const Units units = sum_of(later);
    ASSERT_EQ(roster_.units_after(instant), units);
    ASSERT_EQ(roster_.count_after(instant), later.size());
    ASSERT_EQ(roster_.any_ends_after(instant), !later.empty());
    if (later.empty()) return;
    const Units goal(1 + (units.count() - 1) * share / 1000);
    auto member = later.begin();
    for (Units reached = member->second.units; reached < goal; reached += member->second.units) ++member;
    ASSERT_EQ(roster_.end_reaching(goal, instant), member->second.end);
  }

 private:
  Roster roster_;
  Model model_;
};

/// Ids of all lengths, of any bytes; some are beginnings of others.
std::string random_id(Random& random, std::uint64_t different) {
  const std::uint64_t number = random.below(different);
  std::string id = std::to_string(number * 0x9E3779B97F4A7C15U).substr(0, number % 4) + std::string(number % 61, '\0');
  if (number % 3 == 0) id += static_cast<char>(number * 37 % 256);
  return id;
}

/// How the callers of one roster are: how many ids they have, and how far apart their members end.
struct Habit {
  std::uint64_t ids = 1;
  std::int64_t spread = 1;
};

/// An instant that is, or nearly is, the end of some member; sometimes far outside.
Instant random_instant_near(Random& random, const Model& model, Habit habit) {
  const auto& members = model.members();
  if (members.empty() || random.one_in(20)) return at(random.between(0, 2 * habit.spread));
  return members[random.below(members.size())].second.end + Span{random.between(-1, 1)};
}

Member random_member(Random& random, const Model& model, Habit habit) {
  const Instant last = model.members().empty() ? at(1) : model.members().back().second.end;
  const Instant end = random.one_in(2) ? last + Span{random.between(0, habit.spread)}
                                       : std::max(at(1), last - Span{random.between(0, habit.spread)});
  return {end, Units(random.magnitude_between(1, kMaxUnits.count())), random.below(1000)};
}

/// One random change of both.
void change(Random& random, Pair& pair, Habit habit) {
  const auto near = [&] { return random_instant_near(random, pair.model(), habit); };
  switch (random.below(40)) {
    case 0: return pair.forget_ended(near(), random.below(2 * habit.ids));
    case 1:
    case 2:
    case 3: return pair.forget_ended(near(), random.below(4));
    case 4: return random.one_in(4) ? pair.clamp_ends(near()) : pair.clamp_ends(pair.roster().last_end() - Span{1});
    case 5: return pair.copy();
    case 6: return pair.move();
    case 7:
    case 8: return pair.roster().empty() ? void() : pair.erase(std::string(pair.roster().first_id()));
    case 9:
    case 10:
    case 11:
    case 12:
    case 13: return pair.erase(random_id(random, habit.ids));
    default: return pair.put(random_id(random, habit.ids), random_member(random, pair.model(), habit));
  }
}

TEST(Roster, IsEmptyAtFirst) {
  const Roster roster;
  EXPECT_TRUE(roster.empty());
  EXPECT_EQ(roster.size(), 0U);
  EXPECT_EQ(roster.find(""), std::nullopt);
  EXPECT_EQ(roster.units(), kNoUnits);
  EXPECT_EQ(roster.units_after(kEarliest), kNoUnits);
  EXPECT_EQ(roster.count_after(kEarliest), 0U);
  EXPECT_EQ(roster.last_end(), Instant{});
  EXPECT_FALSE(roster.any_ends_after(Instant::min()));
  EXPECT_TRUE(members_of(roster).empty());
  EXPECT_EQ(roster.heap_bytes(), 0U);
}

TEST(Roster, KeepsWhatTheOwnerNotes) {
  Roster roster;
  roster.put("a", until(10, 2, 77));
  EXPECT_EQ(roster.find("a"), until(10, 2, 77));
  EXPECT_EQ(roster.first(), until(10, 2, 77));
}

TEST(Roster, HoldsOneMemberOfAnId) {
  Roster roster;
  roster.put("a", until(10, 2));
  roster.put("b", until(20, 3));
  roster.put("a", until(30, 5, 1));
  EXPECT_EQ(members_of(roster), (std::vector<Named>{{"b", until(20, 3)}, {"a", until(30, 5, 1)}}));
  EXPECT_EQ(roster.units(), Units(8));
}

TEST(Roster, HoldsOneMemberWithoutAName) {
  Roster roster;
  roster.put("", until(10, 2));
  roster.put("a", until(10, 1));
  roster.put("", until(10, 3));
  EXPECT_EQ(members_of(roster), (std::vector<Named>{{"", until(10, 3)}, {"a", until(10, 1)}}));
  EXPECT_TRUE(roster.erase(""));
  EXPECT_FALSE(roster.erase(""));
  EXPECT_EQ(ids_of(roster), (std::vector<std::string>{"a"}));
}

TEST(Roster, TellsIdsApartByAnyByte) {
  const std::string longest(kMaxIdBytes, '\xff');
  const std::string other = longest.substr(1) + '\xfe';
  const std::vector<std::string_view> ids{""sv,        "\0"sv, "\0\0"sv, "\0a"sv,  "a"sv, "a\0"sv,
                                          "a\0\x80"sv, "ab"sv, "\x80"sv, "\xff"sv, other, longest};
  Roster roster;
  for (auto id = ids.rbegin(); id != ids.rend(); ++id) roster.put(*id, until(10, 1, id->size()));
  EXPECT_EQ(ids_of(roster), std::vector<std::string>(ids.begin(), ids.end()));
  for (const std::string_view id : ids) EXPECT_EQ(roster.find(id), until(10, 1, id.size()));
}

TEST(Roster, OrdersThoseThatEndTogetherByTheirIds) {
  Roster roster;
  for (const auto* id : {"c", "a", "d", "b"}) roster.put(id, until(10));
  roster.put("z", until(9));
  EXPECT_EQ(ids_of(roster), (std::vector<std::string>{"z", "a", "b", "c", "d"}));
  EXPECT_EQ(roster.first_id(), "z");
}

TEST(Roster, ShowsNothingOfItsPast) {
  Roster straight;
  for (const auto* id : {"a", "b", "c", "d"}) straight.put(id, until(10));
  Roster crooked;
  for (const auto* id : {"d", "x", "b"}) crooked.put(id, until(5));
  for (const auto* id : {"c", "b", "a"}) crooked.put(id, until(12));
  crooked.put("d", until(99));
  crooked.forget_ended(at(5), 9);
  crooked.clamp_ends(at(10));
  EXPECT_EQ(members_of(crooked), members_of(straight));
}

TEST(Roster, ForgetsTheFirstEndingFirst) {
  Roster roster;
  for (const auto* id : {"c", "b", "a"}) roster.put(id, until(10));
  roster.put("d", until(9));
  roster.put("e", until(11));
  roster.forget_ended(at(10), 2);
  EXPECT_EQ(ids_of(roster), (std::vector<std::string>{"b", "c", "e"}));
  EXPECT_EQ(roster.find("a"), std::nullopt);
}

TEST(Roster, ForgetsWhatEndsNowButNothingThatLasts) {
  Roster roster;
  roster.put("a", until(10, 2));
  roster.put("b", until(11, 3));
  roster.forget_ended(at(9), 9);
  EXPECT_EQ(roster.size(), 2U);
  roster.forget_ended(at(10), 0);
  EXPECT_EQ(roster.size(), 2U);
  roster.forget_ended(at(10), 9);
  EXPECT_EQ(ids_of(roster), (std::vector<std::string>{"b"}));
  EXPECT_EQ(roster.units(), Units(3));
}

TEST(Roster, CountsThoseThatHaveEndedUntilTheyAreForgotten) {
  Roster roster;
  roster.put("a", until(10, 2));
  roster.put("b", until(20, 3));
  EXPECT_EQ(roster.size(), 2U);
  EXPECT_EQ(roster.units(), Units(5));
  EXPECT_EQ(roster.units_after(at(9)), Units(5));
  EXPECT_EQ(roster.units_after(at(10)), Units(3));
  EXPECT_EQ(roster.count_after(at(10)), 1U);
  EXPECT_EQ(roster.units_after(at(20)), kNoUnits);
  EXPECT_TRUE(roster.any_ends_after(at(19)));
  EXPECT_FALSE(roster.any_ends_after(at(20)));
}

TEST(Roster, ReachesUnitsWithTheMemberThatHoldsTheLastOfThem) {
  Roster roster;
  roster.put("a", until(10, 2));
  roster.put("b", until(20, 3));
  roster.put("c", until(30, 1));
  EXPECT_EQ(roster.end_reaching(Units(1), at(0)), at(10));
  EXPECT_EQ(roster.end_reaching(Units(2), at(0)), at(10));
  EXPECT_EQ(roster.end_reaching(Units(3), at(0)), at(20));
  EXPECT_EQ(roster.end_reaching(Units(5), at(0)), at(20));
  EXPECT_EQ(roster.end_reaching(Units(6), at(0)), at(30));
  EXPECT_EQ(roster.end_reaching(Units(3), at(10)), at(20));
  EXPECT_EQ(roster.end_reaching(Units(4), at(10)), at(30));
}

TEST(Roster, EndsNobodyLaterThanTheLatest) {
  Roster roster;
  roster.put("c", until(10));
  roster.put("b", until(20));
  roster.put("a", until(30, 4, 5));
  roster.clamp_ends(at(30));
  EXPECT_EQ(ids_of(roster), (std::vector<std::string>{"c", "b", "a"}));
  roster.clamp_ends(at(15));
  EXPECT_EQ(members_of(roster), (std::vector<Named>{{"c", until(10)}, {"a", until(15, 4, 5)}, {"b", until(15)}}));
  EXPECT_EQ(roster.last_end(), at(15));
  EXPECT_TRUE(roster.erase("b"));
  EXPECT_EQ(roster.find("a"), until(15, 4, 5));
}

TEST(Roster, ErasesTheMemberWhoseIdItLends) {
  Roster roster;
  for (int i = 0; i < 40; ++i) roster.put("a member with a long name " + std::to_string(i), until(100 - i));
  while (!roster.empty()) {
    const Member first = roster.first();
    EXPECT_TRUE(roster.erase(roster.first_id()));
    EXPECT_FALSE(!roster.empty() && roster.first().end <= first.end);
  }
}

TEST(Roster, PutsTheMemberWhoseIdItLends) {
  Roster roster;
  for (int i = 0; i < 40; ++i) roster.put("a member with a long name " + std::to_string(i), until(i));
  for (int i = 40; i < 400; ++i) roster.put(roster.first_id(), until(i));
  EXPECT_EQ(roster.size(), 40U);
  EXPECT_EQ(roster.first_id(), "a member with a long name 0");
}

TEST(Roster, HasCopiesThatGoTheirOwnWay) {
  std::optional<Roster> roster(std::in_place);
  for (const auto* id : {"a", "b", "c"}) roster->put(id, until(10));
  Roster copy(*roster);
  Roster assigned;
  assigned.put("x", until(1));
  assigned = *roster;
  copy.put("b", until(5));
  EXPECT_EQ(ids_of(*roster), (std::vector<std::string>{"a", "b", "c"}));
  roster->clamp_ends(at(1));
  EXPECT_TRUE(roster->erase("a"));
  roster.reset();
  EXPECT_EQ(members_of(copy), (std::vector<Named>{{"b", until(5)}, {"a", until(10)}, {"c", until(10)}}));
  EXPECT_EQ(members_of(assigned), (std::vector<Named>{{"a", until(10)}, {"b", until(10)}, {"c", until(10)}}));
  copy.forget_ended(at(10), 9);
  EXPECT_TRUE(copy.empty());
}

TEST(Roster, CopiesItselfToItself) {
  Roster roster;
  for (const auto* id : {"b", "a"}) roster.put(id, until(10));
  const Roster& same = roster;
  roster = same;
  EXPECT_EQ(ids_of(roster), (std::vector<std::string>{"a", "b"}));
}

TEST(Roster, IsEmptyOnceItIsMovedFrom) {
  Roster roster;
  for (const auto* id : {"a", "b", "c"}) roster.put(id, until(10));
  roster.forget_ended(at(10), 1);
  const Roster other(std::move(roster));
  EXPECT_EQ(ids_of(other), (std::vector<std::string>{"b", "c"}));
  roster = Roster();
  roster.put("d", until(5, 2));
  EXPECT_EQ(roster.units(), Units(2));
  EXPECT_EQ(ids_of(roster), (std::vector<std::string>{"d"}));
}

TEST(Roster, HoldsWhatAPlainListHolds) {
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
      ASSERT_EQ(pair.roster().find(id), pair.model().find(id));
    }
  }
}

TEST(Roster, HoldsWhatAPlainListHoldsAfterEveryShortHistory) {
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

/// As many members as there may be, roughly in the order of their ends; many end together.
std::vector<Named> most_members(Random& random) {
  std::vector<Named> members;
  for (std::size_t i = 0; i < kMaxHolders; ++i) {
    const std::string id = std::to_string(random.below(1'000'000'000)) + " of " + std::to_string(i);
    const auto latest = static_cast<std::int64_t>(i);
    members.emplace_back(id, Member{at(random.between(latest - latest / 16, latest)), kMaxUnits, i});
  }
  return members;
}

void expect_holds(const Roster& roster, const std::vector<Named>& members) {
  std::vector<const Named*> sorted;
  sorted.reserve(members.size());
  for (const Named& named : members) sorted.push_back(&named);
  std::sort(sorted.begin(), sorted.end(), [](const Named* a, const Named* b) {
    return std::tie(a->second.end, a->first) < std::tie(b->second.end, b->first);
  });
  std::size_t same = 0;
  roster.for_each([&, i = std::size_t{0}](std::string_view id, const Member& member) mutable {
    if (id == sorted[i]->first && member == sorted[i]->second) ++same;
    ++i;
  });
  EXPECT_EQ(same, members.size());
  EXPECT_EQ(roster.size(), members.size());
  EXPECT_EQ(roster.units(), sum_of(members));
  EXPECT_EQ(roster.units_after(at(-1)), sum_of(members));
  EXPECT_EQ(roster.end_reaching(sum_of(members), at(-1)), sorted.back()->second.end);
  for (std::size_t i = 0; i < members.size(); i += 97) EXPECT_EQ(roster.find(members[i].first), members[i].second);
}

TEST(Roster, HoldsAsManyMembersAsThereMayBe) {
  Random random(test_seed());
  std::vector<Named> members = most_members(random);
  Roster roster;
  for (const auto& [id, member] : members) roster.put(id, member);
  expect_holds(roster, members);
  expect_holds(Roster(roster), members);

  // Few end later, then many, then all, which end together already.
  for (const std::int64_t latest : {65'000, 20'000, 1, 0}) {
    roster.clamp_ends(at(latest));
    for (auto& [id, member] : members) member.end = std::min(member.end, at(latest));
    expect_holds(roster, members);
  }
  for (std::size_t i = 0; i < members.size(); i += 64) {
    members[i].second.end = at(random.between(1, 3));
    roster.put(members[i].first, members[i].second);
  }
  expect_holds(roster, members);
  for (; members.size() > 60'000; members.pop_back()) EXPECT_TRUE(roster.erase(members.back().first));
  expect_holds(roster, members);
}

TEST(Roster, IsTheSameWhereverALineOfAnyLengthChanges) {
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

TEST(Roster, StaysSmallUnderASteadyCaller) {
  Roster roster;
  std::size_t most = 0;
  for (int i = 0; i < 100'000; ++i) {
    roster.forget_ended(at(i - 100), 64);
    roster.put(std::to_string(i), until(i));
    most = std::max(most, roster.heap_bytes());
  }
  EXPECT_EQ(roster.size(), 100U);
  EXPECT_LE(most, 100 * 250U);
}

TEST(Roster, StaysSmallWhileItsMembersAreRenewed) {
  for (const int members : {1, 2, 3, 100}) {
    Roster roster;
    for (int i = 0; i < members; ++i) roster.put(std::to_string(i), until(i));
    const std::size_t bytes = roster.heap_bytes();
    std::size_t most = 0;
    for (int i = members; i < 10'000; ++i) {
      roster.put(std::to_string(i % members), until(i));
      most = std::max(most, roster.heap_bytes());
    }
    EXPECT_LE(most, 2 * bytes) << members;
  }
}

TEST(Roster, GivesItsBytesBackAsItsMembersEnd) {
  Roster roster;
  for (int i = 0; i < 10'000; ++i) roster.put("a member with a long name " + std::to_string(i), until(i));
  const std::size_t full = roster.heap_bytes();
  EXPECT_GT(full, 10'000 * (sizeof(Member) + std::string_view("a member with a long name").size()));
  EXPECT_LT(full, 10'000 * 250U);
  while (roster.size() > 100) roster.forget_ended(at(10'000), 64);
  EXPECT_LT(roster.heap_bytes(), full / 50);
  while (roster.size() > 1) EXPECT_TRUE(roster.erase(members_of(roster).back().first));
  EXPECT_LT(roster.heap_bytes(), 1000U);
}

TEST(Roster, CountsItsBytesThroughCopiesAndMoves) {
  Roster roster;
  for (int i = 0; i < 64; ++i) roster.put("a member with a long name " + std::to_string(i), until(i));
  const std::size_t bytes = roster.heap_bytes();
  Roster copy(roster);
  EXPECT_EQ(copy.heap_bytes(), bytes);
  Roster moved(std::move(roster));
  EXPECT_EQ(moved.heap_bytes(), bytes);
  for (Roster* each : {&copy, &moved}) {
    each->forget_ended(at(100), 64);
    EXPECT_LT(each->heap_bytes(), 1000U);
  }
}

TEST(Roster, TakesFewBytesForOneMember) {
  Roster roster;
  roster.put("worker-1", until(10));
  EXPECT_LE(roster.heap_bytes(), 128U);
  EXPECT_LE(roster.heap_pieces(), 3U);
  EXPECT_LE(sizeof(Roster), 104U);
}

}  // namespace
}  // namespace ratelimit::tests
