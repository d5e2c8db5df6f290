// SPDX-License-Identifier: MIT
// A process that forks after its client has connected: parent and child share neither connections nor ids.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
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

#if defined(__SANITIZE_THREAD__)
constexpr bool kHasThreadSanitizer = true;
#else
constexpr bool kHasThreadSanitizer = false;
#endif
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kHasAddressSanitizer = true;
#else
constexpr bool kHasAddressSanitizer = false;
#endif

/// Whether every other thread of this process waits for something.
bool are_other_threads_asleep() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(::gettid())) continue;
    std::string line;
    std::getline(std::ifstream(task.path() / "stat"), line);
    const std::size_t name_end = line.rfind(") ");
    if (name_end != std::string::npos && line[name_end + 2] != 'S') return false;
  }
  return true;
}

/// What `work` returns in a child of this process. The child is killed if it takes too long.
class Child {
 public:
  explicit Child(const std::function<std::string()>& work) {
    if (::pipe(ends_.data()) != 0) throw std::runtime_error("no pipe for a test");
    // GCC's libasan does not hold the locks of its allocator over fork(). One that another thread of the parent has
    // stays taken in the child for ever.
    if (kHasAddressSanitizer) eventually(are_other_threads_asleep, "the client's own threads to do nothing");
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

/// A child must connect, and so starts a thread.
class Fork : public testing::Test {
 protected:
  void SetUp() override {
    if (kHasThreadSanitizer) {
      GTEST_SKIP()
          << "Built with ThreadSanitizer, which no preset does: it ends any child of a process with threads that "
             "starts a thread, and the client connects in one. All other builds run this.";
    }
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
  Client client(with_leases(server, 1min));
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
    // AddressSanitizer needs threads that sleep (see Child): they do so in the middle of a call, while the server hangs.
    if (kHasAddressSanitizer) server.pause();
    Child child([&] { return std::to_string(right_answers(client, name)); });
    server.go_on();
    EXPECT_EQ(child.said(), "300");
  }
  ends = true;
}

TEST(ForkOfAClient, EndsItInAChildThatNeverUsedIt) {
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
