// SPDX-License-Identifier: MIT
// Short ways to ask a subject with several accounts, and to say what is used under each.
#ifndef RATELIMIT_TESTS_CORE_ACCOUNTS_H
#define RATELIMIT_TESTS_CORE_ACCOUNTS_H

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/request.h"
#include "subject.h"

namespace ratelimit::tests {

using List = std::vector<LimitSpec>;
using Used = std::vector<std::int64_t>;

inline Request lease(std::string_view id, std::int64_t units = 1) { return {.cost = Units(units), .id = id}; }

/// What is used under each account, in their order.
inline Used used(const Subject& subject, Instant now) {
  Used used;
  for (std::size_t i = 0; i < subject.limits().size(); ++i) used.push_back(subject.used(i, now).count());
  return used;
}

}  // namespace ratelimit::tests

#endif  // RATELIMIT_TESTS_CORE_ACCOUNTS_H
