// SPDX-License-Identifier: MIT
// RL.CHECKALL: decides a call under the limits of several keys: all are charged, or none is.
//
// First everything is decided, and nothing changed: what stands in the call twice is decided on a copy that has been
// charged before. Then, if all grant the call, each key is opened once more and charged; at the same instant, and in the
// same order, so that each says once more what it has said.
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
#include "ratelimit/http/limit_status.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/verdict.h"

namespace ratelimit::commands {
namespace {

/// One key of the call, and what its limits say.
struct Entry {
  server::Text key;
  std::string_view subject;
  std::span<const LimitSpec> specs;  ///< one or none
  SharedLimits limits{};
  Verdict verdict{};
  Value::Pointer charged{};  ///< what the subject would be after this entry, if it stands in the call again
  bool is_shadow = false;

  [[nodiscard]] bool refuses() const { return verdict.decision.outcome != Outcome::granted; }
  [[nodiscard]] bool is_same_as(const Entry& other) const {
    return subject == other.subject && key.view() == other.key.view();
  }
};

class CheckAll {
 public:
  CheckAll(const Call& call, const CheckAllRequest& request) : call_(call), request_(request), asked_(request.call) {
    for (std::size_t i = 0; i < request.keys; ++i) {
      const bool has_limit = !request.limits.empty();
      entries_.push_back({.key = call.word(2 + i),
                          .subject = request.subjects.empty() ? std::string_view{} : request.subjects.span()[i],
                          .specs = request.limits.span().subspan(has_limit ? i : 0, has_limit ? 1 : 0)});
    }
  }

  std::optional<Fault> run() {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (const auto fault = decide_entry(i)) return fault;
    }
    const bool is_granted =
        std::none_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.refuses() && !e.is_shadow; });
    for (Entry& entry : entries_) {
      if (is_granted || entry.refuses()) carry_out(entry);
    }
    reply(is_granted);
    return std::nullopt;
  }

 private:
  /// Asks the limits of one key, as if the entries before it had been charged.
  std::optional<Fault> decide_entry(std::size_t i) {
    Entry& entry = entries_[i];
    KeySession session(call_.context(), entry.key, KeySession::Access::read, entry.subject);
    if (const auto fault = session.find_limits(entry.specs, KeySession::Otherwise::fault)) return fault_of(*fault);
    entry.is_shadow = session.is_shadow();
    entry.limits = session.shared_limits();
    give_id(*entry.limits);
    const Entry* before = last_of_the_same(i);
    const bool is_repeated = before != nullptr || is_followed_by_the_same(i);
    if (!is_repeated) {
      entry.verdict = session.peek(asked_);
      return std::nullopt;
    }
    entry.charged = before != nullptr ? copy_of(*before->charged, entry.limits) : session.copy_under_limits();
    entry.verdict = decide(*entry.limits, entry.charged->cells(), entry.charged->subject().turn(), asked_, call_.now());
    if (!entry.refuses()) charge(entry);
    return std::nullopt;
  }

  /// A call takes one lease in all keys.
  void give_id(const Limits& limits) {
    if (!limits.have_leases() || !id_.empty()) return;
    id_ = server::random_id();
    asked_.id = id_;
  }

  /// The subject as the entries before leave it, under these limits.
  [[nodiscard]] Value::Pointer copy_of(Value& charged, const SharedLimits& limits) const {
    const Value::Pointer copy = Value::copy(charged.subject());
    return Value::take(carry_over(copy->subject(), limits, call_.now())->subject());
  }

  void charge(Entry& entry) const {
    const Verdict& verdict = entry.verdict;
    entry.charged->subject().perform({.kind = Operation::Kind::charge,
                                      .at = call_.now(),
                                      .units = verdict.decision.granted,
                                      .span = verdict.turn,
                                      .id = verdict.id});
  }

  [[nodiscard]] const Entry* last_of_the_same(std::size_t i) const {
    for (std::size_t j = i; j-- > 0;) {
      if (entries_[j].is_same_as(entries_[i])) return &entries_[j];
    }
    return nullptr;
  }
  [[nodiscard]] bool is_followed_by_the_same(std::size_t i) const {
    return std::any_of(entries_.begin() + static_cast<std::ptrdiff_t>(i) + 1, entries_.end(),
                       [&](const Entry& other) { return other.is_same_as(entries_[i]); });
  }

  /// Charges a key that grants the call, or does to one that refuses it what a denial does.
  void carry_out(const Entry& entry) {
    KeySession session(call_.context(), entry.key, KeySession::Access::write, entry.subject);
    const Outcome outcome = entry.verdict.decision.outcome;
    if (outcome != Outcome::never && !session.find_limits(entry.specs, KeySession::Otherwise::fault)) {
      session.follow();
      // Alone it might be granted now: what refuses it may be what the call charges before.
      if (outcome == Outcome::granted) {
        session.charge(asked_);
      } else {
        session.deny();
      }
    }
    session.count_call(outcome);
  }

  /// What is told to the caller: by the entry that binds.
  void reply(bool is_granted) {
    for (Entry& entry : entries_) {
      if (entry.is_shadow) grant_on_trial(entry.verdict, asked_.cost);
    }
    const Entry& binding = binding_entry();
    Decision decision = binding.verdict.decision;
    if (is_granted) {
      for (const Entry& entry : entries_) decision.wait = std::max(decision.wait, entry.verdict.decision.wait);
    }
    const std::vector<std::string> labels = distinct_labels();
    const std::size_t position = position_of(binding);
    CheckReply form{.label = labels[position]};
    if (!id_.empty()) form.note = is_granted ? id_ : std::string_view{};
    std::vector<LimitStatus> statuses;
    if (request_.headers) statuses = statuses_after_call(labels);
    if (decision.outcome == Outcome::denied && request_.jitter > Span{}) {
      decision.wait += server::random_span(request_.jitter);
    }
    std::vector<HttpField> fields;
    if (request_.headers) {
      fields = http_fields(statuses, position, decision.outcome, decision.wait);
      form.fields = &fields;
    }
    reply_check(call_.server(), decision, form);
  }

  [[nodiscard]] const Entry& binding_entry() const {
    return *std::min_element(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return binds_before(a.verdict.decision, b.verdict.decision);
    });
  }

  /// Where the limit that binds an entry stands among those of all entries.
  [[nodiscard]] std::size_t position_of(const Entry& binding) const {
    std::size_t position = binding.verdict.binding;
    for (const Entry* entry = entries_.data(); entry != &binding; ++entry) position += entry->limits->size();
    return position;
  }

  /// The labels of all limits, as if they stood in one list.
  [[nodiscard]] std::vector<std::string> distinct_labels() const {
    std::vector<std::string> labels;
    for (const Entry& entry : entries_) {
      for (std::size_t i = 0; i < entry.limits->size(); ++i) {
        const std::string name = Limits::name_of((*entry.limits)[i].spec());
        std::string distinct = name;
        for (int number = 2; std::find(labels.begin(), labels.end(), distinct) != labels.end(); ++number) {
          distinct = name + '-' + std::to_string(number);
        }
        labels.push_back(std::move(distinct));
      }
    }
    return labels;
  }

  [[nodiscard]] std::vector<LimitStatus> statuses_after_call(const std::vector<std::string>& labels) const {
    std::vector<LimitStatus> all;
    for (const Entry& entry : entries_) {
      KeySession session(call_.context(), entry.key, KeySession::Access::read, entry.subject);
      session.look_under(entry.limits);
      for (const LimitStatus& status : statuses_after(session, asked_, entry.verdict, call_.now())) {
        all.push_back(status);
        all.back().label = labels[all.size() - 1];
      }
    }
    return all;
  }

  const Call& call_;
  const CheckAllRequest& request_;
  Request asked_;
  std::string id_;
  std::vector<Entry> entries_;
};

}  // namespace

std::optional<Fault> check_all(const Call& call) {
  CheckAllRequest request;
  if (const auto fault = parse_check_all(call.words(), request)) return fault;
  return CheckAll(call, request).run();
}

}  // namespace ratelimit::commands
