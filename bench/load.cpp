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
// The argument {keys:64} stands for as many subjects as it says, each an argument of its own. With --parts N, {part} is
// the part of a split limiter that the subject belongs to, and --owned 0,5,7 asks only about subjects of these parts:
// the load of one node. With --waits yes, it prints "ready" once everything is built and connected, and begins when it
// reads a line: so several of these programs measure the same span of time.
//
// It prints one line of JSON. It depends on the standard library and POSIX only; replies are RESP2. An error in a
// reply ends it with that error's text.

#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <iostream>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "load_connection.h"
#include "load_options.h"
#include "load_requests.h"

namespace load {
namespace {

using Clock = std::chrono::steady_clock;

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
      if (left == 0) break;
      connection.receive();
      const auto slice = requests.next(static_cast<std::size_t>(std::min<std::uint64_t>(pipeline, left)));
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

void wait_to_be_told() {
  std::cout << "ready" << std::endl;
  std::string line;
  if (!std::getline(std::cin, line)) throw std::runtime_error{"nobody says when to begin"};
}

// Of this process, so far.
Seconds processor_time() {
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) != 0) fail("getrusage");
  const auto seconds = [](const timeval& time) {
    return std::chrono::seconds{time.tv_sec} + std::chrono::microseconds{time.tv_usec};
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Bytes sent and received, warm-up included.
std::pair<std::uint64_t, std::uint64_t> traffic(const std::vector<Connection>& connections) {
  std::pair<std::uint64_t, std::uint64_t> sum;
  for (const Connection& each : connections) {
    sum.first += each.sent();
    sum.second += each.received();
  }
  return sum;
}

void run(const Options& options) {
  Requests requests{options};
  std::vector<Connection> connections;
  for (std::uint32_t i = 0; i < options.clients; ++i) connections.emplace_back(options);

  if (options.waits) wait_to_be_told();

  const Result warm_up =
      options.warm_up.count() > 0 ? drive(connections, requests, options.pipeline, options.warm_up, 0) : Result{};
  reset_statistics(options);
  const Seconds busy_before = processor_time();
  const std::uint64_t denied_before = denials(connections);
  Schedule schedule{connections, requests};
  const Result result = options.rate > 0 ? schedule.run(options.rate, options.time)
                                         : drive(connections, requests, options.pipeline, options.time, options.calls);

  const Seconds busy = processor_time() - busy_before;
  const auto [sent, received] = traffic(connections);

  std::cout << R"({"calls": )" << result.calls << R"(, "seconds": )" << result.took.count()  //
            << R"(, "denied": )" << denials(connections) - denied_before                     //
            << R"(, "calls_with_warm_up": )" << result.calls + warm_up.calls                 //
            << R"(, "bytes_sent": )" << sent << R"(, "bytes_received": )" << received        //
            << R"(, "processor_seconds": )" << busy.count()                                  //
            << R"(, "answered_us": {)" << percentiles(schedule.answered)                     //
            << R"(}, "sent_us": {)" << percentiles(schedule.sent) << "}}\n";
}

}  // namespace
}  // namespace load

int main(int argc, char** argv) {
  try {
    load::run(load::parse({argv + 1, argv + argc}));
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "bench_load: " << error.what() << '\n';
    return 1;
  }
}
