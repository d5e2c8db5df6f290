// The parser of commands, without a server.
#include "arguments.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ratelimit/limits.h"

namespace ratelimit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Words = std::vector<std::string_view>;

Fault fault_of_check(Words words) {
  words.insert(words.begin(), "RL.CHECK");
  CheckRequest request;
  return parse_check(words, request).value_or(Fault{Fault::Kind::no_limits});
}

Fault fault_of_bucket(Words words) {
  words.insert(words.begin(), "RL.TOKENBUCKET");
  CheckRequest request;
  return parse_shorthand(words, Algorithm::token_bucket, request).value_or(Fault{Fault::Kind::no_limits});
}

/// The limits and the cost of a call that must be understood.
void parse(Words words, CheckRequest& request) {
  words.insert(words.begin(), "RL.CHECK");
  const auto fault = parse_check(words, request);
  ASSERT_FALSE(fault) << message(*fault);
}

/// The period that a bucket gets from this text, if it is understood.
std::optional<Span> duration(std::string_view text) {
  CheckRequest request;
  const Words words{"RL.TOKENBUCKET", "k", "1", "4294967295", text};
  if (parse_shorthand(words, Algorithm::token_bucket, request)) return std::nullopt;
  return request.limits.span()[0].span;
}

TEST(Arguments, ReadsALimitWithItsOptionsInAnyOrderAndAnyCase) {
  CheckRequest request;
  parse({"k", "fixed", "10", "1m", "Per", "Request", "aligned", "AS", "burst", "cost", "3"}, request);
  ASSERT_EQ(request.limits.size(), 1U);
  const LimitSpec& spec = request.limits.span()[0];
  EXPECT_EQ(spec.algorithm, Algorithm::fixed_window);
  EXPECT_EQ(spec.size, Units(10));
  EXPECT_EQ(spec.span, seconds(60));
  EXPECT_TRUE(spec.aligned);
  EXPECT_TRUE(spec.per_request);
  EXPECT_EQ(spec.label, "burst");
  EXPECT_EQ(request.cost, Units(3));
}

TEST(Arguments, GivesAnOptionToTheLimitBeforeIt) {
  CheckRequest request;
  parse({"k", "SLIDING", "5", "10", "AS", "a", "TOKENBUCKET", "7", "1", "2s", "PER", "REQUEST"}, request);
  ASSERT_EQ(request.limits.size(), 2U);
  EXPECT_EQ(request.limits.span()[0].label, "a");
  EXPECT_FALSE(request.limits.span()[0].per_request);
  EXPECT_TRUE(request.limits.span()[1].per_request);
  EXPECT_EQ(request.limits.span()[1].refill, Units(1));
}

TEST(Arguments, TakesACostOfOneWhereNoneIsGiven) {
  CheckRequest request;
  parse({"k", "SLIDING", "5", "10"}, request);
  EXPECT_EQ(request.cost, Units(1));
}

TEST(Arguments, ReadsDurationsInFiveUnitsAndInSecondsWithoutOne) {
  EXPECT_EQ(duration("1ms"), milliseconds(1));
  EXPECT_EQ(duration("1500ms"), milliseconds(1500));
  EXPECT_EQ(duration("7"), seconds(7));
  EXPECT_EQ(duration("7s"), seconds(7));
  EXPECT_EQ(duration("7m"), std::chrono::minutes(7));
  EXPECT_EQ(duration("7h"), std::chrono::hours(7));
  EXPECT_EQ(duration("3650d"), std::chrono::days(3650));
}

TEST(Arguments, RefusesWhateverIsNoDuration) {
  for (const std::string_view text :
       {"", "0", "0ms", "-1", "+1", "01", "1.5s", "1e3", " 1", "1 ", "1S", "1sec", "1us", "s", "ms", "3651d",
        "315360001", "99999999999999999999", "9223372036854775807d"}) {
    EXPECT_EQ(duration(text), std::nullopt) << text;
  }
  EXPECT_EQ(duration(std::string_view("1s\0", 3)), std::nullopt);
}

TEST(Arguments, RefusesWhateverIsNoCount) {
  for (const std::string_view text :
       {"", "0", "-1", "+5", "05", "5 ", " 5", "1.0", "4294967296", "0x10", "1e3", "18446744073709551617", "five"}) {
    EXPECT_EQ(fault_of_bucket({"k", text, "1", "1s"}), (Fault{Fault::Kind::malformed, Argument::capacity})) << text;
  }
}

TEST(Arguments, NameTheFirstThatIsMissing) {
  using enum Argument;
  EXPECT_EQ(fault_of_bucket({}), (Fault{Fault::Kind::missing, key}));
  EXPECT_EQ(fault_of_bucket({"k"}), (Fault{Fault::Kind::missing, capacity}));
  EXPECT_EQ(fault_of_bucket({"k", "1"}), (Fault{Fault::Kind::missing, refill}));
  EXPECT_EQ(fault_of_bucket({"k", "1", "1"}), (Fault{Fault::Kind::missing, period}));
  EXPECT_EQ(fault_of_check({"k", "FIXED"}), (Fault{Fault::Kind::missing, limit}));
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1"}), (Fault{Fault::Kind::missing, window}));
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "AS"}), (Fault{Fault::Kind::missing, label}));
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "COST"}), (Fault{Fault::Kind::missing, cost}));
}

TEST(Arguments, TheFirstFaultSticks) {
  EXPECT_EQ(fault_of_bucket({"k", "0", "x", "y", "NONSENSE"}), (Fault{Fault::Kind::malformed, Argument::capacity}));
}

TEST(Arguments, RefuseWhatIsGivenTwice) {
  using enum Argument;
  EXPECT_EQ(fault_of_bucket({"k", "1", "1", "1", "COST", "1", "COST", "1"}), (Fault{Fault::Kind::repeated, cost}));
  EXPECT_EQ(fault_of_bucket({"k", "1", "1", "1", "AS", "a", "AS", "a"}), (Fault{Fault::Kind::repeated, label}));
  EXPECT_EQ(fault_of_bucket({"k", "1", "1", "1", "PER", "REQUEST", "PER", "REQUEST"}),
            (Fault{Fault::Kind::repeated, per_request}));
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "ALIGNED", "ALIGNED"}), (Fault{Fault::Kind::repeated, aligned}));
}

TEST(Arguments, RefuseWordsThatNobodyKnowsAndTellWhereTheyStand) {
  EXPECT_EQ(fault_of_bucket({"k", "1", "1", "1", "COSTS", "1"}),
            (Fault{Fault::Kind::unknown_option, Argument::none, 5}));
  EXPECT_EQ(fault_of_bucket({"k", "1", "1", "1", "ALIGNED"}), (Fault{Fault::Kind::unknown_option, Argument::none, 5}));
  EXPECT_EQ(fault_of_bucket({"k", "1", "1", "1", "FIXED", "1", "1"}),
            (Fault{Fault::Kind::unknown_option, Argument::none, 5}));
  EXPECT_EQ(fault_of_check({"k", "FIX", "1", "1"}), (Fault{Fault::Kind::unknown_limit_or_option, Argument::none, 2}));
  EXPECT_EQ(fault_of_check({"k", "AS", "a", "FIXED", "1", "1"}),
            (Fault{Fault::Kind::unknown_limit_or_option, Argument::none, 2}));
  EXPECT_EQ(fault_of_bucket({"k", "1", "1", "1", "PER", "CALL"}), (Fault{Fault::Kind::incomplete_per_request}));
}

TEST(Arguments, RefuseLabelsThatWouldNeedQuoting) {
  const std::string longest(kMaxLabelBytes, 'x');
  CheckRequest request;
  parse({"k", "FIXED", "1", "1", "AS", longest}, request);
  for (const std::string& label : {std::string(), longest + "x", std::string("a b"), std::string("a\"b"),
                                   std::string("a\\b"), std::string("a\0b", 3), std::string("\xC3\xA9")}) {
    EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "AS", label}), (Fault{Fault::Kind::malformed, Argument::label}));
  }
}

TEST(Arguments, RefuseABucketThatWouldRefillForever) {
  EXPECT_EQ(fault_of_bucket({"k", "2", "1", "3650d"}), (Fault{Fault::Kind::refills_too_slowly, Argument::refill}));
  EXPECT_EQ(fault_of_bucket({"k", "4294967295", "1", "1s"}),
            (Fault{Fault::Kind::refills_too_slowly, Argument::refill}));
}

TEST(Arguments, RefuseTheNinthLimit) {
  Words words{"k"};
  for (int i = 0; i < 9; ++i) words.insert(words.end(), {"FIXED", "1", "1"});
  EXPECT_EQ(fault_of_check(words), (Fault{Fault::Kind::too_many_limits, Argument::limits}));
}

TEST(Arguments, RefuseAnythingBehindTheOnlyArgument) {
  EXPECT_EQ(parse_key_only(Words{"RL.INFO", "k"}), std::nullopt);
  EXPECT_EQ(parse_key_only(Words{"RL.INFO"}), (Fault{Fault::Kind::missing, Argument::key}));
  EXPECT_EQ(parse_key_only(Words{"RL.INFO", "k", "k"}), (Fault{Fault::Kind::key_only, Argument::key}));
}

}  // namespace
}  // namespace ratelimit
