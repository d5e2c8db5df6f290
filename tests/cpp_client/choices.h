// SPDX-License-Identifier: MIT
// Each choice of what becomes of the calls that no server decides, and that each of those calls has followed it.
#ifndef RATELIMIT_TESTS_CLIENT_CHOICES_H
#define RATELIMIT_TESTS_CLIENT_CHOICES_H

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "ratelimit/client.h"

namespace ratelimit::client::tests {

/// Each test of the choices runs once for each.
inline const auto kEachChoice = testing::Values(Without::fail_open, Without::fail_closed, Without::local);

/// Of four processes, this is one.
inline constexpr std::uint64_t kProcesses = 4;

/// A client that follows `choice`, and soon connects again.
inline Options options_for_choice(Without choice) {
  Options options;
  options.without_server = choice;
  options.share = {1, kProcesses};
  options.most_denials = 0;
  options.node.reconnect = {.first = std::chrono::milliseconds{1}, .longest = std::chrono::milliseconds{5}};
  return options;
}

/// Whoever the server did not decide got the choice. `most_local`: so much of the limits is this process's own.
inline void expect_choice(const Counts& counts, Without choice, std::uint64_t most_local) {
  const std::uint64_t others = counts.calls() - counts.answered_by(Source::server);
  switch (choice) {
    case Without::fail_open: EXPECT_EQ(counts.granted_by(Source::fail_open), others); break;
    case Without::fail_closed: EXPECT_EQ(counts.denied_by(Source::fail_closed), others); break;
    case Without::local:
      EXPECT_EQ(counts.answered_by(Source::local), others);
      EXPECT_LE(counts.granted_by(Source::local), most_local);
      break;
  }
}

/// Runs `run` in each of the threads, with the thread's number, to its end.
inline void in_threads(int threads, const std::function<void(int)>& run) {
  std::vector<std::jthread> running;
  for (int t = 0; t < threads; ++t) running.emplace_back([&run, t] { run(t); });
}

}  // namespace ratelimit::client::tests

#endif  // RATELIMIT_TESTS_CLIENT_CHOICES_H
