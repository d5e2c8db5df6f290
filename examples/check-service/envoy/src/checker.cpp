// SPDX-License-Identifier: MIT
#include "checker.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

#include "ratelimit/client/counters.h"
#include "trace.h"

namespace ratelimit::service::envoy {

using client::Source;
using Clock = std::chrono::steady_clock;

struct Checker::Exchange {
  Request request;  ///< before the plan, which borrows it
  Caller caller;
  Done done;
  std::optional<Clock::time_point> until{};  ///< the caller's patience
  RuleBook::Shared rules{};
  std::optional<Plan> plan{};
  bool was_defined = false;
  Source source = Source::server;  ///< who decided
  client::Failure failure = client::Failure::none;
  std::string error{};

  [[nodiscard]] Context context() const {
    Context context{.deadline = {}, .trace = caller.request_id};
    // 0 would be no deadline of the caller's own.
    if (until) context.deadline = std::max<Span>(*until - Clock::now(), std::chrono::microseconds{1});
    return context;
  }
};

namespace {

PlanSettings plan_settings_of(const EnvoySettings& settings) {
  PlanSettings chosen;
  chosen.has_headers = settings.has_headers;
  chosen.has_metadata = settings.has_metadata;
  chosen.is_on_trial = settings.is_on_trial;
  chosen.is_quota = settings.is_quota;
  return chosen;
}

bool is_of_server(Source source) {
  return source == Source::server || source == Source::remembered || source == Source::lease;
}

}  // namespace

/// Their answers may come on several threads.
struct Checker::Gathering {
  std::vector<Question> questions;
  bool is_refund = false;
  std::vector<Answer> answers{};
  std::vector<std::size_t> asked{};  ///< the questions that are on their way
  std::atomic<std::size_t> open{0};  ///< of those
};

Checker::Checker(RuleBook& book, Backend& backend, EnvoyMetrics& metrics, const Settings& settings, Log& log)
    : book_(book),
      backend_(backend),
      metrics_(metrics),
      settings_(settings),
      plan_settings_(plan_settings_of(settings.envoy)),
      log_(log) {}

void Checker::check(Request request, Caller caller, Done done) {
  const auto exchange = std::make_shared<Exchange>(
      Exchange{.request = std::move(request), .caller = std::move(caller), .done = std::move(done)});
  if (exchange->caller.deadline > Span{}) exchange->until = Clock::now() + exchange->caller.deadline;
  metrics_.begin();
  exchange->rules = book_.current();
  exchange->plan.emplace(exchange->rules, exchange->request, plan_settings_);
  proceed(exchange);
}

// --- steps -------------------------------------------------------------------------------------------

void Checker::proceed(const Shared& exchange) {
  const Step* step = exchange->plan->next();
  if (step == nullptr) return finish(exchange);
  switch (step->verb) {
    case Step::Verb::check:
      return backend_.check(step->questions.front(), exchange->context(),
                            [this, exchange](Answer all) { answered(exchange, std::move(all), {}); });
    case Step::Verb::check_all:
      return backend_.check_all(step->questions, exchange->context(),
                                [this, exchange](Answer all, std::vector<Answer> each) {
                                  answered(exchange, std::move(all), std::move(each));
                                });
    case Step::Verb::charge:
    case Step::Verb::refund: return ask_each(exchange, *step);
  }
}

void Checker::ask_each(const Shared& exchange, const Step& step) {
  const auto gathering = std::make_shared<Gathering>();
  gathering->questions = step.questions;
  gathering->is_refund = step.verb == Step::Verb::refund;
  gathering->answers.resize(step.questions.size());
  for (std::size_t i = 0; i < step.questions.size(); ++i) gathering->asked.push_back(i);
  ask_those(exchange, gathering);
}

void Checker::ask_those(const Shared& exchange, const std::shared_ptr<Gathering>& gathering) {
  const std::vector<std::size_t> asked = gathering->asked;  // the last answer may change it
  gathering->open = asked.size();
  for (const std::size_t i : asked) {
    const auto done = [this, exchange, gathering, i](Answer answer) {
      gathering->answers[i] = std::move(answer);
      if (--gathering->open == 0) gathered(exchange, gathering);
    };
    const Question& question = gathering->questions[i];
    if (gathering->is_refund) {
      backend_.refund(question, exchange->context(), done);
    } else {
      backend_.check(question, exchange->context(), done);
    }
  }
}

/// Those whose limiters the server did not know were not charged, and they alone are asked again.
void Checker::gathered(const Shared& exchange, const std::shared_ptr<Gathering>& gathering) {
  std::vector<Answer>& answers = gathering->answers;
  std::erase_if(gathering->asked, [&](std::size_t i) { return !lacks_limiters(answers[i]); });
  if (!gathering->asked.empty() && !std::exchange(exchange->was_defined, true)) {
    return book_.define(exchange->rules, exchange->plan->limiters(),
                        [this, exchange, gathering] { ask_those(exchange, gathering); });
  }
  // The one that tells of trouble speaks for all.
  const auto trouble = std::find_if(answers.begin(), answers.end(), [](const Answer& each) {
    return !is_of_server(each.source) || each.failure != client::Failure::none;
  });
  Answer all = trouble != answers.end() ? *trouble : Answer{};
  answered(exchange, std::move(all), std::move(answers));
}

/// A server that has lost its data gets the limiters again, once a request.
void Checker::answered(const Shared& exchange, Answer all, std::vector<Answer> each) {
  if (each.empty() && lacks_limiters(all) && !std::exchange(exchange->was_defined, true)) {
    return book_.define(exchange->rules, exchange->plan->limiters(), [this, exchange] { proceed(exchange); });
  }
  if (is_of_server(exchange->source)) {
    exchange->source = all.source;
    exchange->failure = all.failure;
    exchange->error = all.error;
  }
  exchange->plan->take(std::move(all), std::move(each));
  proceed(exchange);
}

// --- the way out -------------------------------------------------------------------------------------

/// Envoy lets a request pass after an error, unless its `failure_mode_deny` is set. So who wants to be closed gets a denial, and
/// who leaves outages to Envoy an error. Hits that cannot be given back are no reason to deny.
void Checker::apply_outage(const Exchange& exchange, Response& response) const {
  const bool is_undecided = !is_of_server(exchange.source) && exchange.source != Source::error;
  if (!is_undecided && response.failure != Failure::unavailable) return;
  if (settings_.envoy.leaves_outages_to_envoy) {
    response = {.failure = Failure::unavailable, .error = "the rate limiter's server does not answer"};
  } else if (response.failure == Failure::unavailable) {
    const bool is_closed = settings_.client.without_server == client::Without::fail_closed;
    response = {.overall_code = is_closed ? Code::over_limit : Code::ok};
    response.statuses.resize(exchange.request.descriptors.size(), {.code = response.overall_code});
  }
}

void Checker::finish(const Shared& exchange) {
  Response response = exchange->plan->response();
  apply_outage(*exchange, response);
  metrics_.count(*exchange->plan, response, exchange->source);
  note(*exchange, response);
  exchange->done(response);
}

void Checker::note(const Exchange& exchange, const Response& response) {
  const bool is_trouble = response.failure == Failure::internal || response.failure == Failure::unavailable ||
                          exchange.failure != client::Failure::none;
  const Level level = is_trouble ? Level::warn : Level::debug;
  if (!log_.takes(level)) return;
  const std::string& trace = exchange.caller.traceparent;
  const bool is_over = response.overall_code == Code::over_limit;
  const std::string_view error = exchange.error;
  log_.write(level, "decision",
             {{"request_id", exchange.caller.request_id},
              {"trace_id", trace.empty() ? "" : trace_id_of(trace)},
              {"path", exchange.caller.path},
              {"result", response.failure != Failure::none ? "error"
                         : is_over                         ? "blocked"
                                                           : "allowed"},
              {"source", client::name_of(exchange.source)},
              {"failure", exchange.failure == client::Failure::none ? "" : client::name_of(exchange.failure)},
              {"detail", response.error},
              {"error", is_trouble ? error.substr(0, error.find(',')) : ""}});
}

}  // namespace ratelimit::service::envoy
