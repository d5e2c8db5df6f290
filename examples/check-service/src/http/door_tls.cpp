// SPDX-License-Identifier: MIT
#include "door_tls.h"

#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <stdexcept>
#include <string>

namespace ratelimit::service {
namespace {

using Context = boost::asio::ssl::context;

void require(const boost::system::error_code& error, const std::string& what) {
  if (error) throw std::runtime_error(what + ": " + error.message());
}

/// What is not asked for holds no memory: no list of sessions (tickets are with the client), no buffers of idle connections.
void limit(SSL_CTX* tls) {
  SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // A request says its own length: an end without a goodbye cuts nothing off unseen.
  SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
}

/// Clients must show a certificate of these authorities.
void require_clients(Context& context, const std::string& authorities) {
  boost::system::error_code error;
  context.add_certificate_authority(boost::asio::buffer(authorities), error);
  require(error, "listen_authorities");
  if (X509_STORE_get0_objects(SSL_CTX_get_cert_store(context.native_handle())) == nullptr ||
      sk_X509_OBJECT_num(X509_STORE_get0_objects(SSL_CTX_get_cert_store(context.native_handle()))) == 0) {
    throw std::runtime_error("listen_authorities: has no certificate");
  }
  context.set_verify_mode(boost::asio::ssl::verify_peer | boost::asio::ssl::verify_fail_if_no_peer_cert);
}

}  // namespace

DoorTls door_tls(const TlsFiles& files, TlsVersion least) {
  if (files.certificate.empty()) return nullptr;
  auto context = std::make_shared<Context>(Context::tls_server);
  boost::system::error_code error;
  context->use_certificate_chain(boost::asio::buffer(files.certificate), error);
  require(error, "listen_certificate");
  context->use_private_key(boost::asio::buffer(files.key), Context::pem, error);
  require(error, "listen_key");
  SSL_CTX* tls = context->native_handle();
  if (SSL_CTX_check_private_key(tls) != 1) throw std::runtime_error("listen_key: is not the key of listen_certificate");
  if (!files.authorities.empty()) require_clients(*context, files.authorities);
  SSL_CTX_set_min_proto_version(tls, least == TlsVersion::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  limit(tls);
  return context;
}

}  // namespace ratelimit::service
