// SPDX-License-Identifier: MIT
// Searches limits: for each algorithm and length of time, the smallest size that denies at most so much.
//
// How: by bisection. A size that denies little enough is halved towards one that does not, and each is replayed from the
// first call to the last, all kinds side by side in one pass. The result has been replayed itself, and so has the size
// one below, which denies more. Sizes further below are not tried: a smaller size rarely denies less, and never by much.
// Those who are to be stopped do not count: the search is for what the others can bear, and then says how much it stops.
// Buckets are searched as `n n span`: n at once, and n each span. CONCURRENT is not searched: a log does not say when a
// lease ends. Depends on trials and tallies.
#ifndef RATELIMIT_TOOLS_REPLAY_SUGGEST_H
#define RATELIMIT_TOOLS_REPLAY_SUGGEST_H

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ratelimit/units.h"
#include "replay/call.h"
#include "replay/replayer.h"
#include "replay/roles.h"
#include "replay/tally.h"

namespace ratelimit::replay {

/// The most that a limit may deny: `0.1%` of the calls, a call to `0.1% of subjects`, to `3 subjects`, or `100 calls`.
struct Bound {
  enum class Of : bool { calls, subjects };

  std::uint64_t millionths = 0;
  std::optional<std::uint64_t> count{};  ///< so many, in place of a share
  Of of = Of::calls;

  [[nodiscard]] static std::optional<Bound> parse(std::string_view text);
  /// The bound of a search that must not deny anything.
  [[nodiscard]] static Bound nobody() { return {.count = 0, .of = Of::subjects}; }
  /// How many of so many that is, rounded down.
  [[nodiscard]] std::uint64_t part_of(std::uint64_t whole) const;
};

/// Who asks, by the numbers of the subjects.
struct Crowd {
  std::span<const Asked> asked;
  const Roles& roles;

  /// What the bound bounds: the calls, or the subjects, of those who are not to be stopped.
  [[nodiscard]] std::uint64_t others(Bound::Of of) const;
};

/// Visits all calls in their order. False if the user ended it before the last.
using VisitCalls = std::function<bool(const std::function<void(const Call&)>& visit)>;

struct Suggestion {
  Contender contender;
  std::int64_t size = 0;  ///< one less has been replayed and denies too much; of 1, nothing less was tried
  std::optional<SubjectNumber>
      hit_by_less{};                   ///< whom one less denies something, too; only if the bound is of subjects
  std::uint64_t stopped_by_twice = 0;  ///< calls of those to be stopped that twice the size denies
};

/// What a limit denies, by whom it is for.
struct DeniedByRole {
  std::uint64_t stopped = 0;   ///< calls of those to be stopped
  std::uint64_t others = 0;    ///< calls of all others
  std::size_t others_hit = 0;  ///< subjects
  std::size_t spared_hit = 0;  ///< those of them that must not be hit
};
[[nodiscard]] DeniedByRole denied_by_role(const Tally& tally, const Roles& roles);

/// The suggestions, one for each algorithm and span and unit of the calendar, where there is one: the tightest limit that
/// denies the others no more than the bound, and nothing to those who are spared. Those who are to be stopped do not count.
/// None at all if the user ended the search.
[[nodiscard]] std::optional<std::vector<Suggestion>> suggest(const Bound& bound, std::span<const Span> spans,
                                                             const Crowd& crowd, const VisitCalls& calls);

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_SUGGEST_H
