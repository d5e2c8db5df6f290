// SPDX-License-Identifier: MIT
// Which subjects are hot: asked about so often that a lease pays. An estimate of constant size; not thread-safe. std only.
#ifndef RATELIMIT_SERVICE_HOT_SUBJECTS_H
#define RATELIMIT_SERVICE_HOT_SUBJECTS_H

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace ratelimit::service {

class HotSubjects {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Hot is what is asked for at least `threshold` times in a second, or was in the second before.
  explicit HotSubjects(std::uint32_t threshold) : threshold_(threshold) {}

  /// Counts a call. Two subjects may share a count: then a cold one takes a lease now and then, which costs nobody a unit.
  [[nodiscard]] bool is_hot(std::string_view key, std::string_view subject, Time now) {
    if (now - begun_ >= std::chrono::seconds{1}) begin(now);
    const std::hash<std::string_view> hash;
    const std::size_t place = (hash(key) * 31 + hash(subject)) % kPlaces;
    return ++counts_[place] >= threshold_ || before_[place] >= threshold_;
  }

 private:
  static constexpr std::size_t kPlaces = 4096;

  void begin(Time now) {
    const bool is_next = now - begun_ < std::chrono::seconds{2};
    before_ = is_next ? counts_ : std::array<std::uint32_t, kPlaces>{};
    counts_ = {};
    begun_ = now;
  }

  const std::uint32_t threshold_;
  Time begun_{};
  std::array<std::uint32_t, kPlaces> counts_{};
  std::array<std::uint32_t, kPlaces> before_{};
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_HOT_SUBJECTS_H
