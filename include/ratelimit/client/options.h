// SPDX-License-Identifier: MIT
// What a program may set of a client. Every setting has a default; docs/cpp-client.md says what each choice costs. Depends
// on the back-off, the circuit breaker, endpoints and shares.
#ifndef RATELIMIT_CLIENT_OPTIONS_H
#define RATELIMIT_CLIENT_OPTIONS_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ratelimit/client/backoff.h"
#include "ratelimit/client/circuit_breaker.h"
#include "ratelimit/client/endpoint.h"
#include "ratelimit/client/observer.h"
#include "ratelimit/client/session.h"
#include "ratelimit/client/share.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// What becomes of a call that the server does not answer.
enum class Without : std::uint8_t {
  fail_open,    ///< it is granted
  fail_closed,  ///< it is denied
  local,        ///< this process decides, with its share of the limits
};

/// The same for each server.
struct NodeSettings {
  Login login{};
  std::shared_ptr<const Encryption> encryption{};  ///< for example `tls()`, of client/tls.h; null: none
  std::size_t most_connections = 64;  ///< that the calls of all threads share; each is made when it is needed
  CircuitBreaker::Settings breaker{};
  Backoff::Settings reconnect{};  ///< the pauses between two attempts to connect
};

/// Who names the primary, where replicas may take its place outside a cluster.
struct Sentinels {
  std::vector<Endpoint> endpoints{};  ///< none: there are no Sentinels
  std::string primary = "mymaster";   ///< the name that they know it by
  Login login{};                      ///< to the Sentinels; that to the servers is in `NodeSettings`

  [[nodiscard]] bool is_used() const { return !endpoints.empty(); }
};

struct Options {
  std::vector<Endpoint> servers{Endpoint{}};      ///< one server, or some nodes of a cluster; those name the others
  Span deadline = std::chrono::milliseconds{10};  ///< of a whole call, redirections included; more than 0
  Sentinels sentinels{};  ///< if there are some, they say which server is asked, and not `servers`
  Without without_server = Without::fail_open;
  Share share{};  ///< of this process when it decides by itself; of four processes, {1, 4}
  std::chrono::milliseconds wait_without_server{1000};  ///< `Answer::wait` of a call that is denied without a decision
  std::size_t most_denials = 65'536;                    ///< that are remembered; 0: none
  Span longest_denial = std::chrono::minutes{1};        ///< a denial is remembered for no longer
  std::size_t most_leases = 4096;
  Span lease_length = std::chrono::milliseconds{100};  ///< at most a minute; 0: no leases
  std::size_t most_local_subjects = 65'536;            ///< that this process decides about by itself
  NodeSettings node{};
  Observer observer{};  ///< sees every call; none: nobody does
};

/// What is wrong with the options, in the words of an error; none if they are right.
[[nodiscard]] inline std::optional<std::string> fault_of(const Options& options) {
  if (options.deadline <= Span{}) return "deadline must be more than 0";
  for (const Login& login : {options.node.login, options.sentinels.login}) {
    // The connection would be one of the user `default`.
    if (!login.user.empty() && login.password.empty()) return "login: a user needs a password";
  }
  return std::nullopt;
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_OPTIONS_H
