// SPDX-License-Identifier: MIT
// Remembers what the words of limits meant. Callers say the same limits again and again, and to compare words takes a
// fraction of the instructions that it takes to read them. Knows no server.
//
// A cache with one place for each hash, where the words that were read last stay. What it says is never out of date:
// the same words always mean the same, and a time zone that was found stays as it is. Beside the limits it has a place
// for the object that they are in memory.
#ifndef RATELIMIT_MODULE_COMMANDS_KNOWN_LIMITS_H
#define RATELIMIT_MODULE_COMMANDS_KNOWN_LIMITS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "keyspace/named_limits.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/grammar/grammar.h"
#include "ratelimit/grammar/limit_reader.h"
#include "storage/limits_pool.h"

namespace ratelimit {

class KnownLimits {
 public:
  using Words = std::span<const std::string_view>;

  /// Words with which a list of limits begins, and what they mean.
  class Entry {
   public:
    [[nodiscard]] std::size_t words() const { return words_; }
    /// What they mean, until something else is remembered.
    [[nodiscard]] NamedLimits limits() const { return {specs(), &object_}; }
    [[nodiscard]] std::span<const LimitSpec> specs() const { return std::span(limits_).first(limits_count_); }
    [[nodiscard]] const LimitOptions& options() const { return options_; }

   private:
    friend class KnownLimits;

    static constexpr std::size_t kMostWords = 32;
    static constexpr std::size_t kMostBytes = 255;  // so that the size of a word is a byte

    [[nodiscard]] bool is_beginning_of(Words words, const AlgorithmRow* algorithm) const;
    void assign(Words words, const AlgorithmRow* algorithm, std::span<const LimitSpec> limits,
                const LimitOptions& options);

    const AlgorithmRow* algorithm_ = nullptr;
    std::size_t words_ = 0;  ///< none: nothing is remembered here
    std::size_t limits_count_ = 0;
    LimitOptions options_;
    std::array<std::uint8_t, kMostWords> sizes_{};  ///< of the words
    std::array<char, kMostBytes> bytes_{};          ///< of the words, one behind the other
    std::array<LimitSpec, kMaxLimits> limits_{};    ///< labels and zones are borrowed from `bytes_`
    mutable SharedLimits object_;                   ///< null until a call has found it
  };

  KnownLimits() = default;
  KnownLimits(const KnownLimits&) = delete;
  KnownLimits& operator=(const KnownLimits&) = delete;
  ~KnownLimits() = default;

  /// What the first of `words` mean, if that is known; null if not. `words` are those from the first of a limit on, to
  /// the end of the call. Where the command names the algorithm, which is null otherwise, they begin with its numbers.
  [[nodiscard]] const Entry* find(Words words, const AlgorithmRow* algorithm) const {
    const Entry& entry = entries_[place_of(words, algorithm)];
    return entry.is_beginning_of(words, algorithm) ? &entry : nullptr;
  }
  /// Remembers what the first `count` of these words mean, if they are not too long.
  void remember(Words words, std::size_t count, const AlgorithmRow* algorithm, std::span<const LimitSpec> limits,
                const LimitOptions& options);

 private:
  static constexpr int kBits = 6;

  [[nodiscard]] static std::size_t place_of(Words words, const AlgorithmRow* algorithm);

  std::array<Entry, std::size_t{1} << kBits> entries_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_KNOWN_LIMITS_H
