// Fuzzes the parser of arguments. An input is a call, its words divided by single spaces, so that two in a row make an
// empty word: `RL.CHECK k TOKENBUCKET 20 10 1s COST 2`.
//
// Whatever comes, the parser says either what is wrong, in a proper error, or makes limits that are valid and that
// read the same when they are written down again.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arguments.h"
#include "core/oracle.h"
#include "errors.h"
#include "fuzz.h"
#include "reply.h"

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
  require(!parse_check(words_of(text), again), "a limit is written as it can be read");
  require(again.limits.size() == 1 && again.limits.span()[0] == limit.spec(), "and reads the same");
  require(again.cost == kMinUnits, "and names no cost");
}

void require_valid(const CheckRequest& request) {
  require(in_range(request.cost), "a cost is in its range");
  for (const LimitSpec& spec : request.limits.span()) {
    const std::optional<Limit> limit = Limit::make(spec);
    require(limit.has_value(), "what is accepted makes a limit");
    require_same_when_read_again(*limit);
  }
  if (request.limits.empty()) return;
  const std::optional<Limits> limits = Limits::make(request.limits.span());
  require(limits.has_value() == labels_are_distinct(request.limits.span()), "only labels keep limits apart");
  require(!limits || limits->are(request.limits.span()), "limits are those that were asked for");
}

std::optional<Fault> parse(const Words& words, CheckRequest& request) {
  constexpr std::pair<std::string_view, Algorithm> kShorthands[] = {{"RL.TOKENBUCKET", Algorithm::token_bucket},
                                                                    {"RL.FIXED", Algorithm::fixed_window},
                                                                    {"RL.SLIDING", Algorithm::sliding_log}};
  for (const auto& [name, algorithm] : kShorthands) {
    if (words[0] == name) return parse_shorthand(words, algorithm, request);
  }
  return words[0] == "RL.INFO" ? parse_key_only(words) : parse_check(words, request);
}

void run(std::string_view line) {
  const Words words = words_of(line);
  CheckRequest request;
  const std::optional<Fault> fault = parse(words, request);
  CheckRequest again;
  require(parse(words, again) == fault, "the same call, the same fault");
  if (fault) {
    require_proper_error(*fault, words.size());
  } else {
    require_valid(request);
  }
}

}  // namespace
}  // namespace ratelimit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ratelimit::fuzz::run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
