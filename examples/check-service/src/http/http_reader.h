// SPDX-License-Identifier: MIT
// Requests of HTTP/1.1 out of bytes, with bounds on the header and the body. Boost.Beast parses; only the source of this file
// knows it. Without sockets. Depends on the settings and on problems.
#ifndef RATELIMIT_SERVICE_HTTP_READER_H
#define RATELIMIT_SERVICE_HTTP_READER_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../fields.h"
#include "../settings.h"

namespace ratelimit::service {

struct HttpRequest {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  bool keeps_alive = true;

  /// The value of a field, by its name in any case. None if it is absent, or there several times: nobody knows then which
  /// one the others went by.
  [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const;
};

/// Reads one request after the other.
class HttpReader {
 public:
  enum class State : std::uint8_t { incomplete, complete, failed };

  explicit HttpReader(const HttpBounds& bounds);
  HttpReader(const HttpReader&) = delete;
  HttpReader& operator=(const HttpReader&) = delete;
  ~HttpReader();

  /// Takes what it can from the front of `bytes`. After `complete`, `take` gives the request; after `failed`, `problem` says
  /// why, and no more can be read.
  [[nodiscard]] State feed(std::string& bytes);
  [[nodiscard]] HttpRequest take();
  [[nodiscard]] const Problem& problem() const { return problem_; }

  /// Whether the client waits for `100 Continue` before it sends the body. True once for a request.
  [[nodiscard]] bool wants_continue();

 private:
  struct Parser;

  [[nodiscard]] std::optional<Problem> parse(std::string& bytes);

  const HttpBounds bounds_;
  std::unique_ptr<Parser> parser_;  ///< null between two requests
  Problem problem_;
  bool has_continued_ = false;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_HTTP_READER_H
