#include "arguments.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

namespace ratelimit {
namespace {

bool same_ignoring_case(std::string_view word, std::string_view keyword) {
  return std::equal(word.begin(), word.end(), keyword.begin(), keyword.end(),
                    [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; });
}

/// The integer that all of `digits` spell, as the server itself reads integers: no sign, no leading zero.
std::optional<std::int64_t> parse_integer(std::string_view digits) {
  if (digits.empty() || (digits.front() == '0' && digits.size() > 1)) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits.front() == '-') return std::nullopt;
  return number;
}

/// A unit of time and how many milliseconds it has. Milliseconds come first: they end like seconds.
constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kUnits{
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

std::optional<Span> parse_duration(std::string_view word) {
  std::int64_t milliseconds = 1000;
  for (const auto& [unit, factor] : kUnits) {
    if (!word.ends_with(unit)) continue;
    word.remove_suffix(unit.size());
    milliseconds = factor;
    break;
  }
  const std::optional<std::int64_t> number = parse_integer(word);
  constexpr auto kMost = std::chrono::floor<std::chrono::milliseconds>(kMaxSpan).count();
  if (!number || *number < 1 || *number > kMost / milliseconds) return std::nullopt;
  return Span{std::chrono::milliseconds{*number * milliseconds}};
}

/// Reads the numbers of a limit: what follows its keyword.
LimitSpec parse_numbers(Arguments& arguments, Algorithm algorithm) {
  LimitSpec spec;
  spec.algorithm = algorithm;
  switch (algorithm) {
    case Algorithm::token_bucket:
      spec.size = arguments.count(Argument::capacity);
      spec.refill = arguments.count(Argument::refill);
      spec.span = arguments.duration(Argument::period);
      if (!arguments.fault() && !TokenBucket::refills_in_time(spec.size, spec.refill, spec.span)) {
        arguments.fail({Fault::Kind::refills_too_slowly, Argument::refill});
      }
      break;
    case Algorithm::fixed_window:
    case Algorithm::sliding_log:
      spec.size = arguments.count(Argument::limit);
      spec.span = arguments.duration(Argument::window);
      break;
  }
  return spec;
}

std::optional<Algorithm> take_algorithm(Arguments& arguments) {
  for (const Algorithm algorithm : {Algorithm::token_bucket, Algorithm::fixed_window, Algorithm::sliding_log}) {
    if (arguments.take(keyword(algorithm))) return algorithm;
  }
  return std::nullopt;
}

/// Takes an option that belongs to one limit, if one stands here.
bool take_limit_option(Arguments& arguments, LimitSpec& spec) {
  if (arguments.take("AS")) {
    if (!spec.label.empty()) arguments.fail({Fault::Kind::repeated, Argument::label});
    spec.label = arguments.label();
    return true;
  }
  if (arguments.take("PER")) {
    if (!arguments.take("REQUEST")) arguments.fail({Fault::Kind::incomplete_per_request});
    if (std::exchange(spec.per_request, true)) arguments.fail({Fault::Kind::repeated, Argument::per_request});
    return true;
  }
  if (spec.algorithm == Algorithm::fixed_window && arguments.take("ALIGNED")) {
    if (std::exchange(spec.aligned, true)) arguments.fail({Fault::Kind::repeated, Argument::aligned});
    return true;
  }
  return false;
}

/// Reads what may follow the key, in any order: limits (unless the command itself names the only one), each followed
/// by its options, and the cost.
void parse_limits_and_options(Arguments& arguments, bool limits_allowed, CheckRequest& request) {
  bool cost_given = false;
  while (!arguments.at_end()) {
    if (!request.limits.empty() && take_limit_option(arguments, request.limits.back())) continue;
    if (arguments.take("COST")) {
      if (std::exchange(cost_given, true)) arguments.fail({Fault::Kind::repeated, Argument::cost});
      request.cost = arguments.count(Argument::cost);
      continue;
    }
    const auto algorithm = limits_allowed ? take_algorithm(arguments) : std::nullopt;
    if (!algorithm) {
      arguments.fail_here(limits_allowed ? Fault::Kind::unknown_limit_or_option : Fault::Kind::unknown_option);
    } else if (request.limits.full()) {
      arguments.fail({Fault::Kind::too_many_limits, Argument::limits});
    } else {
      request.limits.push_back(parse_numbers(arguments, *algorithm));
    }
  }
}

}  // namespace

bool Arguments::take(std::string_view keyword) {
  if (at_end() || !same_ignoring_case(words_[next_], keyword)) return false;
  ++next_;
  return true;
}

std::optional<std::string_view> Arguments::next(Argument argument) {
  if (fault_) return std::nullopt;
  if (next_ == words_.size()) {
    fail({Fault::Kind::missing, argument});
    return std::nullopt;
  }
  return words_[next_++];
}

std::string_view Arguments::text(Argument argument) { return next(argument).value_or(std::string_view{}); }

Units Arguments::count(Argument argument) {
  const auto word = next(argument);
  if (!word) return kMinUnits;
  const auto number = parse_integer(*word);
  if (number && in_range(Units(*number))) return Units(*number);
  fail({Fault::Kind::malformed, argument});
  return kMinUnits;
}

Span Arguments::duration(Argument argument) {
  const auto word = next(argument);
  if (!word) return kMinSpan;
  if (const auto span = parse_duration(*word)) return *span;
  fail({Fault::Kind::malformed, argument});
  return kMinSpan;
}

std::string_view Arguments::label() {
  const auto word = next(Argument::label);
  if (word && !is_valid_label(*word)) fail({Fault::Kind::malformed, Argument::label});
  return word.value_or(std::string_view{});
}

std::int64_t Arguments::integer(Argument argument, std::int64_t most) {
  const auto word = next(argument);
  if (!word) return 0;
  const auto number = parse_integer(*word);
  if (number && *number <= most) return *number;
  fail({Fault::Kind::malformed, argument});
  return 0;
}

void Arguments::fail(const Fault& fault) {
  if (!fault_) fault_ = fault;
}

void Arguments::fail_here(Fault::Kind kind) { fail({kind, Argument::none, static_cast<std::uint16_t>(next_)}); }

std::optional<Fault> parse_check(std::span<const std::string_view> words, CheckRequest& request) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  parse_limits_and_options(arguments, true, request);
  return arguments.fault();
}

std::optional<Fault> parse_shorthand(std::span<const std::string_view> words, Algorithm algorithm,
                                     CheckRequest& request) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  request.limits.push_back(parse_numbers(arguments, algorithm));
  parse_limits_and_options(arguments, false, request);
  return arguments.fault();
}

std::optional<Fault> parse_key_only(std::span<const std::string_view> words) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  if (!arguments.at_end()) arguments.fail({Fault::Kind::key_only, Argument::key});
  return arguments.fault();
}

}  // namespace ratelimit
