// SPDX-License-Identifier: MIT
// The one binary form of limits and states, which RDB, AOF, replication, COPY and DUMP share.
//
// It is little-endian and versioned; docs/format.md describes it byte by byte, and golden vectors pin it. The form is
// canonical: equal limits and states give equal bytes. Decoded bytes are never trusted: a reader stops at the first
// byte that no writer writes, and what it accepts is safe to decide on. The states write themselves: see the
// algorithms. Depends on limits, their states and reservations.
#ifndef RATELIMIT_CODEC_FORMAT_H
#define RATELIMIT_CODEC_FORMAT_H

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/algorithms/anchor.h"
#include "ratelimit/algorithms/calendar_unit.h"
#include "ratelimit/algorithms/lease_set.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/block.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/limits.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/units.h"

namespace ratelimit {

inline constexpr std::uint8_t kFormatVersion = 1;

/// A chunk that has grown to so many bytes is full: large enough to be written and compressed quickly, small enough that a
/// copy of it hardly counts in memory.
inline constexpr std::size_t kChunkBytes = 65'536;

namespace format {

inline constexpr unsigned kAligned = 1U << 0U;
inline constexpr unsigned kPerRequest = 1U << 1U;
inline constexpr unsigned kLabelled = 1U << 2U;
inline constexpr unsigned kZoned = 1U << 3U;
inline constexpr unsigned kAnchored = 1U << 4U;
inline constexpr unsigned kAllFlags = kAligned | kPerRequest | kLabelled | kZoned | kAnchored;

/// Flags beside the number of limits: the last grants of accounts follow the states; reservations follow these; the
/// head of a subject table comes last.
inline constexpr unsigned kHasLastGrants = 1U << 5U;
inline constexpr unsigned kHasReservations = 1U << 7U;
inline constexpr unsigned kHasSubjectTable = 1U << 6U;
inline constexpr unsigned kAllHeadFlags = kHasLastGrants | kHasReservations | kHasSubjectTable;

/// In place of the number of limits: a subject that was never asked under any. 0 says that the reader knows the limits.
inline constexpr unsigned kNoLimits = 15;
static_assert(kMaxLimits < kNoLimits && (kNoLimits & kAllHeadFlags) == 0);

/// Flags of the head of a subject table.
inline constexpr unsigned kStored = 1U << 0U;
inline constexpr unsigned kShadow = 1U << 1U;
inline constexpr unsigned kAllTableFlags = kStored | kShadow;

inline void write(Writer& out, const LimitSpec& spec) {
  out.u8(static_cast<std::uint8_t>(spec.algorithm));
  out.u8(static_cast<std::uint8_t>((spec.aligned ? kAligned : 0U) | (spec.per_request ? kPerRequest : 0U) |
                                   (spec.label.empty() ? 0U : kLabelled) | (spec.zone.empty() ? 0U : kZoned) |
                                   (spec.anchor.is_given() ? kAnchored : 0U)));
  out.units(spec.size);
  out.units(spec.refill);
  // A limit has a span, or a unit of the calendar.
  out.i64(fields_of(spec.algorithm).calendar ? static_cast<std::int64_t>(spec.unit) : spec.span.count());
  if (spec.anchor.is_given()) out.u32(static_cast<std::uint32_t>((spec.anchor.minute() - Anchor::kEarliest).count()));
  if (!spec.zone.empty()) out.text(spec.zone);
  if (!spec.label.empty()) out.text(spec.label);
}

/// Reads a limit. Only its form is checked: its numbers may be out of their ranges. A zone that `find_zone` does not
/// know is no fault, so that a machine can keep what another has written.
[[nodiscard]] inline LimitSpec read_spec(Reader& in, FindZone find_zone) {
  LimitSpec spec;
  spec.algorithm = static_cast<Algorithm>(in.u8());
  const std::uint8_t flags = in.u8();
  in.require((flags & ~kAllFlags) == 0);
  spec.aligned = (flags & kAligned) != 0;
  spec.per_request = (flags & kPerRequest) != 0;
  spec.size = in.units();
  spec.refill = in.units();
  const std::int64_t number = in.i64();
  if (fields_of(spec.algorithm).calendar) {
    in.require(0 < number && number <= 0xFF);
    spec.unit = static_cast<CalendarUnit>(number);
  } else {
    spec.span = Span{number};
  }
  if ((flags & kAnchored) != 0) spec.anchor = Anchor(Anchor::kEarliest + std::chrono::minutes{in.u32()});
  if ((flags & kZoned) != 0) {
    spec.zone = in.text();
    spec.rules = in.ok() ? find_zone(spec.zone) : nullptr;
    spec.lacks_rules = spec.rules == nullptr;
    in.require(spec.rules != nullptr || is_zone_name(spec.zone));
  }
  if ((flags & kLabelled) != 0) {
    spec.label = in.text();
    in.require(!spec.label.empty());
  }
  return spec;
}

/// Flags of a hold, beside the accounts that it names.
inline constexpr unsigned kSettled = 1U << 0U;

/// Writes what a hold has charged each account, and what was charged after it.
inline void write_charges(Writer& out, const Reservations& reservations, const LeaseSet::Holder& hold) {
  const AccountCharges& own = reservations.each[*Hold::place(hold.tag)];
  for (std::size_t i = 0; i < kChargedPlaces; ++i) {
    out.units(own.charges[i]);
    out.variable(reservations.charged_each[i] - own.marks[i]);
  }
}

/// Only differences of sums have a meaning: what was charged after each hold is written.
inline void write(Writer& out, const Reservations& reservations) {
  out.instant(reservations.turn.at);
  out.span(reservations.turn.wait);
  out.instant(reservations.block.end);
  out.span(reservations.block.length);
  out.instant(reservations.as_of);
  out.u8(reservations.is_uneven ? 1 : 0);
  reservations.holds.write(out, [&](const LeaseSet::Holder& hold) {
    out.variable(reservations.charged - hold.mark);
    out.u8(Hold::named(hold));
    out.u8(Hold::is_settled(hold) ? kSettled : 0U);
    if (Hold::place(hold.tag)) write_charges(out, reservations, hold);
  });
}

[[nodiscard]] inline AccountCharges read_charges(Reader& in, Units most) {
  AccountCharges own;
  for (std::size_t i = 0; i < kChargedPlaces; ++i) {
    own.charges[i] = in.units();
    in.require(own.charges[i] <= most);
    own.marks[i] = std::uint64_t{0} - in.variable();
  }
  return own;
}

inline void read(Reader& in, Reservations& reservations) {
  Reservations read;
  read.turn.at = in.instant();
  read.turn.wait = in.span();
  read.block.end = in.instant();
  read.block.length = in.span();
  read.as_of = in.instant();
  const std::uint8_t is_uneven = in.u8();
  in.require(is_uneven <= 1);
  read.is_uneven = is_uneven != 0;
  read.holds = LeaseSet::read(in, [&in, &read](LeaseSet::Holder& hold) {
    hold.mark = std::uint64_t{0} - in.variable();
    hold.tag = in.u8();
    const std::uint8_t flags = in.u8();
    in.require((flags & ~kSettled) == 0);
    if ((flags & kSettled) != 0) {
      hold.tag |= Hold::kSettled;
    } else if (read.is_uneven && in.ok()) {
      hold.tag = Hold::with_place(hold.tag, read.put(read_charges(in, hold.units)));
    }
  });
  in.require(!read.is_uneven || !read.holds.empty());
  const bool has_turn = in_range(read.turn.at) && Span{} < read.turn.wait && read.turn.wait <= kMaxSpan;
  in.require(has_turn || read.turn == Turn{});
  const bool has_block = in_range(read.block.end) && Span{} < read.block.length && read.block.length <= kMaxSpan;
  in.require(has_block || read.block == Block{});
  in.require(in_range(read.as_of) && (!read.holds.empty() || read.as_of == Instant{}));
  in.require(!read.empty());
  if (in.ok()) reservations = std::move(read);
}

}  // namespace format

/// What a key with a table of many subjects remembers beside it. The key is a limiter if `is_stored`.
struct SubjectTableHead {
  bool is_stored = false;                 ///< limits are stored in the key
  bool is_shadow = false;                 ///< they are on trial
  std::array<std::uint8_t, 16> secret{};  ///< of the hash by which the table knows its subjects

  friend bool operator==(const SubjectTableHead&, const SubjectTableHead&) = default;
};

namespace format {

inline void write(Writer& out, const SubjectTableHead& head) {
  out.u8(static_cast<std::uint8_t>((head.is_stored ? kStored : 0U) | (head.is_shadow ? kShadow : 0U)));
  for (const std::uint8_t byte : head.secret) out.u8(byte);
}
inline void read(Reader& in, SubjectTableHead& head) {
  const std::uint8_t flags = in.u8();
  in.require((flags & ~kAllTableFlags) == 0 && ((flags & kShadow) == 0 || (flags & kStored) != 0));
  head.is_stored = (flags & kStored) != 0;
  head.is_shadow = (flags & kShadow) != 0;
  for (std::uint8_t& byte : head.secret) byte = in.u8();
}

/// Writes the number of limits, the flags of what follows the states, and the limits. `limits` is null if the reader
/// knows them.
inline void write_head(Writer& out, const Limits* limits, unsigned flags) {
  const std::size_t count = limits != nullptr ? limits->size() : 0;
  const bool has_none = limits != nullptr && count == 0;
  out.u8(static_cast<std::uint8_t>((has_none ? kNoLimits : count) | flags));
  for (std::size_t i = 0; i < count; ++i) write(out, (*limits)[i].spec());
}

}  // namespace format

/// Writes the states in `cells`, one for each limit.
template <class Cells>
void encode_states(Writer& out, const Limits& limits, const Cells& cells) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&](const auto& algorithm) { algorithm.write(out, state_in(std::as_const(cells[i]), algorithm)); });
  }
}

/// Whether limits are written, or the reader knows them.
enum class LimitsForm : bool { known, written };

/// Writes a subject without the version: limits, states, the last grants of accounts if there are any, and reservations
/// likewise.
template <class Cells>
void encode_body(Writer& out, const Limits& limits, const Cells& cells, const Reservations* reservations,
                 LimitsForm form, const SubjectTableHead* subject_table = nullptr,
                 std::span<const Instant> last_grants = {}) {
  const bool has_reservations = reservations != nullptr && !reservations->empty();
  format::write_head(out, form == LimitsForm::written ? &limits : nullptr,
                     (last_grants.empty() ? 0U : format::kHasLastGrants) |
                         (has_reservations ? format::kHasReservations : 0U) |
                         (subject_table != nullptr ? format::kHasSubjectTable : 0U));
  encode_states(out, limits, cells);
  for (const Instant last : last_grants) out.instant(last);
  if (has_reservations) format::write(out, *reservations);
  if (subject_table != nullptr) format::write(out, *subject_table);
}

/// Writes a subject behind the version; and the head of the subject table, if its key has one.
template <class Cells>
void encode_subject(Writer& out, const Limits& limits, const Cells& cells, const Reservations* reservations,
                    LimitsForm form = LimitsForm::written, const SubjectTableHead* subject_table = nullptr,
                    std::span<const Instant> last_grants = {}) {
  out.u8(kFormatVersion);
  encode_body(out, limits, cells, reservations, form, subject_table, last_grants);
}

/// The part of a subject before its states.
struct SubjectHead {
  LimitSpecs specs;            ///< `Limits::make` says whether they are valid; empty if the reader knows them
  bool has_no_limits = false;  ///< or if there are none
  bool has_last_grants = false;
  bool has_reservations = false;
  bool has_subject_table = false;
};

/// Reads the part before the states. Labels and zones are borrowed from the bytes. False at the first byte that is not
/// valid.
[[nodiscard]] inline bool decode_body_head(Reader& in, FindZone find_zone, SubjectHead& head) {
  const unsigned count = in.u8();
  const unsigned size = count & ~format::kAllHeadFlags;
  head.has_last_grants = (count & format::kHasLastGrants) != 0;
  head.has_reservations = (count & format::kHasReservations) != 0;
  head.has_subject_table = (count & format::kHasSubjectTable) != 0;
  head.has_no_limits = size == format::kNoLimits;
  in.require(size <= kMaxLimits || head.has_no_limits);
  // Last grants are those of accounts.
  in.require(!head.has_no_limits || !head.has_last_grants);
  for (std::size_t i = 0; i < size && !head.has_no_limits && in.ok(); ++i)
    head.specs.push_back(format::read_spec(in, find_zone));
  return in.ok();
}

/// Whether the body that comes next has its limits written.
[[nodiscard]] inline bool has_written_limits(Reader in) { return (in.u8() & ~format::kAllHeadFlags) != 0; }

/// Reads the version and the part before the states.
[[nodiscard]] inline bool decode_head(Reader& in, FindZone find_zone, SubjectHead& head) {
  in.require(in.u8() == kFormatVersion);
  return in.ok() && decode_body_head(in, find_zone, head);
}

/// Reads the states of `limits` into `cells`, which must be idle, the last grants of accounts, unless `last_grants` is
/// empty, and the reservations, if `reservations` is not null. False at the first byte that is not valid; then `cells`
/// still hold valid states.
[[nodiscard]] inline bool decode_states(Reader& in, const Limits& limits, std::span<Cell> cells,
                                        std::span<Instant> last_grants, Reservations* reservations) {
  for (std::size_t i = 0; i < limits.size() && in.ok(); ++i) {
    limits[i].visit([&](const auto& algorithm) { algorithm.read(in, state_in(cells[i], algorithm)); });
  }
  for (Instant& last : last_grants) {
    last = in.instant();
    in.require(in_range(last));
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
