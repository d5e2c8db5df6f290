// SPDX-License-Identifier: MIT
// One connection to one server: it sends commands and waits for their replies, until a deadline. Only this file knows
// hiredis. Depends on commands, replies and endpoints; needs ppoll: Linux, BSD, or any POSIX of 2024.
//
// hiredis connects and parses replies. The waiting is done here, because each piece that arrives restarts the timeouts of
// hiredis. When the reply to a command did not come in time, it may still come later: such a connection is never used
// again. While a connection is not ready, no command was sent on it: the next call goes on with it.
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
#include "ratelimit/client/command.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// A connection is used by one thread at a time.
class Connection {
 public:
  /// Begins to connect. `is_broken` says whether that failed already.
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
      greet(login.user.empty() ? Command{"AUTH", login.password} : Command{"AUTH", login.user, login.password});
    }
    if (login.database != 0) greet({"SELECT", std::to_string(login.database)});
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() = default;

  [[nodiscard]] bool is_broken() const { return context_ == nullptr || context_->err != 0 || reader_ == nullptr; }

  /// Whether another call may use it: no reply is outstanding, and it did not begin to connect more than a second ago
  /// without becoming ready.
  [[nodiscard]] bool is_reusable(Time now) const {
    if (is_broken() || is_spoilt_) return false;
    if (phase_ != Phase::ready) return now - begun_ < std::chrono::seconds{1};
    pollfd file{.fd = context_->fd, .events = POLLIN, .revents = 0};
    return ::poll(&file, 1, 0) == 0;  // something to read: it was closed, or got what nobody asked for
  }

  /// Sends commands and waits for the reply to each until `deadline`. Appends to `replies` those that came. After any
  /// failure the connection is not reusable, unless it was not ready yet.
  [[nodiscard]] Failure call(std::span<const Command> commands, Time deadline, std::vector<Reply>& replies) {
    if (is_broken()) return Failure::refused;
    if (const Failure failure = begin(deadline); failure != Failure::none) return failure;
    is_spoilt_ = true;
    std::string bytes;
    for (const Command& command : commands) command.write_to(bytes);
    if (const Failure failure = send(bytes, deadline); failure != Failure::none) return failure;
    for (std::size_t i = 0; i < commands.size(); ++i) {
      Reply reply;
      if (const Failure failure = receive(deadline, reply); failure != Failure::none) return failure;
      replies.push_back(std::move(reply));
    }
    is_spoilt_ = has_more();
    return Failure::none;
  }

 private:
  enum class Phase : std::uint8_t { connecting, greeting, ready };

  // No expected reply has more. One that claims to have more is garbage, and gets no memory.
  static constexpr std::size_t kMaxItems = 64;
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 16U;

  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };

  /// Called instead of hiredis' own function, and calls it. The type of `count` differs between versions of hiredis.
  template <class Count>
  static void* create_list(const redisReadTask* task, Count count) {
    if (static_cast<std::size_t>(count) > kMaxItems) return nullptr;
    return static_cast<const redisReplyObjectFunctions*>(task->privdata)->createArray(task, count);
  }

  void greet(const Command& command) {
    command.write_to(greeting_);
    ++greetings_;
  }

  /// Connects and logs in, as far as that is not done. On a timeout the next call may go on.
  [[nodiscard]] Failure begin(Time deadline) {
    if (phase_ == Phase::connecting) {
      if (const Failure failure = wait_for(POLLOUT, deadline); failure != Failure::none) return failure;
      int error = 0;
      socklen_t size = sizeof error;
      if (::getsockopt(context_->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
        return spoil(Failure::refused);
      phase_ = Phase::greeting;
      // The buffer of a new connection has room for so few bytes.
      if (const Failure failure = send(greeting_, deadline); failure != Failure::none) return spoil(failure);
    }
    for (; phase_ == Phase::greeting && greetings_ > 0; --greetings_) {
      Reply reply;
      const Failure failure = receive(deadline, reply);
      if (failure == Failure::timeout) return failure;
      if (failure != Failure::none || reply.kind == Reply::Kind::error) {
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

  /// Writes to the socket itself: hiredis' own write may raise SIGPIPE when the connection has ended.
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

  [[nodiscard]] Failure receive(Time deadline, Reply& reply) {
    std::size_t received = 0;
    while (true) {
      void* made = nullptr;
      if (redisReaderGetReply(reader_.get(), &made) != REDIS_OK) return Failure::garbage;
      if (const std::unique_ptr<redisReply, Free> raw(static_cast<redisReply*>(made)); raw != nullptr) {
        return convert(*raw, reply) ? Failure::none : Failure::garbage;
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
      if (received > kMaxBytes) return Failure::garbage;
      if (redisReaderFeed(reader_.get(), buffer.data(), static_cast<std::size_t>(size)) != REDIS_OK)
        return Failure::garbage;
    }
  }

  /// Whether more came than the replies.
  [[nodiscard]] bool has_more() const { return reader_->pos < reader_->len; }

  /// False if no command has such a reply.
  static bool convert(const redisReply& raw, Reply& reply) {
    switch (raw.type) {
      case REDIS_REPLY_NIL: reply.kind = Reply::Kind::null; return true;
      case REDIS_REPLY_INTEGER:
        reply.kind = Reply::Kind::integer;
        reply.integer = raw.integer;
        return true;
      case REDIS_REPLY_STATUS:
      case REDIS_REPLY_STRING:
      case REDIS_REPLY_ERROR:
        reply.kind = raw.type == REDIS_REPLY_ERROR ? Reply::Kind::error : Reply::Kind::text;
        reply.text.assign(raw.str, raw.len);
        return true;
      case REDIS_REPLY_ARRAY:
        reply.kind = Reply::Kind::list;
        reply.items.resize(raw.elements);
        for (std::size_t i = 0; i < raw.elements; ++i) {
          const redisReply* item = raw.element[i];
          if (item == nullptr || item->type == REDIS_REPLY_ARRAY || !convert(*item, reply.items[i])) return false;
        }
        return true;
      default: return false;
    }
  }

  std::unique_ptr<redisContext, Free> context_;
  redisReplyObjectFunctions functions_{};
  std::unique_ptr<redisReader, Free> reader_;
  Time begun_;  ///< when it began to connect
  Phase phase_ = Phase::connecting;
  std::string greeting_;
  int greetings_ = 0;       ///< replies to the greeting that are outstanding
  bool is_spoilt_ = false;  ///< a reply is outstanding, or something came that nobody asked for
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CONNECTION_H
