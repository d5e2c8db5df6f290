// SPDX-License-Identifier: MIT
// The result for people, as text; for programs, as JSON; and the course over time, in a terminal and as SVG. All of it is
// made of the same numbers. Nothing here writes anywhere. Depends on the replayer.
#ifndef RATELIMIT_TOOLS_REPLAY_REPORT_H
#define RATELIMIT_TOOLS_REPLAY_REPORT_H

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ratelimit/units.h"
#include "replay/busiest.h"
#include "replay/intake.h"
#include "replay/log_reader.h"
#include "replay/replayer.h"
#include "replay/roles.h"
#include "replay/subject_names.h"
#include "replay/suggest.h"

namespace ratelimit::replay {

/// All that a report says.
struct Report {
  std::string source;  ///< the name of the first file, and how many more there are
  bool has_several_files = false;
  std::string format;             ///< of their lines
  std::string subject;            ///< the expression
  bool has_usual_subnet = false;  ///< of IPv6, its usual subnet counts
  std::string cost;               ///< the field; empty if each call costs 1
  Span disorder{};
  std::span<const std::string> conditions{};  ///< of --where, as the user wrote them
  std::size_t top = 5;                        ///< so many of the hardest hit
  bool is_cut_short = false;                  ///< the user ended it, or a file could not be read to its end
  const LineCounts& lines;
  const SubjectNames& names;
  const Replayer& replayer;
  std::optional<Bound> bound{};  ///< of the search, if there was one
  std::span<const Suggestion> suggestions{};
  const Roles& roles;
  const Busiest* busiest = nullptr;  ///< if there was no limit and no search
};

[[nodiscard]] std::string text_of(const Report& report);
/// `line 3: no time that can be read: never,ada`; with the file's name if there are several.
[[nodiscard]] std::string text_of(const Malformed& line, bool names_file);
[[nodiscard]] std::string json_of(const Report& report);
/// Columns of blocks, at most `width` wide: what was granted, and what was denied.
[[nodiscard]] std::string plot_of(const Contender& contender, std::size_t width);
[[nodiscard]] std::string svg_of(const Report& report);

/// A text that a log or the user brought, so that no terminal takes it for anything else: bytes that are not printable
/// ASCII become \xHH.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_REPORT_H
