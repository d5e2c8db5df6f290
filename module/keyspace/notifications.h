// SPDX-License-Identifier: MIT
// Events that clients may subscribe to: keyspace notifications of the server, of the class that it has for modules.
//
// Which events are sent is a setting; none by default. How many is bounded, for each key with a subject table by itself,
// and for all other keys together. docs/events.md is for those who listen.
#ifndef RATELIMIT_MODULE_KEYSPACE_NOTIFICATIONS_H
#define RATELIMIT_MODULE_KEYSPACE_NOTIFICATIONS_H

#include <cstdint>

#include "keyspace/call_context.h"
#include "keyspace/settings.h"
#include "server/api.h"
#include "storage/subject_table.h"

namespace ratelimit {

enum class Event : std::uint8_t {
  denied,   ///< a call was denied
  near,     ///< a call was granted, and left a limit nearly used up
  limits,   ///< limits were stored or changed, for all in the key or as an exception
  blocked,  ///< a subject was blocked
  reset,    ///< a subject was forgotten
};

/// The setting from which on an event is sent.
[[nodiscard]] constexpr Notify least_setting(Event event) {
  switch (event) {
    case Event::denied: return Notify::denied;
    case Event::near: return Notify::near;
    case Event::limits:
    case Event::blocked:
    case Event::reset: return Notify::all;
  }
  return Notify::all;
}

/// The events of one call on one key, each once at most. They are sent when this object ends, so it is to outlive the open
/// key: whoever hears of an event finds the key changed and closed. By then the reply of a list is complete, too: older
/// servers would put a message to the caller himself into the middle of it.
class Notifications {
 public:
  /// The call outlives this.
  Notifications(const CallContext& call, server::Text key) : call_(call), key_(key) {}
  Notifications(const Notifications&) = delete;
  Notifications& operator=(const Notifications&) = delete;
  ~Notifications() {
    if (noted_ != 0) [[unlikely]]
      send();
  }

  /// An event has happened in the key, which has that table now; null if it has none. Only a comparison if such events are
  /// not sent.
  void note(Event event, SubjectTable* table) {
    if (least_setting(event) <= call_.module.settings.notify) [[unlikely]]
      note_wanted(event, table);
  }

 private:
  void note_wanted(Event event, SubjectTable* table);
  void send() const;

  const CallContext& call_;
  server::Text key_;
  std::uint8_t noted_ = 0;  ///< a bit for each event
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_NOTIFICATIONS_H
