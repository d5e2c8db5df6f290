// SPDX-License-Identifier: MIT
#include "grpc_tls.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <cstdlib>
#include <string>
#include <utility>

namespace ratelimit::service::envoy {
namespace {

/// gRPC 1.51 lets nobody choose the oldest version: it takes TLS 1.2. Without a cipher that a handshake of 1.2 could use (for
/// these, both sides must share a key beforehand) only 1.3 is left, whose ciphers are chosen apart.
constexpr const char* kNoCipherOf12 = "PSK-AES128-GCM-SHA256";

/// The C++ classes of gRPC either keep a certificate for ever, or look at its files by themselves, and take also such as they
/// cannot use. The C interface asks for the certificate at each handshake.
class Credentials final : public grpc::ServerCredentials {
 public:
  explicit Credentials(grpc_server_credentials* made) : made_(made) {}
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;
  ~Credentials() override { grpc_server_credentials_release(made_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}  // there is none

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), made_);
  }

  grpc_server_credentials* const made_;
};

}  // namespace

struct GrpcTls::Handshakes {
  static grpc_ssl_certificate_config_reload_status look(void* tls, grpc_ssl_server_certificate_config** made) {
    GrpcTls& self = *static_cast<GrpcTls*>(tls);
    const std::lock_guard lock(self.mutex_);
    if (!std::exchange(self.is_new_, false)) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const TlsFiles& files = self.files_;
    const grpc_ssl_pem_key_cert_pair pair{.private_key = files.key.c_str(), .cert_chain = files.certificate.c_str()};
    // gRPC wants authorities, also where no client is asked for a certificate: then it uses none of them.
    const std::string& authorities = files.authorities.empty() ? files.certificate : files.authorities;
    *made = grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }
};

GrpcTls::GrpcTls(TlsFiles files, TlsVersion least) : files_(std::move(files)) {
  if (least == TlsVersion::v1_3) ::setenv("GRPC_SSL_CIPHER_SUITES", kNoCipherOf12, 1);
}

void GrpcTls::renew(const TlsFiles& files) {
  const std::lock_guard lock(mutex_);
  files_ = files;
  is_new_ = true;
}

std::shared_ptr<grpc::ServerCredentials> GrpcTls::credentials() {
  const auto asked = files_.authorities.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  return std::make_shared<Credentials>(grpc_ssl_server_credentials_create_with_options(
      grpc_ssl_server_credentials_create_options_using_config_fetcher(asked, &Handshakes::look, this)));
}

}  // namespace ratelimit::service::envoy
