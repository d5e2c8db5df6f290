// SPDX-License-Identifier: MIT
// What the client for C++ programs takes and gives, against a real server. bench/client runs it:
//
//   client wait PORT                          until there is a server
//   client calls PORT SECONDS                 round trips, and calls a second
//   client at-once PORT SECONDS               many calls of one thread on the way
//   client outage PORT SECONDS CHOICE PID     kills the server, and goes on calling
#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../tests/cpp_client/plain_hiredis.h"
#include "ratelimit/client.h"
#include "ratelimit/client/pipeline.h"

namespace {

using namespace std::chrono_literals;
using namespace ratelimit::client;
using ratelimit::Span;
using ratelimit::Units;
using ratelimit::client::tests::PlainHiredis;
using Clock = std::chrono::steady_clock;

Options options_for(int port) { return {.servers = {{.host = "127.0.0.1", .port = port}}}; }

double microseconds(Span span) { return std::chrono::duration<double, std::micro>(span).count(); }

Span percentile(std::vector<Span>& times, std::size_t percent) {
  if (times.empty()) return {};
  const auto place = times.begin() + static_cast<std::ptrdiff_t>(times.size() * percent / 100);
  std::nth_element(times.begin(), place, times.end());
  return *place;
}

/// How long each call of several threads took.
struct Times {
  std::vector<Span> calls;
  double per_second = 0;
};

/// Lets `threads` threads call for so long; `call` gets a number of its thread.
template <class Call>
Times measure(int threads, Span length, Call call) {
  std::vector<std::vector<Span>> times(static_cast<std::size_t>(threads));
  const Time begin = Clock::now();
  {
    std::vector<std::jthread> running;
    for (int t = 0; t < threads; ++t) {
      running.emplace_back([&, t] {
        for (Time now = Clock::now(); now < begin + length;) {
          call(t);
          const Time then = Clock::now();
          times[static_cast<std::size_t>(t)].push_back(then - now);
          now = then;
        }
      });
    }
  }
  const std::chrono::duration<double> took = Clock::now() - begin;
  Times all;
  for (const auto& each : times) all.calls.insert(all.calls.end(), each.begin(), each.end());
  all.per_second = static_cast<double>(all.calls.size()) / took.count();
  return all;
}

// Limits that nothing exceeds while this runs, and one that everything exceeds.
const Policy kWide{token_bucket(4'000'000'000, 4'000'000'000, 1s)};
const Policy kFull{fixed(1, 24h)};

void row(const char* what, int threads, const Client& client, Times times) {
  const Counts counts = client.counts();
  const auto round_trips = counts.answered_by(Source::server);
  std::printf("| %s | %d | %.1f | %.1f | %.0f | %.4f |\n", what, threads, microseconds(percentile(times.calls, 50)),
              microseconds(percentile(times.calls, 99)), times.per_second,
              static_cast<double>(round_trips) / static_cast<double>(counts.calls()));
}

/// hiredis without the client: a connection for each thread.
void plain_row(int port, int threads, Span each) {
  std::vector<std::unique_ptr<PlainHiredis>> plain;
  for (int t = 0; t < threads; ++t) {
    plain.push_back(std::make_unique<PlainHiredis>(Endpoint{.host = "127.0.0.1", .port = port}));
  }
  Times times =
      measure(threads, each, [&](int t) { plain[static_cast<std::size_t>(t)]->check("plain" + std::to_string(t)); });
  std::printf("| plain hiredis | %d | %.1f | %.1f | %.0f | 1.0000 |\n", threads,
              microseconds(percentile(times.calls, 50)), microseconds(percentile(times.calls, 99)), times.per_second);
}

constexpr int kAtOnce = 50;

/// Fifty calls on the way at once, in one thread: a time is that of all fifty.
template <class Fifty>
void at_once_row(const char* what, Span each, Fifty fifty) {
  Times times = measure(1, each, [&](int) { fifty(); });
  std::printf("| %s | %.1f | %.1f | %.0f |\n", what, microseconds(percentile(times.calls, 50)),
              microseconds(percentile(times.calls, 99)), times.per_second * kAtOnce);
}

int measure_at_once(int port, Span length) {
  std::printf("\n| fifty calls at once | p50, µs | p99, µs | calls per second |\n|---|---:|---:|---:|\n");
  const Span each = length / 2;
  std::vector<std::string> names;
  for (int i = 0; i < kAtOnce; ++i) names.push_back("name" + std::to_string(i));
  PlainHiredis plain({.host = "127.0.0.1", .port = port});
  at_once_row("plain hiredis, pipelined", each, [&] {
    for (const std::string& name : names) plain.send(name);
    for (int i = 0; i < kAtOnce; ++i) static_cast<void>(plain.take());
  });
  Client client(options_for(port));
  Pipeline pipeline(client);
  const auto ignore = [](const Answer&) {};
  at_once_row("a pipeline", each, [&] {
    for (const std::string& name : names) pipeline.check(name, kWide, {}, ignore);
    pipeline.wait();
  });
  at_once_row("a pipeline, one key, gathered", each, [&] {
    for (const std::string& name : names) pipeline.check("all", kWide, {.subject = name, .brief = true}, ignore);
    pipeline.wait();
  });
  return 0;
}

int measure_calls(int port, Span length) {
  std::printf("| call | threads | p50, µs | p99, µs | calls per second | answered by a round trip |\n");
  std::printf("|---|---:|---:|---:|---:|---:|\n");
  const Span each = length / 2;
  for (const int threads : {1, 4, 64}) {
    plain_row(port, threads, each);
    Client plain(options_for(port));
    static_cast<void>(plain.wait_for_server(1s));
    row("a round trip", threads, plain,
        measure(threads, each, [&](int t) { plain.check("plain" + std::to_string(t), kWide); }));
    if (threads > 4) continue;
    Client one(options_for(port));
    row("a round trip, one subject for all", threads, one,
        measure(threads, each, [&](int) { one.check("hot", kWide); }));
    for (const std::int64_t units : {10, 100, 1000}) {
      Client leasing(options_for(port));
      const std::string what = "the same, leases of " + std::to_string(units);
      row(what.c_str(), threads, leasing,
          measure(threads, each, [&](int) { leasing.check("hot", kWide, {.lease = Units(units)}); }));
    }
    Client denied(options_for(port));
    denied.check("denied", kFull);
    row("denied, and remembered", threads, denied, measure(threads, each, [&](int) { denied.check("denied", kFull); }));
  }
  return 0;
}

constexpr int kProcesses = 4;
constexpr int kCapacity = 100;
constexpr int kRefill = 100;  // a second

/// Four clients, as if each were a process, ask for twenty times as much as is allowed, of a server that then dies.
int measure_outage(int port, Span length, std::string_view choice, pid_t server) {
  Options options = options_for(port);
  options.without_server = choice == "open"     ? Without::fail_open
                           : choice == "closed" ? Without::fail_closed
                                                : Without::local;
  options.share = {.numerator = 1, .denominator = kProcesses};
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kProcesses; ++i) clients.push_back(std::make_unique<Client>(options));
  const Policy policy{token_bucket(kCapacity, kRefill, 1s)};
  std::atomic<std::uint64_t> asked{0};
  std::atomic<std::uint64_t> admitted{0};
  std::vector<std::vector<Span>> times(kProcesses);
  const auto call_for = [&](Span span) {
    const Time begin = Clock::now();
    std::vector<std::jthread> running;
    for (int t = 0; t < kProcesses; ++t) {
      running.emplace_back([&, t] {
        const auto i = static_cast<std::size_t>(t);
        for (Time next = begin; next < begin + span; next += 2ms) {
          std::this_thread::sleep_until(next);
          const Time before = Clock::now();
          const Answer answer = clients[i]->check("key", policy);
          times[i].push_back(Clock::now() - before);
          ++asked;
          admitted += static_cast<std::uint64_t>(answer.granted.count());
        }
      });
    }
  };
  call_for(1s);
  ::kill(server, SIGKILL);
  asked = admitted = 0;
  for (auto& each : times) each.clear();
  const Time down = Clock::now();
  call_for(length);
  const std::chrono::duration<double> took = Clock::now() - down;
  std::vector<Span> all;
  for (const auto& each : times) all.insert(all.end(), each.begin(), each.end());
  // The bucket was empty when the server died: what it would have granted is what flows back.
  const double allowed = kRefill * took.count();
  std::printf("| %s | %llu | %.0f | %llu | %.2f | %.1f | %.1f |\n",
              choice == "local"  ? "decide locally"
              : choice == "open" ? "fail open"
                                 : "fail closed",
              static_cast<unsigned long long>(asked), allowed, static_cast<unsigned long long>(admitted),
              static_cast<double>(admitted) / allowed, microseconds(percentile(all, 50)),
              microseconds(percentile(all, 99)));
  return 0;
}

int wait_for(int port) {
  Options options = options_for(port);
  options.deadline = 100ms;
  options.without_server = Without::fail_closed;
  for (int i = 0; i < 50; ++i) {
    if (Client(options).peek("key", kWide).source == Source::server) return 0;
    std::this_thread::sleep_for(20ms);
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  const auto number = [&](std::size_t i) { return i < words.size() ? std::atoi(words[i].data()) : 0; };
  if (words.empty()) return 2;
  if (words[0] == "wait") return wait_for(number(1));
  if (words[0] == "calls") return measure_calls(number(1), std::chrono::seconds(number(2)));
  if (words[0] == "at-once") return measure_at_once(number(1), std::chrono::seconds(number(2)));
  if (words[0] == "outage" && words.size() == 5) {
    return measure_outage(number(1), std::chrono::seconds(number(2)), words[3], static_cast<pid_t>(number(4)));
  }
  if (words[0] != "title") return 2;
  std::printf("\n| without the server | calls | allowed | admitted | admitted to allowed | p50, µs | p99, µs |\n");
  std::printf("|---|---:|---:|---:|---:|---:|---:|\n");
  return 0;
}
