// SPDX-License-Identifier: MIT
// One call of a command: whom to answer, and whom to tell of changes.
#ifndef RATELIMIT_MODULE_SERVER_CONTEXT_H
#define RATELIMIT_MODULE_SERVER_CONTEXT_H

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/text.h"

struct RedisModuleCtx;
struct RedisModuleIO;
struct RedisModuleString;

namespace ratelimit::server {

/// The context of one call: of a command, of a listener, of a timer, or of the loading of the module.
class Context {
 public:
  explicit Context(RedisModuleCtx* handle) : handle_(handle) {}
  [[nodiscard]] RedisModuleCtx* handle() const { return handle_; }

  void reply(std::int64_t number) const;
  void reply(std::string_view text) const;
  void reply_ok() const;
  void reply_null() const;
  /// `size` replies follow.
  void reply_list(std::size_t size) const;
  /// `size` pairs of replies follow; in RESP2 a flat list.
  void reply_map(std::size_t size) const;
  /// Replies an error. `text` begins with the code of the error.
  void reply_error(const std::string& text) const;

  /// Whether the server only asks which arguments are keys. The command must not be carried out then.
  [[nodiscard]] bool asks_for_keys() const;
  /// Answers that: the argument at `position` is a key that the call updates. The command's name is at position 0.
  void tell_key(std::size_t position) const;

  /// The number of the selected database.
  [[nodiscard]] int database() const;
  void select_database(int number) const;

  /// Whether this server may change keys without being asked: it is no replica, and is not about to become one.
  [[nodiscard]] bool may_change_keys() const;

  /// Whether the call comes from the primary or from a file that is being loaded, and not from a client.
  [[nodiscard]] bool is_replayed() const;

  /// Queues `command` with these arguments for the replicas and the append-only file.
  void replicate(const char* command, const std::array<Text, 3>& words, std::string_view bytes) const;
  void replicate(const char* command, const std::array<Text, 3>& words, std::string_view bytes,
                 std::string_view more_bytes) const;

  /// Queues the removal of a key for the replicas and the append-only file.
  void replicate_removal(Text key) const;

  /// Queues the call itself for the replicas and the append-only file, and counts it as a change to be saved.
  void replicate_call() const;

  /// Tells subscribers that something happened to a key: an event of the class of modules, in the selected database.
  void notify(const char* event, Text key) const;

  /// Whether there is, or may soon be, a replica, an append-only file, or anyone else who needs to hear of changes.
  [[nodiscard]] bool may_need_propagation() const;

  /// Calls `function(context, data)` once, after `span`. Returns a number for `cancel_call`.
  std::uint64_t call_after(std::chrono::milliseconds span, void (*function)(RedisModuleCtx*, void*), void* data) const;
  /// Does without a call that is still to come.
  void cancel_call(std::uint64_t number) const;

  void log_notice(const char* text) const;
  void log_warning(const char* text) const;

 private:
  RedisModuleCtx* handle_;
};

/// The context of loading a value.
[[nodiscard]] Context context_of(RedisModuleIO* io);

/// Makes a string of the server that is kept for as long as the server runs.
[[nodiscard]] Text make_kept_text(std::string_view bytes);

/// A string of the server that we make, and free at the end of the scope.
class OwnText {
 public:
  OwnText(Context context, std::string_view bytes);
  OwnText(const OwnText&) = delete;
  OwnText& operator=(const OwnText&) = delete;
  ~OwnText();

  [[nodiscard]] Text text() const { return Text(handle_); }

 private:
  Context context_;
  RedisModuleString* handle_;
};

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_CONTEXT_H
