// SPDX-License-Identifier: MIT
#include "replay/shared_subnet.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace ratelimit::replay {
namespace {

struct Member {
  Subnet subnet;
  SubjectNumber subject = 0;

  friend bool operator<(const Member& a, const Member& b) {
    const auto key = [](const Member& one) {
      return std::tie(one.subnet.address.is_v6, one.subnet.address.bytes, one.subject);
    };
    return key(a) < key(b);
  }
};

}  // namespace

std::optional<Subnet> wide_subnet_of(std::string_view name) {
  const std::optional<Subnet> inner = parse_subnet(name);
  if (!inner) return std::nullopt;
  const unsigned bits = inner->address.is_v6 ? kWideBitsOfV6 : kWideBitsOfV4;
  if (inner->bits <= bits) return std::nullopt;
  return Subnet{first_of({inner->address, bits}), bits};
}

std::string text_of(const Subnet& subnet) {
  std::string text;
  append_subnet(text, subnet.address, subnet.bits);
  return text;
}

std::vector<Group> groups_of(std::span<const SubjectNumber> subjects, const SubjectNames& names) {
  std::vector<Member> members;
  for (const SubjectNumber subject : subjects) {
    if (const std::optional<Subnet> subnet = wide_subnet_of(names[subject])) members.push_back({*subnet, subject});
  }
  std::sort(members.begin(), members.end());
  std::vector<Group> groups;
  for (std::size_t i = 0; i < members.size();) {
    std::size_t end = i;
    while (end < members.size() && members[end].subnet.address == members[i].subnet.address) ++end;
    if (end - i > 1) {
      groups.push_back({.subnet = members[i].subnet, .subjects = {}});
      for (std::size_t j = i; j < end; ++j) groups.back().subjects.push_back(members[j].subject);
    }
    i = end;
  }
  return groups;
}

std::optional<Group> shared_subnet(std::span<const SubjectNumber> subjects, const SubjectNames& names) {
  constexpr std::size_t kFew = 3;
  for (Group& group : groups_of(subjects, names)) {
    const std::size_t size = group.subjects.size();
    if (size >= kFew && 2 * size > subjects.size()) return std::move(group);
  }
  return std::nullopt;
}

}  // namespace ratelimit::replay
