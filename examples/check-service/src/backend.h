// SPDX-License-Identifier: MIT
// What a door of the service asks, and how it is answered. A door (HTTP, Envoy's protocol) turns requests into questions, and
// answers into responses. It knows neither the server nor the connections to it. Depends on the policies and the answers of
// the C++ client.
#ifndef RATELIMIT_SERVICE_BACKEND_H
#define RATELIMIT_SERVICE_BACKEND_H

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/request.h"
#include "ratelimit/units.h"

namespace ratelimit::service {

using client::Answer;
using client::Policy;

/// Who is asked about, and under which limits.
struct Question {
  std::string key;                   ///< or the name of a limiter, which stores its limits
  std::string subject{};             ///< FOR; empty: the key itself
  Policy policy = Policy::stored();  ///< the limits; `Policy::stored()` for a limiter
  Units cost{1};            ///< 0 only looks: nothing is charged. `settle`: the actual cost. `refund`: the units
  std::string id{};         ///< `reserve`, `settle`: of the hold. `check`: of a lease of CONCURRENT
  Mode mode = Mode::whole;  ///< of `check`
  Units lease{};            ///< of `check`, if more than `cost`: take so many units at once, for the next calls
};

/// What comes along with a request.
struct Context {
  Span deadline{};           ///< the caller waits no longer; 0: as the service is configured, which is also the longest
  std::string_view trace{};  ///< the correlation id, borrowed for the time of the call
};

/// Gets one answer, exactly once, maybe before the call returns. Must not block and must not throw.
using Done = std::function<void(Answer)>;
/// Gets the answer to all questions together, and what each key alone would answer, in the order of the questions. The list
/// is empty if the server did not decide (`Answer::source` says who did).
using DoneAll = std::function<void(Answer all, std::vector<Answer> each)>;

/// Which thread may call, and on which one answers come, is said by who hands a backend out: `Service` gives doors one that
/// any thread may call.
class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  /// RL.CHECK, or RL.PEEK if the cost is 0.
  virtual void check(const Question& question, const Context& context, Done done) = 0;
  /// RL.CHECKALL … COSTS … EACH: all are charged, or none is. In a cluster all keys must be in one slot ({…} in their
  /// names). Each question has exactly one limit, or all are limiters. 1 to 64 questions, no two of one key and subject.
  virtual void check_all(const std::vector<Question>& questions, const Context& context, DoneAll done) = 0;
  /// RL.RESERVE: `Answer::id` names the hold. `ttl` is whole milliseconds.
  virtual void reserve(const Question& question, Span ttl, const Context& context, Done done) = 0;
  /// RL.SETTLE: `Answer::was_held` says whether there was such a hold.
  virtual void settle(const Question& question, const Context& context, Done done) = 0;
  /// RL.REFUND: `Answer::granted` says how many units came back.
  virtual void refund(const Question& question, const Context& context, Done done) = 0;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_BACKEND_H
