// SPDX-License-Identifier: MIT
#include "storage/redefinitions.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ratelimit/carried_states.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/states.h"
#include "storage/subject.h"

namespace ratelimit {

void Redefinitions::add(SharedLimits limits, Instant at, ZonedEnds ends, std::size_t segments) {
  std::size_t up_to_date = segments;
  for (const Redefinition& before : pending_) up_to_date -= before.behind;
  pending_.push_back({std::move(limits), at, std::move(ends), up_to_date});
  ++version_;
}

void Redefinitions::note_discarded(const Segment& segment) {
  const std::size_t missed = missed_by(segment).size();
  if (missed > 0) --pending_[pending_.size() - missed].behind;
}

void Redefinitions::note_placed(const Segment& segment) {
  const std::size_t missed = missed_by(segment).size();
  if (missed > 0) ++pending_[pending_.size() - missed].behind;
  const auto first =
      std::find_if(pending_.begin(), pending_.end(), [](const Redefinition& next) { return next.behind > 0; });
  pending_.erase(pending_.begin(), first);
}

bool Redefinitions::is_valid(std::span<const std::size_t> behind) const {
  return (pending_.empty() || pending_.front().behind > 0) &&
         std::equal(behind.begin(), behind.end(), pending_.begin(), pending_.end(),
                    [](std::size_t count, const Redefinition& r) { return count == r.behind; });
}

Value::Pointer redefined(Value::Pointer value, std::span<const Redefinition> missed) {
  for (const Redefinition& redefinition : missed) {
    const Subject subject = value->subject();
    if (subject.any_hold_ended(redefinition.at)) {
      subject.perform({.kind = Operation::Kind::collect, .at = redefinition.at});
    }
    value = carry_over(subject, redefinition.limits, redefinition.at);
    tell_ends(value->limits(), value->cells(), redefinition.at, redefinition.ends);
  }
  return value;
}

// The states go to and fro between two arrays on the stack; the last of these is what the run takes.
void add_redefined(SortedRun& run, const Segment& segment, std::size_t at, std::span<const Redefinition> missed) {
  const Limits* limits = &*segment.limits();
  std::span<Cell> cells = segment.cells(at);
  std::array<std::array<Cell, kMaxLimits>, 2> made;
  for (const Redefinition& redefinition : missed) {
    std::array<Cell, kMaxLimits>& other = cells.data() == made[0].data() ? made[1] : made[0];
    const std::span<Cell> next = std::span(other).first(redefinition.limits->size());
    construct_idle(*redefinition.limits, next);
    CarriedStates(*limits, cells, *redefinition.limits, redefinition.at).move_into(next);
    tell_ends(*redefinition.limits, next, redefinition.at, redefinition.ends);
    destroy(*limits, cells);
    limits = &*redefinition.limits;
    cells = next;
  }
  run.add(segment.hash(at), cells);
}

}  // namespace ratelimit
