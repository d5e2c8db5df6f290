// SPDX-License-Identifier: MIT
#include "keyspace/sweep_step.h"

#include "keyspace/key_session.h"
#include "keyspace/module.h"

namespace ratelimit {

std::optional<BackgroundSweep::Found> sweep_step(server::Context context, const std::string& name) {
  const CallContext call{context, module(), module().clock.now()};
  const server::OwnText text(context, name);
  KeySession session(call, text.text(), KeySession::Access::quiet_write);
  SubjectTable* const table = session.key().stored().subject_table();
  if (table == nullptr) return std::nullopt;
  const bool may_change = context.may_change_keys();
  HashTable& subjects = table->hash_table();
  const HashRange next = subjects.range_from(table->next_to_sweep, BackgroundSweep::kSubjectsAStep);
  const std::optional<HashRange> range = subjects.catch_up(next, BackgroundSweep::kWorkAStep);
  if (range) session.sweep(*range, may_change);
  const bool is_last = range && range->last == SubjectHash::largest();
  if (range) table->next_to_sweep = is_last ? SubjectHash::smallest() : range->last.next();
  const BackgroundSweep::Found found{
      .subjects = subjects.size(), .has_pending_changes = subjects.has_pending_changes(), .is_end_of_table = is_last};
  if (is_last && may_change) session.remove_if_idle();
  return found;
}

}  // namespace ratelimit
