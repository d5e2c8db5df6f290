// The one binary form of limits and states: RDB, AOF, replication, COPY and DUMP share it.
//
// Little-endian, versioned, described byte by byte in docs/format.md and pinned by golden vectors. Encoding is
// canonical: equal limits and states give equal bytes. Decoded bytes are never trusted: a reader stops at the first
// byte that could not have been written, and what it accepts is safe to decide on. Depends on limits.
#ifndef RATELIMIT_CODEC_H
#define RATELIMIT_CODEC_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ratelimit/limits.h"
#include "ratelimit/units.h"

namespace ratelimit {

inline constexpr std::uint8_t kFormatVersion = 1;

/// Appends numbers to a string of bytes.
class Writer {
 public:
  explicit Writer(std::string& bytes) : bytes_(bytes) {}

  template <class Integer>
  void fixed(Integer number) {
    std::array<char, sizeof(Integer)> bytes;
    auto rest = static_cast<std::uint64_t>(number);
    for (char& byte : bytes) {
      byte = static_cast<char>(rest & 0xFFU);
      rest >>= 8U;
    }
    bytes_.append(bytes.data(), bytes.size());
  }
  void variable(std::uint64_t number) {
    for (; number >= 0x80U; number >>= 7U) bytes_.push_back(static_cast<char>(number | 0x80U));
    bytes_.push_back(static_cast<char>(number));
  }
  void text(std::string_view text) {
    fixed(static_cast<std::uint8_t>(text.size()));
    bytes_.append(text);
  }
  void instant(Instant instant) { fixed(instant.time_since_epoch().count()); }

 private:
  std::string& bytes_;
};

/// Takes numbers from a string of bytes. The first fault sticks: after it every number is zero and `ok` is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <class Integer>
  [[nodiscard]] Integer fixed() {
    if (!require(bytes_.size() >= sizeof(Integer))) return 0;
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
      number |= std::uint64_t{static_cast<std::uint8_t>(bytes_[i])} << (8 * i);
    }
    bytes_.remove_prefix(sizeof(Integer));
    return static_cast<Integer>(number);
  }
  [[nodiscard]] std::uint64_t variable() {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = fixed<std::uint8_t>();
      const std::uint64_t part = byte & 0x7FU;
      if (!require(part << shift >> shift == part)) return 0;
      number |= part << shift;
      // A last byte of zero would give one number two forms.
      if ((byte & 0x80U) == 0) return require(byte != 0 || shift == 0) ? number : 0;
    }
    return require(false), 0;
  }
  [[nodiscard]] std::string_view text() {
    const auto size = fixed<std::uint8_t>();
    if (!require(bytes_.size() >= size)) return {};
    const std::string_view text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return text;
  }
  [[nodiscard]] Instant instant() { return Instant{Span{fixed<std::int64_t>()}}; }

  /// Notes whether what was read makes sense.
  bool require(bool condition) {
    ok_ = ok_ && condition;
    if (!ok_) bytes_ = {};
    return ok_;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  /// Whether all was read, and all of it made sense.
  [[nodiscard]] bool done() const { return ok_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

namespace format {

inline constexpr unsigned kAligned = 1U << 0U;
inline constexpr unsigned kPerRequest = 1U << 1U;
inline constexpr unsigned kLabelled = 1U << 2U;
inline constexpr unsigned kAllFlags = kAligned | kPerRequest | kLabelled;

inline void write(Writer& out, const LimitSpec& spec) {
  out.fixed(static_cast<std::uint8_t>(spec.algorithm));
  out.fixed(static_cast<std::uint8_t>((spec.aligned ? kAligned : 0U) | (spec.per_request ? kPerRequest : 0U) |
                                      (spec.label.empty() ? 0U : kLabelled)));
  out.fixed(static_cast<std::uint32_t>(spec.size.count()));
  out.fixed(static_cast<std::uint32_t>(spec.refill.count()));
  out.fixed(static_cast<std::int64_t>(spec.span.count()));
  if (!spec.label.empty()) out.text(spec.label);
}

[[nodiscard]] inline LimitSpec read_spec(Reader& in) {
  LimitSpec spec;
  spec.algorithm = static_cast<Algorithm>(in.fixed<std::uint8_t>());
  const auto flags = in.fixed<std::uint8_t>();
  in.require((flags & ~kAllFlags) == 0);
  spec.aligned = (flags & kAligned) != 0;
  spec.per_request = (flags & kPerRequest) != 0;
  spec.size = Units(in.fixed<std::uint32_t>());
  spec.refill = Units(in.fixed<std::uint32_t>());
  spec.span = Span{in.fixed<std::int64_t>()};
  if ((flags & kLabelled) != 0) {
    spec.label = in.text();
    in.require(!spec.label.empty());
  }
  return spec;
}

inline void write(Writer& out, const TokenBucket&, const TokenBucket::State& state) {
  out.instant(state.full_at);
  out.fixed(state.fraction);
}
inline void read(Reader& in, const TokenBucket& bucket, TokenBucket::State& state) {
  TokenBucket::State read;
  read.full_at = in.instant();
  read.fraction = in.fixed<std::uint32_t>();
  if (in.require(bucket.is_valid(read))) state = read;
}

inline void write(Writer& out, const FixedWindow&, const FixedWindow::State& state) {
  out.instant(state.end);
  out.fixed(state.used);
}
inline void read(Reader& in, const FixedWindow& window, FixedWindow::State& state) {
  FixedWindow::State read;
  read.end = in.instant();
  read.used = in.fixed<std::uint32_t>();
  if (in.require(window.is_valid(read))) state = read;
}

inline void write(Writer& out, const SlidingLog&, const SlidingLog::Change& change) {
  out.instant(change.at);
  out.fixed(static_cast<std::uint32_t>(change.cost.count()));
}
inline void read(Reader& in, const SlidingLog&, SlidingLog::Change& change) {
  SlidingLog::Change read;
  read.at = in.instant();
  read.cost = Units(in.fixed<std::uint32_t>());
  if (in.require(in_range(read.at) && in_range(read.cost))) change = read;
}

inline void write(Writer& out, const SlidingLog&, const SlidingLog::State& state) {
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
inline void read(Reader& in, const SlidingLog& limit, SlidingLog::State& state) {
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
  if (in.ok() && !log.empty()) state = SlidingLog::State(std::move(log));
}

}  // namespace format

/// Writes the version and the limits.
inline void encode_limits(Writer& out, const Limits& limits) {
  out.fixed(kFormatVersion);
  out.fixed(static_cast<std::uint8_t>(limits.size()));
  for (std::size_t i = 0; i < limits.size(); ++i) format::write(out, limits[i].spec());
}

/// Writes the states in `cells`, one for each limit.
template <class Cells>
void encode_states(Writer& out, const Limits& limits, const Cells& cells) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit(
        [&](const auto& algorithm) { format::write(out, algorithm, state_in(std::as_const(cells[i]), algorithm)); });
  }
}

/// Reads the version and the limits into `specs`, unchecked but for their form: `Limits::make` says whether they are
/// valid. Labels are borrowed from the bytes. False if the bytes do not begin so.
[[nodiscard]] inline bool decode_specs(Reader& in, LimitSpecs& specs) {
  in.require(in.fixed<std::uint8_t>() == kFormatVersion);
  const auto size = in.fixed<std::uint8_t>();
  in.require(size <= kMaxLimits);
  for (std::size_t i = 0; i < size && in.ok(); ++i) specs.push_back(format::read_spec(in));
  return in.ok();
}

/// Reads the states of `limits` into `cells`, which are idle. False if the bytes do not hold just that; then `cells`
/// hold some states that are valid all the same.
[[nodiscard]] inline bool decode_states(Reader& in, const Limits& limits, std::span<Cell> cells) {
  for (std::size_t i = 0; i < limits.size() && in.ok(); ++i) {
    limits[i].visit([&](const auto& algorithm) { format::read(in, algorithm, state_in(cells[i], algorithm)); });
  }
  return in.done();
}

/// Writes what a granted call changes, `changes[i]` for limit i.
template <class Changes>
void encode_changes(Writer& out, const Limits& limits, const Changes& changes) {
  out.fixed(kFormatVersion);
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&]<class A>(const A& algorithm) {
      format::write(out, algorithm, changes[i].template as<typename A::Change>());
    });
  }
}

/// Reads such changes. False if the bytes do not hold just that; then `changes` must not be used.
[[nodiscard]] inline bool decode_changes(Reader& in, const Limits& limits, std::span<Cell> changes) {
  in.require(in.fixed<std::uint8_t>() == kFormatVersion);
  for (std::size_t i = 0; i < limits.size(); ++i) {
    limits[i].visit([&]<class A>(const A& algorithm) {
      typename A::Change change{};
      format::read(in, algorithm, change);
      changes[i].emplace(change);
    });
  }
  return in.done();
}

}  // namespace ratelimit

#endif  // RATELIMIT_CODEC_H
