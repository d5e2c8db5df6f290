// SPDX-License-Identifier: MIT
// Rules as they are found: a level for each entry of a descriptor. Depends on rules.
#ifndef RATELIMIT_SERVICE_ENVOY_RULE_TREE_H
#define RATELIMIT_SERVICE_ENVOY_RULE_TREE_H

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rules.h"

namespace ratelimit::service::envoy {

struct Branch;

/// `*` stands for any bytes, also for none. Split where it stands, when the rules are read.
class Wildcard {
 public:
  explicit Wildcard(std::string_view pattern) {
    for (std::size_t begin = 0;;) {
      const std::size_t end = pattern.find('*', begin);
      parts_.emplace_back(pattern.substr(begin, end - begin));
      if (end == std::string_view::npos) return;
      begin = end + 1;
    }
  }

  [[nodiscard]] bool matches(std::string_view value) const {
    const std::string& first = parts_.front();
    const std::string& last = parts_.back();
    if (value.size() < first.size() + last.size() || !value.starts_with(first) || !value.ends_with(last)) return false;
    value.remove_prefix(first.size());
    value.remove_suffix(last.size());
    for (std::size_t i = 1; i + 1 < parts_.size(); ++i) {
      const std::size_t place = value.find(parts_[i]);
      if (place == std::string_view::npos) return false;
      value.remove_prefix(place + parts_[i].size());
    }
    return true;
  }

 private:
  std::vector<std::string> parts_;  ///< at least two
};

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <class T>
using ByText = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

/// The branches of one key.
struct BranchesOfKey {
  ByText<Branch*> by_value;                             ///< wildcards by their own text, too
  std::vector<std::pair<Wildcard, Branch*>> wildcards;  ///< in the order of the file: the first that matches is taken
  Branch* any = nullptr;                                ///< for all other values
};

struct Level {
  ByText<BranchesOfKey> keys;
  std::vector<std::unique_ptr<Branch>> branches;  ///< in the order of the file

  /// The branch of an entry: of its value, else of a wildcard, else of its key alone. Null if there is none.
  [[nodiscard]] const Branch* find(const Entry& entry) const;
  /// Adds a branch. False if there is one for the same entries.
  [[nodiscard]] bool add(std::unique_ptr<Branch> branch);
};

struct Branch {
  std::string key;
  std::string value;  ///< empty: any. It may be a wildcard
  bool is_wildcard = false;
  bool shares_threshold = false;
  bool has_value_in_metric = false;
  std::optional<Rule> rule{};
  Level below{};

  /// Whether each value has a count of its own.
  [[nodiscard]] bool is_open() const { return value.empty() || (is_wildcard && !shares_threshold); }
};

inline const Branch* Level::find(const Entry& entry) const {
  const auto of_key = keys.find(std::string_view(entry.key));
  if (of_key == keys.end()) return nullptr;
  const BranchesOfKey& found = of_key->second;
  if (const auto exact = found.by_value.find(std::string_view(entry.value)); exact != found.by_value.end()) {
    return exact->second;
  }
  const auto fits = [&](const auto& each) { return each.first.matches(entry.value); };
  const auto wildcard = std::find_if(found.wildcards.begin(), found.wildcards.end(), fits);
  return wildcard != found.wildcards.end() ? wildcard->second : found.any;
}

inline bool Level::add(std::unique_ptr<Branch> branch) {
  BranchesOfKey& of_key = keys[branch->key];
  Branch* const added = branch.get();
  if (branch->value.empty()) {
    if (of_key.any != nullptr) return false;
    of_key.any = added;
  } else {
    if (!of_key.by_value.emplace(branch->value, added).second) return false;
    if (branch->is_wildcard) of_key.wildcards.emplace_back(Wildcard(branch->value), added);
  }
  branches.push_back(std::move(branch));
  return true;
}

struct Rules::Data {
  std::string prefix;
  ByText<Level> domains;
  std::vector<std::string> domain_names;  ///< in the order of the files
};

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_RULE_TREE_H
