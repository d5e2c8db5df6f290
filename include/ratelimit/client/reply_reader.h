// SPDX-License-Identifier: MIT
// Turns the bytes of a server into replies, by the parser of hiredis. A reply is made in place: hiredis calls functions of
// this file for each part of a reply, so that a part is neither copied nor allocated twice. Depends on replies; it knows
// only the parser of hiredis, as it is from 0.14 on.
//
// What a server says is never trusted: a reply with more items than any expected one gets no memory.
#ifndef RATELIMIT_CLIENT_REPLY_READER_H
#define RATELIMIT_CLIENT_REPLY_READER_H

#include <hiredis/read.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "ratelimit/client/reply.h"

namespace ratelimit::client {

/// The bounds of a reply.
struct ReplyBounds {
  std::size_t items = 1024;                   ///< in all lists of a reply together
  std::size_t bytes = std::size_t{1} << 16U;  ///< that a reply may take before it is complete
};

class ReplyReader {
 public:
  explicit ReplyReader(const ReplyBounds& bounds)
      : bounds_(bounds), reader_(redisReaderCreateWithFunctions(&functions_)) {
    if (reader_ == nullptr) return;
    functions_.createString = &ReplyReader::make_text;
    functions_.createInteger = &ReplyReader::make_integer;
    functions_.createNil = &ReplyReader::make_null;
    functions_.freeObject = [](void*) {};
    make_lists_by(functions_.createArray);
    refuse_newer_types(functions_);
    reader_->privdata = this;
  }
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;
  ~ReplyReader() = default;

  /// False if there was no memory for a reader.
  [[nodiscard]] bool is_made() const { return reader_ != nullptr; }

  /// Takes bytes that came. False if they are no replies, or no end of a reply is in sight.
  [[nodiscard]] bool feed(std::string_view bytes) {
    return redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) == REDIS_OK;
  }

  enum class Next : std::uint8_t { reply, incomplete, garbage };
  /// Takes the next reply, if all of it has come. It is valid until the next call, which uses its memory again.
  [[nodiscard]] Next next(Reply*& reply) {
    if (!is_within_) begin();
    void* made = nullptr;
    if (redisReaderGetReply(reader_.get(), &made) != REDIS_OK) return Next::garbage;
    if (made == nullptr) return size() > bounds_.bytes ? Next::garbage : Next::incomplete;
    is_within_ = false;
    reply = &root_;
    return Next::reply;
  }

  /// How many bytes have come that are in no reply yet.
  [[nodiscard]] std::size_t size() const { return reader_->len - reader_->pos; }

 private:
  struct Free {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
  };

  void begin() {
    is_within_ = true;
    items_ = 0;
    root_.kind = Reply::Kind::null;
  }

  static ReplyReader& reader_of(const redisReadTask* task) { return *static_cast<ReplyReader*>(task->privdata); }

  /// Where the part of the reply goes that the task is about.
  static Reply& place_of(const redisReadTask* task) {
    if (task->parent == nullptr) return reader_of(task).root_;
    return static_cast<Reply*>(task->parent->obj)->items[static_cast<std::size_t>(task->idx)];
  }

  // Each returns the part, or null if no command has such a reply.

  static void* make_text(const redisReadTask* task, char* bytes, std::size_t size) {
    const bool is_error = task->type == REDIS_REPLY_ERROR;
    if (!is_error && task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_STATUS) return nullptr;
    Reply& reply = place_of(task);
    reply.kind = is_error ? Reply::Kind::error : Reply::Kind::text;
    reply.text.assign(bytes, size);
    return &reply;
  }

  static void* make_integer(const redisReadTask* task, long long value) {
    Reply& reply = place_of(task);
    reply.kind = Reply::Kind::integer;
    reply.integer = value;
    return &reply;
  }

  static void* make_null(const redisReadTask* task) {
    Reply& reply = place_of(task);
    reply.kind = Reply::Kind::null;
    return &reply;
  }

  /// The type of `count` differs between versions of hiredis.
  template <class Count>
  static void* make_list(const redisReadTask* task, Count count) {
    ReplyReader& reader = reader_of(task);
    const auto items = static_cast<std::size_t>(count);
    if (task->type != REDIS_REPLY_ARRAY || items > reader.bounds_.items - reader.items_) return nullptr;
    reader.items_ += items;
    Reply& reply = place_of(task);
    reply.kind = Reply::Kind::list;
    reply.items.resize(items);
    return &reply;
  }
  template <class Count>
  static void make_lists_by(void* (*&function)(const redisReadTask*, Count)) {
    function = &ReplyReader::make_list<Count>;
  }

  /// hiredis 1.x has types of RESP3, which nobody asked for.
  template <class Functions>
  static void refuse_newer_types(Functions& functions) {
    if constexpr (requires { functions.createDouble; }) {
      functions.createDouble = [](const redisReadTask*, double, char*, std::size_t) -> void* { return nullptr; };
      functions.createBool = [](const redisReadTask*, int) -> void* { return nullptr; };
    }
  }

  const ReplyBounds bounds_;
  redisReplyObjectFunctions functions_{};
  Reply root_;
  std::size_t items_ = 0;   ///< in all lists of the reply that is being read
  bool is_within_ = false;  ///< a reply has begun
  std::unique_ptr<redisReader, Free> reader_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_REPLY_READER_H
