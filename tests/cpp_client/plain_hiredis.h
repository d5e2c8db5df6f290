// SPDX-License-Identifier: MIT
// hiredis without the client, for comparison: one connection, which asks and waits, or sends several commands at once.
#ifndef RATELIMIT_TESTS_CLIENT_PLAIN_HIREDIS_H
#define RATELIMIT_TESTS_CLIENT_PLAIN_HIREDIS_H

#include <hiredis/hiredis.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "ratelimit/client/endpoint.h"

namespace ratelimit::client::tests {

class PlainHiredis {
 public:
  explicit PlainHiredis(const Endpoint& endpoint)
      : context_(endpoint.socket.empty() ? redisConnect(endpoint.host.c_str(), endpoint.port)
                                         : redisConnectUnix(endpoint.socket.c_str())) {
    if (context_ == nullptr || context_->err != 0) throw std::runtime_error("hiredis cannot connect");
  }

  /// RL.CHECK key TOKENBUCKET 4000000000 4000000000 1s. False if it was denied.
  bool check(const std::string& key) {
    const Reply reply(static_cast<redisReply*>(redisCommand(context_.get(), kFormat, key.c_str())));
    return is_granted(reply.get());
  }

  /// Sends without waiting; `take` waits for the reply.
  void send(const std::string& key) { redisAppendCommand(context_.get(), kFormat, key.c_str()); }
  bool take() {
    void* made = nullptr;
    if (redisGetReply(context_.get(), &made) != REDIS_OK) throw std::runtime_error("hiredis lost its connection");
    const Reply reply(static_cast<redisReply*>(made));
    return is_granted(reply.get());
  }

 private:
  static constexpr const char* kFormat = "RL.CHECK %s TOKENBUCKET 4000000000 4000000000 1s";

  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };
  using Reply = std::unique_ptr<redisReply, Free>;

  static bool is_granted(const redisReply* reply) {
    if (reply == nullptr || reply->type != REDIS_REPLY_ARRAY || reply->elements != 6) {
      throw std::runtime_error("hiredis got no decision");
    }
    return reply->element[0]->integer > 0;
  }

  std::unique_ptr<redisContext, Free> context_;
};

}  // namespace ratelimit::client::tests

#endif  // RATELIMIT_TESTS_CLIENT_PLAIN_HIREDIS_H
