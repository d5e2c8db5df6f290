// SPDX-License-Identifier: MIT
// What tests of pipelines share: where answers go, and a server that notes its commands.
#ifndef RATELIMIT_TESTS_CLIENT_PIPELINES_H
#define RATELIMIT_TESTS_CLIENT_PIPELINES_H

#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client/pipeline.h"
#include "servers.h"

namespace ratelimit::client::tests {

/// Where answers go.
struct Answers {
  std::vector<Answer> all;
  Done take() {
    return [this](Answer answer) { all.push_back(std::move(answer)); };
  }
};

/// A server that notes the commands that it gets, and grants.
class Noting {
 public:
  [[nodiscard]] Actor::Play play(std::string_view reply) {
    return [this, reply](Peer& peer) {
      while (const auto command = peer.command()) {
        {
          const std::lock_guard lock(mutex_);
          commands_.push_back(*command);
        }
        peer.say(reply);
      }
    };
  }
  [[nodiscard]] std::vector<std::string> commands() {
    const std::lock_guard lock(mutex_);
    return commands_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> commands_;
};

}  // namespace ratelimit::client::tests

#endif  // RATELIMIT_TESTS_CLIENT_PIPELINES_H
