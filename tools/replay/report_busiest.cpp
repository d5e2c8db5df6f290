// SPDX-License-Identifier: MIT
// Who asked most, for people.
#include <string>

#include "replay/columns.h"
#include "replay/numbers.h"
#include "replay/report.h"
#include "replay/report_parts.h"
#include "replay/shared_subnet.h"
#include "replay/time_text.h"

namespace ratelimit::replay {
namespace {

constexpr std::size_t kMinuteWidth = 34;

void add_busy(std::string& text, const Report& report, const Busy& busy, bool has_subjects) {
  text += "    " + padded(shortened(printable(busy.name)), kNameWidth);
  if (has_subjects) text += to_the_right(with_commas(busy.subjects), 12);
  text += to_the_right(with_commas(busy.calls), 12) + to_the_right(percent(busy.calls, report.replayer.calls()), 10);
  text +=
      padded(to_the_right(with_commas(busy.calls_of_minute), 10) + " at " + text_of_instant(busy.minute), kMinuteWidth);
  if (!busy.prefix.empty()) {
    text += "  " + shortened(printable(busy.prefix)) + " (" + percent(busy.calls_of_prefix, busy.calls) + ")";
  }
  text += '\n';
}

}  // namespace

void add_busiest(std::string& text, const Report& report) {
  if (!report.busiest) return;
  text += "\nThe busiest subjects\n    " + padded("subject", kNameWidth) + to_the_right("calls", 12) +
          to_the_right("", 10) + padded("    busiest minute", kMinuteWidth) + "  mostly\n";
  for (const Busy& busy : report.busiest->subjects) add_busy(text, report, busy, false);
  if (!report.busiest->subnets.empty()) {
    text += "The busiest subnets of several subjects\n    " + padded("subnet", kNameWidth) +
            to_the_right("subjects", 12) + to_the_right("calls", 12) + to_the_right("", 10) +
            padded("    busiest minute", kMinuteWidth) + "  mostly\n";
    for (const Busy& busy : report.busiest->subnets) add_busy(text, report, busy, true);
  }
  text +=
      "\nTry a limit with --limit \"TOKENBUCKET 20 10 1s\", or search one: --suggest \"0.5% of subjects\", or, if you "
      "know\n"
      "whom it shall stop, --stop PATTERN, such as --stop 203.0.113.0/24\n";
}

void add_shared_subnet(std::string& text, const Report& report, const std::vector<SubjectNumber>& subjects,
                       const char* which) {
  const std::optional<Group> group = shared_subnet(subjects, report.names);
  if (!group) return;
  text += "  " + with_commas(group->subjects.size()) + " of the " + with_commas(subjects.size()) + ' ' + which +
          " are in " + text_of(group->subnet);
  if (report.subject.find('+') == std::string::npos) {
    const std::string field = report.subject.substr(0, report.subject.find('/'));
    text += ": try --subject " + printable(field) + (group->subnet.address.is_v6 ? "/24,48" : "/24");
  }
  text += '\n';
}

void add_shared_subnet_of_hits(std::string& text, const Report& report, const Tally& tally) {
  std::vector<SubjectNumber> subjects;
  for (const Hit& hit : tally.hits()) subjects.push_back(hit.subject);
  add_shared_subnet(text, report, subjects, "subjects hit");
}

std::string name_in_column(const Report& report, SubjectNumber subject) {
  return shortened(printable(report.names[subject]));
}

}  // namespace ratelimit::replay
