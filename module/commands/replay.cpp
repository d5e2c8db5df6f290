// RL._STORE, RL._APPLY, RL._PERFORM, RL._DEFINE, RL._SWEEP and RL._FILL: how the effect of a call, of the background sweep, or a key
// as it is reaches replicas and the append-only file. The primary has decided; here nothing is decided again.
#include <chrono>
#include <limits>
#include <optional>
#include <string_view>

#include "commands/arguments.h"
#include "commands/commands.h"
#include "keyspace/open_key.h"
#include "ratelimit/codec/bytes.h"

namespace ratelimit::commands {
namespace {

using Effect = bool (OpenKey::*)(std::string_view bytes, std::chrono::milliseconds expiry);

/// Whether an effect may be one on a subject in a table, whose hash comes last then.
enum class Scope : bool { key, subject };

std::optional<Fault> carry_out(const Call& call, Effect effect, Scope scope) {
  if (!call.context().is_replayed()) return Fault{Fault::Kind::internal_only};
  Arguments arguments(call.words());
  arguments.text(Argument::key);
  const std::chrono::milliseconds expiry{arguments.integer(Argument::expiry, std::numeric_limits<std::int64_t>::max())};
  const std::string_view bytes = arguments.text(Argument::payload);
  std::optional<SubjectHash> subject;
  if (scope == Scope::subject && !arguments.at_end()) {
    Reader hash(arguments.text(Argument::subject));
    const auto word = hash.fixed<std::uint64_t>();
    subject = SubjectHash::of(word);
    if (!hash.done() || subject->word() != word) arguments.fail({Fault::Kind::malformed, Argument::payload});
  }
  if (!arguments.at_end()) arguments.fail({Fault::Kind::too_many_arguments});
  if (arguments.fault()) return arguments.fault();

  OpenKey key(call.context(), call.key(), subject);
  const bool takes_over = effect == &OpenKey::store && !subject && key.state_of_redis_cell();
  if (const auto fault = key.fault(); fault && !takes_over) return fault;
  if (!(key.*effect)(bytes, expiry)) return Fault{Fault::Kind::malformed, Argument::payload};
  // A replica has an append-only file of its own, and counts changes until it saves: the server does neither for
  // commands of modules. It does see to it that the call goes to no other replica twice.
  call.context().replicate_call();
  call.context().reply_ok();
  return std::nullopt;
}

}  // namespace

std::optional<Fault> store(const Call& call) { return carry_out(call, &OpenKey::store, Scope::subject); }
std::optional<Fault> apply(const Call& call) { return carry_out(call, &OpenKey::apply, Scope::subject); }
std::optional<Fault> perform(const Call& call) { return carry_out(call, &OpenKey::perform_encoded, Scope::subject); }
std::optional<Fault> carry_definition(const Call& call) {
  return carry_out(call, &OpenKey::define_encoded, Scope::key);
}
std::optional<Fault> sweep(const Call& call) { return carry_out(call, &OpenKey::sweep_encoded, Scope::key); }
std::optional<Fault> fill(const Call& call) { return carry_out(call, &OpenKey::load_chunk, Scope::key); }

}  // namespace ratelimit::commands
