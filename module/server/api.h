// The door to the server: small types around its module API. api.cpp is the one file that includes redismodule.h; the
// rest of the module sees only what is declared here.
//
// Nothing here knows about rate limiting. Handles are borrowed from the server and live as long as the call.
#ifndef RATELIMIT_MODULE_SERVER_API_H
#define RATELIMIT_MODULE_SERVER_API_H

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct RedisModuleCtx;
struct RedisModuleDefragCtx;
struct RedisModuleDigest;
struct RedisModuleIO;
struct RedisModuleInfoCtx;
struct RedisModuleKey;
struct RedisModuleKeyOptCtx;
struct RedisModuleString;
struct RedisModuleType;

namespace ratelimit::server {

/// Memory of the server: it counts it, and ends itself when there is none.
[[nodiscard]] void* allocate(std::size_t bytes);
void deallocate(void* memory);
/// What a piece of memory really takes.
[[nodiscard]] std::size_t allocated_bytes(const void* memory);

/// A string that the server holds, such as an argument or the name of a key.
class Text {
 public:
  explicit Text(RedisModuleString* handle) : handle_(handle) {}
  [[nodiscard]] std::string_view view() const;
  [[nodiscard]] RedisModuleString* handle() const { return handle_; }

 private:
  RedisModuleString* handle_;
};

/// A key by its database and its name.
struct KeyName {
  int database;
  std::string_view name;
};

/// The key that a method of a data type is called for.
[[nodiscard]] KeyName name_of(RedisModuleKeyOptCtx* context);
[[nodiscard]] KeyName name_of(RedisModuleIO* io);

/// A data type of ours, as the server knows it.
using DataType = RedisModuleType*;

/// One call of a command, or the loading of the module: whom to answer.
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
  /// `text` begins with the error's code.
  void reply_error(const std::string& text) const;

  /// Whether the call is not to be carried out: the server only wants to know its keys.
  [[nodiscard]] bool asks_for_keys() const;
  /// The word at `position`, counted from the command's name, is a key that the call updates.
  void tell_key(std::size_t position) const;

  /// The number of the selected database.
  [[nodiscard]] int database() const;
  void select_database(int number) const;

  /// Whether this server may change keys of its own accord: it is no replica, and is not about to become one.
  [[nodiscard]] bool may_change_keys() const;

  /// Whether the call comes from the primary or from a file that is being loaded, and not from a client.
  [[nodiscard]] bool is_replayed() const;

  /// Queues `command` with these arguments for the replicas and the append-only file.
  void replicate(const char* command, Text key, std::string_view word, std::int64_t number,
                 std::string_view bytes) const;
  void replicate(const char* command, Text key, std::string_view word, std::int64_t number, std::string_view bytes,
                 std::string_view more_bytes) const;

  /// Queues the removal of a key for them.
  void replicate_removal(Text key) const;

  /// Queues this very call for them.
  void replicate_call() const;

  /// Whether there is, or may soon be, a replica, an append-only file, or anyone else who needs to hear of changes.
  [[nodiscard]] bool may_need_propagation() const;

  /// Calls `function(context, data)` once, after `span`.
  void call_after(std::chrono::milliseconds span, void (*function)(RedisModuleCtx*, void*), void* data) const;

  void log_warning(const char* text) const;

 private:
  RedisModuleCtx* handle_;
};

/// Whom to talk to while a value is loaded.
[[nodiscard]] Context context_of(RedisModuleIO* io);

/// A string made for the server, until the end of its scope.
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

/// A key, opened until the end of its scope.
class Key {
 public:
  /// `quiet_write` is not noticed by those who ask when a key was used last.
  enum class Access : std::uint8_t { read, write, quiet_write };

  Key(Context context, Text name, Access access);
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key();

  [[nodiscard]] bool is_absent() const;
  /// What the key holds if it is of `type`, else null.
  [[nodiscard]] void* value(DataType type) const;
  /// What the key holds if it is a string, until the key is changed. The server may store it in another way from now on.
  [[nodiscard]] std::optional<std::string_view> text() const;
  /// Replaces whatever the key holds, and its time to live. The server owns `value` from now on.
  void set(DataType type, void* value);
  /// Removes the key and what it holds.
  void remove();
  /// The key is gone after this Unix time, by the server's clock.
  void expire_at(std::chrono::milliseconds unix_time);
  /// That time; none if the key has no time to live.
  [[nodiscard]] std::optional<std::chrono::milliseconds> end() const;
  /// The key has no time to live any more.
  void persist();
  /// Tells those who watch or cache the key that it changed.
  void signal_modified() const;

 private:
  Context context_;
  Text name_;
  RedisModuleKey* handle_;
};

/// 32 hexadecimal digits that nobody can guess, and that no server gives twice.
[[nodiscard]] std::string random_id();

/// A span from none to `most`, at random.
[[nodiscard]] std::chrono::nanoseconds random_span(std::chrono::nanoseconds most);

/// 16 bytes that nobody can guess.
[[nodiscard]] std::array<std::uint8_t, 16> random_secret();

/// The wall clock by which the server ends keys; it may step.
[[nodiscard]] std::chrono::milliseconds unix_time();

/// The file, or the payload of DUMP, that a value is written to.
void write_bytes(RedisModuleIO* io, std::string_view bytes);
/// The same read back; none if the file ends too early.
[[nodiscard]] std::optional<std::string> read_bytes(RedisModuleIO* io);
/// Writes `command key word number bytes` to an append-only file that is being rewritten.
void write_command(RedisModuleIO* io, const char* command, Text key, std::string_view word, std::int64_t number,
                   std::string_view bytes);
void log_warning(RedisModuleIO* io, const std::string& text);
/// Adds `bytes` to the digest of a value as its only part.
void add_to_digest(RedisModuleDigest* digest, std::string_view bytes);

/// One step of the server's defragmentation of memory.
class Defragmentation {
 public:
  explicit Defragmentation(RedisModuleDefragCtx* handle) : handle_(handle) {}

  /// Moves a piece of memory to a better place and returns it, or null if it is best where it is.
  [[nodiscard]] void* move(void* memory) const;
  /// Whether the step has taken long enough. Then `pause` keeps where to go on.
  [[nodiscard]] bool is_over() const;
  void pause(std::size_t position) const;
  /// Where the last step on this value paused; zero if it did not.
  [[nodiscard]] std::size_t position() const;

 private:
  RedisModuleDefragCtx* handle_;
};

/// The section of ours in INFO.
class InfoSection {
 public:
  explicit InfoSection(RedisModuleInfoCtx* handle);
  void add(const char* field, std::uint64_t number) const;

 private:
  RedisModuleInfoCtx* handle_;
};

/// What the server calls for values of a data type. Function pointers, for the server is C.
struct DataTypeMethods {
  void* (*load)(RedisModuleIO* io, int encoding_version);
  void (*save)(RedisModuleIO* io, void* value);
  void (*rewrite)(RedisModuleIO* aof, RedisModuleString* key, void* value);
  std::size_t (*memory_usage)(const void* value);
  void (*digest)(RedisModuleDigest* digest, void* value);
  void (*free)(void* value);
  std::size_t (*free_effort)(RedisModuleString* key, const void* value);
  void* (*copy)(RedisModuleString* from, RedisModuleString* to, const void* value);
  void (*unlink)(RedisModuleKeyOptCtx* key, const void* value);
  int (*defragment)(RedisModuleDefragCtx* step, RedisModuleString* key, void** value);
};

/// Called for a key that something happened to: that it has expired, after it was removed; that it has a new name.
using KeyListener = int (*)(RedisModuleCtx*, int type, const char* event, RedisModuleString* key);

using CommandFunction = int (*)(RedisModuleCtx*, RedisModuleString**, int);

/// One argument of a command as COMMAND DOCS describes it.
struct ArgumentDoc {
  enum class Type : std::uint8_t { key, integer, string, token, block, one_of };

  const char* name;
  Type type;
  const char* token = nullptr;  ///< the word that introduces it
  bool optional = false;
  bool repeats = false;
  std::span<const ArgumentDoc> parts{};
};

/// How a command uses its key, which is its first argument; or its keys, whose number is that. Then the command is called
/// also to tell them (`Context::asks_for_keys`).
enum class KeyUse : std::uint8_t { none, read, update, overwrite, update_many };

/// One command as the server registers and documents it.
struct CommandDescription {
  const char* name;
  CommandFunction function;
  const char* flags;
  int arity;
  KeyUse key;
  const char* summary;
  const char* complexity;
  const char* since;
  std::span<const ArgumentDoc> arguments;
};

/// What became of the registration of a command. A name is taken if another module, or the server itself, has it.
enum class Registration : std::uint8_t { done, name_taken, refused };

/// What is done once, when the module is loaded. Each is false if the server refuses.
[[nodiscard]] bool initialise(Context context, const char* module_name, int module_version);
[[nodiscard]] DataType register_type(Context context, const char* name, int encoding_version,
                                     const DataTypeMethods& methods);
[[nodiscard]] bool register_info(Context context, void (*write)(RedisModuleInfoCtx*, int for_crash_report));
/// `listener` is called at the very moment when the server has forked, or has become a primary or a replica. The last
/// that is registered counts.
[[nodiscard]] bool listen_to_forks(Context context, void (*listener)(RedisModuleCtx*));
[[nodiscard]] bool listen_to_role_changes(Context context, void (*listener)(RedisModuleCtx*));
/// `listener` is called when a database is emptied, and when two trade their places, with their numbers.
[[nodiscard]] bool listen_to_flushes(Context context, void (*listener)());
[[nodiscard]] bool listen_to_swaps(Context context, void (*listener)(int first, int second));
[[nodiscard]] bool listen_to_expiries(Context context, KeyListener listener);
/// `listener` is called for a key that has been renamed, moved or copied to, by its new name.
[[nodiscard]] bool listen_to_new_names(Context context, KeyListener listener);
[[nodiscard]] Registration register_command(Context context, const CommandDescription& command);

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_API_H
