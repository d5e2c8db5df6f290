// SPDX-License-Identifier: MIT
#include "names.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "ratelimit/units.h"

namespace ratelimit::service::envoy {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::array<std::string_view, 8> kUnits{"", "second", "minute", "hour", "day", "month", "year", "week"};

void append_hex(std::string& text, unsigned char byte) {
  text += kHex[byte >> 4U];
  text += kHex[byte & 15U];
}

bool is_special(char c) {
  constexpr std::string_view kSpecial = "%{}|=#\x7f";
  return static_cast<unsigned char>(c) <= ' ' || kSpecial.find(c) != std::string_view::npos;
}

}  // namespace

void append_escaped(std::string& name, std::string_view text) {
  for (const char c : text) {
    if (is_special(c)) {
      name += '%';
      append_hex(name, static_cast<unsigned char>(c));
    } else {
      name += c;
    }
  }
}

std::string bounded(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  std::array<unsigned char, 32> digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  std::string name = "%%";
  for (const unsigned char byte : digest) append_hex(name, byte);
  return name;
}

std::string domain_prefix(std::string_view prefix, std::string_view domain) {
  std::string name(prefix);
  name += '{';
  append_escaped(name, domain);
  name += '}';
  return name;
}

void SubjectName::add(std::string_view value) {
  if (std::exchange(is_any_, true)) name_ += '|';
  append_escaped(name_, value);
}

std::string SubjectName::take() { return bounded(std::move(name_), kMaxSubjectBytes); }

std::string override_key(std::string_view prefix, std::string_view domain, const LimitOverride& limit,
                         std::span<const Entry> entries) {
  std::string keys;
  for (const Entry& entry : entries) {
    append_escaped(keys, entry.key);
    keys += '|';
  }
  std::string name = domain_prefix(prefix, domain);
  name += '!';
  if (limit.unit_multiplier != 1) name += std::to_string(limit.unit_multiplier);
  name.append(name_of(limit.unit)).append(":");
  return name + bounded(std::move(keys), kLongestName);
}

std::string_view name_of(Unit unit) {
  const auto place = static_cast<std::size_t>(unit);
  return place < kUnits.size() ? kUnits[place] : std::string_view{};
}

Unit unit_of(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const auto found = std::find(kUnits.begin() + 1, kUnits.end(), lower);
  return found == kUnits.end() ? Unit::unknown : static_cast<Unit>(found - kUnits.begin());
}

}  // namespace ratelimit::service::envoy
