// SPDX-License-Identifier: MIT
// A client for C++ programs that ask for every request: it answers within a deadline, whatever the server does.
//
//     using namespace ratelimit::client;
//     Client client({.servers = {{.host = "10.0.0.7"}}, .without_server = Without::local, .share = {1, 4}});
//     const Policy policy{token_bucket(20, 10, 1s)};
//     if (client.check("api", policy, {.subject = "alice"})) …
//
// Header-only; needs hiredis and threads: link ratelimit::client. docs/cpp-client.md says what each choice costs. This file
// is the facade; client/core.h says whom a call asks. The parts are in client/; this file may depend on each.
#ifndef RATELIMIT_CLIENT_H
#define RATELIMIT_CLIENT_H

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/call.h"
#include "ratelimit/client/circuit_breaker.h"
#include "ratelimit/client/core.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/node.h"
#include "ratelimit/client/options.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/client/process.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

class Inspector;  // client/inspector.h
class Pipeline;   // client/pipeline.h

/// One client serves all threads of a process: any thread may call any method. A call throws only if the system has no
/// memory, no file or no thread left. `Answer::failure` says why the server did not answer. `Source::error` says that there
/// is a mistake, in the call or in the set-up, and `Answer::error` says which: nobody is let through for it.
///
/// A child of the process may use the client, too. It then has connections, counters and everything else of its own, and
/// begins with none. Leases stay with the parent.
class Client {
 public:
  /// Throws std::invalid_argument if the options are wrong. Connects when the first call asks.
  explicit Client(Options options = {}) : options_(valid(std::move(options))), core_(new Core(options_)) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  /// Refunds what is left in leases. No call may be under way.
  ~Client() {
    Core* core = core_.load(std::memory_order_acquire);
    if (core->generation() == process_generation())
      delete core;  // else it is the parent's, with threads that are not here
  }

  /// Waits until the server answers, but no longer than `patience`. A service that calls it before it serves begins with a
  /// connection. False if the server did not answer, or as soon as it answers PING or the login with an error.
  [[nodiscard]] bool wait_for_server(Span patience) {
    return core().remote().reach(std::chrono::steady_clock::now() + patience);
  }

  /// RL.CHECK: charges the cost if it fits.
  Answer check(std::string_view key, const Policy& policy, const Call& call = {}) {
    return core().answer({.verb = Verb::check, .question = {key, policy, call}});
  }

  /// RL.PEEK: what a check would answer now.
  Answer peek(std::string_view key, const Policy& policy, const Call& call = {}) {
    return core().answer({.verb = Verb::peek, .question = {key, policy, call}});
  }

  /// RL.CHECKALL: charges the cost of each part, if all fit; else nothing. `Answer::each` says what each part alone would
  /// be told. In a cluster all keys must be in one slot.
  Answer check_all(std::span<const Part> parts, const Call& call = {}) { return core().answer(ask_about(parts, call)); }

  /// RL.RESERVE: charges an estimate for at most `ttl`, which is whole milliseconds. The answer has the id to settle it
  /// with. It has the id also if the server did not answer: the server may hold the units all the same.
  Answer reserve(std::string_view key, Span ttl, const Policy& policy, const Call& call) {
    Core& here = core();
    const std::string id = call.id.empty() ? here.new_id() : std::string(call.id);
    Call named = call;
    named.id = id;
    return here.answer({.verb = Verb::reserve, .question = {key, policy, named}, .ttl = ttl});
  }

  /// RL.SETTLE: ends a hold and charges `actual` units instead. `was_held` says whether there was such a hold. Without the
  /// server only a hold that this process made by itself is settled. The server refunds other holds when they end.
  Answer settle(std::string_view key, std::string_view id, Units actual, const Policy& policy,
                std::string_view subject = {}) {
    const Call call{.subject = subject, .cost = actual, .id = id};
    return core().answer({.verb = Verb::settle, .question = {key, policy, call}});
  }

  /// RL.REFUND: gives units back, never above full. `granted` says how many came back.
  Answer refund(std::string_view key, Units units, std::string_view subject = {}) {
    const Call call{.subject = subject, .cost = units};
    return core().answer({.verb = Verb::refund, .question = {key, no_policy(), call}});
  }

  /// RL.RELEASE: ends a lease of CONCURRENT. `was_held` says whether there was such a lease.
  Answer release(std::string_view key, std::string_view id, std::string_view subject = {}) {
    const Call call{.subject = subject, .id = id};
    return core().answer({.verb = Verb::release, .question = {key, no_policy(), call}});
  }

  /// RL.DEFINE: makes the key a limiter, or changes its limits, which are text such as `TOKENBUCKET 20 10 1s AS burst`. On
  /// trial (SHADOW) it denies nobody. Limits that the key stores already change nothing. The answer is allowed if the
  /// server did so.
  Answer define(std::string_view key, std::string_view limits, bool is_on_trial = false) {
    const Call call;
    return core().answer(
        {.verb = Verb::define, .question = {key, no_policy(), call}, .limits = limits, .is_on_trial = is_on_trial});
  }

  [[nodiscard]] Counts counts() const { return core().counters().now(); }

  struct NodeState {
    Endpoint endpoint;
    CircuitBreaker::State breaker;
  };
  /// Of each server that is known, those of `Options::servers` first.
  [[nodiscard]] std::vector<NodeState> nodes() const {
    std::vector<NodeState> states;
    for (const Node* node : core().remote().nodes()) states.push_back({node->endpoint(), node->state()});
    return states;
  }
  /// Of the first server; with Sentinels, of the primary.
  [[nodiscard]] CircuitBreaker::State breaker() const {
    const std::vector<NodeState> states = nodes();
    return states.empty() ? CircuitBreaker::State::closed : states.front().breaker;
  }

  /// All numbers and the state of each breaker, in the text format of Prometheus.
  [[nodiscard]] std::string metrics() const {
    std::string text = metrics_text(counts());
    text += detail::metric_head("ratelimit_client_breaker_state", "gauge", "0: closed, 1: open, 2: half open.");
    for (const NodeState& node : nodes()) {
      text.append("ratelimit_client_breaker_state{server=\"").append(name_of(node.endpoint)).append("\"} ");
      text.append(std::to_string(static_cast<int>(node.breaker))).append("\n");
    }
    return text;
  }

  /// Refunds what is left in leases, and takes none any more.
  void close_leases() { core().close_leases(); }

 private:
  friend class Inspector;
  friend class Pipeline;
  using Verb = Ask::Verb;

  /// The first part stands for all where one key is needed.
  static Ask ask_about(std::span<const Part> parts, const Call& call) {
    const bool is_any = !parts.empty();
    const std::string_view key = is_any ? parts.front().key : std::string_view{};
    return {
        .verb = Verb::check_all, .question = {key, is_any ? parts.front().policy : no_policy(), call}, .parts = parts};
  }

  static Options valid(Options options) {
    if (auto fault = fault_of(options)) throw std::invalid_argument("ratelimit::client::Options: " + *fault);
    return options;
  }

  /// For commands that go by all accounts of a subject.
  static const Policy& no_policy() {
    static const Policy policy = Policy::stored();
    return policy;
  }

  [[nodiscard]] Core& core() const {
    Core* core = core_.load(std::memory_order_acquire);
    return core->generation() == process_generation() ? *core : renewed(core);
  }

  /// In a child of the process: a core of its own. The parent's is left as it is, because other threads of the parent may
  /// have been at work in it. Only its files are closed.
  [[nodiscard]] Core& renewed(Core* parents) const {
    auto fresh = std::make_unique<Core>(options_);
    Core* expected = parents;
    if (!core_.compare_exchange_strong(expected, fresh.get(), std::memory_order_acq_rel)) return *expected;
    parents->remote().close_files();
    return *fresh.release();
  }

  const Options options_;
  mutable std::atomic<Core*> core_;  ///< owned
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_H
