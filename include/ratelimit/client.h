// A client for C++ programs that ask for every request: it answers within a deadline, whatever the server does.
//
//     using namespace ratelimit::client;
//     Client client({.servers = {{.host = "10.0.0.7"}}, .without_server = Without::local, .share = {1, 4}});
//     const Policy policy{token_bucket(20, 10, 1s)};
//     if (client.check("api", policy, {.subject = "alice"})) …
//
// All methods may be called from any thread. Header-only; needs hiredis and threads: link ratelimit::client. What each
// choice costs is in docs/cpp-client.md. This file is the thin part: what decides is in client/, each file by itself.
#ifndef RATELIMIT_CLIENT_H
#define RATELIMIT_CLIENT_H

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/cluster.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/denial_cache.h"
#include "ratelimit/client/lease.h"
#include "ratelimit/client/local_limiter.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/client/reply.h"

namespace ratelimit::client {

/// What becomes of a call that the server does not answer.
enum class Without : std::uint8_t {
  fail_open,    ///< it is granted
  fail_closed,  ///< it is denied
  local,        ///< this process decides, with its share of the limits
};

struct Options {
  std::vector<Endpoint> servers{Endpoint{}};     ///< one; or some nodes of a cluster, which tell the others
  Span deadline = std::chrono::milliseconds{2};  ///< of a whole call, connecting and redirections included
  Without without_server = Without::fail_open;
  Share share{};  ///< of this process when it decides by itself; of four processes, {1, 4}
  std::chrono::milliseconds wait_without_server{1000};  ///< what a call is told that is denied without a decision
  std::size_t most_denials = 65'536;                    ///< remembered; 0: none is
  Span longest_denial = std::chrono::minutes{1};        ///< so long a denial is remembered at most
  std::size_t most_leases = 4096;
  Span lease_length = std::chrono::milliseconds{100};  ///< at most a minute
  std::size_t most_local_subjects = 65'536;
  NodeSettings node{};  ///< login, connections, circuit breaker, back-off: of each server
};

class Client {
 public:
  explicit Client(Options options = {})
      : options_(std::move(options)),
        randomness_(seed()),
        cluster_(options_.servers, options_.node, counters_, randomness_),
        denials_(options_.most_denials),
        leases_(options_.most_leases),
        local_(options_.most_local_subjects, options_.share) {
    options_.lease_length = std::clamp<Span>(options_.lease_length, Span{}, std::chrono::minutes{1});
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  /// Gives back what is left in leases. No call may be under way.
  ~Client() { close_leases(); }

  /// RL.CHECK: charges the cost if it fits.
  Answer check(std::string_view key, const Policy& policy, const Call& call = {}) {
    return finish(checked(Asked{key, policy, call}));
  }

  /// RL.PEEK: what a check would answer.
  Answer peek(std::string_view key, const Policy& policy, const Call& call = {}) {
    const Asked asked{key, policy, call};
    if (auto wrong = fault_of(asked)) return finish(std::move(*wrong));
    Texts texts;
    Words words = begin("RL.PEEK", asked);
    add_cost(call.cost, texts, words);
    const auto kind = policy.words().empty() ? Shape::Kind::answer_or_null : Shape::Kind::answer;
    Exchange exchange = send(key, words, {call.cost}, kind);
    if (exchange.failure == Failure::none) return finish(std::move(exchange.answer));
    return finish(without_server(exchange, asked, [&](const std::string& name, Instant now) {
      return local_.peek(name, policy, request_of(call), now);
    }));
  }

  /// RL.RESERVE: charges an estimate for at most `ttl`. The answer has the id to settle it with, also if there was no
  /// answer in time: it may be held all the same.
  Answer reserve(std::string_view key, Span ttl, const Policy& policy, const Call& call) {
    const std::string id = call.id.empty() ? random_id() : std::string(call.id);
    Call named = call;
    named.id = id;
    const Asked asked{key, policy, named};
    if (auto wrong = fault_of(asked)) return finish(std::move(*wrong));
    const std::optional<std::string> time = text_of(ttl);
    if (!time) return finish(fault("ttl must be whole milliseconds"));
    Texts texts;
    Words words{"RL.RESERVE", key, *time};
    add_limits(asked, words);
    add_cost(call.cost, texts, words);
    words.insert(words.end(), {"ID", id});
    Exchange exchange = send(key, words, {.cost = call.cost, .may_be_part = true, .may_be_held = true});
    Answer answer = exchange.failure == Failure::none
                        ? std::move(exchange.answer)
                        : without_server(exchange, asked, [&](const std::string& name, Instant now) {
                            return local_.reserve(name, policy, request_of(named), ttl, now);
                          });
    if (answer.allowed() || exchange.failure != Failure::none) answer.id = id;
    return finish(std::move(answer));
  }

  /// RL.SETTLE: ends a hold, and charges the actual cost instead. `was_held` says whether there was one. Without the
  /// server only a hold that this process granted by itself is settled; the server gives others back when they end.
  Answer settle(std::string_view key, std::string_view id, Units actual, const Policy& policy,
                std::string_view subject = {}) {
    const Asked asked{key, policy, Call{.subject = subject, .cost = actual}};
    if (actual < kNoUnits || actual > kMaxUnits) return finish(fault("actual must be an integer from 0 to 4294967295"));
    const std::string number = std::to_string(actual.count());
    Words words{"RL.SETTLE", key, id, number};
    add_limits(asked, words);
    Exchange exchange = send(key, words, {.cost = actual}, Shape::Kind::answer_or_null);
    if (exchange.failure == Failure::none) {
      Answer& settled = exchange.answer;
      forget_denials(key, subject);
      if (settled.source == Source::server) settled.was_held = std::exchange(settled.id, id) == "settled";
      return finish(std::move(settled));
    }
    Answer answer = unanswered(exchange.failure, exchange.answer.error);
    const std::lock_guard lock(local_mutex_);
    answer.was_held = local_.settle(name_of_subject(key, subject), policy, id, actual, unix_now());
    answer.outcome = Outcome::granted;
    answer.granted = actual;
    return finish(std::move(answer));
  }

  /// RL.REFUND: gives units back; `granted` says how many came back.
  Answer refund(std::string_view key, Units units, std::string_view subject = {}) {
    Answer answer = answer_of_integer(refunded(key, units, subject));
    forget_denials(key, subject);
    return finish(std::move(answer));
  }

  /// RL.RELEASE: ends a lease of CONCURRENT; `was_held` says whether there was one.
  Answer release(std::string_view key, std::string_view id, std::string_view subject = {}) {
    Words words{"RL.RELEASE", key, id};
    add_subject(subject, words);
    Answer answer = answer_of_integer(integer_from(key, words));
    answer.was_held = std::exchange(answer.granted, kNoUnits) > kNoUnits;
    return finish(std::move(answer));
  }

  [[nodiscard]] Counts counts() const { return counters_.now(); }

  struct NodeState {
    Endpoint endpoint;
    CircuitBreaker::State breaker;
  };
  /// Of each server that is known, those of `Options::servers` first.
  [[nodiscard]] std::vector<NodeState> nodes() const {
    std::vector<NodeState> states;
    for (const Node* node : cluster_.nodes()) states.push_back({node->endpoint(), node->state()});
    return states;
  }
  /// Of the first server.
  [[nodiscard]] CircuitBreaker::State breaker() const { return nodes().front().breaker; }

  /// Gives back what is left in leases, and takes none any more.
  void close_leases() {
    std::vector<Lease> leases;
    {
      const std::lock_guard lock(lease_mutex_);
      are_leases_closed_ = true;
      leases = leases_.close();
    }
    if (tender_.joinable()) {
      tender_.request_stop();
      tender_.join();
    }
    give_back(leases);
    {
      const std::lock_guard lock(lease_mutex_);
      leases = leases_.close();  // those that were being taken meanwhile
    }
    give_back(leases);
  }

 private:
  struct Asked {
    std::string_view key;
    const Policy& policy;
    const Call& call;
  };
  /// Words that must live until they are sent.
  struct Texts {
    std::string cost;
    std::string wait;
  };
  struct Exchange {
    Failure failure = Failure::none;
    Answer answer;  ///< of the server; or what it says of its failure
    bool has_leases = false;
    Time asked_at;
    Time answered_at;
  };

  static constexpr std::size_t kMostSubjectBytes = 1024;  // as the server has it

  // --- words -----------------------------------------------------------------------------------------

  static void add_subject(std::string_view subject, Words& words) {
    if (!subject.empty()) words.insert(words.end(), {"FOR", subject});
  }
  static void add_limits(const Asked& asked, Words& words) {
    words.insert(words.end(), asked.policy.words().begin(), asked.policy.words().end());
    add_subject(asked.call.subject, words);
  }
  static void add_cost(Units cost, Texts& texts, Words& words) {
    if (cost == kMinUnits) return;
    texts.cost = std::to_string(cost.count());
    words.insert(words.end(), {"COST", texts.cost});
  }
  static Words begin(std::string_view command, const Asked& asked) {
    Words words;
    words.reserve(16);
    words.insert(words.end(), {command, asked.key});
    add_limits(asked, words);
    return words;
  }
  static void add_mode(const Call& call, Texts& texts, Words& words) {
    switch (call.mode) {
      case Mode::whole: return;
      case Mode::partial: return words.push_back("PARTIAL");
      case Mode::force: return words.push_back("FORCE");
      case Mode::may_wait:
        texts.wait = text_of(call.longest_wait).value_or("");
        words.insert(words.end(), {"MAXWAIT", texts.wait});
    }
  }
  static Request request_of(const Call& call) {
    return {.cost = call.cost, .mode = call.mode, .longest_wait = call.longest_wait, .id = call.id};
  }

  // --- answers ---------------------------------------------------------------------------------------

  static Answer fault(std::string text) {
    Answer answer;
    answer.source = Source::error;
    answer.error = std::move(text);
    return answer;
  }

  /// What the server need not be asked to tell, because the core would refuse it when nobody else is there to.
  static std::optional<Answer> fault_of(const Asked& asked) {
    const Call& call = asked.call;
    if (!in_range(call.cost)) return fault("cost must be an integer from 1 to 4294967295");
    if (call.subject.size() > kMostSubjectBytes) return fault("subject must be at most 1024 bytes");
    if (call.id.size() > kMaxIdBytes) return fault("id must be 1 to 64 bytes");
    if (call.mode != Mode::may_wait) return std::nullopt;
    if (in_range(call.longest_wait) && text_of(call.longest_wait)) return std::nullopt;
    return fault("longest_wait must be whole milliseconds, from 1 ms to 3650 d");
  }

  static Answer unanswered(Failure failure, std::string error) {
    Answer answer;
    answer.source = Source::nobody;
    answer.failure = failure;
    answer.error = std::move(error);
    return answer;
  }

  Answer finish(Answer answer) {
    counters_.count(answer);
    return answer;
  }

  /// The choice.
  template <class Decide>
  Answer without_server(Exchange& exchange, const Asked& asked, Decide decide) {
    Answer answer;
    answer.wait = options_.wait_without_server;
    if (options_.without_server == Without::local) {
      const std::lock_guard lock(local_mutex_);
      std::optional<Answer> decided = decide(name_of_subject(asked.key, asked.call.subject), unix_now());
      if (!decided) counters_.count(Event::local_undecided);
      if (decided) answer = std::move(*decided);
      if (answer.allowed()) answer.id = asked.call.id;
    } else if (options_.without_server == Without::fail_open) {
      answer.outcome = Outcome::granted;
      answer.granted = asked.call.cost;
      answer.wait = {};
    }
    constexpr std::array kSourceOf{Source::fail_open, Source::fail_closed, Source::local};
    answer.source = kSourceOf[static_cast<std::size_t>(options_.without_server)];
    answer.failure = exchange.failure;
    answer.error = std::move(exchange.answer.error);
    return answer;
  }

  // --- the server ------------------------------------------------------------------------------------

  Cluster::Called ask(std::string_view key, const Words& words, const Shape& shape) {
    Cluster::Called called = cluster_.call(key, {words, shape}, std::chrono::steady_clock::now() + options_.deadline);
    counters_.count(called.failure);
    return called;
  }

  Exchange send(std::string_view key, const Words& words, const Expected& expected,
                Shape::Kind kind = Shape::Kind::answer) {
    Exchange exchange;
    exchange.asked_at = std::chrono::steady_clock::now();
    Cluster::Called called = ask(key, words, {kind, expected});
    exchange.answered_at = std::chrono::steady_clock::now();
    exchange.failure = called.failure;
    Value& reply = called.reply;
    if (reply.kind == Value::Kind::error) {
      exchange.answer = fault(std::move(reply.text));
      return exchange;
    }
    if (called.failure != Failure::none) return exchange;
    if (reply.kind == Value::Kind::null) {
      exchange.answer = fault("the key does not exist, and this call names no limits");
      return exchange;
    }
    exchange.answer = *parse_answer(reply, expected);
    exchange.has_leases = tells_of_leases(reply);
    return exchange;
  }

  struct Integer {
    Failure failure = Failure::none;
    std::int64_t value = 0;
    std::string error;
  };

  Integer integer_from(std::string_view key, const Words& words) {
    Cluster::Called called = ask(key, words, {Shape::Kind::integer, {}});
    Value& reply = called.reply;
    if (called.failure != Failure::none) return {called.failure, 0, std::move(reply.text)};
    if (reply.kind == Value::Kind::error) return {Failure::none, 0, std::move(reply.text)};
    return {Failure::none, reply.integer, {}};
  }

  static Answer answer_of_integer(Integer integer) {
    if (integer.failure != Failure::none) return unanswered(integer.failure, std::move(integer.error));
    if (!integer.error.empty()) return fault(std::move(integer.error));
    Answer answer;
    answer.outcome = Outcome::granted;
    answer.granted = Units(integer.value);
    return answer;
  }

  Integer refunded(std::string_view key, Units units, std::string_view subject) {
    const std::string number = std::to_string(units.count());
    Words words{"RL.REFUND", key, number};
    add_subject(subject, words);
    return integer_from(key, words);
  }

  // --- a check ---------------------------------------------------------------------------------------

  Answer checked(const Asked& asked) {
    if (auto wrong = fault_of(asked)) return std::move(*wrong);
    std::string name = name_of_subject(asked.key, asked.call.subject);
    if (wants_lease(asked)) return checked_by_lease(asked, name + asked.policy.name(), name);
    return checked_plainly(asked, name);
  }

  Answer checked_plainly(const Asked& asked, const std::string& name) {
    const bool may_remember = asked.call.mode != Mode::force && asked.call.id.empty() && options_.most_denials > 0;
    std::string call = may_remember ? name_of_call(asked, name) : std::string();
    if (may_remember) {
      if (auto denial = remembered(call)) return std::move(*denial);
    }
    Exchange exchange = checked_by_server(asked, asked.call.cost);
    if (exchange.failure != Failure::none) return checked_without_server(exchange, asked);
    if (may_remember && !exchange.has_leases) remember(std::move(call), exchange);
    return std::move(exchange.answer);
  }

  Exchange checked_by_server(const Asked& asked, Units cost) {
    Texts texts;
    Words words = begin("RL.CHECK", asked);
    add_cost(cost, texts, words);
    add_mode(asked.call, texts, words);
    if (!asked.call.id.empty()) words.insert(words.end(), {"ID", asked.call.id});
    return send(asked.key, words, {.cost = cost, .may_be_part = asked.call.mode == Mode::partial});
  }

  Answer checked_without_server(Exchange& exchange, const Asked& asked) {
    return without_server(exchange, asked, [&](const std::string& name, Instant now) {
      return local_.check(name, asked.policy, request_of(asked.call), now);
    });
  }

  // --- denials ---------------------------------------------------------------------------------------

  /// Everything that the server's decision depends on but the state, the subject first.
  static std::string name_of_call(const Asked& asked, const std::string& name) {
    std::string call = name + asked.policy.name();
    call.append(" ").append(std::to_string(asked.call.cost.count()));
    call.append(" ").append(std::to_string(static_cast<int>(asked.call.mode)));
    if (asked.call.mode == Mode::may_wait) call.append(" ").append(std::to_string(asked.call.longest_wait.count()));
    return call;
  }

  std::optional<Answer> remembered(const std::string& call) {
    const std::lock_guard lock(denial_mutex_);
    const Time now = std::chrono::steady_clock::now();
    const auto* denial = denials_.find(call, now);
    if (denial == nullptr) return std::nullopt;
    Answer answer = denial->answer;
    if (answer.outcome == Outcome::denied)
      answer.wait = std::chrono::ceil<std::chrono::milliseconds>(denial->wait_until - now);
    answer.reset = std::chrono::ceil<std::chrono::milliseconds>(std::max<Span>(denial->reset_at - now, Span{}));
    answer.source = Source::remembered;
    return answer;
  }

  /// A denial; that of a call that is never granted holds for as long as any.
  void remember(std::string call, const Exchange& exchange) {
    const Answer& answer = exchange.answer;
    if (answer.source == Source::error || answer.outcome == Outcome::granted) return;
    const bool is_never = answer.outcome == Outcome::never;
    const Span holds = is_never ? options_.longest_denial : std::min<Span>(answer.wait, options_.longest_denial);
    const std::lock_guard lock(denial_mutex_);
    denials_.remember(std::move(call),
                      {.holds_until = exchange.asked_at + holds,
                       .wait_until = exchange.answered_at + answer.wait,
                       .reset_at = exchange.answered_at + answer.reset,
                       .answer = answer},
                      exchange.answered_at);
  }

  void forget_denials(std::string_view key, std::string_view subject) {
    const std::lock_guard lock(denial_mutex_);
    denials_.forget_all(name_of_subject(key, subject));
  }

  // --- leases ----------------------------------------------------------------------------------------

  [[nodiscard]] bool wants_lease(const Asked& asked) const {
    const Call& call = asked.call;
    return call.lease > call.cost && call.lease <= kMaxUnits && call.mode == Mode::whole && call.id.empty() &&
           options_.lease_length > Span{} && asked.policy.limits() != nullptr && may_lease(*asked.policy.limits());
  }

  Answer checked_by_lease(const Asked& asked, const std::string& place, const std::string& name) {
    LeaseBook::Taken taken;
    {
      const std::lock_guard lock(lease_mutex_);
      if (!are_leases_closed_) taken = leases_.take(place, asked.call.cost, std::chrono::steady_clock::now());
    }
    switch (taken.kind) {
      case LeaseBook::Taken::Kind::served: return served(asked.call.cost, taken);
      case LeaseBook::Taken::Kind::not_here: return checked_plainly(asked, name);
      case LeaseBook::Taken::Kind::to_take: return checked_by_new_lease(asked, place, name);
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

  /// Takes as much of a lease as there is. If that is less than this call costs, it goes back, and the server is asked
  /// for the cost alone: it says how long to wait.
  Answer checked_by_new_lease(const Asked& asked, const std::string& place, const std::string& name) {
    Taking taking(*this, place);
    if (auto denial = remembered(name_of_call(asked, name))) return std::move(*denial);
    Call call = asked.call;
    call.cost = asked.call.lease;
    call.mode = Mode::partial;
    Exchange exchange = checked_by_server({asked.key, asked.policy, call}, call.cost);
    if (exchange.failure != Failure::none) return checked_without_server(exchange, asked);
    Answer& answer = exchange.answer;
    if (answer.source == Source::error) return std::move(answer);
    const Units units = answer.granted;
    const bool is_enough = units >= asked.call.cost;
    if (units > kNoUnits) taking.put(lease_of(asked, exchange, is_enough ? asked.call.cost : kNoUnits), is_enough);
    if (is_enough) {
      answer.granted = asked.call.cost;
      return std::move(answer);
    }
    if (asked.call.cost > kMinUnits) return checked_plainly(asked, name);
    remember(name_of_call(asked, name), exchange);  // of a cost of one, a part and the whole are the same
    return std::move(answer);
  }

  Lease lease_of(const Asked& asked, const Exchange& exchange, Units served) {
    const Answer& answer = exchange.answer;
    Lease lease{.key = std::string(asked.key),
                .subject = std::string(asked.call.subject),
                .policy = asked.policy,
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

  /// Whoever is to take a lease: others wait for neither him nor his failure.
  class Taking {
   public:
    Taking(Client& client, const std::string& place) : client_(client), place_(place) {}
    Taking(const Taking&) = delete;
    Taking& operator=(const Taking&) = delete;
    ~Taking() {
      if (is_done_) return;
      const std::lock_guard lock(client_.lease_mutex_);
      client_.leases_.give_up(place_);
    }

    void put(Lease lease, bool serves) {
      is_done_ = serves;
      const std::lock_guard lock(client_.lease_mutex_);
      if (serves && !client_.are_leases_closed_) {
        client_.leases_.put(place_, std::move(lease));
      } else {
        client_.leases_.put_ended(std::move(lease));
        is_done_ = false;
      }
      client_.start_tending();
    }

   private:
    Client& client_;
    const std::string& place_;
    bool is_done_ = false;
  };

  /// Under the lock.
  void start_tending() {
    if (!tender_.joinable() && !are_leases_closed_) {
      tender_ = std::jthread([this](const std::stop_token& stop) { tend(stop); });
    }
    if (std::exchange(tender_waits_, false)) lease_changed_.notify_one();
  }

  /// The one thread of the client's own: gives back what is left when leases end, a little later. There is none until
  /// there is a lease.
  void tend(const std::stop_token& stop) {
    constexpr Span kRest = std::chrono::milliseconds{5};
    std::unique_lock lock(lease_mutex_);
    while (!stop.stop_requested()) {
      const auto next = leases_.next_end();
      tender_waits_ = !next;
      if (!next) {
        lease_changed_.wait(lock, stop, [this] { return !tender_waits_; });
        continue;
      }
      const Time until = std::max(*next, std::chrono::steady_clock::now() + kRest);
      lease_changed_.wait_until(lock, stop, until, [] { return false; });
      const std::vector<Lease> ended = leases_.ended(std::chrono::steady_clock::now());
      lock.unlock();
      give_back(ended);
      lock.lock();
    }
  }

  /// What does not reach the server is lost for its callers, and was never granted to anybody.
  void give_back(const std::vector<Lease>& leases) {
    for (const Lease& lease : leases) {
      if (lease.left == kNoUnits) continue;
      const Units units = to_refund(lease, std::chrono::steady_clock::now() + options_.deadline);
      Units back;
      if (units > kNoUnits) {
        const Integer given = refunded(lease.key, units, lease.subject);
        back = std::min(Units(given.value), lease.left);
        forget_denials(lease.key, lease.subject);
      }
      counters_.count(Event::units_refunded, back);
      counters_.count(Event::units_expired, lease.left - back);
    }
  }

  // --- time and chance -------------------------------------------------------------------------------

  /// Unix time as it was when the client began, carried on by a clock that cannot step.
  [[nodiscard]] Instant unix_now() const { return unix_at_start_ + (std::chrono::steady_clock::now() - started_); }

  static std::uint64_t seed() {
    std::random_device device;
    return (std::uint64_t{device()} << 32U) | device();
  }

  std::string random_id() {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string id;
    for (int half = 0; half < 2; ++half) {
      std::uint64_t bits = randomness_.next();
      for (int i = 0; i < 16; ++i, bits >>= 4U) id += kDigits[bits & 15U];
    }
    return id;
  }

  Options options_;
  const Instant unix_at_start_ = std::chrono::time_point_cast<Span>(std::chrono::system_clock::now());
  const Time started_ = std::chrono::steady_clock::now();
  Counters counters_;
  Randomness randomness_;
  Cluster cluster_;

  std::mutex denial_mutex_;
  Denials<Answer> denials_;

  std::mutex lease_mutex_;
  LeaseBook leases_;
  bool are_leases_closed_ = false;
  std::condition_variable_any lease_changed_;
  bool tender_waits_ = false;

  std::mutex local_mutex_;
  LocalLimiter local_;

  std::jthread tender_;  ///< last: it ends first
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_H
