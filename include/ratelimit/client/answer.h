// What a call asks, and what it is answered: by whom, and why not by the server, if it was not.
#ifndef RATELIMIT_CLIENT_ANSWER_H
#define RATELIMIT_CLIENT_ANSWER_H

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "ratelimit/request.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// What a call says of itself. Everything is borrowed for the time of the call.
struct Call {
  std::string_view subject{};  ///< FOR; empty: the key itself
  Units cost{1};
  Mode mode = Mode::whole;
  Span longest_wait{};    ///< of Mode::may_wait
  std::string_view id{};  ///< of a lease of CONCURRENT, or of a hold
  Units lease{};          ///< more than `cost`: to take so many at once, and serve the next calls from them
};

/// Who decided.
enum class Source : std::uint8_t {
  server,
  remembered,   ///< the server, before: a denial whose wait is not over
  lease,        ///< the server, before: units that were taken in advance
  fail_open,    ///< nobody: there was no answer, and such calls are granted
  fail_closed,  ///< nobody: there was no answer, and such calls are denied
  local,        ///< this process, with its share of the limits
  nobody,       ///< there was no answer, and nothing to decide: a settlement, a refund, a release
  error,        ///< nobody: the call itself is wrong, `Answer::error` says how
};
inline constexpr std::size_t kSources = 8;

/// Why the server did not decide.
enum class Failure : std::uint8_t {
  none,
  timeout,       ///< no answer within the deadline; the server may have charged the call
  refused,       ///< no connection could be made
  closed,        ///< the connection ended; the server may have charged the call
  garbage,       ///< the answer is none; likewise
  server_error,  ///< it cannot answer now: LOADING, OOM, READONLY, no such module, …
  left_alone,    ///< it was not asked: the circuit breaker is open, or it is too early to connect again
  busy,          ///< it was not asked: all connections were in use until the deadline
  redirected,    ///< each node named another one, too often
};
inline constexpr std::size_t kFailures = 9;

struct Answer {
  Outcome outcome = Outcome::denied;
  Units granted;    ///< the cost, or nothing; a part of it with Mode::partial, or if an estimate exceeds a limit
  Units limit;      ///< the size of the binding limit
  Units remaining;  ///< under that limit, or in the lease
  std::chrono::milliseconds wait{};
  std::chrono::milliseconds reset{};
  std::string label;
  std::string id;         ///< of the lease or the hold
  bool was_held = false;  ///< settle: there was such a hold. release: there was such a lease
  Source source = Source::server;
  Failure failure = Failure::none;
  std::string error;  ///< what the server says of a call that is wrong, or of itself

  /// Whether the caller may go on. Never of a call that is wrong.
  [[nodiscard]] bool allowed() const { return outcome == Outcome::granted && source != Source::error; }
  explicit operator bool() const { return allowed(); }
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_ANSWER_H
