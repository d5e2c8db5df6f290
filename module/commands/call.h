// SPDX-License-Identifier: MIT
// One call of a command: its words, whom to answer, and one reading of the clock.
#ifndef RATELIMIT_MODULE_COMMANDS_CALL_H
#define RATELIMIT_MODULE_COMMANDS_CALL_H

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "keyspace/call_context.h"
#include "ratelimit/bounded_list.h"
#include "ratelimit/grammar/fault.h"
#include "server/api.h"

namespace ratelimit {

class Call {
 public:
  /// More words than any command takes: 1,024 subjects, and eight limits with all their options. Or 64 keys, each with a
  /// subject, a limit and all its options.
  static constexpr std::size_t kMostWords = 1024 + 256;

  Call(RedisModuleCtx* context, Module& module, std::span<RedisModuleString* const> words)
      : context_{server::Context(context), module, module.clock.now()}, words_(words) {
    for (RedisModuleString* word : words.first(std::min(words.size(), kMostWords))) {
      views_.push_back(server::Text(word).view());
    }
  }

  /// Whom to answer.
  [[nodiscard]] const server::Context& server() const { return context_.server; }
  [[nodiscard]] const CallContext& context() const { return context_; }
  [[nodiscard]] Module& module() const { return context_.module; }
  /// The one instant as of which the call is decided.
  [[nodiscard]] Instant now() const { return context_.now; }

  /// Whether there are so many words that `words` does not hold them all.
  [[nodiscard]] bool is_too_long() const { return words_.size() > kMostWords; }

  /// The words, the command's name first.
  [[nodiscard]] std::span<const std::string_view> words() const { return views_.span(); }

  /// One of the words as the server has it.
  [[nodiscard]] server::Text word(std::size_t i) const { return server::Text(words_[i]); }

  /// The name of the key, which is the first argument of every command that has one.
  [[nodiscard]] server::Text key() const { return server::Text(words_[1]); }

 private:
  CallContext context_;
  std::span<RedisModuleString* const> words_;
  BoundedList<std::string_view, kMostWords> views_;
};

/// Does what a command does and replies, or replies nothing and says what is wrong with the call.
using Handler = std::optional<Fault> (*)(const Call& call);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_CALL_H
