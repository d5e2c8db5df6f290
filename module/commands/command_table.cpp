// SPDX-License-Identifier: MIT
#include "commands/command_table.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "commands/argument_docs.h"
#include "commands/commands.h"
#include "commands/forms.h"
#include "ratelimit/grammar/arguments.h"
#include "ratelimit/grammar/error_text.h"
#include "ratelimit/grammar/grammar.h"
#include "server/acl.h"

namespace ratelimit {
namespace {

using server::ArgumentDoc;
using server::KeyUse;
using Type = ArgumentDoc::Type;
using Audience = Command::Audience;

// RL.DEBUG has no key and no options of other commands: its handler reads these words.
constexpr std::array kClockSet{ArgumentDoc{.name = "unix-ns", .type = Type::integer, .token = "SET"}};
constexpr std::array kClockActions{kClockSet[0], ArgumentDoc{.name = "ns", .type = Type::integer, .token = "ADVANCE"},
                                   ArgumentDoc{.name = "resume", .type = Type::token, .token = "RESUME"}};
constexpr std::array kDebug{ArgumentDoc{.name = "clock", .type = Type::token, .token = "CLOCK"},
                            ArgumentDoc{.name = "action", .type = Type::one_of, .parts = kClockActions}};

constexpr const char* kConstantTime = "O(1)";
constexpr const char* kLogTime =
    "O(N log M), with N the number of limits (at most 8) and M the number of entries of a SLIDING limit";
constexpr const char* kLogTimeWithHolds =
    "O(N log M), with N the number of limits (at most 8) and M the number of entries of a SLIDING limit, or of holds";
constexpr const char* kLogTimeOfKeysWithHolds =
    "O(K * N log M), with K the number of keys (at most 64), N and M as of RL.RESERVE";
constexpr const char* kWriteFlags = "write deny-oom fast";
// What gives back must work when memory is short, too.
constexpr const char* kGiveBackFlags = "write fast";
constexpr const char* kReadFlags = "readonly fast";
constexpr const char* kSlowReadFlags = "readonly";
// What the primary has decided is never refused, not for want of memory either.
constexpr const char* kEffectFlags = "write fast";

constexpr std::array kChecks{
    Command{
        .name = "RL.CHECK",
        .handler = commands::check,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = arguments_of<forms::kCheck>(),
        .complexity = kLogTime,
        .since = "0.1.0",
        .summary = "Decides a call under one or more limits: all are charged, or none is",
    },
    Command{
        .name = "RL.CHECKALL",
        .handler = commands::check_all,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update_many,
        .arguments = arguments_of<forms::kCheckAll>(),
        .complexity = "O(K * N log M), with K the number of keys (at most 64), N that of limits, M as of RL.CHECK",
        .since = "0.1.0",
        .summary = "Decides a call under the limits of several keys: all are charged, or none is",
    },
    Command{
        .name = "RL.CHECKEACH",
        .handler = commands::check_each,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = arguments_of<forms::kCheckEach>(),
        .complexity = "O(K * N log M), with K the number of subjects (at most 1,024), N and M as of RL.CHECK",
        .since = "0.1.0",
        .summary = "Decides a call of each of many subjects, every one on its own",
    },
    Command{
        .name = "RL.DEFINE",
        .handler = commands::define,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = arguments_of<forms::kDefine>(),
        .complexity = "O(N) with N the number of limits; who is in the key follows step by step",
        .since = "0.1.0",
        .summary = "Stores limits in a key, or changes them, for everyone in it or for one subject",
        .words_of_options = 2,
    },
};

/// The name of the command that is named after an algorithm.
constexpr auto kShorthandNames = [] {
  std::array<std::array<char, 16>, kAlgorithms.size()> names{};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string_view prefix = "RL.";
    const std::string_view name = keyword(kAlgorithms[i].algorithm);
    std::copy(name.begin(), name.end(), std::copy(prefix.begin(), prefix.end(), names[i].begin()));
  }
  return names;
}();

template <std::size_t I>
constexpr Command shorthand() {
  constexpr Algorithm kAlgorithm = kAlgorithms[I].algorithm;
  return {.name = kShorthandNames[I].data(),
          .handler = [](const Call& call) { return commands::check_one_limit(call, kAlgorithm); },
          .flags = kWriteFlags,
          .audience = Audience::users,
          .key = KeyUse::update,
          .arguments = arguments_of<forms::kShorthand<kAlgorithm>>(),
          .complexity = kAlgorithms[I].complexity,
          .since = "0.1.0",
          .summary = kAlgorithms[I].summary};
}
constexpr auto kShorthands = []<std::size_t... I>(std::index_sequence<I...>) { return std::array{shorthand<I>()...}; }
(std::make_index_sequence<kAlgorithms.size()>{});

constexpr std::array kOthers{
    Command{
        .name = "RL.PEEK",
        .handler = commands::peek,
        .flags = kReadFlags,
        .audience = Audience::users,
        .key = KeyUse::read,
        .arguments = arguments_of<forms::kPeek>(),
        .complexity = kLogTime,
        .since = "0.1.0",
        .summary = "Tells whether RL.CHECK would grant a call, and what is left now, taking nothing",
    },
    Command{
        .name = "RL.REFUND",
        .handler = commands::refund,
        .flags = kGiveBackFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = arguments_of<forms::kRefund>(),
        .complexity = kLogTime,
        .since = "0.1.0",
        .summary = "Gives units back",
    },
    Command{
        .name = "RL.RESERVE",
        .handler = commands::reserve,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = arguments_of<forms::kReserve>(),
        .complexity = kLogTimeWithHolds,
        .since = "0.1.0",
        .summary = "Charges an estimate, and holds it until the actual cost is known",
    },
    Command{
        .name = "RL.SETTLE",
        .handler = commands::settle,
        .flags = kGiveBackFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = arguments_of<forms::kSettle>(),
        .complexity = kLogTimeWithHolds,
        .since = "0.1.0",
        .summary = "Ends a hold, and charges the actual cost instead of the estimate",
    },
    Command{
        .name = "RL.RESERVEALL",
        .handler = commands::reserve_all,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update_many,
        .arguments = arguments_of<forms::kReserveAll>(),
        .complexity = kLogTimeOfKeysWithHolds,
        .since = "0.1.0",
        .summary = "Charges an estimate to several keys, and holds it under one id: all are charged, or none is",
    },
    Command{
        .name = "RL.SETTLEALL",
        .handler = commands::settle_all,
        .flags = kGiveBackFlags,
        .audience = Audience::users,
        .key = KeyUse::update_many,
        .arguments = arguments_of<forms::kSettleAll>(),
        .complexity = kLogTimeOfKeysWithHolds,
        .since = "0.1.0",
        .summary = "Ends a hold in several keys, and charges the actual cost instead of the estimate",
    },
    Command{
        .name = "RL.RELEASE",
        .handler = commands::release,
        .flags = kGiveBackFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = arguments_of<forms::kRelease>(),
        .complexity = "O(log M), with M the number of leases",
        .since = "0.1.0",
        .summary = "Ends a lease of CONCURRENT",
    },
    Command{
        .name = "RL.BLOCK",
        .handler = commands::block,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = arguments_of<forms::kBlock>(),
        .complexity = kConstantTime,
        .since = "0.1.0",
        .summary = "Denies all calls of a subject for a time, whatever is left",
    },
    Command{
        .name = "RL.RESET",
        .handler = commands::reset,
        .flags = kGiveBackFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = arguments_of<forms::kReset>(),
        .complexity = "O(M), with M the number of entries, leases and holds that the subject has",
        .since = "0.1.0",
        .summary = "Forgets one subject: what it used, holds, waits for and is blocked for",
    },
    Command{
        .name = "RL.TRANSFER",
        .handler = commands::transfer,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update_two,
        .arguments = arguments_of<forms::kTransfer>(),
        .complexity = "O(M), with M the number of entries, leases and holds that the subject has",
        .since = "0.1.0",
        .summary = "Lets a subject go over to another key, where what it used counts from then on",
    },
    Command{
        .name = "RL.TOP",
        .handler = commands::top,
        .flags = kReadFlags,
        .audience = Audience::users,
        .key = KeyUse::read,
        .arguments = arguments_of<forms::kTop>(),
        .complexity = "O(N log N), with N the number of subjects that are counted: ratelimit.top-size, at most 1,024",
        .since = "0.1.0",
        .summary = "Names the subjects of a key that were denied most lately, or that were near a limit most often",
    },
    Command{
        .name = "RL.LOG",
        .handler = commands::log,
        .flags = kReadFlags,
        .audience = Audience::users,
        .key = KeyUse::read,
        .arguments = arguments_of<forms::kLog>(),
        .complexity = "O(N), with N the number of entries that are shown",
        .since = "0.1.0",
        .summary = "Shows who was denied lately in a key, by which limit, from when to when, and how often",
    },
    Command{
        .name = "RL.INFO",
        .handler = commands::info,
        .flags = kReadFlags,
        .audience = Audience::users,
        .key = KeyUse::read,
        .arguments = arguments_of<forms::kInfo>(),
        .complexity = kLogTime,
        .since = "0.1.0",
        .summary = "Shows the limits of a key, what is used of them, and its counters",
    },
    Command{
        .name = "RL.LIMITERS",
        .handler = commands::limiters,
        .flags = kSlowReadFlags,
        .audience = Audience::users,
        .key = KeyUse::none,
        .arguments = arguments_of<forms::kLimiters>(),
        .complexity =
            "O(1) for every call; O(N) for all calls that lead back to the cursor 0, with N the number of keys",
        .since = "0.1.0",
        .summary = "Names keys of this database that store limits, step by step as SCAN does",
    },
    Command{
        .name = "CL.THROTTLE",
        .handler = commands::throttle,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = arguments_of<forms::kThrottle>(),
        .complexity = kConstantTime,
        .since = "0.1.0",
        .summary = "Decides a call as the module redis-cell does",
        .yields = true,
    },
    Command{
        .name = "RL._EFFECT",
        .handler = commands::effect,
        .flags = kEffectFlags,
        .audience = Audience::servers,
        .key = KeyUse::update,
        .arguments = arguments_of<forms::kEffect>(),
        .complexity = "O(N), with N the size of the payload or, for SWEEP, the number of subjects in its range",
        .since = "0.1.0",
        .summary = "Carries the effect of a change to replicas and append-only files; refused from clients",
    },
    Command{
        .name = "RL.DEBUG",
        .handler = commands::debug,
        .flags = "admin fast",
        .audience = Audience::debuggers,
        .key = KeyUse::none,
        .arguments = kDebug,
        .complexity = kConstantTime,
        .since = "0.1.0",
        .summary = "Moves the clock of the module by hand, for tests",
    },
};

/// All commands, in the order of the documents.
constexpr auto kCommands = [] {
  std::array<Command, kChecks.size() + kShorthands.size() + kOthers.size()> all{};
  auto* end = std::copy(kChecks.begin(), kChecks.end(), all.begin());
  end = std::copy(kShorthands.begin(), kShorthands.end(), end);
  std::copy(kOthers.begin(), kOthers.end(), end);
  return all;
}();

/// Tells the keys of a call of a command whose first argument is their number; none of a call that cannot be.
void tell_keys(const Call& call) {
  Arguments arguments(call.words());
  const std::size_t first = 2;
  const std::size_t end = first + static_cast<std::size_t>(arguments.integer(Argument::number_of_keys));
  if (arguments.fault() || end > call.words().size()) return;
  for (std::size_t i = first; i < end; ++i) call.server().tell_key(i);
}

/// What the server calls for command I: errors become replies here, and nowhere else. Nothing throws; noexcept makes
/// sure of it.
template <std::size_t I>
int entry(RedisModuleCtx* context, RedisModuleString** words, int count) noexcept {
  const Call call(context, module(), {words, static_cast<std::size_t>(count)});
  if constexpr (kCommands[I].key == KeyUse::update_many) {
    if (call.server().asks_for_keys()) return tell_keys(call), 0;
  }
  Counters::OfCommand& counted = call.module().counters.commands[I];
  ++counted.calls;
  const std::optional<Fault> fault =
      call.is_too_long() ? Fault{Fault::Kind::too_many_arguments} : kCommands[I].handler(call);
  if (fault) {
    ++counted.errors;
    call.server().reply_error(message(*fault));
  }
  return 0;
}

template <std::size_t... I>
constexpr std::array<server::CommandFunction, sizeof...(I)> entries(std::index_sequence<I...>) {
  return {entry<I>...};
}
static_assert(kCommands.size() <= Counters::kMostCommands);
constexpr auto kEntries = entries(std::make_index_sequence<kCommands.size()>{});

// The category of all commands that users may call.
constexpr const char* kOwnCategory = "ratelimit";

/// The categories of access control lists that a command is in: those that its flags say, and that of the module, if the
/// server has it. Nobody is let in to commands for servers by a category.
std::string categories_of(const Command& command, bool has_own) {
  if (command.audience == Audience::servers) return {};
  const std::string_view flags = command.flags;
  const auto has = [flags](std::string_view flag) { return flags.find(flag) != std::string_view::npos; };
  std::string categories(has("fast") ? "fast" : "slow");
  if (has("write")) categories += " write";
  if (has("readonly")) categories += " read";
  if (has("admin")) categories += " admin dangerous";
  return has_own && command.audience == Audience::users ? categories + ' ' + kOwnCategory : categories;
}

/// Whether the module can do without a command that the server did not accept. Says so in the server's log.
bool can_do_without(server::Context context, const Command& command, server::Registration registration) {
  if (registration != server::Registration::name_taken || !command.yields) return false;
  const std::string text = std::string(command.name) + " is a command of another module: this one loads without it";
  context.log_warning(text.c_str());
  return true;
}

}  // namespace

std::span<const Command> command_table() { return kCommands; }

int arity_of(const Command& command) { return -(1 + docs::least_words(command.arguments) + command.words_of_options); }

bool register_commands(server::Context context, bool debug) {
  const bool has_own_category = server::add_acl_category(context, kOwnCategory);
  for (std::size_t i = 0; i < kCommands.size(); ++i) {
    const Command& command = kCommands[i];
    if (command.audience == Audience::debuggers && !debug) continue;
    if (command.yields && !module().settings.has_cl_throttle) continue;
    const std::string categories = categories_of(command, has_own_category);
    const server::Registration registration = server::register_command(context, {.name = command.name,
                                                                                 .function = kEntries[i],
                                                                                 .flags = command.flags,
                                                                                 .arity = arity_of(command),
                                                                                 .categories = categories.c_str(),
                                                                                 .key = command.key,
                                                                                 .summary = command.summary,
                                                                                 .complexity = command.complexity,
                                                                                 .since = command.since,
                                                                                 .arguments = command.arguments});
    if (registration != server::Registration::done && !can_do_without(context, command, registration)) return false;
  }
  return true;
}

}  // namespace ratelimit
