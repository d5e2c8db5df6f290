// SPDX-License-Identifier: MIT
// Whom a limit shall stop, and whom it must not deny anything: subjects that the user names by patterns. Depends on
// patterns and names.
#ifndef RATELIMIT_TOOLS_REPLAY_ROLES_H
#define RATELIMIT_TOOLS_REPLAY_ROLES_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "replay/pattern.h"
#include "replay/subject_names.h"

namespace ratelimit::replay {

enum class Role : std::uint8_t {
  other,    ///< nobody has named it
  stopped,  ///< --stop: the limit is made for it
  spared,   ///< --spare: it must not be denied anything; also if it is named by both
};

class Roles {
 public:
  /// Nobody is named.
  Roles() = default;
  /// O(names times patterns).
  Roles(const SubjectNames& names, std::span<const Pattern> stop, std::span<const Pattern> spare) {
    const auto is_any = [](std::span<const Pattern> patterns, std::string_view name) {
      return std::any_of(patterns.begin(), patterns.end(), [name](const Pattern& one) { return one.matches(name); });
    };
    if (stop.empty() && spare.empty()) return;
    roles_.reserve(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string_view name = names[static_cast<SubjectNumber>(i)];
      roles_.push_back(is_any(spare, name) ? Role::spared : is_any(stop, name) ? Role::stopped : Role::other);
      ++counts_[static_cast<std::size_t>(roles_.back())];
    }
  }

  [[nodiscard]] Role operator[](SubjectNumber subject) const {
    return subject < roles_.size() ? roles_[subject] : Role::other;
  }
  [[nodiscard]] bool is_stopped(SubjectNumber subject) const { return (*this)[subject] == Role::stopped; }
  /// How many subjects have a role that somebody named.
  [[nodiscard]] std::size_t count(Role role) const { return counts_[static_cast<std::size_t>(role)]; }

 private:
  std::vector<Role> roles_;  ///< by subjects; empty if nobody is named
  std::size_t counts_[3] = {};
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_ROLES_H
