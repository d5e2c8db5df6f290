// SPDX-License-Identifier: MIT
// What bench_doors says over a connection, and how it finds the answers in what comes back: RESP to a server, HTTP/1.1 to
// the check service. (doors_grpc.h has the third.) Nothing here knows a socket. Needs Boost.Beast.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "load_connection.h"

namespace doors {

using Clock = std::chrono::steady_clock;

// Told of each answer: when its request was due, and whether a decision came that grants it.
using Answered = std::function<void(Clock::time_point due, bool is_granted)>;

inline std::string subject(std::size_t caller) { return "user:" + std::to_string(caller); }

class Dialogue {
 public:
  explicit Dialogue(Answered answered) : answered_(std::move(answered)) {}
  Dialogue(const Dialogue&) = delete;
  Dialogue& operator=(const Dialogue&) = delete;
  virtual ~Dialogue() = default;

  // A request about this caller, which was to be sent at `due`.
  virtual void ask(std::size_t caller, Clock::time_point due) = 0;
  // Takes what the other side sent.
  virtual void read(std::string_view bytes) = 0;
  // Takes away what is to be sent now.
  virtual std::string output() { return std::exchange(output_, {}); }

 protected:
  // Answers come in the order of the requests; HTTP/2 does not use this.
  void expect(Clock::time_point due) { unanswered_.push_back(due); }
  void answer(bool is_granted) {
    if (unanswered_.empty()) throw std::runtime_error{"an answer came that nobody asked for"};
    answered_(unanswered_.front(), is_granted);
    unanswered_.pop_front();
  }

  Answered answered_;
  std::string output_;

 private:
  std::deque<Clock::time_point> unanswered_;
};

// RL.CHECK with the limits in each call.
class RedisDialogue : public Dialogue {
 public:
  using Dialogue::Dialogue;

  void ask(std::size_t caller, Clock::time_point due) override {
    const std::string key = subject(caller);
    output_.append("*6\r\n$8\r\nRL.CHECK\r\n$").append(std::to_string(key.size())).append("\r\n").append(key);
    output_.append("\r\n$11\r\nTOKENBUCKET\r\n$7\r\n1000000\r\n$7\r\n1000000\r\n$2\r\n1s\r\n");
    expect(due);
  }

  void read(std::string_view bytes) override {
    input_.append(bytes);
    const std::uint64_t replies = counter_.replies;
    const std::uint64_t denials = counter_.denials;
    input_.erase(0, counter_.take(input_));
    const std::uint64_t denied = counter_.denials - denials;
    for (std::uint64_t i = 0; i < counter_.replies - replies; ++i) answer(i >= denied);
  }

 private:
  std::string input_;
  load::ReplyCounter counter_{"0"};
};

// POST /check with the limits in each call, over a connection that stays open. Requests may follow each other without
// waiting.
class HttpDialogue : public Dialogue {
 public:
  explicit HttpDialogue(Answered answered) : Dialogue(std::move(answered)) { next_answer(); }

  void ask(std::size_t caller, Clock::time_point due) override {
    const std::string body = "{\"key\":\"" + subject(caller) + "\",\"limits\":\"TOKENBUCKET 1000000 1000000 1s\"}";
    output_.append("POST /check HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ");
    output_.append(std::to_string(body.size())).append("\r\n\r\n").append(body);
    expect(due);
  }

  void read(std::string_view bytes) override {
    boost::asio::buffer_copy(input_.prepare(bytes.size()), boost::asio::buffer(bytes));
    input_.commit(bytes.size());
    while (input_.size() > 0) {
      boost::system::error_code error;
      input_.consume(parser_->put(input_.cdata(), error));
      if (error == boost::beast::http::error::need_more) break;
      if (error) throw boost::system::system_error{error, "an answer over HTTP"};
      if (!parser_->is_done()) continue;
      answer(parser_->get().result() == boost::beast::http::status::ok);
      next_answer();
    }
  }

 private:
  using Parser = boost::beast::http::response_parser<boost::beast::http::string_body>;

  void next_answer() { parser_.emplace().eager(true); }

  boost::beast::flat_buffer input_;
  std::optional<Parser> parser_;
};

}  // namespace doors
