// SPDX-License-Identifier: MIT
// What the search for limits found, for people.
#include <algorithm>
#include <string>
#include <vector>

#include "replay/columns.h"
#include "replay/numbers.h"
#include "replay/report.h"
#include "replay/report_parts.h"
#include "replay/time_text.h"

namespace ratelimit::replay {
namespace {

constexpr std::size_t kWhoWidth = 36;  // a name, and how much was left

/// All subjects that are to be stopped, and their calls.
struct Stopped {
  explicit Stopped(const Report& report) {
    for (std::size_t i = 0; i < report.replayer.asked().size(); ++i) {
      const auto subject = static_cast<SubjectNumber>(i);
      if (!report.roles.is_stopped(subject)) continue;
      subjects.push_back(subject);
      calls += report.replayer.asked()[i].calls;
    }
  }

  std::vector<SubjectNumber> subjects;
  std::uint64_t calls = 0;
};

[[nodiscard]] std::string text_of_bound(const Bound& bound, std::uint64_t whole, const char* others) {
  const bool is_of_calls = bound.of == Bound::Of::calls;
  const std::string what = is_of_calls ? "calls" : "subjects";
  if (bound.count) return with_commas(bound.part_of(whole)) + " of " + with_commas(whole) + ' ' + what + others;
  return percent(bound.millionths, 1'000'000) + " of the " + what + others + " (" + with_commas(bound.part_of(whole)) +
         " of " + with_commas(whole) + ")";
}

/// Calls that a queue grants and lets wait look like granted ones, and somebody waits all the same.
void add_queue(std::string& text, const Report& report, const Tally& tally) {
  if (tally.waited() == 0) return;
  text += "        " + counted(tally.waited(), "granted call") + " of " + counted(tally.subjects_waited(), "subject") +
          " waited, up to " + text_of_length(tally.longest_queue()) + " (" +
          name_in_column(report, tally.longest_queue_subject()) + ")\n";
}

[[nodiscard]] std::string name_of_less(const Report& report, const Suggestion& one) {
  return one.hit_by_less ? name_in_column(report, *one.hit_by_less) : "";
}

void add_row(std::string& text, const Report& report, const Suggestion& one) {
  const Tally& tally = one.contender.tally;
  text += "    " + padded(one.contender.text, kNameWidth) + to_the_right(with_commas(tally.denied()), 12) +
          to_the_right(percent(tally.denied(), tally.calls()), 15) +
          to_the_right(with_commas(tally.subjects_hit()), 10) + "  ";
  if (report.bound->of == Bound::Of::subjects) text += padded(name_of_less(report, one), kNameWidth - 2);
  const std::vector<Hit> hits = tally.hardest_hit(3);
  for (const Hit& hit : hits) {
    if (&hit != hits.data()) text += ", ";
    text += name_in_column(report, hit.subject) + " (" + with_commas(hit.denied) + ")";
  }
  text += '\n';
  add_queue(text, report, tally);
}

void add_tightest(std::string& text, const Report& report) {
  const bool is_of_calls = report.bound->of == Bound::Of::calls;
  const std::uint64_t whole = is_of_calls ? report.replayer.calls() : report.names.size();
  text += "\nThe tightest limits that deny " + std::string(is_of_calls ? "at most " : "anything to at most ") +
          text_of_bound(*report.bound, whole, "") + '\n';
  if (report.suggestions.empty()) return;
  text += "    " + padded("limit", kNameWidth) + to_the_right("denied", 12) + to_the_right("", 15) +
          to_the_right("hit", 10) + "  " + (is_of_calls ? "" : padded("one less hits, too", kNameWidth - 2)) +
          "hardest hit\n";
  for (const Suggestion& one : report.suggestions) add_row(text, report, one);
  text += "  each was replayed, and so was one less of each, which denies more\n";
  const auto most = std::max_element(
      report.suggestions.begin(), report.suggestions.end(),
      [](const auto& a, const auto& b) { return a.contender.tally.subjects_hit() < b.contender.tally.subjects_hit(); });
  add_shared_subnet_of_hits(text, report, most->contender.tally);
}

void add_stopping_row(std::string& text, const Report& report, const Stopped& stopped, const Suggestion& one) {
  const Tally& tally = one.contender.tally;
  const DeniedByRole denied = denied_by_role(tally, report.roles);
  const auto near = tally.nearest(1, [&](SubjectNumber subject) { return !report.roles.is_stopped(subject); });
  const std::string nearest =
      near.empty() ? "" : name_in_column(report, near[0].subject) + " (" + with_commas(near[0].left) + ")";
  text += "    " + padded(one.contender.text, kNameWidth) + to_the_right(with_commas(denied.stopped), 12) +
          to_the_right(percent(denied.stopped, stopped.calls), 15) +
          to_the_right(percent(one.stopped_by_twice, stopped.calls), 15) +
          to_the_right(with_commas(denied.others_hit), 12) + "  " + padded(nearest, kWhoWidth) +
          name_of_less(report, one) + '\n';
  add_queue(text, report, tally);
}

void add_best(std::string& text, const Report& report, const Stopped& stopped) {
  const auto share = [&](const Suggestion& one) { return denied_by_role(one.contender.tally, report.roles).stopped; };
  const Suggestion& best =
      *std::max_element(report.suggestions.begin(), report.suggestions.end(),
                        [&](const Suggestion& a, const Suggestion& b) { return share(a) < share(b); });
  text += "  stops most: " + best.contender.text + ", " + percent(share(best), stopped.calls) + " of their calls\n";
  if (2 * share(best) >= stopped.calls) return;
  text +=
      "  that is less than half: others ask much like them. Count by another subject (--subject), or only the calls "
      "that\n"
      "  tell them apart (--where)\n";
}

void add_stopping(std::string& text, const Report& report) {
  const Stopped stopped(report);
  const Bound& bound = *report.bound;
  const std::uint64_t whole = Crowd{report.replayer.asked(), report.roles}.others(bound.of);
  text += "\nTo stop " + counted(stopped.subjects.size(), "subject") + " with " + counted(stopped.calls, "call") +
          ": the tightest limits that deny ";
  if (bound.part_of(whole) == 0) {
    text += "nobody else anything\n";
  } else {
    text += (bound.of == Bound::Of::calls ? "at most " : "anything to at most ") +
            text_of_bound(bound, whole, " of others") + '\n';
  }
  if (report.suggestions.empty()) return;
  text += "    " + padded("limit", kNameWidth) + to_the_right("stopped", 12) + to_the_right("of their calls", 15) +
          to_the_right("by twice it", 15) + to_the_right("others hit", 12) + "  " +
          padded("nearest of the others (left)", kWhoWidth) + "one less hits, too\n";
  for (const Suggestion& one : report.suggestions) add_stopping_row(text, report, stopped, one);
  text += "  each was replayed, and so was one less of each, which denies more to others\n";
  add_best(text, report, stopped);
  add_shared_subnet(text, report, stopped.subjects, "subjects to be stopped");
}

}  // namespace

void add_suggestions(std::string& text, const Report& report) {
  if (!report.bound) return;
  report.roles.count(Role::stopped) > 0 ? add_stopping(text, report) : add_tightest(text, report);
  if (!report.suggestions.empty()) return;
  text += "  none was found: a larger share, or other lengths of time (--span), may have some\n";
}

}  // namespace ratelimit::replay
