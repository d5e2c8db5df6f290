// SPDX-License-Identifier: MIT
// A way into the service: HTTP, or Envoy's protocol.
#ifndef RATELIMIT_SERVICE_DOOR_H
#define RATELIMIT_SERVICE_DOOR_H

#include <chrono>

#include "tls_files.h"

namespace ratelimit::service {

class Door {
 public:
  Door() = default;
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;
  virtual ~Door() = default;

  /// Opens the door: from now on requests come in, on threads of the door's own. Throws std::runtime_error if it cannot
  /// be opened (an address that is in use).
  virtual void start() = 0;

  /// Shows another certificate to connections from now on, if the door is encrypted. Throws std::runtime_error, and goes on
  /// with the old one, if it cannot be used.
  virtual void renew(const TlsFiles& files) = 0;

  /// Takes no new connections, answers the requests that are under way, and closes. Returns when that is done, or at
  /// `until`. No request comes in after that.
  virtual void drain(std::chrono::steady_clock::time_point until) = 0;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_DOOR_H
