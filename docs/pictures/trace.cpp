// The same traffic through each algorithm of the core, as columns for gnuplot. docs/pictures/plot runs it.
//
// Block 0: the time in seconds, then for each algorithm the units in use and the units granted within the last window;
// a line for each of the samples, 50 ms apart, that differs from the one before. Block 1, a line for each call: the
// time, then for each algorithm 1 (granted) or 0 (denied).
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <random>
#include <utility>
#include <vector>

#include "ratelimit/fixed_window.h"
#include "ratelimit/sliding_log.h"
#include "ratelimit/token_bucket.h"
#include "ratelimit/units.h"

namespace {

using namespace std::chrono_literals;
using ratelimit::FixedWindow;
using ratelimit::Instant;
using ratelimit::Outcome;
using ratelimit::SlidingLog;
using ratelimit::Span;
using ratelimit::TokenBucket;
using ratelimit::Units;

constexpr Units kLimit{10};
constexpr Span kWindow = 10s;
constexpr Span kLength = 40s;
constexpr Span kSample = 50ms;
constexpr Instant kStart{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}};  // a multiple of the window

/// One subject under one limit.
template <class Algorithm>
class Caller {
 public:
  explicit Caller(const Algorithm& limit) : limit_(limit) {}

  bool call(Instant now) {
    const auto step = limit_.decide(state_, Units(1), now);
    if (step.decision.outcome != Outcome::granted) return false;
    limit_.apply(state_, step.change);
    granted_.push_back(now);
    return true;
  }
  [[nodiscard]] long long used(Instant now) const { return limit_.used(state_, now).count(); }
  [[nodiscard]] long long granted_lately(Instant now) const {
    return std::count_if(granted_.begin(), granted_.end(), [now](Instant at) { return at + kWindow > now; });
  }

 private:
  Algorithm limit_;
  typename Algorithm::State state_{};
  std::vector<Instant> granted_;
};

/// `count` calls at random milliseconds of [from, to).
void add_calls(std::vector<Instant>& calls, std::mt19937_64& engine, int count, std::chrono::milliseconds from,
               std::chrono::milliseconds to) {
  for (; count > 0; --count) {
    const auto past = engine() % static_cast<std::uint64_t>((to - from).count());
    calls.push_back(kStart + from + std::chrono::milliseconds{static_cast<std::int64_t>(past)});
  }
}

/// Calm, a burst at each side of an edge, more than the limit for a while, silence, a burst.
std::vector<Instant> traffic() {
  std::mt19937_64 engine(1);
  std::vector<Instant> calls{kStart + 700ms};
  add_calls(calls, engine, 1, 3s, 7s);
  add_calls(calls, engine, 12, 9s, 9800ms);
  add_calls(calls, engine, 12, 10800ms, 11800ms);
  add_calls(calls, engine, 24, 14s, 29s);
  add_calls(calls, engine, 14, 36s, 37s);
  std::sort(calls.begin(), calls.end());
  return calls;
}

double seconds(Instant instant) { return std::chrono::duration<double>(instant - kStart).count(); }

}  // namespace

int main() {
  Caller bucket(TokenBucket::make(kLimit, kLimit, kWindow).value());
  Caller fixed(FixedWindow::make(kLimit, kWindow, FixedWindow::Start::first_call).value());
  Caller aligned(FixedWindow::make(kLimit, kWindow, FixedWindow::Start::aligned).value());
  Caller sliding(SlidingLog::make(kLimit, kWindow).value());

  std::vector<std::pair<Instant, std::vector<int>>> answers;
  std::vector<long long> last;
  const std::vector<Instant> calls = traffic();
  auto next = calls.begin();
  for (Instant now = kStart; now <= kStart + kLength; now += kSample) {
    for (; next != calls.end() && *next <= now; ++next) {
      answers.emplace_back(
          *next, std::vector<int>{bucket.call(*next), fixed.call(*next), aligned.call(*next), sliding.call(*next)});
    }
    std::vector<long long> sample;
    const auto add = [&](const auto& caller) {
      sample.insert(sample.end(), {caller.used(now), caller.granted_lately(now)});
    };
    add(bucket), add(fixed), add(aligned), add(sliding);
    if (sample == last && now < kStart + kLength) continue;
    std::printf("%.2f", seconds(now));
    for (const long long each : sample) std::printf(" %lld", each);
    std::printf("\n");
    last = std::move(sample);
  }
  std::printf("\n\n");
  for (const auto& [at, granted] : answers) {
    std::printf("%.3f", seconds(at));
    for (const int each : granted) std::printf(" %d", each);
    std::printf("\n");
  }
}
