// SPDX-License-Identifier: MIT
#include "rule_book.h"

#include <array>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "zones.h"

namespace ratelimit::service::envoy {

using client::Source;

namespace {

constexpr std::chrono::milliseconds kSlowLook{5000};
constexpr std::chrono::milliseconds kTryAgain{500};  ///< limiters that the server did not take

std::string limits_of(const Limiter& limiter) {
  std::string text;
  for (const std::string& word : limiter.words) text.append(text.empty() ? "" : " ").append(word);
  return text;
}

Rules rules_or_throw(const EnvoySettings& settings) {
  ReadRules read = read_rules(settings);
  if (const auto* faults = std::get_if<std::vector<RuleFault>>(&read)) throw std::runtime_error(text_of(*faults));
  return std::get<Rules>(std::move(read));
}

}  // namespace

ReadRules read_rules(const EnvoySettings& settings) {
  const std::array<std::filesystem::path, 1> paths{settings.rules};
  return read_rules(paths, {.prefix = settings.prefix,
                            .merges_domains = settings.merges_domains,
                            .find_zone = [](std::string_view name) { return system_zone(name); }});
}

std::string text_of(const std::vector<RuleFault>& faults) {
  std::string text;
  for (const RuleFault& fault : faults) text.append(text.empty() ? "" : "\n").append(text_of(fault));
  return text;
}

RuleBook::RuleBook(const EnvoySettings& settings, client::Client& client, Log& log)
    : settings_(settings),
      client_(client),
      log_(log),
      files_(settings.rules),  // first, so that no change is missed
      rules_(std::make_shared<const Rules>(rules_or_throw(settings))),
      waiting_(rules_->limiters()) {}

RuleBook::~RuleBook() { stop(); }

// --- for any thread ----------------------------------------------------------------------------------

RuleBook::Shared RuleBook::current() const {
  const std::lock_guard lock(mutex_);
  return rules_;
}

void RuleBook::reload() {
  {
    const std::lock_guard lock(mutex_);
    must_read_ = true;
  }
  files_.wake();
}

void RuleBook::define(Shared owner, const std::vector<const Limiter*>& limiters, Defined defined) {
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back({std::move(owner), limiters, std::move(defined)});
  }
  files_.wake();
}

void RuleBook::start() {
  thread_ = std::thread([this] { run(); });
}

void RuleBook::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  files_.wake();
  if (thread_.joinable()) thread_.join();
  for (const Asked& each : std::exchange(asked_, {})) each.defined();
}

// --- the thread --------------------------------------------------------------------------------------

bool RuleBook::is_stopping() {
  const std::lock_guard lock(mutex_);
  return is_stopping_;
}

void RuleBook::run() {
  auto next_look = std::chrono::steady_clock::now() + kSlowLook;
  while (!is_stopping()) {
    define_waiting();
    bool may_have_changed = files_.wait(waiting_.empty() ? kSlowLook : kTryAgain);
    answer_asked();
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_look) {
      next_look = now + kSlowLook;
      may_have_changed = true;
    }
    bool must_read = may_have_changed && files_.has_changed();
    {
      const std::lock_guard lock(mutex_);
      must_read = std::exchange(must_read_, false) || must_read;
    }
    if (must_read) look_at_files();
  }
}

/// Many may wait for the same limiters: each is defined once.
void RuleBook::answer_asked() {
  std::vector<Asked> asked;
  {
    const std::lock_guard lock(mutex_);
    asked = std::exchange(asked_, {});
  }
  std::map<std::string_view, const Limiter*> limiters;
  for (const Asked& each : asked) {
    for (const Limiter* limiter : each.limiters) limiters.emplace(limiter->name, limiter);
  }
  for (const auto& [name, limiter] : limiters) {
    if (!define(*limiter)) break;
  }
  for (const Asked& each : asked) each.defined();
}

void RuleBook::look_at_files() {
  ReadRules read = read_rules(settings_);
  if (const auto* faults = std::get_if<std::vector<RuleFault>>(&read)) {
    ++faulty_reloads_;
    for (const RuleFault& fault : *faults) {
      log_.write_always(Level::error, "rules kept", {{"detail", text_of(fault)}});
    }
    return;
  }
  take(std::get<Rules>(std::move(read)));
}

/// The limiters are defined first: whoever asks by the new rules finds them.
void RuleBook::take(Rules rules) {
  const auto fresh = std::make_shared<const Rules>(std::move(rules));
  const Shared before = current();
  waiting_ = fresh->limiters();
  define_waiting();
  {
    const std::lock_guard lock(mutex_);
    rules_ = fresh;
  }
  ++reloads_;
  // They stay on the server: other instances may still use them, and an operator can delete them.
  const std::size_t dropped = dropped_limiters(*before, *fresh).size();
  log_.write_always(
      Level::info, "rules taken",
      {{"limiters", std::to_string(fresh->limiters().size())}, {"left_on_server", std::to_string(dropped)}});
}

void RuleBook::define_waiting() {
  while (!waiting_.empty()) {
    if (is_stopping() || !define(*waiting_.back())) return;
    waiting_.pop_back();
  }
}

bool RuleBook::define(const Limiter& limiter) {
  const client::Answer answer = client_.define(limiter.name, limits_of(limiter), limiter.is_on_trial);
  if (answer.allowed()) {
    is_refused_ = false;
    return true;
  }
  if (answer.source != Source::error) return false;
  if (!std::exchange(is_refused_, true)) {
    log_.write_always(Level::error, "limiter refused", {{"limiter", limiter.name}, {"error", answer.error}});
  }
  return true;  // a mistake that trying again does not mend; the calls are answered with it, too
}

}  // namespace ratelimit::service::envoy
