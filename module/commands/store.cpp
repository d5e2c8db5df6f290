// RL._STORE, RL._APPLY and RL._PERFORM: how the effect of a call reaches replicas and the append-only file. The primary has
// decided; here nothing is decided again.
#include <chrono>
#include <limits>
#include <optional>
#include <string_view>

#include "arguments.h"
#include "commands/commands.h"
#include "keyspace.h"

namespace ratelimit::commands {
namespace {

using Effect = bool (OpenKey::*)(std::string_view bytes, std::chrono::milliseconds expiry);

std::optional<Fault> carry_out(const Call& call, Effect effect) {
  if (!call.context().is_replayed()) return Fault{Fault::Kind::internal_only};
  Arguments arguments(call.words());
  arguments.text(Argument::key);
  const std::chrono::milliseconds expiry{arguments.integer(Argument::expiry, std::numeric_limits<std::int64_t>::max())};
  const std::string_view bytes = arguments.text(Argument::payload);
  if (!arguments.at_end()) arguments.fail({Fault::Kind::too_many_arguments});
  if (arguments.fault()) return arguments.fault();

  OpenKey key(call, server::Key::Access::write);
  if (const auto fault = key.fault()) return fault;
  if (!(key.*effect)(bytes, expiry)) return Fault{Fault::Kind::malformed, Argument::payload};
  // A replica has an append-only file of its own, and counts changes until it saves: the server does neither for
  // commands of modules. It does see to it that the call goes to no other replica twice.
  call.context().replicate_call();
  call.context().reply_ok();
  return std::nullopt;
}

}  // namespace

std::optional<Fault> store(const Call& call) { return carry_out(call, &OpenKey::store); }
std::optional<Fault> apply(const Call& call) { return carry_out(call, &OpenKey::apply); }
std::optional<Fault> perform(const Call& call) { return carry_out(call, &OpenKey::perform_encoded); }

}  // namespace ratelimit::commands
