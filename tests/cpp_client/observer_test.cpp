// SPDX-License-Identifier: MIT
// What a service sees of its calls: the hook for traces, and the metrics.
#include "ratelimit/client/observer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "ratelimit/client.h"
#include "ratelimit/client/pipeline.h"
#include "servers.h"

namespace ratelimit::client::tests {
namespace {

TEST(Observer, SeesEveryCallWithItsAnswerAndWhatTheCallWasGiven) {
  const Server server;
  std::vector<std::string> seen;
  Options options = options_for(server.endpoint());
  options.observer = [&seen](const Observation& call) {
    EXPECT_LE(call.begun, call.ended);
    const Question& question = call.ask.question;
    std::string line(name_of(call.ask.verb));
    line.append(" ").append(question.key).append(" ").append(question.call.trace);
    seen.push_back(line.append(" ").append(name_of(call.answer.source)));
  };
  Client client(options);
  static_cast<void>(client.check("key", kTen, {.cost = Units(10), .trace = "request-1"}));
  static_cast<void>(client.check("key", kTen, {.trace = "request-2"}));
  static_cast<void>(client.check("key", kTen, {.trace = "request-3"}));
  static_cast<void>(client.peek("key", kTen, {.cost = Units(0), .trace = "request-4"}));
  static_cast<void>(client.refund("key", Units(1)));
  {
    Pipeline pipeline(client);
    pipeline.check("key", kTen, {.trace = "request-5"}, [](const Answer&) {});
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"check key request-1 server", "check key request-2 server",
                                            "check key request-3 remembered", "peek key request-4 error",
                                            "refund key  server", "check key request-5 server"}));
}

TEST(Metrics, HaveTheStateOfEachBreakerAndLatencies) {
  const Actor server(always("+OK\r\n"));
  Options options = options_for(server.endpoint());
  options.node.breaker = {.failures = 1, .lasting = {}, .pause = {.first = 1h, .longest = 1h}};
  Client client(options);
  const std::string line =
      "ratelimit_client_breaker_state{server=\"127.0.0.1:" + std::to_string(server.port()) + "\"} ";
  EXPECT_NE(client.metrics().find(line + "0\n"), std::string::npos) << client.metrics();
  EXPECT_EQ(client.check("key", kTen).failure, Failure::garbage);
  EXPECT_NE(client.metrics().find(line + "1\n"), std::string::npos) << client.metrics();
  EXPECT_NE(client.metrics().find("ratelimit_client_latency_seconds_count 0\n"), std::string::npos);
  EXPECT_NE(client.metrics().find("ratelimit_client_failures_total{kind=\"garbage\"} 1\n"), std::string::npos);
}

TEST(Metrics, CountLatenciesOfCallsThatTheServerAnswered) {
  const Server server;
  Client client(options_for(server.endpoint()));
  for (int i = 0; i < 5; ++i) static_cast<void>(client.check("key" + std::to_string(i), kTen));
  EXPECT_NE(client.metrics().find("ratelimit_client_latency_seconds_count 5\n"), std::string::npos);
  EXPECT_GT(client.counts().latency_sum, 0U);
}

}  // namespace
}  // namespace ratelimit::client::tests
