// SPDX-License-Identifier: MIT
// One list of limits on trial, and the states of all subjects under it: the module's core, fed from a log.
//
// The calls are decided by the same functions as in the module, so the answers are the same (tests/server/replay shows
// it). Depends on the core.
#ifndef RATELIMIT_TOOLS_REPLAY_TRIAL_H
#define RATELIMIT_TOOLS_REPLAY_TRIAL_H

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"
#include "replay/call.h"

namespace ratelimit::replay {

class Trial {
 public:
  explicit Trial(Limits limits) : limits_(std::move(limits)) { watch_memory_ = has_states_on_heap(); }
  Trial(Trial&&) = default;
  Trial& operator=(Trial&&) = delete;
  ~Trial() {
    for (const auto& block : blocks_) {
      for (std::size_t i = 0; i < kBlock; ++i) destroy(limits_, cells_in(block.get(), i));
    }
  }

  [[nodiscard]] const Limits& limits() const { return limits_; }

  /// Decides a call and charges it if it is granted. No call is earlier than the one before.
  Verdict check(const Call& call) {
    const std::span<Cell> cells = cells_of(call.subject);
    std::array<char, 16> id{};
    const Request request{.cost = call.cost, .id = limits_.have_leases() ? next_id(id) : std::string_view{}};
    Verdict verdict = decide(limits_, cells, Turn{}, request, call.at);
    if (verdict.decision.outcome == Outcome::granted && call.cost > kNoUnits) {
      const std::size_t before = watch_memory_ ? heap_bytes_of(cells) : 0;
      apply(limits_, cells, verdict);
      if (watch_memory_) note_memory(before, heap_bytes_of(cells));
    }
    verdict.id = {};  // it was borrowed
    return verdict;
  }

  /// The bytes that a server takes for so many subjects in one key (a limiter with FOR), none of them forgotten: the key,
  /// a cell for each subject with the room that a growing table has, and the most that logs and leases took. It is right
  /// within some percent; tests/server/replay compares it with MEMORY USAGE.
  [[nodiscard]] std::uint64_t bytes_in_server(std::size_t subjects) const {
    constexpr std::uint64_t kKey = 1000, kHash = 8, kState = 16;
    constexpr std::uint64_t kGrownFrom = 8, kGrownTo = 9;  // 27 bytes for a cell of 24
    return kKey + subjects * (kHash + kState * limits_.size()) * kGrownTo / kGrownFrom + most_heap_bytes_;
  }

 private:
  static constexpr std::size_t kBlock = 1024;  ///< subjects whose states are made together, and never move

  [[nodiscard]] std::span<Cell> cells_in(Cell* block, std::size_t i) const {
    return {block + i * limits_.size(), limits_.size()};
  }

  [[nodiscard]] std::span<Cell> cells_of(SubjectNumber subject) {
    while (subject / kBlock >= blocks_.size()) {
      blocks_.push_back(std::make_unique_for_overwrite<Cell[]>(kBlock * limits_.size()));
      for (std::size_t i = 0; i < kBlock; ++i) construct_idle(limits_, cells_in(blocks_.back().get(), i));
    }
    return cells_in(blocks_[subject / kBlock].get(), subject % kBlock);
  }

  /// A log does not say when who was granted a lease lets go of it. So each lease is another one, and ends by its time.
  [[nodiscard]] std::string_view next_id(std::array<char, 16>& id) {
    const char* end = std::to_chars(id.data(), id.data() + id.size(), ++leases_, 36).ptr;
    return {id.data(), static_cast<std::size_t>(end - id.data())};
  }

  template <class State>
  [[nodiscard]] static std::size_t heap_bytes_of_state(const State& state) {
    if constexpr (requires { state.heap_bytes(); }) {
      return state.heap_bytes();
    } else {
      return 0;
    }
  }

  [[nodiscard]] bool has_states_on_heap() const {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      const bool has = limits_[i].visit([]<class A>(const A&) {
        return requires(const typename A::State& state) { state.heap_bytes(); };
      });
      if (has) return true;
    }
    return false;
  }

  [[nodiscard]] std::size_t heap_bytes_of(std::span<const Cell> cells) const {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      bytes +=
          limits_[i].visit([&](const auto& algorithm) { return heap_bytes_of_state(state_in(cells[i], algorithm)); });
    }
    return bytes;
  }

  void note_memory(std::size_t before, std::size_t after) {
    heap_bytes_ += after;
    heap_bytes_ -= before;
    most_heap_bytes_ = std::max(most_heap_bytes_, heap_bytes_);
  }

  Limits limits_;
  std::vector<std::unique_ptr<Cell[]>> blocks_;
  std::uint64_t leases_ = 0;
  bool watch_memory_ = false;
  std::uint64_t heap_bytes_ = 0;
  std::uint64_t most_heap_bytes_ = 0;
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_TRIAL_H
