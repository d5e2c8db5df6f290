// SPDX-License-Identifier: MIT
// RL._EFFECT: how an effect reaches replicas and the append-only file. The primary has decided; here nothing is decided
// again.
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "commands/answer.h"
#include "commands/commands.h"
#include "keyspace/replay.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/effect_kind.h"
#include "ratelimit/grammar/arguments.h"

namespace ratelimit::commands {
namespace {

/// Reads a hash as it travels, if it is one that a table can have.
std::optional<SubjectHash> read_hash(std::string_view bytes) {
  Reader in(bytes);
  const auto word = in.fixed<std::uint64_t>();
  const SubjectHash hash = SubjectHash::of(word);
  return in.done() && hash.word() == word ? std::optional(hash) : std::nullopt;
}

std::optional<Fault> parse(const Call& call, Effect& effect) {
  Arguments arguments(call.words());
  arguments.text(Argument::key);
  const std::optional<EffectKind> kind = effect_kind_of(arguments.text(Argument::effect_kind));
  if (!kind) arguments.fail({Fault::Kind::malformed, Argument::effect_kind});
  effect.kind = kind.value_or(EffectKind{});
  effect.end = std::chrono::milliseconds{arguments.integer(Argument::expiry, std::numeric_limits<std::int64_t>::max())};
  effect.payload = arguments.text(Argument::payload);
  if (!arguments.at_end()) {
    effect.subject = read_hash(arguments.text(Argument::subject_hash));
    if (!effect.subject || !may_name_subject(effect.kind))
      arguments.fail({Fault::Kind::malformed, Argument::subject_hash});
  }
  if (!arguments.at_end()) arguments.fail({Fault::Kind::too_many_arguments});
  return arguments.fault();
}

}  // namespace

std::optional<Fault> effect(const Call& call) {
  if (!call.server().is_replayed()) return Fault{Fault::Kind::internal_only};
  Effect effect;
  if (const auto fault = parse(call, effect)) return fault;
  switch (replay(call.context(), call.key(), effect)) {
    case Replayed::wrong_type: return fault_of(KeyFault::wrong_type);
    case Replayed::malformed: return Fault{Fault::Kind::malformed, Argument::payload};
    case Replayed::done: break;
  }
  // A replica has an append-only file of its own, and counts changes until it saves: the server does neither for
  // commands of modules. It does see to it that the call goes to no other replica twice.
  call.server().replicate_call();
  call.server().reply_ok();
  return std::nullopt;
}

}  // namespace ratelimit::commands
