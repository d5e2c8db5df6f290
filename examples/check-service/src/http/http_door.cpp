// SPDX-License-Identifier: MIT
#include "http_door.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "ratelimit/client/circuit_breaker.h"

namespace ratelimit::service {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

HttpDoor::HttpDoor(const std::vector<std::unique_ptr<Loop>>& loops, client::Client& client, const Settings& settings,
                   Log& log)
    : settings_(settings),
      client_(client),
      shared_{.log = log,
              .metrics = [this] { return metrics_text(); },
              .is_breaker_closed =
                  [this] {
                    const auto nodes = client_.nodes();
                    // A node that has died keeps its open one, because nobody asks it any more.
                    return std::any_of(nodes.begin(), nodes.end(), [](const auto& node) {
                      return node.breaker == client::CircuitBreaker::State::closed;
                    });
                  },
              .is_draining = is_draining_},
      tls_(door_tls(read_tls_files(settings.listen_tls), settings.listen_tls.least)),
      acceptor_(loops.front()->context()),
      pause_(loops.front()->context()) {
  const auto emptied = [this] {
    const std::lock_guard lock(mutex_);
    emptied_.notify_all();
  };
  const auto names = std::make_shared<LimiterNames>();
  for (const auto& loop : loops) {
    workers_.push_back(std::make_unique<HttpWorker>(*loop, settings_.http, shared_, names, connections_, emptied));
  }
}

std::string HttpDoor::metrics_text() const {
  Metrics sum;
  for (const auto& worker : workers_) sum.add(worker->metrics());
  const std::string of_envoy = shared_.envoy ? shared_.envoy->metrics() : std::string();
  return sum.text() + of_envoy + client_.metrics();
}

// --- the way in --------------------------------------------------------------------------------------

void HttpDoor::open() {
  const auto fail = [this](const std::string& why) {
    throw std::runtime_error("cannot listen at " + settings_.address + ":" + std::to_string(settings_.port) + ": " +
                             why);
  };
  error_code error;
  Tcp::resolver resolver(workers_.front()->loop().context());
  const auto found = resolver.resolve(settings_.address, std::to_string(settings_.port),
                                      Tcp::resolver::passive | Tcp::resolver::numeric_service, error);
  if (error) fail(error.message());
  const Tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) fail(error.message());
  port_ = acceptor_.local_endpoint().port();
}

void HttpDoor::start() {
  open();
  for (const auto& worker : workers_) asio::post(worker->loop().context(), [&each = *worker] { each.start(); });
  asio::post(acceptor_.get_executor(), [this] { accept(); });
}

void HttpDoor::renew(const TlsFiles& files) {
  asio::post(acceptor_.get_executor(), [this, tls = door_tls(files, settings_.listen_tls.least)] { tls_ = tls; });
}

void HttpDoor::accept() {
  HttpWorker& worker = *workers_[next_];
  next_ = (next_ + 1) % workers_.size();
  acceptor_.async_accept(worker.loop().context(), [this, &worker](const error_code& error, Tcp::socket socket) {
    if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
    if (!error) {
      take(std::move(socket), worker);
      return accept();
    }
    pause_.expires_after(std::chrono::milliseconds{100});  // no file is left: others may close some
    pause_.async_wait([this](const error_code& stopped) {
      if (!stopped) accept();
    });
  });
}

/// Beyond the bound a connection is closed at once: whoever holds many idle ones costs the others nothing.
void HttpDoor::take(Tcp::socket socket, HttpWorker& worker) {
  if (++connections_ > settings_.http.connections) {
    --connections_;
    return;
  }
  asio::post(worker.loop().context(),
             [&worker, socket = std::move(socket), tls = tls_]() mutable { worker.serve(std::move(socket), tls); });
}

// --- the end -----------------------------------------------------------------------------------------

bool HttpDoor::wait_until_empty(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  return emptied_.wait_until(lock, until, [this] { return connections_ == 0; });
}

void HttpDoor::drain(std::chrono::steady_clock::time_point until) {
  is_draining_ = true;
  asio::post(acceptor_.get_executor(), [this] {
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
  });
  for (const auto& worker : workers_) asio::post(worker->loop().context(), [&each = *worker] { each.drain(); });
  if (!wait_until_empty(until)) {
    shared_.log.write_always(Level::warn, "drained", {{"detail", "some requests did not end in time"}});
  }
  for (const auto& worker : workers_) asio::post(worker->loop().context(), [&each = *worker] { each.close_all(); });
  static_cast<void>(wait_until_empty(std::chrono::steady_clock::now() + std::chrono::seconds{1}));
}

}  // namespace ratelimit::service
