// SPDX-License-Identifier: MIT
// Effects: what a change of a key does, in the form in which it travels to replicas and to append-only files.
//
// One command carries them all, `RL._EFFECT key kind unix-ms payload [subject-hash]`. The primary has decided; whoever
// replays an effect decides nothing again. docs/format.md has the payloads.
#ifndef RATELIMIT_CODEC_EFFECT_KIND_H
#define RATELIMIT_CODEC_EFFECT_KIND_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ratelimit {

inline constexpr const char* kEffectCommand = "RL._EFFECT";

/// The numbers of kinds that are about a subject stand in files.
enum class EffectKind : std::uint8_t {
  store,    ///< the key as it is, or one subject of its table: limits, states, reservations
  apply,    ///< what a granted call changed in the states of a subject that is there
  perform,  ///< an operation on a subject that is there
  define,   ///< limits are stored in the key, as of an instant
  sweep,    ///< subjects of a range of hashes are forgotten if they are idle at an instant
  fill,     ///< a chunk of the subjects of a table, when an append-only file is rewritten
  forget,   ///< a subject of the table is forgotten
  except,   ///< a subject of the table has limits of its own, as of an instant, or no longer
  each,     ///< effects on several subjects of the table, one after the other
  history,  ///< a chunk of what the key remembers of its calls, when an append-only file is rewritten
};

/// The words for the kinds, which can be read in an append-only file.
inline constexpr std::array<std::string_view, 10> kEffectWords{"STORE", "APPLY",  "PERFORM", "DEFINE", "SWEEP",
                                                               "FILL",  "FORGET", "EXCEPT",  "EACH",   "HISTORY"};

[[nodiscard]] constexpr std::string_view word_of(EffectKind kind) {
  return kEffectWords[static_cast<std::size_t>(kind)];
}

/// The kind with that word; none if there is none. Words are matched whole, in upper case: no person writes them.
[[nodiscard]] constexpr std::optional<EffectKind> effect_kind_of(std::string_view word) {
  for (std::size_t i = 0; i < kEffectWords.size(); ++i) {
    if (kEffectWords[i] == word) return static_cast<EffectKind>(i);
  }
  return std::nullopt;
}

/// Whether an effect of that kind may be one on a subject of the key's table, by its hash.
[[nodiscard]] constexpr bool may_name_subject(EffectKind kind) {
  return kind == EffectKind::store || kind == EffectKind::apply || kind == EffectKind::perform ||
         kind == EffectKind::forget || kind == EffectKind::except;
}

}  // namespace ratelimit

#endif  // RATELIMIT_CODEC_EFFECT_KIND_H
