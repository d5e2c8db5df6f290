// SPDX-License-Identifier: MIT
// Fuzzes the parser of arguments. An input is a call, its words divided by single spaces, so that two in a row make an
// empty word: `RL.CHECK k TOKENBUCKET 20 10 1s COST 2`.
//
// Whatever comes, the parser says either what is wrong, in a proper error, or makes limits that are valid and that
// read the same when they are written down again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/forms.h"
#include "commands/requests.h"
#include "fuzz.h"
#include "ratelimit/grammar/error_text.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/grammar/limit_text.h"
#include "support/oracle.h"

namespace ratelimit::fuzz {
namespace {

using Words = std::vector<std::string_view>;

Words words_of(std::string_view line) {
  Words words;
  for (std::size_t end = 0; end != std::string_view::npos;) {
    end = line.find(' ');
    words.push_back(line.substr(0, end));
    if (end != std::string_view::npos) line.remove_prefix(end + 1);
  }
  return words;
}

void require_proper_error(const Fault& fault, std::size_t words) {
  require(fault.position <= words, "a fault is within the call");
  const std::string text = message(fault);
  const std::size_t code = text.find(' ');
  require(code != std::string::npos && code + 1 < text.size(), "an error is a code and a sentence");
  for (const char c : std::string_view(text).substr(0, code)) require(c >= 'A' && c <= 'Z', "a code is in upper case");
  for (const char c : text) require(c >= ' ' && c <= '~', "an error is one line of ASCII");
}

bool labels_are_distinct(std::span<const LimitSpec> specs) {
  const std::vector<std::string> labels = oracle::labels_of(specs);
  return std::set(labels.begin(), labels.end()).size() == labels.size();
}

/// A limit that is written down and read again is the same.
void require_same_when_read_again(const Limit& limit) {
  const std::string text = "RL.CHECK k " + text_of(limit);
  CheckRequest again;
  require(!parse_check(words_of(text), {Option::limit}, again), "a limit is written as it can be read");
  require(again.limits.size() == 1 && again.limits.span()[0] == limit.spec(), "and reads the same");
  require(again.call.cost == kMinUnits && again.call.mode == Mode::whole, "and names no cost and no mode");
}

/// All that a call may ask for.
struct Asked {
  CheckRequest check;
  KeysRequest check_all;
  DefinitionRequest definition;
  LimitersRequest limiters;
  Span ttl{};
  Units units;
  std::string_view id;
  TopRequest top;
  std::size_t entries = kNotGiven;

  static constexpr std::size_t kNotGiven = 10;
};

/// A command, and the options that it has.
struct Grammar {
  std::string_view name;
  OptionSet options{};
  std::optional<Algorithm> shorthand{};
};

template <Algorithm kAlgorithm>
constexpr Grammar shorthand(std::string_view name) {
  return {name, forms::kShorthand<kAlgorithm>.options, kAlgorithm};
}

constexpr Grammar kCommands[] = {
    {"RL.CHECK", forms::kCheck.options},
    {"RL.CHECKEACH", forms::kCheckEach.options},
    {"RL.CHECKALL", forms::kCheckAll.options},
    {"RL.RESERVEALL", forms::kReserveAll.options},
    {"RL.SETTLEALL", forms::kSettleAll.options},
    {"RL.PEEK", forms::kPeek.options},
    {"RL.DEFINE", forms::kDefine.options},
    {"RL.RESERVE", forms::kReserve.options},
    {"RL.SETTLE", forms::kSettle.options},
    {"RL.REFUND", forms::kRefund.options},
    {"RL.RELEASE", forms::kRelease.options},
    {"RL.BLOCK", forms::kBlock.options},
    {"RL.RESET", forms::kReset.options},
    {"RL.TRANSFER", forms::kTransfer.options},
    {"RL.INFO", forms::kInfo.options},
    {"RL.TOP", {Option::near}},
    {"RL.LOG"},
    {"RL.LIMITERS"},
    {"CL.THROTTLE", {Option::cost}},
    shorthand<Algorithm::token_bucket>("RL.TOKENBUCKET"),
    shorthand<Algorithm::leaky_bucket>("RL.LEAKYBUCKET"),
    shorthand<Algorithm::fixed_window>("RL.FIXED"),
    shorthand<Algorithm::sliding_window_log>("RL.SLIDING"),
    shorthand<Algorithm::quota>("RL.QUOTA"),
    shorthand<Algorithm::concurrent>("RL.CONCURRENT"),
};

/// Whether one integer says all that the caller must know.
bool is_enough_in_brief(const Grammar& command, const CheckRequest& request) {
  if (!command.options.has(Option::brief) || request.headers) return false;
  if (request.call.mode != Mode::whole && request.call.mode != Mode::force) return false;
  const bool takes_lease = command.options.has(Option::id) && request.call.id.empty();
  const auto is_enough = [&](const LimitSpec& spec) {
    return spec.algorithm != Algorithm::leaky_bucket && !(takes_lease && spec.algorithm == Algorithm::concurrent);
  };
  const std::span<const LimitSpec> specs = request.limits.span();
  return std::all_of(specs.begin(), specs.end(), is_enough);
}

void require_valid_call(const Grammar& command, const Asked& asked) {
  const Request& call = asked.check.call;
  const bool is_settlement = command.name == "RL.SETTLE";
  require(in_range(call.cost) || call.cost == kNoUnits, "a cost is in its range");
  require(call.charged.empty() || command.options.has(Option::charge), "there may be costs of limits");
  for (const Charge& charge : call.charged) {
    require(is_valid_label(charge.label), "each has a label");
    require(in_range(charge.cost) || charge.cost == kNoUnits, "and is in its range");
  }
  require(call.cost == kMinUnits || is_settlement || command.options.has(Option::cost), "there may be a cost");
  require(call.id.size() <= kMaxIdBytes && asked.id.size() <= kMaxIdBytes, "an id is not too long");
  require(call.id.empty() || is_settlement || command.options.has(Option::id), "there may be an id");
  const bool has_fixed_mode = is_settlement || command.name == "RL.RESERVE";
  require(call.mode == Mode::whole || has_fixed_mode || command.options.has(Option::partial), "there may be a mode");
  require(!asked.check.is_brief || is_enough_in_brief(command, asked.check), "one integer is enough");
  require(call.mode == Mode::may_wait ? in_range(call.longest_wait) : call.longest_wait == Span{},
          "a wait is in range");
  const bool is_reservation = command.name == "RL.RESERVE" || command.name == "RL.RESERVEALL";
  require(!is_reservation || in_range(asked.ttl), "a time to live is in its range");
  require(command.name != "RL.BLOCK" || asked.ttl == Span{} || in_range(asked.ttl), "a block is in its range");
  require(command.name != "RL.REFUND" || in_range(asked.units), "a refund is in its range");
  require(command.name != "RL.RELEASE" || !asked.id.empty(), "a lease has an id");
  require(!is_settlement || !call.id.empty(), "a hold has an id");
}

/// What holds of a call of one key and of several.
template <class AnyRequest>
void require_valid_answer(const Grammar& command, const AnyRequest& request) {
  const bool may_be_given = command.options.has(Option::headers);
  require(request.jitter == Span{} || (may_be_given && in_range(request.jitter)), "a jitter is in its range");
  require(!request.headers || may_be_given, "there may be headers");
}

void require_valid_subject(const Grammar& command, const CheckRequest& request) {
  require(request.subject.empty() || command.options.has(Option::subject), "there may be a subject");
  require(request.subject.size() <= kMaxSubjectBytes, "the name of a subject is not too long");
  require(request.subjects.empty() == (command.name != "RL.CHECKEACH"), "one command has several");
  require(request.subjects.size() <= kMostSubjects, "and not too many");
  for (const std::string_view subject : request.subjects) {
    require(!subject.empty() && subject.size() <= kMaxSubjectBytes, "each of which has a name");
  }
}

/// The mode and the id of a call of several keys.
void require_valid_mode(const Grammar& command, const Request& call) {
  require(call.id.size() <= kMaxIdBytes, "an id is not too long");
  if (command.name == "RL.SETTLEALL") return require(call.mode == Mode::force && !call.id.empty(), "a hold has an id");
  if (command.name == "RL.RESERVEALL") return require(call.mode == Mode::estimate, "an estimate is one");
  const bool may_be = call.mode == Mode::whole || call.mode == Mode::force;
  require(may_be && call.id.empty(), "there is no other mode than FORCE, and no id");
}

void require_valid_keys(const Grammar& command, const Asked& asked, std::span<const std::string_view> words) {
  const KeysRequest& request = asked.check_all;
  require(0 < request.keys && request.keys <= KeysRequest::kMostKeys, "there are as many keys as there may be");
  require(2 + request.keys <= words.size(), "and they are in the call");
  require(request.limits.empty() || request.limits.size() == request.keys, "each has a limit, or none has");
  require(request.subjects.empty() || request.subjects.size() == request.keys, "each has a subject, or none has");
  std::set<std::pair<std::string_view, std::string_view>> named;
  for (std::size_t i = 0; i < request.keys; ++i) {
    const std::string_view subject = request.subjects.empty() ? std::string_view{} : request.subjects.span()[i];
    require(subject.size() <= kMaxSubjectBytes, "the name of a subject is not too long");
    require(named.emplace(words[2 + i], subject).second, "no subject of a key is named twice");
  }
  for (const LimitSpec& spec : request.limits.span()) {
    const std::optional<Limit> limit = Limit::make(spec);
    require(limit.has_value(), "what is accepted makes a limit");
    require_same_when_read_again(*limit);
  }
  require(in_range(request.call.cost) || request.call.cost == kNoUnits, "a cost is in its range");
  require(request.costs.empty() || request.costs.size() == request.keys, "each has a cost, or none has");
  require(request.costs.empty() || request.call.cost == kMinUnits, "and then there is no cost of all");
  for (const Units cost : request.costs.span()) require(cost == kNoUnits || in_range(cost), "a cost is in its range");
  require_valid_mode(command, request.call);
}

void require_valid_count(const Grammar& command, const Asked& asked) {
  require(command.name == "RL.TOP" || asked.top.count == Asked::kNotGiven, "only RL.TOP has a count of names");
  require(command.name == "RL.TOP" || !asked.top.is_near, "and another list");
  require(0 < asked.top.count && asked.top.count <= kMostNamed, "a count is in its range");
  require(command.name == "RL.LOG" || asked.entries == Asked::kNotGiven, "only RL.LOG has a count of entries");
  require(0 < asked.entries && asked.entries <= kMostShown, "a count is in its range");
}

void require_valid_step(const LimitersRequest& limiters) {
  require(0 < limiters.count && limiters.count <= kMostScanned, "a step is in its range");
  require(!limiters.pattern.empty() && limiters.pattern.size() <= kMostPatternBytes, "a pattern is not too long");
  const std::string_view cursor = limiters.cursor;
  require(std::all_of(cursor.begin(), cursor.end(), [](char c) { return '0' <= c && c <= '9'; }), "digits only");
}

void require_valid_definition(const DefinitionRequest& definition) {
  const bool is_for_all = definition.subject.empty();
  require(!is_for_all || !definition.limits.empty(), "a definition for everyone has limits");
  require(is_for_all || !definition.is_shadow, "limits of one subject are not on trial");
}

void require_valid_limits(const Grammar& command, std::span<const LimitSpec> specs) {
  const bool has_one = command.shorthand || command.name == "CL.THROTTLE";
  const bool may_be_named = command.options.has(Option::limit) || has_one;
  require(specs.empty() || may_be_named, "there may be limits");
  require(!has_one || specs.size() == 1, "a shorthand has one limit");
  for (const LimitSpec& spec : specs) {
    const std::optional<Limit> limit = Limit::make(spec);
    require(limit.has_value(), "what is accepted makes a limit");
    require_same_when_read_again(*limit);
  }
  if (specs.empty()) return;
  const std::optional<Limits> limits = Limits::make(specs);
  require(limits.has_value() == labels_are_distinct(specs), "only labels keep limits apart");
  require(!limits || limits->matches(specs), "limits are those that were asked for");
}

const Grammar& command_of(std::string_view name) {
  const auto* found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                   [name](const Grammar& command) { return command.name == name; });
  return found != std::end(kCommands) ? *found : kCommands[0];
}

std::optional<Fault> parse(const Grammar& command, const Words& words, Asked& asked) {
  if (command.shorthand) return parse_shorthand(words, *command.shorthand, asked.check);
  if (command.name == "RL.RESERVE") return parse_reservation(words, asked.check, asked.ttl);
  if (command.name == "RL.SETTLE") return parse_settlement(words, asked.check);
  if (command.name == "RL.CHECKEACH") return parse_check_each(words, asked.check);
  if (command.name == "RL.CHECKALL") return parse_check_all(words, asked.check_all);
  if (command.name == "RL.RESERVEALL") return parse_reservation_of_all(words, asked.check_all, asked.ttl);
  if (command.name == "RL.SETTLEALL") return parse_settlement_of_all(words, asked.check_all);
  if (command.name == "RL.DEFINE") return parse_definition(words, asked.definition);
  if (command.name == "RL.REFUND") return parse_refund(words, asked.units, asked.check.subject);
  if (command.name == "RL.RELEASE") return parse_release(words, asked.id, asked.check.subject);
  if (command.name == "RL.BLOCK") return parse_block(words, asked.ttl, asked.check.subject);
  if (command.name == "RL.RESET") return parse_key_and_subject(words, asked.check.subject);
  if (command.name == "RL.TRANSFER") return parse_transfer(words, asked.check.subject);
  if (command.name == "RL.INFO") return parse_key_and_subject(words, asked.check.subject);
  if (command.name == "CL.THROTTLE") return parse_throttle(words, asked.check);
  if (command.name == "RL.TOP") return parse_top(words, asked.top);
  if (command.name == "RL.LOG") return parse_log(words, asked.entries);
  if (command.name == "RL.LIMITERS") return parse_limiters(words, asked.limiters);
  return parse_check(words, command.options, asked.check);
}

void run(std::string_view line) {
  const Words words = words_of(line);
  const Grammar& command = command_of(words[0]);
  Asked asked;
  const std::optional<Fault> fault = parse(command, words, asked);
  Asked again;
  require(parse(command, words, again) == fault, "the same call, the same fault");
  const auto known = again.check.limits.span();
  const auto read = asked.check.limits.span();
  require(fault || std::equal(known.begin(), known.end(), read.begin(), read.end()), "and the same limits");
  if (fault) return require_proper_error(*fault, words.size());
  require_valid_call(command, asked);
  require_valid_subject(command, asked.check);
  require(command.name != "RL.TRANSFER" || words[1] != words[2], "the keys of a transfer differ");
  require_valid_answer(command, asked.check);
  require_valid_answer(command, asked.check_all);
  require_valid_count(command, asked);
  if (command.name == "RL.DEFINE") require_valid_definition(asked.definition);
  require_valid_step(asked.limiters);
  const CallLimits& limits = command.name == "RL.DEFINE" ? asked.definition.limits : asked.check.limits;
  require_valid_limits(command, limits.span());
  if (asked.check_all.keys > 0) require_valid_keys(command, asked, words);
}

}  // namespace
}  // namespace ratelimit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ratelimit::fuzz::run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
