// SPDX-License-Identifier: MIT
#include "replay/intake.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "replay/options.h"

namespace ratelimit::replay::tests {
namespace {

Recipe recipe(std::string_view subject, std::string_view cost = {}, std::string_view condition = {}) {
  Options options;
  options.subject = subject;
  options.cost = cost;
  if (!condition.empty()) options.conditions.emplace_back(condition);
  return std::get<Recipe>(make_recipe(options, Format::csv));
}

TEST(Intake, MakesCallsOfLinesAndNumbersOfNames) {
  const Recipe usual = recipe("subject");
  SubjectNames names;
  LineCounts counts;
  Intake intake("a.csv", Format::csv, usual, names);
  const std::optional<Call> first = intake.take("1700000000,ada,3", counts);
  const std::optional<Call> second = intake.take("1700000001,bob", counts);
  const std::optional<Call> third = intake.take("1700000002.5,ada,1.5", counts);
  ASSERT_TRUE(first && second && third);
  EXPECT_EQ(first->cost, Units(3));
  EXPECT_EQ(second->cost, Units(1)) << "a line of a CSV without a cost costs 1";
  EXPECT_EQ(third->cost, Units(2));
  EXPECT_EQ(first->subject, third->subject);
  EXPECT_EQ(names[second->subject], "bob");
  EXPECT_EQ(third->line, 3U);
  EXPECT_EQ(counts.calls, 3U);
  EXPECT_TRUE(counts.have_fractions);
}

TEST(Intake, CountsMalformedLinesAndKeepsTheFirst) {
  const Recipe usual = recipe("subject");
  SubjectNames names;
  LineCounts counts;
  Intake intake("a.csv", Format::csv, usual, names);
  EXPECT_TRUE(intake.take("1700000000,ada", counts));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(intake.take("x,ada", counts));
  EXPECT_FALSE(intake.take("1700000000,ada,lots", counts));
  EXPECT_FALSE(intake.take("1700000000,", counts));
  EXPECT_FALSE(intake.take("1700000000," + std::string(1025, 'a'), counts));
  EXPECT_FALSE(intake.take(std::string(kMaxLineBytes + 1, '1'), counts));
  EXPECT_EQ(counts.lines, 15U);
  EXPECT_EQ(counts.malformed, 14U);
  ASSERT_EQ(counts.first.size(), LineCounts::kShown);
  EXPECT_EQ(counts.first[0].line, 2U);
  EXPECT_EQ(counts.first[0].reason, Line::no_time);
  EXPECT_EQ(counts.first[0].file, "a.csv");
  EXPECT_EQ(counts.first[0].begin, "x,ada");
}

TEST(Intake, NumbersTheLinesOfEachFileFromOneOn) {
  const Recipe usual = recipe("subject");
  SubjectNames names;
  LineCounts counts;
  Intake first("a.csv", Format::csv, usual, names);
  Intake second("b.csv", Format::csv, usual, names);
  EXPECT_TRUE(first.take("1700000000,ada", counts));
  const std::optional<Call> call = second.take("1700000000,ada", counts);
  EXPECT_FALSE(second.take(std::string(1000, 'x'), counts));
  ASSERT_TRUE(call);
  EXPECT_EQ(call->line, 2U) << "calls are numbered through all files";
  ASSERT_EQ(counts.first.size(), 1U);
  EXPECT_EQ(counts.first[0].file, "b.csv");
  EXPECT_EQ(counts.first[0].line, 2U);
  EXPECT_EQ(counts.first[0].begin.size(), Malformed::kBeginBytes);
}

TEST(Intake, NeedsTheSubjectAndTheCostAndNoOtherField) {
  Options options;
  options.subject = "user";
  options.cost = "size";
  options.conditions = {"level!=debug"};
  const Recipe some = std::get<Recipe>(make_recipe(options, Format::json));
  SubjectNames names;
  LineCounts counts;
  Intake intake("a.json", Format::json, some, names);
  EXPECT_TRUE(intake.take(R"({"ts":1,"user":"ada","size":2})", counts));
  EXPECT_FALSE(intake.take(R"({"ts":1,"user":"ada","size":2,"level":"debug"})", counts));
  EXPECT_EQ(counts.left_out, 1U);
  EXPECT_FALSE(intake.take(R"({"ts":1,"size":2})", counts));
  EXPECT_FALSE(intake.take(R"({"ts":1,"user":"ada"})", counts));
  EXPECT_FALSE(intake.take(R"({"ts":1,"user":"ada","size":"-0"})", counts));
  ASSERT_EQ(counts.first.size(), 3U);
  EXPECT_EQ(counts.first[0].reason, Line::no_field);
  EXPECT_EQ(counts.first[1].reason, Line::no_field);
  EXPECT_EQ(counts.first[2].reason, Line::no_cost);
}

TEST(Intake, SaysWhatIsWrongWithACostAndASubject) {
  const Recipe usual = recipe("subject");
  SubjectNames names;
  LineCounts counts;
  Intake intake("a.csv", Format::csv, usual, names);
  EXPECT_FALSE(intake.take("1700000000,ada,-1", counts));
  EXPECT_FALSE(intake.take("1700000000,,1", counts));
  EXPECT_FALSE(intake.take("1700000000," + std::string(1025, 'a'), counts));
  ASSERT_EQ(counts.first.size(), 3U);
  EXPECT_EQ(counts.first[0].reason, Line::no_cost);
  EXPECT_EQ(counts.first[1].reason, Line::no_field);
  EXPECT_EQ(counts.first[2].reason, Line::long_subject);
}

TEST(Intake, LeavesOutCallsForWhichAConditionDoesNotHold) {
  const struct {
    const char* condition;
    const char* name;
    bool counts;
  } cases[] = {{"3=/api/*", "/api/v1", true}, {"3=/api/*", "/img", false}, {"3=/api", "/api", true},
               {"3=/api", "/api/v1", false},  {"3!=/api", "/img", true},   {"3!=/api/*", "/api/v1", false},
               {"3=*v1", "/api/v1", true},    {"3=*v1", "/api/v2", false}, {"3!=*api*", "/api/v1", false},
               {"3!=*api*", "/img", true},    {"3=/*/v*", "/api/v1", true}};
  for (const auto& one : cases) {
    const Recipe some = recipe("subject", "", one.condition);
    SubjectNames names;
    LineCounts counts;
    Options options;
    Recipe without_cost = some;
    without_cost.wanted.cost.reset();
    Intake intake("a.csv", Format::csv, without_cost, names);
    EXPECT_EQ(intake.take(std::string("1700000000,ada,") + one.name, counts).has_value(), one.counts) << one.condition;
    EXPECT_EQ(counts.left_out, one.counts ? 0U : 1U);
  }
}

TEST(Intake, CountsWhatEachConditionLeavesOut) {
  Options options;
  options.conditions = {"agent!=*Googlebot*", "address=203.0.113.0/24", "status=*"};
  const Recipe some = std::get<Recipe>(make_recipe(options, Format::combined));
  SubjectNames names;
  LineCounts counts;
  Intake intake("a.log", Format::combined, some, names);
  const auto take = [&](const char* address, const char* agent) {
    return intake
        .take(std::string(address) + R"( - - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.0" 200 1 "-" ")" + agent + '"',
              counts)
        .has_value();
  };
  EXPECT_TRUE(take("203.0.113.9", "Mozilla/5.0"));
  EXPECT_FALSE(take("66.249.66.1", "Mozilla/5.0"));
  EXPECT_FALSE(take("66.249.66.1", "Mozilla/5.0 (compatible; Googlebot/2.1)"));
  EXPECT_EQ(counts.left_out, 2U);
  EXPECT_EQ(counts.left_out_by, (std::vector<std::uint64_t>{1, 2, 0})) << "each by itself";
}

TEST(DetectFormat, KnowsEachFormatByItsLines) {
  const std::array<std::string_view, 2> combined{R"(a - - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.0" 200 1)",
                                                 "junk"};
  const std::array<std::string_view, 2> json{R"({"ts":1,"u":"a"})", R"({"ts":2})"};
  const std::array<std::string_view, 2> csv{"time,subject", "1700000000,a"};
  const std::array<std::string_view, 2> monitor{"OK", R"(1.5 [0 127.0.0.1:1] "GET" "k")"};
  const std::array<std::string_view, 2> none{"hello", "world"};
  EXPECT_EQ(detect_format(combined, {}), Format::combined);
  EXPECT_EQ(detect_format(json, {}), Format::json);
  EXPECT_EQ(detect_format(csv, {}), Format::csv);
  EXPECT_EQ(detect_format(monitor, {}), Format::monitor);
  EXPECT_FALSE(detect_format(none, {}));
}

}  // namespace
}  // namespace ratelimit::replay::tests
