// SPDX-License-Identifier: MIT
#include "storage/directory.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace ratelimit {

HashRange range_of(SubjectHash hash, unsigned depth) {
  const std::uint64_t rest = ~std::uint64_t{0} >> depth;
  return {SubjectHash::of(hash.word() & ~rest), SubjectHash::of(hash.word() | rest)};
}

Directory::Directory()
    : entries_(1, Segment::create(SortedRun({}, 0), 0, 0, 0, 0)),
      segments_(1),
      deepest_(1),
      bytes_(entries_.front().bytes()) {}

Directory::Directory(const Directory& other)
    : depth_(other.depth_), segments_(other.segments_), deepest_(other.deepest_), bytes_(other.bytes_) {
  entries_.reserve(other.entries_.size());
  other.for_each([this](const Segment& segment) {
    entries_.insert(entries_.end(), entries_of(segment.depth()), segment.clone());
  });
}

Directory::~Directory() {
  for_each([](const Segment& segment) { segment.destroy(); });
}

std::vector<Segment> Directory::segments_in(const HashRange& range) const {
  std::vector<Segment> segments;
  for (std::size_t i = entry_of(range.first); i <= entry_of(range.last); i += entries_of(segments.back().depth())) {
    segments.push_back(entries_[i]);
  }
  return segments;
}

void Directory::put(SubjectHash hash, const Segment& segment) {
  while (depth_ < segment.depth()) double_entries();
  bytes_ += segment.bytes();
  ++segments_;
  if (segment.depth() == depth_) ++deepest_;
  lead_to(entry_of(hash), segment);
}

void Directory::discard(const Segment& segment) {
  bytes_ -= segment.bytes();
  --segments_;
  if (segment.depth() == depth_) --deepest_;
  segment.discard();
}

void Directory::shrink() {
  while (depth_ > 0 && deepest_ == 0) halve_entries();
}

/// Lets all entries that must lead to a segment do so; `entry` is one of them.
void Directory::lead_to(std::size_t entry, const Segment& segment) {
  const std::size_t count = entries_of(segment.depth());
  std::fill_n(entries_.begin() + static_cast<std::ptrdiff_t>(entry & ~(count - 1)), count, segment);
}

void Directory::double_entries() {
  std::vector<Segment> doubled;
  doubled.reserve(2 * entries_.size());
  for (const Segment& segment : entries_) {
    doubled.push_back(segment);
    doubled.push_back(segment);
  }
  entries_ = std::move(doubled);
  ++depth_;
  deepest_ = 0;
}

void Directory::halve_entries() {
  std::vector<Segment> halved;
  halved.reserve(entries_.size() / 2);
  for (std::size_t i = 0; i < entries_.size(); i += 2) halved.push_back(entries_[i]);
  entries_ = std::move(halved);
  --depth_;
  deepest_ = static_cast<std::size_t>(
      std::count_if(entries_.begin(), entries_.end(), [this](const Segment& s) { return s.depth() == depth_; }));
}

bool Directory::is_valid() const {
  std::size_t segments = 0;
  std::size_t deepest = 0;
  std::size_t bytes = 0;
  if (entries_.size() != std::size_t{1} << depth_) return false;
  for (std::size_t i = 0; i < entries_.size(); i += entries_of(entries_[i].depth())) {
    const Segment& segment = entries_[i];
    if (segment.depth() > depth_ || i % entries_of(segment.depth()) != 0) return false;
    for (std::size_t j = 0; j < entries_of(segment.depth()); ++j) {
      if (!(entries_[i + j] == segment)) return false;
    }
    const SubjectHash hash = SubjectHash::of(depth_ == 0 ? 0 : static_cast<std::uint64_t>(i) << (64 - depth_));
    if (!segment.is_valid(range_at(hash))) return false;
    bytes += segment.bytes();
    ++segments;
    if (segment.depth() == depth_) ++deepest;
  }
  return segments == segments_ && deepest == deepest_ && bytes == bytes_;
}

}  // namespace ratelimit
