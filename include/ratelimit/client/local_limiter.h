// SPDX-License-Identifier: MIT
// A limiter in this process, for when no server answers: it applies this process's share of each limit to the calls of
// this process alone. Not thread-safe: the fallback locks. Pure; depends on calls, shares and the operations of the core.
//
// The number of subjects is bounded. If there is no room for a new subject, and no known one is idle, the new one is
// denied: a subject that is forgotten would get its share a second time.
#ifndef RATELIMIT_CLIENT_LOCAL_LIMITER_H
#define RATELIMIT_CLIENT_LOCAL_LIMITER_H

#include <array>
#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "ratelimit/booking.h"
#include "ratelimit/client/answer.h"
#include "ratelimit/client/call.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/client/share.h"
#include "ratelimit/holds.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"

namespace ratelimit::client {

class LocalLimiter {
 public:
  /// Knows at most `max` subjects.
  LocalLimiter(std::size_t max, const Share& share) : max_(max), share_(share) {}

  // `name` is the name of a subject. The answer is none if there is no room for the subject, or if the policy does not know
  // its limits.

  /// Charges the cost if it fits.
  [[nodiscard]] std::optional<Answer> check(const std::string& name, const Policy& policy, const Request& request,
                                            Instant now) {
    State* state = find_or_add(name, policy, now);
    if (state == nullptr) return std::nullopt;
    const Verdict verdict = state->decide(request, now);
    if (verdict.decision.outcome == Outcome::granted) {
      state->perform({.kind = Operation::Kind::charge,
                      .at = now,
                      .units = verdict.decision.granted,
                      .span = verdict.turn,
                      .id = request.id});
    }
    return answer_of(*state->limits, verdict);
  }

  /// Whether a check would be granted, and what is left now, as RL.PEEK answers.
  [[nodiscard]] std::optional<Answer> peek(const std::string& name, const Policy& policy, const Request& request,
                                           Instant now) {
    State* state = find_or_add(name, policy, now);
    if (state == nullptr) return std::nullopt;
    state->collect(now);
    return answer_of(*state->limits, look(*state->limits, state->cells, state->reservations.turn, request, now));
  }

  /// Charges all parts, or none. The answer is that of the part that binds: that denies it, else that has the least left.
  [[nodiscard]] std::optional<Answer> check_all(std::span<const Part> parts, Instant now) {
    std::optional<Answer> binding;
    for (const Part& part : parts) {
      if (part.cost == kNoUnits) continue;
      std::optional<Answer> answer =
          peek(name_of_subject(part.key, part.subject), part.policy, {.cost = part.cost}, now);
      if (!answer) return std::nullopt;
      if (!answer->allowed()) return answer;
    }
    for (const Part& part : parts) {
      if (part.cost == kNoUnits) continue;
      std::optional<Answer> answer =
          check(name_of_subject(part.key, part.subject), part.policy, {.cost = part.cost}, now);
      if (answer && (!binding || answer->remaining < binding->remaining)) binding = std::move(answer);
    }
    if (binding) return binding;
    Answer nothing_asked;
    nothing_asked.outcome = Outcome::granted;
    nothing_asked.source = Source::local;
    return nothing_asked;
  }

  /// Charges an estimate for at most `ttl`, under the request's id. The answer is also none if that id is settled.
  [[nodiscard]] std::optional<Answer> reserve(const std::string& name, const Policy& policy, const Request& request,
                                              Span ttl, Instant now) {
    State* state = find_or_add(name, policy, now);
    if (state == nullptr) return std::nullopt;
    state->perform({.kind = Operation::Kind::collect, .at = now});
    const Reservations& reservations = state->reservations;
    const auto hold = find_hold(&reservations, request.id, now);
    if (hold && Hold::is_settled(*hold)) return std::nullopt;
    const Verdict verdict =
        decide_reservation(*state->limits, state->cells, reservations, request, now,
                           [&](std::size_t i) { return hold ? reservations.charged_by(*hold, i) : kNoUnits; });
    if (verdict.decision.outcome == Outcome::granted) {
      state->perform(
          {.kind = Operation::Kind::reserve, .at = now, .units = request.cost, .span = ttl, .id = request.id});
    }
    return answer_of(*state->limits, verdict);
  }

  /// Ends a hold that was made here, and charges `actual` instead. If it is settled already, nothing changes. False if
  /// there is no such hold.
  bool settle(const std::string& name, const Policy& policy, std::string_view id, Units actual, Instant now) {
    const auto found = states_.find(name + policy.name());
    if (found == states_.end() || !find_hold(&found->second->reservations, id, now)) return false;
    found->second->perform({.kind = Operation::Kind::settle, .at = now, .units = actual, .id = id});
    return true;
  }

  [[nodiscard]] std::size_t size() const { return states_.size(); }

 private:
  static constexpr std::size_t kMaxPolicies = 1024;
  static constexpr int kLooks = 8;

  struct State {
    explicit State(std::shared_ptr<const Limits> shared) : limits(std::move(shared)) { construct_idle(*limits, cells); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { destroy(*limits, cells); }

    void collect(Instant now) {
      if (!reservations.empty()) perform({.kind = Operation::Kind::collect, .at = now});
    }
    [[nodiscard]] Verdict decide(const Request& request, Instant now) {
      collect(now);
      return ratelimit::decide(*limits, cells, reservations.turn, request, now);
    }
    bool perform(const Operation& operation) { return Booking(*limits, cells, reservations).perform(operation); }
    [[nodiscard]] bool is_idle(Instant now) const {
      return reservations.idle_at() <= now && idle_at(*limits, cells) <= now;
    }

    std::shared_ptr<const Limits> limits;
    std::array<Cell, kMaxLimits> cells;
    Reservations reservations;
    std::list<std::string>::iterator place;
  };

  static Answer answer_of(const Limits& limits, const Verdict& verdict) {
    const Decision& decision = verdict.decision;
    Answer answer;
    answer.outcome = decision.outcome;
    answer.granted = decision.granted;
    answer.limit = decision.size;
    answer.remaining = decision.remaining;
    if (decision.outcome != Outcome::never) answer.wait = std::chrono::ceil<std::chrono::milliseconds>(decision.wait);
    answer.reset = std::chrono::ceil<std::chrono::milliseconds>(decision.reset);
    answer.label = limits.label(verdict.binding);
    answer.source = Source::local;
    return answer;
  }

  State* find_or_add(const std::string& name, const Policy& policy, Instant now) {
    std::string full = name + policy.name();
    if (const auto found = states_.find(full); found != states_.end()) return found->second.get();
    std::shared_ptr<const Limits> limits = part_of_policy(policy);
    if (limits == nullptr || !make_room(now)) return nullptr;
    auto state = std::make_unique<State>(std::move(limits));
    state->place = order_.insert(order_.end(), full);
    return states_.emplace(std::move(full), std::move(state)).first->second.get();
  }

  /// Whether there is room for one more subject. Looks at a few known ones, at others each time, and forgets those that
  /// are idle: no call takes long, and every idle subject is found in the end.
  bool make_room(Instant now) {
    for (int looks = 0; looks < kLooks && states_.size() >= max_ && !order_.empty(); ++looks) {
      const auto found = states_.find(order_.front());
      if (found->second->is_idle(now)) {
        states_.erase(found);
        order_.pop_front();
      } else {
        order_.splice(order_.end(), order_, order_.begin());
      }
    }
    return states_.size() < max_;
  }

  std::shared_ptr<const Limits> part_of_policy(const Policy& policy) {
    if (policy.limits() == nullptr) return nullptr;
    if (const auto found = parts_.find(policy.name()); found != parts_.end()) return found->second;
    std::optional<Limits> part = part_of(*policy.limits(), share_);
    if (!part) return nullptr;
    if (parts_.size() >= kMaxPolicies) parts_.clear();  // states that use them keep them alive
    return parts_.emplace(policy.name(), std::make_shared<const Limits>(std::move(*part))).first->second;
  }

  std::size_t max_;
  Share share_;
  std::unordered_map<std::string, std::unique_ptr<State>> states_;
  std::list<std::string> order_;  ///< in which idle subjects are looked for
  std::unordered_map<std::string, std::shared_ptr<const Limits>> parts_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_LOCAL_LIMITER_H
