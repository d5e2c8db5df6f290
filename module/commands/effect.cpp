// RL._EFFECT: how an effect reaches replicas and the append-only file. The primary has decided; here nothing is decided
// again.
#include "keyspace/effect.h"

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "commands/arguments.h"
#include "commands/commands.h"
#include "keyspace/open_key.h"
#include "ratelimit/codec/bytes.h"

namespace ratelimit::commands {
namespace {

/// The words of the command.
struct Words {
  EffectKind kind{};
  std::chrono::milliseconds expiry{};
  std::string_view payload;
  std::optional<SubjectHash> subject;
};

/// Reads a hash as it travels, if it is one that a table can have.
std::optional<SubjectHash> read_hash(std::string_view bytes) {
  Reader in(bytes);
  const auto word = in.fixed<std::uint64_t>();
  const SubjectHash hash = SubjectHash::of(word);
  return in.done() && hash.word() == word ? std::optional(hash) : std::nullopt;
}

std::optional<Fault> parse(const Call& call, Words& words) {
  Arguments arguments(call.words());
  arguments.text(Argument::key);
  const std::optional<EffectKind> kind = effect_kind_of(arguments.text(Argument::effect_kind));
  if (!kind) arguments.fail({Fault::Kind::malformed, Argument::effect_kind});
  words.kind = kind.value_or(EffectKind{});
  words.expiry =
      std::chrono::milliseconds{arguments.integer(Argument::expiry, std::numeric_limits<std::int64_t>::max())};
  words.payload = arguments.text(Argument::payload);
  if (!arguments.at_end()) {
    words.subject = read_hash(arguments.text(Argument::subject_hash));
    if (!words.subject || !may_name_subject(words.kind))
      arguments.fail({Fault::Kind::malformed, Argument::subject_hash});
  }
  if (!arguments.at_end()) arguments.fail({Fault::Kind::too_many_arguments});
  return arguments.fault();
}

bool replay(OpenKey& key, const Words& words) {
  switch (words.kind) {
    case EffectKind::store: return key.store(words.payload, words.expiry);
    case EffectKind::apply: return key.apply(words.payload, words.expiry);
    case EffectKind::perform: return key.perform_encoded(words.payload, words.expiry);
    case EffectKind::define: return key.define_encoded(words.payload, words.expiry);
    case EffectKind::sweep: return key.sweep_encoded(words.payload, words.expiry);
    case EffectKind::fill: return key.load_chunk(words.payload, words.expiry);
  }
  return false;
}

}  // namespace

std::optional<Fault> effect(const Call& call) {
  if (!call.context().is_replayed()) return Fault{Fault::Kind::internal_only};
  Words words;
  if (const auto fault = parse(call, words)) return fault;
  OpenKey key(call.context(), call.key(), words.subject);
  const bool takes_over = words.kind == EffectKind::store && !words.subject && key.state_of_redis_cell();
  if (const auto fault = key.fault(); fault && !takes_over) return fault;
  if (!replay(key, words)) return Fault{Fault::Kind::malformed, Argument::payload};
  // A replica has an append-only file of its own, and counts changes until it saves: the server does neither for
  // commands of modules. It does see to it that the call goes to no other replica twice.
  call.context().replicate_call();
  call.context().reply_ok();
  return std::nullopt;
}

}  // namespace ratelimit::commands
