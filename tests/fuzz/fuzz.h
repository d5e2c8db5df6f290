// What the fuzz targets share: a word for what must hold, numbers from bytes, and the bounds of an answer.
//
// A target is a function of bytes that ends the process when something that must hold does not. The fuzzer keeps the
// bytes; running the target on them again repeats it.
#ifndef RATELIMIT_TESTS_FUZZ_FUZZ_H
#define RATELIMIT_TESTS_FUZZ_FUZZ_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include "ratelimit/decision.h"
#include "ratelimit/limits.h"
#include "ratelimit/units.h"

namespace ratelimit::fuzz {

/// Ends the process, loudly, unless `condition` holds.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

/// Choices made by bytes, one after the other; zeros when they are used up.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool empty() const { return bytes_.empty(); }

  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const char first = bytes_.front();
    bytes_.remove_prefix(1);
    return static_cast<std::uint8_t>(first);
  }

  /// From 0 up to and without `end`, which is at most 256.
  std::size_t below(std::size_t end) { return byte() % end; }

  /// `size` bytes as a number, the lowest first.
  std::uint64_t number(unsigned size) {
    std::uint64_t number = 0;
    for (unsigned i = 0; i < size; ++i) number |= std::uint64_t{byte()} << (8 * i);
    return number;
  }

  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(values.size())];
  }

  /// So many bytes, or those that are left.
  std::string_view take(std::size_t size) {
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view bytes_;
};

/// The longest that a limit may ask anybody to wait: until all of it has come back.
inline Span full_span(const LimitSpec& spec) {
  if (spec.algorithm == Algorithm::token_bucket) {
    __extension__ using Wide = unsigned __int128;
    const auto refill = static_cast<Wide>(spec.refill.count());
    const Wide nanoseconds = static_cast<Wide>(spec.size.count()) * static_cast<Wide>(spec.span.count());
    return Span{static_cast<std::int64_t>((nanoseconds + refill - 1) / refill)};
  }
  // The exact log rounds times up to its grid.
  return spec.algorithm == Algorithm::sliding_log ? spec.span + spec.span / (1 << 26) : spec.span;
}

inline Span longest_full_span(const Limits& limits) {
  Span longest{};
  for (std::size_t i = 0; i < limits.size(); ++i) longest = std::max(longest, full_span(limits[i].spec()));
  return longest;
}

/// What holds for the answer of any state whatsoever.
inline void require_sane(const Decision& decision, Units cost, Span longest) {
  const bool granted = decision.outcome == Outcome::granted;
  require(decision.granted == (granted ? cost : kNoUnits), "all is granted, or nothing");
  require(kNoUnits <= decision.remaining && decision.remaining <= decision.size, "remaining is within the limit");
  require(Span{} <= decision.wait && decision.wait <= longest, "a wait is at most one full span");
  require(Span{} <= decision.reset && decision.reset <= longest, "a reset is at most one full span");
  require((decision.wait > Span{}) == (decision.outcome == Outcome::denied), "who is denied waits, and nobody else");
}

}  // namespace ratelimit::fuzz

#endif  // RATELIMIT_TESTS_FUZZ_FUZZ_H
