// SPDX-License-Identifier: MIT
// bench_doors — checks over HTTP, HTTPS or gRPC by the check service, or by the server behind it: as many as are answered, or at
// a rate, and how long each takes.
//
// At a rate, each call has its instant and is sent at it, whether or not those before it are answered. Its time is measured
// from that instant, not from when it was sent: so a pause of the service, of the server or of this program is part of the
// time of all calls that had to wait for it (no coordinated omission). Between two instants this program sleeps, because it
// shares the cores with what it measures.
//
//   bench_doors --door redis|http|https|grpc --port PORT [--connections N] [--under-way N] [--rate N] [--seconds S]
//               [--warm-up S] [--callers N] [--descriptors N]
//
// `--under-way` is how many calls a connection has at once, if there is no rate. Each call is about another of the callers,
// drawn at random, whose limits are never reached. It prints one line of JSON; `refused` counts answers that do not grant:
// denials and errors. Needs Boost.Asio and OpenSSL besides what the two headers name.

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "doors_dialogue.h"
#include "doors_grpc.h"

namespace doors {
namespace {

using boost::asio::ip::tcp;
using Seconds = std::chrono::duration<double>;

struct Options {
  std::string door;
  std::uint16_t port = 0;
  std::size_t connections = 64;
  std::size_t under_way = 1;
  std::size_t rate = 0;  // 0: as many as are answered
  std::size_t callers = 10'000;
  std::size_t descriptors = 1;
  Seconds time{2.0};
  Seconds warm_up{0.2};  // before that time: not counted
};

Options parse(const std::vector<std::string>& words) {
  Options options;
  const std::map<std::string, std::function<void(const std::string&)>> setters{
      {"--door", [&](const std::string& text) { options.door = text; }},
      {"--port", [&](const std::string& text) { options.port = static_cast<std::uint16_t>(std::stoul(text)); }},
      {"--connections", [&](const std::string& text) { options.connections = std::stoul(text); }},
      {"--under-way", [&](const std::string& text) { options.under_way = std::stoul(text); }},
      {"--rate", [&](const std::string& text) { options.rate = std::stoul(text); }},
      {"--callers", [&](const std::string& text) { options.callers = std::stoul(text); }},
      {"--descriptors", [&](const std::string& text) { options.descriptors = std::stoul(text); }},
      {"--seconds", [&](const std::string& text) { options.time = Seconds{std::stod(text)}; }},
      {"--warm-up", [&](const std::string& text) { options.warm_up = Seconds{std::stod(text)}; }},
  };
  for (auto word = words.begin(); word != words.end(); ++word) {
    const auto setter = setters.find(*word);
    if (setter == setters.end() || ++word == words.end()) {
      throw std::runtime_error{"an option is unknown or has no value"};
    }
    setter->second(*word);
  }
  if (options.connections == 0 || options.callers == 0 || options.under_way == 0 || options.descriptors == 0) {
    throw std::runtime_error{"a count is 0"};
  }
  return options;
}

std::unique_ptr<Dialogue> dialogue_of(const Options& options, Answered answered) {
  if (options.door == "redis") return std::make_unique<RedisDialogue>(std::move(answered));
  if (options.door == "http" || options.door == "https") return std::make_unique<HttpDialogue>(std::move(answered));
  if (options.door == "grpc") return std::make_unique<GrpcDialogue>(std::move(answered), options.descriptors);
  throw std::runtime_error{"--door is one of: redis http https grpc"};
}

// A dialogue with a port.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual void ask(std::size_t caller, Clock::time_point due) = 0;
};

template <typename Stream>
class ConnectionOver : public Connection {
 public:
  // `stream` is connected.
  ConnectionOver(Stream stream, std::unique_ptr<Dialogue> dialogue)
      : stream_(std::move(stream)), dialogue_(std::move(dialogue)), input_(std::size_t{1} << 16U, '\0') {
    write();
    read();
  }

  void ask(std::size_t caller, Clock::time_point due) override {
    dialogue_->ask(caller, due);
    write();
  }

 private:
  void write() {
    if (!writing_.empty()) return;  // what comes meanwhile goes with the next write
    writing_ = dialogue_->output();
    if (writing_.empty()) return;
    boost::asio::async_write(stream_, boost::asio::buffer(writing_),
                             [this](boost::system::error_code error, std::size_t /*size*/) {
                               if (error) throw boost::system::system_error{error, "write"};
                               writing_.clear();
                               write();
                             });
  }

  void read() {
    stream_.async_read_some(boost::asio::buffer(input_), [this](boost::system::error_code error, std::size_t size) {
      if (error) throw boost::system::system_error{error, "read"};
      dialogue_->read(std::string_view{input_}.substr(0, size));
      write();
      read();
    });
  }

  Stream stream_;
  std::unique_ptr<Dialogue> dialogue_;
  std::string input_;
  std::string writing_;
};

std::unique_ptr<Connection> connect(boost::asio::io_context& loop, const Options& options, Answered answered) {
  namespace ssl = boost::asio::ssl;
  std::unique_ptr<Dialogue> dialogue = dialogue_of(options, std::move(answered));
  tcp::socket socket{loop};
  socket.connect({boost::asio::ip::address_v4::loopback(), options.port});
  socket.set_option(tcp::no_delay{true});
  if (options.door != "https") {
    return std::make_unique<ConnectionOver<tcp::socket>>(std::move(socket), std::move(dialogue));
  }
  ssl::context tls{ssl::context::tls_client};  // whoever answers is believed: it is on this machine
  ssl::stream<tcp::socket> stream{std::move(socket), tls};
  stream.handshake(ssl::stream_base::client);
  return std::make_unique<ConnectionOver<ssl::stream<tcp::socket>>>(std::move(stream), std::move(dialogue));
}

// All calls of a run, and what became of those that were due after the warm-up.
class Load {
 public:
  explicit Load(const Options& options)
      : options_(options), timer_(loop_), callers_(0, options.callers - 1), random_(std::random_device{}()) {
    for (std::size_t i = 0; i < options.connections; ++i) {
      connections_.push_back(connect(loop_, options, [this, i](auto due, bool is_granted) {
        note(due, is_granted);
        if (options_.rate == 0 && Clock::now() < end_) ask(i, Clock::now());
      }));
    }
  }

  void run() {
    start_ = Clock::now();
    begin_ = start_ + std::chrono::duration_cast<Clock::duration>(options_.warm_up);
    end_ = begin_ + std::chrono::duration_cast<Clock::duration>(options_.time);
    if (options_.rate > 0) {
      more_are_due_ = true;
      ask_what_is_due();
    } else {
      for (std::size_t i = 0; i < options_.under_way * connections_.size(); ++i) {
        ask(i % connections_.size(), Clock::now());
      }
    }
    const auto patience = std::chrono::seconds{20};
    while (more_are_due_ || under_way_ > 0) {
      loop_.run_one_until(end_ + patience);
      if (Clock::now() >= end_ + patience)
        throw std::runtime_error{std::to_string(under_way_) + " calls got no answer"};
    }
  }

  void print() {
    std::cout << R"({"all_calls": )" << all_calls_  //
              << R"(, "rate": )" << static_cast<double>(answered_.size()) / options_.time.count() << R"(, "refused": )"
              << refused_  //
              << R"(, "p50_ms": )" << percentile(answered_, 0.5) << R"(, "p99_ms": )" << percentile(answered_, 0.99)
              << R"(, "late_p99_ms": )" << percentile(late_, 0.99) << "}\n";
  }

 private:
  void ask(std::size_t connection, Clock::time_point due) {
    ++under_way_;
    ++all_calls_;
    connections_[connection]->ask(callers_(random_), due);
  }

  void ask_what_is_due() {
    const Seconds apart{1.0 / static_cast<double>(options_.rate)};
    while (true) {
      const auto due = start_ + std::chrono::duration_cast<Clock::duration>(static_cast<double>(all_calls_) * apart);
      more_are_due_ = due < end_;
      if (!more_are_due_) return;
      const auto now = Clock::now();
      if (due > now) {
        timer_.expires_at(due);
        timer_.async_wait([this](boost::system::error_code error) {
          if (error) throw boost::system::system_error{error, "timer"};
          ask_what_is_due();
        });
        return;
      }
      if (due >= begin_) late_.emplace_back(now - due);
      ask(all_calls_ % connections_.size(), due);
    }
  }

  void note(Clock::time_point due, bool is_granted) {
    --under_way_;
    if (!is_granted) ++refused_;
    if (due >= begin_ && due < end_) answered_.emplace_back(Clock::now() - due);
  }

  // Milliseconds.
  static double percentile(std::vector<Seconds>& times, double share) {
    if (times.empty()) return 0;
    const auto place = std::min(static_cast<std::size_t>(share * static_cast<double>(times.size())), times.size() - 1);
    const auto wanted = times.begin() + static_cast<std::ptrdiff_t>(place);
    std::nth_element(times.begin(), wanted, times.end());
    return wanted->count() * 1000;
  }

  const Options& options_;
  boost::asio::io_context loop_{1};
  boost::asio::steady_timer timer_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::uniform_int_distribution<std::size_t> callers_;
  std::minstd_rand random_;
  Clock::time_point start_;
  Clock::time_point begin_;
  Clock::time_point end_;
  bool more_are_due_ = false;  // at a rate; however late it is, each of them is sent
  std::size_t under_way_ = 0;
  std::size_t all_calls_ = 0;
  std::size_t refused_ = 0;
  std::vector<Seconds> answered_;  // from its instant until the answer came
  std::vector<Seconds> late_;      // from its instant until it was sent
};

}  // namespace
}  // namespace doors

int main(int argc, char** argv) {
  try {
    const doors::Options options = doors::parse({argv + 1, argv + argc});
    doors::Load load{options};
    load.run();
    load.print();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "bench_doors: " << error.what() << '\n';
    return 1;
  }
}
