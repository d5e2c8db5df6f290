// SPDX-License-Identifier: MIT
// Encryption of a connection, as a connection sees it: bytes in, bytes out. It knows no socket, so that connections wait in
// one way, with encryption and without. tls.h has one by OpenSSL. Depends on endpoints.
#ifndef RATELIMIT_CLIENT_SESSION_H
#define RATELIMIT_CLIENT_SESSION_H

#include <memory>
#include <string>
#include <string_view>

#include "ratelimit/client/endpoint.h"

namespace ratelimit::client {

/// The encryption of one connection.
class Session {
 public:
  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session() = default;

  /// Takes what came from the server, which is nothing at first. Appends what that says to `plain`, and what must be sent to
  /// `wire`. False if the session is broken.
  [[nodiscard]] virtual bool receive(std::string_view came, std::string& plain, std::string& wire) = 0;
  /// Appends to `wire` what must be sent so that the server gets `plain`. The session must be established. False if it is
  /// broken.
  [[nodiscard]] virtual bool send(std::string_view plain, std::string& wire) = 0;
  /// Whether both sides know each other.
  [[nodiscard]] virtual bool is_established() const = 0;
  /// Of a session that is broken: why.
  [[nodiscard]] virtual std::string error() const = 0;
};

/// Makes sessions, for any thread.
class Encryption {
 public:
  Encryption() = default;
  Encryption(const Encryption&) = delete;
  Encryption& operator=(const Encryption&) = delete;
  virtual ~Encryption() = default;

  /// Null if there is no memory.
  [[nodiscard]] virtual std::unique_ptr<Session> begin(const Endpoint& server) const = 0;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_SESSION_H
