// SPDX-License-Identifier: MIT
// Numbers, instants and texts as bytes: little-endian, and each in one form only. Depends on units only.
#ifndef RATELIMIT_CODEC_BYTES_H
#define RATELIMIT_CODEC_BYTES_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ratelimit/units.h"

namespace ratelimit {

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
  // Numbers of fixed size, by their names in docs/format.md.
  void u8(std::uint8_t number) { fixed(number); }
  void u32(std::uint32_t number) { fixed(number); }
  void u64(std::uint64_t number) { fixed(number); }
  void i64(std::int64_t number) { fixed(number); }
  void span(Span span) { i64(span.count()); }
  void instant(Instant instant) { i64(instant.time_since_epoch().count()); }

  /// `var` in docs/format.md: 7 bits a byte, the lowest first.
  void variable(std::uint64_t number) {
    for (; number >= 0x80U; number >>= 7U) bytes_.push_back(static_cast<char>(number | 0x80U));
    bytes_.push_back(static_cast<char>(number));
  }
  void units(Units units) { variable(static_cast<std::uint64_t>(units.count())); }
  void text(std::string_view text) {
    fixed(static_cast<std::uint8_t>(text.size()));
    bytes_.append(text);
  }
  /// A text that may have more than 255 bytes.
  void long_text(std::string_view text) {
    variable(text.size());
    bytes_.append(text);
  }

 private:
  std::string& bytes_;
};

/// Reads numbers from a string of bytes. The first fault sticks: after it every number is zero and `ok` is false.
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
  [[nodiscard]] std::uint8_t u8() { return fixed<std::uint8_t>(); }
  [[nodiscard]] std::uint32_t u32() { return fixed<std::uint32_t>(); }
  [[nodiscard]] std::uint64_t u64() { return fixed<std::uint64_t>(); }
  [[nodiscard]] std::int64_t i64() { return fixed<std::int64_t>(); }
  [[nodiscard]] Span span() { return Span{i64()}; }
  [[nodiscard]] Instant instant() { return Instant{span()}; }

  [[nodiscard]] std::uint64_t variable() {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = fixed<std::uint8_t>();
      const std::uint64_t part = byte & 0x7FU;
      if (!require(part << shift >> shift == part)) return 0;
      number |= part << shift;
      // A number has one form only: its last byte is not zero.
      if ((byte & 0x80U) == 0) return require(byte != 0 || shift == 0) ? number : 0;
    }
    return require(false), 0;
  }
  /// A count of at most kMaxUnits.
  [[nodiscard]] Units units() {
    const std::uint64_t count = variable();
    return require(count <= static_cast<std::uint64_t>(kMaxUnits.count())) ? Units(static_cast<std::int64_t>(count))
                                                                           : kNoUnits;
  }
  [[nodiscard]] std::string_view text() { return take(fixed<std::uint8_t>()); }
  [[nodiscard]] std::string_view long_text() { return take(variable()); }

  /// A fault, if the condition is false: what was read is not valid.
  bool require(bool condition) {
    ok_ = ok_ && condition;
    if (!ok_) bytes_ = {};
    return ok_;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  /// Whether all bytes were read, without a fault.
  [[nodiscard]] bool done() const { return ok_ && bytes_.empty(); }

 private:
  [[nodiscard]] std::string_view take(std::uint64_t size) {
    if (!require(bytes_.size() >= size)) return {};
    const std::string_view text = bytes_.substr(0, static_cast<std::size_t>(size));
    bytes_.remove_prefix(text.size());
    return text;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace ratelimit

#endif  // RATELIMIT_CODEC_BYTES_H
