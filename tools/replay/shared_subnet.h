// SPDX-License-Identifier: MIT
// Whether most of some subjects are in one subnet: one caller with many addresses. Depends on addresses and names.
#ifndef RATELIMIT_TOOLS_REPLAY_SHARED_SUBNET_H
#define RATELIMIT_TOOLS_REPLAY_SHARED_SUBNET_H

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "replay/address.h"
#include "replay/subject_names.h"

namespace ratelimit::replay {

inline constexpr unsigned kWideBitsOfV4 = 24;
inline constexpr unsigned kWideBitsOfV6 = 48;

/// The wide subnet that a name is in, if the name is an address or a smaller subnet: its /24, of IPv6 its /48.
[[nodiscard]] std::optional<Subnet> wide_subnet_of(std::string_view name);
/// `203.0.113.0/24`
[[nodiscard]] std::string text_of(const Subnet& subnet);

/// Subjects of one wide subnet, at least two.
struct Group {
  Subnet subnet;
  std::vector<SubjectNumber> subjects;
};

/// All groups of these subjects. O(n log n).
[[nodiscard]] std::vector<Group> groups_of(std::span<const SubjectNumber> subjects, const SubjectNames& names);

/// The group of more than half of the subjects, and at least three.
[[nodiscard]] std::optional<Group> shared_subnet(std::span<const SubjectNumber> subjects, const SubjectNames& names);

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_SHARED_SUBNET_H
