// SPDX-License-Identifier: MIT
// Units taken in advance: what is served from them is never more than the server granted.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ratelimit/client.h"
#include "servers.h"

namespace ratelimit::client::tests {
namespace {

/// Nothing flows back while a test lasts.
const Policy kThousand{token_bucket(1000, 1, 24h)};

std::uint64_t outstanding(const Counts& counts) {
  return counts.of(Event::units_leased) - counts.of(Event::units_served) - counts.of(Event::units_refunded) -
         counts.of(Event::units_expired);
}

TEST(Leases, ServeWithoutTheServer) {
  const Server server;
  Client client(with_leases(server, 1min));
  for (int i = 0; i < 100; ++i) {
    const Answer answer = client.check("key", kThousand, {.lease = Units(100)});
    EXPECT_TRUE(answer.allowed());
    EXPECT_EQ(answer.granted, Units(1));
    EXPECT_EQ(answer.source, i == 0 ? Source::server : Source::lease);
  }
  EXPECT_EQ(client.peek("key", kThousand).remaining, Units(900));
  EXPECT_EQ(client.counts().of(Event::lease_taken), 1U);
  EXPECT_EQ(outstanding(client.counts()), 0U);
}

TEST(Leases, GiveBackTheRestWhenTheClientEnds) {
  const Server server;
  {
    Client client(with_leases(server, 1min));
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.check("key", kThousand, {.subject = "alice", .lease = Units(100)}));
  }
  Client other(options_for(server.endpoint()));
  EXPECT_EQ(other.peek("key", kThousand, {.subject = "alice"}).remaining, Units(997));
}

TEST(Leases, GiveBackTheRestWhenTheyEnd) {
  const Server server;
  Client client(with_leases(server, 20ms));
  EXPECT_TRUE(client.check("key", kThousand, {.lease = Units(100)}));
  eventually([&] { return client.counts().of(Event::units_refunded) + client.counts().of(Event::units_expired) >= 99; },
             "the lease to end");
  // The refund allows for as long a way as the deadline: what may have flowed back in 30 seconds is not given back.
  const Counts counts = client.counts();
  EXPECT_EQ(outstanding(counts), 0U);
  EXPECT_GE(counts.of(Event::units_refunded), 98U);
  EXPECT_EQ(client.peek("key", kThousand).remaining, Units(999 - static_cast<int>(counts.of(Event::units_expired))));
}

TEST(Leases, AreNoLargerThanWhatThereIs) {
  const Server server;
  Client client(with_leases(server, 1min));
  int granted = 0;
  for (int i = 0; i < 1500; ++i) granted += client.check("key", kThousand, {.lease = Units(300)}) ? 1 : 0;
  EXPECT_EQ(granted, 1000);
  EXPECT_EQ(client.counts().of(Event::lease_taken), 4U);
  EXPECT_EQ(client.counts().denied_by(Source::server), 1U) << "and its denial is remembered";
}

TEST(Leases, DenyWithTheWaitOfTheCallItself) {
  const Server server;
  Client client(with_leases(server, 1min));
  const Policy policy{token_bucket(10, 1, 1h)};
  EXPECT_TRUE(client.check("key", policy, {.cost = Units(8)}));
  const Answer answer = client.check("key", policy, {.cost = Units(5), .lease = Units(9)});
  EXPECT_EQ(answer.outcome, Outcome::denied);
  EXPECT_GT(answer.wait, 3h - 1min) << "not that of one unit";
  client.close_leases();
  const Counts counts = client.counts();
  EXPECT_EQ(counts.of(Event::units_leased), 2U);
  EXPECT_EQ(counts.of(Event::units_refunded), 1U) << "the other one may have begun to flow back";
  EXPECT_EQ(counts.of(Event::units_expired), 1U);
}

TEST(Leases, OfALimitThatCountsCallsAreNotTaken) {
  const Server server;
  Client client(with_leases(server, 1min));
  const Policy policy{token_bucket(100, 1, 1h), per_request(fixed(5, 1h))};
  int granted = 0;
  for (int i = 0; i < 20; ++i) granted += client.check("key", policy, {.lease = Units(50)}) ? 1 : 0;
  EXPECT_EQ(granted, 5);
  EXPECT_EQ(client.counts().of(Event::lease_taken), 0U);
}

TEST(Leases, EndWithTheirWindow) {
  const Server server;
  Client client(with_leases(server, 1min));
  const Policy policy{fixed(100, 200ms)};
  EXPECT_TRUE(client.check("key", policy, {.lease = Units(100)}));
  eventually(
      [&] {
        return server.reply_to({"RL.PEEK", "key", "FIXED", "100", "200ms"}).items.at(2).integer == 100;
      },
      "the next window");
  const Answer answer = client.check("key", policy, {.lease = Units(100)});
  EXPECT_EQ(answer.source, Source::server) << "what is left of the old window is not used in the new one";
}

TEST(Leases, NeverAdmitMoreThanTheLimitWithManyThreadsAndClients) {
  const Server server;
  const Policy policy{token_bucket(5000, 2, 24h)};
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(std::make_unique<Client>(with_leases(server, 5ms)));
  std::atomic<std::int64_t> admitted{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 9; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 1500; ++i) {
        const Units cost(1 + (i + t) % 3);
        const Answer answer =
            clients[static_cast<std::size_t>(t) % 3]->check("key", policy, {.cost = cost, .lease = Units(60)});
        if (answer.allowed()) admitted += answer.granted.count();
      }
    });
  }
  threads.clear();
  EXPECT_LE(admitted, 5000);
  std::uint64_t expired = 0;
  for (const auto& client : clients) {
    client->close_leases();
    const Counts counts = client->counts();
    EXPECT_EQ(outstanding(counts), 0U);
    EXPECT_EQ(counts.calls(), 4500U);
    EXPECT_EQ(counts.answered_by(Source::error), 0U);
    expired += counts.of(Event::units_expired);
  }
  // The slower the machine, the more leases end before they are used up.
  EXPECT_GE(admitted + static_cast<std::int64_t>(expired), 4000)
      << "9 threads ask for 27000 in all; what is left was in leases when others were denied";
  const Reply left = server.reply_to({"RL.PEEK", "key", "TOKENBUCKET", "5000", "2", "1d"});
  const std::int64_t used = 5000 - left.items.at(2).integer;
  EXPECT_EQ(used, admitted + static_cast<std::int64_t>(expired)) << "every unit is accounted for";
}

TEST(Leases, WithoutAServerServeWhatWasTakenAndNoMore) {
  Server server;
  Client client(with_leases(server, 1min));
  EXPECT_TRUE(client.check("key", kThousand, {.lease = Units(10)}));
  server.kill();
  int granted = 0;
  for (int i = 0; i < 50; ++i) granted += client.check("key", kThousand, {.lease = Units(10)}) ? 1 : 0;
  EXPECT_EQ(granted, 9);
  client.close_leases();
  EXPECT_EQ(outstanding(client.counts()), 0U);
}

}  // namespace
}  // namespace ratelimit::client::tests
