// SPDX-License-Identifier: MIT
// What users read when something is wrong.
#include "ratelimit/grammar/error_text.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "commands/forms.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/grammar/grammar.h"

namespace ratelimit {
namespace {

using Kind = Fault::Kind;

TEST(Errors, NameTheArgumentAndItsRange) {
  EXPECT_EQ(message({Kind::malformed, Argument::capacity}), "ERR capacity must be an integer from 0 to 4294967295");
  EXPECT_EQ(message({Kind::malformed, Argument::limit}), "ERR limit must be an integer from 0 to 4294967295");
  EXPECT_EQ(message({Kind::malformed, Argument::window_limit}),
            "ERR limit must be an integer from 0 to 9007199254740991");
  EXPECT_EQ(message({Kind::malformed, Argument::cost}), "ERR COST must be an integer from 0 to 9007199254740991");
  EXPECT_EQ(message({Kind::malformed, Argument::label}),
            "ERR label must be 1 to 64 visible ASCII characters other than \" and \\");
}

TEST(Errors, CallTheLaterArgumentsAsTheDocumentationDoes) {
  EXPECT_EQ(message({Kind::malformed, Argument::leak}), "ERR leak must be an integer from 1 to 4294967295");
  EXPECT_EQ(message({Kind::malformed, Argument::units}), "ERR n must be an integer from 1 to 9007199254740991");
  EXPECT_EQ(message({Kind::malformed, Argument::actual}), "ERR actual must be an integer from 0 to 9007199254740991");
  EXPECT_EQ(message({Kind::malformed, Argument::id}), "ERR id must be 1 to 64 bytes");
  EXPECT_EQ(message({Kind::malformed, Argument::unit}), "ERR unit must be HOUR, DAY, WEEK, MONTH, QUARTER or YEAR");
  EXPECT_EQ(message({Kind::malformed, Argument::anchor}),
            "ERR ANCHOR must be a date from 1970-01-01 to 2199-12-31, such as 2026-01-31, or one with a time of day, "
            "such as 2026-01-31T06:00");
  EXPECT_EQ(message({Kind::malformed, Argument::zone}).rfind("ERR TZ must be ", 0), 0U);
  for (const Argument argument : {Argument::lease, Argument::window, Argument::ttl}) {
    EXPECT_NE(message({Kind::malformed, argument}).find(" must be a duration from 1ms to 3650d, "), std::string::npos);
  }
  for (const Argument argument : {Argument::longest_wait, Argument::jitter, Argument::block_length}) {
    EXPECT_NE(message({Kind::malformed, argument}).find(" must be 0 or a duration from 1ms to 3650d, "),
              std::string::npos);
  }
  EXPECT_EQ(message({Kind::repeated, Argument::approximate}), "ERR APPROX is given twice");
  EXPECT_EQ(message({Kind::repeated, Argument::mode, 0, {Option::force}}), "ERR FORCE is given twice");
  EXPECT_EQ(message({Kind::repeated, Argument::longest_wait}), "ERR MAXWAIT is given twice");
  EXPECT_EQ(message({Kind::not_together, Argument::mode}), "ERR only one of PARTIAL, FORCE and MAXWAIT can be given");
  EXPECT_EQ(message({Kind::nothing_more, Argument::key}), "ERR key must be the last argument");
}

TEST(Errors, CallWhatLimitersHaveAsTheDocumentationDoes) {
  EXPECT_EQ(message({Kind::malformed, Argument::subject}), "ERR FOR must be the name of a subject, of 1 to 1024 bytes");
  EXPECT_EQ(message({Kind::malformed, Argument::number_of_keys}), "ERR numkeys must be an integer from 1 to 64");
  EXPECT_EQ(message({Kind::malformed, Argument::count}), "ERR count must be an integer from 1 to 1024");
  EXPECT_EQ(
      message({Kind::malformed, Argument::jitter}).rfind("ERR JITTER must be 0 or a duration from 1ms to 3650d", 0),
      0U);
  EXPECT_EQ(message({Kind::repeated, Argument::subject}), "ERR FOR is given twice");
  EXPECT_EQ(message({Kind::repeated, Argument::headers}), "ERR HEADERS is given twice");
  EXPECT_EQ(message({Kind::repeated, Argument::shadow}), "ERR SHADOW is given twice");
  EXPECT_EQ(message({Kind::nothing_more, Argument::subject}), "ERR FOR must be the last argument");
  EXPECT_EQ(message({Kind::not_one_for_each_key, Argument::limits}),
            "ERR limits must be given once for each key, or not at all");
  EXPECT_EQ(message({Kind::repeated_subject, Argument::key}),
            "ERR the same key and subject is given twice: give all its limits to one call of RL.CHECK instead");
  EXPECT_EQ(message({Kind::malformed, Argument::to}), "ERR to must be another key than from");
  EXPECT_EQ(message({Kind::used_in_both, Argument::subject}),
            "ERR the subject is in use in both keys, and in from it has holds, leases or a caller who waits: settle, "
            "release or wait first, or forget it in to with RL.RESET");
  EXPECT_EQ(message({Kind::other_limits, Argument::limits}),
            "ERR the key stores other limits: name none, or change them with RL.DEFINE");
}

TEST(Errors, SayThatThereIsACostForEachKey) {
  EXPECT_EQ(message({Kind::malformed, Argument::costs}),
            "ERR COSTS must be one integer for each key, from 0 to 9007199254740991");
  EXPECT_EQ(message({Kind::missing, Argument::costs}),
            "ERR COSTS is missing: it must be one integer for each key, from 0 to 9007199254740991");
  EXPECT_EQ(message({Kind::repeated, Argument::costs}), "ERR COSTS is given twice");
  EXPECT_EQ(message({Kind::repeated, Argument::each}), "ERR EACH is given twice");
  EXPECT_EQ(message({Kind::not_together, Argument::any_cost}), "ERR only one of COST and COSTS can be given");
}

TEST(Errors, SayWhyACallCannotBeAnsweredInBrief) {
  EXPECT_EQ(message({Kind::repeated, Argument::brief}), "ERR BRIEF is given twice");
  EXPECT_EQ(message({Kind::not_together, Argument::reply_form}), "ERR only one of HEADERS and BRIEF can be given");
  EXPECT_EQ(message({Kind::not_for_each, Argument::leak}),
            "ERR RL.CHECKEACH cannot decide under LEAKYBUCKET: an answer must say how long a granted call waits");
  EXPECT_EQ(message({Kind::not_for_each, Argument::lease}),
            "ERR RL.CHECKEACH cannot decide under CONCURRENT: an answer must have the id of the lease");
  EXPECT_EQ(message({Kind::not_with_brief, Argument::mode}),
            "ERR BRIEF cannot be given with PARTIAL: the reply must say how many units were granted");
  EXPECT_EQ(message({Kind::not_with_brief, Argument::longest_wait}),
            "ERR BRIEF cannot be given with MAXWAIT: the reply must say how long a granted call waits");
  EXPECT_EQ(message({Kind::not_with_brief, Argument::leak}),
            "ERR BRIEF cannot be given with LEAKYBUCKET: the reply must say how long a granted call waits");
  EXPECT_EQ(message({Kind::not_with_brief, Argument::id}),
            "ERR BRIEF cannot be given with CONCURRENT without ID: the reply must have the id of the lease");
}

TEST(Errors, CallWhatThrottleHasAsRedisCellDoes) {
  EXPECT_EQ(message({Kind::malformed, Argument::max_burst}), "ERR max_burst must be an integer from 0 to 4294967294");
  EXPECT_EQ(message({Kind::malformed, Argument::count_per_period}),
            "ERR count must be an integer from 1 to 4294967295");
  EXPECT_EQ(message({Kind::missing, Argument::period_in_seconds}),
            "ERR period is missing: it must be whole seconds, from 1 to 315360000");
  EXPECT_EQ(message({Kind::malformed, Argument::quantity}), "ERR quantity must be an integer from 0 to 4294967295");
}

TEST(Errors, SayWhichWayABucketIsTooSlow) {
  EXPECT_EQ(message({Kind::refills_too_slowly, Argument::refill}),
            "ERR refill must be large enough for the bucket to refill from empty within 3650d");
  EXPECT_EQ(message({Kind::refills_too_slowly, Argument::leak}),
            "ERR leak must be large enough for the bucket to run empty within 3650d");
}

TEST(Errors, SayWhatIsMissingAndWhatItMustBe) {
  EXPECT_EQ(message({Kind::missing, Argument::refill}),
            "ERR refill is missing: it must be an integer from 1 to 4294967295");
}

TEST(Errors, SayHowToWriteWhatIsMissing) {
  EXPECT_EQ(message({Kind::missing, Argument::refill, 0, {}, Algorithm::token_bucket}),
            "ERR refill is missing: it must be an integer from 1 to 4294967295; write TOKENBUCKET capacity refill "
            "period, such as TOKENBUCKET 20 10 1s");
  EXPECT_EQ(message({Kind::missing, Argument::unit, 0, {}, Algorithm::quota}),
            "ERR unit is missing: it must be HOUR, DAY, WEEK, MONTH, QUARTER or YEAR; write QUOTA limit unit, such as "
            "QUOTA 1000 DAY");
  EXPECT_EQ(message({Kind::missing, Argument::key}),
            "ERR key is missing: as many keys as numkeys says must follow it, such as 2 user:42 team:7");
  EXPECT_EQ(message({Kind::no_key, Argument::key}),
            "ERR key is missing: it comes first, and then the limits, such as user:42 TOKENBUCKET 20 10 1s");
}

TEST(Errors, TellWhereAnUnknownWordStands) {
  EXPECT_EQ(message({Kind::unknown_option, Argument::none, 5}).rfind("ERR syntax error at argument 5: expected ", 0),
            0U);
}

std::string expected(OptionSet options) { return message({Kind::unknown_option, Argument::none, 2, options}); }

TEST(Errors, ExpectOnlyWhatTheCommandHas) {
  const std::pair<Option, std::string_view> all[] = {{Option::limit, "LEAKYBUCKET"},      {Option::cost, "COST n"},
                                                     {Option::max_wait, "MAXWAIT d"},     {Option::id, "ID id"},
                                                     {Option::jitter, "JITTER d"},        {Option::headers, "HEADERS"},
                                                     {Option::shadow, "SHADOW"},          {Option::near, "NEAR"},
                                                     {Option::anchor, "ANCHOR date"},     {Option::zone, "TZ zone"},
                                                     {Option::subject, "FOR subject"},    {Option::label, "AS label"},
                                                     {Option::per_request, "PER REQUEST"}};
  for (const auto& [option, text] : all) {
    for (const auto& [other, other_text] : all) {
      const bool is_of_limits = option == Option::limit && kLimitOptions.has(other);
      EXPECT_EQ(expected({option}).find(other_text) != std::string::npos, option == other || is_of_limits)
          << text << ' ' << other_text;
    }
  }
}

TEST(Errors, TellWhichAlgorithmAnOptionBelongsToWhereAllAreExpected) {
  EXPECT_EQ(
      expected(forms::kDefine.options),
      "ERR syntax error at argument 2: expected a limit (TOKENBUCKET, LEAKYBUCKET, FIXED, SLIDING, QUOTA or "
      "CONCURRENT and its numbers), FOR subject, SHADOW; after a limit: ALIGNED (FIXED), APPROX (SLIDING), ANCHOR date "
      "(QUOTA), TZ zone (QUOTA), AS label, PER REQUEST");
  EXPECT_EQ(expected({Option::zone, Option::label, Option::cost}),
            "ERR syntax error at argument 2: expected TZ zone, AS label or COST n");
  EXPECT_EQ(expected({Option::subject}), "ERR syntax error at argument 2: expected FOR subject");
}

TEST(Errors, AreOneLineWhateverTheyAreAbout) {
  for (int kind = 0; kind <= static_cast<int>(Kind::unknown_module_argument); ++kind) {
    for (int argument = 0; argument <= static_cast<int>(Argument::subject_hash); ++argument) {
      const std::string text =
          message({static_cast<Kind>(kind), static_cast<Argument>(argument), 7, forms::kCheck.options});
      EXPECT_GT(text.size(), std::string("WRONGTYPE ").size()) << kind << ' ' << argument;
      EXPECT_EQ(text.find_first_of("\r\n"), std::string::npos);
    }
  }
}

TEST(Errors, BeginWithACodeThatClientsCanTest) {
  EXPECT_EQ(message({Kind::no_limits}).rfind("NOLIMITS ", 0), 0U);
  EXPECT_NE(message({Kind::no_limits}).find("RL.DEFINE"), std::string::npos) << "what helps";
  EXPECT_EQ(message({Kind::wrong_type}), "WRONGTYPE Operation against a key holding the wrong kind of value");
}

}  // namespace
}  // namespace ratelimit
