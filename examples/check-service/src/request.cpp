// SPDX-License-Identifier: MIT
#include "request.h"

#include <algorithm>
#include <utility>

#include "limits_by_name.h"

namespace ratelimit::service {
namespace {

constexpr std::size_t kLongestKey = 1024;

void read_limits_of(FieldReader& reader, PolicyBook& book, Question& question) {
  std::string text;
  if (reader.has("algorithm")) {
    if (reader.has("limits")) return reader.fail("there must be \"limits\" or \"algorithm\", not both");
    text = limits_by_name(reader);
  } else {
    text = reader.text("limits", 1, PolicyBook::kLongestText).value_or("");
  }
  if (reader.problem()) return;
  client::ParsedPolicy parsed = book.find(text);
  if (!parsed.policy) return reader.fail("the limits are wrong: " + parsed.error);
  question.policy = std::move(*parsed.policy);
}

/// Who is asked about, and under which limits. A settle may leave limits out: the hold knows its own.
void read_who(FieldReader& reader, PolicyBook& book, Request& request, bool needs_limits) {
  Question& question = request.question;
  if (reader.has("limiter")) {
    if (reader.has("key")) return reader.fail("there must be \"key\" or \"limiter\", not both");
    question.key = request.limiter = reader.text("limiter", 1, kLongestKey).value_or("");
  } else {
    if (!reader.needs("key")) return;
    question.key = reader.text("key", 1, kLongestKey).value_or("");
    if (reader.has("limits") || reader.has("algorithm")) {
      read_limits_of(reader, book, question);
    } else if (needs_limits) {
      return reader.fail("there must be \"limits\" or \"algorithm\" beside \"key\"; or \"limiter\" instead of it");
    }
  }
  question.subject = reader.text("subject", 1, kMaxSubjectBytes).value_or("");
  question.id = reader.text("id", 1, kMaxIdBytes).value_or("");
}

void read_mode(FieldReader& reader, Question& question) {
  const std::string mode = reader.text("mode", 1, 16).value_or("whole");
  if (mode == "partial") {
    question.mode = Mode::partial;
  } else if (mode == "force") {
    question.mode = Mode::force;
  } else if (mode != "whole") {
    reader.fail("the field \"mode\" must be one of: whole, partial, force");
  }
}

Read<Request> ended(FieldReader& reader, Request request) {
  reader.end();
  if (reader.problem()) return *reader.problem();
  return request;
}

}  // namespace

Read<Request> read_check(Fields fields, bool is_query, PolicyBook& book) {
  FieldReader reader(fields, is_query);
  Request request;
  read_who(reader, book, request, true);
  request.question.cost = reader.units("cost", kNoUnits).value_or(kMinUnits);
  read_mode(reader, request.question);
  return ended(reader, std::move(request));
}

Read<Request> read_reserve(Fields fields, PolicyBook& book) {
  FieldReader reader(fields, false);
  Request request;
  read_who(reader, book, request, true);
  request.question.cost = reader.units("cost", kMinUnits).value_or(kMinUnits);
  if (reader.needs("ttl")) request.ttl = reader.duration("ttl").value_or(Span{});
  return ended(reader, std::move(request));
}

Read<Request> read_settle(Fields fields, PolicyBook& book) {
  FieldReader reader(fields, false);
  Request request;
  read_who(reader, book, request, false);
  reader.needs("id");
  if (reader.needs("actual")) request.question.cost = reader.units("actual", kNoUnits).value_or(kNoUnits);
  return ended(reader, std::move(request));
}

std::string_view last_element(std::string_view list) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  std::string_view last = list.substr(list.rfind(',') + 1);  // npos + 1 is 0
  while (!last.empty() && is_space(last.front())) last.remove_prefix(1);
  while (!last.empty() && is_space(last.back())) last.remove_suffix(1);
  return last;
}

}  // namespace ratelimit::service
