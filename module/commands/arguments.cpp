#include "commands/arguments.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <utility>

#include "server/zones.h"

namespace ratelimit {
namespace {

bool same_ignoring_case(std::string_view word, std::string_view keyword) {
  return std::equal(word.begin(), word.end(), keyword.begin(), keyword.end(),
                    [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; });
}

/// The integer that all of `digits` spell, as the server itself reads integers: no sign, no leading zero.
std::optional<std::int64_t> parse_integer(std::string_view digits) {
  constexpr std::size_t kMostDigits = std::numeric_limits<std::uint64_t>::digits10;  // so many never overflow
  if (digits.empty() || digits.size() > kMostDigits || (digits.front() == '0' && digits.size() > 1))
    return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    number = 10 * number + static_cast<std::uint64_t>(c - '0');
  }
  if (!std::in_range<std::int64_t>(number)) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

/// Takes the unit from the end of a duration and says how many milliseconds it has; a second, if there is none.
std::int64_t take_unit(std::string_view& word) {
  const auto take = [&word](std::size_t letters, std::int64_t milliseconds) {
    word.remove_suffix(letters);
    return milliseconds;
  };
  if (word.empty()) return 1000;
  switch (word.back()) {
    case 's': return word.ends_with("ms") ? take(2, 1) : take(1, 1000);
    case 'm': return take(1, 60'000);
    case 'h': return take(1, 3'600'000);
    case 'd': return take(1, 86'400'000);
    default: return 1000;
  }
}

std::optional<Span> parse_duration(std::string_view word) {
  const std::int64_t milliseconds = take_unit(word);
  const std::optional<std::int64_t> number = parse_integer(word);
  constexpr auto kMost = std::chrono::floor<std::chrono::milliseconds>(kMaxSpan).count();
  if (!number || *number < 1 || *number > kMost / milliseconds) return std::nullopt;
  return Span{std::chrono::milliseconds{*number * milliseconds}};
}

CalendarUnit parse_unit(Arguments& arguments) {
  for (const CalendarUnit unit :
       {CalendarUnit::hour, CalendarUnit::day, CalendarUnit::week, CalendarUnit::month, CalendarUnit::year}) {
    if (arguments.take(keyword(unit))) return unit;
  }
  const bool is_missing = !arguments.fault() && arguments.at_end();
  arguments.fail({is_missing ? Fault::Kind::missing : Fault::Kind::malformed, Argument::unit});
  return CalendarUnit::day;
}

/// What follows the keyword of an algorithm, by the names that its users read.
struct Grammar {
  Algorithm algorithm;
  Argument size;
  Argument rate;  ///< none: it has none
  Argument span;  ///< a duration, or a unit of the calendar
};

// SLIDING is the exact log, until APPROX says otherwise.
constexpr std::array<Grammar, 6> kGrammars{{
    {Algorithm::token_bucket, Argument::capacity, Argument::refill, Argument::period},
    {Algorithm::leaky_bucket, Argument::capacity, Argument::leak, Argument::period},
    {Algorithm::fixed_window, Argument::limit, Argument::none, Argument::window},
    {Algorithm::sliding_window_log, Argument::limit, Argument::none, Argument::window},
    {Algorithm::quota, Argument::limit, Argument::none, Argument::unit},
    {Algorithm::concurrent, Argument::limit, Argument::none, Argument::lease},
}};

/// Reads the numbers of a limit: what follows its keyword.
LimitSpec parse_numbers(Arguments& arguments, const Grammar& grammar) {
  LimitSpec spec;
  spec.algorithm = grammar.algorithm;
  spec.size = arguments.count(grammar.size);
  if (grammar.rate != Argument::none) spec.refill = arguments.count(grammar.rate);
  if (grammar.span == Argument::unit) {
    spec.unit = parse_unit(arguments);
  } else {
    spec.span = arguments.duration(grammar.span);
  }
  const bool is_too_slow = is_bucket(spec.algorithm) && !arguments.fault() &&
                           !TokenBucket::refills_in_time(spec.size, spec.refill, spec.span);
  if (is_too_slow) arguments.fail({Fault::Kind::refills_too_slowly, grammar.rate});
  return spec;
}

const Grammar* grammar_of(Algorithm algorithm) {
  return std::find_if(kGrammars.begin(), kGrammars.end(),
                      [algorithm](const Grammar& grammar) { return grammar.algorithm == algorithm; });
}

/// Takes the keyword of an algorithm, if one stands here.
const Grammar* take_algorithm(Arguments& arguments) {
  for (const Grammar& grammar : kGrammars) {
    if (arguments.take(keyword(grammar.algorithm))) return &grammar;
  }
  return nullptr;
}

/// Reads a time zone into a quota. UTC is what a quota has that names none.
void parse_zone(Arguments& arguments, bool is_repeated, LimitSpec& spec) {
  if (is_repeated) arguments.fail({Fault::Kind::repeated, Argument::zone});
  const std::string_view name = arguments.text(Argument::zone);
  if (arguments.fault() || is_utc(name)) return;
  spec.rules = find_zone(name);
  if (spec.rules == nullptr) return arguments.fail({Fault::Kind::malformed, Argument::zone});
  spec.zone = name;
}

/// A limit as it is being read.
struct OpenLimit {
  LimitSpec& spec;
  bool has_zone = false;
};

/// Takes an option that belongs to one algorithm, if one stands here.
bool take_algorithm_option(Arguments& arguments, OpenLimit& limit) {
  LimitSpec& spec = limit.spec;
  if (spec.algorithm == Algorithm::fixed_window && arguments.take("ALIGNED")) {
    if (std::exchange(spec.aligned, true)) arguments.fail({Fault::Kind::repeated, Argument::aligned});
    return true;
  }
  if (spec.algorithm == Algorithm::sliding_window_log && arguments.take("APPROX")) {
    spec.algorithm = Algorithm::sliding_window_counter;
    return true;
  }
  if (spec.algorithm == Algorithm::sliding_window_counter && arguments.take("APPROX")) {
    arguments.fail({Fault::Kind::repeated, Argument::approximate});
    return true;
  }
  if (spec.algorithm == Algorithm::quota && arguments.take("TZ")) {
    parse_zone(arguments, std::exchange(limit.has_zone, true), spec);
    return true;
  }
  return false;
}

/// Takes an option that belongs to one limit, if one stands here.
bool take_limit_option(Arguments& arguments, OpenLimit& limit) {
  if (arguments.take("AS")) {
    if (!limit.spec.label.empty()) arguments.fail({Fault::Kind::repeated, Argument::label});
    limit.spec.label = arguments.label();
    return true;
  }
  if (arguments.take("PER")) {
    if (!arguments.take("REQUEST")) arguments.fail({Fault::Kind::incomplete_per_request});
    if (std::exchange(limit.spec.per_request, true)) arguments.fail({Fault::Kind::repeated, Argument::per_request});
    return true;
  }
  return take_algorithm_option(arguments, limit);
}

Fault too_many(const LimitSpecs&) { return {Fault::Kind::too_many_limits, Argument::limits}; }
Fault too_many(const BoundedList<LimitSpec, CheckAllRequest::kMostKeys>&) {
  return {Fault::Kind::not_one_for_each_key, Argument::limits};
}

/// Takes a limit with its numbers, if one stands here; its options may follow. False if none does.
template <class Specs>
bool take_limit(Arguments& arguments, Specs& limits, std::optional<OpenLimit>& limit) {
  const Grammar* grammar = take_algorithm(arguments);
  if (grammar == nullptr) return false;
  if (limits.full()) {
    arguments.fail(too_many(limits));
  } else {
    limit.emplace(OpenLimit{limits.push_back(parse_numbers(arguments, *grammar))});
  }
  return true;
}

/// Which options of a call were given already.
struct Given {
  bool cost = false;
  bool mode = false;
  bool subject = false;
  bool jitter = false;
};

void take_mode(Arguments& arguments, Mode mode, Given& given, Request& call) {
  if (std::exchange(given.mode, true)) {
    arguments.fail({call.mode == mode ? Fault::Kind::repeated : Fault::Kind::two_modes, Argument::mode});
  }
  call.mode = mode;
  if (mode == Mode::may_wait) call.longest_wait = arguments.duration(Argument::longest_wait);
}

/// Takes what a call says of itself, if such an option stands here that the command has.
bool take_call_option(Arguments& arguments, std::uint8_t options, Given& given, Request& call) {
  if ((options & Options::kCost) != 0 && arguments.take("COST")) {
    if (std::exchange(given.cost, true)) arguments.fail({Fault::Kind::repeated, Argument::cost});
    call.cost = arguments.count(Argument::cost);
    return true;
  }
  if ((options & Options::kId) != 0 && arguments.take("ID")) {
    if (!call.id.empty()) arguments.fail({Fault::Kind::repeated, Argument::id});
    call.id = arguments.id();
    return true;
  }
  if ((options & Options::kMode) == 0) return false;
  constexpr std::array<std::pair<std::string_view, Mode>, 3> kModes{
      {{"PARTIAL", Mode::partial}, {"FORCE", Mode::force}, {"MAXWAIT", Mode::may_wait}}};
  for (const auto& [name, mode] : kModes) {
    if (!arguments.take(name)) continue;
    take_mode(arguments, mode, given, call);
    return true;
  }
  return false;
}

/// Takes an option about the answer, if one stands here that the command has.
bool take_answer_option(Arguments& arguments, std::uint8_t options, Given& given, Span& jitter, bool& headers) {
  if ((options & Options::kAnswer) == 0) return false;
  if (arguments.take("JITTER")) {
    if (std::exchange(given.jitter, true)) arguments.fail({Fault::Kind::repeated, Argument::jitter});
    jitter = arguments.duration(Argument::jitter);
    return true;
  }
  if (arguments.take("HEADERS")) {
    if (std::exchange(headers, true)) arguments.fail({Fault::Kind::repeated, Argument::headers});
    return true;
  }
  return false;
}

void read_subjects(Arguments& arguments, CheckRequest& request) { request.subject = arguments.subject(); }
void read_subjects(Arguments& arguments, CheckAllRequest& request) {
  for (std::size_t i = 0; i < request.keys; ++i) {
    const std::string_view name = arguments.text(Argument::subject);
    if (name.size() > kMaxSubjectBytes) arguments.fail({Fault::Kind::malformed, Argument::subject});
    if (!request.subjects.full()) request.subjects.push_back(name);
  }
}

/// Takes FOR and who is limited, if that stands here and the command has it.
template <class AnyRequest>
bool take_subjects(Arguments& arguments, std::uint8_t options, Given& given, AnyRequest& request) {
  if ((options & Options::kSubject) == 0 || !arguments.take("FOR")) return false;
  if (std::exchange(given.subject, true)) {
    arguments.fail({Fault::Kind::repeated, Argument::subject});
  } else {
    read_subjects(arguments, request);
  }
  return true;
}

/// Reads what may follow, in any order: limits (unless the command itself names the only one), each followed by its
/// options, and the options of the call.
template <class AnyRequest>
void parse_limits_and_options(Arguments& arguments, std::uint8_t options, AnyRequest& request) {
  Given given;
  std::optional<OpenLimit> limit;
  if (!request.limits.empty()) limit.emplace(OpenLimit{request.limits.back()});
  while (!arguments.at_end()) {
    if (limit && take_limit_option(arguments, *limit)) continue;
    if (take_subjects(arguments, options, given, request)) continue;
    if (take_call_option(arguments, options, given, request.call)) continue;
    if (take_answer_option(arguments, options, given, request.jitter, request.headers)) continue;
    if ((options & Options::kLimits) != 0 && take_limit(arguments, request.limits, limit)) continue;
    arguments.fail_here(options);
  }
}

/// Takes FOR and a subject, if anything is left.
void take_last_subject(Arguments& arguments, std::string_view& subject) {
  if (arguments.at_end()) return;
  if (!arguments.take("FOR")) return arguments.fail_here(Options::kSubject);
  subject = arguments.subject();
  if (!arguments.at_end()) arguments.fail({Fault::Kind::nothing_more, Argument::subject});
}

/// Notes that something follows the last argument, if something does.
void require_end(Arguments& arguments, Argument last) {
  if (!arguments.at_end()) arguments.fail({Fault::Kind::nothing_more, last});
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

std::string_view Arguments::id() {
  const auto word = next(Argument::id);
  if (word && (word->empty() || word->size() > kMaxIdBytes)) fail({Fault::Kind::malformed, Argument::id});
  return word.value_or(std::string_view{});
}

std::string_view Arguments::subject() {
  const auto word = next(Argument::subject);
  if (word && (word->empty() || word->size() > kMaxSubjectBytes)) fail({Fault::Kind::malformed, Argument::subject});
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

void Arguments::fail_here(std::uint8_t options) {
  fail({Fault::Kind::unknown_option, Argument::none, static_cast<std::uint16_t>(next_), options});
}

std::optional<Fault> parse_check(std::span<const std::string_view> words, std::uint8_t options, CheckRequest& request) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  parse_limits_and_options(arguments, options | Options::kLimits, request);
  return arguments.fault();
}

std::optional<Fault> parse_shorthand(std::span<const std::string_view> words, Algorithm algorithm,
                                     CheckRequest& request) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  request.limits.push_back(parse_numbers(arguments, *grammar_of(algorithm)));
  parse_limits_and_options(
      arguments, Options::kSubject | Options::kCost | Options::kMode | Options::kId | Options::kAnswer, request);
  return arguments.fault();
}

std::optional<Fault> parse_check_all(std::span<const std::string_view> words, CheckAllRequest& request) {
  Arguments arguments(words);
  request.keys =
      static_cast<std::size_t>(arguments.integer(Argument::number_of_keys, std::int64_t{CheckAllRequest::kMostKeys}));
  if (request.keys == 0) arguments.fail({Fault::Kind::malformed, Argument::number_of_keys});
  for (std::size_t i = 0; i < request.keys; ++i) arguments.text(Argument::key);
  parse_limits_and_options(arguments, Options::kLimits | Options::kSubject | Options::kCost | Options::kAnswer,
                           request);
  const std::size_t limits = request.limits.size();
  if (limits != 0 && limits != request.keys) arguments.fail({Fault::Kind::not_one_for_each_key, Argument::limits});
  return arguments.fault();
}

std::optional<Fault> parse_definition(std::span<const std::string_view> words, LimitSpecs& limits, bool& is_shadow) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  std::optional<OpenLimit> limit;
  while (!arguments.at_end()) {
    if (limit && take_limit_option(arguments, *limit)) continue;
    if (arguments.take("SHADOW")) {
      if (std::exchange(is_shadow, true)) arguments.fail({Fault::Kind::repeated, Argument::shadow});
      continue;
    }
    if (!take_limit(arguments, limits, limit)) arguments.fail_here(Options::kLimits | Options::kShadow);
  }
  if (limits.empty()) arguments.fail({Fault::Kind::missing, Argument::limits});
  return arguments.fault();
}

std::optional<Fault> parse_reservation(std::span<const std::string_view> words, CheckRequest& request, Span& ttl) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  ttl = arguments.duration(Argument::ttl);
  parse_limits_and_options(arguments, Options::kLimits | Options::kSubject | Options::kCost | Options::kId, request);
  return arguments.fault();
}

std::optional<Fault> parse_settlement(std::span<const std::string_view> words, CheckRequest& request) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  request.call.id = arguments.id();
  request.call.cost = Units(arguments.integer(Argument::actual, kMaxUnits.count()));
  request.call.mode = Mode::force;
  parse_limits_and_options(arguments, Options::kLimits | Options::kSubject, request);
  return arguments.fault();
}

std::optional<Fault> parse_refund(std::span<const std::string_view> words, Units& units, std::string_view& subject) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  units = arguments.count(Argument::units);
  take_last_subject(arguments, subject);
  return arguments.fault();
}

std::optional<Fault> parse_release(std::span<const std::string_view> words, std::string_view& id,
                                   std::string_view& subject) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  id = arguments.id();
  take_last_subject(arguments, subject);
  return arguments.fault();
}

std::optional<Fault> parse_key_and_subject(std::span<const std::string_view> words, std::string_view& subject) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  take_last_subject(arguments, subject);
  return arguments.fault();
}

std::optional<Fault> parse_throttle(std::span<const std::string_view> words, CheckRequest& request) {
  constexpr auto kMostSeconds = std::chrono::floor<std::chrono::seconds>(kMaxSpan).count();
  Arguments arguments(words);
  arguments.text(Argument::key);
  LimitSpec bucket;
  bucket.size = kMinUnits + Units(arguments.integer(Argument::max_burst, (kMaxUnits - kMinUnits).count()));
  bucket.refill = arguments.count(Argument::count_per_period);
  bucket.span = std::chrono::seconds{arguments.integer(Argument::period_in_seconds, kMostSeconds)};
  if (bucket.span == Span{}) arguments.fail({Fault::Kind::malformed, Argument::period_in_seconds});
  if (!arguments.fault() && !TokenBucket::refills_in_time(bucket.size, bucket.refill, bucket.span)) {
    arguments.fail({Fault::Kind::refills_too_slowly, Argument::count_per_period});
  }
  request.limits.push_back(bucket);
  if (!arguments.at_end()) {
    request.call.cost = Units(arguments.integer(Argument::quantity, kMaxUnits.count()));
  }
  require_end(arguments, Argument::quantity);
  return arguments.fault();
}

std::optional<Fault> parse_top(std::span<const std::string_view> words, std::size_t& count) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  if (!arguments.at_end()) {
    count = static_cast<std::size_t>(arguments.integer(Argument::count, std::int64_t{kMostNamed}));
    if (count == 0) arguments.fail({Fault::Kind::malformed, Argument::count});
  }
  require_end(arguments, Argument::count);
  return arguments.fault();
}

}  // namespace ratelimit
