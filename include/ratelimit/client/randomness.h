// SPDX-License-Identifier: MIT
// Random numbers for pauses and for ids, from one stream that all threads share (splitmix64). They are no secret. std
// only.
#ifndef RATELIMIT_CLIENT_RANDOMNESS_H
#define RATELIMIT_CLIENT_RANDOMNESS_H

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace ratelimit::client {

class Randomness {
 public:
  /// Starts at a place that the system chooses.
  Randomness() : Randomness(system_seed()) {}
  explicit Randomness(std::uint64_t seed) : state_(seed) {}

  /// The next number. Any thread may ask.
  [[nodiscard]] std::uint64_t next() {
    std::uint64_t z = state_.fetch_add(0x9e37'79b9'7f4a'7c15U, std::memory_order_relaxed);
    z = (z ^ (z >> 30U)) * 0xbf58'476d'1ce4'e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d0'49bb'1331'11ebU;
    return z ^ (z >> 31U);
  }

 private:
  static std::uint64_t system_seed() {
    std::random_device device;
    return (std::uint64_t{device()} << 32U) | device();
  }

  std::atomic<std::uint64_t> state_;
};

/// An id for a hold: 32 hexadecimal digits.
[[nodiscard]] inline std::string random_id(Randomness& randomness) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id;
  for (int half = 0; half < 2; ++half) {
    std::uint64_t bits = randomness.next();
    for (int i = 0; i < 16; ++i, bits >>= 4U) id += kDigits[bits & 15U];
  }
  return id;
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_RANDOMNESS_H
