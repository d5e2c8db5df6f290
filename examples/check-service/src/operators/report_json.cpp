// SPDX-License-Identifier: MIT
#include "report_json.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "../query.h"
#include "ratelimit/units.h"

namespace ratelimit::service::operators {
namespace {

using Json = nlohmann::ordered_json;
using client::Holding;
using client::LimitInfo;

std::int64_t milliseconds(client::Milliseconds span) { return span.count(); }

/// Null is never.
Json wait_of(const std::optional<client::Milliseconds>& wait) { return wait ? Json(wait->count()) : Json(); }

template <class Item, class Described>
Json list_of(const std::vector<Item>& items, Described described) {
  Json list = Json::array();
  for (const Item& item : items) list.push_back(described(item));
  return list;
}

/// Bytes that are no UTF-8 become U+FFFD.
Response response_of(Json body, const About& about) {
  body["now_ms"] = std::chrono::floor<std::chrono::milliseconds>(about.now).time_since_epoch().count();
  body["request_id"] = about.request_id;
  return {.body = body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Response not_there(const About& about) { return response_to(Problem{404, "there is no such key"}, about.request_id); }

Json described(const client::LabelCounts& counts) {
  return {{"label", counts.label},           {"granted", counts.granted}, {"denied", counts.denied},
          {"would_deny", counts.would_deny}, {"near", counts.near},       {"since_ms", milliseconds(counts.since)}};
}

Json described(const NamedInfo& limiter) {
  const Info& info = limiter.info;
  Json limits = list_of(info.limits, [](const LimitInfo& limit) {
    return Json{{"label", limit.label}, {"limit", limit.limit}, {"size", limit.size.count()}};
  });
  return {{"name", limiter.name},
          {"encoded", encoded_segment(limiter.name)},
          {"stored", info.is_stored},
          {"on_trial", info.is_on_trial},
          {"limits", std::move(limits)},
          {"subjects", info.subjects},
          {"exceptions", info.exceptions},
          {"memory", info.memory},
          {"granted", info.granted.times},
          {"denied", info.denied.times},
          {"would_deny", info.would_deny},
          {"near", info.near},
          {"counters_have_stopped", info.granted.has_stopped || info.denied.has_stopped},
          {"since_ms", info.since ? Json(milliseconds(*info.since)) : Json()},
          {"labels", list_of(info.counters, [](const auto& counts) { return described(counts); })}};
}

Json described(const Holding& holding, bool is_hold) {
  Json json{{"id", holding.id}, {"units", holding.units.count()}, {"ends_ms", milliseconds(holding.ends)}};
  if (is_hold) json["settled"] = holding.is_settled;
  return json;
}

Json described(const LimitInfo& limit) {
  Json json{{"label", limit.label},
            {"limit", limit.limit},
            {"size", limit.size.count()},
            {"used", limit.used.count()},
            {"remaining", limit.remaining.count()},
            {"reset_ms", milliseconds(limit.reset)},
            {"next_unit_ms", wait_of(limit.next_unit)}};
  if (!limit.leases) return json;
  json["leases"] = *limit.leases;
  json["first_leases"] = list_of(limit.first_leases, [](const auto& lease) { return described(lease, false); });
  return json;
}

Json described(const client::TopEntry& entry) {
  return {{"subject", entry.subject},
          {"encoded", encoded_segment(entry.subject)},
          {"times", entry.times},
          {"overcount", entry.overcount}};
}

Json described(const client::LogEntry& entry) {
  return {{"subject", entry.subject},
          {"encoded", encoded_segment(entry.subject)},
          {"label", entry.label},
          {"first_ms", milliseconds(entry.first)},
          {"last_ms", milliseconds(entry.last)},
          {"times", entry.times},
          {"wait_ms", wait_of(entry.wait)}};
}

/// An idle subject has used nothing, so its limits are those of the key, untouched. A limit of size 0 is closed for all.
Info of_idle(const Info& key) {
  Info idle{.exists = false, .limits = key.limits, .status = "ok", .wait = client::Milliseconds{}};
  for (LimitInfo& limit : idle.limits) {
    const bool is_closed = limit.size == kNoUnits;
    limit.used = kNoUnits;
    limit.remaining = limit.size;
    limit.reset = {};
    limit.next_unit = is_closed ? std::nullopt : std::optional(client::Milliseconds{});
    if (limit.leases) limit.leases = 0;
    limit.first_leases.clear();
    if (!is_closed || !idle.wait) continue;
    idle.status = "closed";
    idle.binding = limit.label;
    idle.wait.reset();
  }
  idle.why = idle.wait ? "nothing is used of its limits" : "\"" + idle.binding + "\" is closed: no call is granted";
  return idle;
}

}  // namespace

Response response_to_limiters(const std::vector<NamedInfo>& limiters, const std::optional<client::LimiterCursor>& next,
                              const About& about) {
  return response_of({{"limiters", list_of(limiters, [](const auto& limiter) { return described(limiter); })},
                      {"next", next ? Json(text_of(*next)) : Json()}},
                     about);
}

Response response_to_limiter(const NamedInfo& limiter, const About& about) {
  if (!limiter.info.exists) return not_there(about);
  return response_of(Json::object({{"limiter", described(limiter)}}), about);
}

Response response_to_top(const std::vector<client::TopEntry>& denied, const std::vector<client::TopEntry>& near,
                         const About& about) {
  const auto each = [](const auto& entry) { return described(entry); };
  return response_of({{"denied", list_of(denied, each)}, {"near", list_of(near, each)}}, about);
}

Response response_to_log(const std::vector<client::LogEntry>& entries, const About& about) {
  return response_of(Json::object({{"entries", list_of(entries, [](const auto& entry) { return described(entry); })}}),
                     about);
}

Response response_to_why(const Question& question, const Info& key, const Info& subject, const About& about) {
  if (!key.exists) return not_there(about);
  const Info& info = subject.exists ? subject : of_idle(key);
  return response_of(
      {{"limiter", question.limiter},
       {"subject", question.subject.empty() ? Json() : Json(question.subject)},
       {"idle", !subject.exists},
       {"on_trial", key.is_on_trial},
       {"status", info.status},
       {"binding", info.binding},
       {"wait_ms", wait_of(info.wait)},
       {"waiting_ms", milliseconds(info.waiting)},
       {"blocked_ms", milliseconds(info.blocked)},
       {"why", info.why},
       {"exception", info.is_exception},
       {"holds", info.holds},
       {"first_holds", list_of(info.first_holds, [](const auto& hold) { return described(hold, true); })},
       {"limits", list_of(info.limits, [](const LimitInfo& limit) { return described(limit); })}},
      about);
}

}  // namespace ratelimit::service::operators
