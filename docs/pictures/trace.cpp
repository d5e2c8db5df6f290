// SPDX-License-Identifier: MIT
// The same traffic through each algorithm of the core, as columns for gnuplot. docs/pictures/plot runs it. Then a caller
// who never stops asking, through three of them.
//
// Two blocks for each, in the order of the pictures. The first has a line for each sample that differs from the
// one before: the time, the units in use, and the units granted within the last window. The second has a line for each
// call: the time, 1 (granted) or 0 (denied), and when a granted call leaves: its turn in a queue, the end of its lease.
// Times are seconds, but days for QUOTA, for which the same calls are as many times slower as a day is longer than the
// window.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ratelimit/algorithms/concurrent.h"
#include "ratelimit/algorithms/fixed_window.h"
#include "ratelimit/algorithms/leaky_bucket.h"
#include "ratelimit/algorithms/quota.h"
#include "ratelimit/algorithms/sliding_window_counter.h"
#include "ratelimit/algorithms/sliding_window_log.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year;

using ratelimit::Ask;
using ratelimit::CalendarUnit;
using ratelimit::Concurrent;
using ratelimit::FixedWindow;
using ratelimit::Instant;
using ratelimit::LeakyBucket;
using ratelimit::Outcome;
using ratelimit::Quota;
using ratelimit::SlidingWindowCounter;
using ratelimit::SlidingWindowLog;
using ratelimit::Span;
using ratelimit::TokenBucket;
using ratelimit::Units;

constexpr Units kLimit{10};
constexpr Span kWindow = 10s;
constexpr Span kLength = 40s;
constexpr Span kSample = 50ms;
constexpr Instant kStart{sys_days{year{2024} / 2 / 29}};  // a multiple of the window

/// Of the calls under CONCURRENT: most holders end their lease after a while, each third one never does.
constexpr Span kWork = 3s;
constexpr int kForgetful = 3;

/// Central European Time around the last Sunday of March 2024, which has 23 hours: all that the picture needs.
class Berlin final : public ratelimit::Zone {
 public:
  static constexpr Instant kForward{sys_days{year{2024} / 3 / 31} + 1h};

  [[nodiscard]] Span offset_at(Instant instant) const override { return instant < kForward ? 1h : 2h; }
  [[nodiscard]] Instant begin_of(std::chrono::local_days day, Span time) const override {
    const Instant winter{day.time_since_epoch() + time - 1h};
    return winter < kForward ? winter : winter - 1h;
  }
};

/// How the traffic is laid on the time line of a picture.
struct Scale {
  Instant start = kStart;
  std::int64_t factor = 1;
  Span unit = 1s;

  [[nodiscard]] Instant instant(Span since_start) const { return start + since_start * factor; }
  [[nodiscard]] double number(Instant instant) const {
    return static_cast<double>((instant - start).count()) / static_cast<double>(unit.count());
  }
};

constexpr Scale kDays{
    .start = Instant{sys_days{year{2024} / 3 / 29} + 23h}, .factor = days{1} / kWindow, .unit = days{1}};

/// One subject under one limit.
template <class Algorithm>
class Caller {
 public:
  Caller(const Algorithm& limit, const Scale& scale) : limit_(limit), scale_(scale) {}

  /// Prints both blocks.
  void trace(const std::vector<Span>& traffic) {
    auto next = traffic.begin();
    std::pair<long long, long long> last{-1, -1};
    for (Span time{}; time <= kLength; time += kSample) {
      for (; next != traffic.end() && *next <= time; ++next) call(scale_.instant(*next));
      const Instant now = scale_.instant(time);
      release_until(now);
      const std::pair<long long, long long> sample{limit_.used(state_, now).count(), granted_lately(now)};
      if (sample == last && time < kLength) continue;
      std::printf("%.3f %lld %lld\n", scale_.number(now), sample.first, sample.second);
      last = sample;
    }
    std::printf("\n\n%s\n\n", calls_.c_str());
  }

 private:
  void call(Instant now) {
    release_until(now);
    const std::string id = std::to_string(granted_.size());
    const auto step = limit_.decide(state_, Ask{.id = id}, now);
    const bool is_granted = step.decision.outcome == Outcome::granted;
    Instant leaves = now;
    if (is_granted) {
      limit_.apply(state_, step.change, id);
      leaves = now + step.decision.wait;
      if constexpr (kHasLeases) leaves = lease_end(now, id);
      granted_.push_back(now);
    }
    char line[80];
    std::snprintf(line, sizeof line, "%.3f %d %.3f\n", scale_.number(now), is_granted ? 1 : 0, scale_.number(leaves));
    calls_ += line;
  }

  Instant lease_end(Instant now, const std::string& id) {
    if (granted_.size() % kForgetful == kForgetful - 1) return now + kWindow;
    releases_.emplace_back(now + kWork, id);
    return now + kWork;
  }

  void release_until([[maybe_unused]] Instant now) {
    if constexpr (kHasLeases) {
      for (; released_ < releases_.size() && releases_[released_].first <= now; ++released_) {
        const auto& [at, id] = releases_[released_];
        Algorithm::release(state_, id, at);
      }
    }
  }

  [[nodiscard]] long long granted_lately(Instant now) const {
    return std::count_if(granted_.begin(), granted_.end(),
                         [&](Instant at) { return at + kWindow * scale_.factor > now; });
  }

  static constexpr bool kHasLeases = std::is_same_v<Algorithm, Concurrent>;

  Algorithm limit_;
  Scale scale_;
  typename Algorithm::State state_{};
  std::vector<Instant> granted_;
  std::vector<std::pair<Instant, std::string>> releases_;
  std::size_t released_ = 0;
  std::string calls_;
};

/// `count` calls at random milliseconds of [from, to).
void add_calls(std::vector<Span>& calls, std::mt19937_64& engine, int count, std::chrono::milliseconds from,
               std::chrono::milliseconds to) {
  for (; count > 0; --count) {
    const auto past = engine() % static_cast<std::uint64_t>((to - from).count());
    calls.push_back(from + std::chrono::milliseconds{static_cast<std::int64_t>(past)});
  }
}

/// Calm, a burst at each side of an edge, more than the limit for a while, silence, a burst.
std::vector<Span> traffic() {
  std::mt19937_64 engine(1);
  std::vector<Span> calls{700ms};
  add_calls(calls, engine, 1, 3s, 7s);
  add_calls(calls, engine, 12, 9s, 9800ms);
  add_calls(calls, engine, 12, 10800ms, 11800ms);
  add_calls(calls, engine, 24, 14s, 29s);
  add_calls(calls, engine, 14, 36s, 37s);
  std::sort(calls.begin(), calls.end());
  return calls;
}

/// A call every fifth of a second, from the first second on.
std::vector<Span> without_pause() {
  std::vector<Span> calls;
  for (Span at = 1s; at < kLength; at += 200ms) calls.push_back(at);
  return calls;
}

template <class Algorithm>
void trace(const Algorithm& limit, const Scale& scale = {}) {
  Caller(limit, scale).trace(traffic());
}

template <class Algorithm>
void trace_without_pause(const Algorithm& limit) {
  Caller(limit, Scale{}).trace(without_pause());
}

}  // namespace

int main() {
  const Berlin berlin;
  trace(TokenBucket::make(kLimit, kLimit, kWindow).value());
  trace(LeakyBucket::make(kLimit, kLimit, kWindow).value());
  trace(FixedWindow::make(kLimit, kWindow, FixedWindow::Start::first_call).value());
  trace(FixedWindow::make(kLimit, kWindow, FixedWindow::Start::aligned).value());
  trace(SlidingWindowLog::make(kLimit, kWindow).value());
  trace(SlidingWindowCounter::make(kLimit, kWindow).value());
  trace(Quota::make(kLimit, CalendarUnit::day, &berlin).value(), kDays);
  trace(Concurrent::make(kLimit, kWindow).value());
  trace_without_pause(TokenBucket::make(kLimit, kLimit, kWindow).value());
  trace_without_pause(LeakyBucket::make(kLimit, kLimit, kWindow).value());
  trace_without_pause(SlidingWindowLog::make(kLimit, kWindow).value());
}
