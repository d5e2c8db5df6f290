// SPDX-License-Identifier: MIT
// The bytes of effects, which travel to replicas and files: the changes of a granted call, an operation, a definition
// of limits, a sweep.
//
// They have the same form as stored subjects (codec/format.h), and docs/format.md has them byte by byte. Depends on the
// format and on operations.
#ifndef RATELIMIT_CODEC_EFFECTS_H
#define RATELIMIT_CODEC_EFFECTS_H

#include <cstdint>
#include <span>
#include <string_view>

#include "ratelimit/algorithms/calendar.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/zone.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"
#include "ratelimit/zoned_ends.h"

namespace ratelimit {

/// Limits are stored in a key, in place of those that it had, as of `at`.
struct Definition {
  SubjectTableHead head;
  Instant at{};
  ZonedEnds ends{};  ///< those of the limits at `at`; older versions of the module do not tell them
};

inline void encode_definition(Writer& out, const Limits& limits, const Definition& definition) {
  out.u8(kFormatVersion);
  format::write_head(out, &limits, format::kHasSubjectTable);
  format::write(out, definition.head);
  out.instant(definition.at);
  for (const Instant end : definition.ends) out.instant(end);
}

/// Reads the end of a window that is open at `at`.
inline void read_end(Reader& in, Instant at, ZonedEnds& ends) {
  const Instant end = in.instant();
  in.require(at < end && end <= kLatest + kMaxSpan && end - at <= kLongestCalendarWindow);
  if (in.ok()) ends.push_back(end);
}

/// Reads a definition. Labels and zones are borrowed from the bytes. False if the bytes are anything else.
[[nodiscard]] inline bool decode_definition(Reader& in, FindZone find_zone, LimitSpecs& specs, Definition& definition) {
  SubjectHead head;
  if (!decode_head(in, find_zone, head) || head.has_last_grants || head.has_reservations) return false;
  if (!head.has_subject_table) return false;
  for (const LimitSpec& spec : head.specs.span()) specs.push_back(spec);
  format::read(in, definition.head);
  definition.at = in.instant();
  in.require(definition.head.is_stored && in_range(definition.at));
  if (in.done()) return true;
  for (const LimitSpec& spec : specs.span()) {
    if (spec.zone.empty() || !in.ok()) continue;
    read_end(in, definition.at, definition.ends);
  }
  return in.done();
}

/// A subject of a limiter has limits of its own as of `at`, or no longer.
struct Exception {
  std::string_view name;  ///< of the subject; borrowed
  Instant at{};
  ZonedEnds ends{};  ///< those of the limits that it has then
};

/// `limits` are null if the exception ends.
inline void encode_exception(Writer& out, const Limits* limits, const Exception& exception) {
  out.u8(kFormatVersion);
  format::write_head(out, limits, 0);
  out.long_text(exception.name);
  out.instant(exception.at);
  for (const Instant end : exception.ends) out.instant(end);
}

/// Reads an exception, with no limits if it ends. Name, labels and zones are borrowed from the bytes. False if the bytes
/// are anything else.
[[nodiscard]] inline bool decode_exception(Reader& in, FindZone find_zone, LimitSpecs& specs, Exception& exception) {
  SubjectHead head;
  if (!decode_head(in, find_zone, head) || head.has_last_grants || head.has_reservations) return false;
  if (head.has_subject_table || head.has_no_limits) return false;
  for (const LimitSpec& spec : head.specs.span()) specs.push_back(spec);
  exception.name = in.long_text();
  exception.at = in.instant();
  in.require(in_range(exception.at));
  while (!in.done() && in.ok() && exception.ends.size() < kMaxLimits) read_end(in, exception.at, exception.ends);
  return in.done();
}

/// The subjects with hashes from `first` to `last` are forgotten, if they are idle at `at`.
struct Sweep {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  Instant at{};
};

inline void encode_sweep(Writer& out, const Sweep& sweep) {
  out.u8(kFormatVersion);
  out.u64(sweep.first);
  out.u64(sweep.last);
  out.instant(sweep.at);
}

[[nodiscard]] inline bool decode_sweep(Reader& in, Sweep& sweep) {
  in.require(in.u8() == kFormatVersion);
  sweep.first = in.u64();
  sweep.last = in.u64();
  sweep.at = in.instant();
  in.require(sweep.first <= sweep.last && in_range(sweep.at));
  return in.done();
}

/// Writes the changes of a granted call, `changes[i]` for limit i, and the id of its lease, if a limit has leases.
template <class Changes>
void encode_changes(Writer& out, const Limits& limits, const Changes& changes, std::string_view id) {
  out.u8(kFormatVersion);
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit(
        [&]<class A>(const A& algorithm) { algorithm.write(out, changes[i].template as<typename A::Change>()); });
  }
  if (limits.have_leases()) out.text(id);
}

/// Reads such changes. The id is borrowed from the bytes. False if the bytes are anything else: then `changes` must
/// not be used.
[[nodiscard]] inline bool decode_changes(Reader& in, const Limits& limits, std::span<Cell> changes,
                                         std::string_view& id) {
  in.require(in.u8() == kFormatVersion);
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&]<class A>(const A& algorithm) {
      typename A::Change change{};
      algorithm.read(in, change);
      changes[i].emplace(change);
    });
  }
  if (limits.have_leases()) id = in.text();
  in.require(id.size() <= kMaxIdBytes);
  return in.done();
}

/// One of several effects that travel together: its kind, and on whom it is, are numbers here.
struct EffectOfSubject {
  std::uint8_t kind = 0;
  std::uint64_t subject = 0;
  std::string_view payload;  ///< borrowed
};

/// Writes an effect behind those that are there; the first is behind the version of the format.
inline void encode_effect_of_subject(Writer& out, const EffectOfSubject& effect) {
  out.u8(effect.kind);
  out.fixed(effect.subject);
  out.long_text(effect.payload);
}

/// Reads one. False if the bytes are anything else.
[[nodiscard]] inline bool decode_effect_of_subject(Reader& in, EffectOfSubject& effect) {
  effect.kind = in.u8();
  effect.subject = in.fixed<std::uint64_t>();
  effect.payload = in.long_text();
  return in.ok();
}

/// Beside the kind of an operation: what each account is charged follows.
inline constexpr unsigned kForEachAccount = 1U << 7U;

inline void encode_operation(Writer& out, const Operation& operation) {
  out.u8(kFormatVersion);
  out.u8(static_cast<std::uint8_t>(operation.kind) | (operation.each ? kForEachAccount : 0U));
  out.instant(operation.at);
  out.units(operation.units);
  out.span(operation.span);
  out.text(operation.id);
  out.u8(operation.named);
  if (!operation.each) return;
  for (const Units units : *operation.each) out.variable(static_cast<std::uint64_t>(units.count()));
}

/// Reads what an operation charges each account: no more than its units.
[[nodiscard]] inline Charges read_charges_of_operation(Reader& in, Units most) {
  Charges charges;
  for (Units& units : charges) {
    const std::uint64_t count = in.variable();
    if (in.require(count <= static_cast<std::uint64_t>(most.count()))) units = Units(static_cast<std::int64_t>(count));
  }
  return charges;
}

/// Reads an operation. Its id is borrowed from the bytes. False if the bytes are anything else.
[[nodiscard]] inline bool decode_operation(Reader& in, Operation& operation) {
  in.require(in.u8() == kFormatVersion);
  const std::uint8_t first = in.u8();
  const auto kind = static_cast<std::uint8_t>(first & ~kForEachAccount);
  in.require(static_cast<std::uint8_t>(Operation::Kind::collect) <= kind &&
             kind <= static_cast<std::uint8_t>(Operation::Kind::block));
  operation.kind = static_cast<Operation::Kind>(kind);
  operation.at = in.instant();
  operation.units = in.units();
  operation.span = in.span();
  operation.id = in.text();
  operation.named = in.u8();
  if ((first & kForEachAccount) != 0) operation.each = read_charges_of_operation(in, operation.units);
  in.require(in_range(operation.at) && Span{} <= operation.span && operation.span <= kMaxSpan);
  in.require(operation.id.size() <= kMaxIdBytes);
  in.require(operation.kind != Operation::Kind::charge || in_range(operation.units));
  // Only numbers that are within their ranges can be added without overflow.
  if (in.ok() && operation.kind == Operation::Kind::charge) in.require(in_range(operation.at + operation.span));
  in.require(operation.kind != Operation::Kind::reserve || in_range(operation.span));
  return in.done();
}

}  // namespace ratelimit

#endif  // RATELIMIT_CODEC_EFFECTS_H
