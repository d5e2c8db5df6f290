// SPDX-License-Identifier: MIT
// The parser of commands, without a server.
#include "commands/requests.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/grammar/error_text.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/limit.h"
#include "ratelimit/request.h"
#include "server/zones.h"

namespace ratelimit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Words = std::vector<std::string_view>;

// What the commands take. The shorthands differ in the options of their algorithms.
constexpr OptionSet kOfCheck = forms::kCheck.options;
constexpr OptionSet kOfPeek = forms::kPeek.options;
constexpr OptionSet kOfReserve = forms::kReserve.options;
constexpr OptionSet kOfSettle = forms::kSettle.options;
constexpr OptionSet kOfCheckAll = forms::kCheckAll.options;
constexpr OptionSet kOfDefine = forms::kDefine.options;
constexpr OptionSet kOfBucket = forms::kShorthand<Algorithm::token_bucket>.options;

// Stands for no fault, where a test expects one.
constexpr Fault kNone{Fault::Kind::no_limits};

Fault fault_of_check(Words words, OptionSet options = kOfCheck) {
  words.insert(words.begin(), "RL.CHECK");
  CheckRequest request;
  return parse_check(words, options, request).value_or(kNone);
}

Fault fault_of(Algorithm algorithm, Words words) {
  words.insert(words.begin(), "RL.SHORTHAND");
  CheckRequest request;
  return parse_shorthand(words, algorithm, request).value_or(kNone);
}
Fault fault_of_bucket(const Words& words) { return fault_of(Algorithm::token_bucket, words); }

Fault fault_of_reservation(Words words) {
  words.insert(words.begin(), "RL.RESERVE");
  CheckRequest request;
  Span ttl{};
  return parse_reservation(words, request, ttl).value_or(kNone);
}

Fault fault_of_settlement(Words words) {
  words.insert(words.begin(), "RL.SETTLE");
  CheckRequest request;
  return parse_settlement(words, request).value_or(kNone);
}

Fault fault_of_check_all(Words words) {
  words.insert(words.begin(), "RL.CHECKALL");
  KeysRequest request;
  return parse_check_all(words, request).value_or(kNone);
}

Fault fault_of_definition(Words words) {
  words.insert(words.begin(), "RL.DEFINE");
  DefinitionRequest request;
  return parse_definition(words, request).value_or(kNone);
}

Fault fault_of_throttle(Words words) {
  words.insert(words.begin(), "CL.THROTTLE");
  CheckRequest request;
  return parse_throttle(words, request).value_or(kNone);
}

Fault fault_of_top(Words words) {
  words.insert(words.begin(), "RL.TOP");
  TopRequest request;
  return parse_top(words, request).value_or(kNone);
}

Fault fault_of_log(Words words) {
  words.insert(words.begin(), "RL.LOG");
  std::size_t count = 0;
  return parse_log(words, count).value_or(kNone);
}

/// An argument that belongs to a limit of this algorithm.
Fault missing(Argument argument, Algorithm algorithm) { return {Fault::Kind::missing, argument, 0, {}, algorithm}; }

Fault unknown_at(std::uint16_t position, OptionSet options) {
  return {Fault::Kind::unknown_option, Argument::none, position, options};
}

/// What is asked by a call that must be understood.
void parse(Words words, CheckRequest& request) {
  words.insert(words.begin(), "RL.CHECK");
  const auto fault = parse_check(words, kOfCheck, request);
  ASSERT_FALSE(fault) << message(*fault);
}

/// The only limit of a call of RL.CHECK that must be understood.
LimitSpec limit_of(Words words) {
  CheckRequest request;
  words.insert(words.begin(), "k");
  parse(words, request);
  EXPECT_EQ(request.limits.size(), 1U);
  return request.limits.empty() ? LimitSpec{} : request.limits.span()[0];
}

/// The call, without its limits, of an RL.CHECK that must be understood.
Request call_of(Words words) {
  CheckRequest request;
  words.insert(words.begin(), {"k", "FIXED", "5", "60s"});
  parse(words, request);
  return request.call;
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
  EXPECT_EQ(request.call.cost, Units(3));
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
  EXPECT_EQ(request.call.cost, Units(1));
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
       {"", "-1", "+5", "05", "00", "5 ", " 5", "1.0", "4294967296", "0x10", "1e3", "18446744073709551617", "five"}) {
    EXPECT_EQ(fault_of_bucket({"k", text, "1", "1s"}), (Fault{Fault::Kind::malformed, Argument::capacity})) << text;
    EXPECT_EQ(fault_of_bucket({"k", "1", text, "1s"}), (Fault{Fault::Kind::malformed, Argument::refill})) << text;
    EXPECT_EQ(fault_of_check({"k", "SLIDING", text, "1s"}), (Fault{Fault::Kind::malformed, Argument::limit})) << text;
  }
  EXPECT_EQ(fault_of_bucket({"k", "0", "0", "1s"}), (Fault{Fault::Kind::malformed, Argument::refill}));
}

TEST(Arguments, ReadCountsUpToWhatEachCanBe) {
  EXPECT_EQ(fault_of_bucket({"k", "0", "4294967295", "1s"}), kNone) << "a closed bucket";
  for (const std::string_view algorithm : {"FIXED", "QUOTA", "SLIDING", "CONCURRENT"}) {
    const bool is_window = algorithm == "FIXED" || algorithm == "QUOTA";
    const std::string_view span = algorithm == "QUOTA" ? "DAY" : "1s";
    const Fault too_large{Fault::Kind::malformed, is_window ? Argument::window_limit : Argument::limit};
    EXPECT_EQ(fault_of_check({"k", algorithm, "0", span}), kNone) << algorithm;
    EXPECT_EQ(fault_of_check({"k", algorithm, "4294967295", span}), kNone) << algorithm;
    for (const std::string_view count : {"4294967296", "9007199254740991"}) {
      EXPECT_EQ(fault_of_check({"k", algorithm, count, span}), is_window ? kNone : too_large);
    }
    EXPECT_EQ(fault_of_check({"k", algorithm, "9007199254740992", span}), too_large) << algorithm;
  }
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1s", "COST", "9007199254740991"}), kNone);
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1s", "COST", "9007199254740992"}),
            (Fault{Fault::Kind::malformed, Argument::cost}));
}

TEST(Arguments, NameTheFirstThatIsMissing) {
  using enum Argument;
  EXPECT_EQ(fault_of_bucket({}), (Fault{Fault::Kind::missing, key}));
  EXPECT_EQ(fault_of_bucket({"k"}), missing(capacity, Algorithm::token_bucket));
  EXPECT_EQ(fault_of_bucket({"k", "1"}), missing(refill, Algorithm::token_bucket));
  EXPECT_EQ(fault_of_bucket({"k", "1", "1"}), missing(period, Algorithm::token_bucket));
  EXPECT_EQ(fault_of_check({"k", "FIXED"}), missing(window_limit, Algorithm::fixed_window));
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1"}), missing(window, Algorithm::fixed_window));
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "AS"}), (Fault{Fault::Kind::missing, label}));
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "COST"}), (Fault{Fault::Kind::missing, cost}));
  EXPECT_EQ(fault_of_check({"k", "LEAKYBUCKET"}), missing(capacity, Algorithm::leaky_bucket));
  EXPECT_EQ(fault_of_check({"k", "LEAKYBUCKET", "1"}), missing(leak, Algorithm::leaky_bucket));
  EXPECT_EQ(fault_of_check({"k", "LEAKYBUCKET", "1", "1"}), missing(period, Algorithm::leaky_bucket));
  EXPECT_EQ(fault_of_check({"k", "CONCURRENT"}), missing(limit, Algorithm::concurrent));
  EXPECT_EQ(fault_of_check({"k", "CONCURRENT", "1"}), missing(lease, Algorithm::concurrent));
}

TEST(Arguments, TheFirstFaultSticks) {
  EXPECT_EQ(fault_of_bucket({"k", "-1", "x", "y", "NONSENSE"}), (Fault{Fault::Kind::malformed, Argument::capacity}));
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
  EXPECT_EQ(fault_of_bucket({"k", "1", "1", "1", "COSTS", "1"}), unknown_at(5, kOfBucket));
  EXPECT_EQ(fault_of_bucket({"k", "1", "1", "1", "ALIGNED"}), unknown_at(5, kOfBucket));
  EXPECT_EQ(fault_of_bucket({"k", "1", "1", "1", "FIXED", "1", "1"}), unknown_at(5, kOfBucket));
  EXPECT_EQ(fault_of_check({"k", "FIX", "1", "1"}), unknown_at(2, kOfCheck));
  EXPECT_EQ(fault_of_check({"k", "AS", "a", "FIXED", "1", "1"}), unknown_at(2, kOfCheck));
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "FORCED"}), unknown_at(5, kOfCheck));
  EXPECT_EQ(fault_of_bucket({"k", "1", "1", "1", "PER", "CALL"}), (Fault{Fault::Kind::incomplete_per_request}));
}

TEST(Arguments, RefuseTheOptionsOfOtherAlgorithms) {
  const auto unknown = Fault{Fault::Kind::unknown_option, Argument::none, 5, kOfCheck};
  for (const std::string_view option : {"ALIGNED", "APPROX", "TZ", "ANCHOR"}) {
    for (const std::string_view limit : {"FIXED", "SLIDING", "CONCURRENT"}) {
      if ((option == "ALIGNED" && limit == "FIXED") || (option == "APPROX" && limit == "SLIDING")) continue;
      EXPECT_EQ(fault_of_check({"k", limit, "1", "1", option, "UTC"}), unknown) << limit << ' ' << option;
    }
    if (option == "TZ" || option == "ANCHOR") continue;
    EXPECT_EQ(fault_of_check({"k", "QUOTA", "1", "DAY", option}), unknown) << option;
  }
  EXPECT_EQ(fault_of_check({"k", "LEAKYBUCKET", "1", "1", "1", "ALIGNED"}),
            (Fault{Fault::Kind::unknown_option, Argument::none, 6, kOfCheck}));
  EXPECT_EQ(fault_of_check({"FIXED", "1", "1"}), (Fault{Fault::Kind::no_key, Argument::key}));
  EXPECT_EQ(fault_of_check({"FIXED", "FIXED", "1", "1"}), kNone);
  EXPECT_EQ(fault_of_check({"k", "APPROX", "SLIDING", "1", "1"}),
            (Fault{Fault::Kind::unknown_option, Argument::none, 2, kOfCheck}));
}

TEST(Arguments, ReadEveryAlgorithm) {
  const LimitSpec leaky = limit_of({"LeakyBucket", "20", "7", "60s"});
  EXPECT_EQ(leaky.algorithm, Algorithm::leaky_bucket);
  EXPECT_EQ(leaky.size, Units(20));
  EXPECT_EQ(leaky.refill, Units(7));
  EXPECT_EQ(leaky.span, seconds(60));
  EXPECT_EQ(limit_of({"SLIDING", "5", "60s"}).algorithm, Algorithm::sliding_window_log);
  const LimitSpec leases = limit_of({"concurrent", "5", "30s", "AS", "jobs", "per", "request"});
  EXPECT_EQ(leases.algorithm, Algorithm::concurrent);
  EXPECT_EQ(leases.span, seconds(30));
  EXPECT_EQ(leases.label, "jobs");
  EXPECT_TRUE(leases.per_request);
}

TEST(Arguments, ReadApproxWhereverItStandsBehindItsLimit) {
  for (const Words& words : {Words{"SLIDING", "5", "60s", "approx"}, Words{"SLIDING", "5", "60s", "AS", "a", "APPROX"},
                             Words{"SLIDING", "5", "60s", "COST", "2", "APPROX", "PER", "REQUEST"}}) {
    const LimitSpec spec = limit_of(words);
    EXPECT_EQ(spec.algorithm, Algorithm::sliding_window_counter);
    EXPECT_EQ(spec.span, seconds(60));
    EXPECT_TRUE(Limit::make(spec));
  }
  EXPECT_EQ(fault_of_check({"k", "SLIDING", "5", "60s", "APPROX", "APPROX"}),
            (Fault{Fault::Kind::repeated, Argument::approximate}));
  EXPECT_EQ(fault_of(Algorithm::sliding_window_log, {"k", "5", "60s", "APPROX", "AS", "a", "APPROX"}),
            (Fault{Fault::Kind::repeated, Argument::approximate}));
}

TEST(Arguments, ReadAQuotaInEveryUnit) {
  using enum CalendarUnit;
  const std::pair<std::string_view, CalendarUnit> units[] = {{"HOUR", hour},   {"day", day},         {"Week", week},
                                                             {"MONTH", month}, {"quarter", quarter}, {"YEAR", year}};
  for (const auto& [word, unit] : units) {
    const LimitSpec spec = limit_of({"QUOTA", "100", word});
    EXPECT_EQ(spec.algorithm, Algorithm::quota);
    EXPECT_EQ(spec.unit, unit);
    EXPECT_EQ(spec.span, Span{});
    EXPECT_TRUE(spec.zone.empty());
    EXPECT_TRUE(Limit::make(spec));
  }
  for (const std::string_view word : {"", "1d", "DAYS", "MINUTE", "60", "TZ"}) {
    EXPECT_EQ(fault_of_check({"k", "QUOTA", "100", word}), (Fault{Fault::Kind::malformed, Argument::unit})) << word;
  }
  EXPECT_EQ(fault_of_check({"k", "QUOTA", "100"}), missing(Argument::unit, Algorithm::quota));
  EXPECT_EQ(fault_of_check({"k", "QUOTA", "-1", "DAY"}), (Fault{Fault::Kind::malformed, Argument::window_limit}));
  EXPECT_EQ(fault_of(Algorithm::quota, {"k"}), missing(Argument::window_limit, Algorithm::quota));
  EXPECT_EQ(fault_of(Algorithm::quota, {"k", "5"}), missing(Argument::unit, Algorithm::quota));
}

TEST(Arguments, ReadTheAnchorOfAQuota) {
  const LimitSpec spec = limit_of({"QUOTA", "100", "MONTH", "AS", "a", "anchor", "2026-01-31T06:00", "TZ", "UTC"});
  EXPECT_EQ(spec.anchor, parse_anchor("2026-01-31T06:00"));
  EXPECT_TRUE(Limit::make(spec));
  EXPECT_EQ(limit_of({"QUOTA", "100", "DAY", "ANCHOR", "2026-01-31T00:00"}),
            limit_of({"QUOTA", "100", "DAY", "ANCHOR", "2026-01-31"}));
  EXPECT_NE(limit_of({"QUOTA", "100", "MONTH", "ANCHOR", "2026-01-01"}), limit_of({"QUOTA", "100", "MONTH"}));
  for (const std::string_view date : {"", "2026-02-30", "2026-1-31", "1969-12-31", "2200-01-01", "2026-01-31T24:00",
                                      "2026-01-31T06:00:00", "2026-01-31t06:00", "TZ", "DAY", "1767225600"}) {
    EXPECT_EQ(fault_of_check({"k", "QUOTA", "5", "DAY", "ANCHOR", date}),
              (Fault{Fault::Kind::malformed, Argument::anchor}))
        << date;
  }
  EXPECT_EQ(fault_of_check({"k", "QUOTA", "5", "DAY", "ANCHOR"}), (Fault{Fault::Kind::missing, Argument::anchor}));
  EXPECT_EQ(fault_of_check({"k", "QUOTA", "5", "DAY", "ANCHOR", "2026-01-31", "TZ", "UTC", "ANCHOR", "2026-01-31"}),
            (Fault{Fault::Kind::repeated, Argument::anchor}));
  CheckRequest request;
  parse({"k", "QUOTA", "5", "DAY", "ANCHOR", "2026-01-31", "QUOTA", "5", "WEEK"}, request);
  EXPECT_TRUE(request.limits.span()[0].anchor.is_given());
  EXPECT_FALSE(request.limits.span()[1].anchor.is_given());
}

TEST(Arguments, ReadTheTimeZoneOfAQuota) {
  const LimitSpec spec = limit_of({"QUOTA", "100", "DAY", "AS", "a", "tz", "Europe/Berlin"});
  EXPECT_EQ(spec.zone, "Europe/Berlin");
  EXPECT_EQ(spec.rules, find_zone("Europe/Berlin"));
  EXPECT_TRUE(Limit::make(spec));
  for (const std::string_view utc : {"UTC", "Etc/UTC"}) {
    EXPECT_EQ(limit_of({"QUOTA", "100", "DAY", "TZ", utc}), limit_of({"QUOTA", "100", "DAY"})) << utc;
  }
  for (const std::string_view zone :
       {"", "Europe/Nowhere", "europe/berlin", "../Europe/Berlin", "/etc/passwd", "DAY"}) {
    EXPECT_EQ(fault_of_check({"k", "QUOTA", "5", "DAY", "TZ", zone}), (Fault{Fault::Kind::malformed, Argument::zone}));
  }
  EXPECT_EQ(fault_of_check({"k", "QUOTA", "5", "DAY", "TZ"}), (Fault{Fault::Kind::missing, Argument::zone}));
  for (const std::string_view first : {"UTC", "Europe/Berlin"}) {
    EXPECT_EQ(fault_of_check({"k", "QUOTA", "5", "DAY", "TZ", first, "TZ", "UTC"}),
              (Fault{Fault::Kind::repeated, Argument::zone}));
  }
  CheckRequest request;
  parse({"k", "QUOTA", "5", "DAY", "TZ", "Asia/Tokyo", "QUOTA", "5", "WEEK", "TZ", "UTC"}, request);
  EXPECT_EQ(request.limits.span()[0].zone, "Asia/Tokyo");
  EXPECT_TRUE(request.limits.span()[1].zone.empty());
}

TEST(Arguments, ReadTheModesOfACall) {
  EXPECT_EQ(call_of({}).mode, Mode::whole);
  EXPECT_EQ(call_of({"partial"}).mode, Mode::partial);
  EXPECT_EQ(call_of({"COST", "7", "Force"}).mode, Mode::force);
  const Request waiting = call_of({"MAXWAIT", "1500ms", "COST", "3"});
  EXPECT_EQ(waiting.mode, Mode::may_wait);
  EXPECT_EQ(waiting.longest_wait, milliseconds(1500));
  EXPECT_EQ(waiting.cost, Units(3));
}

TEST(Arguments, ReadNoTimeAsNoMaxwaitAndNoJitter) {
  for (const std::string_view zero : {"0", "0ms", "0s", "0m", "0h", "0d"}) {
    EXPECT_EQ(call_of({"MAXWAIT", zero}).mode, Mode::whole) << zero;
    EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "MAXWAIT", zero, "FORCE"}),
              (Fault{Fault::Kind::not_together, Argument::mode}));
    CheckRequest request;
    parse({"k", "FIXED", "5", "60s", "JITTER", zero}, request);
    EXPECT_EQ(request.jitter, Span{});
  }
}

TEST(Arguments, RefuseAMaxwaitThatIsNoDuration) {
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "MAXWAIT"}), (Fault{Fault::Kind::missing, Argument::longest_wait}));
  for (const std::string_view text : {"00", "-0", "-1s", "3651d", "soon", ""}) {
    EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "MAXWAIT", text}),
              (Fault{Fault::Kind::malformed, Argument::longest_wait}))
        << text;
  }
}

TEST(Arguments, RefuseASecondMode) {
  const Words modes[] = {{"PARTIAL"}, {"FORCE"}, {"MAXWAIT", "1s"}};
  const Fault repeated[] = {{Fault::Kind::repeated, Argument::mode, 0, {Option::partial}},
                            {Fault::Kind::repeated, Argument::mode, 0, {Option::force}},
                            {Fault::Kind::repeated, Argument::longest_wait}};
  for (std::size_t first = 0; first < 3; ++first) {
    for (std::size_t second = 0; second < 3; ++second) {
      Words words{"k", "FIXED", "1", "1"};
      words.insert(words.end(), modes[first].begin(), modes[first].end());
      words.insert(words.end(), modes[second].begin(), modes[second].end());
      const Fault expected = first == second ? repeated[first] : Fault{Fault::Kind::not_together, Argument::mode};
      EXPECT_EQ(fault_of_check(words), expected) << modes[first][0] << ' ' << modes[second][0];
    }
  }
}

TEST(Arguments, ReadAnIdOfAnyBytes) {
  EXPECT_EQ(call_of({}).id, "");
  EXPECT_EQ(call_of({"ID", "job:1"}).id, "job:1");
  EXPECT_EQ(call_of({"id", "COST", "cost", "2"}).id, "COST");
  const std::string_view bytes("\0\xFF \"", 4);
  EXPECT_EQ(call_of({"ID", bytes}).id, bytes);
  EXPECT_EQ(call_of({"ID", std::string(kMaxIdBytes, 'x')}).id.size(), kMaxIdBytes);
  const std::string too_long(kMaxIdBytes + 1, 'x');
  for (const std::string_view id : {std::string_view(), std::string_view(too_long)}) {
    EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "ID", id}), (Fault{Fault::Kind::malformed, Argument::id}));
  }
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "ID"}), (Fault{Fault::Kind::missing, Argument::id}));
  EXPECT_EQ(fault_of_check({"k", "FIXED", "1", "1", "ID", "a", "ID", "a"}),
            (Fault{Fault::Kind::repeated, Argument::id}));
}

TEST(Arguments, KnowWhichOptionsACommandHas) {
  const Words options[] = {{"COST", "1"}, {"PARTIAL"},  {"FORCE"},       {"MAXWAIT", "1"},
                           {"ID", "a"},   {"FOR", "a"}, {"JITTER", "1"}, {"HEADERS"}};
  const Option all[] = {Option::cost, Option::partial, Option::force,  Option::max_wait,
                        Option::id,   Option::subject, Option::jitter, Option::headers};
  for (std::size_t i = 0; i < std::size(options); ++i) {
    for (const OptionSet command : {kOfCheck, kOfPeek, kOfReserve, kOfSettle}) {
      Words words{"k", "FIXED", "1", "1"};
      words.insert(words.end(), options[i].begin(), options[i].end());
      const Fault unknown{Fault::Kind::unknown_option, Argument::none, 5, command};
      EXPECT_EQ(fault_of_check(words, command), command.has(all[i]) ? kNone : unknown) << options[i][0];
    }
  }
}

TEST(Arguments, TakeEveryOptionOfACallBehindAShorthand) {
  for (const Algorithm algorithm : {Algorithm::token_bucket, Algorithm::leaky_bucket, Algorithm::fixed_window,
                                    Algorithm::sliding_window_log, Algorithm::quota, Algorithm::concurrent}) {
    Words words{"RL.SHORTHAND", "k", "5"};
    if (is_bucket(algorithm)) words.emplace_back("5");
    words.emplace_back(algorithm == Algorithm::quota ? "DAY" : "60s");
    words.insert(words.end(),
                 {"ID", "a", "MAXWAIT", "2s", "FOR", "s", "AS", "b", "HEADERS", "COST", "3", "JITTER", "4s"});
    CheckRequest request;
    EXPECT_EQ(parse_shorthand(words, algorithm, request), std::nullopt);
    ASSERT_EQ(request.limits.size(), 1U);
    EXPECT_EQ(request.limits.span()[0].algorithm, algorithm);
    EXPECT_EQ(request.limits.span()[0].label, "b");
    EXPECT_EQ(request.call.id, "a");
    EXPECT_EQ(request.call.mode, Mode::may_wait);
    EXPECT_EQ(request.call.cost, Units(3));
    EXPECT_EQ(request.subject, "s");
    EXPECT_EQ(request.jitter, seconds(4));
    EXPECT_TRUE(request.headers);
  }
}

TEST(Arguments, ReadAReservation) {
  CheckRequest request;
  Span ttl{};
  const Words words{"RL.RESERVE", "k", "30s", "ID", "req-7", "QUOTA", "1000", "DAY", "FOR", "s", "COST", "100"};
  EXPECT_EQ(parse_reservation(words, request, ttl), std::nullopt);
  EXPECT_EQ(ttl, seconds(30));
  EXPECT_EQ(request.limits.size(), 1U);
  EXPECT_EQ(request.call.cost, Units(100));
  EXPECT_EQ(request.call.id, "req-7");
  EXPECT_EQ(request.call.mode, Mode::estimate);
  EXPECT_EQ(request.subject, "s");
  EXPECT_EQ(fault_of_reservation({"k", "30s"}), kNone);
  EXPECT_EQ(fault_of_reservation({"k", "30s", "JITTER", "1s", "HEADERS"}), kNone);
  EXPECT_EQ(fault_of_reservation({"k", "30s", "FOR", "s", "FOR", "s"}),
            (Fault{Fault::Kind::repeated, Argument::subject}));
  EXPECT_EQ(fault_of_reservation({}), (Fault{Fault::Kind::missing, Argument::key}));
  EXPECT_EQ(fault_of_reservation({"k"}), (Fault{Fault::Kind::missing, Argument::ttl}));
  EXPECT_EQ(fault_of_reservation({"k", "FIXED", "1", "1"}), (Fault{Fault::Kind::malformed, Argument::ttl}));
  EXPECT_EQ(fault_of_reservation({"k", "0"}), (Fault{Fault::Kind::malformed, Argument::ttl}));
  EXPECT_EQ(fault_of_reservation({"k", "1", "COST", "-1"}), (Fault{Fault::Kind::malformed, Argument::cost}));
  for (const std::string_view option : {"FORCE", "EACH", "COSTS", "SHADOW"}) {
    EXPECT_EQ(fault_of_reservation({"k", "1", option}), unknown_at(3, kOfReserve)) << option;
  }
}

TEST(Arguments, ReadASettlement) {
  CheckRequest request;
  const Words words{"RL.SETTLE", "k", "req-7", "0", "FIXED", "5", "60s", "FOR", "s", "ALIGNED"};
  EXPECT_EQ(parse_settlement(words, request), std::nullopt);
  EXPECT_EQ(request.call.id, "req-7");
  EXPECT_EQ(request.call.cost, kNoUnits);
  EXPECT_EQ(request.call.mode, Mode::force);
  EXPECT_EQ(request.subject, "s");
  EXPECT_TRUE(request.limits.span()[0].aligned);
  EXPECT_EQ(fault_of_settlement({"k", "a", "9007199254740991"}), kNone);
  EXPECT_EQ(fault_of_settlement({"k", "a", "1", "FOR", "s"}), kNone);
  EXPECT_EQ(fault_of_settlement({"k", "a", "1", "FOR"}), (Fault{Fault::Kind::missing, Argument::subject}));
  EXPECT_EQ(fault_of_settlement({"k"}), (Fault{Fault::Kind::missing, Argument::id}));
  EXPECT_EQ(fault_of_settlement({"k", ""}), (Fault{Fault::Kind::malformed, Argument::id}));
  EXPECT_EQ(fault_of_settlement({"k", "a"}), (Fault{Fault::Kind::missing, Argument::actual}));
  for (const std::string_view actual : {"-1", "9007199254740992", "1.5", "01", "FIXED", ""}) {
    EXPECT_EQ(fault_of_settlement({"k", "a", actual}), (Fault{Fault::Kind::malformed, Argument::actual})) << actual;
  }
  for (const std::string_view option : {"COST", "ID", "FORCE", "JITTER", "HEADERS"}) {
    EXPECT_EQ(fault_of_settlement({"k", "a", "1", option, "1"}), unknown_at(4, kOfSettle)) << option;
  }
}

TEST(Arguments, ReadARefund) {
  Units units;
  std::string_view subject;
  const auto fault = [&](Words words) {
    words.insert(words.begin(), "RL.REFUND");
    return parse_refund(words, units, subject).value_or(kNone);
  };
  EXPECT_EQ(fault({"k", "7"}), kNone);
  EXPECT_EQ(units, Units(7));
  EXPECT_EQ(subject, "") << "the key itself";
  EXPECT_EQ(fault({"k", "8", "for", "s"}), kNone);
  EXPECT_EQ(units, Units(8));
  EXPECT_EQ(subject, "s");
  EXPECT_EQ(fault({"k"}), (Fault{Fault::Kind::missing, Argument::units}));
  EXPECT_EQ(fault({"k", "0"}), (Fault{Fault::Kind::malformed, Argument::units}));
  EXPECT_EQ(fault({"k", "FOR", "s", "7"}), (Fault{Fault::Kind::malformed, Argument::units}));
  EXPECT_EQ(fault({"k", "7", "8"}), unknown_at(3, forms::kSubject));
}

TEST(Arguments, ReadATransferBetweenTwoKeys) {
  std::string_view subject;
  const auto fault = [&](Words words) {
    words.insert(words.begin(), "RL.TRANSFER");
    return parse_transfer(words, subject).value_or(kNone);
  };
  EXPECT_EQ(fault({"k", "l"}), kNone);
  EXPECT_EQ(subject, "") << "the keys themselves";
  EXPECT_EQ(fault({"k", "", "for", "s"}), kNone);
  EXPECT_EQ(subject, "s");
  EXPECT_EQ(fault({}), (Fault{Fault::Kind::missing, Argument::from}));
  EXPECT_EQ(fault({"k"}), (Fault{Fault::Kind::missing, Argument::to}));
  EXPECT_EQ(fault({"k", "k"}), (Fault{Fault::Kind::malformed, Argument::to}));
  EXPECT_EQ(fault({"", "", "FOR", "s"}), (Fault{Fault::Kind::malformed, Argument::to}));
  EXPECT_EQ(fault({"k", "l", "m"}), unknown_at(3, forms::kSubject));
  EXPECT_EQ(fault({"k", "l", "FOR"}), (Fault{Fault::Kind::missing, Argument::subject}));
  EXPECT_EQ(fault({"k", "l", "FOR", "s", "t"}), (Fault{Fault::Kind::nothing_more, Argument::subject}));
}

TEST(Arguments, ReadABlock) {
  Span length{};
  std::string_view subject;
  const auto fault = [&](Words words) {
    words.insert(words.begin(), "RL.BLOCK");
    return parse_block(words, length, subject).value_or(kNone);
  };
  EXPECT_EQ(fault({"k", "90"}), kNone);
  EXPECT_EQ(length, seconds(90));
  EXPECT_EQ(subject, "") << "the key itself";
  EXPECT_EQ(fault({"k", "3650d", "for", "s"}), kNone);
  EXPECT_EQ(length, kMaxSpan);
  EXPECT_EQ(subject, "s");
  for (const std::string_view nothing : {"0", "0ms", "0d"}) {
    EXPECT_EQ(fault({"k", nothing}), kNone);
    EXPECT_EQ(length, Span{});
  }
  EXPECT_EQ(fault({"k"}), (Fault{Fault::Kind::missing, Argument::block_length}));
  for (const std::string_view bad : {"", "-1", "00", "1.5", "3651d", "FOR", "s", "99999999999999999999"}) {
    EXPECT_EQ(fault({"k", bad}), (Fault{Fault::Kind::malformed, Argument::block_length})) << bad;
  }
  EXPECT_EQ(fault({"k", "1s", "2s"}), unknown_at(3, forms::kSubject));
  EXPECT_EQ(fault({"k", "1s", "FOR"}), (Fault{Fault::Kind::missing, Argument::subject}));
}

TEST(Arguments, ReadARelease) {
  std::string_view id;
  std::string_view subject;
  const auto fault = [&](Words words) {
    words.insert(words.begin(), "RL.RELEASE");
    return parse_release(words, id, subject).value_or(kNone);
  };
  EXPECT_EQ(fault({"k", "job:1"}), kNone);
  EXPECT_EQ(id, "job:1");
  EXPECT_EQ(subject, "") << "the key itself";
  EXPECT_EQ(fault({"k", "FOR", "FOR", "for"}), kNone);
  EXPECT_EQ(id, "FOR");
  EXPECT_EQ(subject, "for");
  EXPECT_EQ(fault({}), (Fault{Fault::Kind::missing, Argument::key}));
  EXPECT_EQ(fault({"k"}), (Fault{Fault::Kind::missing, Argument::id}));
  EXPECT_EQ(fault({"k", ""}), (Fault{Fault::Kind::malformed, Argument::id}));
  EXPECT_EQ(fault({"k", "a", "b"}), unknown_at(3, forms::kSubject));
}

TEST(Arguments, ReadAKeyAndPerhapsASubject) {
  std::string_view subject;
  const auto fault = [&](Words words) {
    words.insert(words.begin(), "RL.INFO");
    return parse_key_and_subject(words, subject).value_or(kNone);
  };
  EXPECT_EQ(fault({"k"}), kNone);
  EXPECT_EQ(subject, "") << "the key itself";
  EXPECT_EQ(fault({"k", "For", "s"}), kNone);
  EXPECT_EQ(subject, "s");
  EXPECT_EQ(fault({}), (Fault{Fault::Kind::missing, Argument::key}));
  EXPECT_EQ(fault({"k", "k"}), unknown_at(2, forms::kSubject));
  EXPECT_EQ(fault({"k", "FOR"}), (Fault{Fault::Kind::missing, Argument::subject}));
  EXPECT_EQ(fault({"k", "FOR", ""}), (Fault{Fault::Kind::malformed, Argument::subject}));
  EXPECT_EQ(fault({"k", "FOR", "s", "FOR", "s"}), (Fault{Fault::Kind::nothing_more, Argument::subject}));
}

/// The subject of an RL.CHECK that must be understood.
std::string subject_of(const Words& words) {
  CheckRequest request;
  parse(words, request);
  return std::string(request.subject);
}

TEST(Arguments, ReadASubjectOfAnyBytes) {
  EXPECT_EQ(subject_of({"k", "FIXED", "5", "60s"}), "") << "the key itself";
  EXPECT_EQ(subject_of({"k", "FIXED", "5", "60s", "FOR", "user:7"}), "user:7");
  const std::string_view bytes("\0\xFF \r\n", 5);
  EXPECT_EQ(subject_of({"k", "FOR", bytes}), bytes);
  EXPECT_EQ(subject_of({"k", "FOR", std::string(kMaxSubjectBytes, 'x')}).size(), 1024U);
  EXPECT_EQ(subject_of({"k", "for", "FOR"}), "FOR");
  EXPECT_EQ(subject_of({"k", "FOR", "COST", "COST", "2"}), "COST") << "a name, not an option";
  const std::string too_long(kMaxSubjectBytes + 1, 'x');
  for (const std::string_view name : {std::string_view(), std::string_view(too_long)}) {
    EXPECT_EQ(fault_of_check({"k", "FOR", name}), (Fault{Fault::Kind::malformed, Argument::subject}));
  }
  EXPECT_EQ(fault_of_check({"k", "FOR"}), (Fault{Fault::Kind::missing, Argument::subject}));
  EXPECT_EQ(fault_of_check({"k", "FOR", "a", "FOR", "a"}), (Fault{Fault::Kind::repeated, Argument::subject}));
}

TEST(Arguments, ReadASubjectBeforeBetweenAndBehindLimits) {
  for (const Words& words : {Words{"k", "FOR", "s", "FIXED", "5", "60s", "SLIDING", "7", "1h"},
                             Words{"k", "FIXED", "5", "60s", "FOR", "s", "SLIDING", "7", "1h"},
                             Words{"k", "FIXED", "5", "60s", "SLIDING", "7", "1h", "FOR", "s"}}) {
    CheckRequest request;
    parse(words, request);
    EXPECT_EQ(request.subject, "s");
    EXPECT_EQ(request.limits.size(), 2U);
  }
}

TEST(Arguments, ReadWhatTheAnswerIsToBe) {
  CheckRequest plain;
  parse({"k", "FIXED", "5", "60s"}, plain);
  EXPECT_EQ(plain.jitter, Span{});
  EXPECT_FALSE(plain.headers);
  CheckRequest request;
  parse({"k", "headers", "FIXED", "5", "60s", "Jitter", "1500ms", "COST", "2"}, request);
  EXPECT_EQ(request.jitter, milliseconds(1500));
  EXPECT_TRUE(request.headers);
  EXPECT_EQ(fault_of_check({"k", "JITTER"}), (Fault{Fault::Kind::missing, Argument::jitter}));
  for (const std::string_view text : {"00", "0x", "-1s", "3651d", "HEADERS", ""}) {
    EXPECT_EQ(fault_of_check({"k", "JITTER", text}), (Fault{Fault::Kind::malformed, Argument::jitter})) << text;
  }
  EXPECT_EQ(fault_of_check({"k", "JITTER", "1s", "JITTER", "1s"}), (Fault{Fault::Kind::repeated, Argument::jitter}));
  EXPECT_EQ(fault_of_check({"k", "HEADERS", "HEADERS"}), (Fault{Fault::Kind::repeated, Argument::headers}));
}

TEST(Arguments, ReadACheckOfEachSubject) {
  CheckRequest request;
  const Words words{"RL.CHECKEACH", "k", "FIXED", "5", "60s", "COST", "2", "AS", "a", "for", "x", "COST", "x"};
  EXPECT_EQ(parse_check_each(words, request), std::nullopt);
  EXPECT_EQ(request.limits.size(), 1U);
  EXPECT_EQ(request.limits.span()[0].label, "a");
  EXPECT_EQ(request.call.cost, Units(2));
  ASSERT_EQ(request.subjects.size(), 3U) << "what follows FOR is a subject, whatever it says";
  EXPECT_EQ(request.subjects[1], "COST");
  EXPECT_TRUE(request.subject.empty());
}

TEST(Arguments, ACheckOfEachSubjectNamesThem) {
  const auto fault_of_each = [](Words words) {
    words.insert(words.begin(), "RL.CHECKEACH");
    CheckRequest request;
    return parse_check_each(words, request).value_or(kNone);
  };
  const std::string longest(kMaxSubjectBytes, 'x');
  const std::string too_long(kMaxSubjectBytes + 1, 'x');
  EXPECT_EQ(fault_of_each({"k", "FOR", longest}), kNone);
  EXPECT_EQ(fault_of_each({"k", "FOR", "a", too_long}), (Fault{Fault::Kind::malformed, Argument::subject}));
  EXPECT_EQ(fault_of_each({"k", "FOR", "a", ""}), (Fault{Fault::Kind::malformed, Argument::subject}));
  EXPECT_EQ(fault_of_each({"k"}), (Fault{Fault::Kind::missing, Argument::subject}));
  EXPECT_EQ(fault_of_each({"k", "FOR"}), (Fault{Fault::Kind::missing, Argument::subject}));
  EXPECT_EQ(fault_of_each({"k", "LEAKYBUCKET", "5", "1", "1s", "FOR", "a"}),
            (Fault{Fault::Kind::not_for_each, Argument::leak}));
  EXPECT_EQ(fault_of_each({"k", "FIXED", "5", "1s", "CONCURRENT", "5", "1s", "FOR", "a"}),
            (Fault{Fault::Kind::not_for_each, Argument::lease}));
  EXPECT_EQ(fault_of_each({"k", "HEADERS", "FOR", "a"}), unknown_at(2, forms::kCheckEach.options));

  Words words(kMostSubjects + 2, "a");
  words[1] = "FOR";
  EXPECT_EQ(fault_of_each(words), kNone);
  words.emplace_back("a");
  EXPECT_EQ(fault_of_each(words), (Fault{Fault::Kind::too_many_arguments}));
}

TEST(Arguments, ReadADefinition) {
  DefinitionRequest request;
  const Words words{"RL.DEFINE", "k", "FIXED", "5", "60s", "shadow", "ALIGNED", "SLIDING", "7", "1h", "AS", "hour"};
  EXPECT_EQ(parse_definition(words, request), std::nullopt);
  ASSERT_EQ(request.limits.size(), 2U);
  EXPECT_TRUE(request.is_shadow);
  EXPECT_TRUE(request.subject.empty());
  EXPECT_TRUE(request.limits.span()[0].aligned) << "the option of a limit may stand behind one of the call";
  EXPECT_EQ(request.limits.span()[1].label, "hour");

  DefinitionRequest plain;
  EXPECT_EQ(parse_definition(Words{"RL.DEFINE", "k", "FIXED", "5", "60s"}, plain), std::nullopt);
  EXPECT_FALSE(plain.is_shadow);
}

TEST(Arguments, ReadAnException) {
  DefinitionRequest begins;
  EXPECT_EQ(parse_definition(Words{"RL.DEFINE", "k", "FIXED", "5", "60s", "for", "bob", "AS", "a"}, begins),
            std::nullopt);
  EXPECT_EQ(begins.subject, "bob");
  ASSERT_EQ(begins.limits.size(), 1U);
  EXPECT_EQ(begins.limits.span()[0].label, "a");
  DefinitionRequest ends;
  EXPECT_EQ(parse_definition(Words{"RL.DEFINE", "k", "FOR", "bob"}, ends), std::nullopt);
  EXPECT_TRUE(ends.limits.empty());
  EXPECT_EQ(fault_of_definition({"k", "FOR"}), (Fault{Fault::Kind::missing, Argument::subject}));
  EXPECT_EQ(fault_of_definition({"k", "FOR", ""}), (Fault{Fault::Kind::malformed, Argument::subject}));
  EXPECT_EQ(fault_of_definition({"k", "FOR", "a", "FOR", "b"}), (Fault{Fault::Kind::repeated, Argument::subject}));
  const Fault on_trial{Fault::Kind::not_with_subject, Argument::shadow};
  EXPECT_EQ(fault_of_definition({"k", "FOR", "a", "SHADOW"}), on_trial);
  EXPECT_EQ(fault_of_definition({"k", "SHADOW", "FIXED", "5", "60s", "FOR", "a"}), on_trial);
}

TEST(Arguments, RefuseADefinitionOfNothing) {
  EXPECT_EQ(fault_of_definition({}), (Fault{Fault::Kind::missing, Argument::key}));
  EXPECT_EQ(fault_of_definition({"k"}), (Fault{Fault::Kind::missing, Argument::limits}));
  EXPECT_EQ(fault_of_definition({"k", "SHADOW"}), (Fault{Fault::Kind::missing, Argument::limits}));
  EXPECT_EQ(fault_of_definition({"k", "SHADOW", "SHADOW", "FIXED", "5", "60s"}),
            (Fault{Fault::Kind::repeated, Argument::shadow}));
  Words eight{"k"};
  for (int i = 0; i < 8; ++i) eight.insert(eight.end(), {"FIXED", "1", "1"});
  EXPECT_EQ(fault_of_definition(eight), kNone);
  eight.insert(eight.end(), {"FIXED", "1", "1"});
  EXPECT_EQ(fault_of_definition(eight), (Fault{Fault::Kind::too_many_limits, Argument::limits}));
  for (const std::string_view option : {"COST", "FORCE", "ID", "JITTER", "HEADERS", "MAXWAIT"}) {
    EXPECT_EQ(fault_of_definition({"k", "FIXED", "5", "60s", option, "1"}), unknown_at(5, kOfDefine)) << option;
  }
  EXPECT_EQ(fault_of_check({"k", "FIXED", "5", "60s", "SHADOW"}), unknown_at(5, kOfCheck));
}

TEST(Arguments, ReadACheckOfSeveralKeys) {
  KeysRequest plain;
  EXPECT_EQ(parse_check_all(Words{"RL.CHECKALL", "2", "a", "b"}, plain), std::nullopt);
  EXPECT_EQ(plain.keys, 2U);
  EXPECT_TRUE(plain.limits.empty());
  EXPECT_TRUE(plain.subjects.empty());
  EXPECT_EQ(plain.call.cost, Units(1));
  EXPECT_EQ(plain.call.mode, Mode::whole);
  EXPECT_FALSE(plain.headers);

  KeysRequest request;
  const Words words{"RL.CHECKALL", "2", "COST",  "FOR", "headers", "FIXED", "5", "60s",  "per", "REQUEST", "FOR",
                    "FOR",         "",  "QUOTA", "9",   "DAY",     "AS",    "b", "COST", "3",   "jitter",  "2s"};
  EXPECT_EQ(parse_check_all(words, request), std::nullopt);
  EXPECT_EQ(request.keys, 2U) << "named like options";
  ASSERT_EQ(request.limits.size(), 2U);
  EXPECT_TRUE(request.limits.span()[0].per_request);
  EXPECT_EQ(request.limits.span()[1].label, "b");
  ASSERT_EQ(request.subjects.size(), 2U);
  EXPECT_EQ(request.subjects.span()[0], "FOR");
  EXPECT_EQ(request.subjects.span()[1], "") << "the key itself";
  EXPECT_EQ(request.call.cost, Units(3));
  EXPECT_EQ(request.jitter, seconds(2));
  EXPECT_TRUE(request.headers);
}

std::vector<std::string> key_names(std::size_t keys) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < keys; ++i) names.push_back("k" + std::to_string(i));
  return names;
}

TEST(Arguments, TakeOneToSixtyFourKeys) {
  const std::vector<std::string> names = key_names(64);
  const auto call = [&](std::size_t keys, bool has_all) {
    Words words{"RL.CHECKALL", "64"};
    words.insert(words.end(), names.begin(), names.begin() + static_cast<std::ptrdiff_t>(keys));
    if (!has_all) return words;
    for (std::size_t i = 0; i < keys; ++i) words.insert(words.end(), {"FIXED", "1", "1"});
    words.emplace_back("FOR");
    words.insert(words.end(), keys, "s");
    return words;
  };
  for (const bool has_all : {false, true}) {
    KeysRequest request;
    EXPECT_EQ(parse_check_all(call(64, has_all), request), std::nullopt);
    EXPECT_EQ(request.keys, 64U);
    EXPECT_EQ(request.limits.size(), has_all ? 64U : 0U);
    EXPECT_EQ(request.subjects.size(), has_all ? 64U : 0U);
  }
  KeysRequest short_of_one;
  EXPECT_EQ(parse_check_all(call(63, false), short_of_one), (Fault{Fault::Kind::missing, Argument::key}));
  for (const std::string_view number : {"0", "65", "-1", "01", "1.5", "99999999999999999999", "k", ""}) {
    EXPECT_EQ(fault_of_check_all({number, "k"}), (Fault{Fault::Kind::malformed, Argument::number_of_keys})) << number;
  }
  EXPECT_EQ(fault_of_check_all({}), (Fault{Fault::Kind::missing, Argument::number_of_keys}));
  EXPECT_EQ(fault_of_check_all({"1"}), (Fault{Fault::Kind::missing, Argument::key}));
}

TEST(Arguments, TakeOneLimitForEachKeyOrNone) {
  const Words limit{"FIXED", "1", "1"};
  for (std::size_t keys = 1; keys <= 3; ++keys) {
    const std::vector<std::string> names = key_names(keys);
    for (std::size_t limits = 0; limits <= 4; ++limits) {
      const std::string number = std::to_string(keys);
      Words words{number};
      words.insert(words.end(), names.begin(), names.end());
      for (std::size_t i = 0; i < limits; ++i) words.insert(words.end(), limit.begin(), limit.end());
      const bool is_right = limits == 0 || limits == keys;
      EXPECT_EQ(fault_of_check_all(words),
                is_right ? kNone : (Fault{Fault::Kind::not_one_for_each_key, Argument::limits}))
          << keys << " keys, " << limits << " limits";
    }
  }
  Words many{"1", "k"};
  for (int i = 0; i < 65; ++i) many.insert(many.end(), limit.begin(), limit.end());
  EXPECT_EQ(fault_of_check_all(many), (Fault{Fault::Kind::not_one_for_each_key, Argument::limits}))
      << "so many are too many for a key, but not more than eight of a list";
}

TEST(Arguments, TakeOneSubjectForEachKey) {
  EXPECT_EQ(fault_of_check_all({"2", "a", "b", "FOR", "s"}), (Fault{Fault::Kind::missing, Argument::subject}));
  EXPECT_EQ(fault_of_check_all({"2", "a", "b", "FOR"}), (Fault{Fault::Kind::missing, Argument::subject}));
  EXPECT_EQ(fault_of_check_all({"2", "a", "b", "FOR", "s", "t", "u"}), unknown_at(7, kOfCheckAll));
  EXPECT_EQ(fault_of_check_all({"1", "a", "FOR", "s", "FOR", "s"}), (Fault{Fault::Kind::repeated, Argument::subject}));
  const std::string longest(kMaxSubjectBytes, 'x');
  EXPECT_EQ(fault_of_check_all({"1", "a", "FOR", longest}), kNone);
  const std::string too_long = longest + "x";
  EXPECT_EQ(fault_of_check_all({"2", "a", "b", "FOR", "", too_long}),
            (Fault{Fault::Kind::malformed, Argument::subject}));
}

TEST(Arguments, RefuseTheSameSubjectOfTheSameKey) {
  const Fault twice{Fault::Kind::repeated_subject, Argument::key};
  EXPECT_EQ(fault_of_check_all({"2", "k", "k"}), twice);
  EXPECT_EQ(fault_of_check_all({"3", "k", "l", "k"}), twice);
  EXPECT_EQ(fault_of_check_all({"2", "k", "k", "FIXED", "5", "60s", "SLIDING", "7", "1h"}), twice);
  EXPECT_EQ(fault_of_check_all({"3", "k", "l", "k", "FOR", "s", "s", "s"}), twice);
  EXPECT_EQ(fault_of_check_all({"2", "k", "k", "FOR", "", ""}), twice);
  EXPECT_EQ(fault_of_check_all({"3", "k", "k", "l", "FOR", "s", "t", "s"}), kNone);
  EXPECT_EQ(fault_of_check_all({"2", "k", "k", "FOR", "s", ""}), kNone) << "the key itself is another one";
  EXPECT_EQ(fault_of_check_all({"2", "k", "k", "xyzzy"}), unknown_at(4, kOfCheckAll)) << "what comes first is told";
}

TEST(Arguments, ReadACostForEachKey) {
  KeysRequest request;
  const Words words{"RL.CHECKALL", "2", "COSTS", "EACH", "costs", "0", "4294967295", "each", "FORCE"};
  EXPECT_EQ(parse_check_all(words, request), std::nullopt);
  EXPECT_EQ(request.keys, 2U) << "named like options";
  ASSERT_EQ(request.costs.size(), 2U);
  EXPECT_EQ(request.costs.span()[0], kNoUnits);
  EXPECT_EQ(request.costs.span()[1], Units(4294967295));
  EXPECT_TRUE(request.each);
  EXPECT_FALSE(request.headers);
  EXPECT_EQ(request.call.mode, Mode::force);

  KeysRequest plain;
  EXPECT_EQ(parse_check_all(Words{"RL.CHECKALL", "1", "a", "HEADERS"}, plain), std::nullopt);
  EXPECT_TRUE(plain.costs.empty());
  EXPECT_FALSE(plain.each);
  EXPECT_TRUE(plain.headers);
}

TEST(Arguments, ReadAReservationOfSeveralKeys) {
  KeysRequest request;
  Span ttl{};
  const Words words{"RL.RESERVEALL", "2",      "a",  "b",      "30s", "COSTS", "0", "7", "ID", "x",
                    "EACH",          "JITTER", "1s", "HEADERS"};
  EXPECT_EQ(parse_reservation_of_all(words, request, ttl), std::nullopt);
  EXPECT_EQ(request.keys, 2U);
  EXPECT_EQ(ttl, seconds(30));
  EXPECT_EQ(request.call.id, "x");
  EXPECT_EQ(request.call.mode, Mode::estimate);
  EXPECT_EQ(request.costs.span()[1], Units(7));
  EXPECT_TRUE(request.each && request.headers);
  EXPECT_EQ(request.jitter, seconds(1));

  const auto fault_of = [](Words call) {
    call.insert(call.begin(), "RL.RESERVEALL");
    KeysRequest ignored;
    Span length{};
    return parse_reservation_of_all(call, ignored, length).value_or(kNone);
  };
  EXPECT_EQ(fault_of({"1", "a", "1m"}), kNone);
  EXPECT_EQ(fault_of({"2", "a", "b"}), (Fault{Fault::Kind::missing, Argument::ttl}));
  EXPECT_EQ(fault_of({"2", "a", "b", "FIXED", "5", "60s"}), (Fault{Fault::Kind::malformed, Argument::ttl}));
  EXPECT_EQ(fault_of({"2", "a", "b", "1m", "FIXED", "5", "60s"}),
            (Fault{Fault::Kind::not_one_for_each_key, Argument::limits}));
  EXPECT_EQ(fault_of({"2", "a", "a", "1m"}), (Fault{Fault::Kind::repeated_subject, Argument::key}));
  for (const std::string_view option : {"PARTIAL", "FORCE", "MAXWAIT", "CHARGE", "BRIEF", "SHADOW"}) {
    EXPECT_EQ(fault_of({"1", "k", "1m", option}), unknown_at(4, forms::kReserveAll.options)) << option;
  }
}

TEST(Arguments, ReadASettlementOfSeveralKeys) {
  KeysRequest request;
  const Words words{"RL.SETTLEALL", "2", "a", "b", "x", "42", "EACH", "FOR", "s", ""};
  EXPECT_EQ(parse_settlement_of_all(words, request), std::nullopt);
  EXPECT_EQ(request.keys, 2U);
  EXPECT_EQ(request.call.id, "x");
  EXPECT_EQ(request.call.cost, Units(42));
  EXPECT_EQ(request.call.mode, Mode::force);
  EXPECT_EQ(request.subjects.span()[0], "s");
  EXPECT_TRUE(request.each);

  const auto fault_of = [](Words call) {
    call.insert(call.begin(), "RL.SETTLEALL");
    KeysRequest ignored;
    return parse_settlement_of_all(call, ignored).value_or(kNone);
  };
  EXPECT_EQ(fault_of({"1", "a", "x", "0"}), kNone);
  EXPECT_EQ(fault_of({"2", "a", "b"}), (Fault{Fault::Kind::missing, Argument::id}));
  EXPECT_EQ(fault_of({"2", "a", "b", "x"}), (Fault{Fault::Kind::missing, Argument::actual}));
  EXPECT_EQ(fault_of({"2", "a", "b", "", "1"}), (Fault{Fault::Kind::malformed, Argument::id}));
  EXPECT_EQ(fault_of({"2", "a", "b", "x", "-1"}), (Fault{Fault::Kind::malformed, Argument::actual}));
  EXPECT_EQ(fault_of({"2", "a", "a", "x", "1", "FOR", "s", "s"}),
            (Fault{Fault::Kind::repeated_subject, Argument::key}));
  for (const std::string_view option : {"COST", "COSTS", "ID", "FIXED", "CHARGE", "HEADERS", "JITTER", "FORCE"}) {
    EXPECT_EQ(fault_of({"1", "k", "x", "1", option}), unknown_at(5, forms::kSettleAll.options)) << option;
  }
}

TEST(Arguments, ReadThatAnAnswerIsToBeBrief) {
  CheckRequest brief;
  EXPECT_EQ(parse_check(Words{"RL.CHECK", "BRIEF", "brief", "FOR", "BRIEF"}, forms::kCheck.options, brief),
            std::nullopt);
  EXPECT_TRUE(brief.is_brief);
  EXPECT_FALSE(brief.headers);
  EXPECT_EQ(brief.subject, "BRIEF");
  CheckRequest plain;
  EXPECT_EQ(parse_check(Words{"RL.CHECK", "BRIEF", "FOR", "BRIEF", "HEADERS"}, forms::kCheck.options, plain),
            std::nullopt);
  EXPECT_FALSE(plain.is_brief);
  EXPECT_TRUE(plain.headers);
}

TEST(Arguments, KnowOneModeAndNoIdsOfSeveralKeys) {
  for (const std::string_view option : {"PARTIAL", "BRIEF", "MAXWAIT", "ID", "SHADOW"}) {
    EXPECT_EQ(fault_of_check_all({"1", "k", option, "1"}), unknown_at(3, kOfCheckAll)) << option;
  }
  EXPECT_EQ(fault_of_check_all({"1", "k", "COST", "1", "COST", "1"}), (Fault{Fault::Kind::repeated, Argument::cost}));
  EXPECT_EQ(fault_of_check_all({"1", "k", "HEADERS", "HEADERS"}), (Fault{Fault::Kind::repeated, Argument::headers}));
}

TEST(Arguments, ReadWhoIsToBeNamedAndHowMany) {
  TopRequest request;
  EXPECT_EQ(parse_top(Words{"RL.TOP", "k"}, request), std::nullopt);
  EXPECT_EQ(request.count, 10U);
  EXPECT_FALSE(request.is_near);
  EXPECT_EQ(parse_top(Words{"RL.TOP", "k", "1024"}, request), std::nullopt);
  EXPECT_EQ(request.count, 1024U);
  EXPECT_EQ(parse_top(Words{"RL.TOP", "k", "near"}, request), std::nullopt);
  EXPECT_TRUE(request.is_near);
  EXPECT_EQ(parse_top(Words{"RL.TOP", "k", "7", "NEAR"}, request), std::nullopt);
  EXPECT_TRUE(request.is_near);
  EXPECT_EQ(request.count, 7U);
  EXPECT_EQ(fault_of_top({}), (Fault{Fault::Kind::missing, Argument::key}));
  EXPECT_EQ(fault_of_top({"k", "1"}), kNone);
  for (const std::string_view number : {"0", "1025", "-1", "01", "ten", ""}) {
    EXPECT_EQ(fault_of_top({"k", number}), (Fault{Fault::Kind::malformed, Argument::count})) << number;
  }
  EXPECT_EQ(fault_of_top({"k", "1", "2"}), unknown_at(3, {Option::near}));
  EXPECT_EQ(parse_top(Words{"RL.TOP", "k", "NEAR", "8"}, request), std::nullopt);
  EXPECT_EQ(request.count, 8U);
  EXPECT_EQ(fault_of_top({"k", "NEAR", "1", "NEAR"}), (Fault{Fault::Kind::repeated, Argument::near}));
}

TEST(Arguments, ReadHowManyEntriesAreToBeShown) {
  std::size_t count = 10;
  EXPECT_EQ(parse_log(Words{"RL.LOG", "k"}, count), std::nullopt);
  EXPECT_EQ(count, 10U) << "as it was";
  EXPECT_EQ(parse_log(Words{"RL.LOG", "k", "5000"}, count), std::nullopt);
  EXPECT_EQ(count, 5'000U);
  EXPECT_EQ(fault_of_log({}), (Fault{Fault::Kind::missing, Argument::key}));
  for (const std::string_view number : {"0", "5001", "-1", "01", "ten", "NEAR", ""}) {
    EXPECT_EQ(fault_of_log({"k", number}), (Fault{Fault::Kind::malformed, Argument::entries})) << number;
  }
  EXPECT_EQ(fault_of_log({"k", "1", "2"}), (Fault{Fault::Kind::nothing_more, Argument::entries}));
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
  EXPECT_EQ(fault_of(Algorithm::leaky_bucket, {"k", "2", "1", "3650d"}),
            (Fault{Fault::Kind::refills_too_slowly, Argument::leak}));
}

TEST(Arguments, RefuseTheNinthLimit) {
  Words words{"k"};
  for (int i = 0; i < 9; ++i) words.insert(words.end(), {"FIXED", "1", "1"});
  EXPECT_EQ(fault_of_check(words), (Fault{Fault::Kind::too_many_limits, Argument::limits}));
}

TEST(Throttle, IsABucketThatHoldsOneMoreThanTheBurst) {
  CheckRequest request;
  ASSERT_FALSE(parse_throttle(Words{"CL.THROTTLE", "k", "15", "30", "60"}, request));
  ASSERT_EQ(request.limits.size(), 1U);
  EXPECT_EQ(request.limits.back(), (LimitSpec{.size = Units(16), .refill = Units(30), .span = seconds{60}}));
  EXPECT_EQ(request.call.cost, Units(1));
}

TEST(Throttle, TakesNumbersUpToTheirBounds) {
  CheckRequest least;
  ASSERT_FALSE(parse_throttle(Words{"CL.THROTTLE", "k", "0", "1", "1", "0"}, least));
  EXPECT_EQ(least.limits.back(), (LimitSpec{.size = Units(1), .refill = Units(1), .span = seconds{1}}));
  EXPECT_EQ(least.call.cost, kNoUnits);
  CheckRequest most;
  ASSERT_FALSE(parse_throttle(Words{"CL.THROTTLE", "k", "4294967294", "4294967295", "315360000", "4294967295"}, most));
  EXPECT_EQ(most.limits.back(), (LimitSpec{.size = kMax32BitUnits, .refill = kMax32BitUnits, .span = kMaxSpan}));
  EXPECT_EQ(most.call.cost, kMax32BitUnits);
}

TEST(Throttle, NamesTheArgumentThatIsMissing) {
  EXPECT_EQ(fault_of_throttle({}), (Fault{Fault::Kind::missing, Argument::key}));
  EXPECT_EQ(fault_of_throttle({"k"}), (Fault{Fault::Kind::missing, Argument::max_burst}));
  EXPECT_EQ(fault_of_throttle({"k", "1"}), (Fault{Fault::Kind::missing, Argument::count_per_period}));
  EXPECT_EQ(fault_of_throttle({"k", "1", "1"}), (Fault{Fault::Kind::missing, Argument::period_in_seconds}));
}

TEST(Throttle, NamesTheArgumentThatIsWrong) {
  const auto malformed = [](Argument argument) { return Fault{Fault::Kind::malformed, argument}; };
  for (const char* no_number : {"-1", "", " 1", "1 ", "+1", "01", "1.5", "1e3", "x", "1s", "18446744073709551616"}) {
    EXPECT_EQ(fault_of_throttle({"k", no_number, "1", "1"}), malformed(Argument::max_burst)) << no_number;
    EXPECT_EQ(fault_of_throttle({"k", "1", no_number, "1"}), malformed(Argument::count_per_period)) << no_number;
    EXPECT_EQ(fault_of_throttle({"k", "1", "1", no_number}), malformed(Argument::period_in_seconds)) << no_number;
    EXPECT_EQ(fault_of_throttle({"k", "1", "1", "1", no_number}), malformed(Argument::quantity)) << no_number;
  }
  EXPECT_EQ(fault_of_throttle({"k", "4294967295", "1", "1"}), malformed(Argument::max_burst));
  EXPECT_EQ(fault_of_throttle({"k", "1", "0", "1"}), malformed(Argument::count_per_period));
  EXPECT_EQ(fault_of_throttle({"k", "1", "4294967296", "1"}), malformed(Argument::count_per_period));
  EXPECT_EQ(fault_of_throttle({"k", "1", "1", "0"}), malformed(Argument::period_in_seconds));
  EXPECT_EQ(fault_of_throttle({"k", "1", "1", "315360001"}), malformed(Argument::period_in_seconds));
  EXPECT_EQ(fault_of_throttle({"k", "1", "1", "1", "4294967296"}), malformed(Argument::quantity));
}

TEST(Throttle, RefusesABucketThatRefillsTooSlowly) {
  EXPECT_EQ(fault_of_throttle({"k", "0", "1", "315360000"}), kNone);
  EXPECT_EQ(fault_of_throttle({"k", "1", "1", "315360000"}),
            (Fault{Fault::Kind::refills_too_slowly, Argument::count_per_period}));
}

TEST(Throttle, EndsWithTheQuantity) {
  EXPECT_EQ(fault_of_throttle({"k", "1", "1", "1", "1", "1"}), (Fault{Fault::Kind::nothing_more, Argument::quantity}));
}

}  // namespace
}  // namespace ratelimit
