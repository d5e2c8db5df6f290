// SPDX-License-Identifier: MIT
// Fuzzes the core in motion: the bytes choose limits and then calls in all modes, under these limits and others,
// reservations, settlements, refunds, releases, waits, steps of the clock, changes of stored limits and restarts. The
// answers must be those of the oracle of tests/support, to the nanosecond and the unit.
//
// Three go side by side: a value, handled as the module handles the value of a key; the oracle; and a replica, which
// hears of the value only what the replication stream would bring, and must have the same bytes after every step.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz.h"
#include "ratelimit/account.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/block.h"
#include "ratelimit/blocked.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/effects.h"
#include "ratelimit/holds.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"
#include "server/zones.h"
#include "storage/limits_pool.h"
#include "storage/value.h"
#include "support/oracle.h"
#include "support/subject.h"

namespace ratelimit::fuzz {
namespace {

using namespace std::chrono_literals;

using Specs = std::vector<LimitSpec>;

template <class T>
void require_equal(const T& core, const T& oracle, const char* what) {
  if (core == oracle) return;
  const std::string texts[] = {::testing::PrintToString(core), ::testing::PrintToString(oracle)};
  std::fprintf(stderr, "core: %s\noracle: %s\n", texts[0].c_str(), texts[1].c_str());
  require(false, what);
}

/// From 1 to `largest`.
Units choose_count(Choices& choices, Units largest = kMax32BitUnits) {
  const std::int64_t most = largest.count();
  switch (choices.below(4)) {
    case 0: return Units(choices.one_of<std::int64_t>({1, 2, 3, 7, 1000, 999'999'937, most - 1, most}));
    case 1: return Units(static_cast<std::int64_t>(1 + choices.number(1)));
    case 2: return Units(static_cast<std::int64_t>(1 + choices.number(2)));
    default: return std::clamp(Units(static_cast<std::int64_t>(choices.number(7) >> 2U)), kMinUnits, largest);
  }
}

Span choose_span(Choices& choices) {
  switch (choices.below(4)) {
    case 0: return choices.one_of<Span>({kMinSpan, kMinSpan + 1ns, 1s, 7s, 60s, 1h, kMaxSpan - 1ns, kMaxSpan});
    case 1: return std::chrono::milliseconds{1 + choices.number(2)};
    case 2: return std::clamp(Span{static_cast<std::int64_t>(choices.number(5))}, kMinSpan, kMaxSpan);
    default: return std::clamp(Span{static_cast<std::int64_t>(choices.number(7))}, kMinSpan, kMaxSpan);
  }
}

/// Any minute that can be given.
Anchor choose_anchor(Choices& choices) {
  const auto minutes = static_cast<std::uint64_t>((Anchor::kLatest - Anchor::kEarliest).count());
  return Anchor(Anchor::kEarliest + std::chrono::minutes{choices.number(4) % (minutes + 1)});
}

/// Sometimes the limit is closed.
Units choose_size(Choices& choices, Algorithm algorithm) {
  const Units size = choose_count(choices, tests::largest_size(algorithm));
  return size == Units(7) ? kNoUnits : size;
}

LimitSpec choose_limit(Choices& choices) {
  LimitSpec spec;
  spec.algorithm = choices.one_of({Algorithm::token_bucket, Algorithm::fixed_window, Algorithm::sliding_window_log,
                                   Algorithm::leaky_bucket, Algorithm::sliding_window_counter, Algorithm::quota,
                                   Algorithm::concurrent});
  const std::uint8_t options = choices.byte();
  spec.per_request = (options & 1U) != 0;
  spec.aligned = (options & 2U) != 0 && spec.algorithm == Algorithm::fixed_window;
  if ((options & 4U) != 0) spec.label = choices.one_of<std::string_view>({"a", "b", "fixed", "sliding-2"});
  spec.size = choose_size(choices, spec.algorithm);
  if (spec.algorithm == Algorithm::quota) {
    spec.unit = choices.one_of({CalendarUnit::hour, CalendarUnit::day, CalendarUnit::week, CalendarUnit::month,
                                CalendarUnit::quarter, CalendarUnit::year});
    if ((options & 8U) != 0) spec.anchor = choose_anchor(choices);
    // The oracle knows only clocks that were never changed since 1970.
    spec.zone = choices.one_of<std::string_view>({"", "", "Asia/Kolkata", "Etc/GMT+12"});
    spec.rules = spec.zone.empty() ? nullptr : find_zone(spec.zone);
    return spec;
  }
  spec.span = choose_span(choices);
  if (!is_bucket(spec.algorithm)) return spec;
  spec.refill = choose_count(choices);
  // A bucket that would refill too slowly has a smaller one in its place.
  if (!oracle::refills_in_time(spec.size, spec.refill, spec.span)) spec.size = kMinUnits;
  if (!oracle::refills_in_time(spec.size, spec.refill, spec.span)) spec.refill = kMax32BitUnits;
  return spec;
}

/// One to eight limits; of several with one label only the first.
Specs choose_limits(Choices& choices) {
  Specs specs;
  for (std::size_t count = 1 + choices.below(8) % choices.one_of<std::size_t>({1, 2, 8}); count > 0; --count) {
    specs.push_back(choose_limit(choices));
    if (!Limits::make(specs)) specs.pop_back();
  }
  return specs;
}

/// Some of the same limits with another size, rate or span, or others.
Specs choose_change(Choices& choices, Specs specs) {
  LimitSpec& spec = specs[choices.below(specs.size())];
  const LimitSpec before = spec;
  Span spare{};
  switch (choices.below(6)) {
    case 0: return choose_limits(choices);
    case 1: spec.size = choose_size(choices, spec.algorithm); break;
    case 2: spec.size = Units(std::max<std::int64_t>(1, spec.size.count() / 2)); break;
    case 3: (spec.unit == CalendarUnit{} ? spec.span : spare) = choose_span(choices); break;
    case 4: std::swap(specs.front(), specs.back()); break;
    default: specs.push_back(choose_limit(choices)); break;
  }
  if (Limits::make(specs)) return specs;
  return {before};
}

class Together {
 public:
  Together(Specs specs, Choices& choices)
      : choices_(choices),
        specs_(std::move(specs)),
        value_(Value::create(pool_.get(specs_))),
        replica_(Value::create(pool_.get(specs_))),
        oracle_(specs_) {
    now_ = kEarliest + std::min(Span{static_cast<std::int64_t>(choices_.number(8) >> 1U)}, kLatest - kEarliest);
    if (choices_.below(4) > 0) now_ = tests::kToday;
  }

  void step() {
    switch (choices_.below(16)) {
      case 0: go_on(choose_gap()); break;
      case 1: step_back(); break;
      case 2: change(choose_change(choices_, specs_)); break;
      case 3: restart(); break;
      case 4: reserve(); break;
      case 5: go_on(choose_gap()), settle(); break;
      case 6: give_back(); break;
      case 7: lists_.push_back(choose_change(choices_, lists_[choices_.below(lists_.size())])); break;
      case 8:
      case 9:
      case 10: go_on(choose_gap()), call_under(lists_[choices_.below(lists_.size())]); break;
      case 11: reserve_under(lists_[choices_.below(lists_.size())]); break;
      case 12: block(); break;
      default: go_on(choose_gap()), call(); break;
    }
    compare_memory();
  }

 private:
  // --- what the commands do ---

  void call() {
    collect();
    ask(choose_request(choose_id()));
  }

  /// A check under the limits of the key.
  void ask(const Request& request) {
    if (asks_as_of_later(request) && !is_never(value_->limits(), request)) clamp_if_ahead();
    const Subject subject = value_->subject();
    const Verdict verdict = decide(subject.limits(), subject.cells(), subject.turn(), subject.block(), request, now_);
    compare(verdict, oracle_.ask(request, now_));
    require_sane(value_->limits(), verdict.decision, request,
                 longest_answer(subject.limits(), subject.cells(), subject.turn(), subject.block(), request));
    last_ = verdict.decision;
    if (last_.outcome == Outcome::granted) {
      charge(request, verdict);
    } else if (last_.outcome == Outcome::denied) {
      clamp_if_ahead();
      require_wait_comes_true(value_->limits(), value_->cells(), request);
    }
  }

  // --- under limits that the call names ---

  /// A verdict of `visit(limits, accounts)` under a list.
  template <class Visit>
  auto under(const Specs& list, Visit visit) {
    const SharedLimits named = pool_.get(list);
    const Subject subject = value_->subject();
    return visit(*named, NamedAccounts(subject.accounts(), *named, now_, subject.turn().or_later(now_)));
  }

  void call_under(const Specs& list) {
    collect();
    if (is_absent(list)) begin(list);
    const Request request = choose_request(choose_id());
    if (asks_as_of_later(request) && !is_never(*pool_.get(list), request)) clamp_if_ahead();
    const Turn turn = value_->subject().turn();
    const Block block = value_->subject().block();
    const auto decide_now = [&](const Limits& limits, const NamedAccounts& accounts) {
      return decide(limits, accounts, turn, block, request, now_);
    };
    Verdict verdict = under(list, decide_now);
    compare(verdict, oracle_.ask(list, request, now_));
    last_ = verdict.decision;
    if (last_.outcome == Outcome::granted) {
      const std::string id = name_of(request.id);
      may_be_in_debt_ = true;
      const AccountSet named = open(list);
      perform({.kind = Operation::Kind::charge,
               .at = now_,
               .units = verdict.decision.granted,
               .span = verdict.turn,
               .id = id,
               .named = named});
    } else if (last_.outcome == Outcome::denied) {
      // An account that is opened is the one that was used last: another one, which nobody uses any more, may be
      // dropped.
      const bool may_come_true_earlier = deny(list);
      under(list, [&](const Limits& limits, const NamedAccounts& accounts) {
        require_wait_comes_true(limits, accounts, request, may_come_true_earlier);
      });
    }
  }

  void reserve_under(const Specs& list) {
    collect();
    if (is_absent(list)) begin(list);
    const Request request{.cost = choose_cost(), .id = choose_id()};
    static const Reservations kNothing;
    const Reservations& reservations = value_->reservations() != nullptr ? *value_->reservations() : kNothing;
    const auto hold = find_hold(&reservations, request.id, now_);
    if (hold && Hold::is_settled(*hold)) return;
    const Verdict verdict = under(list, [&](const Limits& limits, const NamedAccounts& accounts) {
      return decide_reservation_under_block(limits, accounts, reservations, request, now_, [&](std::size_t i) {
        if (!hold) return kNoUnits;
        const auto place = accounts.place(i);
        return place ? reservations.charged_by(*hold, *place) : hold->units;
      });
    });
    compare(verdict, oracle_.ask_to_reserve(list, request, now_));
    last_ = verdict.decision;
    if (last_.outcome == Outcome::granted) {
      const std::string id = name_of(request.id);
      may_be_in_debt_ = true;
      const auto named = static_cast<AccountSet>(open(list) & all_accounts(value_->limits()));
      perform({.kind = Operation::Kind::reserve,
               .at = now_,
               .units = request.cost,
               .span = choose_wait(),
               .id = id,
               .named = named});
    } else if (last_.outcome == Outcome::denied) {
      deny(list);
    }
  }

  /// Accounts that are to be dropped do not count.
  bool is_absent(const Specs& list) {
    const bool is_idle = under(list, [](const Limits&, const NamedAccounts& accounts) { return accounts.are_idle(); });
    const bool has_lost_all = value_->has_several_lists() && !value_->subject().is_reserved() && is_idle;
    const bool is_absent = value_->idle_at() <= now_ || has_lost_all;
    require_equal(is_absent, oracle_.is_absent(list, now_), "as good as absent");
    return is_absent;
  }

  /// An absent subject has the accounts of the call that creates it.
  void begin(const Specs& list) {
    specs_ = list;
    value_ = Value::create(pool_.get(list));
    replica_ = Value::create(pool_.get(list));
    oracle_ = oracle::Subject(list);
    may_be_in_debt_ = false;
  }

  /// Opens and drops accounts as a call does. The replica is told the whole subject.
  enum class For : bool { grant, denial };
  AccountSet open(const Specs& list, For purpose = For::grant) {
    const SharedLimits limits = pool_.get(list);
    AccountSet named{};
    Value::Pointer next;
    {
      const Subject subject = value_->subject();
      NamedAccounts accounts(subject.accounts(), *limits, now_, subject.turn().or_later(now_));
      if (purpose == For::denial) accounts.note_denial();
      named = accounts.changes() ? accounts.named_afterwards() : accounts.named();
      if (accounts.changes()) next = with_accounts(subject, accounts, pool_);
    }
    require_equal(int{named}, int{oracle_.open(list, now_, purpose == For::denial)}, "the same accounts are named");
    if (next) {
      value_ = std::move(next);
      replica_ = copy_of_value();
    }
    compare_memory();
    return named;
  }

  /// Returns whether an account was opened.
  bool deny(const Specs& list) {
    const bool opens = under(list, [](const Limits&, const NamedAccounts& accounts) { return accounts.opens(); });
    require_equal(opens, oracle_.opens(list, now_), "an account is opened");
    if (opens) open(list, For::denial);
    clamp_if_ahead();
    return opens;
  }

  void charge(const Request& request, Verdict verdict) {
    const std::string id = name_of(request.id);
    verdict.id = id;
    may_be_in_debt_ |= request.mode == Mode::force;
    commit(verdict);
  }

  void reserve() {
    collect();
    const Request request{.cost = choose_cost(), .id = choose_id()};
    static const Reservations kNothing;
    const Reservations& reservations = value_->reservations() != nullptr ? *value_->reservations() : kNothing;
    const auto hold = find_hold(&reservations, request.id, now_);
    if (hold && Hold::is_settled(*hold)) return;
    const Verdict verdict = decide_reservation_under_block(
        value_->limits(), value_->cells(), reservations, request, now_,
        [&](std::size_t i) { return hold ? reservations.charged_by(*hold, i) : kNoUnits; });
    compare(verdict, oracle_.ask_to_reserve(request, now_));
    last_ = verdict.decision;
    if (last_.outcome == Outcome::granted) {
      const std::string id = name_of(request.id);
      // One that is prolonged renews a lease, whose units others may have taken meanwhile.
      may_be_in_debt_ |= reservations.holds.find(id).has_value();
      perform({.kind = Operation::Kind::reserve, .at = now_, .units = request.cost, .span = choose_wait(), .id = id});
    } else {
      clamp_if_ahead();
    }
  }

  void settle() {
    collect();
    const std::string id = name_of(choose_id());
    const Units actual = choices_.below(4) == 0 ? kNoUnits : choose_cost();
    may_be_in_debt_ = true;
    perform({.kind = Operation::Kind::settle, .at = now_, .units = actual, .id = id});
    const Subject subject = value_->subject();
    const Verdict status = status_at_turn(subject.limits(), subject.cells(), subject.turn(), subject.block(), now_);
    compare(status, oracle_.status(now_));
  }

  /// Mostly for a short time: nothing else happens until it is over.
  void block() {
    collect();
    const Span length = choices_.below(2) == 0   ? Span{}
                        : choices_.below(4) == 0 ? choose_wait()
                                                 : Span{choices_.byte()};
    perform({.kind = Operation::Kind::block, .at = now_, .span = length});
  }

  /// What is of a clock that was ahead is brought back before.
  [[nodiscard]] bool asks_as_of_later(const Request& request) const {
    const bool is_blocked = value_->subject().block().left(now_) > Span{};
    return request.mode == Mode::may_wait || (is_blocked && request.mode != Mode::force);
  }

  void give_back() {
    collect();
    if (choices_.below(2) == 0) {
      perform({.kind = Operation::Kind::refund, .at = now_, .units = choose_cost()});
    } else {
      const std::string id = name_of(choose_id());
      const bool has_one = has_lease(value_->limits(), value_->cells(), id, now_);
      require_equal(perform({.kind = Operation::Kind::release, .at = now_, .id = id}), has_one, "there was a lease");
    }
  }

  /// Other limits are stored.
  void change(Specs specs) {
    collect();
    const Request request = choose_request({});
    const SharedLimits limits = pool_.get(specs);
    value_ = carry_over(value_->subject(), limits, now_);
    replica_ = copy_of_value();
    oracle_.change(specs, now_);
    specs_ = std::move(specs);
    may_be_in_debt_ = true;  // a limit that is lowered may be
    compare_memory();
    ask(request);
  }

  void restart() { value_ = copy_of_value(); }

  // --- how the module does it ---

  void collect() {
    const bool is_due = value_->reservations() != nullptr && value_->reservations()->any_hold_ended(now_);
    require_equal(is_due, oracle_.any_hold_ended(now_), "holds have ended");
    if (is_due) perform({.kind = Operation::Kind::collect, .at = now_});
  }

  void commit(const Verdict& verdict) {
    const Operation charge{.kind = Operation::Kind::charge,
                           .at = now_,
                           .units = verdict.decision.granted,
                           .span = verdict.turn,
                           .id = verdict.id};
    if (verdict.turn > Span{} || value_->reservations() != nullptr || value_->has_several_lists()) {
      perform(charge);
      return;
    }
    apply(value_->limits(), value_->cells(), verdict);
    oracle_.perform(charge);
    std::string message;
    Writer out(message);
    encode_changes(out, value_->limits(), verdict.changes, verdict.id);
    Reader in(message);
    Verdict received;
    require(decode_changes(in, replica_->limits(), received.changes, received.id),
            "a change that was sent can be read");
    require(accepts(replica_->limits(), replica_->cells(), received), "and applied");
    apply(replica_->limits(), replica_->cells(), received);
    compare_memory();
    if (!any_is_cut_off(value_->limits(), std::as_const(*value_).cells())) {
      require_equal(oracle::unix_ns(value_->idle_at()), oracle::unix_ns(now_ + verdict.idle_in),
                    "idle when it was told");
    }
    publish();
  }

  bool perform(const Operation& operation) {
    const bool found = perform_on(value_, operation);
    require_equal(found, oracle_.perform(operation), "found what it asked for");
    std::string message;
    Writer out(message);
    encode_operation(out, operation);
    Reader in(message);
    Operation received;
    require(decode_operation(in, received), "an operation that was sent can be read");
    perform_on(replica_, received);
    compare_memory();
    publish();
    return found;
  }

  static bool perform_on(Value::Pointer& value, const Operation& operation) {
    const bool reserves = operation.kind == Operation::Kind::reserve || operation.span > Span{};
    if (reserves && value->reservations() == nullptr) value = value->with_reservations();
    return value->subject().perform(operation);
  }

  void clamp_if_ahead() {
    const bool ahead = value_->subject().is_ahead(now_);
    require_equal(ahead, oracle_.is_ahead(now_), "ahead or not");
    if (!ahead) return;
    value_->subject().clamp(now_);
    oracle_.clamp(now_);
    require(!value_->subject().is_ahead(now_), "what is clamped is ahead no longer");
    replica_ = copy_of_value();
  }

  /// What is idle is as good as absent, and removed.
  void publish() {
    if (value_->idle_at() > now_) return;
    value_ = Value::create(pool_.get(specs_));
    replica_ = Value::create(pool_.get(specs_));
    oracle_ = oracle::Subject(specs_);
    may_be_in_debt_ = false;
  }

  // --- what must hold ---

  template <class Cells>
  void require_wait_comes_true(const Limits& limits, const Cells& cells, const Request& request,
                               bool may_be_earlier = false) {
    const Instant then = now_ + last_.wait;
    if (then > kLatest) return;
    const auto outcome_at = [&](Instant instant) {
      const Subject subject = value_->subject();
      return decide(limits, cells, subject.turn(), subject.block(), request, instant).decision.outcome;
    };
    const bool comes_true =
        outcome_at(then) == Outcome::granted && (may_be_earlier || outcome_at(then - 1ns) == Outcome::denied);
    if (!comes_true) {
      for (std::size_t i = 0; i < limits.size(); ++i) {
        const LimitSpec spec = limits[i].spec();
        std::fprintf(stderr, "%s\n", ::testing::PrintToString(spec).c_str());
      }
      std::fprintf(stderr, "%s: %s, turn in %lld ns\n", ::testing::PrintToString(request).c_str(),
                   ::testing::PrintToString(last_).c_str(),
                   static_cast<long long>((value_->subject().turn().at - now_).count()));
    }
    require(comes_true, "who waits as told is granted, and not before");
  }

  void compare(const Verdict& verdict, const oracle::Subject::Answer& answer) {
    require_equal(verdict.decision, answer.decision, "the same decision");
    require_equal(verdict.binding, answer.binding, "the same limit binds");
    require_equal(verdict.is_blocked, answer.is_blocked, "by a block or not");
    if (verdict.decision.outcome != Outcome::granted) return;
    require_equal(verdict.idle_in.count(), answer.idle_in.count(), "idle at the same time");
    require_equal(verdict.turn.count(), answer.turn.count(), "the same turn");
  }

  void compare_memory() {
    const Instant at = value_->subject().turn().or_later(now_);
    require_equal(oracle::unix_ns(at), oracle::unix_ns(oracle_.turn_after(now_)), "the turn is at the same time");
    const Span left = value_->subject().block().left(now_);
    require_equal(left.count(), oracle_.blocked_for(now_).count(), "blocked for the same time");
    const oracle::Accounts& accounts = oracle_.accounts();
    require_equal(value_->limits().size(), accounts.size(), "as many accounts");
    require_equal(!value_->has_several_lists(), accounts.are_one_list(), "one list or several");
    for (std::size_t i = 0; i < accounts.size(); ++i) {
      require(value_->limits()[i].matches(accounts[i].spec), "the same limits");
      if (value_->has_several_lists()) {
        require_equal(oracle::unix_ns(value_->last_grants()[i]), oracle::unix_ns(accounts[i].last), "as long unused");
      }
      value_->limits()[i].visit([&](const auto& algorithm) {
        const auto& state = state_in(std::as_const(*value_).cells()[i], algorithm);
        const Units used = algorithm.used(state, at);
        require_equal(used, oracle_[i].used(at), "the same use");
        require(may_be_in_debt_ || used <= algorithm.size(), "no debt without a reason");
        require_equal(oracle::unix_ns(algorithm.idle_at(state)), oracle::unix_ns(oracle_[i].idle_at()),
                      "forgotten at the same time");
      });
    }
    compare_holds();
    require_equal(oracle::unix_ns(value_->idle_at()), oracle::unix_ns(oracle_.idle_at()), "idle at the same time");
    require(replica_->encoded() == value_->encoded(), "the replica has the same bytes");
  }

  void compare_holds() {
    const Reservations* reservations = std::as_const(*value_).reservations();
    require_equal(reservations != nullptr ? reservations->holds.size() : 0, oracle_.holds().size(), "as many holds");
    if (reservations == nullptr) return;
    reservations->holds.for_each([&](std::string_view id, const LeaseSet::Holder& hold) {
      const auto other = oracle_.holds().find(id);
      require(other != oracle_.holds().end(), "the same holds");
      require_equal(oracle::unix_ns(hold.end), oracle::unix_ns(other->second.end), "until the same time");
      require_equal(hold.units, other->second.units, "of the same units");
      require_equal(Hold::is_settled(hold), other->second.is_settled, "settled or not");
      if (Hold::is_settled(hold)) return;
      for (std::size_t i = 0; i < oracle_.accounts().size(); ++i) {
        const oracle::Account& account = oracle_.accounts()[i];
        require_equal(reservations->charged_by(hold, i), other->second.charged.of(account), "as much charged by each");
        require_equal(reservations->charged_after(hold, i), other->second.newer.of(account), "as much charged since");
      }
    });
  }

  [[nodiscard]] Value::Pointer copy_of_value() {
    const std::string bytes = value_->encoded();
    Value::Pointer copy = Value::decode(bytes, pool_);
    require(copy != nullptr, "what is written can be read");
    require(copy->encoded() == bytes, "and is written the same again");
    return copy;
  }

  // --- what is chosen ---

  void go_on(Span gap) { now_ = gap <= kLatest - now_ ? now_ + gap : now_; }
  void step_back() {
    const Span back = choices_.one_of({last_.wait, last_.reset, tests::scale_of(specs_[0]), choose_span(choices_)});
    now_ = std::max(kEarliest, now_ - back);
    // Leases that have ended are forgotten bit by bit; those that are not yet count again. And the last window of a
    // SLIDING with APPROX weighs more again, whatever was granted meanwhile.
    const bool is_approximate = std::any_of(specs_.begin(), specs_.end(), [](const LimitSpec& spec) {
      return spec.algorithm == Algorithm::sliding_window_counter;
    });
    may_be_in_debt_ |= is_approximate || value_->limits().have_leases();
  }

  Span choose_gap() {
    const auto gap = [&]() -> Span {
      switch (choices_.below(8)) {
        case 0: return last_.wait;
        case 1: return last_.wait - 1ns;
        case 2: return last_.reset;
        case 3: return last_.reset - 1ns;
        case 4: return tests::scale_of(specs_[0]) / 64 * choices_.byte();
        case 5: return choose_span(choices_);
        case 6: return Span{choices_.byte()};
        default: return {};
      }
    };
    return std::max(gap(), Span{});
  }

  /// A MAXWAIT, or a time to live.
  Span choose_wait() {
    const Span wait = choices_.one_of(
        {last_.wait, last_.wait - 1ns, last_.reset, tests::scale_of(specs_[0]) / 4, choose_span(choices_)});
    return std::clamp(wait, kMinSpan, kMaxSpan);
  }

  Request choose_request(std::string_view id) {
    Request request{.cost = choose_cost(), .id = id};
    request.mode = choices_.one_of({Mode::whole, Mode::whole, Mode::partial, Mode::force, Mode::may_wait});
    if (request.mode == Mode::may_wait) request.longest_wait = choose_wait();
    return request;
  }

  std::string_view choose_id() {
    return choices_.one_of<std::string_view>({"", "", "a", "b", "c", "a longer one: 23"});
  }
  /// The server makes up an id for who has none.
  std::string name_of(std::string_view id) {
    return id.empty() ? "made-" + std::to_string(++ids_made_) : std::string(id);
  }

  Units choose_cost() {
    const auto cost = [&]() -> Units {
      switch (choices_.below(6)) {
        case 0: return kMinUnits;
        case 1: return last_.remaining;
        case 2: return last_.remaining + Units(1);
        case 3: return Units(specs_[0].size.count() * choices_.byte() / 128);
        case 4: return specs_[0].size;
        default: return choose_count(choices_, kMaxUnits);
      }
    };
    return std::clamp(cost(), kMinUnits, kMaxUnits);
  }

  Choices& choices_;
  LimitsPool pool_{find_zone};
  Specs specs_;                       ///< of a subject that is absent: those of the next call
  std::vector<Specs> lists_{specs_};  ///< under which it is asked
  Value::Pointer value_;
  Value::Pointer replica_;
  oracle::Subject oracle_;
  Instant now_;
  Decision last_;
  bool may_be_in_debt_ = false;
  std::uint64_t ids_made_ = 0;
};

void run(std::string_view input) {
  Choices choices(input);
  Together together(choose_limits(choices), choices);
  while (!choices.empty()) together.step();
}

}  // namespace
}  // namespace ratelimit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ratelimit::fuzz::run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
