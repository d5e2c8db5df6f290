// SPDX-License-Identifier: MIT
// The C++ client reads the limits of a policy from text as RL.CHECK reads its own, behind a cache of known ones: both take
// and refuse the same texts, take them for the same limits, and say the same of what is wrong.
#include "ratelimit/client/policy_text.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commands/forms.h"
#include "commands/requests.h"
#include "ratelimit/grammar/error_text.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/limits.h"
#include "server/zones.h"

namespace ratelimit {
namespace {

/// What the module says of limits: a sentence, or nothing.
std::string error_of_module(const std::vector<std::string_view>& limits, CheckRequest& request) {
  std::vector<std::string_view> words{"RL.CHECK", "key"};
  words.insert(words.end(), limits.begin(), limits.end());
  if (const auto fault = parse_check(words, forms::kCheck.options, request)) return sentence(*fault);
  return Limits::make(request.limits.span()) ? "" : sentence({Fault::Kind::repeated_label});
}

/// RL.CHECK may go on with more than limits, and counts its key.
bool is_said_alike(std::string_view module, std::string_view client) {
  constexpr std::string_view kSyntax = "syntax error at argument ";
  return module.starts_with(kSyntax) ? client.starts_with(kSyntax) : module == client;
}

class RandomLimits {
 public:
  explicit RandomLimits(unsigned seed) : random_(seed) {}

  std::vector<std::string_view> next() {
    std::vector<std::string_view> words;
    const std::size_t limits = 1 + below(below(20) == 0 ? 10 : 3);
    for (std::size_t i = 0; i < limits; ++i) add_limit(words);
    if (below(4) == 0 && !words.empty()) words[below(words.size())] = any();
    if (below(6) == 0) words.pop_back();
    return words;
  }

 private:
  std::size_t below(std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_); }
  std::string_view one_of(std::span<const std::string_view> words) { return words[below(words.size())]; }
  /// Mostly one of the first ones, which are right nearly everywhere.
  std::string_view mostly_of(std::span<const std::string_view> words) {
    return one_of(below(12) == 0 ? words : words.first(3));
  }
  /// Mostly one that the algorithm has.
  std::string_view option_of(std::size_t algorithm) {
    if (below(10) == 0) return one_of(kOptions);
    if (below(2) == 0) return below(2) == 0 ? "AS" : "per";
    if (algorithm == 6) return below(2) == 0 ? "ANCHOR" : "TZ";
    return algorithm == 3 ? "ALIGNED" : algorithm == 4 || algorithm == 5 ? "approx" : "AS";
  }

  void add_limit(std::vector<std::string_view>& words) {
    const std::size_t algorithm = below(kAlgorithmWords.size());
    words.push_back(kAlgorithmWords[algorithm]);
    words.push_back(mostly_of(kNumbers));
    if (algorithm < 3) words.push_back(mostly_of(kNumbers));
    words.push_back(mostly_of(algorithm == 6 ? std::span<const std::string_view>(kUnits) : kSpans));
    for (std::size_t options = below(3); options > 0; --options) {
      const std::string_view option = option_of(algorithm);
      words.push_back(option);
      if (option == "AS") words.push_back(mostly_of(kLabels));
      if (option == "TZ") words.push_back(mostly_of(kZones));
      if (option == "ANCHOR") words.push_back(mostly_of(kDates));
      if (option == "per" && below(10) > 0) words.push_back("Request");
    }
  }

  std::string_view any() {
    const std::array<std::span<const std::string_view>, 8> all{kAlgorithmWords, kNumbers, kSpans, kUnits,
                                                               kOptions,        kLabels,  kZones, kDates};
    return one_of(all[below(all.size())]);
  }

  static constexpr std::array<std::string_view, 8> kAlgorithmWords{
      "TOKENBUCKET", "tokenbucket", "LEAKYBUCKET", "FIXED", "SLIDING", "Sliding", "QUOTA", "CONCURRENT"};
  static constexpr std::array<std::string_view, 14> kNumbers{"20",
                                                             "1000",
                                                             "7",
                                                             "0",
                                                             "1",
                                                             "4294967295",
                                                             "4294967296",
                                                             "9007199254740991",
                                                             "9007199254740992",
                                                             "9223372036854775808",
                                                             "-1",
                                                             "007",
                                                             "+1",
                                                             "ten"};
  static constexpr std::array<std::string_view, 16> kSpans{
      "1s", "60", "2h", "1m", "1d", "0", "1ms", "3650d", "3651d", "1.5s", "10S", "-1s", "ms", "315360000000ms",
      "s",  "1w"};
  static constexpr std::array<std::string_view, 8> kUnits{"HOUR",    "day",  "WEEK",   "Month",
                                                          "QUARTER", "YEAR", "DECADE", "1d"};
  static constexpr std::array<std::string_view, 7> kOptions{"ALIGNED", "approx", "ANCHOR",  "TZ",
                                                            "AS",      "per",    "SHADOWED"};
  static constexpr std::array<std::string_view, 6> kLabels{"burst",       "daily", "ALIGNED",
                                                           "with\"quote", "a\\b",  "with\x7f"};
  static constexpr std::array<std::string_view, 5> kZones{"Europe/Berlin", "UTC", "Etc/UTC", "Atlantis/Here", "berlin"};
  static constexpr std::array<std::string_view, 6> kDates{"2026-01-31", "2026-01-31T06:00", "1970-01-01",
                                                          "2026-02-30", "2200-01-01",       "2026-01-31t06:00"};

  std::mt19937 random_;
};

TEST(PolicyText, IsReadByTheClientAsTheModuleReadsLimits) {
  const char* given = std::getenv("RATELIMIT_TEST_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : 20240229;
  RandomLimits random(seed);
  const client::ZoneFinder zones = [](std::string_view name) { return find_zone(name); };
  int taken = 0;
  for (int step = 0; step < 50'000; ++step) {
    const std::vector<std::string_view> words = random.next();
    std::string text;
    for (const std::string_view word : words) text.append(word).append(" ");
    CheckRequest request;
    const std::string error = error_of_module(words, request);
    const client::ParsedPolicy parsed = client::parse_policy(text, zones);
    ASSERT_EQ(parsed.policy.has_value(), error.empty())
        << text << "| " << error << " | " << parsed.error << " seed " << seed;
    ASSERT_TRUE(is_said_alike(error, parsed.error))
        << text << "| " << error << " | " << parsed.error << " seed " << seed;
    if (!parsed.policy) continue;
    ++taken;
    ASSERT_TRUE(parsed.policy->limits()->matches(request.limits.span())) << text;
  }
  EXPECT_GT(taken, 3000) << "most of the random texts are wrong, but not nearly all";
}

}  // namespace
}  // namespace ratelimit
