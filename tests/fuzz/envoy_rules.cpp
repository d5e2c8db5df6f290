// SPDX-License-Identifier: MIT
// Fuzzes the rules of the check service's door for Envoy: the bytes up to the first zero byte are a file of YAML, those behind
// it requests and the answers of a server. Whatever comes: a file is read, or refused with its faults; a limiter's words are
// words that the server takes; and a request becomes questions that the client can send, and a response, in few steps.
#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz.h"
#include "inquiry.h"
#include "plan.h"
#include "ratelimit/client/call.h"
#include "rules.h"

namespace ratelimit::fuzz {
namespace {

using namespace ratelimit::service;
using namespace ratelimit::service::envoy;
using ratelimit::service::envoy::Request;
using ratelimit::service::envoy::Step;

/// The braces of a key, with what is in them.
std::string_view tag_of(std::string_view key) {
  const std::size_t begin = key.find('{');
  const std::size_t end = key.find('}', begin);
  require(begin != std::string_view::npos && end != std::string_view::npos && end > begin + 1, "a key has a hash tag");
  return key.substr(begin, end - begin);
}

void require_proper(const Rules& rules) {
  std::set<std::string_view> names;
  for (const Limiter* limiter : rules.limiters()) {
    require(names.insert(limiter->name).second, "no two limiters have one name");
    require(limiter->name.size() <= 1024 && !tag_of(limiter->name).empty(), "a name is bounded");
    std::string text;
    for (const std::string& word : limiter->words) text.append(word).append(" ");
    require(client::parse_policy(text).policy.has_value(), "the words are those of a limit");
  }
  require(names.empty() || !rules.dump().empty(), "rules are shown");
}

void require_proper(const std::vector<RuleFault>& faults) {
  require(!faults.empty() && faults.size() <= 20, "there are some faults, not too many");
  for (const RuleFault& fault : faults) require(!fault.text.empty(), "a fault has words");
}

/// Texts that are in the file, so that requests match its rules.
std::vector<std::string> words_in(std::string_view yaml) {
  std::vector<std::string> words{""};
  constexpr std::string_view kEnds = " \n\t,:{}[]'\"";
  for (std::size_t begin = 0; words.size() < 64;) {
    begin = yaml.find_first_not_of(kEnds, begin);
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(yaml.find_first_of(kEnds, begin), yaml.size());
    words.emplace_back(yaml.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

Request request_of(Choices& choices, const std::vector<std::string>& words) {
  const auto word = [&] {
    return choices.below(8) == 0 ? std::string(choices.take(3)) : words[choices.byte() % words.size()];
  };
  Request request{.domain = word(), .descriptors = {}};
  request.hits_addend = choices.byte();
  for (std::size_t i = choices.below(70); i > 0; --i) {
    Descriptor& descriptor = request.descriptors.emplace_back();
    for (std::size_t entries = choices.below(4); entries > 0; --entries) descriptor.entries.push_back({word(), word()});
    const std::size_t form = choices.below(16);
    if (form == 1)
      descriptor.limit = LimitOverride{choices.byte(), static_cast<Unit>(choices.below(9)), choices.byte()};
    if (form == 2) descriptor.hits_addend = choices.number(8);
    if (form == 3) descriptor.hits_addend = 0;
    if (form == 4) descriptor.is_negative_hits = true;
  }
  return request;
}

void require_proper(const Step& step) {
  require(!step.questions.empty() && step.questions.size() <= client::kMaxParts, "a step has questions");
  std::vector<client::Part> parts;
  std::set<std::string> names;
  for (const Question& question : step.questions) {
    parts.push_back({question.key, question.subject, question.policy, question.cost});
    require(tag_of(question.key) == tag_of(step.questions.front().key), "all keys are in one slot");
    require(names.insert(client::name_of_subject(question.key, question.subject)).second, "no subject is there twice");
    require(question.cost <= kMaxUnits, "a cost is in range");
  }
  if (step.verb == Step::Verb::check_all) require(!client::fault_in(parts), "the client can send it");
  if (step.verb != Step::Verb::check_all) require(step.questions.front().cost > kNoUnits, "a cost is one");
  if (step.verb == Step::Verb::check) require(step.questions.size() == 1, "a check has one question");
}

Answer answer_of(Choices& choices) {
  Answer answer;
  answer.outcome = static_cast<Outcome>(choices.below(8) % 3);
  answer.granted = Units(answer.outcome == Outcome::granted ? choices.byte() : 0);
  answer.limit = Units(static_cast<std::int64_t>(choices.number(8) >> 11U));
  answer.remaining = Units(static_cast<std::int64_t>(choices.number(2)));
  answer.wait = std::chrono::milliseconds{choices.number(4)};
  answer.reset = std::chrono::milliseconds{choices.number(4)};
  const std::size_t source = choices.below(64);
  if (source < client::kSources) answer.source = static_cast<client::Source>(source);
  answer.label = choices.take(4);
  return answer;
}

void require_proper(const Response& response, const Request& request) {
  if (response.failure != envoy::Failure::none) return require(response.statuses.empty(), "a failure is no response");
  require(response.overall_code != Code::unknown, "a request is allowed or not");
  require(response.statuses.size() == request.descriptors.size(), "each descriptor has a status");
  for (const Header& header : response.response_headers_to_add) {
    require(header.value.find_first_of("\r\n") == std::string::npos, "a header is a line");
  }
}

void ask(const std::shared_ptr<const Rules>& rules, Choices& choices, const std::vector<std::string>& words) {
  const Request request = request_of(choices, words);
  PlanSettings settings;
  settings.has_headers = settings.has_metadata = true;
  settings.is_on_trial = choices.below(8) == 1;
  settings.is_quota = choices.below(8) == 1;
  Plan plan(rules, request, settings);
  for (std::size_t steps = 0; const Step* step = plan.next(); ++steps) {
    require(steps <= request.descriptors.size() + 2, "a plan ends");
    require_proper(*step);
    std::vector<Answer> each;
    const bool are_all = step->verb != Step::Verb::check && choices.below(8) != 0;
    for (std::size_t i = 0; are_all && i < step->questions.size(); ++i) each.push_back(answer_of(choices));
    plan.take(answer_of(choices), std::move(each));
  }
  require_proper(plan.response(), request);
  static_cast<void>(plan.outcomes());
}

void run(std::string_view bytes) {
  const std::size_t end = std::min(bytes.find('\0'), bytes.size());
  const std::string_view yaml = bytes.substr(0, end);
  Choices choices(bytes.substr(std::min(end + 1, bytes.size())));
  const std::array texts{RuleText{.file = "rules.yaml", .yaml = std::string(yaml)}};
  ReadRules read = read_rules(texts);
  if (const auto* faults = std::get_if<std::vector<RuleFault>>(&read)) return require_proper(*faults);
  const auto rules = std::make_shared<const Rules>(std::get<Rules>(std::move(read)));
  require_proper(*rules);
  const std::vector<std::string> words = words_in(yaml);
  for (int i = 0; i < 4 && !choices.empty(); ++i) ask(rules, choices, words);
}

}  // namespace
}  // namespace ratelimit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ratelimit::fuzz::run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
