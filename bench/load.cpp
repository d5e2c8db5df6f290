// SPDX-License-Identifier: MIT
// bench_load — asks one command over and over, each time on another key, and counts: as fast as the server answers, or
// at a rate, and then measures how long each answer takes.
//
// The requests of one whole cycle over the subjects are built before the clock starts, in a shuffled order, and lie
// back to back in memory: while it measures, the client only writes slices of that buffer and counts replies. Several
// connections take turns: while one is read, the others' requests wait in the server, so that it never idles.
//
// At a rate, each call has its instant and is sent at it, whether or not those before it are answered. Its time is
// measured from that instant, not from when it was sent: so a server that pauses is charged for all that waited
// meanwhile, and not only for the few calls that were under way (no coordinated omission).
//
//   bench_load --port PORT [options] -- COMMAND ARG...      {key} in an argument stands for the subject's key
//
// The argument {keys:64} stands for as many subjects as it says, each an argument of its own.
//
// It prints one line of JSON. It depends on the standard library and POSIX only; replies are RESP2. An error in a
// reply ends it with that error's text.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

struct Options {
  std::uint16_t port = 6379;
  std::uint32_t database = 0;
  std::string prefix = "key:";
  std::uint32_t subjects = 100'000;
  std::uint32_t clients = 50;
  std::uint32_t pipeline = 32;
  std::uint64_t seed = 1;
  std::uint64_t calls = 0;   // 0: as many as `time` allows
  std::uint64_t rate = 0;    // calls a second, by schedule; 0: as fast as the server answers
  std::string denial = "0";  // the integer at the head of a reply that denies
  Seconds time{1.0};
  Seconds warm_up{0.0};  // asked, but not counted
  std::vector<std::string> command;
};

// One cycle over the subjects, as bytes. A cycle shorter than what the connections may have in flight is repeated.
class Requests {
 public:
  explicit Requests(const Options& options) {
    std::vector<std::uint32_t> order(options.subjects);
    std::iota(order.begin(), order.end(), 0U);
    std::shuffle(order.begin(), order.end(), std::mt19937_64{options.seed});
    const auto keys = std::transform_reduce(
        options.command.begin(), options.command.end(), std::size_t{1},
        [](std::size_t a, std::size_t b) { return std::max(a, b); }, keys_in);
    const std::size_t a_cycle = std::max<std::size_t>(order.size() / keys, 1);
    const std::size_t enough = std::max(std::size_t{options.clients} * options.pipeline, a_cycle);
    // With turns, each subject is asked in either way, one after the other.
    const bool has_turns = std::any_of(options.command.begin(), options.command.end(),
                                       [](const std::string& argument) { return argument.starts_with(kTurn); });
    for (std::size_t round = 0; ends_.size() < enough || (has_turns && round % 2 == 1); ++round) {
      for (std::size_t i = 0; i < a_cycle; ++i) append(options, order, i, (i + round) % 2 == 0);
    }
  }

  struct Slice {
    std::string_view bytes;
    std::size_t count;
  };

  // The next requests, at most `want` of them; fewer where the cycle ends.
  Slice next(std::size_t want) {
    if (next_ == ends_.size()) next_ = 0;
    const std::size_t from = next_ == 0 ? 0 : ends_[next_ - 1];
    const std::size_t count = std::min(want, ends_.size() - next_);
    next_ += count;
    return {std::string_view{bytes_}.substr(from, ends_[next_ - 1] - from), count};
  }

 private:
  // `{turn:A|B}` is A and B by turns.
  static constexpr std::string_view kTurn = "{turn:";

  static std::string in_turn(const std::string& argument, bool first) {
    const std::size_t bar = argument.find('|');
    if (first) return argument.substr(kTurn.size(), bar - kTurn.size());
    return argument.substr(bar + 1, argument.size() - bar - 2);
  }

  // `{keys:N}` is the next N subjects in the shuffled order.
  static constexpr std::string_view kKeys = "{keys:";

  static std::size_t keys_in(const std::string& argument) {
    return argument.starts_with(kKeys) ? std::stoul(argument.substr(kKeys.size())) : 1;
  }

  static std::string key_of(const Options& options, std::uint32_t subject) {
    const std::string digits = std::to_string(subject);
    return options.prefix + std::string(9 - std::min<std::size_t>(9, digits.size()), '0') + digits;
  }

  void append(const Options& options, const std::vector<std::uint32_t>& order, std::size_t at, bool first) {
    const std::size_t words =
        std::transform_reduce(options.command.begin(), options.command.end(), std::size_t{0}, std::plus<>{}, keys_in);
    append_count('*', words);
    for (std::string argument : options.command) {
      if (argument.starts_with(kKeys)) {
        const std::size_t keys = keys_in(argument);
        for (std::size_t i = 0; i < keys; ++i) {
          append_word(key_of(options, order[(at * keys + i) % order.size()]));
        }
        continue;
      }
      if (argument.starts_with(kTurn)) argument = in_turn(argument, first);
      if (const auto place = argument.find("{key}"); place != std::string::npos) {
        argument.replace(place, 5, key_of(options, order[at]));
      }
      append_word(argument);
    }
    ends_.push_back(bytes_.size());
  }

  void append_word(const std::string& word) {
    append_count('$', word.size());
    bytes_.append(word).append("\r\n");
  }

  void append_count(char kind, std::size_t count) {
    bytes_.append(1, kind).append(std::to_string(count)).append("\r\n");
  }

  std::string bytes_;
  std::vector<std::size_t> ends_;  // ends_[i]: where request i stops
  std::size_t next_ = 0;
};

// Counts the replies in a stream of RESP2, and the denials among them, which have a certain integer at their head.
class ReplyCounter {
 public:
  explicit ReplyCounter(const std::string& denial) : denial_(":" + denial) {}

  std::uint64_t replies = 0;
  std::uint64_t denials = 0;

  // Takes whole lines and bulk strings off `bytes`; returns how many bytes. The rest must come again, with more.
  std::size_t take(std::string_view bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
      const std::size_t end = bytes.find('\n', at);
      if (end == std::string_view::npos) break;
      const std::string_view line = bytes.substr(at, end - at - 1);
      std::size_t after = end + 1;
      if (line.front() == '$' && line[1] != '-') after += std::stoul(std::string{line.substr(1)}) + 2;
      if (after > bytes.size()) break;
      element(line);
      at = after;
    }
    return at;
  }

 private:
  void element(std::string_view line) {
    if (line.front() == '-') throw std::runtime_error{"the server answered: " + std::string{line.substr(1)}};
    if (line.front() == '*') {
      missing_ += std::stoul(std::string{line.substr(1)});
    } else {
      if (!seen_first_ && line == denial_) ++denials;
      seen_first_ = true;
    }
    if (--missing_ == 0) {
      ++replies;
      missing_ = 1;
      seen_first_ = false;
    }
  }

  std::string denial_;
  std::size_t missing_ = 1;  // elements until the reply is whole
  bool seen_first_ = false;
};

[[noreturn]] void fail(const char* what) { throw std::system_error{errno, std::generic_category(), what}; }

int connect_to(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  // The socket interface takes every kind of address through one type, hence the cast.
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("connect");
  const int yes = 1;
  if (::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) fail("TCP_NODELAY");
  return socket;
}

class Connection {
 public:
  explicit Connection(const Options& options)
      : socket_(connect_to(options.port)), input_(std::size_t{1} << 16U, '\0'), counter_(options.denial) {
    const std::string number = std::to_string(options.database);
    ask("*2\r\n$6\r\nSELECT\r\n$" + std::to_string(number.size()) + "\r\n" + number + "\r\n");
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  Connection(Connection&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        input_(std::move(other.input_)),
        counter_(std::move(other.counter_)),
        expected_(other.expected_) {}
  Connection& operator=(Connection&&) = delete;
  ~Connection() {
    if (socket_ >= 0) ::close(socket_);
  }

  void send(Requests::Slice slice) {
    expected_ += slice.count;
    while (!slice.bytes.empty()) {
      const ssize_t written = ::write(socket_, slice.bytes.data(), slice.bytes.size());
      if (written < 0) fail("write");
      slice.bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  // Reads until everything that was sent is answered.
  void receive() {
    while (counter_.replies < expected_) receive_some();
  }

  // Reads what has come, or waits for it.
  void receive_some() {
    const ssize_t got = ::read(socket_, input_.data() + held_, input_.size() - held_);
    if (got < 0) fail("read");
    if (got == 0) throw std::runtime_error{"the server closed the connection"};
    held_ += static_cast<std::size_t>(got);
    const std::size_t taken = counter_.take(std::string_view{input_}.substr(0, held_));
    std::copy(input_.begin() + static_cast<std::ptrdiff_t>(taken), input_.begin() + static_cast<std::ptrdiff_t>(held_),
              input_.begin());
    held_ -= taken;
  }

  // One call by itself.
  void ask(std::string_view request) {
    send({request, 1});
    receive();
  }

  [[nodiscard]] int socket() const { return socket_; }
  [[nodiscard]] const ReplyCounter& counted() const { return counter_; }

 private:
  int socket_;
  std::string input_;
  std::size_t held_ = 0;  // bytes of input_ that are not counted yet
  ReplyCounter counter_;
  std::uint64_t expected_ = 0;
};

struct Result {
  std::uint64_t calls = 0;
  Seconds took{0};
};

// Asks for `time`, or until `calls` were asked, and waits for the last reply.
Result drive(std::vector<Connection>& connections, Requests& requests, std::size_t pipeline, Seconds time,
             std::uint64_t calls) {
  const auto start = Clock::now();
  std::uint64_t left = calls == 0 ? std::numeric_limits<std::uint64_t>::max() : calls;
  Result result;
  while (left > 0 && (calls != 0 || Clock::now() - start < time)) {
    for (Connection& connection : connections) {
      connection.receive();
      const auto slice = requests.next(static_cast<std::size_t>(std::min<std::uint64_t>(pipeline, left)));
      if (slice.count == 0) break;
      connection.send(slice);
      left -= slice.count;
      result.calls += slice.count;
    }
  }
  for (Connection& connection : connections) connection.receive();
  result.took = Clock::now() - start;
  return result;
}

// Calls at a rate, and how long they took.
class Schedule {
 public:
  Schedule(std::vector<Connection>& connections, Requests& requests)
      : connections_(connections), requests_(requests), unanswered_(connections.size()), poll_(::epoll_create1(0)) {
    if (poll_ < 0) fail("epoll_create1");
    for (std::size_t i = 0; i < connections.size(); ++i) {
      epoll_event wanted{};
      wanted.events = EPOLLIN;
      wanted.data.u64 = i;
      if (::epoll_ctl(poll_, EPOLL_CTL_ADD, connections[i].socket(), &wanted) != 0) fail("epoll_ctl");
    }
  }
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;
  ~Schedule() { ::close(poll_); }

  // Sends calls for `time`, `rate` a second at equal distances, and waits for the last reply. It never sleeps: to be
  // woken takes longer than most calls.
  Result run(std::uint64_t rate, Seconds time) {
    const Seconds apart{1.0 / static_cast<double>(rate)};
    const auto calls = static_cast<std::uint64_t>(time / apart);
    const auto start = Clock::now();
    Result result;
    while (result.calls < calls || answered.size() < calls) {
      const auto due = start + std::chrono::duration_cast<Clock::duration>(static_cast<double>(result.calls) * apart);
      if (const auto now = Clock::now(); result.calls < calls && now >= due) {
        send(result.calls % connections_.size(), due);
        sent.emplace_back(now - due);
        ++result.calls;
      } else {
        take_answers();
      }
    }
    result.took = Clock::now() - start;
    return result;
  }

  // From the instant of a call: until it was sent, and until it was answered.
  std::vector<Seconds> sent;
  std::vector<Seconds> answered;

 private:
  void send(std::size_t to, Clock::time_point due) {
    connections_[to].send(requests_.next(1));
    unanswered_[to].push_back(due);
  }

  void take_answers() {
    std::array<epoll_event, 64> ready{};
    const int count = ::epoll_wait(poll_, ready.data(), static_cast<int>(ready.size()), 0);
    if (count < 0) fail("epoll_wait");
    for (int i = 0; i < count; ++i) take_answers_of(ready[static_cast<std::size_t>(i)].data.u64);
  }

  void take_answers_of(std::size_t from) {
    const std::uint64_t before = connections_[from].counted().replies;
    connections_[from].receive_some();
    const auto now = Clock::now();
    for (std::uint64_t i = before; i < connections_[from].counted().replies; ++i) {
      answered.emplace_back(now - unanswered_[from].front());
      unanswered_[from].pop_front();
    }
  }

  std::vector<Connection>& connections_;
  Requests& requests_;
  std::vector<std::deque<Clock::time_point>> unanswered_;  // of each connection: when its calls were due
  int poll_;
};

std::uint64_t denials(const std::vector<Connection>& connections) {
  return std::accumulate(connections.begin(), connections.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const Connection& each) { return sum + each.counted().denials; });
}

std::uint32_t count(const std::string& text) {
  const unsigned long value = std::stoul(text);
  if (value == 0 || value > 1'000'000'000) throw std::runtime_error{"a count must be from 1 to 10^9"};
  return static_cast<std::uint32_t>(value);
}

Options parse(const std::vector<std::string>& words) {
  Options options;
  const std::map<std::string, std::function<void(const std::string&)>> setters{
      {"--port", [&](const std::string& text) { options.port = static_cast<std::uint16_t>(count(text)); }},
      {"--database", [&](const std::string& text) { options.database = static_cast<std::uint32_t>(std::stoul(text)); }},
      {"--denial", [&](const std::string& text) { options.denial = text; }},
      {"--prefix", [&](const std::string& text) { options.prefix = text; }},
      {"--subjects", [&](const std::string& text) { options.subjects = count(text); }},
      {"--clients", [&](const std::string& text) { options.clients = count(text); }},
      {"--pipeline", [&](const std::string& text) { options.pipeline = count(text); }},
      {"--seed", [&](const std::string& text) { options.seed = std::stoull(text); }},
      {"--calls", [&](const std::string& text) { options.calls = count(text); }},
      {"--rate", [&](const std::string& text) { options.rate = count(text); }},
      {"--seconds", [&](const std::string& text) { options.time = Seconds{std::stod(text)}; }},
      {"--warm-up", [&](const std::string& text) { options.warm_up = Seconds{std::stod(text)}; }},
  };
  auto word = words.begin();
  for (; word != words.end() && *word != "--"; ++word) {
    const auto setter = setters.find(*word);
    if (setter == setters.end() || ++word == words.end())
      throw std::runtime_error{"an option is unknown or has no value"};
    setter->second(*word);
  }
  if (word == words.end() || ++word == words.end()) throw std::runtime_error{"no command after --"};
  options.command.assign(word, words.end());
  return options;
}

// From here on the server's own figures are those of the calls to come.
void reset_statistics(const Options& options) { Connection{options}.ask("*2\r\n$6\r\nCONFIG\r\n$9\r\nRESETSTAT\r\n"); }

constexpr std::array<std::pair<const char*, double>, 4> kPercentiles{
    {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1.0}}};

// "p50": 12.3, and so on, in microseconds.
std::string percentiles(std::vector<Seconds> times) {
  std::sort(times.begin(), times.end());
  std::string text;
  for (const auto& [name, share] : kPercentiles) {
    const auto below = static_cast<std::size_t>(share * static_cast<double>(times.size()));
    const double microseconds = times.empty() ? 0 : times[std::min(below, times.size() - 1)].count() * 1e6;
    text.append(text.empty() ? "\"" : ", \"").append(name).append("\": ").append(std::to_string(microseconds));
  }
  return text;
}

void run(const Options& options) {
  Requests requests{options};
  std::vector<Connection> connections;
  for (std::uint32_t i = 0; i < options.clients; ++i) connections.emplace_back(options);

  const Result warm_up =
      options.warm_up.count() > 0 ? drive(connections, requests, options.pipeline, options.warm_up, 0) : Result{};
  reset_statistics(options);
  const std::uint64_t denied_before = denials(connections);
  Schedule schedule{connections, requests};
  const Result result = options.rate > 0 ? schedule.run(options.rate, options.time)
                                         : drive(connections, requests, options.pipeline, options.time, options.calls);

  std::cout << R"({"calls": )" << result.calls << R"(, "seconds": )" << result.took.count()  //
            << R"(, "denied": )" << denials(connections) - denied_before                     //
            << R"(, "calls_with_warm_up": )" << result.calls + warm_up.calls                 //
            << R"(, "answered_us": {)" << percentiles(schedule.answered)                     //
            << R"(}, "sent_us": {)" << percentiles(schedule.sent) << "}}\n";
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(parse({argv + 1, argv + argc}));
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "bench_load: " << error.what() << '\n';
    return 1;
  }
}
