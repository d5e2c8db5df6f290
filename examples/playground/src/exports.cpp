// SPDX-License-Identifier: MIT
// What the page calls (page/core.js). Texts come in by `input`, and go out by `output` and `output_bytes`. Instants are
// nanoseconds of Unix time and spans nanoseconds, in 64 bits; all numbers of a reply are integers.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.h"
#include "pasted_log.h"
#include "ratelimit/grammar/arguments.h"
#include "ratelimit/grammar/error_text.h"
#include "ratelimit/grammar/limit_text.h"
#include "ratelimit/grammar/limits_of_text.h"
#include "ratelimit/version.h"
#include "session.h"
#include "zones.h"

namespace ratelimit::playground {
namespace {

std::string input_text;                          // NOLINT: the one place where the page writes
std::string output_text;                         // NOLINT: and where it reads
std::vector<std::unique_ptr<Session>> sessions;  // NOLINT: by their numbers, from 1 on
std::array<std::int64_t, 7> answer;              // NOLINT: of the last call

/// The text that the page wrote.
[[nodiscard]] std::string_view text_of_page(std::size_t bytes) { return std::string_view(input_text).substr(0, bytes); }

[[nodiscard]] Session& session(std::uint32_t number) { return *sessions[number - 1]; }

[[nodiscard]] std::int64_t milliseconds(Span span) {
  return std::chrono::ceil<std::chrono::milliseconds>(span).count();
}

[[nodiscard]] std::string error(const Fault& fault) {
  return Json().open('{').key("error").quoted(sentence(fault)).close('}').take();
}

[[nodiscard]] std::string description_of(const Limits& limits) {
  Json json;
  std::string text;
  json.open('{').key("limits").open('[');
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const std::string one = text_of(limits[i]);
    text.append(text.empty() ? "" : " ").append(one);
    json.item().open('{').key("label").quoted(limits.label(i)).key("text").quoted(one);
    json.key("size").number(limits[i].size().count()).key("isPerRequest").flag(limits[i].is_per_request());
    if (const std::optional<Span> window = limits[i].window()) json.key("window").large(window->count());
    json.close('}');
  }
  json.close(']').key("text").quoted(text).key("haveLeases").flag(limits.have_leases());
  return json.close('}').take();
}

/// The limits that the page wrote; none, and the error in the output, if something is wrong with them.
[[nodiscard]] std::optional<Limits> limits_of_page(std::size_t bytes) {
  LimitSpecs specs;
  if (const std::optional<Fault> fault = read_limits(text_of_page(bytes), specs, find_zone)) {
    output_text = error(*fault);
    return std::nullopt;
  }
  return Limits::make(specs.span());
}

[[nodiscard]] LogOptions options_of(std::string_view lines) {
  LogOptions options;
  for (bool is_first = true; !lines.empty(); is_first = false) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    if (is_first) {
      options.subject = lines.substr(0, end);
    } else if (end > 0) {
      options.conditions.emplace_back(lines.substr(0, end));
    }
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return options;
}

[[nodiscard]] std::string text_of_log(const PastedLog& log) {
  Json json;
  json.open('{').key("format").quoted(log.format).key("isCut").flag(log.is_cut);
  json.key("complaint").quoted(log.complaint);
  json.key("leftOut").number(static_cast<std::int64_t>(log.lines.left_out));
  json.key("lines").number(static_cast<std::int64_t>(log.lines.lines));
  json.key("malformed").number(static_cast<std::int64_t>(log.lines.malformed)).key("first").open('[');
  for (const replay::Malformed& line : log.lines.first) {
    json.item().open('{').key("line").number(static_cast<std::int64_t>(line.line));
    json.key("reason").quoted(replay::reason_of(line.reason)).close('}');
  }
  json.close(']').key("subjects").open('[');
  for (std::uint32_t i = 0; i < log.names.size(); ++i) json.item().quoted(log.names[i]);
  json.close(']').key("calls").open('[');
  for (const replay::Call& call : log.calls) {
    json.item().open('[').item().large(call.at.time_since_epoch().count()).item().number(call.subject);
    json.item().number(call.cost.count()).close(']');
  }
  return json.close(']').close('}').take();
}

}  // namespace
}  // namespace ratelimit::playground

// NOLINTBEGIN(misc-use-internal-linkage): the page calls them
using namespace ratelimit;              // NOLINT
using namespace ratelimit::playground;  // NOLINT

extern "C" {

/// Where the page may write so many bytes of UTF-8.
[[clang::export_name("input")]] char* playground_input(std::size_t bytes) {
  input_text.resize(bytes);
  return input_text.data();
}
[[clang::export_name("output")]] const char* playground_output() { return output_text.data(); }
[[clang::export_name("output_bytes")]] std::size_t playground_output_bytes() { return output_text.size(); }

[[clang::export_name("version")]] void playground_version() { output_text = kVersion; }

/// The grammar's own reader: what the limits mean, or what is wrong with them.
[[clang::export_name("read_limits")]] void playground_read_limits(std::size_t bytes) {
  if (const std::optional<Limits> limits = limits_of_page(bytes)) output_text = description_of(*limits);
}

/// A duration, as MAXWAIT has one.
[[clang::export_name("read_duration")]] void playground_read_duration(std::size_t bytes) {
  const std::vector<std::string_view> words = split_words(text_of_page(bytes));
  Arguments arguments(words, 0);
  const Span span = arguments.duration(Argument::longest_wait);
  if (!arguments.at_end()) arguments.fail({Fault::Kind::malformed, Argument::longest_wait});
  output_text =
      arguments.fault() ? error(*arguments.fault()) : Json().open('{').key("ns").large(span.count()).close('}').take();
}

/// The page wrote what is said about the log, and behind it the log. First comes a line of who is limited, then a line
/// for each condition.
[[clang::export_name("read_log")]] void playground_read_log(std::size_t option_bytes, std::size_t bytes) {
  const std::string_view text = text_of_page(bytes);
  output_text = text_of_log(read_pasted_log(text.substr(option_bytes), options_of(text.substr(0, option_bytes))));
}

/// The number of a session under the limits that the page wrote, or 0 and an error.
[[clang::export_name("open")]] std::uint32_t playground_open(std::size_t bytes) {
  std::optional<Limits> limits = limits_of_page(bytes);
  if (!limits) return 0;
  std::size_t place = 0;
  while (place < sessions.size() && sessions[place] != nullptr) ++place;
  if (place == sessions.size()) sessions.emplace_back();
  sessions[place] = std::make_unique<Session>(std::move(*limits));
  return static_cast<std::uint32_t>(place + 1);
}
[[clang::export_name("close")]] void playground_close(std::uint32_t number) { sessions[number - 1].reset(); }

/// Decides a call. What it returns points to granted, limit, remaining, wait_ms and reset_ms, as RL.CHECK replies, to
/// the place of the binding limit, and to the nanoseconds of the wait, 0 if it is never granted. The output becomes the
/// id of the lease, if the call took one.
[[clang::export_name("check")]] const std::int64_t* playground_check(std::uint32_t number, std::uint32_t subject,
                                                                     std::int64_t at, std::int64_t cost,
                                                                     std::uint32_t mode, std::int64_t longest_wait) {
  Request request{.cost = Units(cost), .mode = static_cast<Mode>(mode), .longest_wait = Span{longest_wait}};
  if (request.mode == Mode::may_wait && longest_wait == 0) request.mode = Mode::whole;  // MAXWAIT 0 is none
  const Verdict& verdict = session(number).check(subject, request, Instant{Span{at}});
  const Decision& decision = verdict.decision;
  const bool is_never = decision.outcome == Outcome::never;
  answer = {decision.granted.count(),
            decision.size.count(),
            decision.remaining.count(),
            is_never ? -1 : milliseconds(decision.wait),
            milliseconds(decision.reset),
            static_cast<std::int64_t>(verdict.binding),
            is_never ? 0 : decision.wait.count()};
  output_text = decision.outcome == Outcome::granted ? verdict.id : std::string_view{};
  return answer.data();
}

/// The fields of an HTTP response to the last call of a session.
[[clang::export_name("http_fields")]] void playground_http_fields(std::uint32_t number) {
  Json json;
  json.open('[');
  for (const HttpField& field : session(number).http_fields_of_last()) {
    json.item().open('[').item().quoted(field.name).item().quoted(field.value).close(']');
  }
  output_text = json.close(']').take();
}

/// Ends the lease whose id the page wrote.
[[clang::export_name("release")]] bool playground_release(std::uint32_t number, std::uint32_t subject,
                                                          std::size_t bytes, std::int64_t at) {
  return session(number).release(subject, text_of_page(bytes), Instant{Span{at}});
}

/// How a limit stands: points to used, remaining and reset_ms.
[[clang::export_name("status")]] const std::int64_t* playground_status(std::uint32_t number, std::uint32_t subject,
                                                                       std::uint32_t limit, std::int64_t at) {
  const Status status = session(number).status(subject, limit, Instant{Span{at}});
  answer = {status.used.count(), status.remaining.count(), milliseconds(status.reset)};
  return answer.data();
}
}
// NOLINTEND(misc-use-internal-linkage)
