#include "storage/hash_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <utility>

#include "ratelimit/carried_states.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"

namespace ratelimit {
namespace {

/// A subject with its states out of a slot, in which nothing is then.
Value::Pointer taken_out(const SharedLimits& limits, std::span<const Cell> cells) {
  Value::Pointer value = Value::create(limits);
  std::memcpy(value->cells().data(), cells.data(), cells.size_bytes());
  return value;
}

/// Bytes that a subject has outside of its segment.
std::size_t bytes_outside(const Segment& segment, std::size_t at) {
  const Subject subject = segment.subject(at);
  const std::size_t behind = bytes_behind(subject.limits(), subject.cells(), subject.reservations());
  if (!segment.is_out_of_line(at)) return behind;
  // A pointer in the value, and another one beside the reservations.
  const std::size_t more = subject.reservations() != nullptr ? sizeof(Reservations) + 2 * sizeof(void*) : 0;
  return sizeof(Value) + subject.cells().size_bytes() + more + behind;
}

std::size_t pieces_outside(const Segment& segment, std::size_t at) {
  if (segment.is_out_of_line(at)) return segment.value(at)->memory_pieces();
  const Subject subject = segment.subject(at);
  return pieces_behind(subject.limits(), subject.cells(), nullptr);
}

/// Calls `visit(limits, count)` for the limits of the subjects that need not be kept out of line.
template <class Visit>
void for_each_limits(std::span<const Segment> segments, Visit visit) {
  for (const Segment& segment : segments) {
    if (segment.size() > segment.out_of_line()) visit(segment.limits(), segment.size() - segment.out_of_line());
    for (std::size_t at = 0; segment.out_of_line() > 0 && at < segment.slots(); ++at) {
      if (segment.is_out_of_line(at) && !segment.subject(at).is_reserved())
        visit(segment.value(at)->shared_limits(), 1);
    }
  }
}

/// How many of them have those limits.
std::size_t count_with(std::span<const Segment> segments, const SharedLimits& limits) {
  std::size_t count = 0;
  for_each_limits(segments, [&](const SharedLimits& others, std::size_t weight) {
    if (limits && &*others == &*limits) count += weight;
  });
  return count;
}

}  // namespace

HashTable::HashTable()
    : directory_(1, Segment::create(SortedRun({}, 0), 0, 0, 0, 0)),
      segments_(1),
      deepest_(1),
      bytes_(directory_.front().bytes()) {}

HashTable::HashTable(const HashTable& other)
    : depth_(other.depth_),
      version_(other.version_),
      size_(other.size_),
      segments_(other.segments_),
      deepest_(other.deepest_),
      bytes_(other.bytes_),
      pending_(other.pending_) {
  directory_.reserve(other.directory_.size());
  while (directory_.size() < other.directory_.size()) {
    const Segment& segment = other.directory_[directory_.size()];
    directory_.insert(directory_.end(), entries_of(segment.depth()), segment.clone());
  }
}

HashTable::~HashTable() {
  for (std::size_t i = 0; i < directory_.size();) {
    const Segment segment = directory_[i];
    i += entries_of(segment.depth());
    segment.destroy();
  }
}

HashRange HashTable::range_at(SubjectHash hash) const {
  const unsigned depth = segment_at(hash).depth();
  const std::uint64_t rest = ~std::uint64_t{0} >> depth;
  return {SubjectHash::of(hash.word() & ~rest), SubjectHash::of(hash.word() | rest)};
}

// ---- Subjects

Segment HashTable::with_room(SubjectHash hash, const SharedLimits& limits) {
  const Segment segment = up_to_date(hash);
  if (segment.size() == 0 && (!segment.limits() || &*segment.limits() != &*limits)) {
    const unsigned depth = segment.depth();
    discard(segment);
    place(SortedRun(limits, 0), 0, 0, hash, depth);
  } else if (segment.is_full()) {
    rebuild(hash, segment.depth());
  }
  return segment_at(hash);
}

// By value: those of a subject of the table would be gone when its segment is.
Subject HashTable::insert(SubjectHash hash, SharedLimits limits) {
  const Segment segment = with_room(hash, limits);
  const std::size_t at = segment.open(hash);
  if (&*segment.limits() == &*limits) {
    segment.put_idle(at);
  } else {
    segment.put(at, Value::create(std::move(limits)));
  }
  ++size_;
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
    ++size_;
  }
  segment.put(*at, std::move(value));
  return segment.subject(*at);
}

bool HashTable::put_new(std::span<Entry> entries) {
  // In an ascending order the first few of many stand close together: a segment may be some megabytes large until those
  // have come that let it be split.
  constexpr std::size_t kMostBytes = 1024 * Segment::kLargestBytes;
  while (!entries.empty()) {
    const HashRange range = range_at(entries.front().hash);
    const auto end =
        std::find_if(entries.begin(), entries.end(), [&range](const Entry& entry) { return entry.hash > range.last; });
    const auto count = static_cast<std::size_t>(end - entries.begin());
    add_to_segment(entries.first(count));
    if (segment_at(range.first).bytes() > kMostBytes) return false;
    entries = entries.subspan(count);
  }
  return true;
}

/// Makes a segment anew with subjects who are not in it.
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
  place(run, 0, run.size(), hash, depth);
}

bool HashTable::spread() {
  constexpr std::size_t kMostBytes = 64 * Segment::kLargestBytes;
  for (SubjectHash from = SubjectHash::smallest();; from = range_at(from).last.next()) {
    if (segment_at(from).bytes() > Segment::kLargestBytes) rebuild(from, segment_at(from).depth());
    if (segment_at(from).bytes() > kMostBytes) return false;
    if (range_at(from).last == SubjectHash::largest()) return true;
  }
}

std::optional<HashRange> HashTable::crowded(SubjectHash hash) const {
  if (!segment_at(hash).is_full()) return std::nullopt;
  return range_at(hash);
}

// ---- Segments

/// Makes new segments of those whose subjects share the first `depth` bits of `hash`, with all that is to be done: up
/// to date, of the right sizes, with the limits of most.
void HashTable::rebuild(SubjectHash hash, unsigned depth) {
  const std::uint64_t rest = ~std::uint64_t{0} >> depth;
  const std::vector<Segment> segments =
      segments_in({SubjectHash::of(hash.word() & ~rest), SubjectHash::of(hash.word() | rest)});
  std::size_t subjects = 0;
  for (const Segment& segment : segments) subjects += segment.size();
  SortedRun run(limits_for(segments), subjects);
  for (const Segment& segment : segments) {
    move_into(run, segment);
    discard(segment);
  }
  place(run, 0, run.size(), hash, depth);
}

std::vector<Segment> HashTable::segments_in(const HashRange& range) const {
  std::vector<Segment> segments;
  for (std::size_t i = entry_of(range.first); i <= entry_of(range.last); i += entries_of(segments.back().depth())) {
    segments.push_back(directory_[i]);
  }
  return segments;
}

/// The limits that most subjects have who need not be kept out of line.
SharedLimits HashTable::limits_for(std::span<const Segment> segments) const {
  const bool is_behind =
      std::any_of(segments.begin(), segments.end(), [this](const auto& s) { return s.version() != version_; });
  if (is_behind) return pending_.back().limits;

  const Segment* largest = &segments.front();
  for (const Segment& segment : segments) {
    if (segment.size() - segment.out_of_line() > largest->size() - largest->out_of_line()) largest = &segment;
  }
  // The majority vote of Boyer and Moore: whoever is left is the only one that can have it. If nobody has, nothing
  // changes, so that limits do not go to and fro.
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

/// A subject that is kept out of line, after all that it has missed.
Value::Pointer HashTable::redefined(Value::Pointer value, std::span<const Redefinition> missed) {
  for (const Redefinition& redefinition : missed) {
    const Subject subject = value->subject();
    if (subject.any_hold_ended(redefinition.at)) {
      subject.perform({.kind = Operation::Kind::collect, .at = redefinition.at});
    }
    value = carry_over(subject, redefinition.limits, redefinition.at);
  }
  return value;
}

/// The states in a slot, after all that they have missed; nothing is in the slot then.
void HashTable::add_redefined(SortedRun& run, const Segment& segment, std::size_t at,
                              std::span<const Redefinition> missed) {
  const Limits* limits = &*segment.limits();
  std::span<Cell> cells = segment.cells(at);
  std::array<std::array<Cell, kMaxLimits>, 2> made;
  for (const Redefinition& redefinition : missed) {
    std::array<Cell, kMaxLimits>& other = cells.data() == made[0].data() ? made[1] : made[0];
    const std::span<Cell> next = std::span(other).first(redefinition.limits->size());
    construct_idle(*redefinition.limits, next);
    CarriedStates(*limits, cells, *redefinition.limits, redefinition.at).move_into(next);
    destroy(*limits, cells);
    limits = &*redefinition.limits;
    cells = next;
  }
  run.add(segment.hash(at), cells);
}

void HashTable::move_into(SortedRun& run, const Segment& segment) const {
  const std::span<const Redefinition> missed = missed_by(segment);
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

/// Frees a segment whose subjects were moved out of it. The directory leads to it until another one is placed.
void HashTable::discard(const Segment& segment) {
  bytes_ -= segment.bytes();
  --segments_;
  if (segment.depth() == depth_) --deepest_;
  const std::size_t missed = missed_by(segment).size();
  segment.discard();
  if (missed == 0) return;
  --pending_[pending_.size() - missed].behind;
  const auto first =
      std::find_if(pending_.begin(), pending_.end(), [](const Redefinition& next) { return next.behind > 0; });
  pending_.erase(pending_.begin(), first);
}

/// Makes segments of a part of a run, whose subjects share the first `depth` bits of `hash`, and lets the directory
/// lead to them.
void HashTable::place(const SortedRun& run, std::size_t first, std::size_t last, SubjectHash hash, unsigned depth) {
  const std::size_t cells = run.limits() ? run.limits()->size() : 1;
  if (Segment::bytes_for(last - first, cells) > Segment::kLargestBytes && depth < most_depth()) {
    const std::uint64_t bit = std::uint64_t{1} << (63 - depth);
    const std::uint64_t prefix = hash.word() & ~(bit - 1);
    const SubjectHash right = SubjectHash::of(prefix | bit);
    const std::size_t middle = std::clamp(run.find(right), first, last);
    place(run, first, middle, SubjectHash::of(prefix & ~bit), depth + 1);
    place(run, middle, last, right, depth + 1);
    return;
  }
  while (depth_ < depth) double_directory();
  const Segment segment = Segment::create(run, first, last, depth, version_);
  bytes_ += segment.bytes();
  ++segments_;
  if (depth == depth_) ++deepest_;
  lead_to(entry_of(hash), segment);
}

/// How many bits of a hash it makes sense to tell apart: two more than it takes for segments of 32 subjects, which are
/// about the smallest that a split makes if hashes are spread evenly.
unsigned HashTable::most_depth() const { return static_cast<unsigned>(std::bit_width(size_ / 32)) + 2; }

// ---- The directory

/// Lets all entries that must lead to a segment do so; `entry` is one of them.
void HashTable::lead_to(std::size_t entry, const Segment& segment) {
  const std::size_t count = entries_of(segment.depth());
  std::fill_n(directory_.begin() + static_cast<std::ptrdiff_t>(entry & ~(count - 1)), count, segment);
}

void HashTable::double_directory() {
  std::vector<Segment> doubled;
  doubled.reserve(2 * directory_.size());
  for (const Segment& segment : directory_) {
    doubled.push_back(segment);
    doubled.push_back(segment);
  }
  directory_ = std::move(doubled);
  ++depth_;
  deepest_ = 0;
}

void HashTable::halve_directory() {
  std::vector<Segment> halved;
  halved.reserve(directory_.size() / 2);
  for (std::size_t i = 0; i < directory_.size(); i += 2) halved.push_back(directory_[i]);
  directory_ = std::move(halved);
  --depth_;
  deepest_ = static_cast<std::size_t>(
      std::count_if(directory_.begin(), directory_.end(), [this](const Segment& s) { return s.depth() == depth_; }));
}

// ---- Limits that change

void HashTable::redefine(SharedLimits limits, Instant at) {
  redefine_some();
  std::size_t up_to_date = segments_;
  for (const Redefinition& before : pending_) up_to_date -= before.behind;
  pending_.push_back({std::move(limits), at, up_to_date});
  ++version_;
}

// The more is pending, the larger a part of all segments, by its third power: the first few redefinitions cost nearly
// nothing, and if they never cease there are some twenty that some segment has not seen.
void HashTable::redefine_some() {
  constexpr std::size_t kParts = 1U << 16U;
  const std::size_t pending = pending_.size();
  const std::size_t count = (segments_ * pending * pending * pending + kParts - 1) / kParts;
  for (std::size_t i = 0; i < count && !pending_.empty(); ++i) {
    up_to_date(next_to_redefine_);
    const SubjectHash last = range_at(next_to_redefine_).last;
    next_to_redefine_ = last == SubjectHash::largest() ? SubjectHash::smallest() : last.next();
  }
}

// ---- BackgroundSweep

HashRange HashTable::range_from(SubjectHash first, std::size_t subjects) const {
  // A segment is some work in itself.
  constexpr std::size_t kLeast = 64;
  SubjectHash last = first;
  for (std::size_t found = 0;; last = last.next()) {
    found += std::max(segment_at(last).size(), kLeast);
    last = range_at(last).last;
    if (found >= subjects || last == SubjectHash::largest()) return {first, last};
  }
}

std::size_t HashTable::sweep(const HashRange& range, std::optional<Instant> forget_idle_at) {
  std::size_t forgotten = 0;
  for (SubjectHash from = range.first;; from = from.next()) {
    up_to_date(from);
    const HashRange part{from, std::min(range_at(from).last, range.last)};
    if (forget_idle_at) forgotten += forget_idle(part, *forget_idle_at);
    compact(from);
    from = part.last;
    if (from >= range.last) break;
  }
  while (depth_ > 0 && deepest_ == 0) halve_directory();
  return forgotten;
}

/// Forgets those of a part of one segment who are idle.
std::size_t HashTable::forget_idle(const HashRange& part, Instant at) {
  const Segment segment = segment_at(part.first);
  std::size_t forgotten = 0;
  for (std::size_t i = 0; i < segment.slots(); ++i) {
    if (!segment.is_taken(i) || !part.contains(segment.hash(i)) || segment.subject(i).idle_at() > at) continue;
    segment.end(i);
    segment.leave(i);
    ++forgotten;
  }
  size_ -= forgotten;
  if (forgotten > 0) rebuild(part.first, segment.depth());
  return forgotten;
}

void HashTable::compact(SubjectHash hash) {
  const Segment& segment = segment_at(hash);
  if (segment.is_too_large() || needs_compaction(segment)) rebuild(hash, segment.depth());
  while (merge(hash)) {
  }
}

/// Whether somebody is kept out of line who need not be, or would not have to be if the segment had other limits.
bool HashTable::needs_compaction(const Segment& segment) const {
  if (segment.out_of_line() == 0) return false;
  const SharedLimits limits = limits_for({&segment, 1});
  return count_with({&segment, 1}, limits) > segment.size() - segment.out_of_line();
}

/// Makes one segment of two that were split, if it is far from being split again. Asked of the second of them: a sweep
/// has seen the first then.
bool HashTable::merge(SubjectHash hash) {
  constexpr std::size_t kLargestBytes = Segment::kLargestBytes / 8 * 5;
  const unsigned depth = segment_at(hash).depth();
  if (depth == 0) return false;
  const std::uint64_t bit = std::uint64_t{1} << (64 - depth);
  if ((hash.word() & bit) == 0) return false;
  const Segment first = up_to_date(SubjectHash::of(hash.word() & ~bit));
  const Segment& second = segment_at(hash);
  const std::size_t cells = std::max(first.cells_per_slot(), second.cells_per_slot());
  if (first.depth() != depth || Segment::bytes_for(first.size() + second.size(), cells) > kLargestBytes) return false;
  rebuild(hash, depth - 1);
  return true;
}

// ---- Numbers

std::size_t HashTable::bytes() const {
  return bytes_ + directory_.capacity() * sizeof(Segment) + pending_.capacity() * sizeof(Redefinition);
}

/// What `measure(segment, slot)` says of some subjects, extrapolated to all.
template <class Measure>
std::size_t HashTable::sampled(Measure measure) const {
  constexpr std::size_t kEntries = 16;
  constexpr std::size_t kSlots = 32;
  std::size_t sum = 0;
  std::size_t subjects = 0;
  const std::size_t next_entry = std::max<std::size_t>(1, directory_.size() / kEntries);
  for (std::size_t i = 0; i < directory_.size(); i += next_entry) {
    const Segment& segment = directory_[i];
    const std::size_t next_slot = std::max<std::size_t>(1, segment.slots() / kSlots);
    for (std::size_t at = 0; at < segment.slots(); at += next_slot) {
      if (!segment.is_taken(at)) continue;
      sum += measure(segment, at);
      ++subjects;
    }
  }
  return subjects == 0 ? 0 : sum * size_ / subjects;
}

std::size_t HashTable::bytes_behind_sampled() const { return sampled(bytes_outside); }

std::size_t HashTable::pieces() const { return 1 + segments_ + sampled(pieces_outside); }

bool HashTable::is_valid() const {
  std::size_t subjects = 0;
  std::size_t segments = 0;
  std::size_t deepest = 0;
  std::size_t bytes = 0;
  std::vector<std::size_t> behind(pending_.size());
  if (directory_.size() != std::size_t{1} << depth_) return false;
  for (std::size_t i = 0; i < directory_.size(); i += entries_of(directory_[i].depth())) {
    const Segment& segment = directory_[i];
    if (segment.depth() > depth_ || i % entries_of(segment.depth()) != 0) return false;
    for (std::size_t j = 0; j < entries_of(segment.depth()); ++j) {
      if (!(directory_[i + j] == segment)) return false;
    }
    const SubjectHash hash = SubjectHash::of(depth_ == 0 ? 0 : static_cast<std::uint64_t>(i) << (64 - depth_));
    if (!segment.is_valid(range_at(hash))) return false;
    const std::size_t missed = static_cast<std::uint16_t>(version_ - segment.version());
    if (missed > pending_.size()) return false;
    if (missed > 0) ++behind[pending_.size() - missed];
    subjects += segment.size();
    bytes += segment.bytes();
    ++segments;
    if (segment.depth() == depth_) ++deepest;
  }
  return subjects == size_ && segments == segments_ && deepest == deepest_ && bytes == bytes_ &&
         pending_.size() <= kMostPending && (pending_.empty() || pending_.front().behind > 0) &&
         std::equal(behind.begin(), behind.end(), pending_.begin(), pending_.end(),
                    [](std::size_t count, const Redefinition& r) { return count == r.behind; });
}

}  // namespace ratelimit
