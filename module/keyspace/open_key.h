// A key and one subject in it, for the time of one command: opened once, read, changed and committed.
//
// The subject is the key itself, or one of those in the key's table; commands need not know which.
#ifndef RATELIMIT_MODULE_KEYSPACE_OPEN_KEY_H
#define RATELIMIT_MODULE_KEYSPACE_OPEN_KEY_H

#include <array>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "commands/call.h"
#include "commands/errors.h"
#include "keyspace/effect.h"
#include "keyspace/module.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/states.h"
#include "ratelimit/verdict.h"
#include "server/api.h"
#include "storage/compact_value.h"
#include "storage/subject.h"
#include "storage/subject_table.h"
#include "storage/value.h"

namespace ratelimit {

class OpenKey {
 public:
  /// Opens a key. `name_of_subject` is what stands after FOR; the key itself if it is empty.
  OpenKey(server::Context context, server::Text key, server::Key::Access access, std::string_view name_of_subject = {});
  /// Opens a key for the effect of a call; the subject is known by its hash, or is the key itself.
  OpenKey(server::Context context, server::Text key, std::optional<SubjectHash> subject);
  OpenKey(const OpenKey&) = delete;
  OpenKey& operator=(const OpenKey&) = delete;
  ~OpenKey() = default;

  /// That the key holds something else, if it does. Then nothing below may be called.
  [[nodiscard]] std::optional<Fault> fault() const;

  /// Whether the key is there. A key that the server ended too early still is.
  [[nodiscard]] bool exists() const { return value_ != nullptr || compact_ != nullptr; }
  /// What it holds, whatever the form.
  [[nodiscard]] AsValue value() const { return {stored(), module().limits}; }
  /// Bytes that it takes in memory.
  [[nodiscard]] std::size_t memory() const;
  /// What it is besides one subject; null if nothing.
  [[nodiscard]] SubjectTable* subject_table() const { return value_ != nullptr ? subject_table_of(*value_) : nullptr; }
  /// The limits that are stored in the key; null if none are.
  [[nodiscard]] SharedLimits stored_limits() const;
  [[nodiscard]] bool is_stored() const { return subject_table() != nullptr && subject_table()->is_stored(); }
  [[nodiscard]] bool is_shadow() const { return subject_table() != nullptr && subject_table()->is_shadow(); }

  /// Finds the limits that a call goes by which names `specs`, or names none. Null: those that the subject has.
  [[nodiscard]] std::optional<Fault> find_limits(std::span<const LimitSpec> specs, SharedLimits& limits) const;

  /// What the module redis-cell left in the key, which is a string; none if the key holds anything else.
  [[nodiscard]] std::optional<TokenBucket::State> state_of_redis_cell() const;
  /// Lets the subject, which is the key itself, go on from that under `limits`, a single bucket. The key stays as it is until
  /// something is granted or done.
  void adopt(const TokenBucket::State& state, SharedLimits limits);

  /// None if it was never seen. Void after whatever changes it below.
  [[nodiscard]] const std::optional<Subject>& subject() const { return subject_; }

  /// Gives back what holds took that have ended: in the key, if it was opened to be written, and otherwise in a copy that
  /// stands for the subject from now on.
  void collect(Instant now);

  /// What a call would be told under these limits or, if they are null, those of the subject. Changes nothing.
  [[nodiscard]] Verdict peek(const SharedLimits& limits, const Request& call, Instant now) const;

  /// Lets the subject follow these limits from now on, keeping what is used. The key stays as it is until something is
  /// granted or done.
  void follow(const SharedLimits& limits, Instant now);

  /// Counts a call, for INFO and for who is denied most.
  void count_call(Outcome outcome);

  /// Decides a call under the limits that the subject follows, and carries it out if it is granted; a denial does what
  /// `clamp_and_store` does. A lease that is granted without an id gets one. What the verdict borrows, lives as long as this.
  Verdict charge(const Request& call, Instant now);

  /// Does an operation on the subject, and publishes it. A key that is one subject, and idle then, is removed. Returns what
  /// Account::perform does.
  bool perform(const Operation& operation);

  /// Stores limits that have changed, and brings back to `now` what is of a clock that was ahead or of a larger limit. A
  /// denial does no more than that: without it, the wait that it tells would not come true.
  void clamp_and_store(Instant now);

  /// Stores limits in the key: everyone in it goes over to them.
  void define(const SharedLimits& limits, bool is_shadow, Instant now);

  /// Forgets who is idle among those in the range, if `may_forget`, and puts the table in order.
  void sweep(const HashRange& range, bool may_forget, Instant now);
  /// Removes a key that nobody needs: no limits are stored, nobody is in its table, and the key itself is idle.
  void remove_if_idle(Instant now);

  /// Do on this server what was done on another one, as its message says. False if the message makes no sense.
  [[nodiscard]] bool store(std::string_view encoded, std::chrono::milliseconds expiry);
  [[nodiscard]] bool apply(std::string_view changes, std::chrono::milliseconds expiry);
  [[nodiscard]] bool perform_encoded(std::string_view operation, std::chrono::milliseconds expiry);
  [[nodiscard]] bool define_encoded(std::string_view definition, std::chrono::milliseconds expiry);
  [[nodiscard]] bool sweep_encoded(std::string_view sweep, std::chrono::milliseconds expiry);
  [[nodiscard]] bool load_chunk(std::string_view chunk, std::chrono::milliseconds expiry);

 private:
  /// Carries out a granted verdict on the subject, and publishes it.
  void commit(const Verdict& verdict, Instant now);

  /// How a change is told to others: the whole subject, what a grant changed, or what was done. And when the key was idle
  /// before, if the server ends it accordingly.
  struct Effect {
    const Verdict* changes = nullptr;
    const Operation* operation = nullptr;
    std::optional<Instant> idle_before{};
  };

  /// Goes on from the state of a key that is absent only because the server ended it too early.
  void restore();
  /// Finds what the key holds: `stored`, or nothing.
  void find_value(void* stored);
  /// Finds the subject in it.
  void find_subject();
  [[nodiscard]] const void* stored() const { return compact_ != nullptr ? static_cast<const void*>(compact_) : value_; }
  [[nodiscard]] bool is_key_itself() const { return !hash_ && name_of_subject_.empty(); }

  /// Puts a value into the key, in place of the one it has. It takes over the subject table; a key that has one keeps the time to
  /// live that somebody may have given it.
  void put(Value::Pointer value);
  void put_stored(void* stored);
  /// Lets a value that takes the place of what the key holds count on from there.
  void hand_on_counters(Value& value) const;
  /// Makes a value of what is in the small form, for what only a value can do.
  void promote();
  /// Puts the subject's state into the small form, if the key has that, or makes a value of it if it does not fit.
  void write_back();
  /// Makes the key one that holds more than itself, with these limits if it is new.
  void make_subject_table(const SubjectTableHead& head, const SharedLimits& limits);
  /// Puts the subject as it is by now where it belongs, if it is not there yet.
  void store_subject(Instant now);
  void store_subject_in_table(Instant now);
  bool perform_on_subject(const Operation& operation);
  void define_as_of(const SharedLimits& limits, const SubjectTableHead& head, Instant at);

  /// Lets the rest of the world know of a change: the key's time to live, the replicas and the append-only file, and those
  /// who watch the key.
  void publish(Instant idle_at, Instant now, const Effect& effect);
  /// When the server may end a key that is idle at `idle_at`.
  [[nodiscard]] static std::chrono::milliseconds end_of(const Limits& limits, Instant idle_at, Instant now);
  /// Tells the key itself as it is; or an effect on the subject.
  void tell_key(std::chrono::milliseconds expiry) const;
  void tell(EffectKind kind, std::chrono::milliseconds expiry, std::string_view payload) const;
  void replicate(std::chrono::milliseconds expiry, const Effect& effect) const;
  void set_expiry(std::chrono::milliseconds expiry);
  void remove();

  server::Context context_;
  server::Text name_;
  server::Key::Access access_;
  server::Key key_;
  Value* value_ = nullptr;           ///< what the key holds,
  CompactValue* compact_ = nullptr;  ///< or else that; then the subject is a view of `loose_`
  std::string_view name_of_subject_;
  std::optional<SubjectHash> hash_;  ///< once there is a table with a secret
  std::optional<Subject> subject_;

  Value::Pointer restored_;  ///< what `value_` points to, if the server ended the key and it is only read
  Value::Pointer own_;       ///< what `subject_` is a view of, if that is not what the keyspace has
  SharedLimits limits_of_idle_;
  std::array<Cell, kMaxLimits> loose_;  ///< or else that, if the subject is new in a table, or in the small form
  std::string id_;                      ///< of a lease that was granted without one
  bool is_new_ = false;                 ///< nobody else has heard of it as it is
  bool is_changed_ = false;             ///< it follows other limits than those it was opened with
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_OPEN_KEY_H
