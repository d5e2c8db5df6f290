// SPDX-License-Identifier: MIT
// A primary dies under load and its replica takes its place, with a Sentinel and in a cluster: what becomes of the calls
// under each choice, and how many the limit lets through in all.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>

#include "choices.h"
#include "failover.h"
#include "ratelimit/client.h"
#include "servers.h"

namespace ratelimit::client::tests {
namespace {

constexpr int kThreads = 8;
constexpr std::uint64_t kLimit = 20'000;
const Policy kPolicy{fixed(kLimit, 1h)};

class FailoverUnderLoad : public testing::TestWithParam<Without> {
 protected:
  static Options options() {
    Options options = options_for_choice(GetParam());
    options.deadline = 100ms;
    return options;
  }

  /// Asks about `key` in many threads, and kills the primary when it has granted a part of the limit. Ends when each thread
  /// was denied by the new primary: then nothing is left.
  template <class Servers>
  static void ask_until_nothing_is_left(Client& client, Servers& servers, std::string_view key) {
    std::atomic<bool> is_promoted{false};
    const std::jthread failover([&] {
      eventually([&] { return client.counts().granted_by(Source::server) >= kLimit / 40; }, "a part to be used");
      servers.kill_primary();
      eventually([&] { return is_primary(servers.replica()); }, "the replica to become the primary");
      is_promoted = true;
    });
    in_threads(kThreads, [&](int) {
      while (!is_promoted) {
        static_cast<void>(client.check(key, kPolicy));
        std::this_thread::sleep_for(1ms);
      }
      const Time end = std::chrono::steady_clock::now() + kPatience;
      const auto is_denied = [&] {
        const Answer answer = client.check(key, kPolicy);
        return answer.source == Source::server && !answer.allowed();
      };
      while (!is_denied()) {
        ASSERT_LT(std::chrono::steady_clock::now(), end) << "waited in vain for a denial by the new primary";
      }
    });
  }

  static bool is_primary(const Endpoint& endpoint) {
    const Reply role = said_by(endpoint, {"ROLE"});
    return !role.items.empty() && role.items.front().text == "master";
  }

  /// What servers granted, and what they may have granted to calls that got no answer.
  static void expect_that_the_limit_held(const Counts& counts) {
    const std::uint64_t granted = counts.granted_by(Source::server);
    const std::uint64_t lost = counts.of(Failure::timeout) + counts.of(Failure::closed);
    // A server replies and sends effects in the same turn of its loop, to one connection after the other. So when it
    // dies, what the replica misses are calls of one turn: one of each thread at most.
    EXPECT_LE(granted, kLimit + kThreads) << "the new primary goes on where the old one ended";
    EXPECT_GE(granted + lost, kLimit) << "and nothing of the limit is lost";
    expect_choice(counts, GetParam(), kLimit / kProcesses);
    EXPECT_GT(counts.calls() - counts.answered_by(Source::server), 0U) << "the failover was noticed";
  }
};

INSTANTIATE_TEST_SUITE_P(Choices, FailoverUnderLoad, kEachChoice);

TEST_P(FailoverUnderLoad, ByASentinelKeepsTheLimitAndLosesNobody) {
  SentinelFailover servers;
  Options with = options();
  with.sentinels = servers.sentinels();
  Client client(with);
  ASSERT_TRUE(client.wait_for_server(kPatience));
  ask_until_nothing_is_left(client, servers, "key");
  expect_that_the_limit_held(client.counts());
  EXPECT_EQ(client.counts().of(Event::failed_over), 1U);
  EXPECT_EQ(client.nodes().front().endpoint, servers.replica());
}

TEST_P(FailoverUnderLoad, OfAClusterKeepsTheLimitAndLosesNobody) {
  ClusterFailover servers;
  Options with = options();
  with.servers = servers.primaries();
  Client client(with);
  ASSERT_TRUE(client.wait_for_server(kPatience));
  ask_until_nothing_is_left(client, servers, ClusterFailover::kKey);
  expect_that_the_limit_held(client.counts());
  EXPECT_GE(client.counts().of(Event::moved), 1U) << "to the replica";
}

}  // namespace
}  // namespace ratelimit::client::tests
