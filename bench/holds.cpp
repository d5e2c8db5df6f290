// SPDX-License-Identifier: MIT
// What RL.RESERVE and RL.SETTLE leave in use, against calls whose actual cost had been known at once: the same calls to
// both, from the core itself. bench/holds runs it.
//
// 4,000 calls; each reserves 1,000 units and costs any number from 0 to 1,000. So many at a time are open; which of them
// is settled next is left to chance. About one step is made a second.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/booking.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"

namespace {

using namespace std::chrono_literals;
using ratelimit::Algorithm;
using ratelimit::Instant;
using ratelimit::Limits;
using ratelimit::LimitSpec;
using ratelimit::Operation;
using ratelimit::Units;

constexpr int kCalls = 4000;
constexpr std::int64_t kEstimate = 1000;

/// One subject under one limit.
class Subject {
 public:
  explicit Subject(const LimitSpec& spec) : limits_(Limits::make(std::vector{spec}).value()) {
    construct_idle(limits_, cells_);
  }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  ~Subject() { destroy(limits_, cells_); }

  void perform(const Operation& operation) {
    ratelimit::Booking(limits_, std::span(cells_).first(1), reservations_).perform(operation);
  }
  [[nodiscard]] std::int64_t used(Instant now) const {
    return limits_[0].visit(
        [&](const auto& algorithm) { return algorithm.used(state_in(cells_[0], algorithm), now).count(); });
  }

 private:
  Limits limits_;
  std::array<ratelimit::Cell, ratelimit::kMaxLimits> cells_;
  ratelimit::Reservations reservations_;
};

struct Open {
  std::string id;
  std::int64_t actual;
};

void compare(const char* title, const LimitSpec& spec, std::size_t at_a_time) {
  std::mt19937_64 random(1);
  Subject reserved(spec);
  Subject known(spec);
  std::vector<Open> open;
  Instant now{std::chrono::sys_days{std::chrono::year{2024} / 2 / 29}};
  for (int calls = 0; calls < kCalls || !open.empty();) {
    now += std::chrono::milliseconds{random() % 2000};
    if (calls < kCalls && open.size() < at_a_time) {
      open.push_back({std::to_string(calls++), static_cast<std::int64_t>(random() % (kEstimate + 1))});
      const auto& [id, actual] = open.back();
      reserved.perform({.kind = Operation::Kind::reserve, .at = now, .units = Units(kEstimate), .span = 1h, .id = id});
      if (actual > 0) known.perform({.kind = Operation::Kind::charge, .at = now, .units = Units(actual)});
    } else {
      const auto which = open.begin() + static_cast<std::ptrdiff_t>(random() % open.size());
      reserved.perform({.kind = Operation::Kind::settle, .at = now, .units = Units(which->actual), .id = which->id});
      open.erase(which);
    }
  }
  const double more = static_cast<double>(reserved.used(now) - known.used(now));
  std::printf("| %s | %zu | %.0f | %.2f |\n", title, at_a_time, more,
              more / static_cast<double>(kEstimate) / static_cast<double>(at_a_time));
}

LimitSpec limit(Algorithm algorithm, std::int64_t size, std::int64_t refill, ratelimit::Span span) {
  LimitSpec spec;
  spec.algorithm = algorithm;
  spec.size = Units(size);
  spec.refill = Units(refill);
  spec.span = span;
  return spec;
}

}  // namespace

int main() {
  std::printf("| limit | holds at a time | units in use too many at the end | of what was held at a time |\n");
  std::printf("|---|---|---|---|\n");
  for (const std::size_t at_a_time : {1, 4, 16, 64}) {
    compare("`FIXED 2000000000 1d`", limit(Algorithm::fixed_window, 2'000'000'000, 0, 24h), at_a_time);
    compare("`SLIDING 2000000000 1d`", limit(Algorithm::sliding_window_log, 2'000'000'000, 0, 24h), at_a_time);
    compare("`TOKENBUCKET 100000 300 1s`", limit(Algorithm::token_bucket, 100'000, 300, 1s), at_a_time);
  }
}
