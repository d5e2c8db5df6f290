// SPDX-License-Identifier: MIT
// Reads the calls by which operators look into keys: RL.LIMITERS, RL.TOP, RL.LOG. They name no limits.
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "commands/request_words.h"
#include "commands/requests.h"

namespace ratelimit {
namespace {

/// Takes a cursor of SCAN: digits only, as the server tells it.
std::string_view take_cursor(Arguments& arguments) {
  const std::string_view word = arguments.text(Argument::cursor);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  const bool is_cursor = error == std::errc{} && end == word.data() + word.size();
  if (!is_cursor) arguments.fail({Fault::Kind::invalid_cursor, Argument::cursor});
  return word;
}

void read_option(Arguments& arguments, Option option, LimitersRequest& request) {
  if (option == Option::pattern) request.pattern = arguments.bytes(Argument::pattern);
  if (option == Option::scanned) request.count = arguments.integer(Argument::scanned);
}

}  // namespace

std::optional<Fault> parse_limiters(std::span<const std::string_view> words, LimitersRequest& request) {
  constexpr OptionSet kOfCall = forms::kLimiters.options;
  Arguments arguments(words);
  request.cursor = take_cursor(arguments);
  OptionSet given;
  while (!arguments.at_end()) {
    if (const OptionRow* row = arguments.take(kOfCall)) {
      note_option(arguments, *row, given);
      read_option(arguments, row->option, request);
    } else {
      arguments.fail_here(kOfCall);
    }
  }
  return arguments.fault();
}

std::optional<Fault> parse_top(std::span<const std::string_view> words, TopRequest& request) {
  Arguments arguments(words);
  take_words<forms::kTop>(arguments);
  OptionSet given;
  bool has_count = false;
  while (!arguments.at_end()) {
    if (const OptionRow* const row = arguments.take(forms::kTop.options)) {
      note_option(arguments, *row, given);
    } else if (has_count) {
      arguments.fail_here(forms::kTop.options);
    } else {
      take_word<forms::kTop.last>(arguments, request.count);
      has_count = true;
    }
  }
  request.is_near = given.has(Option::near);
  return arguments.fault();
}

std::optional<Fault> parse_log(std::span<const std::string_view> words, std::size_t& count) {
  Arguments arguments(words);
  take_words<forms::kLog>(arguments);
  take_last_word<forms::kLog>(arguments, count);
  return arguments.fault();
}

}  // namespace ratelimit
