// SPDX-License-Identifier: MIT
// What a caller asks: a key, a policy, and what is particular to this call. Pure; depends on policies and on the requests
// of the core.
#ifndef RATELIMIT_CLIENT_CALL_H
#define RATELIMIT_CLIENT_CALL_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ratelimit/client/policy.h"
#include "ratelimit/request.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// What is particular to one call. Everything is borrowed for the time of the call.
struct Call {
  std::string_view subject{};  ///< FOR; empty: the key itself
  Units cost{1};
  Mode mode = Mode::whole;
  Span longest_wait{};    ///< with Mode::may_wait: whole milliseconds; none is like Mode::whole
  std::string_view id{};  ///< of a lease of CONCURRENT, or of a hold
  Units lease{};          ///< if more than `cost`: take so many units at once, and serve the next calls from them
  Span deadline{};        ///< of a pipeline's call, if that is shorter than `Options::deadline`; 0: that of the options
  bool brief = false;     ///< the answer needs no `limit`, `reset` and `label`: then a pipeline may gather such calls
  std::string_view trace{};  ///< for `Options::observer`: a correlation id, or what a tracer wants
};

/// A call with its key and its policy, all borrowed.
struct Question {
  std::string_view key;
  const Policy& policy;
  const Call& call;
};

/// One of the keys of a call about several, all borrowed. The policy has one limit, or those of all parts are stored.
struct Part {
  std::string_view key;
  std::string_view subject;
  const Policy& policy;
  Units cost{1};  ///< 0 only looks
};
inline constexpr std::size_t kMaxParts = 64;

/// What a call asks for, all borrowed. The cost of a question is the actual one of `settle`, and the units of `refund`. The
/// question of `check_all` names the first part, and what the parts have in common.
struct Ask {
  enum class Verb : std::uint8_t { check, peek, reserve, settle, refund, release, check_all, define };
  Verb verb = Verb::check;
  Question question;
  Span ttl{};                     ///< of a hold
  std::span<const Part> parts{};  ///< of `check_all`
  std::string_view limits{};      ///< of `define`: the words, with spaces between
  bool is_on_trial = false;       ///< of `define`: SHADOW
};

[[nodiscard]] constexpr std::string_view name_of(Ask::Verb verb) {
  switch (verb) {
    case Ask::Verb::check: return "check";
    case Ask::Verb::peek: return "peek";
    case Ask::Verb::reserve: return "reserve";
    case Ask::Verb::settle: return "settle";
    case Ask::Verb::refund: return "refund";
    case Ask::Verb::release: return "release";
    case Ask::Verb::check_all: return "check_all";
    case Ask::Verb::define: return "define";
  }
  return {};
}

/// What is wrong with a call, in the words of an error; none if it is right. The server checks the same. But without a
/// server the call goes to the core, which relies on it.
[[nodiscard]] inline std::optional<std::string> fault_of(const Call& call) {
  if (!in_range(call.cost)) return "cost must be an integer from 1 to " + std::to_string(kMaxUnits.count());
  if (call.subject.size() > kMaxSubjectBytes) return "subject must be at most 1024 bytes";
  if (call.id.size() > kMaxIdBytes) return "id must be 1 to 64 bytes";
  if (call.mode != Mode::may_wait) return std::nullopt;
  const bool is_possible = call.longest_wait == Span{} || in_range(call.longest_wait);
  if (is_possible && is_whole_milliseconds(call.longest_wait)) return std::nullopt;
  return "longest_wait must be whole milliseconds, from 0 to 3650 d";
}

/// The same of the parts of a call.
[[nodiscard]] inline std::optional<std::string> fault_in(std::span<const Part> parts) {
  if (parts.empty() || parts.size() > kMaxParts) return "a call has 1 to 64 parts";
  const bool are_stored = parts.front().policy.words().empty();
  for (const Part& part : parts) {
    if (part.cost < kNoUnits || part.cost > kMaxUnits) {
      return "cost must be an integer from 0 to " + std::to_string(kMaxUnits.count());
    }
    if (part.subject.size() > kMaxSubjectBytes) return "subject must be at most 1024 bytes";
    if (part.policy.words().empty() != are_stored) return "either all parts are limiters, or none is";
    if (!are_stored && part.policy.limits()->size() != 1) return "a part has one limit";
  }
  return std::nullopt;
}

/// The request that the core decides.
[[nodiscard]] inline Request request_of(const Call& call) {
  const bool is_plain = call.mode == Mode::may_wait && call.longest_wait == Span{};
  return {
      .cost = call.cost, .mode = is_plain ? Mode::whole : call.mode, .longest_wait = call.longest_wait, .id = call.id};
}

// --- names: what the client knows subjects, leases and denials by ------------------------------------

/// A name for a subject of a key: different for any two, whatever bytes they have. No name begins with another.
[[nodiscard]] inline std::string name_of_subject(std::string_view key, std::string_view subject) {
  std::string name = std::to_string(key.size());
  name.append(":").append(key).append(std::to_string(subject.size())).append(":").append(subject);
  return name;
}
[[nodiscard]] inline std::string name_of_subject(const Question& question) {
  return name_of_subject(question.key, question.call.subject);
}

/// A name for a subject under a policy: the calls that one lease may serve have it in common. Begins with the subject's.
[[nodiscard]] inline std::string name_of_place(const Question& question) {
  return name_of_subject(question) + question.policy.name();
}

/// A name for a call: everything but the state that the server's decision depends on. Begins with the subject's.
[[nodiscard]] inline std::string name_of_call(const Question& question) {
  const Call& call = question.call;
  std::string name = name_of_place(question);
  name.append(" ").append(std::to_string(call.cost.count()));
  name.append(" ").append(std::to_string(static_cast<int>(call.mode)));
  if (call.brief) name.append(" brief");
  if (call.mode == Mode::may_wait) name.append(" ").append(std::to_string(call.longest_wait.count()));
  return name;
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CALL_H
