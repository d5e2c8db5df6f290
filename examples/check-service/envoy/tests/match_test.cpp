// SPDX-License-Identifier: MIT
// Which rule a descriptor has, who is limited by it, and what it is called. The configurations are those that the original
// publishes, in its README and its tests, written anew.
#include "names.h"

#include <algorithm>

#include "support.h"

namespace ratelimit::service::envoy {
namespace {

using Entries = std::vector<Entry>;

/// The key of the limiter, and who is limited in it.
std::string found(const Rules& rules, std::string_view domain, const Entries& entries) {
  const Match match = rules.find(domain, entries);
  if (match.rule == nullptr) return "none";
  if (match.rule->limiters.empty()) return "unlimited";
  return match.rule->limiters.front().name + " FOR '" + match.subject + "'";
}

constexpr const char* kBasic = R"(
domain: test-domain
descriptors:
  - key: key1
    value: value1
    descriptors:
      - {key: subkey1, rate_limit: {unit: second, requests_per_unit: 5}}
      - {key: subkey1, value: subvalue1, rate_limit: {unit: second, requests_per_unit: 10}}
  - {key: key2, rate_limit: {unit: minute, requests_per_unit: 20}}
  - {key: key2, value: value2, rate_limit: {unit: minute, requests_per_unit: 30}}
  - {key: key2, value: value3}
  - {key: key4, rate_limit: {name: key4_rate_limit, unit: day, requests_per_unit: 1}}
  - key: key5
    value: value5
    rate_limit: {unit: day, requests_per_unit: 15}
    descriptors:
      - {key: subkey5, value: subvalue5, rate_limit: {unit: day, requests_per_unit: 25}}
  - {key: key6, rate_limit: {unlimited: true}}
  - {key: key7, detailed_metric: true, rate_limit: {unit: minute, requests_per_unit: 70}}
)";

std::string basic(const Entries& entries) {
  static const auto rules = rules_of(kBasic);
  return found(*rules, "test-domain", entries);
}

TEST(Match, HasNoRuleInAnUnknownDomain) { EXPECT_EQ(found(*rules_of(kBasic), "foo_domain", {{"key2", "x"}}), "none"); }
TEST(Match, HasNoRuleWithoutEntries) { EXPECT_EQ(basic({}), "none"); }
TEST(Match, HasNoRuleWhereTheFileHasNoLimit) {
  EXPECT_EQ(basic({{"key1", "something"}}), "none");
  EXPECT_EQ(basic({{"key1", "value1"}}), "none");
  EXPECT_EQ(basic({{"key2", "value3"}}), "none") << "the value is exempt";
}
TEST(Match, HasNoRuleWhereTheRequestIsDeeperThanTheFile) {
  EXPECT_EQ(basic({{"key2", "value2"}, {"subkey", "subvalue"}}), "none");
  EXPECT_EQ(basic({{"key5", "value5"}, {"subkey5", "subvalue"}}), "none");
}
TEST(Match, TakesTheValueBeforeTheKeyAlone) {
  EXPECT_EQ(basic({{"key2", "value2"}}), "envoy:{test-domain}:key2=value2 FOR ''");
  EXPECT_EQ(basic({{"key2", "something"}}), "envoy:{test-domain}:key2 FOR 'something'");
}
TEST(Match, TakesTheMostSpecificAtEachLevel) {
  EXPECT_EQ(basic({{"key1", "value1"}, {"subkey1", "something"}}),
            "envoy:{test-domain}:key1=value1|subkey1 FOR 'something'");
  EXPECT_EQ(basic({{"key1", "value1"}, {"subkey1", "subvalue1"}}),
            "envoy:{test-domain}:key1=value1|subkey1=subvalue1 FOR ''");
}
TEST(Match, FindsALimitOfALevelThatHasMoreBelow) {
  EXPECT_EQ(basic({{"key5", "value5"}}), "envoy:{test-domain}:key5=value5 FOR ''");
  EXPECT_EQ(basic({{"key5", "value5"}, {"subkey5", "subvalue5"}}),
            "envoy:{test-domain}:key5=value5|subkey5=subvalue5 FOR ''");
}
TEST(Match, KnowsUnlimited) { EXPECT_EQ(basic({{"key6", "foo"}}), "unlimited"); }
TEST(Match, KeepsTheNameOfALimit) {
  EXPECT_EQ(rules_of(kBasic)->find("test-domain", Entries{{"key4", "foo"}}).rule->limiters.front().shown.name,
            "key4_rate_limit");
}
TEST(Match, IsCaseSensitive) {
  EXPECT_EQ(basic({{"Key2", "value2"}}), "none");
  EXPECT_EQ(basic({{"key2", "Value2"}}), "envoy:{test-domain}:key2 FOR 'Value2'");
}
TEST(Match, DoesNotMixKeysWithValues) {
  // The original joins both by `_`, and takes one for the other.
  const auto rules = rules_of(
      "domain: d\ndescriptors:\n  - {key: a, value: b_c, limit: FIXED 1 1s}\n"
      "  - {key: a_b, value: c, limit: FIXED 2 1s}\n");
  EXPECT_EQ(found(*rules, "d", {{"a", "b_c"}}), "envoy:{d}:a=b_c FOR ''");
  EXPECT_EQ(found(*rules, "d", {{"a_b", "c"}}), "envoy:{d}:a_b=c FOR ''");
  EXPECT_EQ(found(*rules, "d", {{"a_b_c", ""}}), "none");
}

// --- wildcards ---------------------------------------------------------------------------------------

constexpr const char* kWildcards = R"(
domain: d
descriptors:
  - {key: wild, value: foo*, limit: FIXED 20 1m}
  - {key: noWild, value: foo, limit: FIXED 20 1m}
  - {key: midWild, value: bar*b, limit: FIXED 20 1m}
  - {key: multiWild, value: foo*bar*baz, limit: FIXED 10 1m}
  - {key: nestedWild, value: val1, descriptors: [{key: wild, value: goo*, limit: FIXED 20 1m}]}
  - {key: path, value: /api/*/action, limit: FIXED 20 1m}
  - {key: ordered, value: a*, limit: FIXED 1 1m}
  - {key: ordered, value: ab*, limit: FIXED 2 1m}
  - {key: ordered, value: abc, limit: FIXED 3 1m}
  - {key: ordered, limit: FIXED 4 1m}
)";

std::string wild(const Entries& entries) {
  static const auto rules = rules_of(kWildcards);
  return found(*rules, "d", entries);
}

TEST(Wildcard, AtTheEndTakesWhatBeginsSo) {
  EXPECT_EQ(wild({{"wild", "foo1"}}), "envoy:{d}:wild=foo* FOR 'foo1'");
  EXPECT_EQ(wild({{"wild", "foo"}}), "envoy:{d}:wild=foo* FOR 'foo'");
  EXPECT_EQ(wild({{"wild", "bar"}}), "none");
}
TEST(Wildcard, IsNeededToMatchMoreThanTheValue) { EXPECT_EQ(wild({{"noWild", "foo1"}}), "none"); }
TEST(Wildcard, InTheMiddleTakesABeginAndAnEnd) {
  EXPECT_EQ(wild({{"midWild", "barab"}}), "envoy:{d}:midWild=bar*b FOR 'barab'");
  EXPECT_EQ(wild({{"midWild", "barb"}}), "envoy:{d}:midWild=bar*b FOR 'barb'");
  EXPECT_EQ(wild({{"midWild", "bara"}}), "none");
  EXPECT_EQ(wild({{"midWild", "xbarb"}}), "none");
}
TEST(Wildcard, DoesNotUseAByteTwice) {
  EXPECT_EQ(
      found(*rules_of("domain: d\ndescriptors: [{key: k, value: ab*ba, limit: FIXED 1 1s}]\n"), "d", {{"k", "aba"}}),
      "none");
}
TEST(Wildcard, CanBeThereOften) {
  EXPECT_NE(wild({{"multiWild", "foo123bar456baz"}}), "none");
  EXPECT_NE(wild({{"multiWild", "foobarbaz"}}), "none");
  EXPECT_EQ(wild({{"multiWild", "foo123baz"}}), "none");
  EXPECT_EQ(wild({{"multiWild", "foobazbar"}}), "none");
}
TEST(Wildcard, TakesSlashesToo) {
  EXPECT_EQ(wild({{"path", "/api/123/action"}}), "envoy:{d}:path=/api/*/action FOR '/api/123/action'");
  EXPECT_EQ(wild({{"path", "/api/123/other"}}), "none");
}
TEST(Wildcard, WorksBelowTheFirstLevel) {
  EXPECT_EQ(wild({{"nestedWild", "val1"}, {"wild", "goo2"}}), "envoy:{d}:nestedWild=val1|wild=goo* FOR 'goo2'");
}
TEST(Wildcard, ComesAfterTheValueAndBeforeTheKeyAloneAndInTheOrderOfTheFile) {
  EXPECT_EQ(wild({{"ordered", "abc"}}), "envoy:{d}:ordered=abc FOR ''");
  EXPECT_EQ(wild({{"ordered", "abd"}}), "envoy:{d}:ordered=a* FOR 'abd'");
  EXPECT_EQ(wild({{"ordered", "x"}}), "envoy:{d}:ordered FOR 'x'");
}

// --- a threshold for all values ----------------------------------------------------------------------

constexpr const char* kShared = R"(
domain: d
descriptors:
  - {key: files, value: files/*, share_threshold: true, limit: FIXED 10 1h}
  - {key: own, value: files/*, share_threshold: false, limit: FIXED 10 1h}
  - key: path
    value: path/*
    share_threshold: true
    descriptors:
      - {key: file, value: file/*, descriptors: [{key: type, limit: FIXED 120 1m}]}
  - key: route
    value: api/*
    share_threshold: true
    value_to_metric: true
    descriptors: [{key: method, limit: FIXED 60 1m}]
  - key: service
    value: svc/*
    share_threshold: true
    descriptors: [{key: endpoint, detailed_metric: true, limit: FIXED 80 1m}]
  - {key: file, value: test1, limit: FIXED 50 1m}
  - {key: file, value: test*, share_threshold: true, limit: FIXED 100 1m}
)";

std::string shared(const Entries& entries) {
  static const auto rules = rules_of(kShared);
  return found(*rules, "d", entries);
}
std::string shared_metric(const Entries& entries) { return rules_of(kShared)->find("d", entries).metric; }

TEST(SharedThreshold, IsOneSubjectForAllValues) {
  EXPECT_EQ(shared({{"files", "files/a.pdf"}}), "envoy:{d}:files=files/* FOR ''");
  EXPECT_EQ(shared({{"files", "files/b.csv"}}), "envoy:{d}:files=files/* FOR ''");
  EXPECT_EQ(shared({{"own", "files/a.pdf"}}), "envoy:{d}:own=files/* FOR 'files/a.pdf'");
}
TEST(SharedThreshold, LeavesTheOtherLevelsApart) {
  EXPECT_EQ(shared({{"path", "path/1"}, {"file", "file/x"}, {"type", "pdf"}}),
            "envoy:{d}:path=path/*|file=file/*|type FOR 'file/x|pdf'");
}
TEST(SharedThreshold, ComesAfterAnExplicitValue) {
  EXPECT_EQ(shared({{"file", "test1"}}), "envoy:{d}:file=test1 FOR ''");
  EXPECT_EQ(shared({{"file", "test2"}}), "envoy:{d}:file=test* FOR ''");
}
TEST(SharedThreshold, IsSeenInMetricsAsItsWildcard) {
  EXPECT_EQ(shared_metric({{"route", "api/v1"}, {"method", "GET"}}), "d.route_api/*.method");
  EXPECT_EQ(shared_metric({{"service", "svc/a"}, {"endpoint", "get"}}), "d.service_svc/*.endpoint_get");
}

// --- names for metrics -------------------------------------------------------------------------------

TEST(Metric, IsTheRulesNameUnlessValuesAreWanted) {
  EXPECT_EQ(rules_of(kBasic)->find("test-domain", Entries{{"key2", "x"}}).metric, "test-domain.key2");
  EXPECT_EQ(rules_of(kBasic)->find("test-domain", Entries{{"key2", "value2"}}).metric, "test-domain.key2_value2");
  EXPECT_EQ(rules_of(kWildcards)->find("d", Entries{{"wild", "foo1"}}).metric, "d.wild_foo*");
}
TEST(Metric, HasAllValuesIfDetailed) {
  EXPECT_EQ(rules_of(kBasic)->find("test-domain", Entries{{"key7", "unspecified"}}).metric,
            "test-domain.key7_unspecified");
}
TEST(Metric, HasTheValuesThatTheFileWants) {
  const auto rules = rules_of(R"(
domain: example10
descriptors:
  - key: route
    value_to_metric: true
    descriptors:
      - key: http_method
        value_to_metric: true
        descriptors: [{key: subject_id, rate_limit: {unit: minute, requests_per_unit: 60}}]
  - key: user
    value_to_metric: true
    descriptors:
      - {key: action, value: read*, value_to_metric: true, descriptors: [{key: resource, limit: FIXED 100 1m}]}
)");
  const Entries first{{"route", "api"}, {"http_method", "GET"}, {"subject_id", "123"}};
  EXPECT_EQ(rules->find("example10", first).metric, "example10.route_api.http_method_GET.subject_id");
  const Entries second{{"user", "alice"}, {"action", "readfile"}, {"resource", "documents"}};
  EXPECT_EQ(rules->find("example10", second).metric, "example10.user_alice.action_readfile.resource");
}

// --- names of keys and subjects ----------------------------------------------------------------------

TEST(Names, KeepADomainInOneSlot) {
  const auto rules = rules_of("domain: 'a}b{c'\ndescriptors: [{key: 'k{x}', limit: FIXED 1 1s}]\n");
  EXPECT_EQ(rules->limiters().front()->name, "envoy:{a%7db%7bc}:k%7bx%7d");
}
TEST(Names, AreDifferentForDifferentRules) {
  const auto rules = rules_of(R"(
domain: d
descriptors:
  - {key: 'a=b', limit: FIXED 1 1s}
  - {key: a, value: b, limit: FIXED 1 1s}
  - {key: 'a|b', limit: FIXED 1 1s}
  - {key: a, limit: FIXED 1 1s AS x FIXED 2 1s AS y, descriptors: [{key: b, limit: FIXED 1 1s}]}
  - {key: 'a#x', limit: FIXED 1 1s}
  - {key: 'a%7cb', limit: FIXED 1 1s}
)");
  std::vector<std::string> names;
  for (const Limiter* limiter : rules->limiters()) names.push_back(limiter->name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  EXPECT_EQ(names.size(), 8U);
}
TEST(Names, OfSubjectsAreDifferentForDifferentValues) {
  const auto name = [](std::initializer_list<std::string_view> values) {
    SubjectName subject;
    for (const std::string_view value : values) subject.add(value);
    return subject.take();
  };
  EXPECT_EQ(name({"a", "b"}), "a|b");
  EXPECT_EQ(name({"a|b", ""}), "a%7cb|");
  EXPECT_NE(name({"a|", "b"}), name({"a", "|b"}));
  EXPECT_NE(name({"%7c"}), name({"|"}));
  EXPECT_EQ(name({std::string_view("\0\r\n ", 4)}), "%00%0d%0a%20");
  EXPECT_EQ(name({"é"}), "é");
}
TEST(Names, OfSubjectsAreBounded) {
  const auto name = [](std::string_view value) {
    SubjectName subject;
    subject.add(value);
    return subject.take();
  };
  EXPECT_EQ(name(std::string(1024, 'x')).size(), 1024U);
  const std::string one = name(std::string(100'000, 'x'));
  const std::string other = name(std::string(100'000, 'x') + "y");
  EXPECT_EQ(one.size(), 66U);
  EXPECT_NE(one, other);
  EXPECT_NE(name(one), one) << "a value cannot pretend to be a hash";
}
TEST(Names, OfLimitsThatCameWithARequestAreNoNamesOfRules) {
  const std::vector<Entry> entries{{"a", "1"}, {"b", "2"}};
  EXPECT_EQ(override_key("envoy:", "d", {9, Unit::minute}, entries), "envoy:{d}!minute:a|b|");
  EXPECT_EQ(override_key("envoy:", "d", {9, Unit::minute, 10}, entries), "envoy:{d}!10minute:a|b|");
  const std::vector<Entry> many(1000, Entry{"key", "value"});
  EXPECT_LT(override_key("envoy:", "d", {9, Unit::minute}, many).size(), 100U);
}
TEST(Names, OfUnitsAreReadInAnyCase) {
  EXPECT_EQ(unit_of("MINUTE"), Unit::minute);
  EXPECT_EQ(unit_of("Week"), Unit::week);
  EXPECT_EQ(unit_of(""), Unit::unknown);
  EXPECT_EQ(unit_of("unknown"), Unit::unknown);
}
TEST(Rules, AreShownALineEach) {
  EXPECT_EQ(rules_of("domain: d\ndescriptors:\n  - {key: a, rate_limit: {unit: second, requests_per_unit: 5}, "
                     "shadow_mode: true}\n  - {key: b, rate_limit: {unlimited: true}}\n"
                     "  - {key: c, limit: TOKENBUCKET 20 10 1s, quota_mode: true}\n")
                ->dump(),
            "d.a: unit=second requests_per_unit=5, limit=FIXED 5 1s ALIGNED, shadow_mode: true, quota_mode: false\n"
            "d.b: unlimited, shadow_mode: false, quota_mode: false\n"
            "d.c: limit=TOKENBUCKET 20 10 1s, shadow_mode: false, quota_mode: true\n");
}
TEST(Rules, SayWhichLimitersAreGone) {
  const auto before = rules_of("domain: d\ndescriptors: [{key: a, limit: FIXED 1 1s}, {key: b, limit: FIXED 1 1s}]\n");
  const auto now = rules_of("domain: d\ndescriptors: [{key: b, limit: FIXED 2 1s}, {key: c, limit: FIXED 1 1s}]\n");
  EXPECT_EQ(dropped_limiters(*before, *now), std::vector<std::string>{"envoy:{d}:a"});
}
TEST(Rules, ThatAreNotReadYetMatchNothing) {
  EXPECT_TRUE(Rules().is_empty());
  EXPECT_EQ(Rules().find("d", Entries{{"a", "b"}}).rule, nullptr);
}

}  // namespace
}  // namespace ratelimit::service::envoy
