// SPDX-License-Identifier: MIT
// What a service asks for each request, and what it exports. docs/cpp-client.md shows parts of this file.
//   main [port]
#include "ratelimit/client.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "ratelimit/client/inspector.h"
#include "ratelimit/client/pipeline.h"
#include "ratelimit/client/policy_text.h"

namespace {

using namespace std::chrono_literals;
using namespace ratelimit::client;
using ratelimit::Units;

// [a check]
const Policy kPolicy{token_bucket(20, 10, 1s), as("daily", fixed(10'000, 24h))};

int status_for(Client& client, std::string_view caller) {
  const Answer answer = client.check("api:" + std::string(caller), kPolicy);
  if (answer.allowed()) return 200;
  std::printf("Retry-After: %lld\n",
              static_cast<long long>(std::chrono::ceil<std::chrono::seconds>(answer.wait).count()));
  return 429;
}
// [end]

// [a hot subject]
bool may_go_on(Client& client) {
  static const Policy kEverybody{token_bucket(100'000, 100'000, 1s)};
  return client.check("api:everybody", kEverybody, {.lease = Units(500)}).allowed();
}
// [end]

// [reserve and settle]
bool complete(Client& client, Units estimate, Units (*work)()) {
  static const Policy kTokens{token_bucket(10'000, 10'000, 1min)};
  const Answer hold = client.reserve("llm:acme", 2min, kTokens, {.cost = estimate});
  if (!hold.allowed()) return false;
  client.settle("llm:acme", hold.id, work(), kTokens);
  return true;
}
// [end]

// [a limiter]
bool is_free_call_allowed(Client& client, std::string_view user) {
  static const Policy kFree = Policy::stored();
  const Answer answer = client.check("api:free", kFree, {.subject = user});
  if (answer.source == Source::error) std::fprintf(stderr, "%s\n", answer.error.c_str());
  return answer.allowed();
}
// [end]

// [a batch]
int count_allowed(Client& client, const Policy& policy, std::span<const std::string> users) {
  Pipeline pipeline(client);
  int allowed = 0;
  for (const std::string& user : users) {
    pipeline.check("api:batch", policy, {.subject = user, .brief = true},
                   [&allowed](const Answer& answer) { allowed += answer.allowed() ? 1 : 0; });
  }
  pipeline.wait();
  return allowed;
}
// [end]

// [several keys]
bool may_build(Client& client, std::string_view user) {
  static const Policy kOfUser{token_bucket(20, 10, 1s)};
  static const Policy kOfTeam{fixed(1000, 1h)};
  const Part parts[] = {{"{acme}:user", user, kOfUser}, {"{acme}:team", "builders", kOfTeam}};
  return client.check_all(parts).allowed();
}
// [end]

// [why]
std::string why_denied(Client& client, std::string_view user) {
  Inspector inspector(client);
  const auto said = inspector.info("api:free", user, std::chrono::steady_clock::now() + 1s);
  if (!said.report) return "the server said nothing" + (said.error.empty() ? "" : ": " + said.error);
  return said.report->exists ? said.report->why : "nothing is known of this user";
}
// [end]

// [a policy as text]
Policy policy_of(const std::string& setting) {
  ParsedPolicy parsed = parse_policy(setting);
  if (!parsed.policy) throw std::invalid_argument("limits: " + parsed.error);
  return *parsed.policy;
}
// [end]

int serve(int port) {
  // [a client]
  Client client({.servers = {{.host = "127.0.0.1", .port = port}},
                 .without_server = Without::local,
                 .share = {.numerator = 1, .denominator = 4}});
  // [end]
  std::printf("%d\n", status_for(client, "alice"));
  std::printf("%s\n", may_go_on(client) ? "go on" : "too many");
  std::printf("%s\n", complete(client, Units(6000), [] { return Units(1500); }) ? "complete" : "try later");
  std::printf("%s\n", is_free_call_allowed(client, "bob") ? "go on" : "no");
  std::printf("%s\n", why_denied(client, "bob").c_str());
  std::printf("%s\n", may_build(client, "bob") ? "build" : "too many");
  const std::vector<std::string> users{"ann", "ben", "ann", "ann"};
  std::printf("%d of 4\n", count_allowed(client, policy_of("FIXED 2 1h AS batch"), users));
  // [metrics]
  std::fputs(client.metrics().c_str(), stdout);
  std::printf("circuit breaker: %s\n", name_of(client.breaker()));
  // [end]
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return serve(argc > 1 ? std::atoi(argv[1]) : 6379);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
