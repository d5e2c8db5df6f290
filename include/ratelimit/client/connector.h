// SPDX-License-Identifier: MIT
// The thread that makes the connections of a client. Connecting takes several ways to the server and back, and a look-up of
// a name may take seconds: no call spends its deadline on that. The thread starts with the first connection that is asked
// for. Thread-safe. Depends on connections and waiting.
#ifndef RATELIMIT_CLIENT_CONNECTOR_H
#define RATELIMIT_CLIENT_CONNECTOR_H

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "ratelimit/client/clock.h"
#include "ratelimit/client/connection.h"
#include "ratelimit/client/waiting.h"

namespace ratelimit::client {

class Connector {
 public:
  /// Begins to connect. Runs on the connector's thread.
  using Begin = std::function<std::unique_ptr<Connection>()>;
  /// Gets the connection when it is ready or broken, on the connector's thread. Must not throw.
  using Done = std::function<void(std::unique_ptr<Connection>)>;

  /// Throws std::system_error if the system has no file left.
  Connector() {
    if (::pipe(bell_.data()) != 0) throw std::system_error(errno, std::generic_category(), "ratelimit: no pipe");
    for (const int end : bell_) {
      static_cast<void>(::fcntl(end, F_SETFD, FD_CLOEXEC));
      static_cast<void>(::fcntl(end, F_SETFL, O_NONBLOCK));
    }
  }
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;
  /// Gives up the connections that are not ready. Their `Done` is not called.
  ~Connector() {
    thread_.request_stop();
    ring();
    if (thread_.joinable()) thread_.join();
    close_files();
  }

  void connect(Begin begin, Done done) {
    const std::lock_guard lock(mutex_);
    wishes_.push_back({std::move(begin), std::move(done)});
    if (!thread_.joinable()) thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    ring();
  }

  /// In a child of the process that made the connector, where its thread does not exist: closes its files.
  void close_files() const {
    for (const int end : bell_) ::close(end);
  }

 private:
  struct Wish {
    Begin begin;
    Done done;
  };
  struct Job {
    std::unique_ptr<Connection> connection;
    Done done;
  };

  void ring() const {
    const char any = 0;
    static_cast<void>(!::write(bell_[1], &any, 1));  // a full pipe rings too
  }

  void run(const std::stop_token& stop) {
    std::vector<Job> jobs;
    while (!stop.stop_requested()) {
      for (Wish& wish : take_wishes()) jobs.push_back({wish.begin(), std::move(wish.done)});
      const Time now = std::chrono::steady_clock::now();
      for (Job& job : jobs) job.connection->advance(now);
      hand_over(jobs);
      wait(jobs);
    }
  }

  [[nodiscard]] std::vector<Wish> take_wishes() {
    const std::lock_guard lock(mutex_);
    return std::exchange(wishes_, {});
  }

  static void hand_over(std::vector<Job>& jobs) {
    for (Job& job : jobs) {
      if (job.connection->is_ready() || job.connection->is_broken()) job.done(std::move(job.connection));
    }
    std::erase_if(jobs, [](const Job& job) { return job.connection == nullptr; });
  }

  /// Until one of the connections can go on, the first of them has taken too long, or the bell rings.
  void wait(const std::vector<Job>& jobs) const {
    std::vector<pollfd> files{{.fd = bell_[0], .events = POLLIN, .revents = 0}};
    Time until = std::chrono::steady_clock::now() + std::chrono::hours{1};
    for (const Job& job : jobs) {
      files.push_back({.fd = job.connection->file(), .events = job.connection->events(), .revents = 0});
      until = std::min(until, job.connection->connecting_until());
    }
    static_cast<void>(wait_for(files, until));
    std::array<char, 64> rings;
    while (::read(bell_[0], rings.data(), rings.size()) > 0) {
    }
  }

  std::array<int, 2> bell_{-1, -1};  ///< a pipe: whoever wants the thread to look writes to it
  std::mutex mutex_;                 ///< guards what follows
  std::vector<Wish> wishes_;
  std::jthread thread_;  ///< last: it ends first
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CONNECTOR_H
