// SPDX-License-Identifier: MIT
// What was answered under the limits of one key: calls by their outcome, for all limits together and for each label.
//
// A granted call is granted by all limits, so it is counted once: how many were granted since a label is there is the
// difference of two counts. Counting a granted call is one addition. Depends on limits and blocks.
#ifndef RATELIMIT_LIMITER_COUNTERS_H
#define RATELIMIT_LIMITER_COUNTERS_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/block.h"
#include "ratelimit/limit.h"
#include "ratelimit/limits.h"
#include "ratelimit/units.h"

namespace ratelimit {

class LimiterCounters {
 public:
  /// Where a counter stops: a reply has no larger integers. No server answers so many calls, but a file may say that.
  static constexpr std::uint64_t kMostCalls = std::numeric_limits<std::int64_t>::max();

  /// Calls.
  struct Counts {
    std::uint64_t granted = 0;
    std::uint64_t denied = 0;
    std::uint64_t would_deny = 0;  ///< let through, since the limits are on trial
    std::uint64_t near = 0;        ///< granted, and left a limit nearly used up

    friend bool operator==(const Counts&, const Counts&) = default;
  };

  /// The counts of one label. A denied call counts for the label that bound it, a granted one for all labels.
  struct OfLabel {
    std::string label;
    Counts counts;
    Instant since;

    friend bool operator==(const OfLabel&, const OfLabel&) = default;
  };

  /// Labels that are counted on their own. Calls that name their limits themselves can bring any number; later ones
  /// count for the key only.
  static constexpr std::size_t kMostLabels = 16;
  static_assert(kMostLabels > kMaxLimits, "all labels of stored limits, and that of a block");

  /// From now on calls are counted. Nothing may be counted before.
  void begin(Instant at) { since_ = at; }
  [[nodiscard]] Instant since() const { return since_; }

  /// The limits of the key are these from now on. Labels that are there already count on; others begin, and labels that
  /// no limit has any more end.
  void set_limits(const Limits& limits, Instant at) {
    std::vector<OfLabel> next;
    for (std::size_t i = 0; i < limits.size(); ++i) next.push_back(take(limits.label(i), at));
    if (OfLabel* const blocked = find(Block::kLabel)) next.push_back(std::move(*blocked));
    labels_ = std::move(next);
  }

  void note_granted() { count(all_.granted); }
  /// A granted call left something nearly used up: to be called once for the call, and once for each label.
  void note_near() { count(all_.near); }
  void note_near(std::string_view label, Instant at) {
    if (OfLabel* const counted = find_or_begin(label, at)) count(counted->counts.near);
  }
  void note_denied(std::string_view label, Instant at) {
    count(all_.denied);
    if (OfLabel* const counted = find_or_begin(label, at)) count(counted->counts.denied);
  }
  void note_would_deny(std::string_view label, Instant at) {
    count(all_.would_deny);
    if (OfLabel* const counted = find_or_begin(label, at)) count(counted->counts.would_deny);
  }

  [[nodiscard]] const Counts& all() const { return all_; }
  /// The labels that are counted, in the order of the limits, as far as these were set.
  [[nodiscard]] std::size_t labels() const { return labels_.size(); }
  [[nodiscard]] OfLabel of_label(std::size_t i) const {
    OfLabel counted = labels_[i];
    counted.counts.granted = all_.granted - counted.counts.granted;
    return counted;
  }

  /// Bytes held beyond the object itself, without what an allocator adds.
  [[nodiscard]] std::size_t heap_bytes() const {
    std::size_t bytes = labels_.capacity() * sizeof(OfLabel);
    for (const OfLabel& counted : labels_) bytes += Limit::is_on_heap(counted.label) ? counted.label.capacity() + 1 : 0;
    return bytes;
  }

  // --- for files ---

  /// The labels as they are kept: `granted` is what all calls had when the label began.
  [[nodiscard]] const std::vector<OfLabel>& kept_labels() const { return labels_; }
  /// Whether a label can be counted. Accounts of the same label are told apart by a number behind it.
  [[nodiscard]] static bool is_label(std::string_view label) {
    constexpr std::size_t kMostBytesBehind = 3;
    return is_valid_label(label.substr(0, kMaxLabelBytes)) && label.size() <= kMaxLabelBytes + kMostBytesBehind;
  }
  /// Takes over counters that were kept. False, with what came before the fault, if no counters can be like that.
  [[nodiscard]] bool restore(Instant since, const Counts& all, std::vector<OfLabel> labels) {
    if (!in_range(since) || !are_possible(all) || labels.size() > kMostLabels) return false;
    since_ = since;
    all_ = all;
    for (OfLabel& counted : labels) {
      const bool may_be = is_label(counted.label) && find(counted.label) == nullptr && in_range(counted.since) &&
                          are_possible(counted.counts) && counted.counts.granted <= all.granted;
      if (!may_be) return false;
      labels_.push_back(std::move(counted));
    }
    return true;
  }

  friend bool operator==(const LimiterCounters&, const LimiterCounters&) = default;

 private:
  static void count(std::uint64_t& calls) {
    if (calls < kMostCalls) [[likely]]
      ++calls;
  }

  [[nodiscard]] static bool are_possible(const Counts& counts) {
    return std::max({counts.granted, counts.denied, counts.would_deny, counts.near}) <= kMostCalls;
  }

  [[nodiscard]] OfLabel* find(std::string_view label) {
    const auto found = std::find_if(labels_.begin(), labels_.end(),
                                    [label](const OfLabel& counted) { return counted.label == label; });
    return found != labels_.end() ? &*found : nullptr;
  }
  [[nodiscard]] OfLabel fresh(std::string_view label, Instant at) const {
    return {.label = std::string(label), .counts = {.granted = all_.granted}, .since = at};
  }
  [[nodiscard]] OfLabel take(std::string_view label, Instant at) {
    OfLabel* const there = find(label);
    return there != nullptr ? std::move(*there) : fresh(label, at);
  }
  /// Null if there are too many labels.
  [[nodiscard]] OfLabel* find_or_begin(std::string_view label, Instant at) {
    if (OfLabel* const there = find(label)) return there;
    if (labels_.size() == kMostLabels) return nullptr;
    labels_.push_back(fresh(label, at));
    return &labels_.back();
  }

  Instant since_{};
  Counts all_;
  /// Here `granted` is what `all_` had when the label began.
  std::vector<OfLabel> labels_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_LIMITER_COUNTERS_H
