// SPDX-License-Identifier: MIT
// What each effect needs, and what is therefore kept from one to the next: the words that all effects share, and memory for
// the payload. So a grant that is propagated allocates neither.
#ifndef RATELIMIT_MODULE_KEYSPACE_EFFECT_WRITER_H
#define RATELIMIT_MODULE_KEYSPACE_EFFECT_WRITER_H

#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "ratelimit/codec/effect_kind.h"
#include "server/api.h"

namespace ratelimit {

class EffectWriter {
 public:
  /// The word for a kind, as a string of the server.
  [[nodiscard]] server::Text word(EffectKind kind) const { return words_[static_cast<std::size_t>(kind)]; }
  /// The word for an effect that leaves the end of its key as it is.
  [[nodiscard]] server::Text no_end() const { return no_end_; }

  /// An empty string for the next payload. It must be queued before the next one is begun.
  [[nodiscard]] std::string& begin_payload() {
    constexpr std::size_t kMostKept = 4096;  // nearly all payloads have less than 64 bytes
    if (payload_.capacity() > kMostKept) payload_ = {};
    payload_.clear();
    return payload_;
  }

 private:
  template <std::size_t... I>
  [[nodiscard]] static std::array<server::Text, sizeof...(I)> make_words(std::index_sequence<I...>) {
    return {server::make_kept_text(kEffectWords[I])...};
  }

  std::array<server::Text, kEffectWords.size()> words_ = make_words(std::make_index_sequence<kEffectWords.size()>());
  server::Text no_end_ = server::make_kept_text("0");
  std::string payload_;
};

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_KEYSPACE_EFFECT_WRITER_H
