// SPDX-License-Identifier: MIT
// The HTTP door's part of one thread: its connections and its router. All functions but `metrics` are for the thread of the
// loop, unless they say otherwise. Depends on connections, the router and the loop.
#ifndef RATELIMIT_SERVICE_HTTP_WORKER_H
#define RATELIMIT_SERVICE_HTTP_WORKER_H

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "../loop.h"
#include "../metrics.h"
#include "../settings.h"
#include "door_tls.h"
#include "http_connection.h"
#include "router.h"

namespace ratelimit::service {

class HttpWorker {
 public:
  /// The arguments must outlive the worker. `connections` is how many all workers have; `emptied` is called when it falls to 0.
  HttpWorker(Loop& loop, const HttpBounds& bounds, const RouterShared& shared, std::shared_ptr<LimiterNames> names,
             std::atomic<std::size_t>& connections, std::function<void()> emptied);

  [[nodiscard]] Loop& loop() { return loop_; }
  [[nodiscard]] const Metrics& metrics() const { return metrics_; }  ///< for any thread

  /// Begins to look after the connections: every second it closes those that take too long.
  void start();
  void serve(boost::asio::ip::tcp::socket socket, const DoorTls& tls);
  void drain();
  void close_all();

 private:
  void sweep();
  void closed(HttpConnection& connection);
  [[nodiscard]] std::string_view date();
  /// Those of now: some may close meanwhile.
  template <class Visit>
  void for_each(Visit visit);

  Loop& loop_;
  Metrics metrics_;
  Router router_;
  HttpShared shared_;
  std::atomic<std::size_t>& count_;
  const std::function<void()> emptied_;
  std::unordered_set<std::shared_ptr<HttpConnection>> connections_;
  boost::asio::steady_timer timer_;
  std::time_t date_of_ = 0;
  std::string date_;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_HTTP_WORKER_H
