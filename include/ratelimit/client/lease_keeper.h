// SPDX-License-Identifier: MIT
// The leases of hot subjects, for all threads of a client. A thread of its own ends them and has them refunded; there is
// none before the first lease. Thread-safe. Depends on the lease book.
//
// The keeper does not know the server. Calls take leases and put them here; a function that the client gives refunds them.
#ifndef RATELIMIT_CLIENT_LEASE_KEEPER_H
#define RATELIMIT_CLIENT_LEASE_KEEPER_H

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ratelimit/client/clock.h"
#include "ratelimit/client/lease.h"
#include "ratelimit/client/lease_book.h"
#include "ratelimit/client/process.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

class LeaseKeeper {
 public:
  /// Gets each lease once, after it has ended, on the keeper's thread or on the one that closes. Must not throw.
  using Refund = std::function<void(const Lease&)>;

  /// Holds at most `max` leases.
  LeaseKeeper(std::size_t max, Refund refund) : refund_(std::move(refund)), book_(max) {}
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;
  /// Refunds what is left in leases. No call may be under way.
  ~LeaseKeeper() { close(); }

  /// Takes `cost` units from the lease of that name. After `to_take` the caller must make a `Claim`. Once the keeper is
  /// closed, every call is told `not_here`.
  [[nodiscard]] LeaseBook::Taken take(const std::string& name, Units cost) {
    const std::lock_guard lock(mutex_);
    if (is_closed_) return {};
    return book_.take(name, cost, std::chrono::steady_clock::now());
  }

  /// The right to take the next lease of that name, which one call has at a time. Ends with a lease or without. In a child
  /// of the process it means nothing: the leases stay with the parent.
  class Claim {
   public:
    Claim(LeaseKeeper& keeper, std::string name) : keeper_(keeper), name_(std::move(name)) {}
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    ~Claim() {
      if (!is_done_ && generation_ == process_generation()) keeper_.give_up(name_);
    }

    /// A lease that serves the next calls.
    void put(Lease lease) { is_done_ = keeper_.put(name_, std::move(lease)); }
    /// A lease that is too small to serve any call: it is refunded.
    void put_ended(Lease lease) { keeper_.put_ended(std::move(lease)); }

   private:
    LeaseKeeper& keeper_;
    std::string name_;
    const std::uint64_t generation_ = process_generation();
    bool is_done_ = false;
  };

  /// Refunds what is left in leases, and takes none any more.
  void close() {
    std::jthread thread;
    std::vector<Lease> leases;
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
      leases = book_.close();
      thread = std::move(thread_);
    }
    if (thread.joinable()) {
      thread.request_stop();
      thread.join();
    }
    refund_all(leases);
    {
      const std::lock_guard lock(mutex_);
      leases = book_.close();  // those that were being taken meanwhile
    }
    refund_all(leases);
  }

 private:
  /// False if the keeper is closed: then the lease is refunded.
  bool put(const std::string& name, Lease lease) {
    const std::lock_guard lock(mutex_);
    if (is_closed_) {
      book_.put_ended(std::move(lease));
      return false;
    }
    book_.put(name, std::move(lease));
    wake();
    return true;
  }

  void put_ended(Lease lease) {
    const std::lock_guard lock(mutex_);
    book_.put_ended(std::move(lease));
    wake();
  }

  void give_up(const std::string& name) {
    const std::lock_guard lock(mutex_);
    book_.give_up(name);
  }

  /// Starts the thread, or wakes it if it waits for a lease. Needs the lock.
  void wake() {
    if (!thread_.joinable() && !is_closed_) {
      thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    }
    if (std::exchange(waits_for_lease_, false)) changed_.notify_one();
  }

  /// Has leases refunded when they end, or up to 5 ms later: leases that end together are then refunded together.
  void run(const std::stop_token& stop) {
    constexpr Span kRest = std::chrono::milliseconds{5};
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      const auto next = book_.next_end();
      waits_for_lease_ = !next;
      if (!next) {
        changed_.wait(lock, stop, [this] { return !waits_for_lease_; });
        continue;
      }
      const Time until = std::max(*next, std::chrono::steady_clock::now() + kRest);
      changed_.wait_until(lock, stop, until, [] { return false; });
      const std::vector<Lease> ended = book_.ended(std::chrono::steady_clock::now());
      lock.unlock();
      refund_all(ended);
      lock.lock();
    }
  }

  void refund_all(const std::vector<Lease>& leases) {
    for (const Lease& lease : leases) refund_(lease);
  }

  const Refund refund_;
  std::mutex mutex_;  ///< guards what follows
  LeaseBook book_;
  bool is_closed_ = false;
  std::condition_variable_any changed_;
  bool waits_for_lease_ = false;
  std::jthread thread_;  ///< last: it ends first
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_LEASE_KEEPER_H
