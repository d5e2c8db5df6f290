// SPDX-License-Identifier: MIT
#include "server/scan.h"

#include "server/door.h"

namespace ratelimit::server {
namespace {

std::string_view view_of(RedisModuleCallReply* text) {
  std::size_t size = 0;
  const char* bytes = RedisModule_CallReplyStringPtr(text, &size);
  return {bytes, size};
}

}  // namespace

// The user who calls needs no right to SCAN: the caller of this looks at what he may read.
ScanStep::ScanStep(Context context, const ScanOptions& options)
    : context_(context),
      reply_(RedisModule_Call(context.handle(), "SCAN", "bcbcccl", options.cursor.data(), options.cursor.size(),
                              "MATCH", options.pattern.data(), options.pattern.size(), "TYPE", options.type, "COUNT",
                              static_cast<long long>(options.count))) {}
ScanStep::~ScanStep() {
  if (reply_ != nullptr) RedisModule_FreeCallReply(reply_);
}

bool ScanStep::is_taken() const {
  return reply_ != nullptr && RedisModule_CallReplyType(reply_) == REDISMODULE_REPLY_ARRAY;
}

void ScanStep::reply_error() const {
  if (reply_ == nullptr) return context_.reply_error("ERR this server has no command SCAN");
  RedisModule_ReplyWithCallReply(context_.handle(), reply_);
}

std::string_view ScanStep::next_cursor() const { return view_of(RedisModule_CallReplyArrayElement(reply_, 0)); }

std::size_t ScanStep::size() const { return RedisModule_CallReplyLength(RedisModule_CallReplyArrayElement(reply_, 1)); }

std::string_view ScanStep::name(std::size_t i) const {
  return view_of(RedisModule_CallReplyArrayElement(RedisModule_CallReplyArrayElement(reply_, 1), i));
}

}  // namespace ratelimit::server
