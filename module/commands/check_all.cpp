// SPDX-License-Identifier: MIT
// RL.CHECKALL: decides a call under the limits of several keys: all are charged, or none is.
//
// A key that costs 0 is only looked at: nothing is charged there.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/commands.h"
#include "commands/requests.h"
#include "commands/several_keys.h"
#include "keyspace/key_session.h"
#include "ratelimit/request.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"

namespace ratelimit::commands {
namespace {

class Check final : public KeyAction {
 public:
  /// A call takes one lease in all keys, and none in keys that it only looks at.
  std::optional<Fault> look(const KeySession&, KeyEntry& entry) override {
    if (entry.limits->have_leases()) {
      have_leases_ = true;
      if (id_.empty() && takes(entry)) id_ = server::random_id();
    }
    entry.asked.id = id_;
    return std::nullopt;
  }
  Verdict ask(KeySession& session, KeyEntry& entry) override {
    if (!is_never(session.limits(), entry.asked)) session.clamp_if_blocked();
    return session.peek(entry.asked);
  }
  [[nodiscard]] bool takes(const KeyEntry& entry) const override { return entry.asked.cost > kNoUnits; }
  void take(KeySession& session, KeyEntry& entry) override { session.charge(entry.asked); }

  /// What the reply says of the lease.
  [[nodiscard]] std::optional<std::string_view> note(bool is_granted) const {
    if (!have_leases_) return std::nullopt;
    return is_granted ? std::string_view(id_) : std::string_view{};
  }

 private:
  bool have_leases_ = false;
  std::string id_;  ///< of the lease; none if no key is to give one
};

}  // namespace

std::optional<Fault> check_all(const Call& call) {
  KeysRequest request;
  if (const auto fault = parse_check_all(call.words(), request)) return fault;
  std::vector<KeyEntry> entries = entries_of(call, request);
  Check check;
  if (const auto fault = decide_and_take(call, entries, check)) return fault;
  reply_for(call, entries,
            {.note = check.note(are_granted(entries)),
             .each = request.each,
             .headers = request.headers,
             .jitter = request.jitter});
  return std::nullopt;
}

}  // namespace ratelimit::commands
