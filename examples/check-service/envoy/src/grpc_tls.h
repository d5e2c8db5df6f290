// SPDX-License-Identifier: MIT
// Encryption of the door for Envoy: a certificate that may be renewed while connections come in. Depends on gRPC, and on the
// files of the certificate.
#ifndef RATELIMIT_SERVICE_ENVOY_GRPC_TLS_H
#define RATELIMIT_SERVICE_ENVOY_GRPC_TLS_H

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <mutex>

#include "settings.h"
#include "tls_files.h"

namespace ratelimit::service::envoy {

class GrpcTls {
 public:
  /// The files must be such as `door_tls` takes. `least` is the oldest version that clients may speak.
  GrpcTls(TlsFiles files, TlsVersion least);

  /// Another certificate, for connections from now on; `door_tls` must have taken it. Any thread may call this.
  void renew(const TlsFiles& files);

  /// For one port of a server. They borrow this object.
  [[nodiscard]] std::shared_ptr<grpc::ServerCredentials> credentials();

  struct Handshakes;  ///< what gRPC asks when a connection comes in

 private:
  std::mutex mutex_;  ///< guards what follows
  TlsFiles files_;
  bool is_new_ = true;  ///< gRPC does not have these files yet
};

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_GRPC_TLS_H
