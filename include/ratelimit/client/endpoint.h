// SPDX-License-Identifier: MIT
// Where a server is, and who the client is to it: the values that a program sets to reach a server. std only.
#ifndef RATELIMIT_CLIENT_ENDPOINT_H
#define RATELIMIT_CLIENT_ENDPOINT_H

#include <string>

namespace ratelimit::client {

/// The address of a server.
struct Endpoint {
  std::string host = "127.0.0.1";  ///< a name is looked up at each connection, for as long as that takes
  int port = 6379;
  std::string socket{};  ///< the path of a Unix socket; then host and port do not matter

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// The address in one word: `host:port`, or the path of a socket.
[[nodiscard]] inline std::string name_of(const Endpoint& endpoint) {
  return endpoint.socket.empty() ? endpoint.host + ":" + std::to_string(endpoint.port) : endpoint.socket;
}

/// What a new connection sends first: AUTH if there is a password, SELECT if the database is not 0.
struct Login {
  std::string user{};  ///< empty: the user `default`; else there must be a password
  std::string password{};
  int database = 0;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_ENDPOINT_H
