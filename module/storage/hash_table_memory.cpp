// SPDX-License-Identifier: MIT
// How much memory a hash table takes. Subjects change in place, where the table does not see it: so it has to look.
#include <algorithm>
#include <cstddef>

#include "ratelimit/reservations.h"
#include "storage/directory.h"
#include "storage/hash_table.h"
#include "storage/segment.h"
#include "storage/subject.h"
#include "storage/value.h"

namespace ratelimit {
namespace {

using Allocated = std::size_t (*)(const void*);

/// Bytes that a subject has outside of its segment.
std::size_t bytes_of(const Segment& segment, std::size_t at, Allocated allocated) {
  const Subject subject = segment.subject(at);
  const Reservations* const reservations = subject.reservations();
  const std::size_t behind = bytes_behind(subject.limits(), subject.cells(), reservations);
  if (!segment.is_out_of_line(at)) return behind;
  return allocated(segment.value(at)) + (reservations != nullptr ? allocated(reservations) : 0) +
         subject.shared_limits().bytes(allocated) + behind;
}

std::size_t bytes_of_owners(const Segment& segment, Allocated allocated) {
  const bool are_all_owners = segment.owners() == segment.size();
  std::size_t bytes = 0;
  for (std::size_t at = 0; at < segment.slots(); ++at) {
    if (segment.is_taken(at) && (are_all_owners || segment.is_out_of_line(at)))
      bytes += bytes_of(segment, at, allocated);
  }
  return bytes;
}

std::size_t pieces_of(const Segment& segment, std::size_t at) {
  if (segment.is_out_of_line(at)) return segment.value(at)->memory_pieces();
  const Subject subject = segment.subject(at);
  return pieces_behind(subject.limits(), subject.cells(), nullptr);
}

}  // namespace

std::size_t HashTable::bytes_outside(Allocated allocated) const {
  // Each of these costs up to half a microsecond, most of which is waiting for memory.
  constexpr std::size_t kMostSegments = 4096;
  constexpr std::size_t kMostOwners = 10'000;
  std::size_t bytes = 0;
  std::size_t owners = 0;
  directory_.for_some(kMostSegments, [&](const Segment& segment, std::size_t weight) {
    bytes += weight * segment.limits().bytes(allocated);
    owners += segment.owners();
  });
  const std::size_t step = owners / kMostOwners + 1;
  std::size_t seen = 0;
  std::size_t seen_bytes = 0;
  std::size_t seen_owners = 0;
  std::size_t all_owners = 0;
  directory_.for_some(kMostSegments, [&](const Segment& segment, std::size_t weight) {
    if (segment.owners() == 0) return;
    all_owners += weight * segment.owners();
    if (seen++ % step != 0) return;
    seen_bytes += weight * bytes_of_owners(segment, allocated);
    seen_owners += weight * segment.owners();
  });
  if (seen_owners == 0) return bytes;
  __extension__ using Wide = unsigned __int128;
  return bytes + static_cast<std::size_t>(Wide{seen_bytes} * all_owners / seen_owners);
}

std::size_t HashTable::pieces() const {
  constexpr std::size_t kEntries = 16;
  constexpr std::size_t kSlots = 32;
  std::size_t sum = 0;
  std::size_t subjects = 0;
  const std::size_t next_entry = std::max<std::size_t>(1, directory_.entries() / kEntries);
  for (std::size_t i = 0; i < directory_.entries(); i += next_entry) {
    const Segment& segment = directory_.entry(i);
    const std::size_t next_slot = std::max<std::size_t>(1, segment.slots() / kSlots);
    for (std::size_t at = 0; at < segment.slots(); at += next_slot) {
      if (!segment.is_taken(at)) continue;
      sum += pieces_of(segment, at);
      ++subjects;
    }
  }
  return 1 + directory_.segments() + (subjects == 0 ? 0 : sum * size_ / subjects);
}

}  // namespace ratelimit
