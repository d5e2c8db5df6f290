// SPDX-License-Identifier: MIT
#include "field_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <system_error>

namespace ratelimit::service {
namespace {

bool are_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!are_digits(text) || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Decimal> parse_decimal(std::string_view text) {
  constexpr std::size_t kMostPlaces = 6;
  const std::size_t point = std::min(text.find('.'), text.size());
  std::string digits(text.substr(0, point));
  std::string_view fraction = text.substr(std::min(point + 1, text.size()));
  while (!fraction.empty() && fraction.back() == '0' && point < text.size()) fraction.remove_suffix(1);
  if (!are_digits(digits) || point + 1 == text.size() || fraction.size() > kMostPlaces) return std::nullopt;
  Decimal decimal;
  for (std::size_t i = 0; i < fraction.size(); ++i) decimal.scale *= 10;
  const std::optional<std::int64_t> all = parse_integer(digits.append(fraction));
  if (!all || *all > kMaxUnits.count()) return std::nullopt;
  decimal.digits = *all;
  return decimal;
}

std::optional<Span> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    Span span;
  };
  constexpr std::array<Unit, 6> kUnits{{{"ms", std::chrono::milliseconds{1}},
                                        {"s", std::chrono::seconds{1}},
                                        {"m", std::chrono::minutes{1}},
                                        {"h", std::chrono::hours{1}},
                                        {"d", std::chrono::hours{24}},
                                        {"", std::chrono::seconds{1}}}};
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto size = static_cast<std::size_t>(end - text.begin());
  const auto unit =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& each) { return each.name == text.substr(size); });
  const std::optional<std::int64_t> count = parse_integer(text.substr(0, size));
  if (unit == kUnits.end() || !count || *count > kMaxSpan / unit->span) return std::nullopt;
  return *count * unit->span;
}

Field* FieldReader::take(std::string_view name) {
  const auto found =
      std::find_if(fields_.begin(), fields_.end(), [&](const Field& field) { return field.name == name; });
  if (found == fields_.end()) return nullptr;
  found->is_read = true;
  return &*found;
}

bool FieldReader::has(std::string_view name) const {
  return std::any_of(fields_.begin(), fields_.end(), [&](const Field& field) { return field.name == name; });
}

void FieldReader::fail(std::string_view name, std::string_view must_be) {
  fail("the field \"" + std::string(name) + "\" must be " + std::string(must_be));
}

std::optional<std::string> FieldReader::text(std::string_view name, std::size_t least, std::size_t most) {
  const Field* field = take(name);
  if (field == nullptr) return std::nullopt;
  if (field->kind == Field::Kind::text && field->value.size() >= least && field->value.size() <= most) {
    return field->value;
  }
  fail(name, "a text of " + std::to_string(least) + " to " + std::to_string(most) + " bytes");
  return std::nullopt;
}

std::optional<Units> FieldReader::units(std::string_view name, Units least) {
  const Field* field = take(name);
  if (field == nullptr) return std::nullopt;
  const bool may_be_number = field->kind == Field::Kind::number || (is_query_ && field->kind == Field::Kind::text);
  const std::optional<std::int64_t> value = may_be_number ? parse_integer(field->value) : std::nullopt;
  if (value && Units(*value) >= least && Units(*value) <= kMaxUnits) return Units(*value);
  fail(name, "an integer from " + std::to_string(least.count()) + " to " + std::to_string(kMaxUnits.count()));
  return std::nullopt;
}

std::optional<Decimal> FieldReader::decimal(std::string_view name) {
  const Field* field = take(name);
  if (field == nullptr) return std::nullopt;
  const bool may_be_number = field->kind == Field::Kind::number || (is_query_ && field->kind == Field::Kind::text);
  std::optional<Decimal> value = may_be_number ? parse_decimal(field->value) : std::nullopt;
  if (value && value->digits > 0) return value;
  fail(name, "a number above 0, with at most 6 digits behind its point");
  return std::nullopt;
}

std::optional<Span> FieldReader::duration(std::string_view name) {
  const Field* field = take(name);
  if (field == nullptr) return std::nullopt;
  std::optional<Span> span;
  if (field->kind == Field::Kind::text) {
    span = parse_duration(field->value);
  } else if (const auto seconds = parse_decimal(field->value); seconds && seconds->scale <= 1000) {
    const std::int64_t per_unit = 1000 / seconds->scale;
    if (seconds->digits <= kMaxSpan / std::chrono::milliseconds{per_unit}) {
      span = std::chrono::milliseconds{seconds->digits * per_unit};
    }
  }
  if (span && *span >= std::chrono::milliseconds{1}) return span;
  fail(name, "seconds, or a duration such as \"500ms\", \"10s\", \"1m\", \"2h\" or \"1d\", from 1ms to 3650d");
  return std::nullopt;
}

bool FieldReader::needs(std::string_view name) {
  if (has(name)) return true;
  fail("the field \"" + std::string(name) + "\" is missing");
  return false;
}

void FieldReader::end() {
  for (const Field& field : fields_) {
    if (!field.is_read) fail("the field \"" + shown(field.name) + "\" is not known here");
  }
}

}  // namespace ratelimit::service
