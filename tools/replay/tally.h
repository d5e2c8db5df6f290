// SPDX-License-Identifier: MIT
// What a limit would have done: counts, who was hit and when, waits, and the course over time. Depends on verdicts.
#ifndef RATELIMIT_TOOLS_REPLAY_TALLY_H
#define RATELIMIT_TOOLS_REPLAY_TALLY_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ratelimit/decision.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"
#include "replay/call.h"
#include "replay/numbers.h"
#include "replay/timeline.h"

namespace ratelimit::replay {

/// A subject that was denied at least once.
struct Hit {
  SubjectNumber subject = 0;
  std::uint64_t denied = 0;
  Instant first{};  ///< of its denied calls
  Instant last{};
  Instant longest_begin{};  ///< the longest time in which it was denied again and again, without a pause of kPause
  Span longest{};
  Instant run_begin{};  ///< of the time that goes on with `last`
};

/// A subject that was never denied, and how near it came: the least that was left after one of its calls.
struct Near {
  SubjectNumber subject = 0;
  std::uint64_t left = 0;
};

/// A subject that is not denied for so long is left alone.
inline constexpr Span kPause = std::chrono::minutes{1};

class Tally {
 public:
  explicit Tally(std::size_t limits) : denied_by_(limits) {}

  void count(const Call& call, const Verdict& verdict) {
    const bool is_granted = verdict.decision.outcome == Outcome::granted;
    timeline_.count(call.at, is_granted);
    ++calls_;
    if (is_granted) {
      count_granted(call, verdict.decision);
    } else {
      count_denied(call, verdict);
    }
  }

  [[nodiscard]] std::uint64_t calls() const { return calls_; }
  [[nodiscard]] std::uint64_t denied() const { return denied_; }
  [[nodiscard]] std::uint64_t granted() const { return calls_ - denied_; }
  [[nodiscard]] std::uint64_t never() const { return never_; }  ///< denied calls that no wait would help
  [[nodiscard]] std::uint64_t units_granted() const { return units_granted_; }
  [[nodiscard]] std::uint64_t units_denied() const { return units_denied_; }
  /// How often each limit of the list was the one that denied.
  [[nodiscard]] const std::vector<std::uint64_t>& denied_by() const { return denied_by_; }
  [[nodiscard]] Span longest_wait() const { return longest_wait_; }  ///< that a denied call was told
  /// What granted calls were told to wait (LEAKYBUCKET): how many, of how many subjects, how long at most, and whose.
  [[nodiscard]] std::uint64_t waited() const { return waited_; }
  [[nodiscard]] std::size_t subjects_waited() const { return subjects_waited_; }
  [[nodiscard]] Span longest_queue() const { return longest_queue_; }
  [[nodiscard]] SubjectNumber longest_queue_subject() const { return longest_queue_subject_; }
  [[nodiscard]] const Timeline& timeline() const { return timeline_; }
  [[nodiscard]] std::size_t subjects_hit() const { return hits_.size(); }
  [[nodiscard]] const std::vector<Hit>& hits() const { return hits_; }  ///< in the order of their first denials
  [[nodiscard]] bool is_hit(SubjectNumber subject) const {
    return subject < hit_of_.size() && hit_of_[subject] != kNotHit;
  }

  /// The subjects denied most often, the hardest hit first.
  [[nodiscard]] std::vector<Hit> hardest_hit(std::size_t most) const {
    std::vector<Hit> hits = hits_;
    const auto end = hits.begin() + static_cast<std::ptrdiff_t>(std::min(most, hits.size()));
    std::partial_sort(hits.begin(), end, hits.end(), [](const Hit& a, const Hit& b) {
      return a.denied != b.denied ? a.denied > b.denied : a.subject < b.subject;
    });
    hits.erase(end, hits.end());
    return hits;
  }

  /// The subjects that came nearest to a denial and were never denied, the nearest first; only those for which
  /// `is_wanted(subject)`. O(subjects).
  template <class IsWanted>
  [[nodiscard]] std::vector<Near> nearest(std::size_t most, IsWanted is_wanted) const {
    const auto is_nearer = [](const Near& a, const Near& b) {
      return a.left != b.left ? a.left < b.left : a.subject < b.subject;
    };
    std::vector<Near> nearest;  // a heap whose front is the farthest of them
    for (std::size_t i = 0; i < least_left_.size() && most > 0; ++i) {
      const Near near{static_cast<SubjectNumber>(i), least_left_[i]};
      if (least_left_[i] == kNeverAsked || is_hit(near.subject) || !is_wanted(near.subject)) continue;
      if (nearest.size() == most) {
        if (!is_nearer(near, nearest.front())) continue;
        std::pop_heap(nearest.begin(), nearest.end(), is_nearer);
        nearest.pop_back();
      }
      nearest.push_back(near);
      std::push_heap(nearest.begin(), nearest.end(), is_nearer);
    }
    std::sort_heap(nearest.begin(), nearest.end(), is_nearer);
    return nearest;
  }

 private:
  static constexpr std::uint32_t kNotHit = 0;
  static constexpr std::uint32_t kNeverAsked = 0xFFFFFFFF;

  void count_granted(const Call& call, const Decision& decision) {
    units_granted_ = sum_of(units_granted_, call.cost);
    note_room(call.subject, decision.remaining);
    if (decision.wait <= Span{}) return;
    ++waited_;
    if (call.subject >= has_waited_.size()) has_waited_.resize(call.subject + 1);
    subjects_waited_ += has_waited_[call.subject] ? 0 : 1;
    has_waited_[call.subject] = true;
    if (decision.wait <= longest_queue_) return;
    longest_queue_ = decision.wait;
    longest_queue_subject_ = call.subject;
  }

  /// More than 32 bits can say is not near.
  void note_room(SubjectNumber subject, Units remaining) {
    if (subject >= least_left_.size()) {
      least_left_.resize(std::max<std::size_t>(subject + 1, 2 * least_left_.size()), kNeverAsked);
    }
    const auto left = static_cast<std::uint32_t>(std::min<std::int64_t>(remaining.count(), kNeverAsked - 1));
    least_left_[subject] = std::min(least_left_[subject], left);
  }

  void count_denied(const Call& call, const Verdict& verdict) {
    ++denied_;
    ++denied_by_[verdict.binding];
    units_denied_ = sum_of(units_denied_, call.cost);
    if (verdict.decision.outcome == Outcome::never) {
      ++never_;
    } else {
      longest_wait_ = std::max(longest_wait_, verdict.decision.wait);
    }
    Hit& hit = hit_of(call);
    if (hit.denied++ == 0 || call.at - hit.last > kPause) hit.run_begin = call.at;
    hit.last = call.at;
    if (call.at - hit.run_begin > hit.longest || hit.denied == 1) {
      hit.longest = call.at - hit.run_begin;
      hit.longest_begin = hit.run_begin;
    }
  }

  [[nodiscard]] Hit& hit_of(const Call& call) {
    if (call.subject >= hit_of_.size()) hit_of_.resize(std::max<std::size_t>(call.subject + 1, 2 * hit_of_.size()));
    std::uint32_t& place = hit_of_[call.subject];
    if (place == kNotHit) {
      hits_.push_back({.subject = call.subject, .first = call.at});
      place = static_cast<std::uint32_t>(hits_.size());
    }
    return hits_[place - 1];
  }

  std::uint64_t calls_ = 0, denied_ = 0, never_ = 0, units_granted_ = 0, units_denied_ = 0;
  std::vector<std::uint64_t> denied_by_;
  Span longest_wait_{};
  std::uint64_t waited_ = 0;
  std::size_t subjects_waited_ = 0;
  Span longest_queue_{};
  SubjectNumber longest_queue_subject_ = 0;
  std::vector<bool> has_waited_;           ///< by subjects; empty if none has
  std::vector<std::uint32_t> least_left_;  ///< by subjects: the least that was left of the limit; or kNeverAsked
  std::vector<std::uint32_t> hit_of_;      ///< for each subject its place in `hits_` and 1, or kNotHit
  std::vector<Hit> hits_;
  Timeline timeline_;
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_TALLY_H
