// SPDX-License-Identifier: MIT
#include "ratelimit/http/http_fields.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "random.h"
#include "ratelimit/limit.h"

namespace ratelimit::tests {
namespace {

using LimitStatuses = std::vector<LimitStatus>;

// The longest span that a limit ever answers: in use, and in debt, for a full span each.
constexpr Span kLongest = 2 * kMaxSpan;

/// An item of a list: a string with parameters, which are integers or strings.
struct Item {
  std::string value;
  std::map<std::string, std::int64_t> integers{};
  std::map<std::string, std::string> strings{};

  friend bool operator==(const Item&, const Item&) = default;
};

/// Reads as much of structured fields (RFC 9651, 4.2) as the fields here may use, and nothing beyond it.
class StructuredField {
 public:
  explicit StructuredField(std::string_view text) : text_(text) {}

  /// None if the text is not a list of strings with parameters.
  [[nodiscard]] std::optional<std::vector<Item>> list() {
    std::vector<Item> items;
    do {
      skip_spaces();
      Item item;
      if (!take_string(item.value) || !take_parameters(item)) return std::nullopt;
      items.push_back(item);
      skip_spaces();
    } while (take(','));
    return text_.empty() ? std::optional(items) : std::nullopt;
  }

 private:
  void skip_spaces() {
    while (take(' ') || take('\t')) {
    }
  }

  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool take_string(std::string& string) {
    if (!take('"')) return false;
    while (!text_.empty() && text_.front() != '"') {
      const bool is_escaped = take('\\');
      if (text_.empty() || text_.front() < ' ' || text_.front() > '~') return false;
      if (is_escaped && text_.front() != '"' && text_.front() != '\\') return false;
      string += text_.front();
      text_.remove_prefix(1);
    }
    return take('"');
  }

  bool take_integer(std::int64_t& integer) {
    std::string digits;
    if (take('-')) digits = "-";
    while (!text_.empty() && std::isdigit(static_cast<unsigned char>(text_.front())) != 0) {
      digits += text_.front();
      text_.remove_prefix(1);
    }
    const std::size_t count = digits.size() - (digits.starts_with('-') ? 1 : 0);
    if (count == 0 || count > 15) return false;
    integer = std::stoll(digits);
    return true;
  }

  bool take_parameters(Item& item) {
    while (take(';')) {
      std::string key;
      while (!text_.empty() && std::islower(static_cast<unsigned char>(text_.front())) != 0) {
        key += text_.front();
        text_.remove_prefix(1);
      }
      if (key.empty() || !take('=') || item.integers.contains(key) || item.strings.contains(key)) return false;
      const bool is_string = text_.starts_with('"');
      if (is_string ? !take_string(item.strings[key]) : !take_integer(item.integers[key])) return false;
    }
    return true;
  }

  std::string_view text_;
};

/// The fields by their names, each of which comes once.
std::map<std::string_view, std::string> by_name(const std::vector<HttpField>& fields) {
  std::map<std::string_view, std::string> values;
  for (const auto& [name, value] : fields) EXPECT_TRUE(values.emplace(name, value).second) << name;
  return values;
}

std::string field(const std::vector<HttpField>& fields, std::string_view name) { return by_name(fields).at(name); }

std::int64_t seconds_of(const std::vector<HttpField>& fields, std::string_view name) {
  return std::stoll(field(fields, name));
}

std::vector<Item> items(const std::vector<HttpField>& fields, std::string_view name) {
  const std::string text = field(fields, name);
  const auto list = StructuredField(text).list();
  EXPECT_TRUE(list) << text;
  return list.value_or(std::vector<Item>());
}

std::vector<HttpField> fields_of(const LimitStatus& limit, Outcome outcome = Outcome::granted, Span wait = {}) {
  return http_fields(std::array{limit}, 0, outcome, wait);
}

LimitStatus minute() {
  return {.label = "minute", .quota = Units(100), .window = 60s, .remaining = Units(99), .more = 50s};
}

TEST(HttpFields, TellPolicyAndStandingOfAGrantedCall) {
  EXPECT_EQ(fields_of(minute()), (std::vector<HttpField>{{"RateLimit-Policy", R"("minute";q=100;w=60)"},
                                                         {"RateLimit", R"("minute";r=99;t=50)"},
                                                         {"RateLimit-Limit", "100"},
                                                         {"RateLimit-Remaining", "99"},
                                                         {"RateLimit-Reset", "50"}}));
}

TEST(HttpFields, TellADeniedCallWhenToComeAgain) {
  LimitStatus limit = minute();
  limit.remaining = kNoUnits;
  limit.wait = 50s;
  EXPECT_EQ(fields_of(limit, Outcome::denied, 50s),
            (std::vector<HttpField>{{"RateLimit-Policy", R"("minute";q=100;w=60)"},
                                    {"RateLimit", R"("minute";r=0;t=50)"},
                                    {"RateLimit-Limit", "100"},
                                    {"RateLimit-Remaining", "0"},
                                    {"RateLimit-Reset", "50"},
                                    {"Retry-After", "50"}}));
}

TEST(HttpFields, HaveAnItemForEachLimitAndTheBindingOneOnceMore) {
  const LimitStatus day{.label = "day", .quota = Units(5000), .window = 24h, .remaining = Units(100), .more = 10h};
  const auto fields = http_fields(std::array{minute(), day}, 1, Outcome::granted, {});
  EXPECT_EQ(field(fields, "RateLimit-Policy"), R"("minute";q=100;w=60, "day";q=5000;w=86400)");
  EXPECT_EQ(field(fields, "RateLimit"), R"("minute";r=99;t=50, "day";r=100;t=36000)");
  EXPECT_EQ(field(fields, "RateLimit-Limit"), "5000");
  EXPECT_EQ(field(fields, "RateLimit-Remaining"), "100");
  EXPECT_EQ(field(fields, "RateLimit-Reset"), "36000");
}

TEST(HttpFields, SayThatLeasesAreHeldAtATime) {
  const LimitStatus leases{.label = "concurrent", .quota = Units(3), .remaining = Units(1), .more = 10s};
  const auto fields = fields_of(leases);
  EXPECT_EQ(field(fields, "RateLimit-Policy"), R"("concurrent";q=3;qu="concurrent-requests")");
  EXPECT_EQ(items(fields, "RateLimit-Policy"),
            (std::vector<Item>{{"concurrent", {{"q", 3}}, {{"qu", "concurrent-requests"}}}}));
  EXPECT_EQ(field(fields, "RateLimit"), R"("concurrent";r=1;t=10)");
}

TEST(HttpFields, HaveNoRetryAfterForACallThatIsNeverGranted) {
  EXPECT_FALSE(by_name(fields_of(minute(), Outcome::never)).contains("Retry-After"));
}

TEST(HttpFields, HaveNoRetryAfterForACallThatIsHeldBack) {
  EXPECT_FALSE(by_name(fields_of(minute(), Outcome::granted, 5s)).contains("Retry-After"));
}

TEST(HttpFields, DoNotLetABucketsCallerWaitUntilItIsFull) {
  // 10 units a minute, of which 3 are left, and the call asks for 5.
  const LimitStatus bucket{
      .label = "tokenbucket", .quota = Units(10), .window = 60s, .remaining = Units(3), .more = 6s, .wait = 12s};
  const auto fields = fields_of(bucket, Outcome::denied, 12s);
  EXPECT_EQ(field(fields, "RateLimit"), R"("tokenbucket";r=3;t=12)") << "one more unit would not help it";
  EXPECT_EQ(field(fields, "RateLimit-Reset"), "12");
  EXPECT_EQ(field(fields, "Retry-After"), "12");
}

TEST(HttpFields, LetALimitThatDoesNotDenyComeAfterRetryAfter) {
  const LimitStatus burst{.label = "burst", .quota = Units(10), .window = 1s, .remaining = kNoUnits, .wait = 1s};
  const auto fields = http_fields(std::array{burst, minute()}, 0, Outcome::denied, 1s);
  EXPECT_EQ(field(fields, "RateLimit"), R"("burst";r=0;t=1, "minute";r=99;t=50)");
  EXPECT_EQ(field(fields, "Retry-After"), "1");
}

TEST(HttpFields, LetRetryAfterComeLaterThanTheLimitsDemand) {
  LimitStatus limit = minute();
  limit.wait = 50s;
  const auto fields = fields_of(limit, Outcome::denied, 50s + 7s);
  EXPECT_EQ(items(fields, "RateLimit")[0].integers.at("t"), 50);
  EXPECT_EQ(field(fields, "Retry-After"), "57");
}

TEST(HttpFields, RoundSecondsUp) {
  const auto t = [](Span more) {
    LimitStatus limit = minute();
    limit.more = more;
    return field(fields_of(limit), "RateLimit-Reset");
  };
  EXPECT_EQ(t(0s), "0");
  EXPECT_EQ(t(1ns), "1");
  EXPECT_EQ(t(1s - 1ns), "1");
  EXPECT_EQ(t(1s), "1");
  EXPECT_EQ(t(1s + 1ns), "2");
}

TEST(HttpFields, RoundRetryAfterUpToASecondAtLeast) {
  const auto retry_after = [](Span wait) {
    LimitStatus limit = minute();
    limit.wait = wait;
    return field(fields_of(limit, Outcome::denied, wait), "Retry-After");
  };
  EXPECT_EQ(retry_after(0ns), "1");
  EXPECT_EQ(retry_after(1ns), "1");
  EXPECT_EQ(retry_after(1s), "1");
  EXPECT_EQ(retry_after(1s + 1ns), "2");
}

TEST(HttpFields, RoundWindowsUpToASecondAtLeast) {
  const auto w = [](Span window) {
    LimitStatus limit = minute();
    limit.window = window;
    return items(fields_of(limit), "RateLimit-Policy")[0].integers.at("w");
  };
  EXPECT_EQ(w(0s), 1);
  EXPECT_EQ(w(kMinSpan), 1);
  EXPECT_EQ(w(1s), 1);
  EXPECT_EQ(w(1500ms), 2);
  EXPECT_EQ(w(60s), 60);
}

TEST(HttpFields, WriteNoMoreThanAnIntegerOfAStructuredFieldCanBe) {
  const LimitStatus largest{
      .label = "most", .quota = kMaxUnits, .window = kMaxSpan, .remaining = kMaxUnits, .wait = kLongest};
  const auto fields = fields_of(largest, Outcome::denied, kLongest);
  EXPECT_EQ(items(fields, "RateLimit-Policy"),
            (std::vector<Item>{{"most", {{"q", 999'999'999'999'999}, {"w", 315'360'000}}}}));
  EXPECT_EQ(items(fields, "RateLimit"),
            (std::vector<Item>{{"most", {{"r", 999'999'999'999'999}, {"t", 630'720'000}}}}));
  EXPECT_EQ(field(fields, "RateLimit-Limit"), "999999999999999");
  EXPECT_EQ(field(fields, "RateLimit-Remaining"), "999999999999999");
  EXPECT_EQ(field(fields, "Retry-After"), "630720000");
  for (const std::int64_t count : {999'999'999'999'999, 1'000'000'000'000'000}) {
    const LimitStatus limit{.label = "l", .quota = Units(count), .window = kMaxSpan, .remaining = Units(count - 1)};
    const auto written = fields_of(limit, Outcome::granted, {});
    EXPECT_EQ(field(written, "RateLimit-Limit"), "999999999999999");
    EXPECT_EQ(field(written, "RateLimit-Remaining"), std::to_string(count - 1));
  }
}

TEST(HttpFields, HoldEveryCharacterThatALabelMayHave) {
  for (int c = 0; c < 256; ++c) {
    const std::string label(1, static_cast<char>(c));
    LimitStatus limit = minute();
    limit.label = label;
    if (!is_valid_label(label)) continue;
    EXPECT_EQ(items(fields_of(limit), "RateLimit"), (std::vector<Item>{{label, {{"r", 99}, {"t", 50}}}})) << c;
  }
  LimitStatus limit = minute();
  limit.label = R"(a,b;q=1;c=?1:"x":)";
  EXPECT_FALSE(is_valid_label(limit.label)) << "a quote is what would end a string";
}

/// LimitStatuses as any call may leave them behind.
LimitStatuses random_standings(Random& random, Outcome outcome) {
  static constexpr std::array<std::string_view, kMaxLimits> kLabels{"tokenbucket", "fixed", "day,1", "w=1;q=2",
                                                                    "sliding-2",   "x",     "(~)",   "concurrent"};
  const auto any_span = [&random] { return Span{random.between(0, random.magnitude_between(1, kLongest.count()))}; };
  LimitStatuses statuses;
  for (std::size_t i = 0; i <= random.below(kMaxLimits); ++i) {
    LimitStatus limit{.label = kLabels[i], .quota = random_count(random), .remaining = kNoUnits, .more = any_span()};
    if (!random.one_in(4)) limit.window = random_span(random);
    limit.remaining = Units(random.between(0, limit.quota.count()));
    if (outcome == Outcome::denied && random.one_in(2)) limit.wait = any_span();
    statuses.push_back(limit);
  }
  return statuses;
}

void expect_same(const Item& policy, const Item& status, const LimitStatus& limit) {
  const auto covers = [](std::int64_t seconds, Span span) {
    return Span{std::chrono::seconds{seconds}} >= span && Span{std::chrono::seconds{seconds - 1}} < span;
  };
  ASSERT_EQ(policy.value, limit.label);
  ASSERT_EQ(policy.integers.at("q"), limit.quota.count());
  ASSERT_EQ(policy.integers.contains("w"), limit.window.has_value());
  ASSERT_TRUE(!limit.window || covers(policy.integers.at("w"), *limit.window));
  ASSERT_EQ(status.value, limit.label);
  ASSERT_EQ(status.integers.at("r"), limit.remaining.count());
  ASSERT_TRUE(covers(status.integers.at("t"), limit.wait.value_or(limit.more)));
}

TEST(HttpFields, CanBeReadBackWhateverTheLimitsAre) {
  Random random(test_seed());
  SCOPED_TRACE(test_seed());
  for (std::uint64_t step = 0; step < test_steps() / 100; ++step) {
    const Outcome outcome = random.one_of({Outcome::granted, Outcome::denied, Outcome::never});
    const LimitStatuses limits = random_standings(random, outcome);
    const std::size_t binding = random.below(limits.size());
    Span wait{};
    for (const LimitStatus& limit : limits) wait = std::max(wait, limit.wait.value_or(0s));
    const auto fields = http_fields(limits, binding, outcome, wait);
    const std::vector<Item> policies = items(fields, "RateLimit-Policy");
    const std::vector<Item> statuses = items(fields, "RateLimit");
    ASSERT_EQ(policies.size(), limits.size());
    ASSERT_EQ(statuses.size(), limits.size());
    for (std::size_t i = 0; i < limits.size(); ++i) {
      ASSERT_NO_FATAL_FAILURE(expect_same(policies[i], statuses[i], limits[i])) << "step " << step;
    }
    ASSERT_EQ(seconds_of(fields, "RateLimit-Limit"), policies[binding].integers.at("q"));
    ASSERT_EQ(seconds_of(fields, "RateLimit-Remaining"), statuses[binding].integers.at("r"));
    ASSERT_EQ(seconds_of(fields, "RateLimit-Reset"), statuses[binding].integers.at("t"));
    ASSERT_EQ(by_name(fields).contains("Retry-After"), outcome == Outcome::denied);
  }
}

TEST(HttpFields, NeverTellToComeBeforeALimitThatDenies) {
  Random random(test_seed());
  SCOPED_TRACE(test_seed());
  for (std::uint64_t step = 0; step < test_steps() / 100; ++step) {
    const LimitStatuses limits = random_standings(random, Outcome::denied);
    const Span wait{random.magnitude_between(1, kLongest.count())};
    const auto fields = http_fields(limits, 0, Outcome::denied, wait);
    const std::int64_t retry_after = seconds_of(fields, "Retry-After");
    const std::vector<Item> statuses = items(fields, "RateLimit");
    ASSERT_GE(retry_after, 1);
    ASSERT_GE(Span{std::chrono::seconds{retry_after}}, wait);
    for (std::size_t i = 0; i < limits.size(); ++i) {
      ASSERT_TRUE(!limits[i].wait || retry_after >= statuses[i].integers.at("t")) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace ratelimit::tests
