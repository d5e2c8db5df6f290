// SPDX-License-Identifier: MIT
#include "replay/progress.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>

namespace ratelimit::replay {
namespace {

constexpr std::chrono::milliseconds kBetween{500};

volatile std::sig_atomic_t interrupted = 0;  // a handler of signals can reach nothing else

void remember(int) { interrupted = 1; }

}  // namespace

void watch_for_interruption() {
  struct sigaction action {};
  action.sa_handler = remember;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // and without SA_RESTART, so that a waiting read ends
  sigaction(SIGINT, &action, nullptr);
}

bool is_interrupted() { return interrupted != 0; }

Progress::Progress()
    : next_(std::chrono::steady_clock::now() + kBetween), is_on_terminal_(isatty(STDERR_FILENO) != 0) {}

bool Progress::is_due() {
  if (!is_on_terminal_) return false;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return false;
  next_ = now + kBetween;
  return true;
}

void Progress::show(const std::string& text) {
  std::fprintf(stderr, "\r\x1b[K%s", text.c_str());
  is_shown_ = true;
}

void Progress::clear() {
  if (is_shown_) std::fputs("\r\x1b[K", stderr);
  is_shown_ = false;
}

}  // namespace ratelimit::replay
