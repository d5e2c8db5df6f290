// SPDX-License-Identifier: MIT
// Which files of rules are read, and how wrong ones are refused: with the original's words where it has some, and with a line.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "support.h"
#include "zones.h"

namespace ratelimit::service::envoy {
namespace {

std::string with(std::string_view descriptor) {
  return "domain: d\ndescriptors:\n  - key: k\n" + std::string(descriptor);
}

TEST(RulesReader, TakesADomainWithoutDescriptors) { EXPECT_EQ(faults_of("domain: d\n"), ""); }

TEST(RulesReader, RefusesAMisspelledBlockWithItsLine) {
  EXPECT_EQ(faults_of(with("    ratelimit:\n      unit: day\n      requests_per_unit: 5\n")),
            "rules.yaml:4: config error, unknown key 'ratelimit'");
}
TEST(RulesReader, RefusesAMisspelledKeyOfALimitWithItsLine) {
  EXPECT_EQ(faults_of(with("    rate_limit:\n      unit: day\n      requestsperunit: 5\n")),
            "rules.yaml:6: config error, unknown key 'requestsperunit'");
}
TEST(RulesReader, RefusesAKeyThatIsKnownInAnotherPlaceOnly) {
  EXPECT_EQ(faults_of(with("    unit: day\n")), "rules.yaml:4: config error, unknown key 'unit'");
  EXPECT_EQ(faults_of("domain: d\nshadow_mode: true\n"), "rules.yaml:2: config error, unknown key 'shadow_mode'");
}
TEST(RulesReader, RefusesAKeyThatIsThereTwice) {
  EXPECT_EQ(faults_of("domain: d\ndomain: e\n"), "rules.yaml:2: the key 'domain' is there twice");
}
TEST(RulesReader, RefusesAKeyThatIsNoText) {
  EXPECT_EQ(faults_of("[a]: d\n"), "rules.yaml:1: config error, key is not of type string");
  EXPECT_EQ(faults_of("0.25: d\n"), "rules.yaml:1: config error, unknown key '0.25'");
}
TEST(RulesReader, RefusesAListOfOtherThanMaps) {
  EXPECT_EQ(faults_of("domain: d\ndescriptors:\n  - a\n  - b\n"),
            "rules.yaml:3: config error, yaml file contains list of type other than map\n"
            "rules.yaml:4: config error, yaml file contains list of type other than map");
}
TEST(RulesReader, RefusesAnEmptyDomain) {
  EXPECT_EQ(faults_of(""), "rules.yaml: config file cannot have empty domain");
  EXPECT_EQ(faults_of("descriptors:\n  - key: k\n"), "rules.yaml:1: config file cannot have empty domain");
  EXPECT_EQ(faults_of("domain: ''\n"), "rules.yaml:1: config file cannot have empty domain");
}
TEST(RulesReader, RefusesAnEmptyKey) {
  EXPECT_EQ(faults_of("domain: d\ndescriptors:\n  - value: v\n"), "rules.yaml:3: descriptor has empty key");
  EXPECT_EQ(faults_of("domain: d\ndescriptors:\n  - key:\n"), "rules.yaml:3: descriptor has empty key");
}
TEST(RulesReader, RefusesTheSameEntryTwice) {
  EXPECT_EQ(faults_of(with("    value: v\n  - key: k\n    value: v\n")),
            "rules.yaml:5: duplicate descriptor composite key 'd.k_v'");
  EXPECT_EQ(faults_of(with("  - key: k\n")), "rules.yaml:4: duplicate descriptor composite key 'd.k'");
}
TEST(RulesReader, TakesTheSameEntryAtDifferentLevels) {
  EXPECT_EQ(faults_of(with("    descriptors:\n      - key: k\n")), "");
}
TEST(RulesReader, RefusesADomainThatAnotherFileHas) {
  EXPECT_EQ(faults_of({{"a.yaml", "domain: d\n"}, {"b.yaml", "domain: d\n"}}),
            "b.yaml:1: duplicate domain 'd' in config file");
}
TEST(RulesReader, MergesDomainsIfToldTo) {
  const std::vector<RuleText> texts{{"a.yaml", "domain: d\ndescriptors: [{key: a}]\n"},
                                    {"b.yaml", "domain: d\ndescriptors: [{key: b}]\n"}};
  EXPECT_EQ(faults_of(texts, {.merges_domains = true}), "");
  const std::vector<RuleText> same{{"a.yaml", "domain: d\ndescriptors: [{key: a}]\n"},
                                   {"b.yaml", "domain: d\ndescriptors: [{key: a}]\n"}};
  EXPECT_EQ(faults_of(same, {.merges_domains = true}), "b.yaml:2: duplicate descriptor composite key 'd.a'");
}
TEST(RulesReader, RefusesAnUnknownUnit) {
  EXPECT_EQ(faults_of(with("    rate_limit:\n      unit: foo\n      requests_per_unit: 5\n")),
            "rules.yaml:5: invalid rate limit unit 'foo'");
  EXPECT_EQ(faults_of(with("    rate_limit:\n      unit: unknown\n      requests_per_unit: 5\n")),
            "rules.yaml:5: invalid rate limit unit 'unknown'");
  EXPECT_EQ(faults_of(with("    rate_limit:\n      requests_per_unit: 5\n")),
            "rules.yaml:5: invalid rate limit unit ''");
}
TEST(RulesReader, RefusesALimitWithoutANumber) {
  EXPECT_EQ(faults_of(with("    rate_limit:\n      unit: day\n")), "rules.yaml:5: requests_per_unit is missing");
}
TEST(RulesReader, RefusesNumbersThatAreNone) {
  for (const char* number : {"-1", "4294967296", "ten", "1.5", "[1]", "0x10"}) {
    EXPECT_EQ(faults_of(with("    rate_limit:\n      unit: day\n      requests_per_unit: " + std::string(number))),
              "rules.yaml:6: 'requests_per_unit' must be an integer from 0 to 4294967295");
  }
}
TEST(RulesReader, RefusesAUnitBesideUnlimited) {
  EXPECT_EQ(faults_of(with("    rate_limit:\n      unlimited: true\n      unit: day\n      requests_per_unit: 25\n")),
            "rules.yaml:6: should not specify rate limit unit when unlimited");
}
TEST(RulesReader, RefusesFlagsThatAreNeitherTrueNorFalse) {
  EXPECT_EQ(faults_of(with("    shadow_mode: perhaps\n")), "rules.yaml:4: 'shadow_mode' must be true or false");
  EXPECT_EQ(faults_of(with("    quota_mode: 'true'\n")), "rules.yaml:4: 'quota_mode' must be true or false");
  EXPECT_EQ(faults_of(with("    detailed_metric: no\n    value_to_metric: on\n")), "");
}
TEST(RulesReader, RefusesEmptyReplaces) {
  EXPECT_EQ(faults_of(with("    rate_limit:\n      replaces:\n        - name:\n      unit: day\n"
                           "      requests_per_unit: 1\n")),
            "rules.yaml:6: should not have an empty replaces entry");
}
TEST(RulesReader, RefusesARuleThatReplacesItself) {
  EXPECT_EQ(faults_of(with("    rate_limit:\n      name: self\n      replaces:\n        - name: self\n"
                           "      unit: second\n      requests_per_unit: 5\n")),
            "rules.yaml:7: replaces should not contain name of same descriptor");
}
TEST(RulesReader, RefusesASharedThresholdWithoutAWildcard) {
  EXPECT_EQ(faults_of(with("    value: v\n    share_threshold: true\n")),
            "rules.yaml:5: share_threshold can only be used with wildcard values (containing '*')");
  EXPECT_EQ(faults_of(with("    share_threshold: true\n")),
            "rules.yaml:4: share_threshold can only be used with wildcard values (containing '*')");
}
TEST(RulesReader, RefusesAWildcardInAKey) {
  EXPECT_EQ(faults_of("domain: d\ndescriptors:\n  - key: k*\n"),
            "rules.yaml:3: a key has no wildcards: '*' can stand in its value only");
}
TEST(RulesReader, SaysWhereTheYamlIsBroken) {
  const std::string fault = faults_of("domain: d\ndescriptors: [\n  - key: k\n");
  EXPECT_TRUE(fault.starts_with("rules.yaml:3: error loading config file: ")) << fault;
}
TEST(RulesReader, TellsAllFaultsAtOnce) {
  EXPECT_EQ(faults_of(with("    foo: 1\n  - key: a\n    bar: 2\n")),
            "rules.yaml:4: config error, unknown key 'foo'\nrules.yaml:6: config error, unknown key 'bar'");
}
TEST(RulesReader, TellsTwentyFaultsAtMost) {
  std::string yaml = "domain: d\ndescriptors:\n";
  for (int i = 0; i < 100; ++i) yaml += "  - value: v\n";
  const std::string faults = faults_of(yaml);
  EXPECT_EQ(std::count(faults.begin(), faults.end(), '\n'), 19);
}
TEST(RulesReader, ShowsNamesOfTheFileShortAndOnOneLine) {
  const std::string fault = faults_of("\"a\\nb" + std::string(100, 'x') + "\": 1\n");
  EXPECT_EQ(fault.find("\n"), std::string::npos);
  EXPECT_LT(fault.size(), 140U);
}
TEST(RulesReader, RefusesASecondDocument) {
  EXPECT_EQ(faults_of("domain: a\n---\ndomain: b\n"), "rules.yaml:2: a file has one document of YAML");
}
TEST(RulesReader, TakesADocumentWithItsMark) { EXPECT_EQ(faults_of("# rules\n---\ndomain: a\n"), ""); }
TEST(RulesReader, EndsWithWhatIsNoDocument) {
  EXPECT_EQ(faults_of(",domain: d\n"), "rules.yaml:1: a file has one document of YAML");
}
TEST(RulesReader, TakesAliases) {
  EXPECT_EQ(limiters_text(*rules_of("domain: d\ndescriptors:\n"
                                    "  - {key: a, rate_limit: &daily {unit: day, requests_per_unit: 5}}\n"
                                    "  - {key: b, rate_limit: *daily}\n")),
            "envoy:{d}:a FIXED 5 1d ALIGNED\nenvoy:{d}:b FIXED 5 1d ALIGNED");
}
TEST(RulesReader, EndsWithAFileThatContainsItself) {
  EXPECT_EQ(faults_of("domain: d\ndescriptors: &all\n  - key: k\n    descriptors: *all\n"),
            "rules.yaml:3: descriptors are nested too deeply");
}
TEST(RulesReader, EndsWithAFileThatRepeatsItselfVeryOften) {
  std::string yaml =
      "domain: d\ndescriptors:\n  - key: k\n    metadata:\n      a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    yaml += "      a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) yaml += before + ", ";
    yaml += "]\n";
  }
  EXPECT_NE(faults_of(yaml).find("the file repeats itself too often"), std::string::npos);
}
TEST(RulesReader, RefusesAHugeFile) {
  EXPECT_EQ(faults_of("domain: d\n#" + std::string(1U << 20U, 'x')), "rules.yaml: the file is larger than 1 MiB");
}
TEST(RulesReader, RefusesNamesThatBecomeTooLong) {
  EXPECT_EQ(faults_of("domain: d\ndescriptors:\n  - key: " + std::string(600, 'k') + "\n"),
            "rules.yaml:3: the keys and values down to here are too long");
}
TEST(RulesReader, RefusesALongDomain) {
  EXPECT_EQ(faults_of("domain: " + std::string(257, 'd') + "\n"), "rules.yaml:1: the domain is too long");
}
TEST(RulesReader, RefusesAPrefixThatWouldBeAHashTag) {
  EXPECT_EQ(faults_of("domain: d\n", {.prefix = "{x}"}), "the prefix of keys must not have braces");
}
TEST(RulesReader, TakesNumbersAndTruthsAsValues) {
  const auto rules = rules_of(
      "domain: d\ndescriptors:\n  - {key: code, value: 404, limit: FIXED 1 1s}\n"
      "  - {key: internal, value: true, limit: FIXED 1 1s}\n");
  EXPECT_NE(rules->find("d", std::vector<Entry>{{"code", "404"}}).rule, nullptr);
  EXPECT_NE(rules->find("d", std::vector<Entry>{{"internal", "true"}}).rule, nullptr);
}

// --- our own limits ----------------------------------------------------------------------------------

TEST(RulesReader, TakesAnyLimitOfOurs) {
  EXPECT_EQ(limiters_text(*rules_of(with("    limit: TOKENBUCKET 20 10 1s\n"))), "envoy:{d}:k TOKENBUCKET 20 10 1s");
  EXPECT_EQ(limiters_text(*rules_of(with("    rate_limit: {name: n, limit: SLIDING 5 1m}\n"))),
            "envoy:{d}:k SLIDING 5 1m");
}
TEST(RulesReader, TakesSeveralLimitsAsOneTextOrAList) {
  const std::string both = "envoy:{d}:k#burst TOKENBUCKET 20 10 1s AS burst\nenvoy:{d}:k#quota QUOTA 1000 MONTH";
  EXPECT_EQ(limiters_text(*rules_of(with("    limit: TOKENBUCKET 20 10 1s AS burst QUOTA 1000 MONTH\n"))), both);
  EXPECT_EQ(limiters_text(*rules_of(with("    limit: [TOKENBUCKET 20 10 1s AS burst, QUOTA 1000 MONTH]\n"))), both);
}
TEST(RulesReader, SaysWhatIsWrongWithALimitOfOurs) {
  EXPECT_TRUE(faults_of(with("    limit: TOKENBUCKET 20\n")).starts_with("rules.yaml:4: ")) << "the line is said";
  EXPECT_EQ(faults_of(with("    limit: [[FIXED 1 1s]]\n")),
            "rules.yaml:4: a limit must be a text, such as TOKENBUCKET 20 10 1s");
  EXPECT_NE(faults_of(with("    limit: []\n")), "");
}
TEST(RulesReader, RefusesLimitsThatTheProtocolCannotKeep) {
  EXPECT_EQ(faults_of(with("    limit: CONCURRENT 5 1m\n")),
            "rules.yaml:4: CONCURRENT needs a release, and Envoy's protocol has none");
  EXPECT_EQ(faults_of(with("    limit: LEAKYBUCKET 5 1 1s\n")),
            "rules.yaml:4: LEAKYBUCKET tells calls to wait, and Envoy cannot");
}
TEST(RulesReader, RefusesTwoLimitsOfDifferentKinds) {
  EXPECT_EQ(faults_of(with("    limit: FIXED 1 1s\n    rate_limit: {unit: day, requests_per_unit: 1}\n")),
            "rules.yaml:4: there can be rate_limit or limit, not both");
  EXPECT_EQ(faults_of(with("    rate_limit: {unit: day, requests_per_unit: 1, limit: FIXED 1 1s}\n")),
            "rules.yaml:4: limit can have neither unit, nor requests_per_unit, nor unlimited beside it");
}

// --- files -------------------------------------------------------------------------------------------

class RuleFiles : public testing::Test {
 protected:
  RuleFiles() { std::filesystem::create_directories(folder_); }
  ~RuleFiles() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, std::string_view text) const { std::ofstream(folder_ / name) << text; }
  [[nodiscard]] ReadRules read() const { return read_rules(std::array{folder_}); }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("envoy-rules-" + std::to_string(::getpid()));
};

TEST_F(RuleFiles, AFolderIsAllItsFilesOfYaml) {
  write("b.yaml", "domain: b\n");
  write("a.yml", "domain: a\n");
  write("notes.txt", "no rules\n");
  write(".hidden.yaml", "no rules\n");
  const ReadRules read = this->read();
  ASSERT_TRUE(std::holds_alternative<Rules>(read));
  EXPECT_TRUE(std::get<Rules>(read).has_domain("a"));
  EXPECT_TRUE(std::get<Rules>(read).has_domain("b"));
}
TEST_F(RuleFiles, AFaultNamesItsFile) {
  write("a.yaml", "domain: a\nfoo: 1\n");
  const ReadRules read = this->read();
  ASSERT_TRUE(std::holds_alternative<std::vector<RuleFault>>(read));
  EXPECT_EQ(text_of(std::get<std::vector<RuleFault>>(read).front()),
            (folder_ / "a.yaml").string() + ":2: config error, unknown key 'foo'");
}
TEST(RuleFile, ThatIsTheExampleIsRead) {
  const ReadRules read = read_rules(std::array{std::filesystem::path(EXAMPLE_RULES)}, {.find_zone = system_zone});
  ASSERT_TRUE(std::holds_alternative<Rules>(read));
  EXPECT_EQ(std::get<Rules>(read).limiters().size(), 6U);
}
TEST_F(RuleFiles, AFileThatIsNotThereIsAFault) {
  const ReadRules read = read_rules(std::array{folder_ / "none.yaml"});
  ASSERT_TRUE(std::holds_alternative<std::vector<RuleFault>>(read));
  EXPECT_EQ(std::get<std::vector<RuleFault>>(read).front().text, "the file cannot be read");
}

}  // namespace
}  // namespace ratelimit::service::envoy
