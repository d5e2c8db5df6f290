// SPDX-License-Identifier: MIT
#include "replay/suggest.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <memory>
#include <utility>

#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/grammar/limit_text.h"
#include "ratelimit/limits.h"
#include "replay/numbers.h"

namespace ratelimit::replay {
namespace {

constexpr std::uint64_t kMillion = 1'000'000;

/// An algorithm and its length of time, whose size is searched.
struct Shape {
  Algorithm algorithm = Algorithm::token_bucket;
  Span span{};
  CalendarUnit unit{};

  [[nodiscard]] LimitSpec with_size(std::int64_t size) const {
    LimitSpec spec{.algorithm = algorithm, .size = Units(size), .span = span, .unit = unit};
    if (is_bucket(algorithm)) spec.refill = spec.size;
    return spec;
  }
  [[nodiscard]] std::int64_t largest() const {
    if (algorithm == Algorithm::sliding_window_log) return kMaxLogEntries;
    const bool is_wide = algorithm == Algorithm::fixed_window || algorithm == Algorithm::quota;
    return (is_wide ? kMaxUnits : kMax32BitUnits).count();
  }
};

[[nodiscard]] std::vector<Shape> shapes_of(std::span<const Span> spans) {
  constexpr std::array kWithSpan{Algorithm::token_bucket, Algorithm::leaky_bucket, Algorithm::fixed_window,
                                 Algorithm::sliding_window_log, Algorithm::sliding_window_counter};
  std::vector<Shape> shapes;
  for (const Algorithm algorithm : kWithSpan) {
    for (const Span span : spans) shapes.push_back({.algorithm = algorithm, .span = span});
  }
  for (const CalendarUnit unit : {CalendarUnit::hour, CalendarUnit::day}) {
    shapes.push_back({.algorithm = Algorithm::quota, .unit = unit});
  }
  return shapes;
}

/// Counts denials up to a bound.
class Denials {
 public:
  Denials(Bound::Of of, std::uint64_t most, std::size_t subjects)
      : most_(most), is_hit_(of == Bound::Of::subjects ? subjects : 0) {}

  [[nodiscard]] bool are_too_many() const { return count_ > most_; }

  void count(SubjectNumber subject, Role role) {
    if (role == Role::spared) count_ = most_;
    if (!is_hit_.empty()) {
      if (is_hit_[subject]) return;
      is_hit_[subject] = true;
    }
    ++count_;
  }

  [[nodiscard]] std::vector<bool> take_hit() { return std::move(is_hit_); }

 private:
  std::uint64_t most_;
  std::uint64_t count_ = 0;
  std::vector<bool> is_hit_;  ///< if subjects count
};

/// The bisection of one shape: `low` denies too much, `high` does not, as far as is known.
struct Bisection {
  Shape shape;
  std::int64_t low = 0;
  std::int64_t high = 0;
  std::vector<bool> hit_by_low{};  ///< the subjects that `low` denies something, until they were too many

  [[nodiscard]] bool is_done() const { return high - low <= 1; }
  [[nodiscard]] std::int64_t middle() const { return low + (high - low) / 2; }
};

/// One size, while all calls are replayed against it.
class Attempt {
 public:
  Attempt(Bisection& bisection, Limits limits, const Denials& denials)
      : bisection_(bisection),
        size_(static_cast<std::uint64_t>(limits[0].size().count())),
        trial_(std::move(limits)),
        denials_(denials) {}

  /// A subject that never asks for more than the size in all is never denied.
  void take(const Call& call, const Asked& asked, Role role) {
    if (asked.units <= size_ || denials_.are_too_many()) return;
    if (trial_.check(call).decision.outcome != Outcome::granted) denials_.count(call.subject, role);
  }

  [[nodiscard]] std::uint64_t size() const { return size_; }

  void conclude() {
    const std::int64_t middle = bisection_.middle();
    if (denials_.are_too_many()) {
      bisection_.low = middle;
      bisection_.hit_by_low = denials_.take_hit();
    } else {
      bisection_.high = middle;
    }
  }

 private:
  Bisection& bisection_;
  std::uint64_t size_;
  Trial trial_;
  Denials denials_;
};

/// Twice the size of a limit that was found, for those who are to be stopped: what is left of it with room.
class Twice {
 public:
  explicit Twice(Limits limits) : trial_(std::move(limits)) {}

  void take(const Call& call) { denied_ += trial_.check(call).decision.outcome != Outcome::granted ? 1 : 0; }
  [[nodiscard]] std::uint64_t denied() const { return denied_; }

 private:
  Trial trial_;
  std::uint64_t denied_ = 0;
};

[[nodiscard]] Limits limits_of(const Shape& shape, std::int64_t size) {
  const LimitSpec spec = shape.with_size(size);
  return *Limits::make(std::span(&spec, 1));
}

class Search {
 public:
  Search(const Bound& bound, const Crowd& crowd, const VisitCalls& calls)
      : bound_(bound), crowd_(crowd), calls_(calls), allowed_(bound.part_of(crowd.others(bound.of))) {
    for (std::size_t i = 0; i < crowd.asked.size(); ++i) {
      if (crowd.roles.is_stopped(static_cast<SubjectNumber>(i))) continue;
      most_units_ = std::max(most_units_, crowd.asked[i].units);
    }
  }

  /// False if the user ended it.
  [[nodiscard]] bool bisect(std::vector<Bisection>& all) const {
    for (Bisection& one : all) {
      const auto most = static_cast<std::int64_t>(std::min<std::uint64_t>(
          std::max<std::uint64_t>(most_units_, 1), static_cast<std::uint64_t>(one.shape.largest())));
      one.high = most;
    }
    while (std::any_of(all.begin(), all.end(), [](const Bisection& one) { return !one.is_done(); })) {
      if (!narrow(all)) return false;
    }
    return true;
  }

  /// Replays the sizes found. Those that deny too much after all are left out: no size is large enough.
  [[nodiscard]] std::optional<std::vector<Suggestion>> confirm(const std::vector<Bisection>& all) const {
    std::vector<Suggestion> found;
    for (const Bisection& one : all) {
      Limits limits = limits_of(one.shape, one.high);
      std::string text = text_of(limits[0]);
      found.push_back({.contender = Contender(std::move(text), std::move(limits)), .size = one.high});
    }
    std::vector<Twice> twice;
    if (crowd_.roles.count(Role::stopped) > 0) {
      for (const Bisection& one : all) {
        twice.emplace_back(limits_of(one.shape, std::min(2 * one.high, one.shape.largest())));
      }
    }
    const bool is_complete = calls_([&](const Call& call) {
      for (Suggestion& one : found) one.contender.tally.count(call, one.contender.trial.check(call));
      if (!crowd_.roles.is_stopped(call.subject)) return;
      for (Twice& one : twice) one.take(call);
    });
    if (!is_complete) return std::nullopt;
    std::vector<Suggestion> good;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (!is_good(found[i].contender.tally)) continue;
      found[i].hit_by_less = hit_by_less(all[i], found[i].contender.tally);
      if (!twice.empty()) found[i].stopped_by_twice = twice[i].denied();
      good.push_back(std::move(found[i]));
    }
    return good;
  }

 private:
  [[nodiscard]] bool is_good(const Tally& tally) const {
    const DeniedByRole denied = denied_by_role(tally, crowd_.roles);
    return denied.spared_hit == 0 && (bound_.of == Bound::Of::calls ? denied.others : denied.others_hit) <= allowed_;
  }

  /// The first subject that one less denies something and this size does not. There is one, since one less hits more.
  [[nodiscard]] static std::optional<SubjectNumber> hit_by_less(const Bisection& one, const Tally& tally) {
    for (std::size_t i = 0; i < one.hit_by_low.size(); ++i) {
      const auto subject = static_cast<SubjectNumber>(i);
      if (one.hit_by_low[i] && !tally.is_hit(subject)) return subject;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool narrow(std::vector<Bisection>& all) const {
    std::vector<std::unique_ptr<Attempt>> attempts;
    for (Bisection& one : all) {
      if (one.is_done()) continue;
      attempts.push_back(std::make_unique<Attempt>(one, limits_of(one.shape, one.middle()),
                                                   Denials(bound_.of, allowed_, crowd_.asked.size())));
    }
    std::uint64_t smallest = std::numeric_limits<std::uint64_t>::max();
    for (const auto& attempt : attempts) smallest = std::min(smallest, attempt->size());
    const bool is_complete = calls_([&](const Call& call) {
      const Asked& asked = crowd_.asked[call.subject];
      if (asked.units <= smallest) return;  // no attempt denies it anything: that is quick to say for most subjects
      const Role role = crowd_.roles[call.subject];
      if (role == Role::stopped) return;
      for (const auto& attempt : attempts) attempt->take(call, asked, role);
    });
    if (!is_complete) return false;
    for (const auto& attempt : attempts) attempt->conclude();
    return true;
  }

  const Bound& bound_;
  const Crowd& crowd_;
  const VisitCalls& calls_;
  std::uint64_t most_units_ = 0;  ///< that one of those asked for who are not to be stopped
  std::uint64_t allowed_ = 0;
};

}  // namespace

std::optional<Bound> Bound::parse(std::string_view text) {
  Bound bound;
  const auto take_end = [&text](std::string_view end) {
    if (!text.ends_with(end)) return false;
    text.remove_suffix(end.size());
    return true;
  };
  const auto take_count = [&](std::string_view one, std::string_view many, Of of) -> std::optional<Bound> {
    if (!take_end(many) && !take_end(one)) return std::nullopt;
    const std::optional<std::int64_t> count = parse_count(text);
    return count ? std::optional(Bound{.count = static_cast<std::uint64_t>(*count), .of = of}) : std::nullopt;
  };
  if (text.find('%') == std::string_view::npos) {
    if (const std::optional<Bound> found = take_count(" subject", " subjects", Of::subjects)) return found;
    return take_count(" call", " calls", Of::calls);
  }
  if (take_end(" of subjects")) {
    bound.of = Of::subjects;
  } else {
    static_cast<void>(take_end(" of calls"));
  }
  if (!take_end("%")) return std::nullopt;
  while (take_end(" ")) {
  }
  const std::size_t point = text.find('.');
  const std::optional<std::int64_t> whole = parse_count(text.substr(0, point));
  if (!whole || *whole > 99) return std::nullopt;
  std::string digits(point == std::string_view::npos ? "" : text.substr(point + 1));
  if (digits.size() > 4 || (point != std::string_view::npos && digits.empty())) return std::nullopt;
  digits.resize(4, '0');
  const std::optional<std::int64_t> fraction = parse_count(digits);
  if (!fraction) return std::nullopt;
  bound.millionths = static_cast<std::uint64_t>(*whole * 10'000 + *fraction);
  return bound;
}

std::uint64_t Bound::part_of(std::uint64_t whole) const {
  if (count) return std::min(*count, whole);
  return whole / kMillion * millionths + whole % kMillion * millionths / kMillion;
}

std::uint64_t Crowd::others(Bound::Of of) const {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (roles.is_stopped(static_cast<SubjectNumber>(i))) continue;
    count += of == Bound::Of::calls ? asked[i].calls : 1;
  }
  return count;
}

DeniedByRole denied_by_role(const Tally& tally, const Roles& roles) {
  DeniedByRole denied;
  for (const Hit& hit : tally.hits()) {
    const Role role = roles[hit.subject];
    (role == Role::stopped ? denied.stopped : denied.others) += hit.denied;
    denied.others_hit += role == Role::stopped ? 0 : 1;
    denied.spared_hit += role == Role::spared ? 1 : 0;
  }
  return denied;
}

std::optional<std::vector<Suggestion>> suggest(const Bound& bound, std::span<const Span> spans, const Crowd& crowd,
                                               const VisitCalls& calls) {
  std::vector<Bisection> all;
  for (const Shape& shape : shapes_of(spans)) all.push_back({.shape = shape});
  const Search search(bound, crowd, calls);
  if (!search.bisect(all)) return std::nullopt;
  return search.confirm(all);
}

}  // namespace ratelimit::replay
