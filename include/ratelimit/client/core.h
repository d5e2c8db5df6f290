// SPDX-License-Identifier: MIT
// All that a client has in one process: the server, what it remembers of denials, leases, and what it does without the
// server. Says whom a call asks, and in which order. A call is answered in three steps, so that a call that waits for its
// reply and one that does not go the same way: at once, if nobody must be asked; else by a command; then by what came of it.
// Thread-safe. Depends on all parts of the client.
#ifndef RATELIMIT_CLIENT_CORE_H
#define RATELIMIT_CLIENT_CORE_H

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/call.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/denial_cache.h"
#include "ratelimit/client/fallback.h"
#include "ratelimit/client/lease.h"
#include "ratelimit/client/lease_book.h"
#include "ratelimit/client/lease_keeper.h"
#include "ratelimit/client/observer.h"
#include "ratelimit/client/options.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/client/process.h"
#include "ratelimit/client/randomness.h"
#include "ratelimit/client/remote.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

class Core {
 public:
  using Verb = Ask::Verb;

  /// The options must be right.
  explicit Core(const Options& options)
      : generation_(process_generation()),
        observer_(options.observer),
        lease_length_(std::clamp<Span>(options.lease_length, Span{}, std::chrono::minutes{1})),
        remote_(options, counters_, randomness_),
        denials_(options.most_denials, options.longest_denial, options.deadline),
        fallback_(options, counters_),
        leases_(options.most_leases, [this](const Lease& lease) { refund_lease(lease); }) {}
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  /// Refunds what is left in leases.
  ~Core() = default;

  /// The generation of the process that made it (`process_generation`): no other may use it.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

  [[nodiscard]] Answer answer(const Ask& ask) {
    const Time begun = observer_ ? std::chrono::steady_clock::now() : Time{};
    if (auto wrong = fault_of(ask)) return conclude(ask, wrong_call(std::move(*wrong)), begun);
    std::optional<Answer> answer = check_by_lease(ask);
    if (!answer) answer = remembered(ask);
    return conclude(ask, answer ? std::move(*answer) : answer_by_server(ask), begun);
  }

  [[nodiscard]] std::string new_id() { return random_id(randomness_); }

  // --- the three steps -------------------------------------------------------------------------------

  /// The answer to a call that needs no server: it is wrong, or its denial is remembered.
  [[nodiscard]] std::optional<Answer> answer_early(const Ask& ask) {
    if (auto wrong = fault_of(ask)) return wrong_call(std::move(*wrong));
    return remembered(ask);
  }

  /// What a lease does for a call.
  struct LeaseStep {
    std::optional<Answer> answer{};               ///< the lease served the call, or its denial is remembered
    std::unique_ptr<LeaseKeeper::Claim> claim{};  ///< the call must take the lease, by `lease_command`
  };
  /// Neither an answer nor a claim, if the server is to be asked as usual.
  [[nodiscard]] LeaseStep begin_lease(const Ask& ask) {
    if (!wants_lease(ask)) return {};
    std::string place = name_of_place(ask.question);
    LeaseBook::Taken taken = leases_.take(place, ask.question.call.cost);
    switch (taken.kind) {
      case LeaseBook::Taken::Kind::served: return {.answer = served(ask.question.call.cost, taken)};
      case LeaseBook::Taken::Kind::not_here: return {};
      case LeaseBook::Taken::Kind::to_take: break;
    }
    LeaseStep step{.claim = std::make_unique<LeaseKeeper::Claim>(leases_, std::move(place))};
    if (auto denial = remembered(ask)) return {.answer = std::move(denial)};
    return step;
  }

  /// Takes as much of a lease as the server grants.
  [[nodiscard]] static Command lease_command(const Ask& ask) {
    const Question& question = ask.question;
    Call call = question.call;
    call.cost = question.call.lease;
    call.mode = Mode::partial;
    return check_command({question.key, question.policy, call});
  }

  /// The answer of a call that took a lease, by what came of the command. If the server granted less than the call costs,
  /// all of it is refunded. None if the server must then be asked for the cost alone, because only so it says how long to
  /// wait.
  [[nodiscard]] std::optional<Answer> finish_lease(const Ask& ask, Exchange exchange, LeaseKeeper::Claim& claim) {
    const Question& question = ask.question;
    const Units cost = question.call.cost;
    if (exchange.failure != Failure::none) return answer_without(ask, exchange);
    Answer& answer = exchange.answer;
    if (answer.source == Source::error) return std::move(answer);
    if (answer.granted >= cost) {
      claim.put(lease_of(question, exchange, cost));
      answer.granted = cost;
      return std::move(answer);
    }
    if (answer.granted > kNoUnits) claim.put_ended(lease_of(question, exchange, kNoUnits));
    if (cost > kMinUnits) return std::nullopt;
    remember(question, answer, exchange);  // for a cost of one, a part is the whole
    return std::move(answer);
  }

  /// The command of a call that `answer_early` does not answer.
  [[nodiscard]] static Command command_of(const Ask& ask) {
    const Question& question = ask.question;
    switch (ask.verb) {
      case Verb::check: break;
      case Verb::peek: return peek_command(question);
      case Verb::reserve: return reserve_command(question, ask.ttl);
      case Verb::settle: return settle_command(question);
      case Verb::refund: return refund_command(question.key, question.call.cost, question.call.subject);
      case Verb::release: return release_command(question.key, question.call.id, question.call.subject);
      case Verb::check_all: return check_all_command(ask.parts);
      case Verb::define: return define_command(question.key, ask.limits, ask.is_on_trial);
    }
    return check_command(question);
  }

  /// The answer, by what came of the command.
  [[nodiscard]] Answer finish(const Ask& ask, Exchange exchange) {
    const bool is_answered = exchange.failure == Failure::none;
    Answer answer = is_answered ? std::move(exchange.answer) : answer_without(ask, exchange);
    const Call& call = ask.question.call;
    switch (ask.verb) {
      case Verb::check:
        if (may_remember(ask)) remember(ask.question, answer, exchange);
        break;
      case Verb::peek:
      case Verb::check_all:
      case Verb::define: break;
      case Verb::reserve:
        if (answer.allowed() || !is_answered) answer.id = call.id;
        break;
      case Verb::settle:
        if (answer.source == Source::server) answer.was_held = std::exchange(answer.id, call.id) == "settled";
        if (is_answered) forget_denials(ask.question);
        break;
      case Verb::refund: forget_denials(ask.question); break;
      case Verb::release: answer.was_held = std::exchange(answer.granted, kNoUnits) > kNoUnits; break;
    }
    return answer;
  }

  /// Counts the answer, and shows it to the observer.
  [[nodiscard]] Answer conclude(const Ask& ask, Answer answer, Time begun) {
    counters_.count(answer);
    if (observer_) observer_({ask, answer, begun, std::chrono::steady_clock::now()});
    return answer;
  }

  // --- the parts -------------------------------------------------------------------------------------

  [[nodiscard]] Counters& counters() { return counters_; }
  [[nodiscard]] Randomness& randomness() { return randomness_; }
  [[nodiscard]] Remote& remote() { return remote_; }
  void close_leases() { leases_.close(); }

 private:
  [[nodiscard]] static std::optional<std::string> fault_of(const Ask& ask) {
    const Call& call = ask.question.call;
    switch (ask.verb) {
      case Verb::check:
      case Verb::peek: return client::fault_of(call);
      case Verb::reserve:
        if (!is_whole_milliseconds(ask.ttl)) return "ttl must be whole milliseconds";
        return client::fault_of(call);
      case Verb::settle:
        if (call.cost >= kNoUnits && call.cost <= kMaxUnits) return std::nullopt;
        return "actual must be an integer from 0 to " + std::to_string(kMaxUnits.count());
      case Verb::refund:
      case Verb::release:
      case Verb::define: return std::nullopt;
      case Verb::check_all: return fault_in(ask.parts);
    }
    return std::nullopt;
  }

  [[nodiscard]] Answer answer_by_server(const Ask& ask) {
    return finish(ask, remote_.ask(ask.question.key, command_of(ask)));
  }

  /// What becomes of a call that the server did not answer.
  [[nodiscard]] Answer answer_without(const Ask& ask, Exchange& exchange) {
    Unanswered why{exchange.failure, std::move(exchange.answer.error)};
    switch (ask.verb) {
      case Verb::check: return fallback_.check(ask.question, std::move(why));
      case Verb::peek: return fallback_.peek(ask.question, std::move(why));
      case Verb::reserve: return fallback_.reserve(ask.question, ask.ttl, std::move(why));
      case Verb::settle: return fallback_.settle(ask.question, std::move(why));
      case Verb::check_all: return fallback_.check_all(ask, std::move(why));
      case Verb::refund:
      case Verb::release:
      case Verb::define: break;
    }
    return unanswered(why.failure, std::move(why.error));
  }

  // --- denials ---------------------------------------------------------------------------------------

  [[nodiscard]] bool may_remember(const Ask& ask) const {
    const Call& call = ask.question.call;
    return ask.verb == Verb::check && call.mode != Mode::force && call.id.empty() && !denials_.is_off();
  }

  /// The denial of the very same call, if it holds.
  [[nodiscard]] std::optional<Answer> remembered(const Ask& ask) {
    if (!may_remember(ask) || denials_.size() == 0) return std::nullopt;
    return denials_.find(name_of_call(ask.question), std::chrono::steady_clock::now());
  }

  /// Remembers a denial of the server, and forgets one that is over.
  void remember(const Question& question, const Answer& answer, const Exchange& exchange) {
    const bool is_denial = answer.source == Source::server && !answer.allowed() && !exchange.has_lease_id;
    if (is_denial) {
      denials_.remember(name_of_call(question), answer, exchange.asked_at, exchange.answered_at);
    } else if (denials_.size() > 0) {
      denials_.forget(name_of_call(question));
    }
  }

  void forget_denials(const Question& question) { denials_.forget_all(name_of_subject(question)); }

  // --- leases ----------------------------------------------------------------------------------------

  [[nodiscard]] bool wants_lease(const Ask& ask) const {
    const Call& call = ask.question.call;
    const Limits* limits = ask.question.policy.limits();
    return ask.verb == Verb::check && call.lease > call.cost && call.lease <= kMaxUnits && call.mode == Mode::whole &&
           call.id.empty() && lease_length_ > Span{} && limits != nullptr && may_lease(*limits);
  }

  /// None if the server is to be asked as usual.
  [[nodiscard]] std::optional<Answer> check_by_lease(const Ask& ask) {
    LeaseStep step = begin_lease(ask);
    if (step.claim == nullptr) return std::move(step.answer);
    return finish_lease(ask, remote_.ask(ask.question.key, lease_command(ask)), *step.claim);
  }

  Answer served(Units cost, LeaseBook::Taken& taken) {
    counters_.count(Event::units_served, cost);
    Answer answer;
    answer.outcome = Outcome::granted;
    answer.granted = cost;
    answer.limit = taken.limit;
    answer.remaining = taken.left;
    answer.label = std::move(taken.label);
    answer.source = Source::lease;
    return answer;
  }

  /// `served` of its units go to the call that takes it.
  Lease lease_of(const Question& question, const Exchange& exchange, Units served) {
    const Answer& answer = exchange.answer;
    Lease lease{.key = std::string(question.key),
                .subject = std::string(question.call.subject),
                .policy = question.policy,
                .taken = answer.granted,
                .left = answer.granted - served,
                .limit = answer.limit,
                .label = answer.label,
                .taken_at = {},
                .ends = {},
                .refundable_until = {}};
    set_times(lease, exchange.asked_at, lease_length_, answer.reset);
    counters_.count(Event::lease_taken);
    counters_.count(Event::units_leased, answer.granted);
    counters_.count(Event::units_served, served);
    return lease;
  }

  /// Units of an ended lease that the server does not take back are lost for all callers for a while. They were never
  /// granted to any.
  void refund_lease(const Lease& lease) {
    if (lease.left == kNoUnits) return;
    const Units units = to_refund(lease, std::chrono::steady_clock::now() + remote_.deadline());
    Units back;
    if (units > kNoUnits) {
      const Exchange exchange = remote_.ask(lease.key, refund_command(lease.key, units, lease.subject));
      back = std::min(exchange.answer.granted, lease.left);
      denials_.forget_all(name_of_subject(lease.key, lease.subject));
    }
    counters_.count(Event::units_refunded, back);
    counters_.count(Event::units_expired, lease.left - back);
  }

  const std::uint64_t generation_;
  const Observer observer_;
  const Span lease_length_;
  Counters counters_;
  Randomness randomness_;
  Remote remote_;
  DenialCache denials_;
  Fallback fallback_;
  LeaseKeeper leases_;  ///< last: it ends first, and uses the others
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CORE_H
