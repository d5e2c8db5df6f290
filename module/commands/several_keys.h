// SPDX-License-Identifier: MIT
// A call of several keys: what each key says, which of them the caller is told of, and the reply for all. A call that is
// all or nothing goes through `decide_and_take`.
//
// Limiters on trial decide and are counted like the others. But the caller is told of those in force only, unless he asks
// what each key says.
#ifndef RATELIMIT_MODULE_COMMANDS_SEVERAL_KEYS_H
#define RATELIMIT_MODULE_COMMANDS_SEVERAL_KEYS_H

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "commands/call.h"
#include "commands/requests.h"
#include "keyspace/key_session.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"
#include "server/api.h"

namespace ratelimit {

/// One key of the call, and what its limits say.
struct KeyEntry {
  server::Text key;
  std::string_view subject;
  std::span<const LimitSpec> specs{};  ///< one or none
  Request asked{};
  SharedLimits limits{};  ///< null if none apply
  Verdict verdict{};
  std::optional<std::string_view> note{};  ///< what the key says besides, where it is told alone
  Units granted_on_trial{};                ///< what is granted by limits on trial, whatever they decide
  bool is_on_trial = false;                ///< so that it does not count
  Span blocked_for{};                      ///< then the block counts, unless the call is forced
  bool has_ended_holds = false;            ///< which are to be given back before the limits are asked

  [[nodiscard]] bool refuses() const { return verdict.decision.outcome != Outcome::granted; }
  /// Takes what the session of this key knows of it; the limits that apply must be found.
  void note_session(const KeySession& session);
  /// As if its limits, which are on trial, had never been used. A block shows.
  void show_unused();
};

/// The entries of a call that begins with its keys. `asked` is what each is asked, but for costs of their own.
[[nodiscard]] std::vector<KeyEntry> entries_of(const Call& call, const KeysRequest& request);

/// What a command does with one key of a call that is all or nothing.
class KeyAction {
 public:
  KeyAction() = default;
  KeyAction(const KeyAction&) = delete;
  KeyAction& operator=(const KeyAction&) = delete;
  virtual ~KeyAction() = default;

  /// A first look at a key, which is only read, after its limits were found. With a fault nothing has changed anywhere.
  virtual std::optional<Fault> look(const KeySession& session, KeyEntry& entry) = 0;
  /// What the limits say. Changes nothing.
  virtual Verdict ask(KeySession& session, KeyEntry& entry) = 0;
  /// Whether anything is taken if the call is granted.
  [[nodiscard]] virtual bool takes(const KeyEntry& entry) const = 0;
  /// Takes it, without counting the call.
  virtual void take(KeySession& session, KeyEntry& entry) = 0;
};

/// First everything is decided, and nothing is charged. Then, if all keys in force grant the call, each key is opened once
/// more and charged, at the same instant: so each says once more what it has said. No subject is named twice (requests.h),
/// so no charge changes what another key has said. Otherwise no key is charged, and each that denies the call does what a
/// denial does. With a fault nothing has changed.
[[nodiscard]] std::optional<Fault> decide_and_take(const Call& call, std::span<KeyEntry> entries, KeyAction& action);

/// Whether all keys in force grant the call.
[[nodiscard]] bool are_granted(std::span<const KeyEntry> entries);

/// The entries that the caller is told of: those in force where limits apply. If all are on trial, it is as if the first
/// stood alone. May be none.
[[nodiscard]] std::vector<KeyEntry*> entries_told(std::span<KeyEntry> entries);

/// What a reply for several keys has besides the five integers and the label of the limit that binds.
struct KeysReply {
  std::optional<std::string_view> note{};  ///< what comes next, an id for example; null if it is empty
  bool each = false;                       ///< whether what each key says comes next
  bool headers = false;                    ///< whether the fields of an HTTP response come last
  Span jitter{};                           ///< by how much the waits of denials may be made longer at random
};

/// Replies by the entry that binds among those that are told; null if there are none.
void reply_for(const Call& call, std::span<KeyEntry> entries, const KeysReply& form);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_SEVERAL_KEYS_H
