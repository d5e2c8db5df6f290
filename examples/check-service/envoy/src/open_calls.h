// SPDX-License-Identifier: MIT
// Requests that are under way, by connection, so that there is a bound of them. That of HTTP/2 leaves out requests that their
// client has taken back (RST_STREAM), though their work goes on, and gRPC 1.51 keeps it only towards clients that have
// acknowledged it. std only.
#ifndef RATELIMIT_SERVICE_ENVOY_OPEN_CALLS_H
#define RATELIMIT_SERVICE_ENVOY_OPEN_CALLS_H

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace ratelimit::service::envoy {

/// Any thread may call these functions.
class OpenCalls {
 public:
  enum class Verdict : std::uint8_t {
    go_on,
    close,   ///< there is one more of this connection than any has that keeps to the bound: it is to be closed
    refuse,  ///< there are still more: that has been said
  };

  /// `streams` is the bound of HTTP/2. Whoever keeps to it is never refused: a request counts for a moment after its answer has
  /// gone, when the client may have begun another one. So a connection may have twice as many and a hundred.
  explicit OpenCalls(std::size_t streams) : most_(2 * streams + 100) {}

  /// A request of the connection begins, whatever the verdict. `end` must follow.
  [[nodiscard]] Verdict begin(const std::string& connection) {
    const std::lock_guard lock(mutex_);
    const std::size_t open = ++of_[connection];
    if (open <= most_) return Verdict::go_on;
    return open == most_ + 1 ? Verdict::close : Verdict::refuse;
  }

  /// The request's answer has gone, or nobody waits for it.
  void end(const std::string& connection) {
    const std::lock_guard lock(mutex_);
    const auto found = of_.find(connection);
    if (--found->second == 0) of_.erase(found);
  }

 private:
  const std::size_t most_;
  std::mutex mutex_;  ///< guards what follows
  std::unordered_map<std::string, std::size_t> of_;
};

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_OPEN_CALLS_H
