// SPDX-License-Identifier: MIT
#include "replay/intake.h"

#include <chrono>

#include "ratelimit/units.h"
#include "replay/numbers.h"

namespace ratelimit::replay {

std::optional<Call> Intake::take(std::string_view line, LineCounts& counts) {
  ++counts.lines;
  ++lines_;
  std::optional<Call> call;
  const Line result = read(line, counts, call);
  if (result == Line::call) {
    ++(call ? counts.calls : counts.left_out);
  } else if (result != Line::no_call) {
    ++counts.malformed;
    if (counts.first.size() < LineCounts::kShown) counts.first.push_back(malformed(line, result));
  }
  return call;
}

Malformed Intake::malformed(std::string_view line, Line reason) const {
  return {
      .file = file_, .line = lines_, .reason = reason, .begin = std::string(line.substr(0, Malformed::kBeginBytes))};
}

std::optional<Units> Intake::cost_of(const Entry& entry) const {
  const Wanted& wanted = recipe_.wanted;
  if (!wanted.cost || (wanted.may_lack_cost && !entry.has(*wanted.cost))) return kMinUnits;
  return parse_cost(entry.values[*wanted.cost]);
}

bool Intake::is_wanted(LineCounts& counts) const {
  counts.left_out_by.resize(recipe_.conditions.size());
  bool is_wanted = true;
  for (std::size_t i = 0; i < recipe_.conditions.size(); ++i) {
    if (recipe_.conditions[i].holds(entry_)) continue;
    ++counts.left_out_by[i];
    is_wanted = false;
  }
  return is_wanted;
}

SubjectNumber Intake::prefix_of_call() {
  constexpr std::size_t kMostBytes = 100;
  constexpr std::size_t kMost = 4096;
  if (!recipe_.prefix) return kNoPrefix;
  const std::optional<std::string_view> prefix = recipe_.prefix->of(entry_, storage_);
  if (!prefix) return kNoPrefix;
  const std::string_view begin = prefix->substr(0, kMostBytes);
  return prefixes_->size() < kMost ? prefixes_->number_of(begin) : prefixes_->find(begin).value_or(kNoPrefix);
}

Line Intake::read(std::string_view line, LineCounts& counts, std::optional<Call>& call) {
  if (line.size() > kMaxLineBytes) return Line::too_long;
  if (const Line result = reader_->read(line, entry_); result != Line::call) return result;
  if (!is_in_time()) {
    ++counts.outside;
    return Line::no_call;
  }
  if (!is_wanted(counts)) return Line::call;
  const std::optional<std::string_view> subject = recipe_.subject.of(entry_, storage_);
  if (!subject) return Line::no_field;
  if (subject->size() > kMaxSubjectBytes) return Line::long_subject;
  const std::optional<Units> cost = cost_of(entry_);
  if (!cost) return entry_.has(*recipe_.wanted.cost) ? Line::no_cost : Line::no_field;
  counts.have_fractions = counts.have_fractions || entry_.at != std::chrono::floor<std::chrono::seconds>(entry_.at);
  const SubjectNumber number = names_.number_of(*subject);
  call = Call{.at = entry_.at,
              .cost = *cost,
              .line = counts.lines,
              .subject = number,
              .prefix = prefixes_ != nullptr ? prefix_of_call() : kNoPrefix};
  return Line::call;
}

}  // namespace ratelimit::replay
