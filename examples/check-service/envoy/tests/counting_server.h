// SPDX-License-Identifier: MIT
// A server in the test's process: the client's local limiter decides by the limits of the rules, at a time that the test sets.
// Answers come as RL.CHECKALL … EACH, RL.CHECK and RL.REFUND give them.
#ifndef RATELIMIT_SERVICE_ENVOY_TESTS_COUNTING_SERVER_H
#define RATELIMIT_SERVICE_ENVOY_TESTS_COUNTING_SERVER_H

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plan.h"
#include "ratelimit/client/call.h"
#include "ratelimit/client/local_limiter.h"
#include "support.h"

namespace ratelimit::service::envoy {

class CountingServer {
 public:
  explicit CountingServer(std::shared_ptr<const Rules> rules) : rules_(std::move(rules)) {
    for (const Limiter* limiter : rules_->limiters()) limiters_.emplace(limiter->name, limiter);
  }
  explicit CountingServer(std::string yaml) : CountingServer(rules_of(std::move(yaml))) {}

  void advance(Span span) { now_ += span; }

  Response ask(const Request& request) {
    Plan plan(rules_, request, settings);
    steps = 0;
    while (const Step* step = plan.next()) {
      ++steps;
      questions = step->questions;
      answer(plan, *step);
    }
    return plan.response();
  }
  Response ask(std::string domain, std::vector<std::vector<Entry>> descriptors) {
    return ask(request_of(std::move(domain), std::move(descriptors)));
  }
  /// How many of that many equal requests are granted.
  int granted_of(int count, const Request& request) {
    int granted = 0;
    for (int i = 0; i < count; ++i) granted += ask(request).overall_code == Code::ok ? 1 : 0;
    return granted;
  }

  PlanSettings settings{};
  int steps = 0;                      ///< of the last request
  std::vector<Question> questions{};  ///< of its last step

 private:
  [[nodiscard]] bool is_on_trial(const Question& question) const {
    const auto limiter = limiters_.find(question.key);
    return limiter != limiters_.end() && limiter->second->is_on_trial;
  }
  [[nodiscard]] const Policy& policy_of(const Question& question) const {
    const auto limiter = limiters_.find(question.key);
    return limiter != limiters_.end() ? limiter->second->sent : question.policy;
  }
  static std::string name_of(const Question& question) {
    return client::name_of_subject(question.key, question.subject);
  }

  /// What the key alone would answer, as RL.CHECKALL's EACH says it.
  Answer looked(const Question& question) {
    const Units asked = std::max(question.cost, kMinUnits);
    Answer answer = *limiter_.peek(name_of(question), policy_of(question), {.cost = asked}, now_);
    answer.source = client::Source::server;
    if (is_on_trial(question)) {
      Answer trial = answer_of(Outcome::granted, answer.limit.count());
      trial.granted = question.cost;
      trial.limit = answer.limit;
      return trial;
    }
    if (question.cost == kNoUnits) {
      answer.outcome = answer.remaining < kNoUnits ? Outcome::denied : Outcome::granted;
      answer.granted = kNoUnits;
    } else if (answer.allowed()) {
      answer.remaining -= question.cost;
      answer.reset = std::max(answer.reset, std::chrono::milliseconds{1});
    }
    return answer;
  }

  void charge(const Question& question, Mode mode) {
    if (question.cost == kNoUnits) return;
    static_cast<void>(
        limiter_.check(name_of(question), policy_of(question), {.cost = question.cost, .mode = mode}, now_));
  }

  void answer(Plan& plan, const Step& step) {
    std::vector<Answer> each;
    if (step.verb == Step::Verb::charge) {
      for (const Question& question : step.questions) {
        Answer answer = *limiter_.check(name_of(question), policy_of(question),
                                        {.cost = question.cost, .mode = question.mode}, now_);
        answer.source = client::Source::server;
        each.push_back(std::move(answer));
      }
      return plan.take({}, std::move(each));
    }
    if (step.verb == Step::Verb::refund) {
      for (const Question& question : step.questions) refunds.emplace_back(question.key, question.cost.count());
      return plan.take({}, std::vector<Answer>(step.questions.size()));
    }
    Answer all = answer_of(Outcome::granted);
    for (const Question& question : step.questions) {
      each.push_back(looked(question));
      if (!each.back().allowed() && (all.allowed() || each.back().wait > all.wait)) all = each.back();
    }
    if (all.allowed()) {
      for (const Question& question : step.questions) charge(question, Mode::whole);
    }
    if (step.verb == Step::Verb::check) {
      all = each.front();
      each.clear();
    }
    plan.take(std::move(all), std::move(each));
  }

 public:
  std::vector<std::pair<std::string, std::int64_t>> refunds{};

 private:
  std::shared_ptr<const Rules> rules_;
  std::map<std::string, const Limiter*> limiters_;
  client::LocalLimiter limiter_{100'000, client::Share{}};
  Instant now_ = Instant{std::chrono::sys_days{std::chrono::year{2026} / 2 / 1}};  ///< a Sunday
};

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_TESTS_COUNTING_SERVER_H
