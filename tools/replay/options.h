// SPDX-License-Identifier: MIT
// The command line of ratelimit-replay.
#ifndef RATELIMIT_TOOLS_REPLAY_OPTIONS_H
#define RATELIMIT_TOOLS_REPLAY_OPTIONS_H

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ratelimit/algorithms/zone.h"
#include "ratelimit/units.h"
#include "replay/intake.h"
#include "replay/log_reader.h"
#include "replay/pattern.h"
#include "replay/replayer.h"
#include "replay/suggest.h"

namespace ratelimit::replay {

/// Limits of their own for the subjects that are like a pattern, as RL.DEFINE ... FOR gives them to one.
struct Exception {
  static constexpr std::size_t kMost = 100;

  Pattern pattern;
  std::string limits;
};

struct Options {
  std::vector<std::string> files;
  std::vector<std::string> limits;
  std::optional<Format> format;
  std::string subject;  ///< empty: the usual one of the format
  std::string cost;     ///< empty: each call costs 1
  std::string time;     ///< empty: the usual names
  std::vector<std::string> conditions;
  std::vector<Pattern> stop;   ///< subjects that shall be stopped
  std::vector<Pattern> spare;  ///< subjects that must not be denied anything
  std::vector<Exception> exceptions;
  std::optional<Instant> from;
  std::optional<Instant> to;
  Span disorder = std::chrono::seconds{10};
  std::optional<Bound> bound;  ///< of the search; none: there is no search
  std::vector<Span> spans{std::chrono::seconds{10}, std::chrono::minutes{1}, std::chrono::hours{1}};
  std::size_t top = 5;
  bool wants_plot = false;
  bool wants_json = false;
  std::string svg;      ///< a file; empty: none
  std::string answers;  ///< a file; empty: none
  bool wants_help = false;
  bool wants_version = false;

  /// Whether there is nothing to try: then the report says who asked most.
  [[nodiscard]] bool wants_busiest() const { return limits.empty() && !bound; }
};

/// What is wrong, and what to write instead.
struct Complaint {
  std::string text;
};

[[nodiscard]] std::variant<Options, Complaint> parse_options(std::span<const std::string_view> words);

/// The contenders of the options; each text is read by the module's own parser.
[[nodiscard]] std::variant<std::vector<Contender>, Complaint> make_contenders(const Options& options,
                                                                              FindZone find_zone);

/// What to make of a log of this format.
[[nodiscard]] std::variant<Recipe, Complaint> make_recipe(const Options& options, Format format);

/// The text of --help.
[[nodiscard]] std::string_view help();

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_OPTIONS_H
