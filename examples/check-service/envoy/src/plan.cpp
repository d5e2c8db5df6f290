// SPDX-License-Identifier: MIT
#include "plan.h"

#include <algorithm>
#include <numeric>

#include "inquiry.h"
#include "verdict.h"

namespace ratelimit::service::envoy {

using client::Source;

struct Plan::State {
  enum class Phase : std::uint8_t { decide, refund, charge, end };

  std::shared_ptr<const Rules> rules;  ///< what the rest borrows from
  Findings findings{};
  Phase phase = Phase::decide;
  Step step{};
  std::vector<std::size_t> asked{};  ///< of the items decided: those of the step
  std::vector<const Limiter*> limiters{};
  Failure failure = Failure::none;
  std::string error{};

  void begin();
  void ask_decision();
  void ask_each(Step::Verb verb, std::vector<Item>& items, Mode mode);
  void go_on();
  void take_decision(Answer all, std::vector<Answer> each);
  void take_each(std::vector<Item>& items, std::vector<Answer> each);
  bool ask_again_without_quota();
  bool fails(const Answer& answer);
};

void Plan::State::begin() {
  Inquiry& inquiry = findings.inquiry;
  if (!inquiry.refusal.empty()) {
    failure = Failure::refused;
    error = inquiry.refusal;
    phase = Phase::end;
    return;
  }
  for (const std::vector<Item>* items : {&inquiry.decided, &inquiry.refunded, &inquiry.charged}) {
    for (const Item& item : *items) {
      if (item.limiter != nullptr) limiters.push_back(item.limiter);
    }
  }
  asked.resize(inquiry.decided.size());
  std::iota(asked.begin(), asked.end(), std::size_t{0});
  if (asked.empty()) return go_on();
  ask_decision();
}

/// A look asks CHECKALL even alone: RL.PEEK would say whether one more unit fits. If a limit came with the request, all name
/// their limits: the server refuses a call that names some.
void Plan::State::ask_decision() {
  std::vector<Item>& items = findings.inquiry.decided;
  const auto brings_limit = [&](std::size_t i) { return items[i].limiter == nullptr; };
  const bool are_named = std::any_of(asked.begin(), asked.end(), brings_limit);
  step.questions.clear();
  for (const std::size_t i : asked) {
    const Item& item = items[i];
    step.questions.push_back({.key = item.key,
                              .subject = item.subject,
                              .policy = are_named ? item.sent() : item.limiter->stored,
                              .cost = item.cost});
  }
  const bool is_plain = step.questions.size() == 1 && step.questions.front().cost > kNoUnits;
  step.verb = is_plain ? Step::Verb::check : Step::Verb::check_all;
}

void Plan::State::ask_each(Step::Verb verb, std::vector<Item>& items, Mode mode) {
  step.verb = verb;
  step.questions.clear();
  for (const Item& item : items) {
    step.questions.push_back({.key = item.key,
                              .subject = item.subject,
                              .policy = item.limiter != nullptr ? item.limiter->stored : *item.given,
                              .cost = item.cost,
                              .mode = mode});
  }
}

/// To the next phase in which there is something to do.
void Plan::State::go_on() {
  Inquiry& inquiry = findings.inquiry;
  if (phase == Phase::decide) {
    phase = Phase::refund;
    if (!inquiry.refunded.empty()) return ask_each(Step::Verb::refund, inquiry.refunded, Mode::whole);
  }
  if (phase == Phase::refund) {
    phase = Phase::charge;
    if (!inquiry.charged.empty()) return ask_each(Step::Verb::charge, inquiry.charged, Mode::force);
  }
  phase = Phase::end;
}

/// Whether the answer is none. Then the request has no response.
bool Plan::State::fails(const Answer& answer) {
  if (answer.source == Source::error) {
    failure = Failure::internal;
    error = answer.error;
  } else if (answer.source == Source::nobody) {
    failure = Failure::unavailable;
    error = "the rate limiter's server does not answer";
  } else {
    return false;
  }
  phase = Phase::end;
  return true;
}

void Plan::State::take_decision(Answer all, std::vector<Answer> each) {
  if (fails(all)) return;
  std::vector<Item>& items = findings.inquiry.decided;
  if (each.size() == asked.size()) {
    for (std::size_t i = 0; i < asked.size(); ++i) items[asked[i]].answer = std::move(each[i]);
  } else if (asked.size() == 1) {
    items[asked.front()].answer = all;
  }
  const bool is_granted = all.allowed();
  findings.all = std::move(all);
  if (is_granted) return go_on();
  if (ask_again_without_quota()) return;
  findings.is_denied = true;
  if (findings.settings->is_on_trial) return go_on();  // the call goes on all the same
  phase = Phase::end;
}

/// If only some rules of quota mode deny, they do not deny the request, and the rest must be charged. False if the request is
/// denied. Each time fewer are asked.
bool Plan::State::ask_again_without_quota() {
  const Inquiry& inquiry = findings.inquiry;
  const std::vector<bool> over = wishes_over(findings);
  if (std::find(over.begin(), over.end(), true) == over.end() || is_over(inquiry, over)) return false;
  const std::size_t before = asked.size();
  for (std::size_t w = 0; w < over.size(); ++w) {
    if (!over[w]) continue;
    for (const std::size_t item : inquiry.wishes[w].items) std::erase(asked, item);
  }
  if (asked.size() == before) return false;
  if (asked.empty()) {
    go_on();
  } else {
    ask_decision();
  }
  return true;
}

void Plan::State::take_each(std::vector<Item>& items, std::vector<Answer> each) {
  for (std::size_t i = 0; i < items.size() && i < each.size(); ++i) {
    if (fails(each[i])) return;
    items[i].answer = std::move(each[i]);
  }
  go_on();
}

// --- the plan ----------------------------------------------------------------------------------------

Plan::Plan(std::shared_ptr<const Rules> rules, const Request& request, const PlanSettings& settings)
    : state_(std::make_unique<State>(State{.rules = std::move(rules)})) {
  state_->findings = {
      .request = &request, .settings = &settings, .inquiry = inquiry_of(*state_->rules, request, settings.is_quota)};
  state_->begin();
}
Plan::Plan(Plan&&) noexcept = default;
Plan& Plan::operator=(Plan&&) noexcept = default;
Plan::~Plan() = default;

const Step* Plan::next() const { return state_->phase == State::Phase::end ? nullptr : &state_->step; }

void Plan::take(Answer all, std::vector<Answer> each) {
  Inquiry& inquiry = state_->findings.inquiry;
  switch (state_->phase) {
    case State::Phase::decide: return state_->take_decision(std::move(all), std::move(each));
    case State::Phase::refund: return state_->take_each(inquiry.refunded, std::move(each));
    case State::Phase::charge: return state_->take_each(inquiry.charged, std::move(each));
    case State::Phase::end: return;
  }
}

Response Plan::response() const {
  if (state_->failure == Failure::none) return response_of(state_->findings);
  Response response;
  response.failure = state_->failure;
  response.error = state_->error;
  return response;
}

const std::vector<const Limiter*>& Plan::limiters() const { return state_->limiters; }

std::vector<DescriptorOutcome> Plan::outcomes() const {
  const std::vector<Wish>& wishes = state_->findings.inquiry.wishes;
  const std::vector<bool> over = wishes_over(state_->findings);
  std::vector<DescriptorOutcome> outcomes;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    outcomes.push_back({wishes[i].metric, wishes[i].hits, over[i], wishes[i].is_on_trial});
  }
  return outcomes;
}

bool lacks_limiters(const Answer& answer) {
  if (answer.source != Source::error) return false;
  // A look at a key that is not there has no error of the server; the client says what it means.
  return answer.error.starts_with("NOLIMITS") || answer.error.starts_with("ERR the key stores other limits") ||
         answer.error.starts_with("the key does not exist");
}

}  // namespace ratelimit::service::envoy
