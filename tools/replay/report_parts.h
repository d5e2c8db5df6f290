// SPDX-License-Identifier: MIT
// Parts of the report for people that have files of their own.
#ifndef RATELIMIT_TOOLS_REPLAY_REPORT_PARTS_H
#define RATELIMIT_TOOLS_REPLAY_REPORT_PARTS_H

#include <string>
#include <vector>

#include "replay/report.h"
#include "replay/subject_names.h"

namespace ratelimit::replay {

/// What the search found, if there was one.
void add_suggestions(std::string& text, const Report& report);
/// Who asked most, if no limit was tried.
void add_busiest(std::string& text, const Report& report);
/// Says that most of these subjects share a subnet, if they do, and how to count them together. `which` says who they are:
/// `subjects hit`.
void add_shared_subnet(std::string& text, const Report& report, const std::vector<SubjectNumber>& subjects,
                       const char* which);
/// The same of the subjects that a limit denies something.
void add_shared_subnet_of_hits(std::string& text, const Report& report, const Tally& tally);
/// The name of a subject, as a column has it.
[[nodiscard]] std::string name_in_column(const Report& report, SubjectNumber subject);

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_REPORT_PARTS_H
