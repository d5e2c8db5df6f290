// SPDX-License-Identifier: MIT
#include "commands/known_limits.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace ratelimit {

// Two numbers tell most limits apart, by what is at their ends, and the number of words does the rest.
std::size_t KnownLimits::place_of(Words words, const AlgorithmRow* algorithm) {
  const auto ends = [](std::string_view word) {
    if (word.empty()) return std::uint64_t{0};
    const auto first = static_cast<unsigned char>(word.front());
    return word.size() << 16U | std::uint64_t{first} << 8U | static_cast<unsigned char>(word.back());
  };
  const std::size_t number = algorithm != nullptr ? 0 : 1;  // behind the keyword of the algorithm
  if (words.size() < number + 2) return 0;
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;  // 2^64 divided by the golden ratio
  const std::uint64_t hash = (ends(words[number]) << 32U | ends(words[number + 1])) + words.size();
  return hash * kOdd >> static_cast<unsigned>(std::numeric_limits<std::uint64_t>::digits - kBits);
}

void KnownLimits::remember(Words words, std::size_t count, const AlgorithmRow* algorithm,
                           std::span<const LimitSpec> limits, const LimitOptions& options) {
  std::size_t bytes = 0;
  for (const std::string_view word : words.first(count)) bytes += word.size();
  if (count > Entry::kMostWords || bytes > Entry::kMostBytes) return;
  entries_[place_of(words, algorithm)].assign(words.first(count), algorithm, limits, options);
}

bool KnownLimits::Entry::is_beginning_of(Words words, const AlgorithmRow* algorithm) const {
  if (words_ == 0 || words.size() < words_ || algorithm != algorithm_) return false;
  const char* bytes = bytes_.data();
  for (std::size_t i = 0; i < words_; ++i) {
    if (words[i].size() != sizes_[i] || std::memcmp(words[i].data(), bytes, sizes_[i]) != 0) return false;
    bytes += sizes_[i];
  }
  return true;
}

void KnownLimits::Entry::assign(Words words, const AlgorithmRow* algorithm, std::span<const LimitSpec> limits,
                                const LimitOptions& options) {
  std::copy(limits.begin(), limits.end(), limits_.begin());
  char* bytes = bytes_.data();
  for (std::size_t i = 0; i < words.size(); ++i) {
    sizes_[i] = static_cast<std::uint8_t>(words[i].size());
    const std::string_view own(bytes, words[i].size());
    bytes = std::copy(words[i].begin(), words[i].end(), bytes);
    for (LimitSpec& spec : std::span(limits_).first(limits.size())) {
      if (!spec.label.empty() && spec.label.data() == words[i].data()) spec.label = own;
      if (!spec.zone.empty() && spec.zone.data() == words[i].data()) spec.zone = own;
    }
  }
  object_ = {};
  words_ = words.size();
  limits_count_ = limits.size();
  algorithm_ = algorithm;
  options_ = options;
}

}  // namespace ratelimit
