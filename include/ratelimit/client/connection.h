// One connection to one server: a request, its reply, and a deadline for both. The one place that knows hiredis.
//
// hiredis connects, writes requests and reads replies; the waiting is done here, since its own timeouts start anew with
// each piece that arrives. A request whose reply did not come leaves a connection on which that reply may still come:
// such a connection is never used again. One that is not ready yet has asked nothing, and goes on with the next call.
// Needs ppoll: Linux, BSD, or any POSIX of 2024.
#ifndef RATELIMIT_CLIENT_CONNECTION_H
#define RATELIMIT_CLIENT_CONNECTION_H

#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// Where a server is.
struct Endpoint {
  std::string host = "127.0.0.1";  ///< a name is looked up at each connection, for as long as that takes
  int port = 6379;
  std::string socket{};  ///< the path of a Unix socket; then host and port do not matter

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// Who we are, and in which database the keys are.
struct Login {
  std::string user{};
  std::string password{};
  int database = 0;
};

using Words = std::vector<std::string_view>;

class Connection {
 public:
  /// Begins to connect; `is_broken` says whether that failed already.
  Connection(const Endpoint& endpoint, const Login& login, Time now)
      : context_(endpoint.socket.empty() ? redisConnectNonBlock(endpoint.host.c_str(), endpoint.port)
                                         : redisConnectUnixNonBlock(endpoint.socket.c_str())),
        reader_(redisReaderCreate()),
        begun_(now) {
    if (reader_ != nullptr) {
      reader_->privdata = reader_->fn;
      functions_ = *reader_->fn;
      functions_.createArray = &Connection::create_list;
      reader_->fn = &functions_;
    }
    if (!login.password.empty()) {
      greet(login.user.empty() ? Words{"AUTH", login.password} : Words{"AUTH", login.user, login.password});
    }
    if (login.database != 0) greet({"SELECT", std::to_string(login.database)});
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() = default;

  [[nodiscard]] bool is_broken() const { return context_ == nullptr || context_->err != 0 || reader_ == nullptr; }

  /// Whether another call may use it: nothing is under way but its own beginning, and that for no longer than a second.
  [[nodiscard]] bool is_fit(Time now) const {
    if (is_broken() || is_spoilt_) return false;
    if (phase_ != Phase::ready) return now - begun_ < std::chrono::seconds{1};
    pollfd file{.fd = context_->fd, .events = POLLIN, .revents = 0};
    return ::poll(&file, 1, 0) == 0;  // neither closed meanwhile nor told what it did not ask for
  }

  /// Sends requests, and waits for the reply to each; `replies` gets those that came. Anything but `none` leaves a
  /// connection that is not fit, unless it was not ready yet.
  [[nodiscard]] Failure call(std::span<const Words> requests, Time deadline, std::vector<Value>& replies) {
    if (is_broken()) return Failure::refused;
    if (const Failure failure = begin(deadline); failure != Failure::none) return failure;
    is_spoilt_ = true;
    std::string bytes;
    for (const Words& words : requests) append(words, bytes);
    if (const Failure failure = send(bytes, deadline); failure != Failure::none) return failure;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      Value reply;
      if (const Failure failure = receive(deadline, reply); failure != Failure::none) return failure;
      replies.push_back(std::move(reply));
    }
    is_spoilt_ = has_more();
    return Failure::none;
  }

 private:
  enum class Phase : std::uint8_t { connecting, greeting, ready };

  // No reply that is expected has more. What claims to have is garbage, and gets no memory.
  static constexpr std::size_t kMostItems = 64;
  static constexpr std::size_t kMostBytes = std::size_t{1} << 16U;

  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };

  /// Stands before hiredis' own function, whose `count` is of another type in each of its versions.
  template <class Count>
  static void* create_list(const redisReadTask* task, Count count) {
    if (static_cast<std::size_t>(count) > kMostItems) return nullptr;
    return static_cast<const redisReplyObjectFunctions*>(task->privdata)->createArray(task, count);
  }

  static void append(const Words& words, std::string& bytes) {
    bytes.append("*").append(std::to_string(words.size())).append("\r\n");
    for (const std::string_view word : words) {
      bytes.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
    }
  }

  void greet(const Words& words) {
    append(words, greeting_);
    ++greetings_;
  }

  /// Brings the connection to where it can be asked, from where it stands.
  [[nodiscard]] Failure begin(Time deadline) {
    if (phase_ == Phase::connecting) {
      if (const Failure failure = wait_for(POLLOUT, deadline); failure != Failure::none) return failure;
      int error = 0;
      socklen_t size = sizeof error;
      if (::getsockopt(context_->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
        return spoil(Failure::refused);
      phase_ = Phase::greeting;
      // So few bytes always fit into the buffer of a new connection.
      if (const Failure failure = send(greeting_, deadline); failure != Failure::none) return spoil(failure);
    }
    for (; phase_ == Phase::greeting && greetings_ > 0; --greetings_) {
      Value reply;
      const Failure failure = receive(deadline, reply);
      if (failure == Failure::timeout) return failure;
      if (failure != Failure::none || reply.kind == Value::Kind::error) {
        return spoil(failure != Failure::none ? failure : Failure::server_error);
      }
    }
    phase_ = Phase::ready;
    return Failure::none;
  }

  Failure spoil(Failure failure) {
    is_spoilt_ = true;
    return failure;
  }

  [[nodiscard]] Failure wait_for(short event, Time deadline) const {
    while (true) {
      const Span left = std::max<Span>(deadline - std::chrono::steady_clock::now(), Span{});
      const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
      const timespec timeout{.tv_sec = static_cast<time_t>(seconds.count()),
                             .tv_nsec = static_cast<long>((left - seconds).count())};
      pollfd file{.fd = context_->fd, .events = event, .revents = 0};
      const int ready = ::ppoll(&file, 1, &timeout, nullptr);
      if (ready > 0) return Failure::none;
      if (ready == 0) return Failure::timeout;
      if (errno != EINTR) return Failure::closed;
    }
  }

  /// By the socket itself: a write of hiredis to a connection that has ended may raise SIGPIPE.
  [[nodiscard]] Failure send(std::string_view bytes, Time deadline) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(context_->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        if (const Failure failure = wait_for(POLLOUT, deadline); failure != Failure::none) return failure;
      } else if (errno != EINTR) {
        return Failure::closed;
      }
    }
    return Failure::none;
  }

  [[nodiscard]] Failure receive(Time deadline, Value& value) {
    std::size_t received = 0;
    while (true) {
      void* made = nullptr;
      if (redisReaderGetReply(reader_.get(), &made) != REDIS_OK) return Failure::garbage;
      if (const std::unique_ptr<redisReply, Free> reply(static_cast<redisReply*>(made)); reply != nullptr) {
        return convert(*reply, value) ? Failure::none : Failure::garbage;
      }
      if (const Failure failure = wait_for(POLLIN, deadline); failure != Failure::none) return failure;
      std::array<char, 4096> buffer;
      const ssize_t size = ::recv(context_->fd, buffer.data(), buffer.size(), 0);
      if (size == 0) return Failure::closed;
      if (size < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) continue;
        return Failure::closed;
      }
      received += static_cast<std::size_t>(size);
      if (received > kMostBytes) return Failure::garbage;
      if (redisReaderFeed(reader_.get(), buffer.data(), static_cast<std::size_t>(size)) != REDIS_OK)
        return Failure::garbage;
    }
  }

  /// Whether something came that nobody asked for.
  [[nodiscard]] bool has_more() const { return reader_->pos < reader_->len; }

  static bool convert(const redisReply& reply, Value& value) {
    switch (reply.type) {
      case REDIS_REPLY_NIL: value.kind = Value::Kind::null; return true;
      case REDIS_REPLY_INTEGER:
        value.kind = Value::Kind::integer;
        value.integer = reply.integer;
        return true;
      case REDIS_REPLY_STATUS:
      case REDIS_REPLY_STRING:
      case REDIS_REPLY_ERROR:
        value.kind = reply.type == REDIS_REPLY_ERROR ? Value::Kind::error : Value::Kind::text;
        value.text.assign(reply.str, reply.len);
        return true;
      case REDIS_REPLY_ARRAY:
        value.kind = Value::Kind::list;
        value.items.resize(reply.elements);
        for (std::size_t i = 0; i < reply.elements; ++i) {
          const redisReply* item = reply.element[i];
          if (item == nullptr || item->type == REDIS_REPLY_ARRAY || !convert(*item, value.items[i])) return false;
        }
        return true;
      default: return false;
    }
  }

  std::unique_ptr<redisContext, Free> context_;
  redisReplyObjectFunctions functions_{};
  std::unique_ptr<redisReader, Free> reader_;
  Time begun_;
  Phase phase_ = Phase::connecting;
  std::string greeting_;
  int greetings_ = 0;  ///< that are to be answered
  bool is_spoilt_ = false;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CONNECTION_H
