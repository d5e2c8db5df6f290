// SPDX-License-Identifier: MIT
// Calls that are made and not answered, and the commands that carry them. Depends on calls, answers, leases and the circuit
// breaker.
#ifndef RATELIMIT_CLIENT_PENDING_H
#define RATELIMIT_CLIENT_PENDING_H

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/call.h"
#include "ratelimit/client/circuit_breaker.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/lease_keeper.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// Gets the answer to a call.
using Done = std::function<void(Answer)>;

/// A call that waits for its answer. It owns what its caller lent it.
class PendingCall {
 public:
  PendingCall(const Ask& ask, Done done, Time begun)
      : verb_(ask.verb),
        key_(ask.question.key),
        subject_(ask.question.call.subject),
        id_(ask.question.call.id),
        trace_(ask.question.call.trace),
        policy_(ask.question.policy),
        call_(ask.question.call),
        ttl_(ask.ttl),
        done_(std::move(done)),
        begun_(begun) {
    call_.subject = subject_;
    call_.id = id_;
    call_.trace = trace_;
    own(ask.parts);
  }
  PendingCall(const PendingCall&) = delete;
  PendingCall& operator=(const PendingCall&) = delete;
  ~PendingCall() = default;

  /// Valid as long as the object.
  [[nodiscard]] Ask ask() const {
    return {.verb = verb_, .question = {key_, policy_, call_}, .ttl = ttl_, .parts = parts_};
  }
  [[nodiscard]] Time begun() const { return begun_; }
  /// When it must be answered. `usual` is `Options::deadline`.
  [[nodiscard]] Time deadline(Span usual) const {
    return begun_ + (call_.deadline > Span{} ? std::min(call_.deadline, usual) : usual);
  }
  void answer(Answer answer) const { done_(std::move(answer)); }

  /// The right to take a lease, of a call that does so.
  std::unique_ptr<LeaseKeeper::Claim> claim{};

  /// Whether it may be gathered with others: a plain check that is content with a brief answer. RL.CHECKEACH has no leases
  /// and no turns.
  [[nodiscard]] bool may_be_gathered() const {
    if (claim != nullptr || verb_ != Ask::Verb::check || !call_.brief || call_.mode != Mode::whole ||
        subject_.empty() || !id_.empty()) {
      return false;
    }
    const Limits* limits = policy_.limits();
    for (std::size_t i = 0; limits != nullptr && i < limits->size(); ++i) {
      const Limit& limit = (*limits)[i];
      if (limit.has_leases() || limit.algorithm() == Algorithm::leaky_bucket) return false;
    }
    return true;
  }
  /// Whether one RL.CHECKEACH can carry both, if both may be gathered.
  [[nodiscard]] bool goes_with(const PendingCall& other) const {
    return call_.cost == other.call_.cost && call_.deadline == other.call_.deadline && key_ == other.key_ &&
           policy_.name() == other.policy_.name();
  }

 private:
  struct OwnedPart {
    std::string key;
    std::string subject;
    Policy policy;
  };

  void own(std::span<const Part> parts) {
    owned_.reserve(parts.size());  // so that none moves
    for (const Part& part : parts) {
      const OwnedPart& owned =
          owned_.emplace_back(OwnedPart{std::string(part.key), std::string(part.subject), part.policy});
      parts_.push_back({owned.key, owned.subject, owned.policy, part.cost});
    }
  }

  const Ask::Verb verb_;
  const std::string key_;
  const std::string subject_;
  const std::string id_;
  const std::string trace_;
  const Policy policy_;
  Call call_;
  const Span ttl_;
  const Done done_;
  const Time begun_;
  std::vector<OwnedPart> owned_;
  std::vector<Part> parts_;  ///< borrow from `owned_`
};

/// The calls that one command carries: one, or several that were gathered.
struct Carried {
  std::vector<std::unique_ptr<PendingCall>> calls;  ///< null, once it is answered
  Shape shape{};                                    ///< of the command's reply
  Time deadline{};                                  ///< of the first of the calls
  std::optional<CircuitBreaker::Ticket> ticket{};   ///< until it is known whether the server answered
  std::size_t slot = 0;                             ///< of the key
  bool is_asking = false;                           ///< ASKING goes before the command, and has a reply of its own
  int redirections = 0;

  [[nodiscard]] bool is_gathered() const { return shape.kind == Shape::Kind::each; }
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_PENDING_H
