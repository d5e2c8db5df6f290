// SPDX-License-Identifier: MIT
// Encrypted connections, to a real server.
#include "ratelimit/client/tls.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ratelimit/client.h"
#include "servers.h"

namespace ratelimit::client::tests {
namespace {

/// A certificate for 127.0.0.1 that vouches for itself, in files that end with the object.
class Certificate {
 public:
  Certificate() {
    const std::string command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=ratelimit -keyout " +
                                key() + " -out " + file() + " -addext subjectAltName=IP:127.0.0.1 2>/dev/null";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl made no certificate");
  }
  [[nodiscard]] std::string file() const { return folder_ / "certificate.pem"; }
  [[nodiscard]] std::string key() const { return folder_ / "key.pem"; }

 private:
  Folder folder_;
};

class TlsServer : public testing::Test {
 protected:
  TlsServer()
      : server_({"--tls-port", std::to_string(port_), "--bind", "127.0.0.1", "--tls-cert-file", own_.file(),
                 "--tls-key-file", own_.key(), "--tls-ca-cert-file", own_.file(), "--requirepass", "secret"}) {}

  [[nodiscard]] Options options(const TlsSettings& settings) const {
    Options options = options_for({.host = "127.0.0.1", .port = port_});
    options.node.encryption = tls(settings);
    options.node.login.password = "secret";
    return options;
  }
  /// The server wants to know who the client is, unless it is told not to.
  [[nodiscard]] TlsSettings mutual() const {
    return {.authorities = own_.file(), .certificate = own_.file(), .key = own_.key()};
  }

  Certificate own_;
  int port_ = free_port();
  Server server_;
};

TEST_F(TlsServer, DecidesForManyThreads) {
  Client client(options(mutual()));
  std::atomic<int> granted{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) granted += client.check("key", {fixed(100, 1h)}).allowed() ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(granted, 100);
  EXPECT_EQ(client.counts().answered_by(Source::server) + client.counts().answered_by(Source::remembered), 200U);
}

TEST_F(TlsServer, MustHaveACertificateThatSomebodyVouchesFor) {
  const Certificate another;
  TlsSettings settings = mutual();
  settings.authorities = another.file();
  const Answer answer = Client(options(settings)).check("key", kTen);
  EXPECT_EQ(answer.failure, Failure::refused);
  EXPECT_NE(answer.error.find("certificate"), std::string::npos) << answer.error;
}

TEST_F(TlsServer, MustHaveACertificateWithItsName) {
  TlsSettings settings = mutual();
  for (const char* name : {"127.0.0.2", "ratelimit.example"}) {
    settings.name = name;
    const Answer answer = Client(options(settings)).check("key", kTen);
    EXPECT_EQ(answer.failure, Failure::refused) << name;
    EXPECT_NE(answer.error.find("mismatch"), std::string::npos) << answer.error;
  }
}

TEST_F(TlsServer, IsNoServerForAClientThatSpeaksInTheClear) {
  Options plain = options_for({.host = "127.0.0.1", .port = port_});
  plain.deadline = 2s;
  EXPECT_NE(Client(plain).check("key", kTen).failure, Failure::none);
}

TEST_F(TlsServer, KeepsALateReplyApartToo) {
  Client client(options(mutual()));
  ASSERT_TRUE(client.wait_for_server(kPatience));
  Options hasty = options(mutual());
  hasty.deadline = 20ms;
  Client hurried(hasty);
  ASSERT_TRUE(hurried.wait_for_server(kPatience));
  const Elapsed elapsed;
  server_.pause();
  EXPECT_EQ(hurried.check("late", kTen, {.cost = Units(5)}).failure, Failure::timeout);
  server_.go_on();
  // A call that is late itself was charged: each has a new key.
  Answer answer;
  int tries = 0;
  const auto is_answered = [&] {
    answer = hurried.check("key" + std::to_string(++tries), kTen);
    return answer.source == Source::server;
  };
  eventually(is_answered, "an answer");
  EXPECT_EQ(answer.remaining, Units(9));
  EXPECT_TRUE(hurried.counts().of(Event::connected) == 1 || elapsed.may_cost_connections());
}

TEST(Tls, RefusesFilesThatItCannotUse) {
  EXPECT_THROW(static_cast<void>(tls({.authorities = "/nowhere/at/all"})), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(tls({.certificate = "/nowhere/at/all"})), std::invalid_argument);
  EXPECT_NO_THROW(static_cast<void>(tls()));
}

TEST(Tls, DoesNotTakeAServerWithoutItForOne) {
  const Actor server([](Peer& peer) {
    peer.say("-ERR Protocol error\r\n");
    peer.hold();
  });
  Options options = options_for(server.endpoint());
  options.node.encryption = tls();
  const Answer answer = Client(options).check("key", kTen);
  EXPECT_EQ(answer.failure, Failure::refused);
  EXPECT_EQ(answer.error.substr(0, 4), "TLS:");
}

}  // namespace
}  // namespace ratelimit::client::tests
