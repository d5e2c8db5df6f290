// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "replay/columns.h"
#include "replay/numbers.h"
#include "replay/report.h"
#include "replay/report_parts.h"
#include "replay/time_text.h"

namespace ratelimit::replay {
namespace {

void add_row(std::string& text, std::string_view name, const std::string& value, const std::string& rest = {}) {
  text += "  " + padded(std::string(name), 14) + to_the_right(value, 14);
  if (!rest.empty()) text += "  " + rest;
  text += '\n';
}

void add_source(std::string& text, const Report& report) {
  const Replayer& replayer = report.replayer;
  text += printable(report.source) + ": " + counted(report.lines.lines, "line") + " (" + report.format + ")";
  if (replayer.calls() > 0) {
    text += ", " + text_of_instant(replayer.first()) + " to " + text_of_instant(replayer.last()) + " UTC";
  }
  text += '\n';
  text +=
      counted(report.lines.calls, "call") + " of " + counted(report.names.size(), "subject") + ", by " + report.subject;
  if (report.has_usual_subnet) text += " (of IPv6 its /56)";
  if (!report.cost.empty()) text += "; the cost is " + report.cost;
  text += '\n';
  if (report.is_cut_short) text += "ended early: this is the result so far\n";
}

void add_left_out(std::string& text, const Report& report) {
  if (report.conditions.empty()) return;
  text += counted(report.lines.left_out, "call") + " left out by --where\n";
  for (std::size_t i = 0; i < report.conditions.size(); ++i) {
    text += "  " + with_commas(report.lines.left_out_by[i]) + " by " + printable(report.conditions[i]) + '\n';
  }
}

void add_lines(std::string& text, const Report& report) {
  const LineCounts& lines = report.lines;
  const Reorder& reorder = report.replayer.reorder();
  if (lines.outside > 0) text += counted(lines.outside, "call") + " outside of --from and --to\n";
  add_left_out(text, report);
  if (lines.malformed > 0) {
    text += counted(lines.malformed, "malformed line");
    text += lines.malformed > lines.first.size() ? ", the first of them:\n" : ":\n";
    for (const Malformed& line : lines.first) text += "  " + text_of(line, report.has_several_files) + '\n';
  }
  if (reorder.disordered() > 0) {
    text += counted(reorder.disordered(), "call") + " put in order, each at most " + text_of_length(report.disorder) +
            " late\n";
  }
  if (reorder.late() > 0) {
    text += counted(reorder.late(), "call") + " came too late to be put in order (--disorder " +
            text_of_length(report.disorder) + "): each counts as of the call before\n";
  }
  if (report.replayer.calls() > 0 && !lines.have_fractions) {
    text += "times are whole seconds: the calls of a second count as of one instant\n";
  }
}

void add_denied_by(std::string& text, const Contender& contender) {
  const Limits& limits = contender.trial.limits();
  for (std::size_t i = 0; limits.size() > 1 && i < limits.size(); ++i) {
    const std::uint64_t denied = contender.tally.denied_by()[i];
    add_row(text, "  by " + std::string(limits.label(i)), with_commas(denied),
            percent(denied, contender.tally.calls()));
  }
}

/// Of the column of a time: with a blank, and room for milliseconds if some time has any.
[[nodiscard]] std::size_t width_of_time(const Report& report) { return report.lines.have_fractions ? 25 : 20; }

void add_hit(std::string& text, const Report& report, const Hit& hit) {
  const Asked& asked = report.replayer.asked()[hit.subject];
  text += "    " + padded(name_in_column(report, hit.subject), kNameWidth);
  text += to_the_right(with_commas(hit.denied), 12) + to_the_right(with_commas(asked.calls), 12);
  text += to_the_right(percent(hit.denied, asked.calls), 10);
  const std::size_t width = width_of_time(report);
  text += "  " + padded(text_of_instant(hit.first), width) + padded(text_of_instant(hit.last), width);
  text += (hit.longest > Span{} ? text_of_length(hit.longest) : "at once") + '\n';
}

void add_hardest_hit(std::string& text, const Report& report, const Tally& tally) {
  const std::vector<Hit> hits = tally.hardest_hit(report.top);
  if (hits.empty()) return;
  text += "  hardest hit (longest: denied at least once a minute)\n    " + padded("subject", kNameWidth) +
          to_the_right("denied", 12) + to_the_right("of calls", 12) + to_the_right("", 10) + "  " +
          padded("first denied", width_of_time(report)) + padded("last denied", width_of_time(report)) + "longest\n";
  for (const Hit& hit : hits) add_hit(text, report, hit);
}

/// Those whom the limit leaves alone, and how much room they had.
void add_nearest(std::string& text, const Report& report, const Tally& tally) {
  const std::vector<Near> nearest =
      tally.nearest(report.top, [&](SubjectNumber subject) { return !report.roles.is_stopped(subject); });
  if (nearest.empty()) return;
  text += "  nearest, not denied (left: the least after one of its calls)\n    " + padded("subject", kNameWidth) +
          to_the_right("left", 12) + to_the_right("of calls", 12) + '\n';
  for (const Near& near : nearest) {
    text += "    " + padded(name_in_column(report, near.subject), kNameWidth) +
            to_the_right(with_commas(near.left), 12) +
            to_the_right(with_commas(report.replayer.asked()[near.subject].calls), 12) + '\n';
  }
}

/// How much of what those ask for who are to be stopped, and of the others.
void add_roles(std::string& text, const Report& report, const Tally& tally) {
  if (report.roles.count(Role::stopped) + report.roles.count(Role::spared) == 0) return;
  const DeniedByRole denied = denied_by_role(tally, report.roles);
  std::uint64_t calls = 0;
  for (std::size_t i = 0; i < report.replayer.asked().size(); ++i) {
    if (report.roles.is_stopped(static_cast<SubjectNumber>(i))) calls += report.replayer.asked()[i].calls;
  }
  add_row(text, "stopped", with_commas(denied.stopped),
          percent(denied.stopped, calls) + " of the calls of those to be stopped");
  add_row(text, "others hit", with_commas(denied.others_hit),
          with_commas(denied.others) + " of their calls" +
              (denied.spared_hit > 0 ? "; " + with_commas(denied.spared_hit) + " of those to be spared" : ""));
}

void add_contender(std::string& text, const Report& report, const Contender& contender) {
  const Tally& tally = contender.tally;
  text += '\n' + contender.text;
  if (!contender.exceptions.empty()) text += ", with " + counted(contender.exceptions.size(), "exception");
  text += '\n';
  add_row(text, "calls", with_commas(tally.calls()));
  add_row(text, "granted", with_commas(tally.granted()), percent(tally.granted(), tally.calls()));
  add_row(text, "denied", with_commas(tally.denied()), percent(tally.denied(), tally.calls()));
  add_denied_by(text, contender);
  if (!report.cost.empty()) {
    const std::uint64_t units = sum_of(tally.units_granted(), tally.units_denied());
    add_row(text, "units denied", with_commas(tally.units_denied()),
            percent(tally.units_denied(), units) + " of " + with_commas(units));
  }
  if (tally.never() > 0) add_row(text, "never", with_commas(tally.never()), "cost more than the limit ever holds");
  add_row(text, "subjects hit", with_commas(tally.subjects_hit()),
          percent(tally.subjects_hit(), report.names.size()) + " of " + with_commas(report.names.size()));
  add_roles(text, report, tally);
  if (tally.denied() > tally.never()) {
    add_row(text, "longest wait", text_of_length(tally.longest_wait()), "told to a denied call");
  }
  if (tally.waited() > 0) {
    add_row(text, "waited", with_commas(tally.waited()),
            percent(tally.waited(), tally.calls()) + ": granted, and told to wait; calls of " +
                counted(tally.subjects_waited(), "subject"));
    add_row(text, "longest queue", text_of_length(tally.longest_queue()),
            "told to a granted call of " + name_in_column(report, tally.longest_queue_subject()));
  }
  add_row(text, "memory", text_of_bytes(contender.trial.bytes_in_server(report.names.size())),
          "in the server, all subjects in one key");
  add_hardest_hit(text, report, tally);
  add_shared_subnet_of_hits(text, report, tally);
  add_nearest(text, report, tally);
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      shown += c;
      continue;
    }
    shown += {'\\', 'x', kDigits[byte >> 4U], kDigits[byte & 15U]};
  }
  return shown;
}

std::string text_of(const Malformed& line, bool names_file) {
  std::string text = names_file ? printable(line.file) + ", " : "";
  text += "line " + with_commas(line.line) + ": " + std::string(reason_of(line.reason));
  if (!line.begin.empty()) text += ": " + printable(line.begin);
  return text;
}

std::string text_of(const Report& report) {
  std::string text;
  add_source(text, report);
  add_lines(text, report);
  for (const Contender& contender : report.replayer.contenders()) add_contender(text, report, contender);
  add_suggestions(text, report);
  add_busiest(text, report);
  return text;
}

}  // namespace ratelimit::replay
