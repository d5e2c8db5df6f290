// SPDX-License-Identifier: MIT
// One connection of a client: requests are read, answered in their order, and the connection is closed when it is slow, idle
// or wrong. While nothing is under way it holds its socket and a few hundred bytes. Used by the thread of its loop. Depends on
// the HTTP reader, responses and Asio.
#ifndef RATELIMIT_SERVICE_HTTP_CONNECTION_H
#define RATELIMIT_SERVICE_HTTP_CONNECTION_H

#include <array>
#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "../response.h"
#include "../settings.h"
#include "http_reader.h"
#include "http_stream.h"

namespace ratelimit::service {

/// Gets the response to a request, once, on the thread of the connection.
using Respond = std::function<void(Response)>;

/// What connections of one thread have in common.
struct HttpShared {
  const HttpBounds& bounds;
  std::function<void(HttpRequest, Respond)> handle;
  std::function<std::string_view()> date;  ///< the value of the field Date
  std::function<void(unsigned status)> responded;
  std::function<void(class HttpConnection&)> closed;
  std::array<char, 65536> buffer{};  ///< for what has just come
  bool is_draining = false;
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Requests that are under way at once; further ones wait in the system's buffers.
  static constexpr std::size_t kMostPipelined = 32;

  HttpConnection(HttpStream stream, HttpShared& shared);
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;
  ~HttpConnection() = default;

  void start();
  /// Answers what is under way, then closes.
  void drain();
  void close();
  /// Closes the connection if something takes too long.
  void check_time(Time now);

 private:
  /// A request that is under way, in the order of the requests.
  struct Slot {
    std::string wire{};
    bool is_ready = false;
    bool is_head = false;
    bool keeps_alive = true;
  };
  enum class Phase : std::uint8_t { open, ending, lingering, closed };

  void read();
  void take_bytes();
  void parse();
  void begin(HttpRequest request);
  void refuse(Problem problem);
  void respond(std::size_t number, const Response& response);
  void flush();
  void send();
  void written(const boost::system::error_code& error);
  void end();
  void set_deadline();

  HttpStream stream_;
  HttpShared& shared_;
  Phase phase_ = Phase::open;
  bool is_reading_ = false;
  bool is_writing_ = false;
  bool has_ended_ = false;              ///< the client sends no more
  std::string pending_;                 ///< came, and is not parsed
  std::unique_ptr<HttpReader> reader_;  ///< while a request is incomplete
  std::deque<Slot> slots_;
  std::size_t first_slot_ = 0;  ///< the number of the front one
  std::string outgoing_;
  std::size_t sent_ = 0;  ///< of `outgoing_`
  Time deadline_;
  Time request_begun_{};  ///< of the request that is incomplete
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_HTTP_CONNECTION_H
