// SPDX-License-Identifier: MIT
#include "server/context.h"

#include "server/door.h"

namespace ratelimit::server {

Context context_of(RedisModuleIO* io) { return Context(RedisModule_GetContextFromIO(io)); }

Text make_kept_text(std::string_view bytes) {
  return Text(RedisModule_CreateString(nullptr, bytes.data(), bytes.size()));
}

OwnText::OwnText(Context context, std::string_view bytes)
    : context_(context), handle_(RedisModule_CreateString(context.handle(), bytes.data(), bytes.size())) {}
OwnText::~OwnText() { RedisModule_FreeString(context_.handle(), handle_); }

void Context::reply(std::int64_t number) const { RedisModule_ReplyWithLongLong(handle_, number); }
void Context::reply(std::string_view text) const {
  RedisModule_ReplyWithStringBuffer(handle_, text.data(), text.size());
}
void Context::reply_ok() const { RedisModule_ReplyWithSimpleString(handle_, "OK"); }
void Context::reply_null() const { RedisModule_ReplyWithNull(handle_); }
void Context::reply_list(std::size_t size) const { RedisModule_ReplyWithArray(handle_, static_cast<long>(size)); }
void Context::reply_map(std::size_t size) const { RedisModule_ReplyWithMap(handle_, static_cast<long>(size)); }
void Context::reply_error(const std::string& text) const { RedisModule_ReplyWithError(handle_, text.c_str()); }

bool Context::asks_for_keys() const { return RedisModule_IsKeysPositionRequest(handle_) != 0; }
void Context::tell_key(std::size_t position) const {
  RedisModule_KeyAtPosWithFlags(handle_, static_cast<int>(position), kUpdatesKey);
}

int Context::database() const { return RedisModule_GetSelectedDb(handle_); }
void Context::select_database(int number) const { RedisModule_SelectDb(handle_, number); }

bool Context::may_change_keys() const {
  const int flags = RedisModule_GetContextFlags(handle_);
  return (flags & REDISMODULE_CTX_FLAGS_SLAVE) == 0 && RedisModule_AvoidReplicaTraffic() == 0;
}

bool Context::is_replayed() const {
  constexpr int kReplayed = REDISMODULE_CTX_FLAGS_REPLICATED | REDISMODULE_CTX_FLAGS_LOADING;
  return (RedisModule_GetContextFlags(handle_) & kReplayed) != 0;
}

void Context::replicate(const char* command, const std::array<Text, 3>& words, std::string_view bytes) const {
  RedisModule_Replicate(handle_, command, "sssb", words[0].handle(), words[1].handle(), words[2].handle(), bytes.data(),
                        bytes.size());
}

void Context::replicate(const char* command, const std::array<Text, 3>& words, std::string_view bytes,
                        std::string_view more_bytes) const {
  RedisModule_Replicate(handle_, command, "sssbb", words[0].handle(), words[1].handle(), words[2].handle(),
                        bytes.data(), bytes.size(), more_bytes.data(), more_bytes.size());
}

void Context::replicate_removal(Text key) const { RedisModule_Replicate(handle_, "DEL", "s", key.handle()); }

void Context::replicate_call() const { RedisModule_ReplicateVerbatim(handle_); }

void Context::notify(const char* event, Text key) const {
  RedisModule_NotifyKeyspaceEvent(handle_, REDISMODULE_NOTIFY_MODULE, event, key.handle());
}

namespace {

/// A section of INFO.
class ServerInfo {
 public:
  ServerInfo(RedisModuleCtx* context, const char* section)
      : context_(context), data_(RedisModule_GetServerInfo(context, section)) {}
  ServerInfo(const ServerInfo&) = delete;
  ServerInfo& operator=(const ServerInfo&) = delete;
  ~ServerInfo() { RedisModule_FreeServerInfo(context_, data_); }

  /// Whether the field is there and zero.
  [[nodiscard]] bool is_zero(const char* field) const {
    int error = REDISMODULE_OK;
    const long long value = RedisModule_ServerInfoGetFieldSigned(data_, field, &error);
    return error == REDISMODULE_OK && value == 0;
  }

 private:
  RedisModuleCtx* context_;
  RedisModuleServerInfoData* data_;
};

}  // namespace

bool Context::may_need_propagation() const {
  constexpr int kNeverAlone =
      REDISMODULE_CTX_FLAGS_CLUSTER | REDISMODULE_CTX_FLAGS_SLAVE | REDISMODULE_CTX_FLAGS_LOADING;
  if ((RedisModule_GetContextFlags(handle_) & kNeverAlone) != 0) return true;
  const ServerInfo replication(handle_, "replication");
  const ServerInfo persistence(handle_, "persistence");
  const bool is_alone = replication.is_zero("connected_slaves") && replication.is_zero("repl_backlog_active") &&
                        persistence.is_zero("aof_enabled") && persistence.is_zero("aof_rewrite_scheduled");
  return !is_alone;
}

std::uint64_t Context::call_after(std::chrono::milliseconds span, void (*function)(RedisModuleCtx*, void*),
                                  void* data) const {
  return RedisModule_CreateTimer(handle_, span.count(), function, data);
}

void Context::cancel_call(std::uint64_t number) const { RedisModule_StopTimer(handle_, number, nullptr); }

void Context::log_notice(const char* text) const { RedisModule_Log(handle_, "notice", "%s", text); }
void Context::log_warning(const char* text) const { RedisModule_Log(handle_, "warning", "%s", text); }

}  // namespace ratelimit::server
