// SPDX-License-Identifier: MIT
// RL.CHECKEACH: decides a call of each of many subjects of a key, every one on its own.
//
// What a call costs beside its decision is paid once: the way through the server, the words, the key, the effect. While one
// subject is decided, the processor fetches where the next ones are in memory.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"
#include "ratelimit/decision.h"
#include "ratelimit/reservations.h"
#include "ratelimit/verdict.h"
#include "storage/subject_hash.h"

namespace ratelimit::commands {
namespace {

// So far ahead that the memory of a subject has come by the time that it is its turn.
constexpr std::size_t kSubjectsAhead = 16;

// The work of giving back what ended holds took, in all subjects together: as much as one RL.CHECK may do.
constexpr std::size_t kMostWork = Reservations::kMostWork;

/// Whether the limits that a call names, or that the key stores, may be asked for each subject. Only an exception has limits
/// that another subject has not, so mostly the first subject speaks for all.
std::optional<Fault> fault_of_subjects(KeySession& session, const CheckRequest& request) {
  const std::size_t subjects = session.has_exceptions() ? request.subjects.size() : 1;
  for (std::size_t i = 0; i < subjects; ++i) {
    if (i > 0) session.turn_to(request.subjects[i]);  // it was opened with the first
    const auto fault = session.look_for_limits(request.limits.named(), KeySession::Otherwise::fault);
    if (fault) return fault_of(*fault);
    if (const auto unfit = fault_of_each(session.limits())) return unfit;
  }
  return std::nullopt;
}

/// The denial of a subject with ended holds for which a call has no time left. The next call will have.
Verdict ask_again() {
  Verdict verdict;
  verdict.decision.outcome = Outcome::denied;
  verdict.decision.wait = std::chrono::milliseconds{1};
  return verdict;
}

/// Decides the call of the subject to which the session has turned. `work` is what the call may still do for ended holds;
/// whoever comes first has all of it.
Verdict decide(KeySession& session, const CheckRequest& request, std::size_t& work) {
  const std::size_t wanted = session.work_of_ended_holds();
  if (wanted > work && work < kMostWork) {
    Verdict verdict = ask_again();
    session.count_call(session.limits(), verdict, request.call.mode);
    return verdict;
  }
  work -= std::min(wanted, work);
  static_cast<void>(session.find_limits(request.limits.named(), KeySession::Otherwise::fault));  // there is no fault
  return session.decide(request.call);
}

}  // namespace

std::optional<Fault> check_each(const Call& call) {
  CheckRequest request;
  if (const auto fault = parse_check_each(call.words(), request)) return fault;
  KeySession session(call.context(), call.key(), KeySession::Access::write, request.subjects[0]);
  if (const auto fault = fault_of_subjects(session, request)) return fault;
  call.server().reply_list(request.subjects.size());
  session.begin_batch();
  const std::span<const std::string_view> subjects = request.subjects;
  const std::vector<SubjectHash> hashes = session.hashes_of(subjects);
  for (const SubjectHash hash : std::span(hashes).first(std::min(hashes.size(), kSubjectsAhead)))
    session.look_ahead(hash);
  std::size_t work = kMostWork;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (i + kSubjectsAhead < hashes.size()) session.look_ahead(hashes[i + kSubjectsAhead]);
    session.turn_to(subjects[i], hashes.empty() ? std::nullopt : std::optional(hashes[i]));
    Verdict verdict = decide(session, request, work);
    answer_in_brief(call, session, request.call, verdict);
  }
  session.end_batch();
  return std::nullopt;
}

}  // namespace ratelimit::commands
