// SPDX-License-Identifier: MIT
// What a decision costs by itself, and the look-up of a subject in the dense form: no server, no parsing, no reply. Each
// benchmark decides and, as the module does, applies what was granted; time is an argument that moves on a little with
// every call. The allocator is jemalloc, as in servers.

#include <benchmark/benchmark.h>
#include <jemalloc/jemalloc.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ratelimit/algorithms/concurrent.h"
#include "ratelimit/algorithms/fixed_window.h"
#include "ratelimit/algorithms/leaky_bucket.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/quota.h"
#include "ratelimit/algorithms/sliding_window_counter.h"
#include "ratelimit/algorithms/sliding_window_log.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/booking.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"
#include "storage/hash_table.h"
#include "storage/keyed_hash.h"
#include "storage/limits_pool.h"

namespace {

using namespace std::chrono_literals;
using ratelimit::Ask;
using ratelimit::Instant;
using ratelimit::Outcome;
using ratelimit::Span;
using ratelimit::Units;

constexpr Instant kStart{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
constexpr Units kPlenty{1'000'000};
constexpr Units kFew{7};

// Calls that are `apart`, each of one unit; stops the benchmark if one has another outcome than `expected`.
template <class Algorithm>
void decide_and_apply(benchmark::State& state, Algorithm limit, Span out_of_line, Outcome expected) {
  benchmark::DoNotOptimize(limit);  // its numbers come from a command: the compiler must not divide by constants
  typename Algorithm::State memory{};
  Instant now = kStart;
  // Into the steady state first: as much in use as there ever will be.
  for (std::int64_t i = 0; i < limit.size().count(); ++i) {
    if (const auto step = limit.decide(memory, Ask{Units(1)}, now); step.decision.outcome == Outcome::granted) {
      limit.apply(memory, step.change);
    }
    now += out_of_line;
  }
  for (auto _ : state) {
    const auto step = limit.decide(memory, Ask{Units(1)}, now);
    if (step.decision.outcome != expected) {
      state.SkipWithError("an outcome that was not expected");
      break;
    }
    if (expected == Outcome::granted) limit.apply(memory, step.change);
    benchmark::DoNotOptimize(step.decision);
    now += out_of_line;
  }
}

void token_bucket_whole_interval(benchmark::State& state) {
  decide_and_apply(state, ratelimit::TokenBucket::make(kPlenty, Units(1'000'000), 1s).value(), 1us, Outcome::granted);
}
BENCHMARK(token_bucket_whole_interval);

void token_bucket_with_remainder(benchmark::State& state) {
  decide_and_apply(state, ratelimit::TokenBucket::make(kPlenty, Units(999'999'937), 1000s).value(), 2us,
                   Outcome::granted);
}
BENCHMARK(token_bucket_with_remainder);

// A limit that is used up at once, and does not come back meanwhile.
template <class Algorithm>
void deny(benchmark::State& state, Algorithm limit) {
  decide_and_apply(state, limit, 0ns, Outcome::denied);
}

void token_bucket_denied(benchmark::State& state) {
  deny(state, ratelimit::TokenBucket::make(kFew, Units(1), 1h).value());
}
BENCHMARK(token_bucket_denied);

// Into debt, again and again: by the way that only a call with FORCE takes.
void token_bucket_forced(benchmark::State& state) {
  auto limit = ratelimit::TokenBucket::make(Units(7), Units(999'999'937), 1000s).value();
  benchmark::DoNotOptimize(limit);
  ratelimit::TokenBucket::State memory{};
  Instant now = kStart;
  for (auto _ : state) {
    const auto step = limit.decide(memory, Ask{Units(8), {}, true}, now);
    ratelimit::TokenBucket::apply(memory, step.change);
    benchmark::DoNotOptimize(step.decision);
    now += 2us;
  }
}
BENCHMARK(token_bucket_forced);

// A queue that is never empty: each call is told how long it waits.
void leaky_bucket(benchmark::State& state) {
  decide_and_apply(state, ratelimit::LeakyBucket::make(kPlenty, Units(999'999'937), 1000s).value(), 1us,
                   Outcome::granted);
}
BENCHMARK(leaky_bucket);

void leaky_bucket_denied(benchmark::State& state) {
  deny(state, ratelimit::LeakyBucket::make(kFew, Units(1), 1h).value());
}
BENCHMARK(leaky_bucket_denied);

void fixed_window(benchmark::State& state) {
  const auto start = ratelimit::FixedWindow::Start::first_call;
  decide_and_apply(state, ratelimit::FixedWindow::make(kPlenty, 1s, start).value(), 2us, Outcome::granted);
}
BENCHMARK(fixed_window);

void fixed_window_aligned(benchmark::State& state) {
  const auto start = ratelimit::FixedWindow::Start::aligned;
  decide_and_apply(state, ratelimit::FixedWindow::make(kPlenty, 1s, start).value(), 2us, Outcome::granted);
}
BENCHMARK(fixed_window_aligned);

void fixed_window_denied(benchmark::State& state) {
  deny(state, ratelimit::FixedWindow::make(kFew, 1h, ratelimit::FixedWindow::Start::first_call).value());
}
BENCHMARK(fixed_window_denied);

void sliding_window_counter(benchmark::State& state) {
  decide_and_apply(state, ratelimit::SlidingWindowCounter::make(kPlenty, 1s).value(), 2us, Outcome::granted);
}
BENCHMARK(sliding_window_counter);

void sliding_window_denied(benchmark::State& state) {
  deny(state, ratelimit::SlidingWindowCounter::make(kFew, 1h).value());
}
BENCHMARK(sliding_window_denied);

/// An hour ahead of UTC, all year round: what a zone costs without its rules.
class Lagos final : public ratelimit::Zone {
 public:
  [[nodiscard]] Span offset_at(Instant) const override { return 1h; }
  [[nodiscard]] Instant begin_of(std::chrono::local_days day, Span time) const override {
    return Instant{day.time_since_epoch() + time - 1h};
  }
};

// Calls that are so far apart that nine tenths of a quota are used when its window ends.
void quota(benchmark::State& state, ratelimit::CalendarUnit unit, Span window, const ratelimit::Zone* zone) {
  const Span out_of_line = window / (kPlenty.count() - kPlenty.count() / 10);
  decide_and_apply(state, ratelimit::Quota::make(kPlenty, unit, zone).value(), out_of_line, Outcome::granted);
}

void quota_hour(benchmark::State& state) { quota(state, ratelimit::CalendarUnit::hour, 1h, nullptr); }
BENCHMARK(quota_hour);

void quota_month(benchmark::State& state) { quota(state, ratelimit::CalendarUnit::month, 31 * 24h, nullptr); }
BENCHMARK(quota_month);

void quota_month_in_a_zone(benchmark::State& state) {
  const Lagos lagos;
  quota(state, ratelimit::CalendarUnit::month, 31 * 24h, &lagos);
}
BENCHMARK(quota_month_in_a_zone);

void quota_denied(benchmark::State& state) {
  deny(state, ratelimit::Quota::make(kFew, ratelimit::CalendarUnit::month, nullptr).value());
}
BENCHMARK(quota_denied);

// A log that is full but for a tenth, one entry leaving for each that comes.
void sliding_window_log(benchmark::State& state) {
  const Units limit{state.range(0)};
  const Span out_of_line = Span{1min} / (limit.count() - limit.count() / 10);
  decide_and_apply(state, ratelimit::SlidingWindowLog::make(limit, 1min).value(), out_of_line, Outcome::granted);
}
BENCHMARK(sliding_window_log)->Arg(100)->Arg(10'000)->Arg(1'000'000);

void sliding_log_denied(benchmark::State& state) { deny(state, ratelimit::SlidingWindowLog::make(kFew, 1h).value()); }
BENCHMARK(sliding_log_denied);

/// Names of holders: in a circle, so that none is taken again before its lease has ended.
std::vector<std::string> names(std::int64_t count) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < count; ++i) names.push_back("holder:" + std::to_string(i));
  return names;
}

// Leases that are taken as fast as they end, a tenth of them being free.
void concurrent(benchmark::State& state) {
  auto limit = ratelimit::Concurrent::make(Units(state.range(0)), 1min).value();
  benchmark::DoNotOptimize(limit);
  const Span out_of_line = Span{1min} / (state.range(0) - state.range(0) / 10);
  const std::vector<std::string> holders = names(2 * state.range(0));
  ratelimit::Concurrent::State memory;
  Instant now = kStart;
  std::size_t next = 0;
  const auto call = [&] {
    const std::string_view id = holders[next++ % holders.size()];
    const auto step = limit.decide(memory, Ask{Units(1), id}, now);
    const bool is_granted = step.decision.outcome == Outcome::granted;
    if (is_granted) limit.apply(memory, step.change, id);
    benchmark::DoNotOptimize(step.decision);
    now += out_of_line;
    return is_granted;
  };
  while (next < holders.size()) call();
  for (auto _ : state) {
    if (!call()) {
      state.SkipWithError("a call was denied");
      break;
    }
  }
}
BENCHMARK(concurrent)->Arg(100)->Arg(10'000)->Arg(60'000);

// All leases last, and each is renewed in its turn: the one that ends first will end last.
void concurrent_renewed(benchmark::State& state) {
  auto limit = ratelimit::Concurrent::make(Units(state.range(0)), 1h).value();
  benchmark::DoNotOptimize(limit);
  const std::vector<std::string> holders = names(state.range(0));
  ratelimit::Concurrent::State memory;
  Instant now = kStart;
  std::size_t next = 0;
  const auto call = [&] {
    const std::string_view id = holders[next++ % holders.size()];
    const auto step = limit.decide(memory, Ask{Units(1), id}, now);
    limit.apply(memory, step.change, id);
    benchmark::DoNotOptimize(step.decision);
    now += 1us;
  };
  while (next < holders.size()) call();
  for (auto _ : state) call();
}
BENCHMARK(concurrent_renewed)->Arg(100)->Arg(10'000)->Arg(60'000);

// Somebody new asks while all leases are taken.
void concurrent_denied(benchmark::State& state) {
  auto limit = ratelimit::Concurrent::make(kFew, 1h).value();
  benchmark::DoNotOptimize(limit);
  ratelimit::Concurrent::State memory;
  for (const std::string& id : names(kFew.count())) {
    limit.apply(memory, limit.decide(memory, Ask{Units(1), id}, kStart).change, id);
  }
  for (auto _ : state) {
    const auto step = limit.decide(memory, Ask{Units(1), "newcomer"}, kStart);
    if (step.decision.outcome != Outcome::denied) {
      state.SkipWithError("a call was granted");
      break;
    }
    benchmark::DoNotOptimize(step.decision);
  }
}
BENCHMARK(concurrent_denied);

// Through the list of limits, as every command goes: one to three of them.
void limits(benchmark::State& state) {
  using ratelimit::Algorithm;
  const std::array<ratelimit::LimitSpec, 3> specs{{
      {.algorithm = Algorithm::token_bucket, .size = kPlenty, .refill = Units(999'999'937), .span = 1000s},
      {.algorithm = Algorithm::fixed_window, .size = kPlenty, .span = 1s},
      {.algorithm = Algorithm::sliding_window_log, .size = Units(100), .span = 1800us},
  }};
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto list = ratelimit::Limits::make(std::span(specs).first(count)).value();
  std::array<ratelimit::Cell, specs.size()> cells;
  ratelimit::construct_idle(list, cells);
  Instant now = kStart;
  for (auto _ : state) {
    const auto verdict = ratelimit::decide(list, cells, ratelimit::Turn{}, {.cost = Units(1)}, now);
    if (verdict.decision.outcome != Outcome::granted) {
      state.SkipWithError("a call was denied");
      break;
    }
    ratelimit::apply(list, cells, verdict);
    benchmark::DoNotOptimize(verdict.decision);
    now += 20us;
  }
  ratelimit::destroy(list, cells);
}
BENCHMARK(limits)->DenseRange(1, 3);

// An estimate and its settlement, while so many other holds last.
void reserve_and_settle(benchmark::State& state) {
  using ratelimit::Operation;
  const std::array<ratelimit::LimitSpec, 1> specs{
      {{.algorithm = ratelimit::Algorithm::fixed_window, .size = ratelimit::kMaxUnits, .span = 1h}}};
  const auto list = ratelimit::Limits::make(specs).value();
  std::array<ratelimit::Cell, specs.size()> cells;
  ratelimit::construct_idle(list, cells);
  ratelimit::Reservations reservations;
  ratelimit::Booking booking(list, cells, reservations);
  const std::vector<std::string> holders = names(state.range(0) + 1);
  Instant now = kStart;
  std::size_t next = 0;
  const auto reserve = [&] {
    booking.perform({.kind = Operation::Kind::reserve,
                     .at = now,
                     .units = Units(7),
                     .span = 1h,
                     .id = holders[next++ % holders.size()]});
    now += 1us;
  };
  while (next + 1 < holders.size()) reserve();
  for (auto _ : state) {
    reserve();
    booking.perform(
        {.kind = Operation::Kind::settle, .at = now, .units = Units(5), .id = holders[next % holders.size()]});
  }
}
BENCHMARK(reserve_and_settle)->Arg(1)->Arg(100)->Arg(10'000);

constexpr ratelimit::HashSecret kSecret{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};

// Of a name of 13 bytes.
void dense_hash(benchmark::State& state) {
  std::string name = "sub:000000000";
  for (auto _ : state) {
    benchmark::DoNotOptimize(name.data());
    benchmark::DoNotOptimize(ratelimit::keyed_hash(kSecret, name));
  }
}
BENCHMARK(dense_hash);

/// A table of so many subjects with one token bucket each, and their hashes in an order of their own.
class SubjectTable {
 public:
  explicit SubjectTable(std::int64_t subjects) {
    const std::array<ratelimit::LimitSpec, 1> specs{
        {{.algorithm = ratelimit::Algorithm::token_bucket, .size = kPlenty, .refill = Units(97), .span = 1h}}};
    const ratelimit::SharedLimits limits{ratelimit::Limits::make(specs).value()};
    for (const std::string& name : names(subjects)) {
      hashes_.push_back(ratelimit::SubjectHash::of(ratelimit::keyed_hash(kSecret, name)));
      hash_table_.insert(hashes_.back(), limits);
    }
    std::shuffle(hashes_.begin(), hashes_.end(), std::mt19937_64{1});
  }

  /// Another one with each call.
  ratelimit::Subject next() {
    if (next_ == hashes_.size()) next_ = 0;
    return hash_table_.find(hashes_[next_++]).value();
  }

 private:
  ratelimit::HashTable hash_table_;
  std::vector<ratelimit::SubjectHash> hashes_;
  std::size_t next_ = 0;
};

void dense_find(benchmark::State& state) {
  SubjectTable subject_table(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(subject_table.next().cells().front());
}
BENCHMARK(dense_find)->RangeMultiplier(10)->Range(1'000, 1'000'000);

void dense_find_decide_and_apply(benchmark::State& state) {
  SubjectTable subject_table(state.range(0));
  Instant now = kStart;
  for (auto _ : state) {
    const ratelimit::Subject subject = subject_table.next();
    const auto verdict =
        ratelimit::decide(subject.limits(), subject.cells(), ratelimit::Turn{}, {.cost = Units(1)}, now);
    if (verdict.decision.outcome != Outcome::granted) {
      state.SkipWithError("a call was denied");
      break;
    }
    ratelimit::apply(subject.limits(), subject.cells(), verdict);
    benchmark::DoNotOptimize(verdict.decision);
    now += 1us;
  }
}
BENCHMARK(dense_find_decide_and_apply)->RangeMultiplier(10)->Range(1'000, 1'000'000);

/// Says which allocator is at work: asked of itself, so that it cannot be another one.
void name_allocator() {
  const char* version = "unknown";
  std::size_t size = sizeof version;
  mallctl("version", &version, &size, nullptr, 0);
  benchmark::AddCustomContext("allocator", std::string("jemalloc ") + version);
}

}  // namespace

int main(int argc, char** argv) {
  name_allocator();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
