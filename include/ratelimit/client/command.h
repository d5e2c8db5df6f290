// SPDX-License-Identifier: MIT
// A command as it is sent, and which replies it may get. One function for each command that the client knows: here stands
// how a question becomes words. Pure; depends on calls and replies.
#ifndef RATELIMIT_CLIENT_COMMAND_H
#define RATELIMIT_CLIENT_COMMAND_H

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ratelimit/client/call.h"
#include "ratelimit/client/reply.h"
#include "ratelimit/client/wire.h"
#include "ratelimit/grammar/limit_text.h"
#include "ratelimit/request.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// The words of a command, already in the form of the server's protocol. A command owns its bytes: it may outlive the
/// caller's strings.
class Command {
 public:
  Command(std::initializer_list<std::string_view> words) {
    bytes_.reserve(192);
    add(words);
  }

  void add(std::string_view word) {
    ++words_;
    append_word(bytes_, word);
  }
  void add(std::initializer_list<std::string_view> words) {
    for (const std::string_view word : words) add(word);
  }

  void add_limits(const Policy& policy) {
    words_ += policy.words().size();
    bytes_.append(policy.bytes());
  }
  void add_subject(std::string_view subject) {
    if (!subject.empty()) add({"FOR", subject});
  }
  void add_cost(Units cost) {
    if (cost != kMinUnits) add({"COST", std::to_string(cost.count())});
  }
  void add_mode(const Call& call) {
    switch (call.mode) {
      case Mode::whole:
      case Mode::estimate: return;  // the name of the command says it
      case Mode::partial: return add("PARTIAL");
      case Mode::force: return add("FORCE");
      case Mode::may_wait: return add({"MAXWAIT", text_of(call.longest_wait)});
    }
  }

  /// Appends what is sent.
  void write_to(std::string& bytes) const {
    append_head(bytes, '*', words_);
    bytes.append(bytes_);
  }

  /// Which replies are possible; garbage otherwise.
  Shape shape{};

 private:
  std::size_t words_ = 0;
  std::string bytes_;
};

namespace detail {

[[nodiscard]] inline Command begin(std::string_view name, const Question& question) {
  Command command{name, question.key};
  command.add_limits(question.policy);
  command.add_subject(question.call.subject);
  return command;
}

}  // namespace detail

/// RL.CHECK
[[nodiscard]] inline Command check_command(const Question& question) {
  const Call& call = question.call;
  Command command = detail::begin("RL.CHECK", question);
  command.add_cost(call.cost);
  command.add_mode(call);
  if (!call.id.empty()) command.add({"ID", call.id});
  command.shape.expected = {.cost = call.cost, .may_be_part = call.mode == Mode::partial};
  return command;
}

/// RL.CHECKEACH, of calls about one key that have the policy and the cost in common with `first`; `each_subject(add)` calls
/// `add` with the subject of each, in order.
template <class EachSubject>
[[nodiscard]] Command check_each_command(const Question& first, std::size_t subjects, EachSubject each_subject) {
  Command command{"RL.CHECKEACH", first.key};
  command.add_limits(first.policy);
  command.add_cost(first.call.cost);
  command.add("FOR");
  each_subject([&command](std::string_view subject) { command.add(subject); });
  command.shape = {.kind = Shape::Kind::each, .expected = {.cost = first.call.cost}, .items = subjects};
  return command;
}

/// RL.PEEK. On a key that does not exist, and without limits, the reply is null.
[[nodiscard]] inline Command peek_command(const Question& question) {
  Command command = detail::begin("RL.PEEK", question);
  command.add_cost(question.call.cost);
  if (question.policy.words().empty()) command.shape.kind = Shape::Kind::answer_or_null;
  command.shape.expected = {.cost = question.call.cost};
  return command;
}

/// RL.RESERVE, by the call's id. `ttl` must be whole milliseconds.
[[nodiscard]] inline Command reserve_command(const Question& question, Span ttl) {
  Command command{"RL.RESERVE", question.key, text_of(ttl)};
  command.add_limits(question.policy);
  command.add_subject(question.call.subject);
  command.add_cost(question.call.cost);
  command.add({"ID", question.call.id});
  command.shape.expected = {.cost = question.call.cost, .may_be_part = true, .may_be_held = true};
  return command;
}

/// RL.SETTLE, by the call's id; its cost is the actual one.
[[nodiscard]] inline Command settle_command(const Question& question) {
  Command command{"RL.SETTLE", question.key, question.call.id, std::to_string(question.call.cost.count())};
  command.add_limits(question.policy);
  command.add_subject(question.call.subject);
  command.shape = {.kind = Shape::Kind::answer_or_null, .expected = {.cost = question.call.cost}};
  return command;
}

/// RL.CHECKALL, with what each key says.
[[nodiscard]] inline Command check_all_command(std::span<const Part> parts) {
  Command command{"RL.CHECKALL", std::to_string(parts.size())};
  for (const Part& part : parts) command.add(part.key);
  for (const Part& part : parts) command.add_limits(part.policy);
  if (std::any_of(parts.begin(), parts.end(), [](const Part& part) { return !part.subject.empty(); })) {
    command.add("FOR");
    for (const Part& part : parts) command.add(part.subject);
  }
  command.add("COSTS");
  command.shape = {.kind = Shape::Kind::all, .costs = {}};
  for (const Part& part : parts) {
    command.add(std::to_string(part.cost.count()));
    command.shape.costs.push_back(part.cost);
    command.shape.expected.cost = std::max(command.shape.expected.cost, part.cost);
  }
  command.add("EACH");
  return command;
}

/// RL.REFUND
[[nodiscard]] inline Command refund_command(std::string_view key, Units units, std::string_view subject) {
  Command command{"RL.REFUND", key, std::to_string(units.count())};
  command.add_subject(subject);
  command.shape.kind = Shape::Kind::integer;
  return command;
}

/// RL.RELEASE
[[nodiscard]] inline Command release_command(std::string_view key, std::string_view id, std::string_view subject) {
  Command command{"RL.RELEASE", key, id};
  command.add_subject(subject);
  command.shape.kind = Shape::Kind::integer;
  return command;
}

/// RL.DEFINE. The limits are text such as `TOKENBUCKET 20 10 1s AS burst`: only the server need know its time zones.
[[nodiscard]] inline Command define_command(std::string_view key, std::string_view limits, bool is_on_trial) {
  Command command{"RL.DEFINE", key};
  while (!limits.empty()) {
    const std::string_view word = limits.substr(0, limits.find(' '));
    limits.remove_prefix(std::min(word.size() + 1, limits.size()));
    if (!word.empty()) command.add(word);
  }
  if (is_on_trial) command.add("SHADOW");
  command.shape.kind = Shape::Kind::text;
  return command;
}

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_COMMAND_H
