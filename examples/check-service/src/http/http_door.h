// SPDX-License-Identifier: MIT
// The HTTP door: it listens, and hands connections to the threads of the loops in turn. Depends on the workers.
#ifndef RATELIMIT_SERVICE_HTTP_DOOR_H
#define RATELIMIT_SERVICE_HTTP_DOOR_H

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "../door.h"
#include "../log.h"
#include "../loop.h"
#include "../settings.h"
#include "door_tls.h"
#include "http_worker.h"
#include "ratelimit/client.h"

namespace ratelimit::service {

class HttpDoor final : public Door {
 public:
  /// The arguments must outlive the door, and the loops' threads must have ended before it is destroyed.
  HttpDoor(const std::vector<std::unique_ptr<Loop>>& loops, client::Client& client, const Settings& settings, Log& log);

  void start() override;
  void renew(const TlsFiles& files) override;
  void drain(std::chrono::steady_clock::time_point until) override;
  /// Answers for the door for Envoy, too. Before `start`.
  void serve(EnvoyPaths paths) { shared_.envoy = std::move(paths); }
  /// Shows the operators' pages, too. Before `start`.
  void show(const OperatorSettings& settings, operators::Pages::Ask ask) {
    shared_.pages.emplace(settings, std::move(ask));
  }
  /// The token of operators. Any thread may call it.
  void renew_token(std::string token) {
    if (shared_.pages) shared_.pages->renew(std::move(token));
  }
  /// Where it listens, also if the settings say 0.
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  void open();
  void accept();
  void take(boost::asio::ip::tcp::socket socket, HttpWorker& worker);
  [[nodiscard]] std::string metrics_text() const;
  [[nodiscard]] bool wait_until_empty(std::chrono::steady_clock::time_point until);

  const Settings& settings_;
  client::Client& client_;
  std::atomic<bool> is_draining_{false};
  std::atomic<std::size_t> connections_{0};
  RouterShared shared_;
  std::vector<std::unique_ptr<HttpWorker>> workers_;
  DoorTls tls_;           ///< used on the acceptor's thread
  std::size_t next_ = 0;  ///< the worker that gets the next connection
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;  ///< when the system has no file left
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable emptied_;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_HTTP_DOOR_H
