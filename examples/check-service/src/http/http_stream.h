// SPDX-License-Identifier: MIT
// The bytes of one connection, plain or encrypted. Asio's own stream of TLS keeps 34 KB for each connection as long as that
// lives; here OpenSSL works on the socket itself, and lets its buffers go while nothing comes. Depends on Asio and OpenSSL.
#ifndef RATELIMIT_SERVICE_HTTP_STREAM_H
#define RATELIMIT_SERVICE_HTTP_STREAM_H

#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <memory>
#include <utility>

namespace ratelimit::service {

class HttpStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Error = boost::system::error_code;

  /// `tls` as `door_tls` makes it, which need not outlive the stream; null for a plain one. Throws std::bad_alloc.
  HttpStream(Socket socket, SSL_CTX* tls);

  /// Whether requests can come: a plain stream always, an encrypted one after its handshake, which `read_some` makes.
  [[nodiscard]] bool is_open() const { return tls_ == nullptr || SSL_is_init_finished(tls_.get()) == 1; }

  /// Calls `then(error)` when it is worth to read, or to write, again.
  template <class Then>
  void wait_to_read(Then then) {
    socket_.async_wait(read_waits_for_, std::move(then));
  }
  template <class Then>
  void wait_to_write(Then then) {
    socket_.async_wait(write_waits_for_, std::move(then));
  }

  /// At least one byte, or an error: `would_block` if there is nothing now, `eof` if the other side has ended.
  [[nodiscard]] std::size_t read_some(boost::asio::mutable_buffer to, Error& error);
  [[nodiscard]] std::size_t write_some(boost::asio::const_buffer from, Error& error);

  /// Nothing more is written. What still comes is only good to be thrown away: it is not decrypted.
  void shutdown_send(Error& error);
  void close();

  [[nodiscard]] Socket::executor_type get_executor() { return socket_.get_executor(); }

 private:
  struct Free {
    void operator()(SSL* tls) const { SSL_free(tls); }
  };

  void say_goodbye();
  [[nodiscard]] Error error_of(int result, Socket::wait_type& waits_for);

  Socket socket_;
  std::unique_ptr<SSL, Free> tls_;
  bool has_failed_ = false;  ///< OpenSSL must not be called again
  bool has_shut_ = false;
  Socket::wait_type read_waits_for_ = Socket::wait_read;
  Socket::wait_type write_waits_for_ = Socket::wait_write;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_HTTP_STREAM_H
