// SPDX-License-Identifier: MIT
#include "storage/history.h"

namespace ratelimit {

void History::note_denial(const Caller& caller, std::string_view label, Span wait, const HistoryBounds& bounds) {
  const bool is_key_itself = caller.subject.empty();
  const std::uint64_t hash = is_key_itself ? kHashOfKey : caller.hash.word();
  log.note({.hash = hash, .subject = caller.subject, .label = label, .at = caller.at, .wait = wait},
           static_cast<std::size_t>(bounds.log_length));
  if (!is_key_itself) most_denied.note(hash, caller.subject, caller.at, static_cast<std::size_t>(bounds.top_size));
}

void History::note_near(const Caller& caller, const HistoryBounds& bounds) {
  if (caller.subject.empty()) return;
  most_near.note(caller.hash.word(), caller.subject, caller.at, static_cast<std::size_t>(bounds.top_size));
}

}  // namespace ratelimit
