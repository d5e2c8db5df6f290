// SPDX-License-Identifier: MIT
// Random rules and descriptors, against a second way to find a rule: a list that is searched from its begin, as the original's
// README tells it.
#include <algorithm>
#include <map>
#include <random>
#include <regex>
#include <set>

#include "support.h"

namespace ratelimit::service::envoy {
namespace {

struct Written {
  std::string key;
  std::string value;
  bool has_limit = false;
  bool shares = false;
  std::vector<Written> below{};
};

class Writer {
 public:
  explicit Writer(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t end) { return random_() % end; }
  std::string one_of(std::initializer_list<const char*> texts) { return texts.begin()[below(texts.size())]; }

  std::vector<Written> level(int depth) {
    std::vector<Written> written;
    for (std::size_t i = 0; i < 4; ++i) {
      Written one{.key = one_of({"a", "b"}), .value = one_of({"", "x", "y", "x*", "*y", "x*z*y", "*"})};
      const bool is_there = std::any_of(written.begin(), written.end(), [&](const Written& other) {
        return other.key == one.key && other.value == one.value;
      });
      if (is_there) continue;
      one.has_limit = below(3) != 0;
      one.shares = one.value.find('*') != std::string::npos && below(2) == 0;
      if (depth < 3 && below(2) == 0) one.below = level(depth + 1);
      written.push_back(std::move(one));
    }
    return written;
  }

 private:
  std::mt19937 random_;
};

std::string yaml_of(const std::vector<Written>& level, const std::string& blanks) {
  std::string yaml = blanks + "descriptors:\n";
  for (const Written& one : level) {
    yaml += blanks + "  - key: " + one.key + "\n";
    if (!one.value.empty()) yaml += blanks + "    value: '" + one.value + "'\n";
    if (one.shares) yaml += blanks + "    share_threshold: true\n";
    if (one.has_limit) yaml += blanks + "    limit: FIXED 1 1s\n";
    if (!one.below.empty()) yaml += yaml_of(one.below, blanks + "    ");
  }
  return yaml;
}

bool fits(const std::string& pattern, const std::string& value) {
  return std::regex_match(value, std::regex(std::regex_replace(pattern, std::regex("\\*"), ".*")));
}

const Written* found_in(const std::vector<Written>& level, const Entry& entry) {
  for (const Written& one : level) {
    if (one.key == entry.key && !one.value.empty() && one.value == entry.value) return &one;
  }
  for (const Written& one : level) {
    const bool is_wildcard = one.value.find('*') != std::string::npos;
    if (one.key == entry.key && is_wildcard && fits(one.value, entry.value)) return &one;
  }
  for (const Written& one : level) {
    if (one.key == entry.key && one.value.empty()) return &one;
  }
  return nullptr;
}

/// The full key of the rule and the open values, or nothing.
std::string expected(const std::vector<Written>& top, const std::vector<Entry>& entries) {
  const std::vector<Written>* level = &top;
  std::string key = "d";
  std::string open;
  const Written* one = nullptr;
  for (const Entry& entry : entries) {
    one = found_in(*level, entry);
    if (one == nullptr) return "nothing";
    key += "." + one->key + (one->value.empty() ? "" : "_" + one->value);
    const bool is_wildcard = one->value.find('*') != std::string::npos;
    if (one->value.empty() || (is_wildcard && !one->shares)) open += "<" + entry.value + ">";
    level = &one->below;
  }
  return one != nullptr && one->has_limit ? key + " " + open : "nothing";
}

TEST(MatchOracle, FindsTheSameRulesAndTellsTheSameSubjectsApart) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    Writer writer(seed);
    const std::vector<Written> top = writer.level(1);
    const auto rules = rules_of("domain: d\n" + yaml_of(top, ""));
    std::map<std::string, std::string> subjects;  ///< by what is expected
    for (int i = 0; i < 100; ++i) {
      std::vector<Entry> entries;
      for (std::size_t count = writer.below(4); count > 0; --count) {
        entries.push_back(
            {writer.one_of({"a", "b", "c"}), writer.one_of({"", "x", "y", "xy", "xzy", "x|y", "z", "x*"})});
      }
      const std::string wanted = expected(top, entries);
      const Match match = rules->find("d", entries);
      ASSERT_EQ(match.rule == nullptr ? "nothing" : match.rule->full_key, wanted.substr(0, wanted.find(' ')))
          << "seed " << seed;
      if (match.rule == nullptr) continue;
      const std::string named = match.rule->limiters.front().name + " " + match.subject;
      ASSERT_EQ(subjects.try_emplace(wanted, named).first->second, named) << "seed " << seed;
    }
    std::set<std::string> different;
    for (const auto& [wanted, named] : subjects) different.insert(named);
    ASSERT_EQ(different.size(), subjects.size()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ratelimit::service::envoy
