// A key and its value, for the time of one command: opened once, read, changed and committed.
#ifndef RATELIMIT_MODULE_KEYSPACE_H
#define RATELIMIT_MODULE_KEYSPACE_H

#include <chrono>
#include <optional>
#include <string_view>

#include "call.h"
#include "errors.h"
#include "ratelimit/limits.h"
#include "server/api.h"
#include "value.h"

namespace ratelimit {

class OpenKey {
 public:
  /// Opens the key of the call.
  OpenKey(const Call& call, server::Key::Access access);

  /// That the key holds something else, if it does. Then nothing below may be called.
  [[nodiscard]] std::optional<Fault> fault() const;

  /// What the key holds; null if it is absent. A key that the server ended too early still holds what it held.
  [[nodiscard]] Value* value() const { return value_; }

  /// Puts a value into the key, in place of the one it has.
  void put(Value::Pointer value);

  /// Carries out a granted verdict on the value, and publishes it.
  void commit(const Verdict& verdict, Instant now);

  /// Brings states back to `now` that are of a clock that was ahead or of a larger limit, and publishes the value.
  /// Only a denial does this, which writes nothing else: without it, the wait that it tells would not come true.
  void clamp(Instant now);

  /// Does on this server what `commit` did on another one, as its message says. False if the message makes no sense.
  [[nodiscard]] bool store(std::string_view encoded, std::chrono::milliseconds expiry);
  [[nodiscard]] bool apply(std::string_view changes, std::chrono::milliseconds expiry);

 private:
  /// Goes on from the state of a key that is absent only because the server ended it too early.
  void bring_back(server::Key::Access access);
  /// Lets the rest of the world know of a change: the key's time to live, the replicas and the append-only file (by
  /// what was changed, or by the whole value), and those who watch the key.
  void publish(Instant idle_at, Instant now, const Verdict* changes);
  void set_expiry(std::chrono::milliseconds expiry);

  server::Context context_;
  server::Text name_;
  server::Key key_;
  Value* value_;
  Value::Pointer brought_back_;  ///< for a key that is only read: the keyspace stays as it is
  bool is_new_value_ = false;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_H
