// SPDX-License-Identifier: MIT
#include "storage/hash_table.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "ratelimit/states.h"

namespace ratelimit {
namespace {

/// A value that takes over the states of a slot. The slot holds nothing then.
Value::Pointer taken_out(const SharedLimits& limits, std::span<const Cell> cells) {
  Value::Pointer value = Value::create(limits);
  // A slot has a cell even if there are no limits.
  std::memcpy(value->cells().data(), cells.data(), value->cells().size_bytes());
  return value;
}

/// Whether a subject must be out of line, whatever its limits are.
bool must_be_out_of_line(const Subject& subject) { return subject.is_reserved() || subject.has_several_lists(); }

/// Calls `visit(limits, count)` for the limits of all subjects but those that must be out of line.
template <class Visit>
void for_each_limits(std::span<const Segment> segments, Visit visit) {
  for (const Segment& segment : segments) {
    if (segment.size() > segment.out_of_line()) visit(segment.limits(), segment.size() - segment.out_of_line());
    for (std::size_t at = 0; segment.out_of_line() > 0 && at < segment.slots(); ++at) {
      if (!segment.is_out_of_line(at) || must_be_out_of_line(segment.subject(at))) continue;
      visit(segment.value(at)->shared_limits(), 1);
    }
  }
}

/// How many of these subjects have `limits`.
std::size_t count_with(std::span<const Segment> segments, const SharedLimits& limits) {
  std::size_t count = 0;
  for_each_limits(segments, [&](const SharedLimits& others, std::size_t weight) {
    if (limits && &*others == &*limits) count += weight;
  });
  return count;
}

}  // namespace

// ---- Subjects

Segment HashTable::with_room(SubjectHash hash, const SharedLimits& limits) {
  const Segment segment = up_to_date(hash);
  if (segment.size() == 0 && (!segment.limits() || &*segment.limits() != &*limits)) {
    const unsigned depth = segment.depth();
    discard(segment);
    place(SortedRun(limits, 0), 0, 0, {hash, depth, redefinitions_.version()});
  } else if (segment.is_full()) {
    rebuild(hash, segment.depth());
  }
  return directory_.at(hash);
}

// The limits come by value: a reference to those of a subject in the table would dangle once its segment is rebuilt.
Subject HashTable::insert(SubjectHash hash, SharedLimits limits) {
  const Segment segment = with_room(hash, limits);
  const std::size_t at = segment.open(hash);
  if (&*segment.limits() == &*limits) {
    segment.put_idle(at);
  } else {
    segment.put(at, Value::create(std::move(limits)));
  }
  size_ += 1;
  return segment.subject(at);
}

Subject HashTable::put(SubjectHash hash, Value::Pointer value) {
  Segment segment = up_to_date(hash);
  std::optional<std::size_t> at = segment.find(hash);
  if (at) {
    segment.end(*at);
  } else {
    segment = with_room(hash, value->shared_limits());
    at = segment.open(hash);
    size_ += 1;
  }
  segment.put(*at, std::move(value));
  return segment.subject(*at);
}

bool HashTable::put_new(std::span<Entry> entries) {
  // In ascending order the first few of many subjects are close together: a segment may grow to some megabytes until there
  // are enough subjects for it to be split.
  constexpr std::size_t kMostBytes = 1024 * Segment::kLargestBytes;
  while (!entries.empty()) {
    const HashRange range = directory_.range_at(entries.front().hash);
    const auto end =
        std::find_if(entries.begin(), entries.end(), [&range](const Entry& entry) { return entry.hash > range.last; });
    const auto count = static_cast<std::size_t>(end - entries.begin());
    add_to_segment(entries.first(count));
    if (directory_.at(range.first).bytes() > kMostBytes) return false;
    entries = entries.subspan(count);
  }
  return true;
}

/// Rebuilds a segment with subjects that were not in it.
void HashTable::add_to_segment(std::span<Entry> entries) {
  const SubjectHash hash = entries.front().hash;
  const Segment segment = up_to_date(hash);
  const unsigned depth = segment.depth();
  SortedRun run(segment.size() > 0 ? segment.limits() : entries.front().value->shared_limits(),
                segment.size() + entries.size());
  auto next = entries.begin();
  for (std::size_t at = 0; at < segment.slots(); ++at) {
    if (!segment.is_taken(at)) continue;
    for (; next != entries.end() && next->hash < segment.hash(at); ++next) {
      run.add(next->hash, std::move(next->value));
    }
    if (segment.is_out_of_line(at)) {
      run.add(segment.hash(at), Value::Pointer(segment.value(at)));
    } else {
      run.add(segment.hash(at), segment.cells(at));
    }
  }
  for (; next != entries.end(); ++next) run.add(next->hash, std::move(next->value));
  discard(segment);
  size_ += entries.size();
  place(run, 0, run.size(), {hash, depth, redefinitions_.version()});
}

bool HashTable::spread() {
  constexpr std::size_t kMostBytes = 64 * Segment::kLargestBytes;
  for (SubjectHash from = SubjectHash::smallest();; from = directory_.range_at(from).last.next()) {
    if (directory_.at(from).bytes() > Segment::kLargestBytes) rebuild(from, directory_.at(from).depth());
    if (directory_.at(from).bytes() > kMostBytes) return false;
    if (directory_.range_at(from).last == SubjectHash::largest()) return true;
  }
}

std::optional<HashRange> HashTable::crowded(SubjectHash hash) const {
  if (!directory_.at(hash).is_full()) return std::nullopt;
  return directory_.range_at(hash);
}

// ---- Segments

/// Makes new segments of those whose subjects share the first `depth` bits of `hash`: they have seen all redefinitions, are
/// of the right size, and have the limits of most subjects.
void HashTable::rebuild(SubjectHash hash, unsigned depth) {
  const std::vector<Segment> segments = directory_.segments_in(range_of(hash, depth));
  std::size_t subjects = 0;
  for (const Segment& segment : segments) subjects += segment.size();
  SortedRun run(limits_for(segments), subjects);
  for (const Segment& segment : segments) {
    move_into(run, segment, redefinitions_.missed_by(segment));
    discard(segment);
  }
  place(run, 0, run.size(), {hash, depth, redefinitions_.version()});
}

/// The limits that a new segment should have: those of most subjects, so that as few as possible are out of line.
SharedLimits HashTable::limits_for(std::span<const Segment> segments) const {
  for (const Segment& segment : segments) {
    const std::span<const Redefinition> missed = redefinitions_.missed_by(segment);
    if (!missed.empty()) return missed.back().limits;
  }
  const Segment* largest = &segments.front();
  for (const Segment& segment : segments) {
    if (segment.size() - segment.out_of_line() > largest->size() - largest->out_of_line()) largest = &segment;
  }
  // The majority vote of Boyer and Moore: only the limits that are left can have a majority. If they have none, the limits
  // stay what they are, so that they do not change to and fro.
  const SharedLimits* chosen = &largest->limits();
  std::size_t votes = 0;
  for_each_limits(segments, [&](const SharedLimits& limits, std::size_t weight) {
    if (&*limits == &**chosen) {
      votes += weight;
    } else if (votes >= weight) {
      votes -= weight;
    } else {
      chosen = &limits;
      votes = weight - votes;
    }
  });
  return count_with(segments, *chosen) > count_with(segments, largest->limits()) ? *chosen : largest->limits();
}

/// Moves all subjects of a segment into a run, after the changes that it has missed.
void HashTable::move_into(SortedRun& run, const Segment& segment, std::span<const Redefinition> missed) {
  if (segment.size() == 0) return;
  const bool are_alike = segment.out_of_line() == 0 && &*segment.limits() == &*run.limits();
  if (missed.empty() && are_alike) return segment.move_all_into(run);
  for (std::size_t at = 0; at < segment.slots(); ++at) {
    if (!segment.is_taken(at)) continue;
    if (segment.is_out_of_line(at)) {
      run.add(segment.hash(at), redefined(Value::Pointer(segment.value(at)), missed));
    } else if (!missed.empty()) {
      add_redefined(run, segment, at, missed);
    } else if (&*segment.limits() == &*run.limits()) {
      run.add(segment.hash(at), segment.cells(at));
    } else {
      run.add(segment.hash(at), taken_out(segment.limits(), segment.cells(at)));
    }
  }
}

/// Frees a segment whose subjects were moved out of it. Another one must be placed before anything is looked for.
void HashTable::discard(const Segment& segment) {
  redefinitions_.note_discarded(segment);
  directory_.discard(segment);
}

/// Makes segments of a part of a run and puts them into the directory.
void HashTable::place(const SortedRun& run, std::size_t first, std::size_t last, const Place& where) {
  const auto& [hash, depth, version] = where;
  if (Segment::bytes_for(last - first, run.cells()) > Segment::kLargestBytes && depth < most_depth()) {
    const std::uint64_t bit = std::uint64_t{1} << (63 - depth);
    const std::uint64_t prefix = hash.word() & ~(bit - 1);
    const SubjectHash right = SubjectHash::of(prefix | bit);
    const std::size_t middle = std::clamp(run.find(right), first, last);
    place(run, first, middle, {SubjectHash::of(prefix & ~bit), depth + 1, version});
    place(run, middle, last, {right, depth + 1, version});
    return;
  }
  const Segment segment = Segment::create(run, first, last, depth, version);
  directory_.put(hash, segment);
  redefinitions_.note_placed(segment);
}

/// How deep a segment may be. Segments of 32 subjects are about the smallest that a split makes if hashes are spread evenly;
/// two bits more than these would need are allowed.
unsigned HashTable::most_depth() const { return static_cast<unsigned>(std::bit_width(size_ / 32)) + 2; }

// ---- The background sweep

HashRange HashTable::range_from(SubjectHash first, std::size_t subjects) const {
  // Each segment is some work, however few subjects it has.
  constexpr std::size_t kLeast = 64;
  SubjectHash last = first;
  for (std::size_t found = 0;; last = last.next()) {
    found += std::max(directory_.at(last).size(), kLeast);
    last = directory_.range_at(last).last;
    if (found >= subjects || last == SubjectHash::largest()) return {first, last};
  }
}

std::size_t HashTable::sweep(const HashRange& range, std::optional<Instant> forget_idle_at, const Leave& leave) {
  std::size_t forgotten = 0;
  for (SubjectHash from = range.first;; from = from.next()) {
    up_to_date(from);
    const HashRange part{from, std::min(directory_.range_at(from).last, range.last)};
    if (forget_idle_at) forgotten += forget_idle(part, *forget_idle_at, leave);
    compact(from);
    from = part.last;
    if (from >= range.last) break;
  }
  directory_.shrink();
  return forgotten;
}

/// Forgets the idle subjects in a part of one segment. Returns how many there were.
std::size_t HashTable::forget_idle(const HashRange& part, Instant at, const Leave& leave) {
  const Segment segment = directory_.at(part.first);
  std::size_t forgotten = 0;
  for (std::size_t i = 0; i < segment.slots(); ++i) {
    if (!segment.is_taken(i) || !part.contains(segment.hash(i)) || segment.subject(i).idle_at() > at) continue;
    if (leave) leave(segment.subject(i));
    segment.end(i);
    segment.leave(i);
    ++forgotten;
  }
  size_ -= forgotten;
  if (forgotten > 0) rebuild(part.first, segment.depth());
  return forgotten;
}

bool HashTable::remove(SubjectHash hash) {
  const Segment segment = up_to_date(hash);
  const std::optional<std::size_t> at = segment.find(hash);
  if (!at) return false;
  segment.end(*at);
  segment.leave(*at);
  size_ -= 1;
  rebuild(hash, segment.depth());
  return true;
}

void HashTable::compact(SubjectHash hash) {
  const Segment& segment = directory_.at(hash);
  if (segment.is_too_large() || needs_compaction(segment)) rebuild(hash, segment.depth());
  while (merge(hash)) {
  }
}

/// Whether fewer subjects would be out of line after a rebuild.
bool HashTable::needs_compaction(const Segment& segment) const {
  if (segment.out_of_line() == 0) return false;
  const SharedLimits limits = limits_for({&segment, 1});
  return count_with({&segment, 1}, limits) > segment.size() - segment.out_of_line();
}

/// Merges two segments that a split made, unless the result would soon be split again, or the first has not seen all
/// changes. `hash` must be in the second of the two: a sweep has seen the first by then.
bool HashTable::merge(SubjectHash hash) {
  constexpr std::size_t kLargestBytes = Segment::kLargestBytes / 8 * 5;
  const unsigned depth = directory_.at(hash).depth();
  if (depth == 0) return false;
  const std::uint64_t bit = std::uint64_t{1} << (64 - depth);
  if ((hash.word() & bit) == 0) return false;
  const Segment& first = directory_.at(SubjectHash::of(hash.word() & ~bit));
  const Segment& second = directory_.at(hash);
  const std::size_t cells = std::max(first.cells_per_slot(), second.cells_per_slot());
  if (first.version() != second.version() || first.depth() != depth ||
      Segment::bytes_for(first.size() + second.size(), cells) > kLargestBytes)
    return false;
  rebuild(hash, depth - 1);
  return true;
}

bool HashTable::is_valid() const {
  std::size_t subjects = 0;
  bool is_too_far_behind = false;
  std::vector<std::size_t> behind(redefinitions_.size());
  directory_.for_each([&](const Segment& segment) {
    subjects += segment.size();
    const std::size_t missed = static_cast<std::uint16_t>(redefinitions_.version() - segment.version());
    if (missed > behind.size()) is_too_far_behind = true;
    if (missed > 0 && missed <= behind.size()) ++behind[behind.size() - missed];
  });
  return directory_.is_valid() && subjects == size_ && !is_too_far_behind && redefinitions_.is_valid(behind);
}

}  // namespace ratelimit
