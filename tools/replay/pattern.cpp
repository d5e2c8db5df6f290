// SPDX-License-Identifier: MIT
#include "replay/pattern.h"

#include <cstddef>

namespace ratelimit::replay {

std::optional<Pattern> Pattern::parse(std::string_view text) {
  Pattern pattern;
  pattern.subnet_ = parse_subnet(text);
  const bool has_star = text.find('*') != std::string_view::npos;
  const bool is_meant_for_subnet = !has_star && parse_address(text.substr(0, text.rfind('/'))).has_value();
  if (!pattern.subnet_ && is_meant_for_subnet) return std::nullopt;
  for (;;) {
    const std::size_t star = text.find('*');
    pattern.pieces_.emplace_back(text.substr(0, star));
    if (star == std::string_view::npos) return pattern;
    text.remove_prefix(star + 1);
  }
}

bool Pattern::matches(std::string_view value) const {
  if (matches_pieces(value)) return true;
  if (!subnet_) return false;
  const std::optional<Subnet> inner = parse_subnet(value);
  return inner && contains(*subnet_, *inner);
}

/// The first piece is the begin, the last one is the end. Each between them is taken where it comes first: what is left
/// for the others is then the longest that it can be, so nothing is tried twice.
bool Pattern::matches_pieces(std::string_view value) const {
  if (pieces_.size() == 1) return value == pieces_.front();
  const std::string& begin = pieces_.front();
  const std::string& end = pieces_.back();
  if (value.size() < begin.size() + end.size() || !value.starts_with(begin) || !value.ends_with(end)) return false;
  value.remove_prefix(begin.size());
  value.remove_suffix(end.size());
  for (std::size_t i = 1; i + 1 < pieces_.size(); ++i) {
    const std::size_t at = value.find(pieces_[i]);
    if (at == std::string_view::npos) return false;
    value.remove_prefix(at + pieces_[i].size());
  }
  return true;
}

}  // namespace ratelimit::replay
