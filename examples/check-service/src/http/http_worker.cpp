// SPDX-License-Identifier: MIT
#include "http_worker.h"

#include <array>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>
#include <vector>

namespace ratelimit::service {

HttpWorker::HttpWorker(Loop& loop, const HttpBounds& bounds, const RouterShared& shared,
                       std::shared_ptr<LimiterNames> names, std::atomic<std::size_t>& connections,
                       std::function<void()> emptied)
    : loop_(loop),
      metrics_(std::move(names)),
      router_(loop, metrics_, shared, [&loop](auto call) { boost::asio::post(loop.context(), std::move(call)); }),
      shared_{.bounds = bounds,
              .handle = [this](HttpRequest request,
                               Respond respond) { router_.handle(std::move(request), std::move(respond)); },
              .date = [this] { return date(); },
              .responded = [this](unsigned status) { metrics_.count_response(status); },
              .closed = [this](HttpConnection& connection) { closed(connection); }},
      count_(connections),
      emptied_(std::move(emptied)),
      timer_(loop.context()) {}

void HttpWorker::start() { sweep(); }

void HttpWorker::serve(boost::asio::ip::tcp::socket socket, const DoorTls& tls) {
  HttpStream stream(std::move(socket), tls == nullptr ? nullptr : tls->native_handle());
  auto connection = std::make_shared<HttpConnection>(std::move(stream), shared_);
  connections_.insert(connection);
  metrics_.count_connections(1);
  connection->start();
  if (shared_.is_draining) connection->drain();  // it was accepted just before the end
}

void HttpWorker::closed(HttpConnection& connection) {
  if (connections_.erase(connection.shared_from_this()) == 0) return;
  metrics_.count_connections(-1);
  if (--count_ == 0) emptied_();
}

template <class Visit>
void HttpWorker::for_each(Visit visit) {
  const std::vector<std::shared_ptr<HttpConnection>> all(connections_.begin(), connections_.end());
  for (const auto& connection : all) visit(*connection);
}

void HttpWorker::drain() {
  shared_.is_draining = true;
  for_each([](HttpConnection& connection) { connection.drain(); });
}

void HttpWorker::close_all() {
  timer_.cancel();
  for_each([](HttpConnection& connection) { connection.close(); });
}

void HttpWorker::sweep() {
  const auto now = std::chrono::steady_clock::now();
  for_each([now](HttpConnection& connection) { connection.check_time(now); });
  timer_.expires_after(std::chrono::seconds{1});
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) sweep();
  });
}

/// Sun, 06 Nov 1994 08:49:37 GMT (RFC 9110, 5.6.7), made once a second.
std::string_view HttpWorker::date() {
  const std::time_t now = std::time(nullptr);
  if (now == date_of_) return date_;
  date_of_ = now;
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 40> text{};
  date_.assign(text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts));
  return date_;
}

}  // namespace ratelimit::service
