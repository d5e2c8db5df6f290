// SPDX-License-Identifier: MIT
#include "http_connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace ratelimit::service {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// How long a client may take to read the last answer.
constexpr Span kLingering = std::chrono::seconds{2};

HttpConnection::Time now() { return std::chrono::steady_clock::now(); }

}  // namespace

HttpConnection::HttpConnection(HttpStream stream, HttpShared& shared)
    : stream_(std::move(stream)),
      shared_(shared),
      deadline_(now() + (stream_.is_open() ? shared.bounds.idle_time : shared.bounds.request_time)) {}

void HttpConnection::start() { read(); }

// --- reading -----------------------------------------------------------------------------------------

/// Waits for bytes without a buffer: an idle connection needs none.
void HttpConnection::read() {
  const bool may_read = phase_ == Phase::lingering || (phase_ == Phase::open && slots_.size() < kMostPipelined);
  if (is_reading_ || has_ended_ || !may_read) return;
  is_reading_ = true;
  stream_.wait_to_read([self = shared_from_this()](const error_code& error) {
    self->is_reading_ = false;
    if (error) return self->close();
    self->take_bytes();
  });
}

void HttpConnection::take_bytes() {
  error_code error;
  const bool was_open = stream_.is_open();
  const std::size_t size = stream_.read_some(asio::buffer(shared_.buffer), error);
  if (!was_open && stream_.is_open()) set_deadline();  // the handshake was in time
  if (error == asio::error::would_block || error == asio::error::try_again) return read();
  if (error == asio::error::eof && phase_ == Phase::open && (!slots_.empty() || is_writing_)) {
    has_ended_ = true;  // it may still read its answers
    return;
  }
  if (error) return close();
  if (phase_ == Phase::open) {
    pending_.append(shared_.buffer.data(), size);
    parse();
  }
  read();
}

void HttpConnection::parse() {
  while (phase_ == Phase::open && slots_.size() < kMostPipelined && !pending_.empty()) {
    if (reader_ == nullptr) {
      reader_ = std::make_unique<HttpReader>(shared_.bounds);
      request_begun_ = now();
    }
    switch (reader_->feed(pending_)) {
      case HttpReader::State::failed: refuse(reader_->problem()); break;
      case HttpReader::State::complete: {
        HttpRequest request = reader_->take();
        reader_.reset();
        begin(std::move(request));
        break;
      }
      case HttpReader::State::incomplete:
        if (reader_->wants_continue() && slots_.empty()) {
          slots_.push_back({.wire = "HTTP/1.1 100 Continue\r\n\r\n", .is_ready = true});
          flush();
        }
        set_deadline();
        return;
    }
  }
  if (pending_.empty()) pending_.shrink_to_fit();
  set_deadline();
}

/// A client has so long from the first byte of a request to its last, however it splits them.
void HttpConnection::set_deadline() {
  if (phase_ != Phase::open || is_writing_) return;  // an answer has a deadline of its own
  deadline_ = reader_ != nullptr ? request_begun_ + shared_.bounds.request_time : now() + shared_.bounds.idle_time;
}

void HttpConnection::check_time(Time at) {
  if (at < deadline_ || phase_ == Phase::closed) return;
  const bool is_slow = phase_ == Phase::open && reader_ != nullptr && !is_writing_ && slots_.empty();
  if (is_slow) return refuse({408, "the request took too long to come"});
  if (phase_ == Phase::open && !slots_.empty() && !is_writing_) return;  // the server is asked, which has a deadline
  close();
}

// --- answering ---------------------------------------------------------------------------------------

void HttpConnection::begin(HttpRequest request) {
  const std::size_t number = first_slot_ + slots_.size();
  const bool keeps_alive = request.keeps_alive && !shared_.is_draining;
  slots_.push_back({.is_head = request.method == "HEAD", .keeps_alive = keeps_alive});
  if (!keeps_alive) phase_ = Phase::ending;
  shared_.handle(std::move(request),
                 [self = shared_from_this(), number](const Response& response) { self->respond(number, response); });
}

/// The last answer: nobody knows where another request would begin.
void HttpConnection::refuse(Problem problem) {
  reader_.reset();  // whose problem it may be: hence the copy
  phase_ = Phase::ending;
  slots_.push_back({.keeps_alive = false});
  respond(first_slot_ + slots_.size() - 1, response_to(problem, {}));
}

void HttpConnection::respond(std::size_t number, const Response& response) {
  if (phase_ == Phase::closed) return;
  Slot& slot = slots_[number - first_slot_];
  append_response(slot.wire, response, shared_.date(), slot.keeps_alive, slot.is_head);
  slot.is_ready = true;
  shared_.responded(response.status);
  flush();
}

void HttpConnection::flush() {
  if (is_writing_ || phase_ == Phase::closed) return;
  for (; !slots_.empty() && slots_.front().is_ready; slots_.pop_front(), ++first_slot_) {
    outgoing_.append(slots_.front().wire);
  }
  if (outgoing_.empty()) {
    if (slots_.empty() && (phase_ == Phase::ending || has_ended_)) end();
    return;
  }
  is_writing_ = true;
  deadline_ = now() + shared_.bounds.request_time;
  send();
}

/// What follows is done in another turn: it may answer the next request, which is sent, and so on.
void HttpConnection::send() {
  error_code error;
  while (!error && sent_ < outgoing_.size()) sent_ += stream_.write_some(asio::buffer(outgoing_) + sent_, error);
  if (error == asio::error::would_block || error == asio::error::try_again) {
    return stream_.wait_to_write([self = shared_from_this()](const error_code& failure) {
      if (failure) return self->written(failure);
      self->send();
    });
  }
  asio::post(stream_.get_executor(), [self = shared_from_this(), error] { self->written(error); });
}

void HttpConnection::written(const error_code& error) {
  is_writing_ = false;
  std::string().swap(outgoing_);
  sent_ = 0;
  if (error) return close();
  set_deadline();
  flush();
  if (phase_ == Phase::open && !is_writing_) parse();
  read();
}

// --- the end -----------------------------------------------------------------------------------------

/// Closes for sending, and waits a moment for the client to close: to close at once, while bytes of the client are on the way,
/// would make its system throw the answer away.
void HttpConnection::end() {
  phase_ = Phase::lingering;
  deadline_ = now() + kLingering;
  std::string().swap(pending_);
  error_code error;
  stream_.shutdown_send(error);
  if (error || has_ended_) return close();
  read();
}

void HttpConnection::drain() {
  if (phase_ != Phase::open) return;
  if (slots_.empty() && !is_writing_ && reader_ == nullptr) return close();
  if (reader_ == nullptr) phase_ = Phase::ending;
}

void HttpConnection::close() {
  if (std::exchange(phase_, Phase::closed) == Phase::closed) return;
  stream_.close();
  shared_.closed(*this);
}

}  // namespace ratelimit::service
