// SPDX-License-Identifier: MIT
// One connection to one server: it connects, logs in, sends commands, and takes their replies. Only this file knows the
// connections of hiredis. Depends on commands, the reply reader, sessions, endpoints and waiting.
//
// hiredis connects. The waiting is done here, because each piece that arrives restarts the timeouts of hiredis. Replies
// come in the order of the commands. So a reply that comes after the deadline of its call is known by its place, and is
// discarded by the next call: the connection is kept. It is given up if too many replies are late, or if the server has
// been silent for too long.
#ifndef RATELIMIT_CLIENT_CONNECTION_H
#define RATELIMIT_CLIENT_CONNECTION_H

#include <fcntl.h>
#include <hiredis/hiredis.h>
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
#include <system_error>
#include <utility>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/command.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/client/reply_reader.h"
#include "ratelimit/client/session.h"
#include "ratelimit/client/waiting.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// How a connection begins.
struct Greeting {
  Login login{};
  std::shared_ptr<const Encryption> encryption{};
};

/// A connection is used by one thread at a time. No function but `call` waits.
class Connection {
 public:
  /// Connecting and logging in may take no longer.
  static constexpr Span kLongestConnecting = std::chrono::seconds{1};
  /// While a reply is late, so long may the server say nothing.
  static constexpr Span kLongestSilence = std::chrono::seconds{1};
  /// So many replies may be late.
  static constexpr std::size_t kMostLate = 64;

  /// Begins to connect. The system looks up a name for as long as that takes.
  Connection(const Endpoint& endpoint, const Greeting& greeting, Time now, const ReplyBounds& bounds = {})
      : context_(endpoint.socket.empty() ? redisConnectNonBlock(endpoint.host.c_str(), endpoint.port)
                                         : redisConnectUnixNonBlock(endpoint.socket.c_str())),
        reader_(bounds),
        begun_(now),
        heard_(now) {
    if (context_ == nullptr || context_->err != 0 || !reader_.is_made()) {
      fail(Failure::refused, context_ != nullptr ? context_->errstr : "no memory");
      return;
    }
    static_cast<void>(::fcntl(context_->fd, F_SETFD, FD_CLOEXEC));
    if (greeting.encryption != nullptr) session_ = greeting.encryption->begin(endpoint);
    greet(greeting.login);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() = default;

  // --- connecting ------------------------------------------------------------------------------------

  [[nodiscard]] bool is_ready() const { return phase_ == Phase::ready; }
  [[nodiscard]] bool is_broken() const { return phase_ == Phase::broken; }
  /// Of a connection that is broken: why. `error` is what the server or the system said, if anything.
  [[nodiscard]] Failure failure() const { return failure_; }
  [[nodiscard]] const std::string& error() const { return error_; }
  /// The same as a reply; null, if nothing was said.
  [[nodiscard]] Reply refusal() const {
    if (error_.empty() && failure_ != Failure::server_error) return {};
    return {.kind = Reply::Kind::error, .integer = 0, .text = error_, .items = {}};
  }

  /// Goes on connecting and logging in, until something must be waited for. After `kLongestConnecting` it is broken.
  void advance(Time now) {
    if (phase_ == Phase::connecting && is_connected()) {
      phase_ = Phase::greeting;
      if (session_ != nullptr) static_cast<void>(feed({}));  // it begins the encryption
    }
    if (phase_ == Phase::greeting) take_greetings();
    const bool is_under_way = phase_ == Phase::connecting || phase_ == Phase::greeting;
    if (is_under_way && now >= connecting_until()) fail(Failure::refused, "connecting took too long");
  }
  [[nodiscard]] Time connecting_until() const { return begun_ + kLongestConnecting; }

  /// What to watch, to know when to go on.
  [[nodiscard]] int file() const { return context_->fd; }
  [[nodiscard]] short events() const {
    const bool has_to_send = phase_ == Phase::connecting || !outgoing_.empty();
    return static_cast<short>(has_to_send ? POLLIN | POLLOUT : POLLIN);
  }

  // --- commands --------------------------------------------------------------------------------------

  /// How many commands were sent whose replies have not come.
  [[nodiscard]] std::size_t outstanding() const { return outstanding_; }

  /// Queues a command behind those that are outstanding.
  void queue(const Command& command, Time now) {
    if (outstanding_++ == 0) heard_ = now;
    command.write_to(session_ != nullptr ? plain_ : outgoing_);
  }

  /// Sends what is queued, as far as the socket takes it. False if the connection is broken.
  bool flush() {
    if (!plain_.empty() && session_->is_established()) {
      if (!session_->send(plain_, outgoing_)) return fail(Failure::closed, session_->error());
      plain_.clear();
    }
    std::size_t sent = 0;
    while (sent < outgoing_.size()) {
      // hiredis' own write may raise SIGPIPE when the connection has ended.
      const ssize_t size = ::send(file(), outgoing_.data() + sent, outgoing_.size() - sent, MSG_NOSIGNAL);
      if (size > 0) {
        sent += static_cast<std::size_t>(size);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        break;
      } else if (errno != EINTR) {
        return fail(Failure::closed);
      }
    }
    outgoing_.erase(0, sent);
    return true;
  }

  /// Takes bytes that have come. False if the connection is broken.
  bool receive() {
    std::array<char, 16384> buffer;
    while (true) {
      const ssize_t size = ::recv(file(), buffer.data(), buffer.size(), 0);
      if (size == 0) return fail(Failure::closed);
      if (size > 0) return feed({buffer.data(), static_cast<std::size_t>(size)});
      if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
      if (errno != EINTR) return fail(Failure::closed);
    }
  }

  /// The next of the outstanding replies; null if it has not come, or the connection is broken. It is valid until the next
  /// call of any function.
  [[nodiscard]] Reply* next(Time now) {
    if (outstanding_ == 0) return nullptr;
    Reply* reply = nullptr;
    switch (reader_.next(reply)) {
      case ReplyReader::Next::incomplete: return nullptr;
      case ReplyReader::Next::garbage: fail(Failure::garbage); return nullptr;
      case ReplyReader::Next::reply: break;
    }
    --outstanding_;
    heard_ = now;
    return reply;
  }

  /// Whether replies are late, and the server has said nothing for too long.
  [[nodiscard]] bool is_silent(Time now) const { return outstanding_ > 0 && now - heard_ >= kLongestSilence; }

  /// The connection must not be used again.
  void give_up() { fail(Failure::closed); }

  /// Sends commands and waits for the reply to the last one until `deadline`. Replies that are late are discarded.
  [[nodiscard]] Failure call(std::span<const Command> commands, Time now, Time deadline, Reply& last) {
    for (const Command& command : commands) queue(command, now);
    while (flush()) {
      while (Reply* reply = next(now)) {
        if (outstanding_ > 0) continue;
        last = std::move(*reply);
        if (reader_.size() > 0) fail(Failure::garbage);  // nobody asked for more
        return Failure::none;
      }
      if (is_broken()) break;
      if (wait_for(file(), events(), deadline) == Waited::in_vain) return Failure::timeout;
      if (!receive()) break;
    }
    return failure_;
  }

  /// Whether another call may use it. Takes late replies, if `now` is worth it: if some are late, or if the connection was
  /// not used for a while, in which the server may have closed it.
  [[nodiscard]] bool is_reusable(Time now) {
    constexpr Span kWhile = std::chrono::milliseconds{1};
    if (!is_ready()) return false;
    if (outstanding_ == 0 && now - heard_ < kWhile) return true;
    if (!receive()) return false;
    while (next(now) != nullptr) {
    }
    if (is_broken() || (outstanding_ == 0 && reader_.size() > 0)) return false;
    return outstanding_ <= kMostLate && !is_silent(now);
  }

 private:
  enum class Phase : std::uint8_t { connecting, greeting, ready, broken };

  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };

  /// While it connects, no call was sent: then no other failure means anything but what the server itself said.
  bool fail(Failure failure, std::string_view error = {}) {
    const bool was_ready = phase_ == Phase::ready;
    phase_ = Phase::broken;
    failure_ = was_ready || failure == Failure::server_error ? failure : Failure::refused;
    error_ = error;
    return false;
  }

  bool feed(std::string_view came) {
    if (session_ == nullptr) return reader_.feed(came) || fail(Failure::garbage);
    std::string said;
    const bool is_well = session_->receive(came, said, outgoing_);
    if (!said.empty() && !reader_.feed(said)) return fail(Failure::garbage);
    return is_well || fail(Failure::closed, session_->error());
  }

  /// Queues what a new connection says first.
  void greet(const Login& login) {
    if (!login.user.empty()) {
      queue({"AUTH", login.user, login.password}, begun_);
    } else if (!login.password.empty()) {
      queue({"AUTH", login.password}, begun_);
    }
    if (login.database != 0) queue({"SELECT", std::to_string(login.database)}, begun_);
  }

  [[nodiscard]] bool is_connected() {
    if (wait_for(file(), POLLOUT, Time{}) == Waited::in_vain) return false;
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(file(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    return error == 0 || fail(Failure::refused, std::generic_category().message(error));
  }

  void take_greetings() {
    const bool is_secured = session_ == nullptr || session_->is_established();
    if (!flush() || ((outstanding_ > 0 || !is_secured) && !receive())) return;
    if (!flush()) return;  // what the encryption answers
    while (Reply* reply = next(begun_)) {
      if (reply->kind != Reply::Kind::error) continue;
      fail(Failure::server_error, reply->text);
      return;
    }
    if (!is_broken() && outstanding_ == 0 && (session_ == nullptr || session_->is_established())) phase_ = Phase::ready;
  }

  std::unique_ptr<redisContext, Free> context_;
  ReplyReader reader_;
  const Time begun_;  ///< when it began to connect
  Time heard_;        ///< when a reply came last; if none was outstanding since, when a command was sent
  Phase phase_ = Phase::connecting;
  std::unique_ptr<Session> session_;  ///< null without encryption
  std::string plain_;                 ///< commands that are queued and not encrypted
  std::string outgoing_;              ///< what is queued and not sent
  std::size_t outstanding_ = 0;
  Failure failure_ = Failure::none;
  std::string error_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_CONNECTION_H
