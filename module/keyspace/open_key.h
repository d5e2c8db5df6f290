// SPDX-License-Identifier: MIT
// A key, opened for one call: what it holds, and the subject in it that the call asks for.
//
// The subject is the key itself, or one of those in the key's table; the code above need not know which. A subject can be
// prepared: it stands for the subject of the call from then on, and only `store_subject` stores it in the key. Changes are
// made in memory here. Who must hear of a change of the subject learns it from key_session.h; here only what the call did
// not ask for is propagated: a key that is restored, a table that is made, subjects that are forgotten.
#ifndef RATELIMIT_MODULE_KEYSPACE_OPEN_KEY_H
#define RATELIMIT_MODULE_KEYSPACE_OPEN_KEY_H

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "keyspace/call_context.h"
#include "keyspace/propagation.h"
#include "ratelimit/algorithms/token_bucket.h"
#include "ratelimit/codec/effects.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/preview.h"
#include "ratelimit/states.h"
#include "server/api.h"
#include "storage/stored_value.h"
#include "storage/subject.h"
#include "storage/subject_table.h"
#include "storage/value.h"

namespace ratelimit {

class OpenKey {
 public:
  using Access = server::Key::Access;

  /// Opens a key. `subject_name` is what stands after FOR; the subject is the key itself if it is empty. A key that the
  /// server ended prematurely is restored first, unless the access is quiet.
  OpenKey(const CallContext& call, server::Text key, Access access, std::string_view subject_name = {});
  /// Opens a key for the replay of an effect; the subject is known by its hash, or is the key itself.
  OpenKey(const CallContext& call, server::Text key, std::optional<SubjectHash> subject);
  OpenKey(const OpenKey&) = delete;
  OpenKey& operator=(const OpenKey&) = delete;
  ~OpenKey() = default;

  // --- what the key holds ---

  /// Whether the key holds something that is not of this module. Then only `state_of_redis_cell` may be called.
  [[nodiscard]] bool is_of_other_type() const { return !stored_ && !key_.is_absent(); }
  [[nodiscard]] bool exists() const { return static_cast<bool>(stored_); }
  [[nodiscard]] const StoredValue& stored() const { return stored_; }
  /// What the module redis-cell left in the key, which is a string; none if the key holds anything else.
  [[nodiscard]] std::optional<TokenBucket::State> state_of_redis_cell() const;

  // --- the subject of the call ---

  /// None if it was never seen. Void after whatever changes it below.
  [[nodiscard]] const std::optional<Subject>& subject() const { return subject_; }
  [[nodiscard]] bool is_key_itself() const { return !hash_ && subject_name_.empty(); }
  [[nodiscard]] std::string_view subject_name() const { return subject_name_; }
  /// By what the table knows the subject; none if there is no table yet, or the subject is the key itself.
  [[nodiscard]] const std::optional<SubjectHash>& hash() const { return hash_; }
  /// Whether the place of the subject in the key is new: nobody else has heard of it as it is.
  [[nodiscard]] bool is_new() const { return is_new_; }

  // --- several subjects, one after the other ---

  /// By what the table knows these subjects; nothing if there is no table yet.
  [[nodiscard]] std::vector<SubjectHash> hashes_of(std::span<const std::string_view> names) const;
  /// Lets the processor fetch what is to be read of a subject in the table, to which the call will turn soon.
  [[gnu::always_inline]] void look_ahead(SubjectHash hash) const {
    stored_.subject_table()->hash_table().prefetch(hash);
  }
  /// From now on that is the subject of the call. `hash` is its hash, if that is known.
  void turn_to(std::string_view name, std::optional<SubjectHash> hash);

  // --- preparing the subject: the key stays as it is ---

  /// A subject that was never seen, under these limits.
  void prepare_idle(const SharedLimits& limits);
  /// What goes on instead of the subject.
  void prepare(Value::Pointer value);

  // --- for a key that is only read: from then on the subject is one that differs from what is in the key ---

  /// Some holds that have ended have given their units back, as many as one operation collects.
  void preview_collected();
  /// What is of a clock that ran ahead is brought to now, in these accounts.
  void preview_clamped(AccountSet of);

  // --- changes in memory ---

  /// Stores the subject as it was prepared. Nothing happens if it was not.
  void store_subject() {
    if (prepared_ || limits_of_idle_) store_prepared();
  }
  /// To be called after the subject's states were changed in place.
  void write_back();
  /// Does an operation on the subject, which is stored. Returns what Booking::perform does.
  bool perform(const Operation& operation);
  /// Removes the subject from the key's table, where it must be.
  void forget_subject();
  /// Makes the key one that has a table, with these limits for itself if it is new.
  void make_subject_table(const SubjectTableHead& head, const SharedLimits& limits);
  /// Lets the background sweep know of the key's table.
  void note_table() const;
  /// Stores limits in the key, as of an instant: all its subjects go over to them.
  void define(const SharedLimits& limits, const Definition& definition);
  /// Gives the subject, which a table knows by its hash, limits of its own as of an instant; null: it goes back to those
  /// that the key stores. It keeps what it has used, as all do if the key's limits change.
  void except(const SharedLimits& limits, const Exception& exception);
  /// Forgets who is idle in that range of the table, if `may_forget`, and compacts it.
  void sweep(const HashRange& range, bool may_forget);
  /// A subject is about to be forgotten or replaced: if it has much, that is freed in the background.
  void release_later(const Subject& subject) const;
  /// The server may end the key then.
  void expire_at(KeyEnd end);
  /// When the server ends the key; kKeepEnd if it does not.
  [[nodiscard]] KeyEnd end() const { return key_.expiry().value_or(kKeepEnd); }
  void remove();

  // --- for the replay of effects ---

  /// The key as another server sent it takes the place of what it holds.
  void replace(KeyContent content);
  /// The key ends as an effect says, and clients learn that it has changed.
  void end_as_told(KeyEnd end);

  [[nodiscard]] const CallContext& call() const { return call_; }
  [[nodiscard]] Propagation& propagation() { return propagation_; }
  [[nodiscard]] Access access() const { return access_; }

 private:
  [[nodiscard]] server::KeyName key_name() const;
  void restore();
  void find_subject();
  [[nodiscard]] Preview& preview();
  void show_preview();
  /// Hands a value to the server in place of what the key holds; null if that was changed in place, as it is where a table
  /// stays. A new value has no end yet.
  void hand_over(StoredValue::Pointer value);
  void store_prepared();
  void store_prepared_in_table();
  void release_own_later() const;
  void make_room_for_reservations();

  const CallContext& call_;
  server::Text name_;
  Access access_;
  server::Key key_;
  Propagation propagation_;
  StoredValue stored_;
  std::string_view subject_name_;
  std::optional<SubjectHash> hash_;
  std::optional<Subject> subject_;

  std::optional<StoredValue::Pointer>
      restored_;             ///< what `stored_` views, if the server ended the key and it is only read
  Value::Pointer prepared_;  ///< what `subject_` views, if it was prepared,
  SharedLimits limits_of_idle_;
  std::array<Cell, kMaxLimits> loose_;  ///< or else that, if it is new in a table, or the state of a compact value
  std::unique_ptr<Preview> preview_;    ///< or that, if the key is only read
  bool is_new_ = false;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_OPEN_KEY_H
