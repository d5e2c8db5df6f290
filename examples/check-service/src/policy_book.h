// SPDX-License-Identifier: MIT
// The policies of the last requests by their texts, so that limits that come with every request are read once. Not
// thread-safe: each thread has its own. Depends on policies from text.
#ifndef RATELIMIT_SERVICE_POLICY_BOOK_H
#define RATELIMIT_SERVICE_POLICY_BOOK_H

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>

#include "ratelimit/client/policy_text.h"

namespace ratelimit::service {

class PolicyBook {
 public:
  static constexpr std::size_t kMost = 1024;
  static constexpr std::size_t kLongestText = 512;

  [[nodiscard]] client::ParsedPolicy find(const std::string& text) {
    if (const auto found = policies_.find(text); found != policies_.end())
      return {.policy = found->second, .error = {}};
    client::ParsedPolicy parsed = client::parse_policy(text);
    if (!parsed.policy) return parsed;
    if (policies_.size() >= kMost) policies_.clear();  // callers that invent limits must not fill the memory
    policies_.emplace(text, *parsed.policy);
    return parsed;
  }

 private:
  std::unordered_map<std::string, client::Policy> policies_;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_POLICY_BOOK_H
