// SPDX-License-Identifier: MIT
#include "loop.h"

#include <sys/epoll.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

namespace ratelimit::service {

namespace asio = boost::asio;
using Time = std::chrono::steady_clock::time_point;

namespace {

int new_epoll() {
  const int file = ::epoll_create1(EPOLL_CLOEXEC);
  if (file < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return file;
}

/// POLLIN and POLLOUT have the same values in both interfaces of the system.
void watch_file(int epoll, const pollfd& file) {
  epoll_event event{};
  event.events = static_cast<std::uint32_t>(file.events);
  event.data.fd = file.fd;
  if (::epoll_ctl(epoll, EPOLL_CTL_MOD, file.fd, &event) == 0 || errno != ENOENT) return;
  static_cast<void>(::epoll_ctl(epoll, EPOLL_CTL_ADD, file.fd, &event));  // a new connection
}

}  // namespace

Loop::Loop(client::Client& client, const Settings& settings)
    : pipeline_(client), files_(context_, new_epoll()), timer_(context_), lease_(settings.lease), hot_(settings.hot) {
  wait_for_files();
}

Loop::~Loop() { stop(); }

void Loop::start() {
  thread_ = std::thread([this] { context_.run(); });
}

void Loop::stop() {
  context_.stop();
  if (thread_.joinable()) thread_.join();
  pipeline_.wait();  // who waits for an answer is still there
}

// --- calls -------------------------------------------------------------------------------------------

client::Call Loop::call_of(const Question& question, const Context& context) {
  client::Call call{.subject = question.subject, .cost = question.cost, .mode = question.mode, .id = question.id};
  call.deadline = context.deadline;
  call.trace = context.trace;
  return call;
}

void Loop::check(const Question& question, const Context& context, Done done) {
  client::Call call = call_of(question, context);
  if (question.cost == kNoUnits) {
    call.cost = kMinUnits;
    pipeline_.peek(question.key, question.policy, call, [done = std::move(done)](Answer answer) {
      answer.granted = kNoUnits;
      done(std::move(answer));
    });
    return wake();
  }
  call.lease = question.lease;
  if (lease_ > kNoUnits && hot_.is_hot(question.key, question.subject, std::chrono::steady_clock::now())) {
    call.lease = lease_;
  }
  pipeline_.check(question.key, question.policy, call, std::move(done));
  wake();
}

void Loop::check_all(const std::vector<Question>& questions, const Context& context, DoneAll done) {
  std::vector<client::Part> parts;
  parts.reserve(questions.size());
  for (const Question& each : questions) parts.push_back({each.key, each.subject, each.policy, each.cost});
  client::Call call;
  call.deadline = context.deadline;
  call.trace = context.trace;
  pipeline_.check_all(parts, call, [done = std::move(done)](Answer answer) {
    std::vector<Answer> each = std::exchange(answer.each, {});
    done(std::move(answer), std::move(each));
  });
  wake();
}

void Loop::reserve(const Question& question, Span ttl, const Context& context, Done done) {
  pipeline_.reserve(question.key, ttl, question.policy, call_of(question, context), std::move(done));
  wake();
}

void Loop::settle(const Question& question, const Context& context, Done done) {
  pipeline_.settle(question.key, question.id, question.cost, question.policy, question.subject, std::move(done),
                   context.deadline);
  wake();
}

void Loop::refund(const Question& question, const Context& context, Done done) {
  pipeline_.refund(question.key, question.cost, question.subject, std::move(done), context.deadline);
  wake();
}

// --- time --------------------------------------------------------------------------------------------

void Loop::wake() {
  if (std::exchange(is_awake_, true)) return;
  asio::post(context_, [this] { work(); });
}

void Loop::work() {
  is_awake_ = false;
  pipeline_.work();
  watch();
}

void Loop::watch() {
  watched_.clear();
  pipeline_.watch(watched_);
  for (const pollfd& file : watched_) watch_file(files_.native_handle(), file);
  const Time next = pipeline_.next_work();
  if (next == Time{}) return wake();
  if (next < timer_ends_) wait_until(next);
}

void Loop::wait_for_files() {
  files_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (error) return;
    work();
    wait_for_files();
  });
}

/// A timer that ends too early costs less than one that is set with each call.
void Loop::wait_until(Time time) {
  timer_ends_ = time;
  timer_.expires_at(time);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    timer_ends_ = Time::max();
    work();
  });
}

}  // namespace ratelimit::service
