// SPDX-License-Identifier: MIT
// RL.CHECKALL: decides a call under the limits of several keys: all are charged, or none is.
//
// First everything is decided, and nothing is charged. Then, if all grant the call, each key is opened once more and
// charged, at the same instant: so each says once more what it has said. No subject is named twice (requests.h), so no
// charge changes what another key has said.
//
// A key that costs 0 is only looked at: nothing is charged there. Limiters on trial decide and are counted like the others.
// But the caller is told of those in force only, unless he asks what each key says.
#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commands/answer.h"
#include "commands/commands.h"
#include "commands/reply.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/block.h"
#include "ratelimit/blocked.h"
#include "ratelimit/decision.h"
#include "ratelimit/distinct_labels.h"
#include "ratelimit/http/limit_status.h"
#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"

namespace ratelimit::commands {
namespace {

/// One key of the call, and what its limits say.
struct Entry {
  server::Text key;
  std::string_view subject;
  std::span<const LimitSpec> specs;  ///< one or none
  Request asked;
  SharedLimits limits{};
  Verdict verdict{};
  bool is_on_trial = false;      ///< so that it does not count
  Span blocked_for{};            ///< then the block counts, unless the call is forced
  bool has_ended_holds = false;  ///< which are to be given back before the limits are asked

  [[nodiscard]] bool refuses() const { return verdict.decision.outcome != Outcome::granted; }
  [[nodiscard]] bool is_only_looked_at() const { return asked.cost == kNoUnits; }
  void ask(const KeySession& session) {
    verdict = session.peek(asked);
    // A block is no word of the limits that are on trial.
    if (session.is_shadow() && !is_on_trial) show_on_trial(session, verdict, asked.cost, asked.mode);
  }
  /// As if its limits, which are on trial, had never been used. A block shows.
  void show_unused() {
    grant_on_trial(*limits, verdict, asked.cost);
    note_block(verdict, blocked_for);
  }
};

class CheckAll {
 public:
  CheckAll(const Call& call, const CheckAllRequest& request) : call_(call), request_(request) {
    for (std::size_t i = 0; i < request.keys; ++i) {
      const bool has_limit = !request.limits.empty();
      entries_.push_back({.key = call.word(2 + i),
                          .subject = request.subjects.empty() ? std::string_view{} : request.subjects.span()[i],
                          .specs = request.limits.span().subspan(has_limit ? i : 0, has_limit ? 1 : 0),
                          .asked = request.call});
      if (!request.costs.empty()) entries_.back().asked.cost = request.costs.span()[i];
    }
  }

  std::optional<Fault> run() {
    for (Entry& entry : entries_) {
      if (const auto fault = decide_entry(entry)) return fault;
    }
    for (Entry& entry : entries_) {
      if (entry.has_ended_holds) decide_after_giving_back(entry);
    }
    const bool is_granted =
        std::none_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.refuses() && !e.is_on_trial; });
    const bool is_never = std::any_of(entries_.begin(), entries_.end(), [](const Entry& e) {
      return e.verdict.decision.outcome == Outcome::never && !e.is_on_trial;
    });
    for (const Entry& entry : entries_) {
      if (is_granted || entry.refuses()) {
        carry_out(entry);
      } else if (!is_never && !entry.is_only_looked_at()) {
        open_accounts(entry);
      }
    }
    reply(is_granted);
    return std::nullopt;
  }

 private:
  /// Asks the limits of one key, which is only read. If holds of it have ended, the limits are asked later: so a fault
  /// in another key finds that nothing has changed.
  std::optional<Fault> decide_entry(Entry& entry) {
    KeySession session(call_.context(), entry.key, KeySession::Access::read, entry.subject);
    if (const auto fault = session.look_for_limits(entry.specs, KeySession::Otherwise::fault)) return fault_of(*fault);
    entry.blocked_for = session.blocked_for();
    entry.is_on_trial = session.is_shadow() && (entry.blocked_for == Span{} || entry.asked.mode == Mode::force);
    entry.limits = session.shared_limits();
    give_id(entry);
    entry.has_ended_holds = session.subject() && session.subject()->any_hold_ended(call_.now());
    if (entry.has_ended_holds) return std::nullopt;
    if (!is_never(session.limits(), entry.asked)) session.clamp_if_blocked();
    entry.ask(session);
    return std::nullopt;
  }

  void decide_after_giving_back(Entry& entry) {
    KeySession session(call_.context(), entry.key, KeySession::Access::write, entry.subject);
    if (session.find_limits(entry.specs, KeySession::Otherwise::fault)) return;  // there was no fault before
    if (!is_never(session.limits(), entry.asked)) session.clamp_if_blocked();
    entry.ask(session);
  }

  /// A call takes one lease in all keys, and none in keys that it only looks at.
  void give_id(Entry& entry) {
    if (entry.limits->have_leases()) {
      have_leases_ = true;
      if (id_.empty() && !entry.is_only_looked_at()) id_ = server::random_id();
    }
    entry.asked.id = id_;
  }

  /// Charges a key that grants the call, or does to one that refuses it what a denial does.
  void carry_out(const Entry& entry) {
    KeySession session(call_.context(), entry.key, KeySession::Access::write, entry.subject);
    const Outcome outcome = entry.verdict.decision.outcome;
    const bool has_nothing_to_do =
        outcome == Outcome::never || (outcome == Outcome::granted && entry.is_only_looked_at());
    if (!has_nothing_to_do && !session.find_limits(entry.specs, KeySession::Otherwise::fault)) {
      if (outcome == Outcome::granted) {
        session.charge(entry.asked);
      } else {
        session.deny();
      }
    }
    session.count_call(outcome);
  }

  /// What the denial of the call does to a key that alone would grant it.
  void open_accounts(const Entry& entry) const {
    KeySession session(call_.context(), entry.key, KeySession::Access::write, entry.subject);
    if (!session.find_limits(entry.specs, KeySession::Otherwise::fault)) session.deny();
  }

  /// The entries that the caller is told of: those in force. If all are on trial, it is as if the first stood alone.
  [[nodiscard]] std::vector<Entry*> entries_told() {
    std::vector<Entry*> told;
    for (Entry& entry : entries_) {
      if (!entry.is_on_trial) told.push_back(&entry);
    }
    if (!told.empty()) return told;
    Entry& first = entries_.front();
    first.show_unused();
    return {&first};
  }

  /// What is told to the caller: by the entry that binds.
  void reply(bool is_granted) {
    const std::vector<Entry*> told = entries_told();
    const std::size_t binding = binding_among(told);
    const std::vector<std::string> labels = labels_of(told);
    const std::size_t position = position_of(binding, told);
    CheckReply form{.label = labels[position]};
    if (told[binding]->verdict.is_blocked) form.label = Block::kLabel;
    if (have_leases_) form.note = is_granted ? std::string_view(id_) : std::string_view{};
    std::vector<LimitStatus> statuses;
    if (request_.headers) statuses = statuses_of(told, labels);
    if (request_.jitter > Span{}) delay_denials();
    const Decision decision = decision_of_all(told, binding);
    std::vector<HttpField> fields;
    if (request_.headers) {
      fields = http_fields(statuses, position, decision.outcome, decision.wait);
      form.fields = &fields;
    }
    if (request_.each) return reply_check(call_.server(), decision, form, replies_of_each());
    reply_check(call_.server(), decision, form);
  }

  /// Makes the waits of all denials longer, by the same random time.
  void delay_denials() {
    const Span jitter = server::random_span(request_.jitter);
    for (Entry& entry : entries_) {
      if (entry.verdict.decision.outcome == Outcome::denied) entry.verdict.decision.wait += jitter;
    }
  }

  /// The decision of the entry that binds. If the call is granted, it waits for all, and gets the most that a key is
  /// charged.
  [[nodiscard]] static Decision decision_of_all(const std::vector<Entry*>& told, std::size_t binding) {
    Decision decision = told[binding]->verdict.decision;
    if (decision.outcome != Outcome::granted) return decision;
    for (const Entry* entry : told) {
      decision.wait = std::max(decision.wait, entry->verdict.decision.wait);
      decision.granted = std::max(decision.granted, entry->verdict.decision.granted);
    }
    return decision;
  }

  /// What each key alone would answer.
  [[nodiscard]] std::vector<KeyReply> replies_of_each() {
    std::vector<KeyReply> replies;
    for (Entry& entry : entries_) {
      if (entry.is_on_trial) entry.show_unused();
      replies.push_back({entry.verdict.decision, label_of(*entry.limits, entry.verdict)});
    }
    return replies;
  }

  [[nodiscard]] static std::size_t binding_among(const std::vector<Entry*>& told) {
    const auto binding = std::min_element(told.begin(), told.end(), [](const Entry* a, const Entry* b) {
      return binds_before(a->verdict.decision, b->verdict.decision);
    });
    return static_cast<std::size_t>(binding - told.begin());
  }

  /// Where the limit that binds an entry stands among those of all entries told.
  [[nodiscard]] static std::size_t position_of(std::size_t binding, const std::vector<Entry*>& told) {
    std::size_t position = told[binding]->verdict.binding;
    for (std::size_t i = 0; i < binding; ++i) position += told[i]->limits->size();
    return position;
  }

  /// The labels of all limits, as if they stood in one list.
  [[nodiscard]] static std::vector<std::string> labels_of(const std::vector<Entry*>& told) {
    DistinctLabels distinct;
    std::vector<std::string> labels;
    for (const Entry* entry : told) {
      for (std::size_t i = 0; i < entry->limits->size(); ++i) {
        labels.push_back(distinct.add(Limits::name_of((*entry->limits)[i].spec())));
      }
    }
    return labels;
  }

  /// How all limits stand after the call.
  [[nodiscard]] std::vector<LimitStatus> statuses_of(const std::vector<Entry*>& told,
                                                     const std::vector<std::string>& labels) const {
    std::vector<LimitStatus> all;
    for (const Entry* entry : told) {
      KeySession session(call_.context(), entry->key, KeySession::Access::read, entry->subject);
      session.look_under(entry->limits);
      for (const LimitStatus& status : statuses_after(session, entry->asked, entry->verdict, call_.now())) {
        all.push_back(status);
        all.back().label = labels[all.size() - 1];
      }
    }
    return all;
  }

  const Call& call_;
  const CheckAllRequest& request_;
  bool have_leases_ = false;
  std::string id_;  ///< of the lease; none if no key is to give one
  std::vector<Entry> entries_;
};

}  // namespace

std::optional<Fault> check_all(const Call& call) {
  CheckAllRequest request;
  if (const auto fault = parse_check_all(call.words(), request)) return fault;
  return CheckAll(call, request).run();
}

}  // namespace ratelimit::commands
