// SPDX-License-Identifier: MIT
#include "server/clock.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include "server/api.h"

namespace ratelimit {
namespace {

Span steady_time() {
#ifdef CLOCK_BOOTTIME
  constexpr clockid_t kSteady = CLOCK_BOOTTIME;  // unlike CLOCK_MONOTONIC it runs on while the machine sleeps
#else
  constexpr clockid_t kSteady = CLOCK_MONOTONIC;
#endif
  timespec time{};
  clock_gettime(kSteady, &time);
  return std::chrono::seconds{time.tv_sec} + Span{time.tv_nsec};
}

}  // namespace

Clock::Clock()
    : offset_(std::chrono::duration_cast<Span>(std::chrono::system_clock::now().time_since_epoch()) - steady_time()) {}

Instant Clock::now() const {
  if (held_) return *held_;
  return std::clamp(Instant{offset_ + steady_time()}, kEarliest, kLatest);
}

Span wall_clock_lead(Instant now) { return std::max(Span{server::unix_time()} - now.time_since_epoch(), Span{}); }

}  // namespace ratelimit
