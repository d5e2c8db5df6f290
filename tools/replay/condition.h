// SPDX-License-Identifier: MIT
// Which calls count: those whose field is like a pattern (`path=/api/*`), or not (`agent!=*bot*`). Depends on patterns.
#ifndef RATELIMIT_TOOLS_REPLAY_CONDITION_H
#define RATELIMIT_TOOLS_REPLAY_CONDITION_H

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "replay/entry.h"
#include "replay/pattern.h"

namespace ratelimit::replay {

class Condition {
 public:
  /// None if the text is no condition. Its field is added to `fields`.
  [[nodiscard]] static std::optional<Condition> parse(std::string_view text, WantedFields& fields) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const bool is_negated = equals > 0 && text[equals - 1] == '!';
    const std::string_view name = text.substr(0, equals - (is_negated ? 1 : 0));
    std::optional<Pattern> pattern = Pattern::parse(text.substr(equals + 1));
    const std::optional<std::size_t> field = name.empty() ? std::nullopt : fields.want(name);
    if (!pattern || !field) return std::nullopt;
    return Condition(*field, std::move(*pattern), is_negated);
  }

  /// A missing field has no text.
  [[nodiscard]] bool holds(const Entry& entry) const { return pattern_.matches(entry.values[field_]) != is_negated_; }

 private:
  Condition(std::size_t field, Pattern pattern, bool is_negated)
      : field_(field), pattern_(std::move(pattern)), is_negated_(is_negated) {}

  std::size_t field_ = 0;
  Pattern pattern_;
  bool is_negated_ = false;
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_CONDITION_H
