// SPDX-License-Identifier: MIT
// At most `limit` units per window of fixed length.
//
// A window begins with the first call when no window is open. ALIGNED windows begin at multiples of their length since
// 1970-01-01 UTC, for all subjects at once. Depends on the counted window and limit specs.
//
//     first call              end                next call           end
//         |----- window -------|      (idle)         |----- window ---|      ---> time
#ifndef RATELIMIT_ALGORITHMS_FIXED_WINDOW_H
#define RATELIMIT_ALGORITHMS_FIXED_WINDOW_H

#include <cstdint>
#include <optional>
#include <string_view>

#include "ratelimit/algorithms/counted_window.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/units.h"

namespace ratelimit {

/// Windows of one length.
struct EqualWindows {
  enum class Start : std::uint8_t {
    first_call,
    aligned,
  };

  Span length;
  Start start;

  [[nodiscard]] constexpr Instant end_after(Instant now) const {
    return start == Start::aligned ? now - now.time_since_epoch() % length + length : now + length;
  }

  [[nodiscard]] constexpr Span nominal_length() const { return length; }
  [[nodiscard]] constexpr Span longest_length() const { return length; }

  /// The window begins where the other one began, if that is possible and it is not over.
  [[nodiscard]] constexpr Instant end_of_adopted(const EqualWindows& other, Instant end, Instant now) const {
    const Instant kept = end - other.length + length;
    return start == Start::first_call && kept > now ? kept : end_after(now);
  }

  friend constexpr bool operator==(const EqualWindows&, const EqualWindows&) = default;
};

class FixedWindow : public CountedWindow<EqualWindows> {
 public:
  using Start = EqualWindows::Start;

  static constexpr Algorithm kNumber = Algorithm::fixed_window;
  static constexpr std::string_view kKeyword = "FIXED";
  static constexpr LimitFields kFields{.span = true, .aligned = true};

  /// None if a number is out of its range.
  [[nodiscard]] static constexpr std::optional<FixedWindow> make(Units limit, Span window, Start start) {
    if (!is_size(limit, kMaxUnits) || !in_range(window)) return std::nullopt;
    return FixedWindow(limit, {window, start});
  }
  [[nodiscard]] static constexpr std::optional<FixedWindow> make(const LimitSpec& spec) {
    return make(spec.size, spec.span, spec.aligned ? Start::aligned : Start::first_call);
  }

 private:
  using CountedWindow::CountedWindow;
};

static_assert(sizeof(FixedWindow::State) == 16);

}  // namespace ratelimit

#endif  // RATELIMIT_ALGORITHMS_FIXED_WINDOW_H
