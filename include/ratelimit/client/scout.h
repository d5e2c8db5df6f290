// SPDX-License-Identifier: MIT
// A thread that finds out which servers there are, when somebody wants to know. Many may want to know at once: one errand
// answers all, and there is a pause between two. The thread starts when it is wanted first. Thread-safe. Depends on the
// clock's types.
#ifndef RATELIMIT_CLIENT_SCOUT_H
#define RATELIMIT_CLIENT_SCOUT_H

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "ratelimit/units.h"

namespace ratelimit::client {

class Scout {
 public:
  /// Runs on the scout's thread. It must end soon once a stop is requested, and must not throw.
  using Errand = std::function<void(const std::stop_token&)>;

  Scout(Errand errand, Span pause) : errand_(std::move(errand)), pause_(pause) {}
  Scout(const Scout&) = delete;
  Scout& operator=(const Scout&) = delete;
  ~Scout() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

  /// Has the errand run once more, after the one that is under way and the pause behind it.
  void want() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_wanted_, true)) return;
    if (!thread_.joinable()) thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    changed_.notify_one();
  }

 private:
  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return is_wanted_; })) {
      is_wanted_ = false;
      lock.unlock();
      errand_(stop);
      lock.lock();
      changed_.wait_for(lock, stop, pause_, [] { return false; });
    }
  }

  const Errand errand_;
  const Span pause_;
  std::mutex mutex_;  ///< guards what follows
  std::condition_variable_any changed_;
  bool is_wanted_ = false;
  std::jthread thread_;  ///< last: it ends first
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_SCOUT_H
