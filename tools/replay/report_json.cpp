// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "replay/report.h"
#include "replay/time_text.h"

namespace ratelimit::replay {
namespace {

/// How many bytes the character of UTF-8 at the begin of a text has; 0 if there is none.
[[nodiscard]] std::size_t bytes_of_character(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t size = byte(0) < 0x80 ? 1 : byte(0) < 0xC2 ? 0 : byte(0) < 0xE0 ? 2 : byte(0) < 0xF0 ? 3 : 4;
  if (size > text.size() || byte(0) > 0xF4) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  const bool is_overlong = (byte(0) == 0xE0 && byte(1) < 0xA0) || (byte(0) == 0xF0 && byte(1) < 0x90);
  const bool is_surrogate = byte(0) == 0xED && byte(1) > 0x9F;
  const bool is_beyond = byte(0) == 0xF4 && byte(1) > 0x8F;
  return is_overlong || is_surrogate || is_beyond ? 0 : size;
}

/// Appends a string in its quotes. Bytes that are no UTF-8 are written as the code points of Latin-1, so that any bytes
/// make valid JSON. Controls are escaped, so that no terminal obeys them.
void append_string(std::string& json, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  json += '"';
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t size = bytes_of_character(text);
    const bool is_control_of_two = size == 2 && c == '\xC2' && text[1] < '\xA0';  // U+0080 to U+009F
    const auto byte = static_cast<unsigned char>(is_control_of_two ? text[1] : c);
    if (c == '"' || c == '\\') {
      json += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7F || size == 0 || is_control_of_two) {
      json += "\\u00";
      json += {kDigits[byte >> 4U], kDigits[byte & 15U]};
    } else {
      json.append(text.substr(0, size));
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  json += '"';
}

/// Writes JSON one value after the other, and the commas between them.
class Json {
 public:
  Json& open(char bracket) {
    separate();
    text_ += bracket;
    needs_comma_ = false;
    return *this;
  }
  Json& close(char bracket) {
    text_ += bracket;
    needs_comma_ = true;
    return *this;
  }
  Json& name(std::string_view name) {
    string(name);
    text_ += ':';
    needs_comma_ = false;
    return *this;
  }
  Json& string(std::string_view value) {
    separate();
    append_string(text_, value);
    return *this;
  }
  template <class Number>
  Json& number(Number value) {
    separate();
    text_ += std::to_string(value);
    return *this;
  }
  Json& boolean(bool value) {
    separate();
    text_ += value ? "true" : "false";
    return *this;
  }
  [[nodiscard]] std::string take() { return std::move(text_) + '\n'; }

 private:
  void separate() {
    if (needs_comma_) text_ += ',';
    needs_comma_ = true;
  }

  std::string text_;
  bool needs_comma_ = false;
};

[[nodiscard]] std::int64_t unix_ms(Instant at) {
  return std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
}
[[nodiscard]] std::int64_t ms(Span span) { return std::chrono::ceil<std::chrono::milliseconds>(span).count(); }

void add_lines(Json& json, const Report& report) {
  const LineCounts& lines = report.lines;
  json.name("lines").open('{');
  json.name("read").number(lines.lines).name("calls").number(lines.calls).name("left_out").number(lines.left_out);
  json.name("outside").number(lines.outside);
  json.name("left_out_by").open('[');
  for (std::size_t i = 0; i < report.conditions.size(); ++i) {
    json.open('{').name("where").string(report.conditions[i]).name("calls").number(lines.left_out_by[i]).close('}');
  }
  json.close(']');
  json.name("put_in_order").number(report.replayer.reorder().disordered());
  json.name("too_late").number(report.replayer.reorder().late());
  json.name("malformed").number(lines.malformed).name("first_malformed").open('[');
  for (const Malformed& line : lines.first) {
    json.open('{').name("file").string(line.file).name("line").number(line.line);
    json.name("reason").string(reason_of(line.reason)).name("begin").string(line.begin).close('}');
  }
  json.close(']').close('}');
}

void add_hits(Json& json, const Report& report, const Tally& tally) {
  json.name("hardest_hit").open('[');
  for (const Hit& hit : tally.hardest_hit(report.top)) {
    json.open('{').name("subject").string(report.names[hit.subject]);
    json.name("calls").number(report.replayer.asked()[hit.subject].calls).name("denied").number(hit.denied);
    json.name("first_denied_ms").number(unix_ms(hit.first)).name("last_denied_ms").number(unix_ms(hit.last));
    json.name("longest_begin_ms").number(unix_ms(hit.longest_begin)).name("longest_ms").number(ms(hit.longest));
    json.close('}');
  }
  json.close(']');
}

void add_nearest(Json& json, const Report& report, const Tally& tally) {
  json.name("nearest").open('[');
  const auto is_wanted = [&](SubjectNumber subject) { return !report.roles.is_stopped(subject); };
  for (const Near& near : tally.nearest(report.top, is_wanted)) {
    json.open('{').name("subject").string(report.names[near.subject]);
    json.name("calls").number(report.replayer.asked()[near.subject].calls).name("left").number(near.left).close('}');
  }
  json.close(']');
}

void add_roles(Json& json, const Report& report, const Tally& tally) {
  if (report.roles.count(Role::stopped) + report.roles.count(Role::spared) == 0) return;
  const DeniedByRole denied = denied_by_role(tally, report.roles);
  json.name("stopped").number(denied.stopped).name("others_denied").number(denied.others);
  json.name("others_hit").number(denied.others_hit).name("spared_hit").number(denied.spared_hit);
}

void add_timeline(Json& json, const Timeline& timeline) {
  json.name("timeline").open('{').name("begin_ms").number(unix_ms(timeline.begin()));
  json.name("step_ms").number(ms(timeline.width()));
  for (const bool is_granted : {true, false}) {
    json.name(is_granted ? "granted" : "denied").open('[');
    for (std::size_t i = 0; i < timeline.size(); ++i) {
      json.number(is_granted ? timeline[i].granted : timeline[i].denied);
    }
    json.close(']');
  }
  json.close('}');
}

void add_contender(Json& json, const Report& report, const Contender& contender) {
  const Tally& tally = contender.tally;
  const Limits& limits = contender.trial.limits();
  json.name("limit").string(contender.text).name("exceptions").number(contender.exceptions.size());
  json.name("calls").number(tally.calls()).name("granted").number(tally.granted());
  json.name("denied").number(tally.denied()).name("never").number(tally.never());
  json.name("units_granted").number(tally.units_granted()).name("units_denied").number(tally.units_denied());
  json.name("denied_by").open('{');
  for (std::size_t i = 0; i < limits.size(); ++i) json.name(limits.label(i)).number(tally.denied_by()[i]);
  json.close('}');
  json.name("subjects_hit").number(tally.subjects_hit());
  json.name("longest_wait_ms").number(ms(tally.longest_wait()));
  json.name("waited").number(tally.waited()).name("subjects_waited").number(tally.subjects_waited());
  json.name("longest_queue_ms").number(ms(tally.longest_queue()));
  if (tally.waited() > 0) json.name("longest_queue_subject").string(report.names[tally.longest_queue_subject()]);
  add_roles(json, report, tally);
  json.name("bytes_in_server").number(contender.trial.bytes_in_server(report.names.size()));
  add_hits(json, report, tally);
  add_nearest(json, report, tally);
  add_timeline(json, tally.timeline());
}

void add_suggestion(Json& json, const Report& report, const Suggestion& one) {
  json.open('{');
  add_contender(json, report, one.contender);
  json.name("size").number(one.size);
  if (one.hit_by_less) json.name("one_less_hits").string(report.names[*one.hit_by_less]);
  if (report.roles.count(Role::stopped) > 0) json.name("stopped_by_twice").number(one.stopped_by_twice);
  json.close('}');
}

void add_busiest(Json& json, const char* name, const std::vector<Busy>& all) {
  json.name(name).open('[');
  for (const Busy& busy : all) {
    json.open('{').name("name").string(busy.name).name("subjects").number(busy.subjects);
    json.name("calls").number(busy.calls).name("busiest_minute_ms").number(unix_ms(busy.minute));
    json.name("calls_of_minute").number(busy.calls_of_minute);
    json.name("prefix").string(busy.prefix).name("calls_of_prefix").number(busy.calls_of_prefix).close('}');
  }
  json.close(']');
}

}  // namespace

std::string json_of(const Report& report) {
  Json json;
  json.open('{').name("source").string(report.source).name("format").string(report.format);
  json.name("subject").string(report.subject).name("cost").string(report.cost);
  json.name("is_cut_short").boolean(report.is_cut_short);
  json.name("first_ms")
      .number(unix_ms(report.replayer.first()))
      .name("last_ms")
      .number(unix_ms(report.replayer.last()));
  json.name("subjects").number(report.names.size());
  add_lines(json, report);
  json.name("limits").open('[');
  for (const Contender& contender : report.replayer.contenders()) {
    json.open('{');
    add_contender(json, report, contender);
    json.close('}');
  }
  json.close(']');
  if (report.bound) {
    json.name("suggestions").open('[');
    for (const Suggestion& one : report.suggestions) add_suggestion(json, report, one);
    json.close(']');
  }
  if (report.busiest != nullptr) {
    add_busiest(json, "busiest_subjects", report.busiest->subjects);
    add_busiest(json, "busiest_subnets", report.busiest->subnets);
  }
  return json.close('}').take();
}

}  // namespace ratelimit::replay
