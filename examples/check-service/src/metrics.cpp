// SPDX-License-Identifier: MIT
#include "metrics.h"

#include <utility>

#include "ratelimit/client/counters.h"

namespace ratelimit::service {
namespace {

std::string_view name_of(Result result) {
  switch (result) {
    case Result::allowed: return "allowed";
    case Result::blocked: return "blocked";
    case Result::error: return "error";
  }
  return {};
}

}  // namespace

/// Only these three characters mean something there.
void append_label(std::string& text, std::string_view value) {
  for (const char c : value) {
    if (c == '\n') {
      text.append("\\n");
      continue;
    }
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
}

bool LimiterNames::has_place(std::string_view limiter, bool exists) {
  const std::lock_guard lock(mutex_);
  if (names_.find(limiter) != names_.end()) return true;
  if (!exists || names_.size() >= kMost) return false;
  names_.emplace(limiter);
  return true;
}

void Metrics::count_decision(std::string_view limiter, const Answer& answer) {
  using client::Source;
  const bool exists = answer.source == Source::server || answer.source == Source::lease;
  const std::lock_guard lock(mutex_);
  auto place = limiters_.find(limiter);
  if (place == limiters_.end()) {
    const bool has_place = limiter.empty() || names_->has_place(limiter, exists);
    place = limiters_.try_emplace(has_place ? std::string(limiter) : "other").first;
  }
  ++place->second[{answer.source, result_of(answer)}];
}

void Metrics::count_response(unsigned status) {
  const std::lock_guard lock(mutex_);
  ++statuses_[status];
}

void Metrics::count_page(std::string_view page, unsigned status) {
  const std::lock_guard lock(mutex_);
  ++pages_[{page, status}];
}

void Metrics::count_connections(int more) {
  const std::lock_guard lock(mutex_);
  connections_ += more;
}

void Metrics::add(const Metrics& other) {
  const std::scoped_lock lock(mutex_, other.mutex_);
  for (const auto& [limiter, decisions] : other.limiters_) {
    for (const auto& [decision, count] : decisions) limiters_[limiter][decision] += count;
  }
  for (const auto& [status, count] : other.statuses_) statuses_[status] += count;
  for (const auto& [page, count] : other.pages_) pages_[page] += count;
  connections_ += other.connections_;
}

std::string Metrics::text() const {
  const std::lock_guard lock(mutex_);
  std::string text =
      "# HELP check_service_decisions_total Decisions by limiter (\"other\" if it has no place), source and result.\n"
      "# TYPE check_service_decisions_total counter\n";
  for (const auto& [limiter, decisions] : limiters_) {
    for (const auto& [decision, count] : decisions) {
      text.append("check_service_decisions_total{limiter=\"");
      append_label(text, limiter);
      text.append("\",source=\"").append(client::name_of(decision.first));
      text.append("\",result=\"").append(name_of(decision.second)).append("\"} ");
      text.append(std::to_string(count)).append("\n");
    }
  }
  text.append(
      "# HELP check_service_responses_total Responses by their status.\n"
      "# TYPE check_service_responses_total counter\n");
  for (const auto& [status, count] : statuses_) {
    text.append("check_service_responses_total{status=\"").append(std::to_string(status)).append("\"} ");
    text.append(std::to_string(count)).append("\n");
  }
  if (!pages_.empty()) {
    text.append(
        "# HELP check_service_operator_pages_total Answers to operators by page and status.\n"
        "# TYPE check_service_operator_pages_total counter\n");
  }
  for (const auto& [page, count] : pages_) {
    text.append("check_service_operator_pages_total{page=\"").append(page.first);
    text.append("\",status=\"").append(std::to_string(page.second)).append("\"} ");
    text.append(std::to_string(count)).append("\n");
  }
  text.append(
      "# HELP check_service_connections Connections of clients that are open.\n"
      "# TYPE check_service_connections gauge\n"
      "check_service_connections ");
  text.append(std::to_string(connections_)).append("\n");
  return text;
}

}  // namespace ratelimit::service
