// The one binary form of limits and states: RDB, AOF, replication, COPY and DUMP share it.
//
// Little-endian, versioned, described byte by byte in docs/format.md and pinned by golden vectors. Encoding is
// canonical: equal limits and states give equal bytes. Decoded bytes are never trusted: a reader stops at the first
// byte that could not have been written, and what it accepts is safe to decide on. Depends on limits,
// their states and reservations.
#ifndef RATELIMIT_CODEC_FORMAT_H
#define RATELIMIT_CODEC_FORMAT_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "ratelimit/algorithms/calendar.h"
#include "ratelimit/algorithms/concurrent.h"
#include "ratelimit/algorithms/counted_window.h"
#include "ratelimit/algorithms/event_log.h"
#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/algorithms/sliding_window_counter.h"
#include "ratelimit/algorithms/sliding_window_log.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/limit.h"
#include "ratelimit/limits.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"

namespace ratelimit {

inline constexpr std::uint8_t kFormatVersion = 1;

namespace format {

inline constexpr unsigned kAligned = 1U << 0U;
inline constexpr unsigned kPerRequest = 1U << 1U;
inline constexpr unsigned kLabelled = 1U << 2U;
inline constexpr unsigned kZoned = 1U << 3U;
inline constexpr unsigned kAllFlags = kAligned | kPerRequest | kLabelled | kZoned;

/// In the number of limits: reservations follow the states, and behind them what a key is besides one subject.
inline constexpr unsigned kReserved = 1U << 7U;
inline constexpr unsigned kDense = 1U << 6U;

/// What a key is besides one subject.
inline constexpr unsigned kStored = 1U << 0U;
inline constexpr unsigned kShadow = 1U << 1U;
inline constexpr unsigned kAllDenseFlags = kStored | kShadow;

inline void write(Writer& out, const LimitSpec& spec) {
  out.fixed(static_cast<std::uint8_t>(spec.algorithm));
  out.fixed(static_cast<std::uint8_t>((spec.aligned ? kAligned : 0U) | (spec.per_request ? kPerRequest : 0U) |
                                      (spec.label.empty() ? 0U : kLabelled) | (spec.zone.empty() ? 0U : kZoned)));
  out.fixed(static_cast<std::uint32_t>(spec.size.count()));
  out.fixed(static_cast<std::uint32_t>(spec.refill.count()));
  // A limit has a span, or a unit of the calendar.
  out.fixed(spec.algorithm == Algorithm::quota ? static_cast<std::int64_t>(spec.unit) : spec.span.count());
  if (!spec.zone.empty()) out.text(spec.zone);
  if (!spec.label.empty()) out.text(spec.label);
}

/// Reads a limit, unchecked but for its form. A zone that `find_zone` does not know is refused.
[[nodiscard]] inline LimitSpec read_spec(Reader& in, FindZone find_zone) {
  LimitSpec spec;
  spec.algorithm = static_cast<Algorithm>(in.fixed<std::uint8_t>());
  const auto flags = in.fixed<std::uint8_t>();
  in.require((flags & ~kAllFlags) == 0);
  spec.aligned = (flags & kAligned) != 0;
  spec.per_request = (flags & kPerRequest) != 0;
  spec.size = Units(in.fixed<std::uint32_t>());
  spec.refill = Units(in.fixed<std::uint32_t>());
  const auto span = in.fixed<std::int64_t>();
  if (spec.algorithm == Algorithm::quota) {
    in.require(0 < span && span <= 0xFF);
    spec.unit = static_cast<CalendarUnit>(span);
  } else {
    spec.span = Span{span};
  }
  if ((flags & kZoned) != 0) {
    spec.zone = in.text();
    spec.rules = in.ok() ? find_zone(spec.zone) : nullptr;
    in.require(spec.rules != nullptr);
  }
  if ((flags & kLabelled) != 0) {
    spec.label = in.text();
    in.require(!spec.label.empty());
  }
  return spec;
}

// A bucket's debt follows only if there is one. No instant is negative, so the sign is free to say so.
inline constexpr std::uint64_t kIndebted = std::uint64_t{1} << 63U;

inline void write(Writer& out, const TokenBucket&, const TokenBucket::State& state) {
  const auto full_at = static_cast<std::uint64_t>(state.full_at.time_since_epoch().count());
  out.fixed(full_at | (state.debt > 0 ? kIndebted : 0));
  out.fixed(state.fraction);
  if (state.debt > 0) out.fixed(state.debt);
}
inline void read(Reader& in, const TokenBucket& bucket, TokenBucket::State& state) {
  TokenBucket::State read;
  const auto full_at = in.fixed<std::uint64_t>();
  read.full_at = Instant{Span{static_cast<std::int64_t>(full_at & ~kIndebted)}};
  read.fraction = in.fixed<std::uint32_t>();
  if ((full_at & kIndebted) != 0) {
    read.debt = in.fixed<std::uint32_t>();
    in.require(read.debt > 0);
  }
  if (in.require(bucket.is_valid(read))) state = read;
}

template <class Calendar>
void write(Writer& out, const CountedWindow<Calendar>&, const typename CountedWindow<Calendar>::State& state) {
  out.instant(state.end);
  out.fixed(state.used);
}
template <class Calendar>
void read(Reader& in, const CountedWindow<Calendar>& window, typename CountedWindow<Calendar>::State& state) {
  typename CountedWindow<Calendar>::State read;
  read.end = in.instant();
  read.used = in.fixed<std::uint32_t>();
  if (in.require(window.is_valid(read))) state = read;
}

inline void write(Writer& out, const SlidingWindowCounter&, const SlidingWindowCounter::State& state) {
  out.instant(state.start);
  out.fixed(state.previous);
  out.fixed(state.current);
}
inline void read(Reader& in, const SlidingWindowCounter& window, SlidingWindowCounter::State& state) {
  SlidingWindowCounter::State read;
  read.start = in.instant();
  read.previous = in.fixed<std::uint32_t>();
  read.current = in.fixed<std::uint32_t>();
  if (in.require(window.is_valid(read))) state = read;
}

inline void write(Writer& out, const SlidingWindowLog&, const SlidingWindowLog::Change& change) {
  out.instant(change.at);
  out.fixed(static_cast<std::uint32_t>(change.cost.count()));
}
inline void read(Reader& in, const SlidingWindowLog&, SlidingWindowLog::Change& change) {
  SlidingWindowLog::Change read;
  read.at = in.instant();
  read.cost = Units(in.fixed<std::uint32_t>());
  if (in.require(in_range(read.at) && in_range(read.cost))) change = read;
}

inline void write(Writer& out, const SlidingWindowLog&, const SlidingWindowLog::State& state) {
  const EventLog* log = state.log();
  out.fixed(log != nullptr ? log->size() : std::uint32_t{0});
  if (log == nullptr) return;
  EventLog::Tick before = 0;
  log->for_each([&](const EventLog::Entry& entry) {
    out.variable(static_cast<std::uint64_t>(entry.tick - before));
    out.variable(static_cast<std::uint64_t>(entry.units.count()));
    before = entry.tick;
  });
}
inline void read(Reader& in, const SlidingWindowLog& limit, SlidingWindowLog::State& state) {
  const auto entries = in.fixed<std::uint32_t>();
  in.require(entries <= kMaxLogEntries);
  EventLog log;
  std::uint64_t tick = 0;
  std::uint64_t units = 0;
  for (std::uint32_t i = 0; i < entries && in.ok(); ++i) {
    const std::uint64_t step = in.variable();
    const std::uint64_t cost = in.variable();
    const auto last_tick = static_cast<std::uint64_t>(limit.last_valid_tick());
    const auto last_unit = static_cast<std::uint64_t>(kMaxUnits.count());
    if (!in.require((step > 0 || i == 0) && step <= last_tick - tick && cost > 0 && cost <= last_unit - units)) break;
    tick += step;
    units += cost;
    log.append({static_cast<EventLog::Tick>(tick), Units(static_cast<std::int64_t>(cost))});
  }
  if (in.ok() && !log.empty()) state = SlidingWindowLog::State(std::move(log));
}

inline void write(Writer& out, const Concurrent&, const Concurrent::Change& change) {
  out.instant(change.at);
  out.fixed(static_cast<std::uint32_t>(change.cost.count()));
}
inline void read(Reader& in, const Concurrent&, Concurrent::Change& change) {
  Concurrent::Change read;
  read.at = in.instant();
  read.cost = Units(in.fixed<std::uint32_t>());
  if (in.require(in_range(read.at) && in_range(read.cost))) change = read;
}

// Some of them may have ended and not be forgotten yet.
inline constexpr std::uint32_t kMostHolders = 2 * kMaxHolders;

/// Holders in the order of their ends, and of their ids where these are the same; `write_mark` adds what is in the mark.
template <class WriteMark>
void write_holders(Writer& out, const LeaseSet& holders, WriteMark write_mark) {
  out.fixed(static_cast<std::uint32_t>(holders.size()));
  holders.for_each([&](std::string_view id, const LeaseSet::Holder& holder) {
    out.instant(holder.end);
    out.fixed(static_cast<std::uint32_t>(holder.units.count()));
    write_mark(holder);
    out.text(id);
  });
}

template <class ReadMark>
[[nodiscard]] LeaseSet read_holders(Reader& in, ReadMark read_mark) {
  LeaseSet holders;
  const auto count = in.fixed<std::uint32_t>();
  in.require(count <= kMostHolders);
  std::pair<Instant, std::string_view> before{Instant::min(), {}};
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    LeaseSet::Holder holder{.end = in.instant(), .units = Units(in.fixed<std::uint32_t>()), .mark = 0};
    holder.mark = read_mark();
    const std::string_view id = in.text();
    in.require(kEarliest <= holder.end && holder.end <= kLatest + kMaxSpan && id.size() <= kMaxIdBytes);
    in.require(before < std::pair(holder.end, id) && !holders.find(id));
    if (!in.require(in_range(holder.units))) break;
    holders.put(id, holder);
    before = {holder.end, id};
  }
  return holders;
}

inline void write(Writer& out, const Concurrent&, const Concurrent::State& state) {
  if (state.leases() == nullptr) return out.fixed(std::uint32_t{0});
  write_holders(out, *state.leases(), [](const LeaseSet::Holder&) {});
}
inline void read(Reader& in, const Concurrent&, Concurrent::State& state) {
  LeaseSet leases = read_holders(in, [] { return std::uint64_t{0}; });
  if (in.ok() && !leases.empty()) state = Concurrent::State(std::move(leases));
}

inline void write(Writer& out, const Reservations& reservations) {
  out.instant(reservations.turn.at);
  out.fixed(static_cast<std::int64_t>(reservations.turn.wait.count()));
  out.instant(reservations.as_of);
  // What was charged since a hold is all that the counter is for.
  write_holders(out, reservations.holds,
                [&](const LeaseSet::Holder& hold) { out.variable(reservations.charged - hold.mark); });
}
inline void read(Reader& in, Reservations& reservations) {
  Reservations read;
  read.turn.at = in.instant();
  read.turn.wait = Span{in.fixed<std::int64_t>()};
  read.as_of = in.instant();
  read.holds = read_holders(in, [&in] { return std::uint64_t{0} - in.variable(); });
  const bool has_turn = in_range(read.turn.at) && Span{} < read.turn.wait && read.turn.wait <= kMaxSpan;
  in.require(has_turn || read.turn == Turn{});
  in.require(in_range(read.as_of) && (!read.holds.empty() || read.as_of == Instant{}));
  in.require(!read.empty());
  if (in.ok()) reservations = std::move(read);
}

}  // namespace format

/// What a key is besides one subject: a limiter, if limits are stored in it, or a table of many subjects.
struct SubjectTableHead {
  bool is_stored = false;
  bool is_shadow = false;
  std::array<std::uint8_t, 16> secret{};  ///< of the hash by which subjects are known

  friend bool operator==(const SubjectTableHead&, const SubjectTableHead&) = default;
};

namespace format {

inline void write(Writer& out, const SubjectTableHead& head) {
  out.fixed(static_cast<std::uint8_t>((head.is_stored ? kStored : 0U) | (head.is_shadow ? kShadow : 0U)));
  for (const std::uint8_t byte : head.secret) out.fixed(byte);
}
inline void read(Reader& in, SubjectTableHead& head) {
  const auto flags = in.fixed<std::uint8_t>();
  in.require((flags & ~kAllDenseFlags) == 0 && ((flags & kShadow) == 0 || (flags & kStored) != 0));
  head.is_stored = (flags & kStored) != 0;
  head.is_shadow = (flags & kShadow) != 0;
  for (std::uint8_t& byte : head.secret) byte = in.fixed<std::uint8_t>();
}

/// Writes how many limits follow, and what follows the states; and the limits, unless `limits` is null because they are
/// known to whoever reads.
inline void write_head(Writer& out, const Limits* limits, bool is_reserved, bool has_subject_table) {
  const std::size_t count = limits != nullptr ? limits->size() : 0;
  out.fixed(static_cast<std::uint8_t>(count | (is_reserved ? kReserved : 0U) | (has_subject_table ? kDense : 0U)));
  for (std::size_t i = 0; i < count; ++i) write(out, (*limits)[i].spec());
}

}  // namespace format

/// Writes the states in `cells`, one for each limit.
template <class Cells>
void encode_states(Writer& out, const Limits& limits, const Cells& cells) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit(
        [&](const auto& algorithm) { format::write(out, algorithm, state_in(std::as_const(cells[i]), algorithm)); });
  }
}

/// Whether limits are written, or known to whoever reads.
enum class LimitsForm : bool { known, written };

/// Writes all that a subject is: limits, states and, if there are any, reservations. Without the version.
template <class Cells>
void encode_body(Writer& out, const Limits& limits, const Cells& cells, const Reservations* reservations,
                 LimitsForm form, const SubjectTableHead* subject_table = nullptr) {
  const bool is_reserved = reservations != nullptr && !reservations->empty();
  format::write_head(out, form == LimitsForm::written ? &limits : nullptr, is_reserved, subject_table != nullptr);
  encode_states(out, limits, cells);
  if (is_reserved) format::write(out, *reservations);
  if (subject_table != nullptr) format::write(out, *subject_table);
}

/// The same behind the version; and what its key is besides, if it is more.
template <class Cells>
void encode_subject(Writer& out, const Limits& limits, const Cells& cells, const Reservations* reservations,
                    LimitsForm form = LimitsForm::written, const SubjectTableHead* subject_table = nullptr) {
  out.fixed(kFormatVersion);
  encode_body(out, limits, cells, reservations, form, subject_table);
}

/// What stands before the states.
struct SubjectHead {
  LimitSpecs specs;  ///< unchecked but for their form: `Limits::make` says whether they are valid. None: they are known
  bool has_reservations = false;
  bool has_subject_table = false;
};

/// Reads what stands before the states. Labels and zones are borrowed from the bytes. False if the bytes do not go on so.
[[nodiscard]] inline bool decode_body_head(Reader& in, FindZone find_zone, SubjectHead& head) {
  const unsigned count = in.fixed<std::uint8_t>();
  const unsigned size = count & ~(format::kReserved | format::kDense);
  head.has_reservations = (count & format::kReserved) != 0;
  head.has_subject_table = (count & format::kDense) != 0;
  in.require(size <= kMaxLimits);
  for (std::size_t i = 0; i < size && in.ok(); ++i) head.specs.push_back(format::read_spec(in, find_zone));
  return in.ok();
}

/// Whether limits are written in the body that comes next.
[[nodiscard]] inline bool has_written_limits(Reader in) {
  return (in.fixed<std::uint8_t>() & ~(format::kReserved | format::kDense)) != 0;
}

/// The same behind the version.
[[nodiscard]] inline bool decode_head(Reader& in, FindZone find_zone, SubjectHead& head) {
  in.require(in.fixed<std::uint8_t>() == kFormatVersion);
  return in.ok() && decode_body_head(in, find_zone, head);
}

/// Reads the states of `limits` into `cells`, which are idle, and what was reserved, if `reservations` is not null. False
/// if the bytes do not go on so; then `cells` hold some states that are valid all the same.
[[nodiscard]] inline bool decode_states(Reader& in, const Limits& limits, std::span<Cell> cells,
                                        Reservations* reservations) {
  for (std::size_t i = 0; i < limits.size() && in.ok(); ++i) {
    limits[i].visit([&](const auto& algorithm) { format::read(in, algorithm, state_in(cells[i], algorithm)); });
  }
  if (reservations != nullptr && in.ok()) format::read(in, *reservations);
  return in.ok();
}

[[nodiscard]] inline bool decode_subject_table_head(Reader& in, SubjectTableHead& head) {
  format::read(in, head);
  return in.ok();
}

}  // namespace ratelimit

#endif  // RATELIMIT_CODEC_FORMAT_H
