// SPDX-License-Identifier: MIT
#include "replay/options.h"

#include <gtest/gtest.h>

#include <chrono>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ratelimit::replay::tests {
namespace {

using namespace std::chrono_literals;

const Zone* find_no_zone(std::string_view) { return nullptr; }

std::variant<Options, Complaint> parse(std::initializer_list<std::string_view> words) {
  return parse_options(std::vector<std::string_view>(words));
}

std::string complaint_of(std::initializer_list<std::string_view> words) {
  const auto parsed = parse(words);
  const auto* complaint = std::get_if<Complaint>(&parsed);
  return complaint != nullptr ? complaint->text : "(none)";
}

TEST(Options, MayBeWrittenWithABlankOrAnEqualsSign) {
  const auto parsed = parse({"--limit", "FIXED 1 1s", "--limit=FIXED 2 1s", "--disorder", "2s",
                             "--suggest=0.25% of subjects", "--span", "1s,2m", "a.log", "-", "--", "--limit"});
  const auto& options = std::get<Options>(parsed);
  EXPECT_EQ(options.limits, (std::vector<std::string>{"FIXED 1 1s", "FIXED 2 1s"}));
  EXPECT_EQ(options.files, (std::vector<std::string>{"a.log", "-", "--limit"}));
  EXPECT_EQ(options.disorder, Span{2s});
  EXPECT_EQ(options.spans, (std::vector<Span>{1s, 2min}));
  ASSERT_TRUE(options.bound);
  EXPECT_EQ(options.bound->millionths, 2500U);
  EXPECT_EQ(options.bound->of, Bound::Of::subjects);
}

TEST(Options, SayWhatToWrite) {
  for (const char* option : {"--plot", "--svg=a.svg", "--answers=a.csv", "--spare=ada"}) {
    EXPECT_EQ(complaint_of({"a.log", option}),
              "nothing to try: write --limit \"TOKENBUCKET 20 10 1s\", --suggest 0.1%, or --stop PATTERN");
  }
  EXPECT_EQ(complaint_of({"--stop", "1.2.3.4/33"}).substr(0, 38), "--stop must be the name of a subject, ");
  EXPECT_EQ(complaint_of({"--from", "noon"}), "--from must be a time in UTC, such as \"2026-11-30 13:00\"");
  EXPECT_EQ(complaint_of({"--limits", "x"}), "--limits is not an option: ratelimit-replay --help lists them all");
  EXPECT_EQ(complaint_of({"--disorder", "soon"}), "--disorder must be a duration, such as 500ms, 10s, 1m or 2h");
  EXPECT_EQ(complaint_of({"--format", "xml"}), "--format must be auto, combined, common, json, csv or monitor");
  EXPECT_EQ(complaint_of({"--limit"}), "--limit must be a limit, such as \"TOKENBUCKET 20 10 1s\"");
  EXPECT_EQ(complaint_of({"--suggest", "1"}).substr(0, 31), "--suggest must be a share with ");
  EXPECT_EQ(complaint_of({"--limit", "FIXED 1 1s", "--json", "--plot"}), "write --json or --plot, and not both");
}

TEST(Options, SearchForWhoShallBeStopped) {
  const auto alone = parse({"--stop", "203.0.113.0/24", "--stop=bot*", "a.log"});
  ASSERT_TRUE(std::get<Options>(alone).bound);
  EXPECT_EQ(std::get<Options>(alone).bound->count, 0U);
  EXPECT_EQ(std::get<Options>(alone).stop.size(), 2U);
  const auto with_limit = parse({"--stop", "bot*", "--limit", "FIXED 1 1s"});
  EXPECT_FALSE(std::get<Options>(with_limit).bound) << "it only says how much is stopped";
  const auto with_bound = parse({"--stop", "bot*", "--suggest", "1 subject"});
  EXPECT_EQ(std::get<Options>(with_bound).bound->count, 1U);
  EXPECT_TRUE(std::get<Options>(parse({"a.log"})).wants_busiest());
}

TEST(Options, HaveExceptionsWithTheSameLabels) {
  const auto made = [](std::initializer_list<std::string_view> words) {
    return make_contenders(std::get<Options>(parse(words)), find_no_zone);
  };
  const auto good = made({"--limit", "FIXED 9 1m AS calls", "--except", "66.249.66.0/24=SLIDING 100 1m AS calls"});
  ASSERT_EQ(std::get<std::vector<Contender>>(good)[0].exceptions.size(), 1U);
  const auto wrong = made({"--limit", "FIXED 9 1m", "--except", "a*=SLIDING 100 1m"});
  EXPECT_EQ(std::get<Complaint>(wrong).text,
            "--except \"SLIDING 100 1m\" must have the labels of \"FIXED 9 1m\": name them by AS");
  EXPECT_EQ(complaint_of({"--suggest=1%", "--except", "a=FIXED 1 1s"}).substr(0, 24), "--except is for --limit:");
  EXPECT_EQ(complaint_of({"--limit=FIXED 1 1s", "--except", "a"}).substr(0, 31), "--except must be PATTERN=LIMITS");
}

TEST(Options, HaveTimesOfTheLog) {
  const auto parsed = parse({"--from", "2026-11-30 13:00", "--to=2026-12-01"});
  EXPECT_EQ(std::get<Options>(parsed).from, Instant{1'796'043'600s});
  EXPECT_EQ(std::get<Options>(parsed).to, Instant{1'796'083'200s});
  EXPECT_EQ(std::get<Options>(parse({"--from", "1796043600.5"})).from, Instant{1'796'043'600s + 500ms});
}

TEST(Options, HaveLimitsThatTheModuleWouldTake) {
  Options options;
  options.limits = {" FIXED 50\t1s AS burst\n QUOTA 1000 DAY"};
  const auto made = make_contenders(options, find_no_zone);
  const auto& contenders = std::get<std::vector<Contender>>(made);
  ASSERT_EQ(contenders.size(), 1U);
  EXPECT_EQ(contenders[0].text, "FIXED 50 1s AS burst QUOTA 1000 DAY");
  EXPECT_EQ(contenders[0].trial.limits().size(), 2U);
  EXPECT_EQ(contenders[0].trial.limits().label(0), "burst");

  options.limits = {"FIXED 50"};
  const auto wrong = make_contenders(options, find_no_zone);
  EXPECT_EQ(std::get<Complaint>(wrong).text.find("--limit \"FIXED 50\": window is missing"), 0U);
}

TEST(Options, NameOnlyFieldsThatTheFormatHas) {
  Options options;
  options.subject = "key";
  const auto wrong = make_recipe(options, Format::combined);
  EXPECT_EQ(std::get<Complaint>(wrong).text.find("lines of the format combined have no field key; they have address"),
            0U);
  EXPECT_TRUE(std::holds_alternative<Recipe>(make_recipe(options, Format::monitor)));
  EXPECT_TRUE(std::holds_alternative<Recipe>(make_recipe(options, Format::json)));

  options.time = "when";
  EXPECT_TRUE(std::holds_alternative<Recipe>(make_recipe(options, Format::json)));
  EXPECT_TRUE(std::holds_alternative<Complaint>(make_recipe(options, Format::monitor))) << "its time has no name";
}

TEST(Options, RefuseAConditionThatIsNone) {
  for (const char* text : {"path", "=x", "!=x", "address=203.0.113.0/33", "address!=203.0.113.0/"}) {
    Options options;
    options.conditions = {text};
    const auto wrong = make_recipe(options, Format::combined);
    ASSERT_TRUE(std::holds_alternative<Complaint>(wrong)) << text;
    EXPECT_EQ(std::get<Complaint>(wrong).text,
              "--where must be a condition, such as path=/api/*, agent!=*bot* or address=203.0.113.0/24");
  }
}

TEST(Options, AreAllInTheHelp) {
  for (const char* name :
       {"--limit", "--format", "--subject", "--cost", "--time", "--where", "--disorder", "--suggest", "--span",
        "--stop", "--spare", "--except", "--from", "--to", "--top", "--svg", "--answers", "--plot", "--json"}) {
    EXPECT_NE(help().find(name), std::string_view::npos) << name;
  }
}

}  // namespace
}  // namespace ratelimit::replay::tests
