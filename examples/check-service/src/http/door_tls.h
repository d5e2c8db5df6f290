// SPDX-License-Identifier: MIT
// Encryption of the HTTP door: a certificate and its key as OpenSSL wants them. Depends on their files and on Asio.
#ifndef RATELIMIT_SERVICE_DOOR_TLS_H
#define RATELIMIT_SERVICE_DOOR_TLS_H

#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "../settings.h"
#include "../tls_files.h"

namespace ratelimit::service {

using DoorTls = std::shared_ptr<boost::asio::ssl::context>;

/// Null if there is no certificate. `least` is the oldest version that clients may speak. Throws std::runtime_error, which says
/// which file is wrong and shows nothing of it.
[[nodiscard]] DoorTls door_tls(const TlsFiles& files, TlsVersion least);

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_DOOR_TLS_H
