// SPDX-License-Identifier: MIT
// A connection of bench_load to a server, and the replies that it counts. Needs POSIX.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "load_options.h"
#include "load_requests.h"

namespace load {

// Counts the replies in a stream of RESP2, and the denials among them, which have a certain integer at their head.
class ReplyCounter {
 public:
  explicit ReplyCounter(const std::string& denial) : denial_(":" + denial) {}

  std::uint64_t replies = 0;
  std::uint64_t denials = 0;

  // Takes whole lines and bulk strings off `bytes`; returns how many bytes. The rest must come again, with more.
  std::size_t take(std::string_view bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
      const std::size_t end = bytes.find('\n', at);
      if (end == std::string_view::npos) break;
      const std::string_view line = bytes.substr(at, end - at - 1);
      std::size_t after = end + 1;
      if (line.front() == '$' && line[1] != '-') after += std::stoul(std::string{line.substr(1)}) + 2;
      if (after > bytes.size()) break;
      element(line);
      at = after;
    }
    return at;
  }

 private:
  void element(std::string_view line) {
    if (line.front() == '-') throw std::runtime_error{"the server answered: " + std::string{line.substr(1)}};
    if (line.front() == '*') {
      missing_ += std::stoul(std::string{line.substr(1)});
    } else {
      if (!seen_first_ && line == denial_) ++denials;
      seen_first_ = true;
    }
    if (--missing_ == 0) {
      ++replies;
      missing_ = 1;
      seen_first_ = false;
    }
  }

  std::string denial_;
  std::size_t missing_ = 1;  // elements until the reply is whole
  bool seen_first_ = false;
};

[[noreturn]] inline void fail(const char* what) { throw std::system_error{errno, std::generic_category(), what}; }

inline int connect_to(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  // The socket interface takes every kind of address through one type, hence the cast.
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("connect");
  const int yes = 1;
  if (::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) fail("TCP_NODELAY");
  return socket;
}

class Connection {
 public:
  explicit Connection(const Options& options)
      : socket_(connect_to(options.port)), input_(std::size_t{1} << 16U, '\0'), counter_(options.denial) {
    const std::string number = std::to_string(options.database);
    ask("*2\r\n$6\r\nSELECT\r\n$" + std::to_string(number.size()) + "\r\n" + number + "\r\n");
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  Connection(Connection&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        input_(std::move(other.input_)),
        counter_(std::move(other.counter_)),
        expected_(other.expected_),
        sent_(other.sent_),
        received_(other.received_) {}
  Connection& operator=(Connection&&) = delete;
  ~Connection() {
    if (socket_ >= 0) ::close(socket_);
  }

  void send(Requests::Slice slice) {
    expected_ += slice.count;
    sent_ += slice.bytes.size();
    while (!slice.bytes.empty()) {
      const ssize_t written = ::write(socket_, slice.bytes.data(), slice.bytes.size());
      if (written < 0) fail("write");
      slice.bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  // Reads until everything that was sent is answered.
  void receive() {
    while (counter_.replies < expected_) receive_some();
  }

  // Reads what has come, or waits for it.
  void receive_some() {
    const ssize_t got = ::read(socket_, input_.data() + held_, input_.size() - held_);
    if (got < 0) fail("read");
    if (got == 0) throw std::runtime_error{"the server closed the connection"};
    held_ += static_cast<std::size_t>(got);
    received_ += static_cast<std::uint64_t>(got);
    const std::size_t taken = counter_.take(std::string_view{input_}.substr(0, held_));
    std::copy(input_.begin() + static_cast<std::ptrdiff_t>(taken), input_.begin() + static_cast<std::ptrdiff_t>(held_),
              input_.begin());
    held_ -= taken;
  }

  // One call by itself.
  void ask(std::string_view request) {
    send({request, 1});
    receive();
  }

  [[nodiscard]] int socket() const { return socket_; }
  [[nodiscard]] const ReplyCounter& counted() const { return counter_; }

  // Bytes, without those of the protocols below.
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t received() const { return received_; }

 private:
  int socket_;
  std::string input_;
  std::size_t held_ = 0;  // bytes of input_ that are not counted yet
  ReplyCounter counter_;
  std::uint64_t expected_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

}  // namespace load
