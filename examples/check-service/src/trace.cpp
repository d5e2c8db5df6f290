// SPDX-License-Identifier: MIT
#include "trace.h"

#include <algorithm>
#include <cstddef>

namespace ratelimit::service {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

bool is_hex(std::string_view text) { return text.find_first_not_of(kHex) == std::string_view::npos; }
bool is_zero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

void append_hex(std::string& text, std::uint64_t number) {
  for (unsigned shift = 64; shift > 0; shift -= 4) text += kHex[(number >> (shift - 4)) & 0xFU];
}

}  // namespace

bool is_request_id(std::string_view id) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  };
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), is_allowed);
}

std::string make_request_id(std::uint64_t high, std::uint64_t low) {
  std::string id;
  id.reserve(32);
  append_hex(id, high);
  append_hex(id, low);
  return id;
}

bool is_traceparent(std::string_view text) {
  constexpr std::size_t kSize = 55;  // 00-<32 digits>-<16 digits>-<2 digits>
  if (text.size() < kSize || text.size() > 4 * kSize) return false;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace = text.substr(3, 32);
  const std::string_view parent = text.substr(36, 16);
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  if (!is_hex(version) || !is_hex(trace) || !is_hex(parent) || !is_hex(text.substr(53, 2))) return false;
  if (version == "ff" || is_zero(trace) || is_zero(parent)) return false;
  if (text.size() == kSize) return true;
  const auto is_plain = [](char c) { return c > ' ' && c < 0x7F; };
  return version != "00" && text[kSize] == '-' && std::all_of(text.begin(), text.end(), is_plain);
}

}  // namespace ratelimit::service
