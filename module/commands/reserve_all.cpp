// SPDX-License-Identifier: MIT
// RL.RESERVEALL and RL.SETTLEALL: an estimate is charged to several keys or to none, and settled in each.
//
// The id is the same in all keys. Each key has a hold of its own, which it may lose by itself: it ends, is settled, or goes
// with its key. So a settlement goes key by key, and no key waits for another.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/requests.h"
#include "commands/settlement.h"
#include "commands/several_keys.h"
#include "keyspace/key_session.h"
#include "ratelimit/holds.h"
#include "ratelimit/reservations.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"

namespace ratelimit::commands {
namespace {

constexpr std::string_view kSettled = note_of_settlement(true);
constexpr std::string_view kUnknown = note_of_settlement(false);

class Reservation final : public KeyAction {
 public:
  Reservation(std::string_view id, Span ttl) : id_(id.empty() ? server::random_id() : std::string(id)), ttl_(ttl) {}

  std::optional<Fault> look(const KeySession& session, KeyEntry& entry) override {
    entry.asked.id = id_;
    const auto hold = session.hold(id_);
    if (hold && Hold::is_settled(*hold)) return Fault{Fault::Kind::settled, Argument::id};
    return std::nullopt;
  }
  Verdict ask(KeySession& session, KeyEntry& entry) override {
    const Verdict verdict = session.peek_reservation(entry.asked);
    const bool is_granted = verdict.decision.outcome == Outcome::granted;
    entry.granted_on_trial =
        is_granted ? verdict.decision.granted : most_charged(session.limits(), entry.asked.costs(session.limits()));
    return verdict;
  }
  /// Nothing is held too, so that it can be settled.
  [[nodiscard]] bool takes(const KeyEntry&) const override { return true; }
  void take(KeySession& session, KeyEntry& entry) override { session.charge_estimate(entry.asked, ttl_); }

  [[nodiscard]] std::string_view id() const { return id_; }

 private:
  std::string id_;
  Span ttl_;
};

/// A first look at all keys. With a fault nothing has changed.
std::optional<Fault> look_at_all(const Call& call, const std::vector<KeyEntry>& entries) {
  for (const KeyEntry& entry : entries) {
    KeySession session(call.context(), entry.key, KeySession::Access::read, entry.subject);
    const auto fault = session.look_for_limits({}, KeySession::Otherwise::those_of_subject);
    if (fault) return fault_of(*fault);
  }
  return std::nullopt;
}

/// Settles the hold in one key, or what the call did cost if it is not there. Where no limits apply, nothing is done.
void settle_in(const Call& call, KeyEntry& entry) {
  entry.note = kUnknown;
  KeySession session(call.context(), entry.key, KeySession::Access::write, entry.subject);
  if (find_limits_of_hold(session, {}, entry.asked) || !have_limits(session, {})) return;
  Settlement settlement = settle_hold(session, entry.asked, call.now());
  entry.note_session(session);
  entry.verdict = std::move(settlement.verdict);
  entry.granted_on_trial = entry.verdict.decision.granted;
  if (settlement.is_known) entry.note = kSettled;
}

/// What the reply says of the hold: by the keys in force, as everything that is told.
std::string_view note_of(const std::vector<KeyEntry>& entries) {
  const bool are_all_on_trial =
      std::all_of(entries.begin(), entries.end(), [](const KeyEntry& entry) { return entry.is_on_trial; });
  if (are_all_on_trial) return *entries.front().note;
  const bool are_known = std::all_of(entries.begin(), entries.end(),
                                     [](const KeyEntry& entry) { return entry.is_on_trial || entry.note == kSettled; });
  return are_known ? kSettled : kUnknown;
}

}  // namespace

std::optional<Fault> reserve_all(const Call& call) {
  KeysRequest request;
  Span ttl{};
  if (const auto fault = parse_reservation_of_all(call.words(), request, ttl)) return fault;
  std::vector<KeyEntry> entries = entries_of(call, request);
  Reservation reservation(request.call.id, ttl);
  if (const auto fault = decide_and_take(call, entries, reservation)) return fault;
  reply_for(call, entries,
            {.note = are_granted(entries) ? reservation.id() : std::string_view{},
             .each = request.each,
             .headers = request.headers,
             .jitter = request.jitter});
  return std::nullopt;
}

std::optional<Fault> settle_all(const Call& call) {
  KeysRequest request;
  if (const auto fault = parse_settlement_of_all(call.words(), request)) return fault;
  std::vector<KeyEntry> entries = entries_of(call, request);
  if (const auto fault = look_at_all(call, entries)) return fault;
  for (KeyEntry& entry : entries) settle_in(call, entry);
  reply_for(call, entries, {.note = note_of(entries), .each = request.each});
  return std::nullopt;
}

}  // namespace ratelimit::commands
