// SPDX-License-Identifier: MIT
// Many threads, and a server that is well, stops for a moment, dies, or is far away: which calls it decides, and what
// becomes of the others under each choice. What is a rate is compared with plain hiredis in the same run.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "choices.h"
#include "plain_hiredis.h"
#include "ratelimit/client.h"
#include "relay.h"
#include "servers.h"

namespace ratelimit::client::tests {
namespace {

constexpr int kThreads = 64;
const Policy kWide{token_bucket(4'000'000'000, 4'000'000'000, 1s)};

/// Calls so many times a second, spread over the threads, for so long. `call` gets the number of its thread, and when it was
/// due: a thread that waits for an answer is late with its next calls, and must not look as if it had not wanted any.
using Ask = std::function<void(int, Time)>;
void at_a_steady_rate(int per_second, Span length, const Ask& call) {
  const Span period = kThreads * Span{1s} / per_second;
  const Time begin = std::chrono::steady_clock::now();
  in_threads(kThreads, [&](int t) {
    for (Time next = begin + period * t / kThreads; next < begin + length; next += period) {
      std::this_thread::sleep_until(next);
      call(t, next);
    }
  });
}

/// Of as many calls of each: those of the client that the server did not decide in time, and those that plain hiredis was
/// late with. Both ask at the same time, with as many threads: what else the machine does hits both alike.
struct Late {
  std::uint64_t ours = 0;
  std::uint64_t theirs = 0;
  std::uint64_t of = 0;
};
Late late_side_by_side(const Endpoint& endpoint, Span deadline) {
  Options options;
  options.servers = {endpoint};
  options.deadline = deadline;
  Client client(options);
  std::vector<std::unique_ptr<PlainHiredis>> plain;
  for (int t = 0; t < kThreads; ++t) plain.push_back(std::make_unique<PlainHiredis>(endpoint));
  const auto key = [](int t) { return "key" + std::to_string(t); };
  const Ask ask = [&](int t, Time) { static_cast<void>(client.check(key(t), kWide)); };
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> late{0};
  const Ask ask_plainly = [&](int t, Time due) {
    static_cast<void>(plain[static_cast<std::size_t>(t)]->check(key(t)));
    late += std::chrono::steady_clock::now() - due > deadline ? 1 : 0;
    ++calls;
  };
  EXPECT_TRUE(client.wait_for_server(kPatience));
  at_a_steady_rate(5000, 100ms, ask);  // connects, as plain hiredis has done
  const Counts before = client.counts();
  in_threads(2, [&](int i) { at_a_steady_rate(5000, 1200ms, i == 0 ? ask : ask_plainly); });
  const Counts after = client.counts();
  const std::uint64_t decided = after.answered_by(Source::server) - before.answered_by(Source::server);
  return {.ours = after.calls() - before.calls() - decided, .theirs = late, .of = calls};
}

/// Where time-outs breed time-outs, the client loses 4 to 40 calls in a hundred, at any moment. So one moment suffices in
/// which it loses no more than plain hiredis, but for one call in a hundred by chance. If plain hiredis itself is late
/// with every tenth call, the machine has no time for this deadline now: then a longer one is measured.
TEST(HealthyServer, DecidesAsManyCallsAsPlainHiredisAnswersInTime) {
  const Server server;
  Span deadline = Options{}.deadline;
  for (int moment = 0; moment < 15; ++moment) {
    const Late late = late_side_by_side(server.endpoint(), deadline);
    std::printf("of %d calls: undecided %d; late with plain hiredis %d\n", static_cast<int>(late.of),
                static_cast<int>(late.ours), static_cast<int>(late.theirs));
    if (late.theirs > late.of / 10) {
      deadline *= 2;
    } else if (late.ours <= late.theirs + late.of / 100) {
      return;
    }
  }
  ADD_FAILURE() << "the client loses calls that plain hiredis does not lose";
}

TEST(HealthyServer, GrantsAHotKeyWhatIsAllowed) {
  const Server server;
  Options options;
  options.servers = {server.endpoint()};
  options.most_denials = 0;
  Client client(options);
  ASSERT_TRUE(client.wait_for_server(kPatience));
  const Policy policy{fixed(500, 1h)};
  at_a_steady_rate(10'000, 500ms, [&](int, Time) { static_cast<void>(client.check("hot", policy)); });
  const auto is_denied = [&] {
    const Answer answer = client.check("hot", policy);
    return answer.source == Source::server && !answer.allowed();
  };
  eventually(is_denied, "nothing to be left");
  const Counts counts = client.counts();
  const std::uint64_t undecided = counts.calls() - counts.answered_by(Source::server);
  EXPECT_LE(counts.granted_by(Source::server), 500U);
  const std::uint64_t lost = counts.of(Failure::timeout) + counts.of(Failure::closed);
  EXPECT_GE(counts.granted_by(Source::server) + lost, 500U) << "a late reply is lost";
  EXPECT_EQ(counts.granted_by(Source::fail_open), undecided);
}

// --- each choice -------------------------------------------------------------------------------------

class WithoutTheServer : public testing::TestWithParam<Without> {
 protected:
  /// Of a hundred calls that are allowed, this process has the share of a quarter.
  static Options options_with(const Endpoint& endpoint) {
    Options options = options_for_choice(GetParam());
    options.servers = {endpoint};
    return options;
  }

  /// `subjects`: how many were asked about, each with a share.
  static void expect_the_choice(const Client& client, std::uint64_t subjects = 1) {
    expect_choice(client.counts(), GetParam(), 100 / kProcesses * subjects);
  }

  const Policy policy_{fixed(100, 1h)};
};

INSTANTIATE_TEST_SUITE_P(Choices, WithoutTheServer, kEachChoice);

TEST_P(WithoutTheServer, ThatStopsForAMomentNoConnectionIsLost) {
  const Server server;
  Client client(options_with(server.endpoint()));
  ASSERT_TRUE(client.wait_for_server(kPatience));
  std::atomic<int> stage{0};
  const Elapsed elapsed;
  in_threads(8, [&](int t) {
    if (t == 0) {
      server.pause();
      std::this_thread::sleep_for(100ms);
      server.go_on();
      stage = 1;
      return;
    }
    while (stage == 0) static_cast<void>(client.check("key", policy_));
    // Its late replies are not taken for answers to this. A call that is late itself was charged: each has a new key.
    int tries = 0;
    const auto is_answered = [&] {
      const std::string key = "of " + std::to_string(t) + ", try " + std::to_string(++tries);
      const Answer answer = client.check(key, policy_);
      return answer.source == Source::server && answer.remaining == Units(99);
    };
    eventually(is_answered, "the server");
  });
  expect_the_choice(client, 8);
  const bool is_lost = client.counts().of(Event::connected) > 8;
  EXPECT_TRUE(!is_lost || elapsed.may_cost_connections()) << "one a thread, and none again";
}

TEST_P(WithoutTheServer, ThatDiesItIsFoundAgain) {
  Server server;
  Client client(options_with(server.endpoint()));
  ASSERT_TRUE(client.wait_for_server(kPatience));
  EXPECT_EQ(client.check("key", policy_).source, Source::server);
  std::atomic<bool> is_back{false};
  in_threads(8, [&](int t) {
    if (t == 0) {
      server.kill();
      std::this_thread::sleep_for(50ms);
      server.start();
      is_back = true;
    } else {
      while (!is_back) static_cast<void>(client.check("key", policy_));
      eventually([&] { return client.check("other", policy_).source == Source::server; }, "the server");
    }
  });
  expect_the_choice(client, 2);
}

TEST_P(WithoutTheServer, ThatIsFarAwayEveryCallIsAskedWithinALongerDeadline) {
  const Server server;
  const Relay relay(server.endpoint().socket, 1500us);
  Options options = options_with(relay.endpoint());
  options.deadline = kPatience;
  Client client(options);
  in_threads(16, [&](int) {
    for (int i = 0; i < 20; ++i) static_cast<void>(client.check("key", policy_));
  });
  EXPECT_EQ(client.counts().answered_by(Source::server), 320U);
  EXPECT_EQ(client.counts().granted_by(Source::server), 100U);
  EXPECT_LE(relay.connections(), 16);
}

TEST_P(WithoutTheServer, ThatIsFartherAwayThanTheDeadlineTheChoiceDecidesAndConnectionsAreKept) {
  const Server server;
  const Relay relay(server.endpoint().socket, 20ms);
  Options options = options_with(relay.endpoint());
  options.deadline = 2ms;
  options.node.breaker.failures = 1'000'000;
  Client client(options);
  ASSERT_TRUE(client.wait_for_server(kPatience));
  const Elapsed elapsed;
  in_threads(4, [&](int) {
    for (int i = 0; i < 100; ++i) static_cast<void>(client.check("key", policy_));
  });
  EXPECT_EQ(client.counts().answered_by(Source::server), 0U);
  expect_the_choice(client);
  EXPECT_TRUE(relay.connections() <= 4 || elapsed.may_cost_connections()) << "a reply that is late costs no connection";
}

}  // namespace
}  // namespace ratelimit::client::tests
