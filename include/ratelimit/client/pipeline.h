// SPDX-License-Identifier: MIT
// Calls of one thread that do not wait for each other: each is made, and its answer comes to a function, while any number of
// others are on the way over the same connection.
//
//     Pipeline pipeline(client);
//     for (const auto& request : batch) pipeline.check("api", policy, {.subject = request.user}, answer_of(request));
//     pipeline.wait();
//
// Depends on the client and on links. docs/cpp-client.md says when it pays.
#ifndef RATELIMIT_CLIENT_PIPELINE_H
#define RATELIMIT_CLIENT_PIPELINE_H

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client.h"
#include "ratelimit/client/answer.h"
#include "ratelimit/client/call.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/core.h"
#include "ratelimit/client/link.h"
#include "ratelimit/client/pending.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/client/process.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/client/slot_map.h"
#include "ratelimit/client/waiting.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// Used by one thread at a time, and by no child of its process; a client has any number of pipelines. A pipeline has one
/// connection to each node that it asks, and shares with the client everything else: breakers, denials, counters, and what
/// it does without the server, and leases.
///
/// An answer comes while the thread is in a function of the pipeline: in the call itself, if nobody must be asked. The
/// function that gets it may make further calls, and must not throw.
class Pipeline {
 public:
  static constexpr std::size_t kMostPending = 4096;  ///< unless said otherwise
  static constexpr std::size_t kMostGathered = 256;  ///< subjects of one RL.CHECKEACH

  /// The client must outlive the pipeline. A call beyond `most_pending` that are not answered yet is `Failure::busy`.
  explicit Pipeline(Client& client, std::size_t most_pending = kMostPending)
      : core_(client.core()),
        options_(client.options_),
        deadline_(core_.remote().deadline()),
        most_pending_(std::max<std::size_t>(most_pending, 1)) {}
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;
  /// Waits until all calls are answered. In a child of the process, nobody is answered.
  ~Pipeline() {
    if (core_.generation() == process_generation()) wait();
  }

  // --- calls, as those of a client -------------------------------------------------------------------

  void check(std::string_view key, const Policy& policy, const Call& call, Done done) {
    make({.verb = Verb::check, .question = {key, policy, call}}, std::move(done));
  }
  void peek(std::string_view key, const Policy& policy, const Call& call, Done done) {
    make({.verb = Verb::peek, .question = {key, policy, call}}, std::move(done));
  }
  void reserve(std::string_view key, Span ttl, const Policy& policy, const Call& call, Done done) {
    Call named = call;
    const std::string id = call.id.empty() ? core_.new_id() : std::string(call.id);
    named.id = id;
    make({.verb = Verb::reserve, .question = {key, policy, named}, .ttl = ttl}, std::move(done));
  }
  void settle(std::string_view key, std::string_view id, Units actual, const Policy& policy, std::string_view subject,
              Done done, Span deadline = {}) {
    const Call call{.subject = subject, .cost = actual, .id = id, .deadline = deadline};
    make({.verb = Verb::settle, .question = {key, policy, call}}, std::move(done));
  }
  void refund(std::string_view key, Units units, std::string_view subject, Done done, Span deadline = {}) {
    const Call call{.subject = subject, .cost = units, .deadline = deadline};
    make({.verb = Verb::refund, .question = {key, Client::no_policy(), call}}, std::move(done));
  }
  void check_all(std::span<const Part> parts, const Call& call, Done done) {
    make(Client::ask_about(parts, call), std::move(done));
  }

  /// How many calls are not answered.
  [[nodiscard]] std::size_t pending() const { return pending_; }

  // --- time ------------------------------------------------------------------------------------------

  /// Sends what is queued, and answers the calls whose replies have come or whose deadlines are over. Does not wait.
  void work() {
    if (std::exchange(is_working_, true)) return;  // a function that got an answer has made many calls
    const Time now = std::chrono::steady_clock::now();
    send_queued(now);
    // NOLINTNEXTLINE(modernize-loop-convert): a redirection may add links
    for (std::size_t i = 0; i < links_.size(); ++i) advance(*links_[i], now);
    if (now >= next_deadline_) end_late_calls(now);
    is_working_ = false;
  }

  /// Works until no call is pending, which is no later than the last deadline.
  void wait() {
    while (pending_ > 0) {
      work();
      if (pending_ > 0) wait_for_work();
    }
  }

  /// Works until fewer than `most` calls are pending.
  void wait_for_fewer(std::size_t most) {
    most = std::max<std::size_t>(most, 1);
    while (pending_ >= most) {
      work();
      if (pending_ >= most) wait_for_work();
    }
  }

  /// For a loop of events: `work` has something to do when one of these files is ready, or at `next_work`. Both may change
  /// with each call, and with each `work`.
  void watch(std::vector<pollfd>& files) const {
    for (const auto& link : links_) {
      if (const Connection* connection = link->connection(); connection != nullptr) {
        files.push_back({.fd = connection->file(), .events = connection->events(), .revents = 0});
      }
    }
  }
  [[nodiscard]] Time next_work() const {
    const bool can_send = std::any_of(links_.begin(), links_.end(), [](const auto& link) { return link->can_send(); });
    return can_send || !queued_.empty() ? Time{} : next_deadline_;
  }

 private:
  using Verb = Ask::Verb;
  static constexpr std::size_t kMostQueued = 64;

  // --- making calls ----------------------------------------------------------------------------------

  void make(const Ask& ask, Done done) {
    const Time now = std::chrono::steady_clock::now();
    Core::LeaseStep lease = core_.begin_lease(ask);
    std::optional<Answer> early = lease.answer ? std::move(lease.answer) : core_.answer_early(ask);
    if (early) return done(core_.conclude(ask, std::move(*early), now));
    auto call = std::make_unique<PendingCall>(ask, std::move(done), now);
    call->claim = std::move(lease.claim);
    ++pending_;
    if (pending_ > most_pending_) return answer_without(std::move(call), Failure::busy, {}, now);
    queue(std::move(call));
    if (queued_.size() >= kMostQueued) work();
  }

  void queue(std::unique_ptr<PendingCall> call) {
    next_deadline_ = std::min(next_deadline_, call->deadline(deadline_));
    queued_.push_back(std::move(call));
  }

  /// Sends the calls in their order, but for those that are gathered: they go with the first of their kind. A call that is
  /// not gathered ends the gathering before it, so that it keeps its place.
  void send_queued(Time now) {
    std::vector<std::unique_ptr<PendingCall>> calls = std::exchange(queued_, {});
    std::vector<Carried> groups;
    const auto send_groups = [&] {
      for (Carried& group : std::exchange(groups, {})) send(std::move(group), now);
    };
    for (std::unique_ptr<PendingCall>& call : calls) {
      const bool is_gathered = call->may_be_gathered();
      if (!is_gathered) send_groups();
      const auto group = std::find_if(groups.begin(), groups.end(), [&](const Carried& each) {
        return each.calls.size() < kMostGathered && each.calls.front()->goes_with(*call);
      });
      if (is_gathered && group != groups.end()) {
        group->calls.push_back(std::move(call));
        continue;
      }
      Carried& alone = groups.emplace_back();
      alone.deadline = call->deadline(deadline_);
      alone.calls.push_back(std::move(call));
      if (!is_gathered) send_groups();
    }
    send_groups();
  }

  void send(Carried carried, Time now) {
    const Question question = carried.calls.front()->ask().question;
    carried.slot = slot_of(question.key);
    Cluster& cluster = core_.remote().cluster();
    Node* node = cluster.node_for(carried.slot, now, carried.deadline);
    Command command = command_of(carried);
    carried.shape = command.shape;
    if (node == nullptr) {
      Reply refusal;
      const Failure failure = cluster.no_node(refusal);
      return failure == Failure::none ? refuse(carried, refusal) : lose(carried, failure, {}, now);
    }
    send_to(*node, std::move(command), std::move(carried), now);
  }

  void send_to(Node& node, Command command, Carried carried, Time now) {
    Link& link = link_to(node);
    if (link.is_pausing(now)) {
      return is_mistake(link.refusal()) ? refuse(carried, link.refusal()) : lose(carried, Failure::left_alone, {}, now);
    }
    if (link.on_the_way() >= 2 * most_pending_) return lose(carried, Failure::busy, {}, now);
    carried.ticket = node.admit(now);
    if (!carried.ticket) return lose(carried, Failure::left_alone, {}, now);
    link.queue(std::move(command), std::move(carried));
  }

  [[nodiscard]] static Command command_of(const Carried& carried) {
    const Ask first = carried.calls.front()->ask();
    if (carried.calls.front()->claim != nullptr) return Core::lease_command(first);
    if (carried.calls.size() == 1) return Core::command_of(first);
    return check_each_command(first.question, carried.calls.size(), [&carried](auto add) {
      for (const auto& call : carried.calls) add(call->ask().question.call.subject);
    });
  }

  Link& link_to(Node& node) {
    const auto found =
        std::find_if(links_.begin(), links_.end(), [&](const auto& link) { return &link->node() == &node; });
    if (found != links_.end()) return **found;
    links_.push_back(std::make_unique<Link>(node, options_.node, core_.counters(), core_.randomness()));
    return *links_.back();
  }

  // --- answers ---------------------------------------------------------------------------------------

  void advance(Link& link, Time now) {
    link.advance(
        now, [&](Carried& carried, Reply& reply) { return take(link.node(), carried, reply, now); },
        [&](Carried& carried, Failure failure, const std::string& error) {
          if (failure == Failure::server_error) {  // the server has refused the login, and so every call
            Reply refusal = link.refusal();
            static_cast<void>(take(link.node(), carried, refusal, now));
            return;
          }
          report(link.node(), carried, false);
          lose(carried, failure, error, now);
        });
  }

  /// False if the reply is garbage: then nothing that follows it can be trusted.
  bool take(Node& node, Carried& carried, Reply& reply, Time now) {
    const Failure failure = Node::failure_in(reply, carried.shape);
    report(node, carried, failure == Failure::none);
    if (failure == Failure::garbage) {
      lose(carried, failure, {}, now);
      return false;
    }
    if (failure != Failure::none) core_.remote().cluster().failed(carried.slot, failure);
    if (const auto to = Cluster::redirection_in(reply)) {
      redirect(node, carried, *to, now);
    } else if (carried.is_gathered() && reply.kind == Reply::Kind::list) {
      for (std::size_t i = 0; i < carried.calls.size(); ++i) answer(carried.calls[i], failure, reply.items[i], carried);
    } else {
      answer_all(carried, failure, reply);
    }
    return true;
  }

  /// The server refuses the client itself: a mistake, for which nobody is let through.
  void refuse(Carried& carried, const Reply& refusal) { answer_all(carried, Failure::none, refusal); }

  /// An error is that of all calls of a command.
  void answer_all(Carried& carried, Failure failure, const Reply& reply) {
    for (auto& call : carried.calls) {
      Reply same = reply;
      answer(call, failure, same, carried);
    }
  }

  /// Answers by what the server replied, unless that was too late.
  void answer(std::unique_ptr<PendingCall>& call, Failure failure, Reply& reply, const Carried& carried) {
    if (call == nullptr) return;
    Exchange exchange;
    exchange.asked_at = call->begun();
    exchange.answered_at = std::chrono::steady_clock::now();
    Shape shape = carried.shape;
    if (carried.is_gathered()) shape.kind = Shape::Kind::brief;
    core_.remote().conclude(exchange, failure, reply, shape);
    finish(std::move(call), std::move(exchange));
  }

  void redirect(const Node& from, Carried& carried, const Redirection& to, Time now) {
    if (std::none_of(carried.calls.begin(), carried.calls.end(), [](const auto& call) { return call != nullptr; }))
      return;
    std::erase(carried.calls, nullptr);
    Node* node = core_.remote().cluster().follow(to, carried.slot, from);
    if (node == nullptr || ++carried.redirections > Cluster::kMaxRedirections) {
      return lose(carried, Failure::redirected, {}, now);
    }
    carried.is_asking = to.is_ask;
    Command command = command_of(carried);
    carried.shape = command.shape;
    send_to(*node, std::move(command), std::move(carried), now);
  }

  static void report(Node& node, Carried& carried, bool succeeded) {
    if (carried.ticket) node.report(*std::exchange(carried.ticket, std::nullopt), succeeded);
  }

  // --- calls that the server does not answer ---------------------------------------------------------

  void lose(Carried& carried, Failure failure, const std::string& error, Time now) {
    core_.remote().cluster().failed(carried.slot, failure);
    for (auto& call : carried.calls) {
      if (call != nullptr) answer_without(std::move(call), failure, error, now);
    }
  }

  void answer_without(std::unique_ptr<PendingCall> call, Failure failure, const std::string& error, Time now) {
    Exchange exchange;
    exchange.asked_at = call->begun();
    exchange.answered_at = now;
    Reply reply;
    if (!error.empty()) {
      reply.kind = Reply::Kind::error;
      reply.text = error;
    }
    core_.remote().conclude(exchange, failure, reply, {});
    finish(std::move(call), std::move(exchange));
  }

  /// A call whose lease turns out too small is made again, without a lease.
  void finish(std::unique_ptr<PendingCall> call, Exchange exchange) {
    const Ask ask = call->ask();
    std::optional<Answer> answer;
    if (call->claim == nullptr) {
      answer = core_.finish(ask, std::move(exchange));
    } else {
      answer = core_.finish_lease(ask, std::move(exchange), *call->claim);
      call->claim.reset();
    }
    if (!answer) return queue(std::move(call));
    --pending_;
    call->answer(core_.conclude(ask, std::move(*answer), call->begun()));
  }

  /// Answers the calls whose deadlines are over. They stay on their links until their replies come.
  void end_late_calls(Time now) {
    next_deadline_ = Time::max();
    // NOLINTNEXTLINE(modernize-loop-convert): a function that gets an answer may make calls, and so links
    for (std::size_t i = 0; i < links_.size(); ++i) {
      Link& link = *links_[i];
      link.for_each([&](Carried& carried, bool is_sent) { end_late_calls(link, carried, is_sent, now); });
      link.drop_waiting([](const Carried& carried) {
        return std::all_of(carried.calls.begin(), carried.calls.end(),
                           [](const auto& call) { return call == nullptr; });
      });
    }
    for (const auto& call : queued_) next_deadline_ = std::min(next_deadline_, call->deadline(deadline_));
  }

  void end_late_calls(Link& link, Carried& carried, bool is_sent, Time now) {
    const bool is_refused = !is_sent && is_mistake(link.refusal());
    for (auto& call : carried.calls) {
      if (call == nullptr) continue;
      if (const Time end = call->deadline(deadline_); end > now) {
        next_deadline_ = std::min(next_deadline_, end);
        continue;
      }
      if (is_refused) {
        report(link.node(), carried, true);
        return refuse(carried, link.refusal());
      }
      report(link.node(), carried, false);
      core_.remote().cluster().failed(carried.slot, Failure::timeout);
      answer_without(std::move(call), is_sent ? Failure::timeout : Failure::refused, {}, now);
    }
  }

  void wait_for_work() const {
    std::vector<pollfd> files;
    watch(files);
    static_cast<void>(wait_for(files, next_work()));
  }

  Core& core_;
  const Options& options_;
  const Span deadline_;
  const std::size_t most_pending_;
  std::vector<std::unique_ptr<PendingCall>> queued_;
  std::vector<std::unique_ptr<Link>> links_;
  std::size_t pending_ = 0;           ///< calls that are not answered
  Time next_deadline_ = Time::max();  ///< of any call, or earlier
  bool is_working_ = false;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_PIPELINE_H
