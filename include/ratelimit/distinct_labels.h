// SPDX-License-Identifier: MIT
// Labels of several lists of limits, made distinct: what is there already gets a number. Depends on std only.
#ifndef RATELIMIT_DISTINCT_LABELS_H
#define RATELIMIT_DISTINCT_LABELS_H

#include <string>
#include <string_view>
#include <unordered_map>

namespace ratelimit {

/// The labels that were added so far, no two of them alike.
class DistinctLabels {
 public:
  /// The label itself, if it was not there before; else with the first of the endings `-2`, `-3` and so on that makes
  /// it another one. A number that was tried for a label is not tried again, so that n labels take O(n) in all.
  [[nodiscard]] std::string add(std::string_view label) {
    const auto [first, is_new] = last_numbers_.try_emplace(std::string(label), 1);
    if (is_new) return first->first;
    int& number = first->second;  // stays where it is, however many are added
    while (true) {
      const auto [other, is_distinct] =
          last_numbers_.try_emplace(std::string(label).append("-").append(std::to_string(++number)), 1);
      if (is_distinct) return other->first;
    }
  }

 private:
  std::unordered_map<std::string, int> last_numbers_;  ///< by label: the last number that was tried behind it
};

}  // namespace ratelimit

#endif  // RATELIMIT_DISTINCT_LABELS_H
