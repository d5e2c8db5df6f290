// SPDX-License-Identifier: MIT
#include <chrono>

#include "ratelimit/client.h"

// Nobody listens there: the call is denied, as was chosen.
int main() {
  using namespace std::chrono_literals;
  using namespace ratelimit::client;
  Client client({.servers = {{.socket = "/nowhere/at/all"}}, .without_server = Without::fail_closed});
  return client.check("key", {token_bucket(1, 1, 1s)}).allowed() ? 1 : 0;
}
