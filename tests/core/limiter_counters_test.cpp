// SPDX-License-Identifier: MIT
#include "ratelimit/limiter_counters.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/counters.h"
#include "ratelimit/limits.h"

namespace ratelimit::tests {
namespace {

using Counts = LimiterCounters::Counts;
using OfLabel = LimiterCounters::OfLabel;

constexpr Instant kStart{std::chrono::sys_days{std::chrono::year{2026} / 11 / 30}};
Instant after(int seconds) { return kStart + std::chrono::seconds{seconds}; }

LimitSpec fixed(std::string_view label) {
  LimitSpec spec;
  spec.algorithm = Algorithm::fixed_window;
  spec.size = Units(10);
  spec.span = std::chrono::seconds{60};
  spec.label = label;
  return spec;
}

Limits limits_with(std::string_view first, std::string_view second) {
  return *Limits::make(std::array{fixed(first), fixed(second)});
}

LimiterCounters begun() {
  LimiterCounters counters;
  counters.begin(kStart);
  return counters;
}

std::string written(const LimiterCounters& counters) {
  std::string bytes;
  Writer out(bytes);
  format::write(out, counters);
  return bytes;
}

std::optional<LimiterCounters> read(std::string_view bytes) {
  Reader in(bytes);
  LimiterCounters counters;
  format::read(in, counters);
  return in.done() ? std::optional(std::move(counters)) : std::nullopt;
}

TEST(LimiterCounters, CountADeniedCallForItsLabelAndAGrantedOneForAll) {
  LimiterCounters counters = begun();
  counters.set_limits(limits_with("burst", "daily"), kStart);
  for (int i = 0; i < 3; ++i) counters.note_granted();
  counters.note_near();
  counters.note_near("daily", after(1));
  counters.note_denied("burst", after(2));
  counters.note_would_deny("daily", after(3));
  EXPECT_EQ(counters.all(), (Counts{3, 1, 1, 1}));
  ASSERT_EQ(counters.labels(), 2U);
  EXPECT_EQ(counters.of_label(0), (OfLabel{"burst", {3, 1, 0, 0}, kStart}));
  EXPECT_EQ(counters.of_label(1), (OfLabel{"daily", {3, 0, 1, 1}, kStart}));
}

TEST(LimiterCounters, BeginALabelWhereItIsFirstCounted) {
  LimiterCounters counters = begun();
  counters.note_granted();
  counters.note_denied("blocked", after(5));
  counters.note_granted();
  EXPECT_EQ(counters.of_label(0), (OfLabel{"blocked", {1, 1, 0, 0}, after(5)}));
}

TEST(LimiterCounters, GoOnUnderLabelsThatStayAndBeginAnewUnderOthers) {
  LimiterCounters counters = begun();
  counters.set_limits(limits_with("burst", "daily"), kStart);
  counters.note_granted();
  counters.note_denied("daily", after(1));
  counters.note_denied("blocked", after(2));
  counters.set_limits(limits_with("hourly", "daily"), after(9));
  counters.note_granted();
  ASSERT_EQ(counters.labels(), 3U);
  EXPECT_EQ(counters.of_label(0), (OfLabel{"hourly", {1, 0, 0, 0}, after(9)}));
  EXPECT_EQ(counters.of_label(1), (OfLabel{"daily", {2, 1, 0, 0}, kStart}));
  EXPECT_EQ(counters.of_label(2).label, "blocked");
  EXPECT_EQ(counters.all(), (Counts{2, 2, 0, 0}));
}

TEST(LimiterCounters, KeepOneEntryIfALimitIsCalledBlocked) {
  LimiterCounters counters = begun();
  counters.set_limits(limits_with("blocked", "daily"), kStart);
  counters.note_denied("blocked", after(1));
  counters.set_limits(limits_with("daily", "blocked"), after(2));
  ASSERT_EQ(counters.labels(), 2U);
  EXPECT_EQ(counters.of_label(1), (OfLabel{"blocked", {0, 1, 0, 0}, kStart}));
}

TEST(LimiterCounters, CountForTheKeyOnlyWhereThereAreTooManyLabels) {
  LimiterCounters counters = begun();
  for (std::size_t i = 0; i < LimiterCounters::kMostLabels + 5; ++i) counters.note_denied(std::to_string(i), kStart);
  EXPECT_EQ(counters.labels(), LimiterCounters::kMostLabels);
  EXPECT_EQ(counters.all().denied, LimiterCounters::kMostLabels + 5);
}

TEST(LimiterCounters, AreReadAsTheyWereWritten) {
  LimiterCounters counters = begun();
  EXPECT_EQ(read(written(counters)), counters);
  counters.set_limits(limits_with("burst", "daily"), after(1));
  for (int i = 0; i < 300; ++i) counters.note_granted();
  counters.note_denied("daily", after(2));
  counters.note_denied(std::string(kMaxLabelBytes, 'x').append("-12"), after(3));
  EXPECT_EQ(read(written(counters)), counters);
}

TEST(LimiterCounters, ThatNoWriterWritesAreRefused) {
  LimiterCounters counters = begun();
  counters.note_granted();
  counters.note_denied("daily", after(2));
  counters.note_denied("other", after(2));
  const std::string good = written(counters);
  ASSERT_TRUE(read(good));
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(read(good.substr(0, size))) << size;
  const auto with = [&good](std::string_view from, std::string_view to) {
    std::string bytes = good;
    return bytes.replace(bytes.find(from), from.size(), to);
  };
  EXPECT_FALSE(read(with("other", "daily"))) << "a label twice";
  EXPECT_FALSE(read(with("other", "ot er"))) << "no label";
  std::string bytes = good;
  bytes[7] = '\xFF';
  EXPECT_FALSE(read(bytes)) << "before 1970";
  bytes = good;
  bytes[8] = 0;
  EXPECT_FALSE(read(bytes)) << "a label is there since more calls than all that were granted";
}

TEST(LimiterCounters, StopAtTheLargestNumberAndCanBeReadAgain) {
  constexpr std::uint64_t kMost = LimiterCounters::kMostCalls;
  const Counts most{.granted = kMost, .denied = kMost, .would_deny = kMost, .near = kMost};
  LimiterCounters counters;
  ASSERT_TRUE(counters.restore(kStart, most, {{.label = "daily", .counts = most, .since = kStart}}));
  counters.note_granted();
  counters.note_near();
  counters.note_near("daily", after(1));
  counters.note_denied("daily", after(1));
  counters.note_would_deny("daily", after(1));
  EXPECT_EQ(counters.all(), most);
  EXPECT_EQ(read(written(counters)), counters);
}

TEST(LimiterCounters, CountTheirMemory) {
  LimiterCounters counters = begun();
  EXPECT_EQ(counters.heap_bytes(), 0U);
  counters.note_denied(std::string(60, 'x'), kStart);
  EXPECT_GE(counters.heap_bytes(), sizeof(OfLabel) + 60);
}

}  // namespace
}  // namespace ratelimit::tests
