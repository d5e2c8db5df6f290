// A key and its value, for the time of one command: opened once, read, changed and committed.
#ifndef RATELIMIT_MODULE_KEYSPACE_H
#define RATELIMIT_MODULE_KEYSPACE_H

#include <chrono>
#include <optional>
#include <string_view>

#include "call.h"
#include "errors.h"
#include "ratelimit/operations.h"
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

  /// Gives back what holds took that have ended: in the key, if it was opened to be written, and otherwise in a copy that
  /// stands for it from now on.
  void collect(Instant now);

  /// Lets the key follow these limits from now on, keeping what is used. It stays as it is until something is granted or
  /// done.
  void follow(const SharedLimits& limits, Instant now);

  /// Carries out a granted verdict on the value, and publishes it.
  void commit(const Verdict& verdict, Instant now);

  /// Does an operation on the value, and publishes it. A key that is idle then is removed, and its value null. Returns
  /// what Account::perform does.
  bool perform(const Operation& operation);

  /// Stores limits that have changed, and brings back to `now` what is of a clock that was ahead or of a larger limit. A
  /// denial does no more than that: without it, the wait that it tells would not come true.
  void bring_to(Instant now);

  /// Does on this server what `commit` did on another one, as its message says. False if the message makes no sense.
  [[nodiscard]] bool store(std::string_view encoded, std::chrono::milliseconds expiry);
  [[nodiscard]] bool apply(std::string_view changes, std::chrono::milliseconds expiry);
  [[nodiscard]] bool perform_encoded(std::string_view operation, std::chrono::milliseconds expiry);

 private:
  /// How a change is told to others: the whole value, what a grant changed, or what was done.
  struct Effect {
    const Verdict* changes = nullptr;
    const Operation* operation = nullptr;
  };

  /// Goes on from the state of a key that is absent only because the server ended it too early.
  void bring_back();
  /// Puts a value into the key, in place of the one it has.
  void put(Value::Pointer value);
  /// Puts the value that follows other limits into the key, if there is one.
  void settle_on_limits();
  bool perform_on_value(const Operation& operation);
  /// Lets the rest of the world know of a change: the key's time to live, the replicas and the append-only file, and those
  /// who watch the key.
  void publish(Instant idle_at, Instant now, const Effect& effect);
  void replicate(std::chrono::milliseconds expiry, const Effect& effect) const;
  void set_expiry(std::chrono::milliseconds expiry);
  void remove();

  server::Context context_;
  server::Text name_;
  server::Key::Access access_;
  server::Key key_;
  Value* value_;
  Value::Pointer own_;  ///< what `value_` points to, if that is not what the keyspace has
  bool is_new_value_ = false;
  bool is_changed_ = false;  ///< it follows other limits than those it was opened with
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_H
