// SPDX-License-Identifier: MIT
// From a line to a call: reads it, leaves out what does not count, names the subject and the cost; counts what it could
// not read. Depends on readers, subjects and calls.
#ifndef RATELIMIT_TOOLS_REPLAY_INTAKE_H
#define RATELIMIT_TOOLS_REPLAY_INTAKE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "replay/call.h"
#include "replay/condition.h"
#include "replay/entry.h"
#include "replay/log_reader.h"
#include "replay/subject.h"
#include "replay/subject_names.h"

namespace ratelimit::replay {

/// What to make of a log: which fields, and how they become a subject and a cost.
struct Recipe {
  Wanted wanted;
  SubjectExpression subject;
  std::vector<Condition> conditions{};
  std::optional<SubjectExpression> prefix{};  ///< the begin of the path, if it is wanted and the log may have one
  std::optional<Instant> from{};              ///< calls before it are not wanted
  std::optional<Instant> to{};                ///< nor those from it on
};

struct Malformed {
  static constexpr std::size_t kBeginBytes = 80;

  std::string file;
  std::uint64_t line = 0;  ///< of the file, from 1 on
  Line reason = Line::no_time;
  std::string begin;  ///< the first bytes of the line, at most kBeginBytes
};

/// What became of the lines of all files.
struct LineCounts {
  static constexpr std::size_t kShown = 5;

  std::uint64_t lines = 0;
  std::uint64_t calls = 0;
  std::uint64_t left_out = 0;              ///< calls for which a condition does not hold
  std::vector<std::uint64_t> left_out_by;  ///< for each condition, the calls for which it does not hold
  std::uint64_t outside = 0;               ///< calls before --from, or from --to on
  std::uint64_t malformed = 0;
  std::vector<Malformed> first;  ///< of those that are malformed
  bool have_fractions = false;   ///< some time is not a whole second
};

/// Takes in the lines of one file.
class Intake {
 public:
  /// `recipe` must outlive the intake.
  Intake(std::string file, Format format, const Recipe& recipe, SubjectNames& names, SubjectNames* prefixes = nullptr)
      : file_(std::move(file)),
        recipe_(recipe),
        reader_(make_reader(format, recipe.wanted)),
        names_(names),
        prefixes_(prefixes) {}

  /// The call of a line, which is the next of `counts`; none if the line has none.
  [[nodiscard]] std::optional<Call> take(std::string_view line, LineCounts& counts);

 private:
  [[nodiscard]] Line read(std::string_view line, LineCounts& counts, std::optional<Call>& call);
  /// Whether all conditions hold. Each is asked, so that its count does not depend on those before it.
  [[nodiscard]] bool is_wanted(LineCounts& counts) const;
  [[nodiscard]] bool is_in_time() const {
    return (!recipe_.from || *recipe_.from <= entry_.at) && (!recipe_.to || entry_.at < *recipe_.to);
  }
  /// The number of the begin of the path; kNoPrefix if there is none, and of more different ones than anybody reads.
  [[nodiscard]] SubjectNumber prefix_of_call();
  /// None if the log says no cost that can be read.
  [[nodiscard]] std::optional<Units> cost_of(const Entry& entry) const;
  [[nodiscard]] Malformed malformed(std::string_view line, Line reason) const;

  std::string file_;
  std::uint64_t lines_ = 0;
  const Recipe& recipe_;
  std::unique_ptr<LogReader> reader_;
  SubjectNames& names_;
  SubjectNames* prefixes_;
  Entry entry_;
  std::string storage_;
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_INTAKE_H
