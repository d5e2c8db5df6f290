// SPDX-License-Identifier: MIT
#include "verdict.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "metadata.h"

namespace ratelimit::service::envoy {
namespace {

using client::Source;
using std::chrono::milliseconds;

constexpr std::uint32_t kMostRemaining = std::numeric_limits<std::uint32_t>::max();

const std::vector<Item>& items_of(const Inquiry& inquiry, Wish::Kind kind) {
  if (kind == Wish::Kind::refund) return inquiry.refunded;
  return kind == Wish::Kind::charge ? inquiry.charged : inquiry.decided;
}

/// Whether somebody counted: the server, or this process.
bool is_counted(const Answer& answer) {
  return answer.source != Source::fail_open && answer.source != Source::fail_closed;
}

/// How long a denial lasts; the longest of all if it does not end.
milliseconds wait_of(const Answer& answer) {
  return answer.outcome == Outcome::never ? milliseconds::max() : answer.wait;
}

/// What is forced is over its limit if it went into debt: then it has a wait.
bool is_over(const Wish& wish, const Answer& answer) {
  if (wish.is_on_trial) return false;
  return !answer.allowed() || (wish.kind == Wish::Kind::charge && answer.wait > milliseconds{0});
}

/// Of the items of a wish, the one that binds: of those that are over, the one with the longest wait, else the one with the
/// least left. Null if the server did not say what each says.
const Item* binding_of(const Inquiry& inquiry, const Wish& wish) {
  const Item* binding = nullptr;
  for (const std::size_t place : wish.items) {
    const Item& item = items_of(inquiry, wish.kind)[place];
    if (!item.answer) return nullptr;
    if (binding == nullptr) {
      binding = &item;
      continue;
    }
    const bool is_item_over = is_over(wish, *item.answer);
    const bool is_binding_over = is_over(wish, *binding->answer);
    const bool binds = is_item_over != is_binding_over ? is_item_over
                       : is_item_over                  ? wait_of(*item.answer) > wait_of(*binding->answer)
                                                       : item.answer->remaining < binding->answer->remaining;
    if (binds) binding = &item;
  }
  return binding;
}

/// What is left. Of a denied request nothing was taken, but what each key says is what would be left.
std::uint32_t remaining_of(const Item& item, const Answer& answer, bool was_charged) {
  Units left = answer.remaining;
  if (!was_charged && answer.granted > kNoUnits) {
    left += (*item.sent().limits())[0].is_per_request() ? kMinUnits : answer.granted;
    left = std::min(left, std::max(answer.limit, answer.remaining));
  }
  const std::int64_t count = std::max<std::int64_t>(left.count(), 0);
  return static_cast<std::uint32_t>(std::min<std::int64_t>(count, kMostRemaining));
}

DescriptorStatus status_of(const Findings& findings, const Wish& wish, bool is_wish_over) {
  DescriptorStatus status{.code = is_wish_over ? Code::over_limit : Code::ok};
  if (wish.kind == Wish::Kind::unlimited) status.limit_remaining = kMostRemaining;
  if (wish.kind != Wish::Kind::decide && wish.kind != Wish::Kind::charge) return status;
  if (wish.items.empty()) return status;
  const Item* binding = binding_of(findings.inquiry, wish);
  const Item& item = binding != nullptr ? *binding : items_of(findings.inquiry, wish.kind)[wish.items.front()];
  const Answer* answer = binding != nullptr ? &*binding->answer : findings.all ? &*findings.all : nullptr;
  if (answer == nullptr || !is_counted(*answer)) return status;
  status.current_limit = item.shown;
  status.limit_remaining = remaining_of(item, *answer, !findings.is_denied || binding == nullptr);
  if (wish.is_on_trial) return status;  // the server does not say when
  const bool has_wait = is_wish_over && answer->outcome != Outcome::never;
  status.duration_until_reset = has_wait ? std::max(answer->wait, answer->reset) : answer->reset;
  return status;
}

// --- the reason of a denial --------------------------------------------------------------------------

Reason reason_of(const Findings& findings, const std::vector<bool>& over) {
  const std::vector<Wish>& wishes = findings.inquiry.wishes;
  Reason reason;
  milliseconds longest{-1};
  bool is_quota = true;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    const Item* item = over[i] ? binding_of(findings.inquiry, wishes[i]) : nullptr;
    if (item == nullptr || !is_counted(*item->answer)) continue;
    const milliseconds wait = wait_of(*item->answer);
    // A rule of quota mode is a reason only where no other is.
    const bool is_better = wishes[i].is_quota != is_quota ? is_quota : wait > longest;
    if (!is_better) continue;
    reason = {
        .rule = wishes[i].rule != nullptr ? wishes[i].rule->full_key : findings.request->domain + " (its own limit)",
        .label = item->label,
        .wait = item->answer->outcome == Outcome::never ? std::nullopt : std::optional(wait)};
    longest = wait;
    is_quota = wishes[i].is_quota;
  }
  if (longest >= milliseconds{0} || !findings.all) return reason;
  reason.label = is_counted(*findings.all) ? findings.all->label : "no-server";
  if (findings.all->outcome == Outcome::denied) reason.wait = findings.all->wait;
  return reason;
}

// --- headers -----------------------------------------------------------------------------------------

/// Visible characters of ASCII and blanks: whatever a rule is called, it is no new header.
std::string field_text(std::string_view text) {
  constexpr std::size_t kMost = 256;
  std::string field;
  for (const char c : text.substr(0, kMost)) field += c < ' ' || c > '~' ? '?' : c;
  return field;
}

void add_header(Response& response, const std::string& name, std::string value) {
  if (!name.empty()) response.response_headers_to_add.push_back({name, std::move(value)});
}

std::string seconds_in(milliseconds span) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(span).count());
}

/// The status that the headers are about, as the original chooses it: the last one that denies, else the one with the least
/// left.
const DescriptorStatus* status_in_headers(const Findings& findings, const Response& response) {
  const DescriptorStatus* chosen = nullptr;
  bool is_denial = false;
  for (std::size_t i = 0; i < response.statuses.size(); ++i) {
    const Wish& wish = findings.inquiry.wishes[i];
    const DescriptorStatus& status = response.statuses[i];
    if (!status.current_limit || wish.is_on_trial) continue;
    const bool denies = status.code == Code::over_limit && !wish.is_quota;
    const bool has_less = chosen == nullptr || status.limit_remaining < chosen->limit_remaining;
    if (!denies && (is_denial || !has_less)) continue;
    chosen = &status;
    is_denial = is_denial || denies;
  }
  return chosen;
}

void add_headers(Response& response, const Findings& findings, const Reason* reason) {
  const PlanSettings& settings = *findings.settings;
  if (const DescriptorStatus* status = status_in_headers(findings, response)) {
    add_header(response, settings.limit_header, std::to_string(status->current_limit->requests_per_unit));
    add_header(response, settings.remaining_header, std::to_string(status->limit_remaining));
    if (status->duration_until_reset) {
      add_header(response, settings.reset_header, seconds_in(*status->duration_until_reset));
    }
  }
  if (reason == nullptr) return;
  if (reason->wait) add_header(response, settings.retry_header, seconds_in(*reason->wait));
  const std::string text = reason->rule.empty() ? reason->label : reason->rule + " " + reason->label;
  if (!text.empty()) add_header(response, settings.reason_header, field_text(text));
}

}  // namespace

std::vector<bool> wishes_over(const Findings& findings) {
  const Inquiry& inquiry = findings.inquiry;
  std::vector<bool> over;
  for (const Wish& wish : inquiry.wishes) {
    const bool is_asked = wish.kind == Wish::Kind::decide || wish.kind == Wish::Kind::charge;
    bool is_wish_over = false;
    for (const std::size_t place : wish.items) {
      const std::optional<Answer>& answer = items_of(inquiry, wish.kind)[place].answer;
      // Where nobody said what each says, a denial is of all.
      const bool is_denied_with_all = wish.kind == Wish::Kind::decide && !wish.is_on_trial && findings.is_denied;
      is_wish_over = is_wish_over || (answer ? is_over(wish, *answer) : is_denied_with_all);
    }
    over.push_back(is_asked && is_wish_over);
  }
  return over;
}

bool is_over(const Inquiry& inquiry, const std::vector<bool>& wishes_over) {
  std::size_t of_quota = 0;
  std::size_t of_quota_over = 0;
  for (std::size_t i = 0; i < wishes_over.size(); ++i) {
    const Wish& wish = inquiry.wishes[i];
    if (wishes_over[i] && !wish.is_quota) return true;
    if (!wish.is_quota || wish.kind == Wish::Kind::unlimited) continue;
    ++of_quota;
    if (wishes_over[i]) ++of_quota_over;
  }
  return of_quota > 0 && of_quota == of_quota_over;
}

Response response_of(const Findings& findings) {
  const Inquiry& inquiry = findings.inquiry;
  const std::vector<bool> over = wishes_over(findings);
  const bool is_denied = (findings.is_denied || is_over(inquiry, over)) && !findings.settings->is_on_trial;
  Response response;
  response.overall_code = is_denied ? Code::over_limit : Code::ok;
  for (std::size_t i = 0; i < inquiry.wishes.size(); ++i) {
    response.statuses.push_back(status_of(findings, inquiry.wishes[i], over[i]));
  }
  std::optional<Reason> reason;
  if (is_denied) reason = reason_of(findings, over);
  const Reason* const why = reason ? &*reason : nullptr;
  if (findings.settings->has_headers) add_headers(response, findings, why);
  if (findings.settings->has_metadata) {
    response.dynamic_metadata = metadata_of(*findings.request, inquiry.wishes, over, why);
  }
  return response;
}

}  // namespace ratelimit::service::envoy
