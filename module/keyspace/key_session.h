// SPDX-License-Identifier: MIT
// One call's work on one key: which limits apply, what they say, and carrying it out.
//
// A session finds the limits first (`find_limits`), which also gives back what ended holds took. Then it decides, by
// the accounts of these limits. Whatever changes the subject is stored in the key, propagated as an effect, and
// signalled, in that order.
#ifndef RATELIMIT_MODULE_KEYSPACE_KEY_SESSION_H
#define RATELIMIT_MODULE_KEYSPACE_KEY_SESSION_H

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keyspace/call_context.h"
#include "keyspace/named_limits.h"
#include "keyspace/notifications.h"
#include "keyspace/open_key.h"
#include "ratelimit/account.h"
#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/block.h"
#include "ratelimit/limits.h"
#include "ratelimit/nearness.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"
#include "server/api.h"
#include "storage/history.h"

namespace ratelimit {

/// Why a key cannot serve a call.
enum class KeyFault : std::uint8_t {
  wrong_type,        ///< it holds something else
  no_limits,         ///< neither the call nor the key says which limits apply
  other_limits,      ///< the key stores other limits than the call names
  repeated_label,    ///< two limits of the call have the same label
  too_many_changes,  ///< its limits have changed so often that its subjects must catch up first
  stores_none,       ///< it stores no limits to which there could be an exception
  other_labels,      ///< the limits of an exception have other labels than those that it stores
  too_many_exceptions,
  used_in_both,  ///< a subject cannot go over to another key: it is in use in both, and holds something here
};

class KeySession {
 public:
  using Access = OpenKey::Access;

  KeySession(const CallContext& call, server::Text key, Access access, std::string_view subject_name = {})
      : notifications_(call, key), key_(call, key, access, subject_name) {}

  /// Where limits come from that neither the call names nor the key stores: from nowhere, or from the subject.
  enum class Otherwise : bool { fault, those_of_subject };

  /// Finds the limits that apply to a call which names these, or none: those that are stored in the key, else those of the
  /// call. Then gives back what holds took that have ended. With a fault nothing has changed.
  [[nodiscard]] std::optional<KeyFault> find_limits(const NamedLimits& named, Otherwise otherwise) {
    // Most calls that name no limits are about a subject that has some, and nothing else.
    const bool are_found = named.empty() && subject() && is_plain() &&
                           (otherwise == Otherwise::those_of_subject || key_.stored().is_stored());
    return are_found ? std::nullopt : choose_and_give_back(named, otherwise);
  }
  /// The same, but gives nothing back: for a first look at a key. If holds have ended (`Subject::any_hold_ended`), the
  /// limits are not asked before `find_limits` was called, on a key that may be written.
  [[nodiscard]] std::optional<KeyFault> look_for_limits(const NamedLimits& named, Otherwise otherwise);
  /// For a call that names no limits, and goes by those that the subject has.
  [[nodiscard]] std::optional<KeyFault> find_subject() { return find_limits({}, Otherwise::those_of_subject); }
  /// To be called before the limits are asked as of later, as they are under a block: clamps what is of a clock that ran
  /// ahead. A key that is only read stays as it is.
  void clamp_if_blocked();
  /// For a second look at a key whose limits are known already. Gives nothing back.
  void look_under(const SharedLimits& limits);
  /// For CL.THROTTLE: the same as `find_limits`, in a key that may hold what the module redis-cell left in it.
  [[nodiscard]] std::optional<KeyFault> find_limits_or_adopt(const NamedLimits& named);

  /// Whether limits apply. If not, the subject was never seen, or was never asked under any.
  [[nodiscard]] bool has_limits() const { return limits_ || (key_.subject() && key_.subject()->limits().size() > 0); }
  /// The limits that apply. They live as long as the session.
  [[nodiscard]] const Limits& limits() const { return limits_ ? *limits_ : key_.subject()->limits(); }
  [[nodiscard]] SharedLimits shared_limits() const { return limits_ ? limits_ : key_.subject()->shared_limits(); }

  // --- several subjects of a key, one after the other ---

  /// Whether there are subjects with limits of their own in a key that stores some.
  [[nodiscard]] bool has_exceptions() const {
    const SubjectTable* const table = key_.stored().subject_table();
    return table != nullptr && table->exceptions() != nullptr;
  }
  /// By what the table knows these subjects; nothing if there is no table yet.
  [[nodiscard]] std::vector<SubjectHash> hashes_of(std::span<const std::string_view> names) const {
    return key_.hashes_of(names);
  }
  /// Lets the processor fetch what is to be read of a subject in the table, to which the session will turn soon.
  [[gnu::always_inline]] void look_ahead(SubjectHash hash) const { key_.look_ahead(hash); }
  /// From now on the session is about that subject: its limits are to be found. `hash` is what `hashes_of` told of it.
  void turn_to(std::string_view subject_name, std::optional<SubjectHash> hash = {});
  /// What is done between these reaches others together.
  void begin_batch() { key_.propagation().begin_batch(); }
  void end_batch() { key_.propagation().end_batch(); }

  /// The work of `find_limits` where holds of the subject have ended (Reservations::work_of_collecting); nothing where none
  /// have.
  [[nodiscard]] std::size_t work_of_ended_holds() const {
    const bool have_ended = subject() && subject()->any_hold_ended(now());
    return have_ended ? subject()->reservations()->work_of_collecting() : 0;
  }

  // --- looking ---

  [[nodiscard]] const OpenKey& key() const { return key_; }
  [[nodiscard]] const std::optional<Subject>& subject() const { return key_.subject(); }
  [[nodiscard]] bool is_shadow() const { return key_.stored().is_shadow(); }
  /// Whether the subject was never seen, or is idle, as far as all its accounts go.
  [[nodiscard]] bool is_forgotten() const { return !subject() || subject()->idle_at() <= now(); }
  /// The block of the subject; the default if there is none.
  [[nodiscard]] Block block() const { return subject() ? subject()->block() : Block{}; }
  /// How much longer the subject is blocked; nothing if it is not.
  [[nodiscard]] Span blocked_for() const { return block().left(now()); }
  /// What the limits would say to a request. Changes nothing.
  [[nodiscard]] Verdict peek(const Request& request) const;
  /// How the limits stand now, at the turn of who waits if somebody does.
  [[nodiscard]] Verdict status() const;
  /// Calls `visit(limits, cells, turn)` with the limits that apply and the states of their accounts, whether or not the
  /// subject has these accounts already, or was ever seen. Returns what that does.
  template <class Visit>
  auto visit_states(Visit visit) const {
    if (is_absent()) {
      std::array<Cell, kMaxLimits> idle;
      construct_idle(*limits_, idle);  // an idle state owns nothing, so that nothing is to be destroyed
      return visit(*limits_, idle, Turn{});
    }
    const Turn turn = subject()->turn();
    if (!limits_) return visit(subject()->limits(), subject()->cells(), turn);
    return visit(*limits_, named_accounts(), turn);
  }

  // --- deciding and changing ---

  /// Decides a request, charges it if it is granted, and counts it. A request that the limits can never grant changes
  /// nothing. A lease that is granted without an id gets one. What the verdict borrows lives as long as the session.
  Verdict decide(const Request& request);
  /// The same without counting, and for a request that the limits may grant.
  Verdict charge(const Request& request);
  /// What a denial does to a subject that exists: opens the accounts that the call names, and brings to now what is of
  /// a clock that ran ahead. Without that, the wait that the denial tells would not come true.
  void deny();
  /// What `reserve` would say. Changes nothing in a key that is only read.
  [[nodiscard]] Verdict peek_reservation(const Request& request);
  /// What each limit is asked for by the reservation of an estimate, as of an instant: the estimate, or what a hold lacks.
  [[nodiscard]] Charges asked_by_reservation(const Request& request, Instant at) const;
  /// Decides the reservation of an estimate, which becomes a hold for `ttl`, and counts the call. The verdict has the id of
  /// the hold.
  Verdict reserve(const Request& request, Span ttl);
  /// The same without counting.
  Verdict charge_estimate(const Request& request, Span ttl);
  /// Settles the hold with the id of a request, or charges the costs if there is none.
  void settle(const Request& request);
  /// The hold with that id, settled or not, if the subject has it.
  [[nodiscard]] std::optional<LeaseSet::Holder> hold(std::string_view id) const;
  /// From now on the limits of all accounts apply, as before any were found.
  void go_by_subject() { go_by({}); }
  /// From now on the limits of these accounts apply.
  void go_by_accounts(AccountSet set);
  /// Does an operation on the subject. A key that is one subject, and idle then, is removed. Returns what
  /// Booking::perform does.
  bool perform(const Operation& operation);
  /// Blocks the subject for so long, in place of a block that is there; 0 lifts that. False if there is none to lift. For a
  /// session that found the subject.
  bool block(Span length);
  /// Forgets the subject: what is used, reserved and blocked. The limits of a key that stores them stay, and so do others in
  /// it. False if there was nothing to forget. For a session that found the subject.
  bool forget();
  /// Lets the subject go over to the key of another session, for the subject of that name there, and forgets it here.
  /// What is not in use there goes over whole; else what is used here is charged there, by force. `is_done` is false
  /// if there is nothing to take along. For sessions that have found nothing yet. With a fault nothing has changed,
  /// except that holds that have ended were given back.
  [[nodiscard]] std::optional<KeyFault> transfer_to(KeySession& to, bool& is_done);
  /// Lets the subject have the accounts that the call names. The key stays as it is until something is granted or done.
  /// Returns the accounts that the call names.
  enum class For : bool { grant, denial };
  AccountSet open_accounts(For purpose = For::grant);
  /// Counts a call that these limits decided, for INFO and for the history of the key.
  void count_call(const Limits& limits, const Verdict& verdict, Mode mode);
  /// Counts a refund after which so many units came back, for INFO.
  void count_refund(Units came_back);
  /// Something has happened in the key of which subscribers may want to hear.
  void note_event(Event event) { notifications_.note(event, key_.stored().subject_table()); }

  /// Stores limits in the key: everyone in it goes over to them. With a fault nothing has changed.
  [[nodiscard]] std::optional<KeyFault> define(const SharedLimits& limits, bool is_shadow);

  /// Gives the subject, which must be one in a key that stores limits, limits of its own; null: it goes back to those of all.
  /// With a fault nothing has changed.
  [[nodiscard]] std::optional<KeyFault> except(const SharedLimits& limits);

  // --- for the background sweep ---

  /// Forgets who is idle in that range of the table, if `may_forget`, and compacts it.
  void sweep(const HashRange& range, bool may_forget) { key_.sweep(range, may_forget); }
  /// Removes a key with a table that nobody needs. False if it stays.
  bool remove_if_idle();

 private:
  void count_granted(const Limits& limits, const Verdict& verdict, Mode mode);
  void count_near(const Limits& limits, LimitSet near);
  void count_denied(const Limits& limits, const Verdict& verdict, Mode mode);
  void count_operation(const Operation& operation);
  [[nodiscard]] Caller caller() const;
  /// Whether the subject, which is there, has nothing reserved, and one list of limits: as nearly all have.
  [[nodiscard]] bool is_plain() const {
    return subject()->reservations() == nullptr && !subject()->has_several_lists();
  }
  [[nodiscard]] std::optional<KeyFault> choose_and_give_back(const NamedLimits& named, Otherwise otherwise);
  [[nodiscard]] std::optional<KeyFault> choose_limits(const NamedLimits& named, Otherwise otherwise);
  void give_back_and_leave_out(bool names_none);
  void give_back_ended_holds();
  [[nodiscard]] const SharedLimits& limits_of_new() const;
  [[nodiscard]] std::optional<KeyFault> fault_of_exception(const Limits& limits) const;
  void forget_subject();
  void forget_own_subject();
  void take_over(const Subject& subject);
  void add_used(const Subject& subject);
  /// Whether there is nothing that the limits of the call would go by: the subject was never seen, or is idle.
  [[nodiscard]] bool is_absent() const { return !subject() || (limits_ && is_idle()); }
  [[nodiscard]] bool is_idle() const;
  /// The accounts that the call names, of those that the subject has.
  [[nodiscard]] AccountSet named() const;
  void leave_out_dropped();
  /// The accounts that the call names, with `limits_`. They are found once, and again after the subject has changed.
  [[nodiscard]] NamedAccounts& named_accounts() const;
  void prepare(Value::Pointer value);
  void go_by(SharedLimits limits);
  [[nodiscard]] Verdict decide_reservation(const Request& request) const;
  /// What a hold, if there is one, has charged limit `i` of the call.
  [[nodiscard]] Units charged_by_hold(const std::optional<LeaseSet::Holder>& hold, std::size_t i) const;
  /// What the limits of all accounts that the subject has would say.
  [[nodiscard]] Verdict decide_by_all(const Request& request) const;
  [[nodiscard]] Verdict ask(const Request& request);
  Verdict charge_costs(const Request& request);
  void commit(const Verdict& verdict, const Request& request);
  /// What a call costs each account that the subject has then, if not all the same.
  [[nodiscard]] std::optional<Charges> costs_each(const Request& request) const;
  /// How a change is propagated: by the whole subject, by what a grant changed, or by what was done. And when the subject was
  /// idle before, if the server ends the key accordingly.
  struct Change {
    const Verdict* verdict = nullptr;
    const Operation* operation = nullptr;
    std::optional<Instant> idle_before{};
  };
  void publish(Instant idle_at, const Change& change);
  void publish_forgotten();
  [[nodiscard]] KeyEnd move_end(Instant idle_at, const std::optional<Instant>& idle_before);
  void queue_effect(KeyEnd end, const Change& change);
  void remove();
  [[nodiscard]] Instant now() const { return key_.call().now; }

  Notifications notifications_;  ///< of what happened to the key; sent once that is closed
  OpenKey key_;
  SharedLimits limits_;                                  ///< null: those that the subject has apply, all of them
  mutable std::optional<NamedAccounts> named_accounts_;  ///< none if they are to be found
  std::string id_;                                       ///< of a lease or a hold that was granted without one
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_KEY_SESSION_H
