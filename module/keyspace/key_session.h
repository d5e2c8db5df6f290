// SPDX-License-Identifier: MIT
// One call's work on one key: which limits apply, what they say, and carrying it out.
//
// A session finds the limits first (`find_limits`), which also gives back what ended holds took. Then it decides. Whatever
// changes the subject is stored in the key, propagated as an effect, and signalled, in that order.
#ifndef RATELIMIT_MODULE_KEYSPACE_KEY_SESSION_H
#define RATELIMIT_MODULE_KEYSPACE_KEY_SESSION_H

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "keyspace/call_context.h"
#include "keyspace/open_key.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/carried_states.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"
#include "server/api.h"

namespace ratelimit {

/// Why a key cannot serve a call.
enum class KeyFault : std::uint8_t {
  wrong_type,      ///< it holds something else
  no_limits,       ///< neither the call nor the key says which limits apply
  other_limits,    ///< the key stores other limits than the call names
  repeated_label,  ///< two limits of the call have the same label
};

class KeySession {
 public:
  using Access = OpenKey::Access;

  KeySession(const CallContext& call, server::Text key, Access access, std::string_view subject_name = {})
      : key_(call, key, access, subject_name) {}

  /// Where limits come from that neither the call names nor the key stores: from nowhere, or from the subject.
  enum class Otherwise : bool { fault, those_of_subject };

  /// Finds the limits that apply to a call which names `specs`, or none: those that are stored in the key, else those of the
  /// call. Then gives back what holds took that have ended. With a fault nothing has changed.
  [[nodiscard]] std::optional<KeyFault> find_limits(std::span<const LimitSpec> specs, Otherwise otherwise);
  /// For a call that names no limits, and goes by those that the subject has.
  [[nodiscard]] std::optional<KeyFault> find_subject() { return find_limits({}, Otherwise::those_of_subject); }
  /// For a second look at a key whose limits are known already. Gives nothing back.
  void look_under(const SharedLimits& limits);
  /// For CL.THROTTLE: the same as `find_limits`, in a key that may hold what the module redis-cell left in it.
  [[nodiscard]] std::optional<KeyFault> find_limits_or_adopt(std::span<const LimitSpec> specs);

  /// Whether limits apply. If not, only `subject` may be called, which is none.
  [[nodiscard]] bool has_limits() const { return limits_ || key_.subject(); }
  /// The limits that apply. They live as long as the session.
  [[nodiscard]] const Limits& limits() const { return limits_ ? *limits_ : key_.subject()->limits(); }
  [[nodiscard]] SharedLimits shared_limits() const { return limits_ ? limits_ : key_.subject()->shared_limits(); }

  // --- looking ---

  [[nodiscard]] const OpenKey& key() const { return key_; }
  [[nodiscard]] const std::optional<Subject>& subject() const { return key_.subject(); }
  [[nodiscard]] bool is_shadow() const { return key_.stored().is_shadow(); }
  /// What the limits would say to a request. Changes nothing.
  [[nodiscard]] Verdict peek(const Request& request) const;
  /// How the limits stand now, at the turn of who waits if somebody does.
  [[nodiscard]] Verdict status() const;
  /// Calls `visit(limits, cells, turn)` with the limits that apply and the subject's states under them, whether or not the
  /// subject goes by these limits already, or was ever seen. Returns what that does.
  template <class Visit>
  auto visit_states(Visit visit) const {
    if (!subject()) {
      std::array<Cell, kMaxLimits> idle;
      construct_idle(*limits_, idle);  // an idle state owns nothing, so that nothing is to be destroyed
      return visit(*limits_, idle, Turn{});
    }
    const Turn turn = subject()->turn();
    if (!limits_) return visit(subject()->limits(), subject()->cells(), turn);
    const CarriedStates carried(subject()->limits(), subject()->cells(), *limits_, turn.or_later(now()));
    return visit(*limits_, carried, turn);
  }
  /// The subject under the limits that apply, once more; idle if it was never seen.
  [[nodiscard]] Value::Pointer copy_under_limits() const;

  // --- deciding and changing ---

  /// Decides a request, charges it if it is granted, and counts it. A request that the limits can never grant changes
  /// nothing. A lease that is granted without an id gets one. What the verdict borrows lives as long as the session.
  Verdict decide(const Request& request);
  /// The same without counting, and for a request that the limits may grant.
  Verdict charge(const Request& request);
  /// What a denial does: stores limits that have changed, and brings to now what is of a clock that ran ahead or of a larger
  /// limit. Without it, the wait that the denial tells would not come true.
  void deny();
  /// Decides the reservation of an estimate, which becomes a hold for `ttl`, and counts the call. The verdict has the id of
  /// the hold.
  Verdict reserve(const Request& request, Span ttl);
  /// Does an operation on the subject. A key that is one subject, and idle then, is removed. Returns what Account::perform
  /// does.
  bool perform(const Operation& operation);
  /// Lets the subject go by the limits that apply. The key stays as it is until something is granted or done.
  void follow();
  void count_call(Outcome outcome) { key_.count_call(outcome); }

  /// Stores limits in the key: everyone in it goes over to them.
  void define(const SharedLimits& limits, bool is_shadow);

  // --- for the background sweep ---

  /// Forgets who is idle in that range of the table, if `may_forget`, and compacts it.
  void sweep(const HashRange& range, bool may_forget) { key_.sweep(range, may_forget); }
  /// Removes a key with a table that nobody needs.
  void remove_if_idle();

 private:
  [[nodiscard]] std::optional<KeyFault> choose_limits(std::span<const LimitSpec> specs, Otherwise otherwise);
  void give_back_ended_holds();
  void commit(const Verdict& verdict);
  /// How a change is propagated: by the whole subject, by what a grant changed, or by what was done. And when the subject was
  /// idle before, if the server ends the key accordingly.
  struct Change {
    const Verdict* verdict = nullptr;
    const Operation* operation = nullptr;
    std::optional<Instant> idle_before{};
  };
  void publish(Instant idle_at, const Change& change);
  [[nodiscard]] KeyEnd move_end(Instant idle_at, const std::optional<Instant>& idle_before);
  void queue_effect(KeyEnd end, const Change& change) const;
  void remove();
  [[nodiscard]] Instant now() const { return key_.call().now; }

  OpenKey key_;
  SharedLimits limits_;        ///< null: those that the subject has apply
  std::string id_;             ///< of a lease or a hold that was granted without one
  bool has_followed_ = false;  ///< the subject goes by other limits than those it was opened with
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_KEY_SESSION_H
