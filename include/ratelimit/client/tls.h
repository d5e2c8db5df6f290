// SPDX-License-Identifier: MIT
// TLS for the connections of a client, by OpenSSL: link ratelimit::client_tls. It needs nothing of hiredis, so it is there
// with every version. Depends on sessions.
//
//     Options options;
//     options.node.encryption = tls({.authorities = "/etc/ssl/redis-ca.pem"});
//
// OpenSSL reads and writes memory, and the connection carries it over the socket: then no write of OpenSSL raises SIGPIPE,
// and all waiting ends at the deadline.
#ifndef RATELIMIT_CLIENT_TLS_H
#define RATELIMIT_CLIENT_TLS_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/session.h"

namespace ratelimit::client {

struct TlsSettings {
  std::string authorities{};  ///< a file of certificates in PEM whose owners vouch for the server; empty: the system's
  std::string certificate{};  ///< a file in PEM, if the server wants to know who the client is
  std::string key{};          ///< a file in PEM: the certificate's private key
  std::string name{};         ///< that the server's certificate must have; empty: the host of its endpoint
};

namespace detail {

/// What OpenSSL says went wrong last.
[[nodiscard]] inline std::string openssl_error() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  if (code == 0) return "the connection was closed";
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

struct FreeTls {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

class TlsSession final : public Session {
 public:
  /// `name` is a host name or an address. The server's certificate must have it.
  TlsSession(SSL_CTX& context, const std::string& name)
      : ssl_(SSL_new(&context)), incoming_(BIO_new(BIO_s_mem())), outgoing_(BIO_new(BIO_s_mem())) {
    SSL_set_bio(ssl_.get(), incoming_, outgoing_);  // which then owns both
    SSL_set_connect_state(ssl_.get());
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), name.c_str()) == 1) return;
    SSL_set1_host(ssl_.get(), name.c_str());
    std::string server_name = name;  // OpenSSL copies it
    SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, server_name.data());
  }

  bool receive(std::string_view came, std::string& plain, std::string& wire) override {
    ERR_clear_error();
    if (!came.empty()) BIO_write(incoming_, came.data(), static_cast<int>(came.size()));
    bool is_well = is_established() || goes_on(SSL_do_handshake(ssl_.get()));
    std::array<char, 16384> buffer;
    while (is_well && is_established()) {
      const int size = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
      if (size <= 0) {
        is_well = goes_on(size);
        break;
      }
      plain.append(buffer.data(), static_cast<std::size_t>(size));
    }
    take_outgoing(wire);  // also after a failure: it tells the server why
    return is_well;
  }

  bool send(std::string_view plain, std::string& wire) override {
    ERR_clear_error();
    const int size = SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size()));
    take_outgoing(wire);
    return size > 0 || goes_on(size);
  }

  [[nodiscard]] bool is_established() const override { return SSL_is_init_finished(ssl_.get()) == 1; }
  [[nodiscard]] std::string error() const override { return error_; }

 private:
  /// Whether OpenSSL only waits for more bytes.
  bool goes_on(int result) {
    if (result > 0) return true;
    const int why = SSL_get_error(ssl_.get(), result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return true;
    error_ = "TLS: " + openssl_error();
    const long fault = SSL_get_verify_result(ssl_.get());
    if (fault != X509_V_OK) error_.append(": ").append(X509_verify_cert_error_string(fault));
    return false;
  }

  void take_outgoing(std::string& wire) const {
    std::array<char, 16384> buffer;
    for (int size = 0; (size = BIO_read(outgoing_, buffer.data(), static_cast<int>(buffer.size()))) > 0;) {
      wire.append(buffer.data(), static_cast<std::size_t>(size));
    }
  }

  std::unique_ptr<SSL, FreeTls> ssl_;
  BIO* incoming_;  ///< what came from the server
  BIO* outgoing_;  ///< what is to be sent
  std::string error_;
};

}  // namespace detail

class Tls final : public Encryption {
 public:
  /// Throws std::invalid_argument if a file cannot be used.
  explicit Tls(TlsSettings settings) : settings_(std::move(settings)), context_(SSL_CTX_new(TLS_client_method())) {
    if (context_ == nullptr) throw std::bad_alloc();
    SSL_CTX* context = context_.get();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    const bool has_authorities =
        settings_.authorities.empty()
            ? SSL_CTX_set_default_verify_paths(context) == 1
            : SSL_CTX_load_verify_locations(context, settings_.authorities.c_str(), nullptr) == 1;
    need(has_authorities, "authorities");
    if (settings_.certificate.empty()) return;
    need(SSL_CTX_use_certificate_chain_file(context, settings_.certificate.c_str()) == 1, "certificate");
    need(SSL_CTX_use_PrivateKey_file(context, settings_.key.c_str(), SSL_FILETYPE_PEM) == 1, "key");
    need(SSL_CTX_check_private_key(context) == 1, "key");
  }

  [[nodiscard]] std::unique_ptr<Session> begin(const Endpoint& server) const override {
    return std::make_unique<detail::TlsSession>(*context_, settings_.name.empty() ? server.host : settings_.name);
  }

 private:
  static void need(bool is_usable, const char* what) {
    if (!is_usable) {
      throw std::invalid_argument(std::string("ratelimit::client::Tls: ") + what + ": " + detail::openssl_error());
    }
  }

  TlsSettings settings_;
  std::unique_ptr<SSL_CTX, detail::FreeTls> context_;
};

/// For `NodeSettings::encryption`. Throws std::invalid_argument if a file cannot be used.
[[nodiscard]] inline std::shared_ptr<const Encryption> tls(TlsSettings settings = {}) {
  return std::make_shared<const Tls>(std::move(settings));
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_TLS_H
