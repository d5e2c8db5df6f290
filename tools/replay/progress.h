// SPDX-License-Identifier: MIT
// Says on a terminal how far a long run is, and remembers whether the user wants it to end (Ctrl-C).
#ifndef RATELIMIT_TOOLS_REPLAY_PROGRESS_H
#define RATELIMIT_TOOLS_REPLAY_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <string>

namespace ratelimit::replay {

/// From now on Ctrl-C is remembered; a second one ends the process.
void watch_for_interruption();
[[nodiscard]] bool is_interrupted();

class Progress {
 public:
  Progress();
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Whether a line should be shown now: on a terminal, twice a second.
  [[nodiscard]] bool is_due();
  [[nodiscard]] bool is_on_terminal() const { return is_on_terminal_; }
  void show(const std::string& text);
  /// Takes the line away.
  void clear();

 private:
  std::chrono::steady_clock::time_point next_;
  bool is_on_terminal_ = false;
  bool is_shown_ = false;
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_PROGRESS_H
