// Fuzzes the core in motion: the bytes choose limits and then calls, waits, steps of the clock, changes of limits and
// restarts. The answers must be those of the oracle of tests/core, to the nanosecond and the unit.
//
// Three go side by side: a value, handled as the module handles the value of a key; the oracle; and a replica, which
// hears of the value only what the replication stream would bring, and must have the same bytes after every step.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/oracle.h"
#include "core/subject.h"
#include "fuzz.h"
#include "limits_pool.h"
#include "ratelimit/codec.h"
#include "value.h"

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

Units choose_count(Choices& choices) {
  const std::int64_t most = kMaxUnits.count();
  switch (choices.below(4)) {
    case 0: return Units(choices.one_of<std::int64_t>({1, 2, 3, 7, 1000, 999'999'937, most - 1, most}));
    case 1: return Units(static_cast<std::int64_t>(1 + choices.number(1)));
    case 2: return Units(static_cast<std::int64_t>(1 + choices.number(2)));
    default: return std::max(kMinUnits, Units(static_cast<std::int64_t>(choices.number(4))));
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

LimitSpec choose_limit(Choices& choices) {
  LimitSpec spec;
  spec.algorithm = choices.one_of({Algorithm::token_bucket, Algorithm::fixed_window, Algorithm::sliding_log});
  const std::uint8_t options = choices.byte();
  spec.per_request = (options & 1U) != 0;
  spec.aligned = (options & 2U) != 0 && spec.algorithm == Algorithm::fixed_window;
  if ((options & 4U) != 0) spec.label = choices.one_of<std::string_view>({"a", "b", "fixed", "sliding-2"});
  spec.size = choose_count(choices);
  spec.span = choose_span(choices);
  if (spec.algorithm != Algorithm::token_bucket) return spec;
  spec.refill = choose_count(choices);
  // A bucket that would refill too slowly has a smaller one in its place.
  if (!oracle::refills_in_time(spec.size, spec.refill, spec.span)) spec.size = kMinUnits;
  if (!oracle::refills_in_time(spec.size, spec.refill, spec.span)) spec.refill = kMaxUnits;
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
  switch (choices.below(6)) {
    case 0: return choose_limits(choices);
    case 1: spec.size = choose_count(choices); break;
    case 2: spec.size = Units(std::max<std::int64_t>(1, spec.size.count() / 2)); break;
    case 3: spec.span = choose_span(choices); break;
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
    switch (choices_.below(8)) {
      case 0: go_on(choose_gap()); break;
      case 1: step_back(); break;
      case 2: change(choose_change(choices_, specs_)); break;
      case 3: restart(); break;
      default: go_on(choose_gap()), call(); break;
    }
    compare_memory();
  }

 private:
  void call() {
    const Units cost = choose_cost();
    const Verdict verdict = decide(value_->limits(), value_->cells(), cost, now_);
    compare(verdict, cost);
    require_sane(verdict.decision, cost, longest_full_span(value_->limits()));
    last_ = verdict.decision;
    if (last_.outcome == Outcome::granted) {
      charge(verdict, cost);
    } else if (last_.outcome == Outcome::denied) {
      clamp_if_ahead();
      require_wait_comes_true(cost);
    }
  }

  void charge(const Verdict& verdict, Units cost) {
    apply(value_->limits(), value_->cells(), verdict);
    oracle_.charge(cost, now_);

    std::string message;
    Writer out(message);
    encode_changes(out, value_->limits(), verdict.changes);
    Reader in(message);
    Verdict received;
    require(decode_changes(in, replica_->limits(), received.changes), "a change that was sent can be read");
    apply(replica_->limits(), replica_->cells(), received);
  }

  void clamp_if_ahead() {
    const bool ahead = any_is_ahead(value_->limits(), value_->cells(), now_);
    require_equal(ahead, oracle_.any_is_ahead(now_), "ahead or not");
    if (!ahead) return;
    ratelimit::clamp(value_->limits(), value_->cells(), now_);
    oracle_.clamp(now_);
    replica_ = copy_of_value();
  }

  void require_wait_comes_true(Units cost) {
    const Instant then = now_ + last_.wait;
    if (then > kLatest) return;
    const auto outcome_at = [&](Instant instant) {
      return decide(value_->limits(), value_->cells(), cost, instant).decision.outcome;
    };
    require(outcome_at(then) == Outcome::granted, "who waits as told is granted");
    require(outcome_at(then - 1ns) == Outcome::denied, "and not before");
  }

  /// A call under other limits. One that they could never grant changes nothing.
  void change(Specs specs) {
    const Units cost = choose_cost();
    const SharedLimits limits = pool_.get(specs);
    CarriedStates carried(value_->limits(), value_->cells(), *limits, now_);
    const Verdict verdict = decide(*limits, carried, cost, now_);
    const bool never = std::any_of(specs.begin(), specs.end(),
                                   [cost](const LimitSpec& spec) { return !spec.per_request && cost > spec.size; });
    require((verdict.decision.outcome == Outcome::never) == never, "never is for what exceeds a limit");
    if (never) return;

    oracle_.change(specs, now_);
    compare(verdict, cost);
    Value::Pointer next = Value::create(limits);
    carried.move_into(next->cells());
    value_ = std::move(next);
    specs_ = std::move(specs);
    replica_ = copy_of_value();
    last_ = verdict.decision;
    if (last_.outcome == Outcome::granted) {
      charge(verdict, cost);
    } else {
      clamp_if_ahead();
      require_wait_comes_true(cost);
    }
  }

  void restart() { value_ = copy_of_value(); }

  void go_on(Span gap) { now_ = gap <= kLatest - now_ ? now_ + gap : now_; }
  void step_back() {
    const Span back = choices_.one_of({last_.wait, last_.reset, specs_[0].span, choose_span(choices_)});
    now_ = std::max(kEarliest, now_ - back);
  }

  Span choose_gap() {
    const auto gap = [&]() -> Span {
      switch (choices_.below(8)) {
        case 0: return last_.wait;
        case 1: return last_.wait - 1ns;
        case 2: return last_.reset;
        case 3: return last_.reset - 1ns;
        case 4: return specs_[0].span / 64 * choices_.byte();
        case 5: return choose_span(choices_);
        case 6: return Span{choices_.byte()};
        default: return {};
      }
    };
    return std::max(gap(), Span{});
  }

  Units choose_cost() {
    const auto cost = [&]() -> Units {
      switch (choices_.below(6)) {
        case 0: return kMinUnits;
        case 1: return last_.remaining;
        case 2: return last_.remaining + Units(1);
        case 3: return Units(specs_[0].size.count() * choices_.byte() / 128);
        case 4: return specs_[0].size;
        default: return choose_count(choices_);
      }
    };
    return std::clamp(cost(), kMinUnits, kMaxUnits);
  }

  [[nodiscard]] Value::Pointer copy_of_value() {
    const std::string bytes = value_->encoded();
    Value::Pointer copy = Value::decode(bytes, pool_);
    require(copy != nullptr, "what is written can be read");
    require(copy->encoded() == bytes, "and is written the same again");
    return copy;
  }

  void compare(const Verdict& verdict, Units cost) {
    const oracle::Subject::Answer answer = oracle_.ask(cost, now_);
    require_equal(verdict.decision, answer.decision, "the same decision");
    require_equal(verdict.binding, answer.binding, "the same limit binds");
    if (verdict.decision.outcome != Outcome::granted) return;
    require_equal(verdict.idle_in.count(), answer.idle_in.count(), "idle at the same time");
  }

  void compare_memory() {
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      value_->limits()[i].visit([&](const auto& algorithm) {
        const auto& state = state_in(std::as_const(*value_).cells()[i], algorithm);
        require_equal(algorithm.used(state, now_), oracle_[i].used(now_), "the same use");
        require_equal(oracle::unix_ns(algorithm.idle_at(state)), oracle::unix_ns(oracle_[i].idle_at()),
                      "forgotten at the same time");
      });
    }
    require(replica_->encoded() == value_->encoded(), "the replica has the same bytes");
  }

  Choices& choices_;
  LimitsPool pool_;
  Specs specs_;
  Value::Pointer value_;
  Value::Pointer replica_;
  oracle::Subject oracle_;
  Instant now_;
  Decision last_;
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
