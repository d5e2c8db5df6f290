// SPDX-License-Identifier: MIT
#include "http_reader.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace ratelimit::service {

namespace beast = boost::beast;

struct HttpReader::Parser {
  beast::http::request_parser<beast::http::string_body> parser;
};

namespace {

Problem problem_of(const beast::error_code& code) {
  using beast::http::error;
  if (code == error::header_limit) return {431, "the header is too large"};
  if (code == error::body_limit) return {413, "the body is too large"};
  return {400, "the request is no valid HTTP"};
}

/// Where two programs disagree about the end of a request, one reads as a request what the other took for a body (RFC 9112,
/// 6.3 and 11.2). The parser refuses two lengths that differ, and a length beside chunks; here is what it lets through.
bool is_ambiguous(const beast::http::fields& fields, unsigned version) {
  const auto count = [&fields](beast::http::field name) { return fields.count(name); };
  if (count(beast::http::field::content_length) > 1) return true;
  if (count(beast::http::field::transfer_encoding) == 0) return false;
  const bool is_chunked = beast::iequals(fields[beast::http::field::transfer_encoding], "chunked");
  return version < 11 || count(beast::http::field::transfer_encoding) > 1 || !is_chunked;
}

std::optional<Problem> problem_of(const beast::http::fields& fields, unsigned version) {
  if (is_ambiguous(fields, version)) return Problem{400, "the end of the body is not clear"};
  const std::size_t hosts = fields.count(beast::http::field::host);
  if (hosts > 1 || (hosts == 0 && version >= 11)) return Problem{400, "there must be one field Host"};
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> HttpRequest::field(std::string_view name) const {
  std::optional<std::string_view> found;
  for (const auto& [each, value] : fields) {
    if (!beast::iequals({each.data(), each.size()}, {name.data(), name.size()})) continue;
    if (found) return std::nullopt;
    found = value;
  }
  return found;
}

HttpReader::HttpReader(const HttpBounds& bounds) : bounds_(bounds) {}
HttpReader::~HttpReader() = default;

HttpReader::State HttpReader::feed(std::string& bytes) {
  if (parser_ == nullptr) {
    parser_ = std::make_unique<Parser>();
    parser_->parser.header_limit(bounds_.header);
    parser_->parser.body_limit(bounds_.body);
    parser_->parser.eager(true);
    has_continued_ = false;
  }
  if (auto problem = parse(bytes)) {
    problem_ = std::move(*problem);
    return State::failed;
  }
  return parser_->parser.is_done() ? State::complete : State::incomplete;
}

std::optional<Problem> HttpReader::parse(std::string& bytes) {
  auto& parser = parser_->parser;
  std::size_t taken = 0;
  beast::error_code error;
  while (!parser.is_done() && taken < bytes.size()) {
    taken += parser.put(boost::asio::const_buffer(bytes.data() + taken, bytes.size() - taken), error);
    if (error) break;
  }
  bytes.erase(0, taken);
  if (error && error != beast::http::error::need_more) return problem_of(error);
  if (!parser.is_header_done()) return std::nullopt;
  // Between chunks and behind them the parser waits for the end of a line, however long that is.
  if (!parser.is_done() && bytes.size() > bounds_.header) return Problem{431, "a line is too long"};
  return problem_of(parser.get(), parser.get().version());
}

bool HttpReader::wants_continue() {
  if (parser_ == nullptr || has_continued_ || !parser_->parser.is_header_done() || parser_->parser.is_done())
    return false;
  const auto& message = parser_->parser.get();
  has_continued_ = beast::iequals(message[beast::http::field::expect], "100-continue");
  return has_continued_;
}

HttpRequest HttpReader::take() {
  auto message = parser_->parser.release();
  parser_.reset();
  const auto text = [](beast::string_view view) { return std::string(view.data(), view.size()); };
  HttpRequest request;
  request.method = text(message.method_string());
  request.target = text(message.target());
  request.keeps_alive = message.keep_alive();
  request.body = std::move(message.body());
  for (const auto& field : message) request.fields.emplace_back(text(field.name_string()), text(field.value()));
  return request;
}

}  // namespace ratelimit::service
