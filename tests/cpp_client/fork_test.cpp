// SPDX-License-Identifier: MIT
// A process that forks after its client has connected: parent and child share neither connections nor ids.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ratelimit/client.h"
#include "servers.h"

namespace ratelimit::client::tests {
namespace {

/// What `work` returns in a child of this process. The child is killed if it takes too long.
class Child {
 public:
  explicit Child(const std::function<std::string()>& work) {
    if (::pipe(ends_.data()) != 0) throw std::runtime_error("no pipe for a test");
    process_ = ::fork();
    if (process_ != 0) return;
    ::alarm(30);
    const std::string said = work();
    static_cast<void>(!::write(ends_[1], said.data(), said.size()));
    ::_exit(0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { ::close(ends_[0]); }

  [[nodiscard]] std::string said() {
    ::close(ends_[1]);
    std::string all;
    std::array<char, 256> buffer;
    for (ssize_t size = 0; (size = ::read(ends_[0], buffer.data(), buffer.size())) > 0;) {
      all.append(buffer.data(), static_cast<std::size_t>(size));
    }
    ::waitpid(process_, nullptr, 0);
    return all;
  }

 private:
  std::array<int, 2> ends_{};
  pid_t process_ = -1;
};

/// How many of 300 calls were answered for this subject, and not for another one.
int right_answers(Client& client, const std::string& subject) {
  const Policy policy{fixed(1000, 1h)};
  int right = 0;
  for (int i = 1; i <= 300; ++i) {
    const Answer answer = client.check("key", policy, {.subject = subject});
    right += answer.source == Source::server && answer.remaining == Units(1000 - i) ? 1 : 0;
  }
  return right;
}

class Fork : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP()
        << "in the child of a process with threads, a sanitizer may allow no threads, or wait for its own locks";
#endif
  }
};

TEST_F(Fork, LeavesEachProcessItsOwnConnections) {
  const Server server;
  Client client(options_for(server.endpoint()));
  ASSERT_TRUE(client.wait_for_server(kPatience));
  Child child([&] { return std::to_string(right_answers(client, "child")); });
  EXPECT_EQ(right_answers(client, "parent"), 300);
  EXPECT_EQ(child.said(), "300");
  const Policy policy{fixed(1000, 1h)};
  EXPECT_EQ(client.peek("key", policy, {.subject = "child"}).remaining, Units(700)) << "each call was charged once";
  EXPECT_EQ(client.peek("key", policy, {.subject = "parent"}).remaining, Units(700));
}

TEST_F(Fork, GivesEachProcessIdsOfItsOwn) {
  const Server server;
  Client client(options_for(server.endpoint()));
  const Policy policy{fixed(1000, 1h)};
  ASSERT_TRUE(client.reserve("key", 1min, policy, {}).allowed());
  Child child([&] { return client.reserve("key", 1min, policy, {}).id; });
  const std::string id = client.reserve("key", 1min, policy, {}).id;
  const std::string childs = child.said();
  EXPECT_EQ(childs.size(), id.size());
  EXPECT_NE(childs, id);
}

TEST_F(Fork, LeavesLeasesAndCountersToTheParent) {
  const Server server;
  Options options = options_for(server.endpoint());
  options.lease_length = 1min;
  Client client(options);
  const Policy policy{token_bucket(1000, 1, 24h)};
  const Call call{.lease = Units(100)};
  ASSERT_TRUE(client.check("key", policy, call).allowed());
  Child child([&] {
    const Source source = client.check("key", policy, call).source;
    client.close_leases();
    return std::string(name_of(source)) + " " + std::to_string(client.counts().calls());
  });
  EXPECT_EQ(child.said(), "server 1");
  EXPECT_EQ(client.check("key", policy, call).source, Source::lease);
  client.close_leases();
  EXPECT_EQ(client.peek("key", policy).remaining, Units(997)) << "what was left of each lease came back once";
}

TEST_F(Fork, FindsTheChildAtWorkAlsoIfOtherThreadsOfTheParentWere) {
  const Server server;
  Client client(options_for(server.endpoint()));
  std::atomic<bool> ends{false};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const Policy policy{fixed(1'000'000'000, 1h)};
      while (!ends) static_cast<void>(client.check("busy" + std::to_string(t), policy));
    });
  }
  for (int i = 0; i < 5; ++i) {
    const std::string name = "child" + std::to_string(i);
    EXPECT_EQ(Child([&] { return std::to_string(right_answers(client, name)); }).said(), "300");
  }
  ends = true;
}

TEST_F(Fork, EndsAClientThatTheChildNeverUsed) {
  const Server server;
  auto client = std::make_unique<Client>(options_for(server.endpoint()));
  const Policy policy{token_bucket(1000, 1, 24h)};
  ASSERT_TRUE(client->check("key", policy, {.lease = Units(100)}).allowed());
  Child child([&] {
    client.reset();
    return std::string("ended");
  });
  EXPECT_EQ(child.said(), "ended");
  client->close_leases();
  EXPECT_EQ(client->peek("key", policy).remaining, Units(999));
}

}  // namespace
}  // namespace ratelimit::client::tests
