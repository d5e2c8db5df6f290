// SPDX-License-Identifier: MIT
// A key of the server, opened.
#ifndef RATELIMIT_MODULE_SERVER_KEY_H
#define RATELIMIT_MODULE_SERVER_KEY_H

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "server/context.h"
#include "server/text.h"

struct RedisModuleKey;
struct RedisModuleType;

namespace ratelimit::server {

/// A data type of ours, as the server knows it.
using DataType = RedisModuleType*;

/// A key of the server. It is open until the end of the scope.
class Key {
 public:
  /// The quiet ones do not count as a use of the key (OBJECT IDLETIME).
  enum class Access : std::uint8_t { read, write, quiet_read, quiet_write };

  Key(Context context, Text name, Access access);
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key();

  [[nodiscard]] bool is_absent() const;
  /// What the key holds if it is of `type`, else null.
  [[nodiscard]] void* value(DataType type) const;
  /// The bytes of a key that is a string, valid until the key is changed; none if it is anything else. The server may change
  /// how it stores the string.
  [[nodiscard]] std::optional<std::string_view> text() const;
  /// Replaces what the key holds. Its time to live is gone, and the server owns `value` from now on.
  void set(DataType type, void* value);
  /// Removes the key and what it holds, and tells those who listen to keyspace events.
  void remove();
  /// The Unix time after which the server removes the key; none if it does not.
  [[nodiscard]] std::optional<std::chrono::milliseconds> expiry() const;
  /// Sets the Unix time after which the server removes the key, by the server's clock.
  void expire_at(std::chrono::milliseconds unix_time);
  /// Takes the key's time to live away.
  void persist();
  /// Tells clients that watch or cache the key that it changed.
  void signal_modified() const;

 private:
  Context context_;
  Text name_;
  RedisModuleKey* handle_;
};

}  // namespace ratelimit::server

#endif  // RATELIMIT_MODULE_SERVER_KEY_H
