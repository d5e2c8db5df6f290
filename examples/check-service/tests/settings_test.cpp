// SPDX-License-Identifier: MIT
// Settings from a file and from the environment, and what is said about wrong ones.
#include "settings.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace ratelimit::service {
namespace {

std::string read(Settings& settings, std::string_view text) {
  return read_settings(settings, text, "service.conf").value_or("none");
}

TEST(Settings, AreReadFromAFile) {
  Settings settings;
  EXPECT_EQ(read(settings,
                 "# a comment\n\nlisten = 0.0.0.0:9000\nservers = one:7000, [::1]:7001, /run/redis.sock\n"
                 "deadline=20ms\r\nwithout_server = local\nshare = 1/4\nuser = svc\npassword = p # w\nlease = 50\n"),
            "none");
  EXPECT_EQ(settings.address, "0.0.0.0");
  EXPECT_EQ(settings.port, 9000);
  ASSERT_EQ(settings.client.servers.size(), 3U);
  EXPECT_EQ(settings.client.servers[0].host, "one");
  EXPECT_EQ(settings.client.servers[1].host, "::1");
  EXPECT_EQ(settings.client.servers[1].port, 7001);
  EXPECT_EQ(settings.client.servers[2].socket, "/run/redis.sock");
  EXPECT_EQ(settings.client.deadline, std::chrono::milliseconds{20});
  EXPECT_EQ(settings.client.without_server, client::Without::local);
  EXPECT_EQ(settings.client.share.denominator, 4U);
  EXPECT_EQ(settings.client.node.login.password, "p # w") << "a password may have any sign";
  EXPECT_EQ(settings.lease, Units(50));
}

TEST(Settings, ThatAreWrongAreNamedWithTheirLine) {
  Settings settings;
  EXPECT_EQ(read(settings, "\ndeadline = soon\n").substr(0, 43), "service.conf:2: deadline: must be a duratio");
  EXPECT_EQ(read(settings, "dead_line = 1s"), "service.conf:1: dead_line: is no setting");
  EXPECT_EQ(read(settings, "deadline"), "service.conf:1: a line must be: name = value");
  EXPECT_EQ(read(settings, "without_server = maybe"), "service.conf:1: without_server: must be open, closed or local");
  EXPECT_EQ(read(settings, "share = 5/4"), "service.conf:1: share: must be a part of the whole, such as 1/4");
  EXPECT_EQ(read(settings, "servers = ::1:7000"),
            "service.conf:1: servers: must be host:port, and an address of IPv6 stands in [brackets]");
}

TEST(Settings, OfTheEnvironmentAreNamedByTheirVariable) {
  Settings settings;
  const std::array<const char*, 4> well{"PATH=/bin", "CHECK_SERVICE_THREADS=3", "CHECK_SERVICE_CONFIG=x", nullptr};
  EXPECT_FALSE(read_environment(settings, well.data()));
  EXPECT_EQ(settings.threads, 3U);
  const std::array<const char*, 2> wrong{"CHECK_SERVICE_THREADS=many", nullptr};
  EXPECT_EQ(read_environment(settings, wrong.data()), "CHECK_SERVICE_THREADS: must be an integer from 1 to 256");
}

TEST(Settings, OpenThePagesOfOperatorsByATokenOnly) {
  Settings settings;
  EXPECT_TRUE(settings.operators.token.empty());
  EXPECT_EQ(read(settings, "operator_origins = http://127.0.0.1:8000 , https://ops.example\noperator_deadline = 3s"),
            "none");
  EXPECT_EQ(settings.operators.origins, (std::vector<std::string>{"http://127.0.0.1:8000", "https://ops.example"}));
  EXPECT_EQ(settings.operators.deadline, std::chrono::seconds{3});
  EXPECT_EQ(fault_of(settings), "operator_origins needs operator_token_file");
  settings.operators.token = "a-token-of-operators";
  EXPECT_FALSE(fault_of(settings));
  EXPECT_NE(read(settings, "operator_origins = *"), "none");
  EXPECT_NE(read(settings, "operator_token_file = /nowhere"), "none");
}

TEST(Settings, NeverShowASecret) {
  Settings settings;
  const std::array<const char*, 2> wrong{"CHECK_SERVICE_PASSWORD_FILE=/secret/place", nullptr};
  const auto fault = read_environment(settings, wrong.data());
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->find("/secret/place"), std::string::npos);
}

TEST(Settings, ThatContradictEachOtherAreRefused) {
  Settings settings;
  settings.tls.authorities = "/ca.pem";
  EXPECT_EQ(fault_of(settings), "tls_authorities and tls_certificate need tls = yes");
  settings = {};
  settings.client.node.login.user = "svc";
  EXPECT_EQ(fault_of(settings), "login: a user needs a password");
}

}  // namespace
}  // namespace ratelimit::service
