// SPDX-License-Identifier: MIT
// What a call is told of a verdict: the five integers, and what else it asked for. The one place that knows what a limiter
// on trial shows to callers.
#ifndef RATELIMIT_MODULE_COMMANDS_ANSWER_H
#define RATELIMIT_MODULE_COMMANDS_ANSWER_H

#include <optional>
#include <string_view>
#include <vector>

#include "commands/call.h"
#include "keyspace/key_session.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/http/limit_status.h"
#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/verdict.h"

namespace ratelimit {

/// What is wrong with a call that a key cannot serve.
[[nodiscard]] Fault fault_of(KeyFault fault);

struct AnswerForm {
  bool has_label = true;     ///< whether the reply names the binding limit
  bool has_id = true;        ///< whether the reply has the id of the lease, if one of the limits has leases
  Span jitter{};             ///< by how much the wait of a denial may be made longer at random
  bool has_headers = false;  ///< whether the reply has the fields of an HTTP response
};

/// How each limit stands, after a request got that verdict. Limits on trial stand as if nobody had used them.
[[nodiscard]] std::vector<LimitStatus> statuses_after(const KeySession& session, const Request& request,
                                                      const Verdict& verdict, Instant now);

/// What the binding limit is called; what denies is not always a limit.
[[nodiscard]] std::string_view label_of(const Limits& limits, const Verdict& verdict);

/// Turns a verdict into what a limiter on trial shows: that all of `cost` is granted, unless the subject is blocked, which
/// is no word of the limits. `mode` is that of the call.
void show_on_trial(const KeySession& session, Verdict& verdict, Units cost, Mode mode = Mode::whole);

/// Answers a check with the verdict that a session came to. The verdict becomes what the caller is told.
void answer_check(const Call& call, const KeySession& session, const Request& request, Verdict& verdict,
                  const AnswerForm& form);

/// The same with one integer. Who asks so needs to know of no lease.
void answer_in_brief(const Call& call, const KeySession& session, const Request& request, Verdict& verdict,
                     Span jitter = {});

/// Answers with a verdict that granted `granted`, or would have if the limits are on trial. `note` comes after the label.
void answer(const Call& call, const KeySession& session, const Request& request, Verdict verdict, Units granted,
            std::string_view note, const AnswerForm& form = {});

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_ANSWER_H
