// SPDX-License-Identifier: MIT
// A client for C++ programs that ask for every request: it answers within a deadline, whatever the server does.
//
//     using namespace ratelimit::client;
//     Client client({.servers = {{.host = "10.0.0.7"}}, .without_server = Without::local, .share = {1, 4}});
//     const Policy policy{token_bucket(20, 10, 1s)};
//     if (client.check("api", policy, {.subject = "alice"})) …
//
// Header-only; needs hiredis and threads: link ratelimit::client. docs/cpp-client.md says what each choice costs. This file
// is the facade: it says whom a call asks, and in which order. The parts are in client/; this file may depend on each.
#ifndef RATELIMIT_CLIENT_H
#define RATELIMIT_CLIENT_H

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/call.h"
#include "ratelimit/client/circuit_breaker.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/denial_cache.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/fallback.h"
#include "ratelimit/client/lease.h"
#include "ratelimit/client/lease_book.h"
#include "ratelimit/client/lease_keeper.h"
#include "ratelimit/client/node.h"
#include "ratelimit/client/options.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/client/randomness.h"
#include "ratelimit/client/remote.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// One client serves all threads of a process: any thread may call any method. A call throws only if the system has no
/// memory or no thread left. `Answer::failure` says why the server did not answer; `Source::error` says that the call is
/// wrong, and `Answer::error` says how.
class Client {
 public:
  explicit Client(Options options = {})
      : options_(std::move(options)),
        remote_(options_, counters_, randomness_),
        denials_(options_.most_denials, options_.longest_denial),
        fallback_(options_, counters_),
        leases_(options_.most_leases, [this](const Lease& lease) { refund_lease(lease); }) {
    options_.lease_length = std::clamp<Span>(options_.lease_length, Span{}, std::chrono::minutes{1});
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  /// Refunds what is left in leases. No call may be under way.
  ~Client() = default;

  /// RL.CHECK: charges the cost if it fits.
  Answer check(std::string_view key, const Policy& policy, const Call& call = {}) {
    return count(checked({key, policy, call}));
  }

  /// RL.PEEK: what a check would answer now.
  Answer peek(std::string_view key, const Policy& policy, const Call& call = {}) {
    const Question question{key, policy, call};
    if (auto wrong = fault_of(call)) return count(wrong_call(std::move(*wrong)));
    Exchange exchange = remote_.ask(key, peek_command(question));
    if (exchange.failure != Failure::none) return count(fallback_.peek(question, why(exchange)));
    return count(std::move(exchange.answer));
  }

  /// RL.RESERVE: charges an estimate for at most `ttl`, which is whole milliseconds. The answer has the id to settle it
  /// with. It has the id also if the server did not answer: the server may hold the units all the same.
  Answer reserve(std::string_view key, Span ttl, const Policy& policy, const Call& call) {
    const std::string id = call.id.empty() ? random_id(randomness_) : std::string(call.id);
    Call named = call;
    named.id = id;
    const Question question{key, policy, named};
    if (auto wrong = fault_of(named)) return count(wrong_call(std::move(*wrong)));
    const std::optional<Command> command = reserve_command(question, ttl);
    if (!command) return count(wrong_call("ttl must be whole milliseconds"));
    Exchange exchange = remote_.ask(key, *command);
    const bool is_answered = exchange.failure == Failure::none;
    Answer answer = is_answered ? std::move(exchange.answer) : fallback_.reserve(question, ttl, why(exchange));
    if (answer.allowed() || !is_answered) answer.id = id;
    return count(std::move(answer));
  }

  /// RL.SETTLE: ends a hold and charges `actual` units instead. `was_held` says whether there was such a hold. Without the
  /// server only a hold that this process made by itself is settled. The server refunds other holds when they end.
  Answer settle(std::string_view key, std::string_view id, Units actual, const Policy& policy,
                std::string_view subject = {}) {
    if (actual < kNoUnits || actual > kMaxUnits) {
      return count(wrong_call("actual must be an integer from 0 to " + std::to_string(kMaxUnits.count())));
    }
    const Call call{.subject = subject, .cost = actual, .id = id};
    const Question question{key, policy, call};
    Exchange exchange = remote_.ask(key, settle_command(question));
    if (exchange.failure != Failure::none) return count(fallback_.settle(question, why(exchange)));
    forget_denials(key, subject);
    Answer& answer = exchange.answer;
    if (answer.source == Source::server) answer.was_held = std::exchange(answer.id, id) == "settled";
    return count(std::move(answer));
  }

  /// RL.REFUND: gives units back, never above full. `granted` says how many came back.
  Answer refund(std::string_view key, Units units, std::string_view subject = {}) {
    Answer answer = answered_number(key, refund_command(key, units, subject));
    forget_denials(key, subject);
    return count(std::move(answer));
  }

  /// RL.RELEASE: ends a lease of CONCURRENT. `was_held` says whether there was such a lease.
  Answer release(std::string_view key, std::string_view id, std::string_view subject = {}) {
    Answer answer = answered_number(key, release_command(key, id, subject));
    answer.was_held = std::exchange(answer.granted, kNoUnits) > kNoUnits;
    return count(std::move(answer));
  }

  [[nodiscard]] Counts counts() const { return counters_.now(); }

  struct NodeState {
    Endpoint endpoint;
    CircuitBreaker::State breaker;
  };
  /// Of each server that is known, those of `Options::servers` first.
  [[nodiscard]] std::vector<NodeState> nodes() const {
    std::vector<NodeState> states;
    for (const Node* node : remote_.nodes()) states.push_back({node->endpoint(), node->state()});
    return states;
  }
  /// Of the first server.
  [[nodiscard]] CircuitBreaker::State breaker() const { return nodes().front().breaker; }

  /// Refunds what is left in leases, and takes none any more.
  void close_leases() { leases_.close(); }

 private:
  Answer count(Answer answer) {
    counters_.count(answer);
    return answer;
  }

  static Unanswered why(Exchange& exchange) { return {exchange.failure, std::move(exchange.answer.error)}; }

  /// The answer to a command whose reply is a number.
  Answer answered_number(std::string_view key, const Command& command) {
    Exchange exchange = remote_.ask(key, command);
    if (exchange.failure != Failure::none) return unanswered(exchange.failure, std::move(exchange.answer.error));
    return std::move(exchange.answer);
  }

  void forget_denials(std::string_view key, std::string_view subject) {
    denials_.forget_all(name_of_subject(key, subject));
  }

  // --- a check ---------------------------------------------------------------------------------------

  /// By a lease, if the call wants one; else by a remembered denial, by the server, or without it.
  Answer checked(const Question& question) {
    if (auto wrong = fault_of(question.call)) return wrong_call(std::move(*wrong));
    return wants_lease(question) ? checked_by_lease(question) : checked_plainly(question);
  }

  Answer checked_plainly(const Question& question) {
    const Call& call = question.call;
    const bool may_remember = call.mode != Mode::force && call.id.empty() && !denials_.is_off();
    std::string name = may_remember ? name_of_call(question) : std::string();
    if (may_remember) {
      if (auto denial = denials_.find(name, std::chrono::steady_clock::now())) return std::move(*denial);
    }
    Exchange exchange = remote_.ask(question.key, check_command(question));
    if (exchange.failure != Failure::none) return fallback_.check(question, why(exchange));
    if (may_remember && !exchange.has_lease_id) remember(std::move(name), exchange);
    return std::move(exchange.answer);
  }

  void remember(std::string name, const Exchange& exchange) {
    denials_.remember(std::move(name), exchange.answer, exchange.asked_at, exchange.answered_at);
  }

  // --- leases ----------------------------------------------------------------------------------------

  [[nodiscard]] bool wants_lease(const Question& question) const {
    const Call& call = question.call;
    const Limits* limits = question.policy.limits();
    return call.lease > call.cost && call.lease <= kMaxUnits && call.mode == Mode::whole && call.id.empty() &&
           options_.lease_length > Span{} && limits != nullptr && may_lease(*limits);
  }

  Answer checked_by_lease(const Question& question) {
    const std::string place = name_of_place(question);
    LeaseBook::Taken taken = leases_.take(place, question.call.cost);
    switch (taken.kind) {
      case LeaseBook::Taken::Kind::served: return served(question.call.cost, taken);
      case LeaseBook::Taken::Kind::not_here: return checked_plainly(question);
      case LeaseBook::Taken::Kind::to_take: return checked_by_new_lease(question, place);
    }
    return {};
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

  /// Takes as much of a lease as the server grants. If that is less than the call costs, all of it is refunded, and the
  /// server is asked for the cost alone, because then it says how long to wait.
  Answer checked_by_new_lease(const Question& question, const std::string& place) {
    const Units cost = question.call.cost;
    LeaseKeeper::Claim claim(leases_, place);
    if (auto denial = denials_.find(name_of_call(question), std::chrono::steady_clock::now())) {
      return std::move(*denial);
    }
    Call call = question.call;
    call.cost = question.call.lease;
    call.mode = Mode::partial;
    Exchange exchange = remote_.ask(question.key, check_command({question.key, question.policy, call}));
    if (exchange.failure != Failure::none) return fallback_.check(question, why(exchange));
    Answer& answer = exchange.answer;
    if (answer.source == Source::error) return std::move(answer);
    if (answer.granted >= cost) {
      claim.put(lease_of(question, exchange, cost));
      answer.granted = cost;
      return std::move(answer);
    }
    if (answer.granted > kNoUnits) claim.put_ended(lease_of(question, exchange, kNoUnits));
    if (cost > kMinUnits) return checked_plainly(question);
    remember(name_of_call(question), exchange);  // for a cost of one, a part is the whole
    return std::move(answer);
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
    set_times(lease, exchange.asked_at, options_.lease_length, answer.reset);
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
      forget_denials(lease.key, lease.subject);
    }
    counters_.count(Event::units_refunded, back);
    counters_.count(Event::units_expired, lease.left - back);
  }

  Options options_;
  Counters counters_;
  Randomness randomness_;
  Remote remote_;
  DenialCache denials_;
  Fallback fallback_;
  LeaseKeeper leases_;  ///< last: it ends first, and uses the others
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_H
