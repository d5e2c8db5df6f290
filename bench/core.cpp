// What a decision costs by itself: no server, no parsing, no reply. Each benchmark decides and, as the module does,
// applies what was granted; time is an argument that moves on a little with every call.

#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>

#include "ratelimit/fixed_window.h"
#include "ratelimit/limits.h"
#include "ratelimit/sliding_log.h"
#include "ratelimit/token_bucket.h"
#include "ratelimit/units.h"

namespace {

using namespace std::chrono_literals;
using ratelimit::Instant;
using ratelimit::Outcome;
using ratelimit::Span;
using ratelimit::Units;

constexpr Instant kStart{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
constexpr Units kPlenty{1'000'000};

// Calls that are `apart`, each of one unit; stops the benchmark if one has another outcome than `expected`.
template <class Algorithm>
void decide_and_apply(benchmark::State& state, Algorithm limit, Span apart, Outcome expected) {
  benchmark::DoNotOptimize(limit);  // its numbers come from a command: the compiler must not divide by constants
  typename Algorithm::State memory{};
  Instant now = kStart;
  // Into the steady state first: as much in use as there ever will be.
  for (std::int64_t i = 0; i < limit.size().count(); ++i) {
    if (const auto step = limit.decide(memory, Units(1), now); step.decision.outcome == Outcome::granted) {
      limit.apply(memory, step.change);
    }
    now += apart;
  }
  for (auto _ : state) {
    const auto step = limit.decide(memory, Units(1), now);
    if (step.decision.outcome != expected) {
      state.SkipWithError("an outcome that was not expected");
      break;
    }
    if (expected == Outcome::granted) limit.apply(memory, step.change);
    benchmark::DoNotOptimize(step.decision);
    now += apart;
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

void token_bucket_denied(benchmark::State& state) {
  decide_and_apply(state, ratelimit::TokenBucket::make(Units(7), Units(7), 1h).value(), 0ns, Outcome::denied);
}
BENCHMARK(token_bucket_denied);

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

// A log that is full but for a tenth, one entry leaving for each that comes.
void sliding_log(benchmark::State& state) {
  const Units limit{state.range(0)};
  const Span apart = Span{1min} / (limit.count() - limit.count() / 10);
  decide_and_apply(state, ratelimit::SlidingLog::make(limit, 1min).value(), apart, Outcome::granted);
}
BENCHMARK(sliding_log)->Arg(100)->Arg(10'000)->Arg(1'000'000);

// Through the list of limits, as every command goes: one to three of them.
void limits(benchmark::State& state) {
  using ratelimit::Algorithm;
  const std::array<ratelimit::LimitSpec, 3> specs{{
      {.algorithm = Algorithm::token_bucket, .size = kPlenty, .refill = Units(999'999'937), .span = 1000s, .label = {}},
      {.algorithm = Algorithm::fixed_window, .size = kPlenty, .refill = {}, .span = 1s, .label = {}},
      {.algorithm = Algorithm::sliding_log, .size = Units(100), .refill = {}, .span = 1800us, .label = {}},
  }};
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto list = ratelimit::Limits::make(std::span(specs).first(count)).value();
  std::array<ratelimit::Cell, specs.size()> cells;
  ratelimit::construct_idle(list, cells);
  Instant now = kStart;
  for (auto _ : state) {
    const auto verdict = ratelimit::decide(list, cells, Units(1), now);
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

}  // namespace
