// SPDX-License-Identifier: MIT
// What docs/cpp-client.md shows is what examples/cpp-client has, and that runs.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "servers.h"

namespace ratelimit::client::tests {
namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(std::string(RATELIMIT_ROOT) + "/" + path);
  EXPECT_TRUE(file) << path;
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

/// The lines between those that begin and end a part, moved to the left margin.
std::multiset<std::string> parts(const std::vector<std::string>& lines, const std::string& begin,
                                 const std::string& end) {
  std::multiset<std::string> found;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t margin = lines[i].find_first_not_of(' ');
    if (margin == std::string::npos || !lines[i].substr(margin).starts_with(begin)) continue;
    if (lines[i].substr(margin).starts_with(end)) continue;
    std::string part;
    for (++i; i < lines.size() && lines[i].find(end) != margin; ++i) {
      part += (lines[i].size() < margin ? "" : lines[i].substr(margin)) + "\n";
    }
    found.insert(part);
  }
  return found;
}

TEST(Page, ShowsWhatTheExampleHas) {
  std::multiset<std::string> page;
  const std::vector<std::string> lines = lines_of("docs/cpp-client.md");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i] != "```cpp") continue;
    std::string part;
    for (++i; i < lines.size() && lines[i] != "```"; ++i) part += lines[i] + "\n";
    page.insert(part);
  }
  EXPECT_EQ(page.size(), 10U);
  EXPECT_EQ(page, parts(lines_of("examples/cpp-client/main.cpp"), "// [", "// [end]"));
}

TEST(Page, HasAnExampleThatRuns) {
  const int port = free_port();
  const Server server({"--port", std::to_string(port), "--bind", "127.0.0.1"});
  static_cast<void>(server.reply_to({"RL.DEFINE", "api:free", "FIXED", "10", "1h"}));
  FILE* output = ::popen((std::string(RATELIMIT_CLIENT_EXAMPLE) + " " + std::to_string(port)).c_str(), "r");
  ASSERT_NE(output, nullptr);
  std::string text;
  for (int c = 0; (c = std::fgetc(output)) != EOF;) text += static_cast<char>(c);
  EXPECT_EQ(::pclose(output), 0);
  EXPECT_EQ(text.substr(0, 19), "200\ngo on\ncomplete\n") << text;
  EXPECT_NE(text.find("\n3 of 4\n"), std::string::npos) << text;
  EXPECT_NE(text.find("circuit breaker: closed"), std::string::npos) << text;
}

}  // namespace
}  // namespace ratelimit::client::tests
