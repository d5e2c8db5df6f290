#include "server/api.h"

#include <deque>
#include <utility>
#include <vector>

#include "redismodule.h"

namespace ratelimit::server {

void* allocate(std::size_t bytes) { return RedisModule_Alloc(bytes); }
void deallocate(void* memory) { RedisModule_Free(memory); }

// The function takes what it only reads as if it would change it.
std::size_t allocated_bytes(const void* memory) {
  return RedisModule_MallocSize(const_cast<void*>(memory));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

namespace {

std::uint64_t wire_key_flags(KeyUse use) {
  switch (use) {
    case KeyUse::none: return 0;
    case KeyUse::read: return REDISMODULE_CMD_KEY_RO | REDISMODULE_CMD_KEY_ACCESS;
    case KeyUse::update:
    case KeyUse::update_many: return REDISMODULE_CMD_KEY_RW | REDISMODULE_CMD_KEY_ACCESS | REDISMODULE_CMD_KEY_UPDATE;
    case KeyUse::overwrite: return REDISMODULE_CMD_KEY_OW | REDISMODULE_CMD_KEY_UPDATE;
  }
  return 0;
}

}  // namespace

std::string_view Text::view() const {
  std::size_t size = 0;
  const char* bytes = RedisModule_StringPtrLen(handle_, &size);
  return {bytes, size};
}

KeyName name_of(RedisModuleKeyOptCtx* context) {
  std::size_t size = 0;
  const char* bytes = RedisModule_StringPtrLen(RedisModule_GetKeyNameFromOptCtx(context), &size);
  return {RedisModule_GetDbIdFromOptCtx(context), {bytes, size}};
}

KeyName name_of(RedisModuleIO* io) {
  std::size_t size = 0;
  const char* bytes = RedisModule_StringPtrLen(RedisModule_GetKeyNameFromIO(io), &size);
  return {RedisModule_GetDbIdFromIO(io), {bytes, size}};
}

Context context_of(RedisModuleIO* io) { return Context(RedisModule_GetContextFromIO(io)); }

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
  RedisModule_KeyAtPosWithFlags(handle_, static_cast<int>(position), static_cast<int>(wire_key_flags(KeyUse::update)));
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

void Context::replicate(const char* command, Text key, std::string_view word, std::int64_t number,
                        std::string_view bytes) const {
  RedisModule_Replicate(handle_, command, "sblb", key.handle(), word.data(), word.size(),
                        static_cast<long long>(number), bytes.data(), bytes.size());
}

void Context::replicate(const char* command, Text key, std::string_view word, std::int64_t number,
                        std::string_view bytes, std::string_view more_bytes) const {
  RedisModule_Replicate(handle_, command, "sblbb", key.handle(), word.data(), word.size(),
                        static_cast<long long>(number), bytes.data(), bytes.size(), more_bytes.data(),
                        more_bytes.size());
}

void Context::replicate_removal(Text key) const { RedisModule_Replicate(handle_, "DEL", "s", key.handle()); }

void Context::replicate_call() const { RedisModule_ReplicateVerbatim(handle_); }

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

void Context::call_after(std::chrono::milliseconds span, void (*function)(RedisModuleCtx*, void*), void* data) const {
  RedisModule_CreateTimer(handle_, span.count(), function, data);
}

void Context::log_warning(const char* text) const { RedisModule_Log(handle_, "warning", "%s", text); }

namespace {

int mode_of(Key::Access access) {
  switch (access) {
    case Key::Access::read: return REDISMODULE_READ;
    case Key::Access::write: return REDISMODULE_READ | REDISMODULE_WRITE;
    case Key::Access::quiet_write: return REDISMODULE_READ | REDISMODULE_WRITE | REDISMODULE_OPEN_KEY_NOTOUCH;
  }
  return REDISMODULE_READ;
}

}  // namespace

Key::Key(Context context, Text name, Access access)
    : context_(context),
      name_(name),
      handle_(static_cast<RedisModuleKey*>(RedisModule_OpenKey(context.handle(), name.handle(), mode_of(access)))) {}

// A key that is absent has no handle when it was opened to be read.
Key::~Key() {
  if (handle_ != nullptr) RedisModule_CloseKey(handle_);
}

bool Key::is_absent() const { return handle_ == nullptr || RedisModule_KeyType(handle_) == REDISMODULE_KEYTYPE_EMPTY; }

void* Key::value(DataType type) const {
  if (handle_ == nullptr || RedisModule_ModuleTypeGetType(handle_) != type) return nullptr;
  return RedisModule_ModuleTypeGetValue(handle_);
}

std::optional<std::string_view> Key::text() const {
  if (handle_ == nullptr || RedisModule_KeyType(handle_) != REDISMODULE_KEYTYPE_STRING) return std::nullopt;
  std::size_t size = 0;
  const char* bytes = RedisModule_StringDMA(handle_, &size, REDISMODULE_READ);
  return std::string_view(bytes, size);
}

void Key::set(DataType type, void* value) { RedisModule_ModuleTypeSetValue(handle_, type, value); }
void Key::remove() { RedisModule_DeleteKey(handle_); }
void Key::expire_at(std::chrono::milliseconds unix_time) { RedisModule_SetAbsExpire(handle_, unix_time.count()); }
std::optional<std::chrono::milliseconds> Key::end() const {
  const mstime_t end = RedisModule_GetAbsExpire(handle_);
  if (end == REDISMODULE_NO_EXPIRE) return std::nullopt;
  return std::chrono::milliseconds{end};
}
void Key::persist() { RedisModule_SetAbsExpire(handle_, REDISMODULE_NO_EXPIRE); }
void Key::signal_modified() const { RedisModule_SignalModifiedKey(context_.handle(), name_.handle()); }

std::string random_id() {
  std::string id(32, '0');
  RedisModule_GetRandomHexChars(id.data(), id.size());
  return id;
}

std::chrono::nanoseconds random_span(std::chrono::nanoseconds most) {
  std::uint64_t number = 0;
  RedisModule_GetRandomBytes(reinterpret_cast<unsigned char*>(&number), sizeof(number));
  return std::chrono::nanoseconds{static_cast<std::int64_t>(number % (static_cast<std::uint64_t>(most.count()) + 1))};
}

std::array<std::uint8_t, 16> random_secret() {
  std::array<std::uint8_t, 16> secret;
  RedisModule_GetRandomBytes(secret.data(), secret.size());
  return secret;
}

std::chrono::milliseconds unix_time() { return std::chrono::milliseconds{RedisModule_Milliseconds()}; }

void write_bytes(RedisModuleIO* io, std::string_view bytes) {
  RedisModule_SaveStringBuffer(io, bytes.data(), bytes.size());
}

std::optional<std::string> read_bytes(RedisModuleIO* io) {
  std::size_t size = 0;
  char* bytes = RedisModule_LoadStringBuffer(io, &size);
  if (bytes == nullptr || RedisModule_IsIOError(io) != 0) {
    if (bytes != nullptr) RedisModule_Free(bytes);
    return std::nullopt;
  }
  std::string copy(bytes, size);
  RedisModule_Free(bytes);
  return copy;
}

void write_command(RedisModuleIO* io, const char* command, Text key, std::string_view word, std::int64_t number,
                   std::string_view bytes) {
  RedisModule_EmitAOF(io, command, "sblb", key.handle(), word.data(), word.size(), static_cast<long long>(number),
                      bytes.data(), bytes.size());
}

void log_warning(RedisModuleIO* io, const std::string& text) {
  RedisModule_LogIOError(io, "warning", "%s", text.c_str());
}

void add_to_digest(RedisModuleDigest* digest, std::string_view bytes) {
  RedisModule_DigestAddStringBuffer(digest, bytes.data(), bytes.size());
  RedisModule_DigestEndSequence(digest);
}

void* Defragmentation::move(void* memory) const { return RedisModule_DefragAlloc(handle_, memory); }
bool Defragmentation::is_over() const { return RedisModule_DefragShouldStop(handle_) != 0; }
void Defragmentation::pause(std::size_t position) const { RedisModule_DefragCursorSet(handle_, position); }
std::size_t Defragmentation::position() const {
  unsigned long position = 0;
  return RedisModule_DefragCursorGet(handle_, &position) == REDISMODULE_OK ? position : 0;
}

InfoSection::InfoSection(RedisModuleInfoCtx* handle) : handle_(handle) { RedisModule_InfoAddSection(handle, nullptr); }
void InfoSection::add(const char* field, std::uint64_t number) const {
  RedisModule_InfoAddFieldULongLong(handle_, field, number);
}

bool register_info(Context context, void (*write)(RedisModuleInfoCtx*, int for_crash_report)) {
  return RedisModule_RegisterInfoFunc(context.handle(), write) == REDISMODULE_OK;
}

bool initialise(Context context, const char* module_name, int module_version) {
  if (RedisModule_Init(context.handle(), module_name, module_version, REDISMODULE_APIVER_1) != REDISMODULE_OK) {
    return false;
  }
  // The header asks for functions by name and leaves null what the server does not have. This is the newest that is
  // needed always; a server without it is older than Redis 7.0.
  if (RedisModule_SetCommandInfo == nullptr) {
    context.log_warning("the ratelimit module needs Redis 7.0 or later, or Valkey");
    return false;
  }
  // We signal a key ourselves, when its state changes: a denial that signalled would break WATCH and the caches of
  // clients. Values that load while the old ones are still there are no problem, for they share nothing that moves.
  RedisModule_SetModuleOptions(context.handle(), REDISMODULE_OPTIONS_HANDLE_IO_ERRORS |
                                                     REDISMODULE_OPTION_NO_IMPLICIT_SIGNAL_MODIFIED |
                                                     REDISMODULE_OPTIONS_HANDLE_REPL_ASYNC_LOAD);
  return true;
}

DataType register_type(Context context, const char* name, int encoding_version, const DataTypeMethods& methods) {
  RedisModuleTypeMethods table{};
  table.version = REDISMODULE_TYPE_METHOD_VERSION;
  table.rdb_load = methods.load;
  table.rdb_save = methods.save;
  table.aof_rewrite = methods.rewrite;
  table.mem_usage = methods.memory_usage;
  table.digest = methods.digest;
  table.free = methods.free;
  table.free_effort = methods.free_effort;
  table.copy = methods.copy;
  table.defrag = methods.defragment;
  table.unlink2 = methods.unlink;
  return RedisModule_CreateDataType(context.handle(), name, encoding_version, &table);
}

namespace {

// The server hands a listener nothing of ours, so each kind of event has a variable for its one listener.
void (*fork_listener)(RedisModuleCtx*) = nullptr;
void (*role_listener)(RedisModuleCtx*) = nullptr;
void (*flush_listener)() = nullptr;
void (*swap_listener)(int, int) = nullptr;

void on_fork(RedisModuleCtx* context, RedisModuleEvent, std::uint64_t subevent, void*) {
  if (subevent == REDISMODULE_SUBEVENT_FORK_CHILD_BORN) fork_listener(context);
}
void on_role_change(RedisModuleCtx* context, RedisModuleEvent, std::uint64_t, void*) { role_listener(context); }
void on_flush(RedisModuleCtx*, RedisModuleEvent, std::uint64_t, void*) { flush_listener(); }
void on_swap(RedisModuleCtx*, RedisModuleEvent, std::uint64_t, void* data) {
  const auto& swap = *static_cast<const RedisModuleSwapDbInfo*>(data);
  swap_listener(swap.dbnum_first, swap.dbnum_second);
}

}  // namespace

bool listen_to_forks(Context context, void (*listener)(RedisModuleCtx*)) {
  fork_listener = listener;
  return RedisModule_SubscribeToServerEvent(context.handle(), RedisModuleEvent_ForkChild, on_fork) == REDISMODULE_OK;
}

bool listen_to_role_changes(Context context, void (*listener)(RedisModuleCtx*)) {
  role_listener = listener;
  return RedisModule_SubscribeToServerEvent(context.handle(), RedisModuleEvent_ReplicationRoleChanged,
                                            on_role_change) == REDISMODULE_OK;
}

bool listen_to_flushes(Context context, void (*listener)()) {
  flush_listener = listener;
  return RedisModule_SubscribeToServerEvent(context.handle(), RedisModuleEvent_FlushDB, on_flush) == REDISMODULE_OK;
}

bool listen_to_swaps(Context context, void (*listener)(int, int)) {
  swap_listener = listener;
  return RedisModule_SubscribeToServerEvent(context.handle(), RedisModuleEvent_SwapDB, on_swap) == REDISMODULE_OK;
}

bool listen_to_expiries(Context context, KeyListener listener) {
  return RedisModule_SubscribeToKeyspaceEvents(context.handle(), REDISMODULE_NOTIFY_EXPIRED, listener) ==
         REDISMODULE_OK;
}

namespace {

KeyListener name_listener = nullptr;

int on_generic_event(RedisModuleCtx* context, int type, const char* event, RedisModuleString* key) {
  for (const std::string_view name : {"rename_to", "move_to", "copy_to"}) {
    if (event == name) return name_listener(context, type, event, key);
  }
  return REDISMODULE_OK;
}

}  // namespace

bool listen_to_new_names(Context context, KeyListener listener) {
  name_listener = listener;
  return RedisModule_SubscribeToKeyspaceEvents(context.handle(), REDISMODULE_NOTIFY_GENERIC, on_generic_event) ==
         REDISMODULE_OK;
}

namespace {

RedisModuleCommandArgType wire_type(ArgumentDoc::Type type) {
  switch (type) {
    case ArgumentDoc::Type::key: return REDISMODULE_ARG_TYPE_KEY;
    case ArgumentDoc::Type::integer: return REDISMODULE_ARG_TYPE_INTEGER;
    case ArgumentDoc::Type::string: return REDISMODULE_ARG_TYPE_STRING;
    case ArgumentDoc::Type::token: return REDISMODULE_ARG_TYPE_PURE_TOKEN;
    case ArgumentDoc::Type::block: return REDISMODULE_ARG_TYPE_BLOCK;
    case ArgumentDoc::Type::one_of: return REDISMODULE_ARG_TYPE_ONEOF;
  }
  return REDISMODULE_ARG_TYPE_STRING;
}

/// Keeps the lists that the server reads while it registers one command: a deque, so that none of them moves.
using ArgumentLists = std::deque<std::vector<RedisModuleCommandArg>>;

RedisModuleCommandArg* wire_arguments(std::span<const ArgumentDoc> docs, ArgumentLists& lists) {
  if (docs.empty()) return nullptr;
  std::vector<RedisModuleCommandArg> list;
  for (const ArgumentDoc& doc : docs) {
    RedisModuleCommandArg arg{};
    arg.name = doc.name;
    arg.type = wire_type(doc.type);
    arg.key_spec_index = doc.type == ArgumentDoc::Type::key ? 0 : -1;
    arg.token = doc.token;
    arg.flags = (doc.optional ? REDISMODULE_CMD_ARG_OPTIONAL : 0) | (doc.repeats ? REDISMODULE_CMD_ARG_MULTIPLE : 0);
    arg.subargs = wire_arguments(doc.parts, lists);
    list.push_back(arg);
  }
  list.push_back({});  // the end, to the server
  return lists.emplace_back(std::move(list)).data();
}

}  // namespace

Registration register_command(Context context, const CommandDescription& command) {
  // The specification of keys below is for those who ask the server; the server itself routes calls in a cluster by these
  // positions or, where there is no fixed one, by asking the command.
  const bool has_many = command.key == KeyUse::update_many;
  const int key = command.key == KeyUse::none || has_many ? 0 : 1;
  const std::string flags = std::string(command.flags) + (has_many ? " getkeys-api" : "");
  if (RedisModule_CreateCommand(context.handle(), command.name, command.function, flags.c_str(), key, key, key) !=
      REDISMODULE_OK) {
    return Registration::name_taken;  // names, flags and positions are constants of ours: there is no other reason
  }
  RedisModuleCommandKeySpec key_specs[2]{};
  key_specs[0].flags = wire_key_flags(command.key);
  key_specs[0].begin_search_type = REDISMODULE_KSPEC_BS_INDEX;
  key_specs[0].bs.index.pos = 1;
  if (command.key == KeyUse::update_many) {
    key_specs[0].find_keys_type = REDISMODULE_KSPEC_FK_KEYNUM;
    key_specs[0].fk.keynum = {.keynumidx = 0, .firstkey = 1, .keystep = 1};
  } else {
    key_specs[0].find_keys_type = REDISMODULE_KSPEC_FK_RANGE;
    key_specs[0].fk.range = {.lastkey = 0, .keystep = 1, .limit = 0};
  }

  ArgumentLists lists;
  RedisModuleCommandInfo info{};
  info.version = REDISMODULE_COMMAND_INFO_VERSION;
  info.summary = command.summary;
  info.complexity = command.complexity;
  info.since = command.since;
  info.arity = command.arity;
  info.key_specs = command.key == KeyUse::none ? nullptr : key_specs;
  info.args = wire_arguments(command.arguments, lists);
  RedisModuleCommand* registered = RedisModule_GetCommand(context.handle(), command.name);
  return RedisModule_SetCommandInfo(registered, &info) == REDISMODULE_OK ? Registration::done : Registration::refused;
}

}  // namespace ratelimit::server
