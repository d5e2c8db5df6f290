// SPDX-License-Identifier: MIT
#include "http_stream.h"

#include <openssl/err.h>

#include <boost/asio/error.hpp>
#include <new>

namespace ratelimit::service {

namespace asio = boost::asio;

HttpStream::HttpStream(Socket socket, SSL_CTX* tls) : socket_(std::move(socket)) {
  Error ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  if (tls == nullptr) return;
  tls_.reset(SSL_new(tls));
  if (tls_ == nullptr || SSL_set_fd(tls_.get(), socket_.native_handle()) != 1) throw std::bad_alloc();
  SSL_set_accept_state(tls_.get());
}

/// Reading may have to write, and writing to read: a handshake, new keys.
HttpStream::Error HttpStream::error_of(int result, Socket::wait_type& waits_for) {
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_WANT_READ: waits_for = Socket::wait_read; return asio::error::would_block;
    case SSL_ERROR_WANT_WRITE: waits_for = Socket::wait_write; return asio::error::would_block;
    case SSL_ERROR_ZERO_RETURN: return asio::error::eof;
    default: has_failed_ = true; return asio::error::connection_aborted;
  }
}

std::size_t HttpStream::read_some(asio::mutable_buffer to, Error& error) {
  if (tls_ == nullptr || has_shut_) return socket_.read_some(to, error);
  ERR_clear_error();
  std::size_t size = 0;
  const int result = SSL_read_ex(tls_.get(), to.data(), to.size(), &size);
  if (result != 1) error = error_of(result, read_waits_for_);
  if (result == 1) read_waits_for_ = Socket::wait_read;
  return size;
}

std::size_t HttpStream::write_some(asio::const_buffer from, Error& error) {
  if (tls_ == nullptr) return socket_.write_some(from, error);
  ERR_clear_error();
  std::size_t size = 0;
  const int result = SSL_write_ex(tls_.get(), from.data(), from.size(), &size);
  if (result != 1) error = error_of(result, write_waits_for_);
  if (result == 1) write_waits_for_ = Socket::wait_write;
  return size;
}

/// Tells the other side that nothing was cut off. It is not waited for.
void HttpStream::say_goodbye() {
  if (tls_ == nullptr || has_failed_ || has_shut_ || !is_open()) return;
  ERR_clear_error();
  static_cast<void>(SSL_shutdown(tls_.get()));
}

void HttpStream::shutdown_send(Error& error) {
  say_goodbye();
  has_shut_ = true;
  socket_.shutdown(Socket::shutdown_send, error);
}

void HttpStream::close() {
  say_goodbye();
  Error ignored;
  socket_.close(ignored);
}

}  // namespace ratelimit::service
