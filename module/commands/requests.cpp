// SPDX-License-Identifier: MIT
#include "commands/requests.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include "commands/call_limit_reader.h"
#include "commands/known_limits.h"
#include "commands/request_words.h"
#include "ratelimit/grammar/arguments.h"
#include "ratelimit/grammar/limit_reader.h"
#include "server/zones.h"

namespace ratelimit {
namespace {

// --- words in fixed order ---------------------------------------------------------------------------

/// Takes the number of keys, and the keys, which are the words from the second on.
std::size_t take_keys(Arguments& arguments) {
  const auto keys = static_cast<std::size_t>(arguments.integer(Argument::number_of_keys));
  for (std::size_t i = 0; i < keys; ++i) arguments.text(Argument::key);
  return keys;
}

/// Takes the number of keys, the keys, and each word that follows them in the form into one of the values.
template <const Form& kForm, class... Values>
void take_words_of_all(Arguments& arguments, KeysRequest& request, Values&... values) {
  static_assert(kForm.has_many_keys() && kForm.words.size() == 2 + sizeof...(Values), "a value for each word");
  request.keys = take_keys(arguments);
  [&]<std::size_t... I>(std::index_sequence<I...>) { (take_word<kForm.words[2 + I]>(arguments, values), ...); }
  (std::index_sequence_for<Values...>{});
}

// --- options ----------------------------------------------------------------------------------------

void read_costs(Arguments&, CheckRequest&) {}  // of several keys only
void read_costs(Arguments& arguments, KeysRequest& request) {
  for (std::size_t i = 0; i < request.keys; ++i) {
    const Units cost = arguments.count(Argument::costs);
    if (!request.costs.full()) request.costs.push_back(cost);
  }
  if (arguments.is_at_integer()) arguments.fail({Fault::Kind::malformed, Argument::costs});
}

void read_charge(Arguments& arguments, CheckRequest& request) {
  const std::string_view label = arguments.label(Argument::charged_label);
  const Units cost = arguments.count(Argument::charged_cost);
  const auto charged = request.charged.span();
  if (std::any_of(charged.begin(), charged.end(), [&](const Charge& each) { return each.label == label; })) {
    arguments.fail({Fault::Kind::charged_twice, Argument::charged_label});
  } else if (request.charged.full()) {  // more labels than there can be limits
    arguments.fail({Fault::Kind::unknown_label, Argument::charged_label});
  } else {
    request.charged.push_back({label, cost});
  }
  request.call.charged = request.charged.span();
}
void read_charge(Arguments&, KeysRequest&) {}  // of one key only

void note_form(Option option, CheckRequest& request) {
  (option == Option::brief ? request.is_brief : request.headers) = true;
}
void note_form(Option option, KeysRequest& request) {
  (option == Option::each ? request.each : request.headers) = true;
}

void read_all_subjects(Arguments& arguments, CheckRequest& request) {
  request.subjects = arguments.all_bytes(Argument::subject, kMostSubjects);
}
void read_all_subjects(Arguments&, KeysRequest&) {}  // of one key only

void read_subjects(Arguments& arguments, CheckRequest& request) {
  request.subject = arguments.bytes(Argument::subject);
}
void read_subjects(Arguments& arguments, KeysRequest& request) {
  for (std::size_t i = 0; i < request.keys; ++i) {
    const std::string_view name = arguments.text(Argument::subject);
    if (name.size() > kMaxSubjectBytes) arguments.fail({Fault::Kind::malformed, Argument::subject});
    if (!request.subjects.full()) request.subjects.push_back(name);
  }
}

/// Reads what follows the keyword of an option, if anything does.
template <class AnyRequest>
void read_option(Arguments& arguments, Option option, AnyRequest& request) {
  switch (option) {
    case Option::subject: return read_subjects(arguments, request);
    case Option::subjects: return read_all_subjects(arguments, request);
    case Option::cost: request.call.cost = arguments.count(Argument::cost); return;
    case Option::costs: return read_costs(arguments, request);
    case Option::charge: return read_charge(arguments, request);
    case Option::partial: request.call.mode = Mode::partial; return;
    case Option::force: request.call.mode = Mode::force; return;
    case Option::max_wait:
      request.call.longest_wait = arguments.duration(Argument::longest_wait);
      if (request.call.longest_wait > Span{}) request.call.mode = Mode::may_wait;
      return;
    case Option::id: request.call.id = arguments.bytes(Argument::id); return;
    case Option::jitter: request.jitter = arguments.duration(Argument::jitter); return;
    case Option::each:
    case Option::headers:
    case Option::brief: return note_form(option, request);
    default: return;  // those of limits are read by LimitReader, those of other commands elsewhere
  }
}
void read_option(Arguments& arguments, Option option, DefinitionRequest& request) {
  if (option == Option::subject) request.subject = arguments.bytes(Argument::subject);
  if (option == Option::shadow) request.is_shadow = true;
}

Fault too_many(const CallLimits&) { return {Fault::Kind::too_many_limits, Argument::limits}; }
Fault too_many(const BoundedList<LimitSpec, kMostKeys>&) {
  return {Fault::Kind::not_one_for_each_key, Argument::limits};
}

/// Reads what may follow the words of fixed order: limits, each with its options, and `options` of the call. Of `refused`
/// somebody else says why the call cannot have them.
template <class AnyLimitReader, class AnyRequest>
void read_options(Arguments& arguments, AnyLimitReader& limits, OptionSet options, AnyRequest& request,
                  OptionSet refused = {}) {
  const OptionSet of_call = options.without(kLimitOptions | OptionSet{Option::limit}) | refused;
  OptionSet given;
  while (!arguments.at_end()) {
    if (limits.take_option()) continue;
    if (const OptionRow* row = arguments.take(of_call)) {
      note_option(arguments, *row, given);
      read_option(arguments, row->option, request);
      continue;
    }
    if (options.has(Option::limit) && limits.take_limit(too_many(request.limits))) continue;
    arguments.fail_here(options);
  }
}

template <class AnyRequest>
void read_options(Arguments& arguments, OptionSet options, AnyRequest& request) {
  LimitReader limits(arguments, request.limits, find_zone);
  read_options(arguments, limits, options, request);
}

/// What limits meant that calls named lately. The server reads all calls in one thread.
KnownLimits& known_limits() {
  static KnownLimits known;
  return known;
}

/// The same for a call of one key: what its limits mean may be known.
void read_options(Arguments& arguments, OptionSet options, CheckRequest& request) {
  constexpr std::size_t kLeastWords = 3;  // a keyword and two numbers
  const bool may_name_limits = options.has(Option::limit) && arguments.rest().size() >= kLeastWords;
  CallLimitReader limits(arguments, request.limits, nullptr, find_zone);
  const bool are_known = may_name_limits && limits.take_known(known_limits());
  read_options(arguments, limits, options, request);
  if (may_name_limits && !are_known && !arguments.fault()) limits.remember(known_limits());
}

/// Why one integer is not enough for a call under limits of these algorithms: a queue lets it wait, or it takes a lease
/// without an id.
std::optional<Fault> fault_of_brief(bool has_queue, bool has_leases, std::string_view id, Purpose purpose) {
  if (has_queue) return Fault{Fault::Kind::not_with_brief, Argument::leak};
  if (has_leases && id.empty() && purpose == Purpose::take) return Fault{Fault::Kind::not_with_brief, Argument::id};
  return std::nullopt;
}

/// Fails if a call that wants a brief answer needs more, by what it names itself.
void check_brief(Arguments& arguments, const CheckRequest& request, Purpose purpose) {
  const auto names = [&](Algorithm algorithm) {
    const std::span<const LimitSpec> specs = request.limits.span();
    return std::any_of(specs.begin(), specs.end(), [&](const LimitSpec& spec) { return spec.algorithm == algorithm; });
  };
  const Mode mode = request.call.mode;
  if (mode == Mode::partial) arguments.fail({Fault::Kind::not_with_brief, Argument::mode});
  if (mode == Mode::may_wait) arguments.fail({Fault::Kind::not_with_brief, Argument::longest_wait});
  const auto fault =
      fault_of_brief(names(Algorithm::leaky_bucket), names(Algorithm::concurrent), request.call.id, purpose);
  if (fault) arguments.fail(*fault);
}

/// Why one integer for each subject is not enough under a limit of this algorithm.
std::optional<Fault> fault_of_each(Algorithm algorithm) {
  if (algorithm == Algorithm::leaky_bucket) return Fault{Fault::Kind::not_for_each, Argument::leak};
  if (algorithm == Algorithm::concurrent) return Fault{Fault::Kind::not_for_each, Argument::lease};
  return std::nullopt;
}

/// Fails if costs that differ are to be granted in part.
void check_charge(Arguments& arguments, const CheckRequest& request) {
  if (request.charged.empty() || request.call.mode != Mode::partial) return;
  arguments.fail({Fault::Kind::not_with_charge, Argument::charged_label});
}

/// Whether one subject of one key is named twice. There are at most 64 keys, so that all pairs are compared.
bool names_any_twice(std::span<const std::string_view> keys, std::span<const std::string_view> subjects) {
  for (std::size_t i = 1; i < keys.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (keys[i] == keys[j] && (subjects.empty() || subjects[i] == subjects[j])) return true;
    }
  }
  return false;
}

/// What is wrong with a call of several keys, once all its words are read.
std::optional<Fault> fault_of_keys(Arguments& arguments, std::span<const std::string_view> words,
                                   const KeysRequest& request) {
  const std::size_t limits = request.limits.size();
  if (limits != 0 && limits != request.keys) arguments.fail({Fault::Kind::not_one_for_each_key, Argument::limits});
  if (arguments.fault()) return arguments.fault();
  if (names_any_twice(words.subspan(2, request.keys), request.subjects.span())) {
    return Fault{Fault::Kind::repeated_subject, Argument::key};
  }
  return std::nullopt;
}

/// Takes the only option of a command, a subject, if anything is left.
void take_last_subject(Arguments& arguments, std::string_view& subject) {
  if (arguments.at_end()) return;
  if (arguments.take(forms::kSubject) == nullptr) return arguments.fail_here(forms::kSubject);
  subject = arguments.bytes(Argument::subject);
  if (!arguments.at_end()) arguments.fail({Fault::Kind::nothing_more, Argument::subject});
}

}  // namespace

// --- the commands -----------------------------------------------------------------------------------

std::optional<Fault> parse_check(std::span<const std::string_view> words, OptionSet options, CheckRequest& request) {
  Arguments arguments(words);
  arguments.text(Argument::key);
  read_options(arguments, options, request);
  check_charge(arguments, request);
  if (request.is_brief) check_brief(arguments, request, options.has(Option::id) ? Purpose::take : Purpose::look);
  return arguments.fault();
}

std::optional<Fault> fault_of_brief(const Limits& limits, std::string_view id, Purpose purpose) {
  return fault_of_brief(limits.have_queue(), limits.have_leases(), id, purpose);
}

std::optional<Fault> fault_of_each(const Limits& limits) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (const auto fault = fault_of_each(limits[i].algorithm())) return fault;
  }
  return std::nullopt;
}

std::optional<Fault> parse_check_each(std::span<const std::string_view> words, CheckRequest& request) {
  Arguments arguments(words);
  take_words<forms::kCheckEach>(arguments);
  read_options(arguments, forms::kCheckEach.options, request);
  if (request.subjects.empty()) arguments.fail({Fault::Kind::missing, Argument::subject});
  for (const LimitSpec& spec : request.limits.span()) {
    if (const auto fault = fault_of_each(spec.algorithm)) arguments.fail(*fault);
  }
  return arguments.fault();
}

std::optional<Fault> parse_shorthand(std::span<const std::string_view> words, Algorithm algorithm,
                                     CheckRequest& request) {
  const AlgorithmRow& row = row_of(algorithm);
  Arguments arguments(words);
  CallLimitReader limits(arguments, request.limits, &row, find_zone);
  arguments.text(Argument::key);
  const bool are_known = limits.take_known(known_limits());
  if (!are_known) limits.take_numbers();
  read_options(arguments, limits, forms::shorthand_options(row), request, {Option::brief});
  if (!are_known && !arguments.fault()) limits.remember(known_limits());
  check_charge(arguments, request);
  if (request.is_brief) check_brief(arguments, request, Purpose::take);
  return arguments.fault();
}

std::optional<Fault> parse_check_all(std::span<const std::string_view> words, KeysRequest& request) {
  Arguments arguments(words);
  take_words_of_all<forms::kCheckAll>(arguments, request);
  read_options(arguments, forms::kCheckAll.options, request);
  return fault_of_keys(arguments, words, request);
}

std::optional<Fault> parse_definition(std::span<const std::string_view> words, DefinitionRequest& request) {
  Arguments arguments(words);
  take_words<forms::kDefine>(arguments);
  read_options(arguments, forms::kDefine.options, request);
  const bool is_for_all = request.subject.empty();
  if (is_for_all && request.limits.empty()) arguments.fail({Fault::Kind::missing, Argument::limits});
  if (!is_for_all && request.is_shadow) arguments.fail({Fault::Kind::not_with_subject, Argument::shadow});
  return arguments.fault();
}

std::optional<Fault> parse_reservation(std::span<const std::string_view> words, CheckRequest& request, Span& ttl) {
  Arguments arguments(words);
  take_words<forms::kReserve>(arguments, ttl);
  request.call.mode = Mode::estimate;
  read_options(arguments, forms::kReserve.options, request);
  return arguments.fault();
}

std::optional<Fault> parse_settlement(std::span<const std::string_view> words, CheckRequest& request) {
  Arguments arguments(words);
  take_words<forms::kSettle>(arguments, request.call.id, request.call.cost);
  request.call.mode = Mode::force;
  read_options(arguments, forms::kSettle.options, request);
  return arguments.fault();
}

std::optional<Fault> parse_reservation_of_all(std::span<const std::string_view> words, KeysRequest& request,
                                              Span& ttl) {
  Arguments arguments(words);
  take_words_of_all<forms::kReserveAll>(arguments, request, ttl);
  request.call.mode = Mode::estimate;
  read_options(arguments, forms::kReserveAll.options, request);
  return fault_of_keys(arguments, words, request);
}

std::optional<Fault> parse_settlement_of_all(std::span<const std::string_view> words, KeysRequest& request) {
  Arguments arguments(words);
  take_words_of_all<forms::kSettleAll>(arguments, request, request.call.id, request.call.cost);
  request.call.mode = Mode::force;
  read_options(arguments, forms::kSettleAll.options, request);
  return fault_of_keys(arguments, words, request);
}

std::optional<Fault> parse_refund(std::span<const std::string_view> words, Units& units, std::string_view& subject) {
  Arguments arguments(words);
  take_words<forms::kRefund>(arguments, units);
  take_last_subject(arguments, subject);
  return arguments.fault();
}

std::optional<Fault> parse_release(std::span<const std::string_view> words, std::string_view& id,
                                   std::string_view& subject) {
  Arguments arguments(words);
  take_words<forms::kRelease>(arguments, id);
  take_last_subject(arguments, subject);
  return arguments.fault();
}

std::optional<Fault> parse_block(std::span<const std::string_view> words, Span& length, std::string_view& subject) {
  Arguments arguments(words);
  take_words<forms::kBlock>(arguments, length);
  take_last_subject(arguments, subject);
  return arguments.fault();
}

std::optional<Fault> parse_transfer(std::span<const std::string_view> words, std::string_view& subject) {
  Arguments arguments(words);
  std::string_view to;
  take_words<forms::kTransfer>(arguments, to);
  if (!arguments.fault() && words[1] == to) arguments.fail({Fault::Kind::malformed, Argument::to});
  take_last_subject(arguments, subject);
  return arguments.fault();
}

std::optional<Fault> parse_key_and_subject(std::span<const std::string_view> words, std::string_view& subject) {
  Arguments arguments(words);
  take_words<forms::kInfo>(arguments);
  take_last_subject(arguments, subject);
  return arguments.fault();
}

std::optional<Fault> parse_throttle(std::span<const std::string_view> words, CheckRequest& request) {
  Arguments arguments(words);
  Units burst;
  std::int64_t seconds = 0;
  LimitSpec bucket;
  take_words<forms::kThrottle>(arguments, burst, bucket.refill, seconds);
  bucket.size = burst + kMinUnits;
  bucket.span = std::chrono::seconds{seconds};
  if (!arguments.fault() && !TokenBucket::refills_in_time(bucket.size, bucket.refill, bucket.span)) {
    arguments.fail({Fault::Kind::refills_too_slowly, Argument::count_per_period});
  }
  request.limits.push_back(bucket);
  take_last_word<forms::kThrottle>(arguments, request.call.cost);
  return arguments.fault();
}

}  // namespace ratelimit
