// SPDX-License-Identifier: MIT
// The tests of the client start servers with the module. Where there is no server to start, ctest counts them as skipped.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

namespace {

bool is_on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  return false;
}

/// What the tests miss on this machine; null if nothing. What the environment names is not questioned: it must work.
const char* missing() {
  if (std::getenv("RATELIMIT_SERVER") == nullptr && !is_on_path("redis-server"))
    return "there is no redis-server on the PATH, and RATELIMIT_SERVER names no other server";
  if (std::getenv("RATELIMIT_MODULE") == nullptr && std::string(RATELIMIT_BUILT_MODULE).empty())
    return "this build has no module, and RATELIMIT_MODULE names none";
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const char* reason = GTEST_FLAG_GET(list_tests) ? nullptr : missing();
  if (reason == nullptr) return RUN_ALL_TESTS();
  std::printf("[  SKIPPED ] %s\n", reason);  // in the words that CMake's gtest_discover_tests looks for
  return 0;
}
