// SPDX-License-Identifier: MIT
// The names of all subjects of a log, each once, with numbers from 0 on. So everything else about subjects is in arrays.
//
// An open-addressing table of 8 bytes a slot, and the names one after the other in blocks that never move. Names come
// from strangers, so the hash has a secret: nobody can aim at collisions. Depends on std only.
#ifndef RATELIMIT_TOOLS_REPLAY_SUBJECT_NAMES_H
#define RATELIMIT_TOOLS_REPLAY_SUBJECT_NAMES_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

namespace ratelimit::replay {

using SubjectNumber = std::uint32_t;

class SubjectNames {
 public:
  SubjectNames() : slots_(kFirstSlots) {
    std::random_device random;
    for (std::uint64_t& word : secret_) word = std::uint64_t{random()} << 32U | random();
  }

  [[nodiscard]] std::size_t size() const { return names_.size(); }
  [[nodiscard]] std::string_view operator[](SubjectNumber number) const { return names_[number]; }

  /// The number of a name; a new one if it was never seen. O(bytes of the name).
  [[nodiscard]] SubjectNumber number_of(std::string_view name) {
    const std::uint64_t hash = hash_of(name);
    const std::size_t at = slot_of(name, hash);
    if (slots_[at].number != kFree) return slots_[at].number;
    const auto number = static_cast<SubjectNumber>(names_.size());
    slots_[at] = {static_cast<std::uint32_t>(hash >> 32U), number};
    names_.push_back(keep(name));
    if (names_.size() * 2 > slots_.size()) grow();
    return number;
  }

  /// The number of a name; none if it was never seen.
  [[nodiscard]] std::optional<SubjectNumber> find(std::string_view name) const {
    const SubjectNumber number = slots_[slot_of(name, hash_of(name))].number;
    return number == kFree ? std::nullopt : std::optional(number);
  }

 private:
  static constexpr std::size_t kFirstSlots = 1024;
  static constexpr std::size_t kBlockBytes = 1U << 16U;
  static constexpr SubjectNumber kFree = 0xFFFFFFFF;

  struct Slot {
    std::uint32_t tag = 0;
    SubjectNumber number = kFree;
  };

  /// Multiplies to 128 bits and folds the halves: mixes eight bytes in a few cycles.
  [[nodiscard]] static std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
  }

  [[nodiscard]] std::uint64_t hash_of(std::string_view name) const {
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;
    std::uint64_t hash = secret_[0] ^ name.size();
    for (std::size_t at = 0; at < name.size(); at += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, name.data() + at, std::min(sizeof(word), name.size() - at));
      hash = mix(hash ^ kOdd, word ^ secret_[1]);
    }
    return mix(hash ^ secret_[1], kOdd);
  }

  /// The place of the slot that has the name, or of the free one where it belongs.
  [[nodiscard]] std::size_t slot_of(std::string_view name, std::uint64_t hash) const {
    const auto tag = static_cast<std::uint32_t>(hash >> 32U);
    std::size_t at = hash & (slots_.size() - 1);
    for (; slots_[at].number != kFree; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].tag == tag && names_[slots_[at].number] == name) break;
    }
    return at;
  }

  [[nodiscard]] std::string_view keep(std::string_view name) {
    if (name.size() > left_) {
      left_ = std::max(kBlockBytes, name.size());
      blocks_.push_back(std::make_unique_for_overwrite<char[]>(left_));
      next_ = blocks_.back().get();
    }
    char* begin = next_;
    if (!name.empty()) std::memcpy(begin, name.data(), name.size());
    next_ += name.size();
    left_ -= name.size();
    return {begin, name.size()};
  }

  void grow() {
    slots_.assign(slots_.size() * 2, Slot{});
    for (std::size_t number = 0; number < names_.size(); ++number) {
      const std::uint64_t hash = hash_of(names_[number]);
      std::size_t at = hash & (slots_.size() - 1);
      while (slots_[at].number != kFree) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = {static_cast<std::uint32_t>(hash >> 32U), static_cast<SubjectNumber>(number)};
    }
  }

  std::vector<Slot> slots_;
  std::vector<std::string_view> names_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  std::uint64_t secret_[2] = {};
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_SUBJECT_NAMES_H
