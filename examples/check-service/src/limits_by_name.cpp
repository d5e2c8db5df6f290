// SPDX-License-Identifier: MIT
#include "limits_by_name.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>

namespace ratelimit::service {
namespace {

/// What an algorithm's numbers are called.
enum class Form : std::uint8_t { bucket, leaky, window, quota, concurrent };

struct Algorithm {
  std::string_view name;
  std::string_view keyword;
  Form form;
  std::string_view suffix;  ///< behind the numbers
};

constexpr std::array<Algorithm, 11> kAlgorithms{{
    {"token_bucket", "TOKENBUCKET", Form::bucket, ""},
    {"gcra", "TOKENBUCKET", Form::bucket, ""},
    {"leaky_bucket", "LEAKYBUCKET", Form::leaky, ""},
    {"fixed_window", "FIXED", Form::window, ""},
    {"fixed_window_aligned", "FIXED", Form::window, " ALIGNED"},
    {"sliding_window", "SLIDING", Form::window, ""},
    {"sliding_window_log", "SLIDING", Form::window, ""},
    {"sliding_window_counter", "SLIDING", Form::window, " APPROX"},
    {"quota", "QUOTA", Form::quota, ""},
    {"concurrent", "CONCURRENT", Form::concurrent, ""},
    {"concurrency", "CONCURRENT", Form::concurrent, ""},
}};

std::string names_of_algorithms() {
  std::string names;
  for (const Algorithm& algorithm : kAlgorithms) names.append(names.empty() ? "" : ", ").append(algorithm.name);
  return names;
}

std::string text_of_span(Span span) {
  return std::to_string(std::chrono::floor<std::chrono::milliseconds>(span).count()) + "ms";
}

std::string size_of(FieldReader& reader, std::string_view name) {
  if (!reader.needs(name)) return {};
  return std::to_string(reader.units(name, kNoUnits).value_or(kNoUnits).count());
}

std::string span_of(FieldReader& reader, std::string_view name) {
  if (!reader.needs(name)) return {};
  return text_of_span(reader.duration(name).value_or(Span{}));
}

/// A rate as a refill and its period. 0.5 a second is 1 in 2 seconds, exactly.
std::string rate_of(FieldReader& reader, std::string_view rate_name, std::string_view period_name) {
  if (!reader.needs(rate_name)) return {};
  const Decimal rate = reader.decimal(rate_name).value_or(Decimal{});
  const Span period = reader.duration(period_name).value_or(std::chrono::seconds{1});
  const std::int64_t divisor = std::max<std::int64_t>(std::gcd(rate.digits, rate.scale), 1);
  const std::int64_t longer = rate.scale / divisor;
  if (longer > kMaxSpan / period) {
    reader.fail("the field \"" + std::string(rate_name) + "\" is too small: a unit must come back within 3650d");
    return {};
  }
  return std::to_string(rate.digits / divisor) + " " + text_of_span(period * longer);
}

/// A word of letters: nothing else may get among the words of a command.
std::string word_of(FieldReader& reader, std::string_view name) {
  if (!reader.needs(name)) return {};
  std::string word = reader.text(name, 1, 16).value_or("");
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (std::all_of(word.begin(), word.end(), is_letter)) return word;
  reader.fail("the field \"" + std::string(name) + "\" must be a word");
  return {};
}

std::string numbers_of(FieldReader& reader, Form form) {
  switch (form) {
    case Form::bucket: return size_of(reader, "capacity") + " " + rate_of(reader, "refill_rate", "refill_period");
    case Form::leaky: return size_of(reader, "capacity") + " " + rate_of(reader, "leak_rate", "leak_period");
    case Form::window: return size_of(reader, "limit") + " " + span_of(reader, "window");
    case Form::quota: return size_of(reader, "limit") + " " + word_of(reader, "unit");
    case Form::concurrent: return size_of(reader, "limit") + " " + span_of(reader, "lease_time");
  }
  return {};
}

}  // namespace

std::string limits_by_name(FieldReader& reader) {
  const std::string name = reader.text("algorithm", 1, 64).value_or("");
  const auto found =
      std::find_if(kAlgorithms.begin(), kAlgorithms.end(), [&](const Algorithm& each) { return each.name == name; });
  if (found == kAlgorithms.end()) {
    reader.fail("the field \"algorithm\" must be one of: " + names_of_algorithms());
    return {};
  }
  std::string text(found->keyword);
  text.append(" ").append(numbers_of(reader, found->form)).append(found->suffix);
  return reader.problem() ? std::string() : text;
}

}  // namespace ratelimit::service
