// SPDX-License-Identifier: MIT
// Whether a server is asked at all. If too large a part of the calls of the last moments failed, it is not asked for a
// while. Single failures among many answers do not matter, nor does one short stall, which fails many calls at once. Pure;
// depends on the failure window and the back-off.
//
//                   too many failures                 pause is over
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
#include "ratelimit/client/failure_window.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

class CircuitBreaker {
 public:
  enum class State : std::uint8_t { closed, open, half_open };

  struct Settings {
    std::uint64_t failures = 10;                    ///< at least so many calls must have failed; at least 1
    unsigned percent = 50;                          ///< of the calls in the window, so large a part; 1 to 100
    Span window = std::chrono::seconds{1};          ///< the calls of so long are counted
    Span lasting = std::chrono::milliseconds{100};  ///< so long ago must be the first of those failures
    Backoff::Settings pause{.first = std::chrono::milliseconds{100}, .longest = std::chrono::seconds{5}};
  };

  struct Ticket {
    std::uint64_t epoch = 0;
    bool is_probe = false;
  };

  explicit CircuitBreaker(const Settings& settings)
      : failures_to_open_(std::max<std::uint64_t>(settings.failures, 1)),
        percent_(std::clamp(settings.percent, 1U, 100U)),
        lasting_(settings.lasting),
        window_(std::max(settings.window, settings.lasting)),
        pause_(settings.pause) {}

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
  void succeeded(const Ticket& ticket, Time now) {
    if (ticket.epoch != epoch_) return;
    if (state_ == State::closed) return window_.count(false, now);
    change_to(State::closed);
    pause_.reset();
  }

  /// The server did not answer. True if that opened the breaker, or opened it again. `random` is for the back-off.
  bool failed(const Ticket& ticket, Time now, std::uint64_t random) {
    if (ticket.epoch != epoch_) return false;
    if (state_ == State::closed) {
      window_.count(true, now);
      if (!has_too_many_failures(now)) return false;
    }
    window_.forget_all();
    open_until_ = now + pause_.next(random);
    change_to(State::open);
    return true;
  }

  /// The call did not ask after all: another one may try instead.
  void withdrew(const Ticket& ticket) {
    if (ticket.epoch == epoch_ && ticket.is_probe) change_to(State::open);
  }

 private:
  [[nodiscard]] bool has_too_many_failures(Time now) const {
    const FailureWindow::Sum sum = window_.sum(now);
    return sum.failures >= failures_to_open_ && sum.failures * 100 >= sum.calls * percent_ &&
           now - sum.first_failure >= lasting_;
  }

  void change_to(State state) {
    state_ = state;
    ++epoch_;
  }

  std::uint64_t failures_to_open_;
  unsigned percent_;
  Span lasting_;
  FailureWindow window_;  ///< of calls while closed
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
