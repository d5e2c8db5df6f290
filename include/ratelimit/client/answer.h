// SPDX-License-Identifier: MIT
// What a caller is answered: the decision, who made it, and why the server did not. Pure; depends on the decisions of the
// core.
#ifndef RATELIMIT_CLIENT_ANSWER_H
#define RATELIMIT_CLIENT_ANSWER_H

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// Who decided.
enum class Source : std::uint8_t {
  server,
  remembered,   ///< the server, earlier: a denial whose wait is not over
  lease,        ///< the server, earlier: units that were taken in advance
  fail_open,    ///< nobody: the server did not answer, and such calls are granted
  fail_closed,  ///< nobody: the server did not answer, and such calls are denied
  local,        ///< this process, with its share of the limits
  nobody,       ///< the server did not answer, and there is nothing to decide: settle, refund, release
  error,        ///< nobody: there is a mistake in the call or in the set-up, and `Answer::error` says which
};
inline constexpr std::size_t kSources = 8;

/// Why the server did not decide.
enum class Failure : std::uint8_t {
  none,
  timeout,       ///< no answer within the deadline. The server may have charged the call
  refused,       ///< no connection could be made
  closed,        ///< the connection ended. The server may have charged the call
  garbage,       ///< the reply makes no sense. The server may have charged the call
  server_error,  ///< the server cannot answer now: LOADING, OOM, READONLY, …
  left_alone,    ///< the server was not asked: the circuit breaker is open, or it is too early to connect again
  busy,          ///< the server was not asked: all connections were in use until the deadline
  redirected,    ///< each node named another one, too often
};
inline constexpr std::size_t kFailures = 9;

struct Answer {
  Outcome outcome = Outcome::denied;
  Units granted;    ///< the cost, or 0; less than the cost with Mode::partial, or if an estimate exceeds a limit
  Units limit;      ///< the size of the binding limit
  Units remaining;  ///< under that limit, or in the lease
  std::chrono::milliseconds wait{};   ///< denied: until this call would be granted; granted: how long to hold it
  std::chrono::milliseconds reset{};  ///< until the subject is as if never used
  std::string label;                  ///< of the binding limit
  std::string id;                     ///< of the lease or the hold
  std::vector<Answer> each{};  ///< of a call about several keys: what each alone would answer, if the server decided
  bool was_held = false;       ///< settle: there was such a hold. release: there was such a lease
  Source source = Source::server;
  Failure failure = Failure::none;
  std::string error;  ///< what is wrong with the call, or with the server, in words

  /// Whether the caller may go on. Never after a mistake (`Source::error`).
  [[nodiscard]] bool allowed() const { return outcome == Outcome::granted && source != Source::error; }
  explicit operator bool() const { return allowed(); }
};

/// The answer to a call that is wrong, or that the server refuses as one.
[[nodiscard]] inline Answer wrong_call(std::string error) {
  Answer answer;
  answer.source = Source::error;
  answer.error = std::move(error);
  return answer;
}

/// The answer to a call that asks for no decision, and that the server did not answer.
[[nodiscard]] inline Answer unanswered(Failure failure, std::string error) {
  Answer answer;
  answer.source = Source::nobody;
  answer.failure = failure;
  answer.error = std::move(error);
  return answer;
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_ANSWER_H
