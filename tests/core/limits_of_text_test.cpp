// SPDX-License-Identifier: MIT
// What the core reads of limits, with nothing but include/: the words, the errors, and the way back.
#include "ratelimit/grammar/limits_of_text.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "random.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/grammar/arguments.h"
#include "ratelimit/grammar/error_text.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/grammar/limit_reader.h"
#include "ratelimit/grammar/limit_text.h"
#include "ratelimit/units.h"

namespace ratelimit::tests {
namespace {

using namespace std::chrono_literals;

class OneHourAhead : public Zone {
 public:
  [[nodiscard]] Span offset_at(Instant) const override { return 1h; }
  [[nodiscard]] Instant begin_of(std::chrono::local_days day, Span time) const override {
    return Instant(day.time_since_epoch()) + time - 1h;
  }
};
const OneHourAhead kLagos;

const Zone* find_zone(std::string_view name) { return name == "Africa/Lagos" ? &kLagos : nullptr; }

// --- while a program is compiled ----------------------------------------------------------------------

struct OneLimit {
  LimitSpec spec{};
  std::size_t size = 0;

  [[nodiscard]] constexpr bool full() const { return size == 1; }
  constexpr LimitSpec& push_back(const LimitSpec& limit) {
    ++size;
    return spec = limit;
  }
  [[nodiscard]] constexpr LimitSpec& back() { return spec; }
};

constexpr std::array<std::string_view, 7> kWords{"sliding", "100", "1m", "APPROX", "as", "minute", "FIXED"};
constexpr auto kKnowsNoZone = [](std::string_view) -> const Zone* { return nullptr; };

constexpr bool is_read_while_compiling() {
  Arguments arguments(kWords, 0);
  OneLimit limits;
  LimitReader reader(arguments, limits, kKnowsNoZone);
  const bool has_options = reader.take_limit({Fault::Kind::too_many_limits}) && reader.take_option() &&
                           reader.take_option() && !reader.take_option();
  const bool is_full = reader.take_limit({Fault::Kind::too_many_limits});
  return has_options && is_full && arguments.fault() == Fault{Fault::Kind::too_many_limits} &&
         limits.spec ==
             LimitSpec{
                 .algorithm = Algorithm::sliding_window_counter, .size = Units(100), .span = 1min, .label = "minute"};
}
static_assert(is_read_while_compiling());

// --- while it runs --------------------------------------------------------------------------------------

std::string error_of(std::string_view text) {
  LimitSpecs limits;
  const std::optional<Fault> fault = read_limits(text, limits, find_zone);
  return fault ? sentence(*fault) : "";
}

std::string written_again(std::string_view text) {
  LimitSpecs limits;
  if (const std::optional<Fault> fault = read_limits(text, limits, find_zone)) return sentence(*fault);
  std::string line;
  for (const LimitSpec& spec : limits.span()) {
    for (const std::string& word : words_of(spec)) line.append(line.empty() ? "" : " ").append(word);
  }
  return line;
}

TEST(LimitsOfText, AreWrittenBackInTheirShortestForm) {
  EXPECT_EQ(written_again("\ttokenbucket 20 10 60\n As burst"), "TOKENBUCKET 20 10 1m AS burst");
  EXPECT_EQ(written_again("LEAKYBUCKET 5 1 250ms FIXED 100 60m ALIGNED"), "LEAKYBUCKET 5 1 250ms FIXED 100 1h ALIGNED");
  EXPECT_EQ(written_again("SLIDING 3 86400 per request Approx"), "SLIDING 3 1d APPROX PER REQUEST");
  EXPECT_EQ(written_again("QUOTA 9 day TZ Africa/Lagos ANCHOR 2026-01-05T06:00"),
            "QUOTA 9 DAY ANCHOR 2026-01-05T06:00 TZ Africa/Lagos");
  EXPECT_EQ(written_again("QUOTA 9 YEAR TZ UTC"), "QUOTA 9 YEAR");
  EXPECT_EQ(written_again("CONCURRENT 0 30s"), "CONCURRENT 0 30s");
}

TEST(LimitsOfText, AreRefusedInTheWordsOfTheServer) {
  EXPECT_EQ(error_of("TOKENBUCKET 4294967296 1 1s"), "capacity must be an integer from 0 to 4294967295");
  EXPECT_EQ(error_of("TOKENBUCKET 20 10"),
            "period is missing: it must be a duration from 1ms to 3650d, such as 500ms, 10s, 1m, 2h or 1d; without a "
            "unit, seconds; write TOKENBUCKET capacity refill period, such as TOKENBUCKET 20 10 1s");
  EXPECT_EQ(error_of("QUOTA 9 DAY TZ Europe/Atlantis"),
            "TZ must be a time zone that is known here by its IANA name, such as Europe/Berlin, or UTC");
  EXPECT_EQ(error_of("FIXED 1 1s AS a FIXED 2 1s AS a"), "label must be different for each limit of a call");
  EXPECT_EQ(error_of(" \n"), "limits is missing: it must be one to eight limits, such as TOKENBUCKET 20 10 1s");
  EXPECT_EQ(error_of("FIXED 1 1s FOR alice").substr(0, 47), "syntax error at argument 4: expected a limit (T");
  EXPECT_EQ(error_of("burst").substr(0, 27), "syntax error at argument 1:");
}

/// Words of limits, most of them right.
std::string random_text(Random& random) {
  constexpr std::array<std::string_view, 7> kLimits{"TOKENBUCKET 20 10 90s",
                                                    "LEAKYBUCKET 4294967295 4294967295 1ms",
                                                    "FIXED 9007199254740991 3650d",
                                                    "SLIDING 7 36h",
                                                    "QUOTA 3 QUARTER",
                                                    "CONCURRENT 1 1500ms",
                                                    "FIXED 0 61"};
  constexpr std::array<std::string_view, 7> kEnds{
      "", "ALIGNED", "APPROX", "PER REQUEST", "AS a", "ANCHOR 2199-12-31T23:59", "TZ Africa/Lagos"};
  const auto one_of = [&random](const auto& words) { return words[random.below(words.size())]; };
  std::string text;
  for (std::size_t limits = 1 + random.below(3); limits > 0; --limits) {
    text.append(one_of(kLimits)).append(" ").append(one_of(kEnds)).append(" ").append(one_of(kEnds)).append(" ");
  }
  return text;
}

TEST(LimitsOfText, AreTheSameLimitsWhenTheyAreWrittenAndReadAgain) {
  Random random(test_seed());
  int taken = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::string text = random_text(random);
    LimitSpecs limits;
    if (read_limits(text, limits, find_zone)) continue;
    ++taken;
    const std::string written = written_again(text);
    LimitSpecs again;
    ASSERT_EQ(read_limits(written, again, find_zone), std::nullopt) << text << " | " << written;
    ASSERT_EQ(again.size(), limits.size()) << text << " | " << written;
    for (std::size_t i = 0; i < limits.size(); ++i) {
      ASSERT_EQ(again.span()[i], limits.span()[i]) << text << " | " << written;
    }
  }
  EXPECT_GT(taken, 1000) << "most of the random texts are wrong, but not nearly all";
}

}  // namespace
}  // namespace ratelimit::tests
