// SPDX-License-Identifier: MIT
// What an operator asks over HTTP, out of the target of a request. Pure; depends on queries and the field reader.
#ifndef RATELIMIT_SERVICE_OPERATORS_QUESTION_H
#define RATELIMIT_SERVICE_OPERATORS_QUESTION_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "../fields.h"
#include "ratelimit/client/report.h"

namespace ratelimit::service::operators {

enum class Page : std::uint8_t { limiters, limiter, top, log, why };

/// For metrics and the log.
[[nodiscard]] std::string_view name_of(Page page);

struct Question {
  static constexpr std::size_t kMostShown = 100;

  Page page = Page::limiters;
  std::string limiter{};           ///< any bytes
  std::string subject{};           ///< any bytes; of `why`
  std::string pattern{};           ///< of `limiters`; empty: all
  client::LimiterCursor cursor{};  ///< of `limiters`
  std::size_t count = 10;          ///< 1 to `kMostShown`
};

/// Which page a path names: `/limiters`, `/limiters/NAME`, `/limiters/NAME/top`, `/limiters/NAME/log`, `/why`. None if it is
/// none of these.
[[nodiscard]] std::optional<Page> page_of(std::string_view path);

/// The question in a target whose path is a page.
[[nodiscard]] Read<Question> read_question(std::string_view path, std::string_view query);

// --- cursors, as the answers have them ---------------------------------------------------------------

/// `5461-1234`: a slot and a cursor of RL.LIMITERS.
[[nodiscard]] std::string text_of(const client::LimiterCursor& cursor);
[[nodiscard]] std::optional<client::LimiterCursor> parse_cursor(std::string_view text);

}  // namespace ratelimit::service::operators

#endif  // RATELIMIT_SERVICE_OPERATORS_QUESTION_H
