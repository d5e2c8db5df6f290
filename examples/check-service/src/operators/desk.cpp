// SPDX-License-Identifier: MIT
#include "desk.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "ratelimit/client/counters.h"

namespace ratelimit::service::operators {

using client::Failure;
using client::Inspected;
using client::Top;

Desk::Desk(client::Client& client, Log& log)
    : inspector_(client), log_(log), thread_([this](const std::stop_token& stop) { run(stop); }) {}

Desk::~Desk() = default;

bool Desk::ask(Inquiry inquiry) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMostWaiting) return false;
  waiting_.push_back(std::move(inquiry));
  changed_.notify_one();
  return true;
}

void Desk::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !waiting_.empty(); }) && !stop.stop_requested()) {
    const Inquiry inquiry = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    inquiry.respond(answer(inquiry));
    lock.lock();
  }
}

// --- answers -----------------------------------------------------------------------------------------

About Desk::about(const Inquiry& inquiry) { return {inquiry.request_id, std::chrono::system_clock::now()}; }

Response Desk::answer(const Inquiry& inquiry) {
  switch (inquiry.question.page) {
    case Page::limiters: return limiters(inquiry);
    case Page::limiter: return limiter(inquiry);
    case Page::top: return top(inquiry);
    case Page::log: return log(inquiry);
    case Page::why: break;
  }
  return why(inquiry);
}

/// Why there is no report. The server's words about itself are for the log; those about the question are for the caller.
template <class Report>
Response Desk::refusal(const Inquiry& inquiry, const Inspected<Report>& said) {
  Response response = said.failure == Failure::none ? response_to_refusal(said.error, inquiry.request_id)
                                                    : response_to_silence({}, inquiry.request_id);
  const bool may_show = response.status != 400;
  log_.write(response.status == 400 ? Level::debug : Level::warn, "operator",
             {{"request_id", inquiry.request_id},
              {"path", name_of(inquiry.question.page)},
              {"failure", said.failure == Failure::none ? "" : client::name_of(said.failure)},
              {"error", may_show ? std::string_view(said.error).substr(0, said.error.find(',')) : ""}});
  return response;
}

/// Walks until there are enough names, or the walk is over, or it has looked at many keys: limiters may be rare among them.
/// While it finds none, its steps grow.
Response Desk::limiters(const Inquiry& inquiry) {
  constexpr std::size_t kMostSteps = 20;
  const Question& question = inquiry.question;
  std::optional<client::LimiterCursor> cursor = question.cursor;
  std::vector<std::string> names;
  std::size_t looked = question.count;
  for (std::size_t step = 0; cursor && names.size() < question.count && step < kMostSteps; ++step) {
    auto said = inspector_.limiters(*cursor, question.pattern, looked, inquiry.until);
    if (!said.report) return refusal(inquiry, said);
    cursor = said.report->next;
    const bool is_any = !said.report->names.empty();
    std::move(said.report->names.begin(), said.report->names.end(), std::back_inserter(names));
    looked = is_any ? question.count : std::min(2 * looked, client::Inspector::kMostLooked);
  }
  std::sort(names.begin(), names.end());  // a walk may name a limiter twice
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::vector<NamedInfo> all;
  for (std::string& name : names) {
    auto said = inspector_.info(name, {}, inquiry.until);
    if (!said.report) return refusal(inquiry, said);
    if (said.report->exists) all.push_back({std::move(name), std::move(*said.report)});  // else it has just gone
  }
  return response_to_limiters(all, cursor, about(inquiry));
}

Response Desk::limiter(const Inquiry& inquiry) {
  auto said = inspector_.info(inquiry.question.limiter, {}, inquiry.until);
  if (!said.report) return refusal(inquiry, said);
  return response_to_limiter({inquiry.question.limiter, std::move(*said.report)}, about(inquiry));
}

Response Desk::top(const Inquiry& inquiry) {
  const Question& question = inquiry.question;
  const auto denied = inspector_.top(question.limiter, question.count, Top::denied, inquiry.until);
  if (!denied.report) return refusal(inquiry, denied);
  const auto near = inspector_.top(question.limiter, question.count, Top::near, inquiry.until);
  if (!near.report) return refusal(inquiry, near);
  return response_to_top(*denied.report, *near.report, about(inquiry));
}

Response Desk::log(const Inquiry& inquiry) {
  const auto said = inspector_.log(inquiry.question.limiter, inquiry.question.count, inquiry.until);
  return said.report ? response_to_log(*said.report, about(inquiry)) : refusal(inquiry, said);
}

Response Desk::why(const Inquiry& inquiry) {
  const Question& question = inquiry.question;
  const auto key = inspector_.info(question.limiter, {}, inquiry.until);
  if (!key.report) return refusal(inquiry, key);
  if (question.subject.empty()) return response_to_why(question, *key.report, *key.report, about(inquiry));
  const auto subject = inspector_.info(question.limiter, question.subject, inquiry.until);
  if (!subject.report) return refusal(inquiry, subject);
  return response_to_why(question, *key.report, *subject.report, about(inquiry));
}

}  // namespace ratelimit::service::operators
