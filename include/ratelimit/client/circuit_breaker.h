// SPDX-License-Identifier: MIT
// Whether a server is asked at all. After several failures in a row it is not asked for a while. The failures must be
// spread over some time: one short stall fails many calls at once. Pure; depends on the back-off.
//
//                   failures in a row                  pause is over
//        closed ------------------------> open ------------------------> half open: one call tries
//          ^                               ^                                |            |
//          |                               +--------- it failed ------------+            |
//          +------------------------------------------ it was answered ------------------+
//
// A call that may ask gets a ticket, and reports with it whether the server answered. A report that comes after the state
// has changed is ignored.
#ifndef RATELIMIT_CLIENT_CIRCUIT_BREAKER_H
#define RATELIMIT_CLIENT_CIRCUIT_BREAKER_H

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "ratelimit/client/backoff.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

class CircuitBreaker {
 public:
  enum class State : std::uint8_t { closed, open, half_open };

  struct Settings {
    int failures = 5;                              ///< so many in a row open the breaker; at least 1
    Span lasting = std::chrono::milliseconds{20};  ///< if at least so long passes from the first to the last
    Backoff::Settings pause{.first = std::chrono::milliseconds{100}, .longest = std::chrono::seconds{5}};
  };

  struct Ticket {
    std::uint64_t epoch = 0;
    bool is_probe = false;
  };

  explicit CircuitBreaker(const Settings& settings)
      : failures_to_open_(std::max(settings.failures, 1)), lasting_(settings.lasting), pause_(settings.pause) {}

  [[nodiscard]] State state() const { return state_; }

  /// Whether a call may ask at `now`.
  [[nodiscard]] bool would_admit(Time now) const {
    return state_ == State::closed || (state_ == State::open && now >= open_until_);
  }

  /// A ticket for a call at `now`. None if the call must not ask.
  [[nodiscard]] std::optional<Ticket> admit(Time now) {
    if (!would_admit(now)) return std::nullopt;
    if (state_ == State::open) change_to(State::half_open);
    return Ticket{epoch_, state_ == State::half_open};
  }

  /// The server answered.
  void succeeded(const Ticket& ticket) {
    if (ticket.epoch != epoch_) return;
    failures_ = 0;
    if (state_ == State::closed) return;
    change_to(State::closed);
    pause_.reset();
  }

  /// The server did not answer. True if that opened the breaker, or opened it again. `random` is for the back-off.
  bool failed(const Ticket& ticket, Time now, std::uint64_t random) {
    if (ticket.epoch != epoch_) return false;
    if (state_ == State::closed) {
      if (failures_ == 0) first_failure_ = now;
      failures_ = std::min(failures_ + 1, failures_to_open_);
      if (failures_ < failures_to_open_ || now - first_failure_ < lasting_) return false;
    }
    failures_ = 0;
    open_until_ = now + pause_.next(random);
    change_to(State::open);
    return true;
  }

  /// The call did not ask after all: another one may try instead.
  void withdrew(const Ticket& ticket) {
    if (ticket.epoch == epoch_ && ticket.is_probe) change_to(State::open);
  }

 private:
  void change_to(State state) {
    state_ = state;
    ++epoch_;
  }

  int failures_to_open_;
  Span lasting_;
  Time first_failure_{};
  int failures_ = 0;  ///< in a row, while closed
  State state_ = State::closed;
  std::uint64_t epoch_ = 0;
  Time open_until_{};
  Backoff pause_;
};

[[nodiscard]] constexpr const char* name_of(CircuitBreaker::State state) {
  switch (state) {
    case CircuitBreaker::State::closed: return "closed";
    case CircuitBreaker::State::open: return "open";
    case CircuitBreaker::State::half_open: return "half open";
  }
  return "";
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CIRCUIT_BREAKER_H
