// SPDX-License-Identifier: MIT
// Calls granted and denied over time, in a bounded number of steps: a step is a second at first, and twice as long
// whenever the log proves longer. Depends on units only.
#ifndef RATELIMIT_TOOLS_REPLAY_TIMELINE_H
#define RATELIMIT_TOOLS_REPLAY_TIMELINE_H

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "ratelimit/units.h"

namespace ratelimit::replay {

class Timeline {
 public:
  static constexpr std::size_t kSteps = 256;

  struct Step {
    std::uint64_t granted = 0;
    std::uint64_t denied = 0;

    [[nodiscard]] std::uint64_t calls() const { return granted + denied; }
    Step& operator+=(const Step& other) {
      granted += other.granted;
      denied += other.denied;
      return *this;
    }
  };

  /// Counts a call. No call is earlier than the one before.
  void count(Instant at, bool is_granted) {
    if (at >= end_of_step_) move_to(at);
    ++(is_granted ? steps_[current_].granted : steps_[current_].denied);
  }

  [[nodiscard]] Instant begin() const { return begin_; }
  [[nodiscard]] Span width() const { return width_; }
  [[nodiscard]] std::size_t size() const { return is_empty_ ? 0 : current_ + 1; }
  [[nodiscard]] const Step& operator[](std::size_t i) const { return steps_[i]; }

  /// The calls in fewer columns, each of the same number of steps; the last may have fewer.
  template <class Visit>
  void for_each_column(std::size_t most, Visit visit) const {
    if (most == 0) return;
    const std::size_t together = (size() + most - 1) / most;
    for (std::size_t i = 0; i < size(); i += together) {
      Step sum;
      for (std::size_t j = i; j < std::min(size(), i + together); ++j) sum += steps_[j];
      visit(begin_ + static_cast<std::int64_t>(i) * width_, static_cast<std::int64_t>(together) * width_, sum);
    }
  }

 private:
  void move_to(Instant at) {
    if (is_empty_) {
      begin_ = std::chrono::floor<std::chrono::seconds>(at);
      is_empty_ = false;
    }
    while (at - begin_ >= static_cast<std::int64_t>(kSteps) * width_) halve();
    current_ = static_cast<std::size_t>((at - begin_) / width_);
    end_of_step_ = begin_ + static_cast<std::int64_t>(current_ + 1) * width_;
  }

  void halve() {
    for (std::size_t i = 0; i < kSteps; ++i) {
      Step& half = steps_[i / 2];
      const Step step = steps_[i];
      if (i % 2 == 0) half = step;
      if (i % 2 != 0) half += step;
    }
    std::fill(steps_.begin() + kSteps / 2, steps_.end(), Step{});
    width_ *= 2;
  }

  std::array<Step, kSteps> steps_{};
  Instant begin_{};
  Instant end_of_step_{};
  Span width_ = std::chrono::seconds{1};
  std::size_t current_ = 0;
  bool is_empty_ = true;
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_TIMELINE_H
