// SPDX-License-Identifier: MIT
#include "service.h"

#include <boost/asio/post.hpp>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "secret_files.h"

namespace ratelimit::service {

// --- the backend for other threads -------------------------------------------------------------------

template <class Ask>
void SharedBackend::post(const Context& context, Ask ask) {
  Loop& loop = *loops_[next_++ % loops_.size()];
  boost::asio::post(loop.context(),
                    [&loop, deadline = context.deadline, trace = std::string(context.trace),
                     ask = std::move(ask)]() mutable { ask(loop, Context{.deadline = deadline, .trace = trace}); });
}

void SharedBackend::check(const Question& question, const Context& context, Done done) {
  post(context, [question, done = std::move(done)](Loop& loop, const Context& there) mutable {
    loop.check(question, there, std::move(done));
  });
}
void SharedBackend::check_all(const std::vector<Question>& questions, const Context& context, DoneAll done) {
  post(context, [questions, done = std::move(done)](Loop& loop, const Context& there) mutable {
    loop.check_all(questions, there, std::move(done));
  });
}
void SharedBackend::reserve(const Question& question, Span ttl, const Context& context, Done done) {
  post(context, [question, ttl, done = std::move(done)](Loop& loop, const Context& there) mutable {
    loop.reserve(question, ttl, there, std::move(done));
  });
}
void SharedBackend::settle(const Question& question, const Context& context, Done done) {
  post(context, [question, done = std::move(done)](Loop& loop, const Context& there) mutable {
    loop.settle(question, there, std::move(done));
  });
}
void SharedBackend::refund(const Question& question, const Context& context, Done done) {
  post(context, [question, done = std::move(done)](Loop& loop, const Context& there) mutable {
    loop.refund(question, there, std::move(done));
  });
}

// --- the service -------------------------------------------------------------------------------------

Service::Service(const Settings& settings)
    : settings_(settings), log_(settings.log_level), client_(client_options(settings)), backend_(loops_) {
  for (unsigned i = 0; i < settings_.threads; ++i) loops_.push_back(std::make_unique<Loop>(client_, settings_));
  auto http = std::make_unique<HttpDoor>(loops_, client_, settings_, log_);
  http_ = http.get();
  doors_.push_back(std::move(http));
  if (settings_.operators.token.empty()) return;
  desk_ = std::make_unique<operators::Desk>(client_, log_);
  http_->show(settings_.operators, [this](operators::Inquiry inquiry) { return desk_->ask(std::move(inquiry)); });
}

Service::~Service() {
  for (const auto& loop : loops_) loop->stop();
  desk_.reset();
  doors_.clear();
  loops_.clear();
  client_.close_leases();
}

void Service::start() {
  for (const auto& loop : loops_) loop->start();
  for (const auto& door : doors_) door->start();
  const std::string where = settings_.address + ":" + std::to_string(http_->port());
  log_.write_always(Level::info, "started", {{"address", where}, {"threads", std::to_string(loops_.size())}});
  if (!client_.wait_for_server(std::chrono::seconds{1})) {
    log_.write_always(Level::warn, "no server",
                      {{"detail", "the server does not answer yet; calls go by without_server"}});
  }
}

void Service::reload() {
  if (settings_.listen_tls.certificate.empty() && settings_.operators.token_file.empty()) return;
  try {
    read_files_again();
    log_.write_always(Level::info, "reloaded", {});
  } catch (const std::exception& error) {
    log_.write_always(Level::error, "not reloaded", {{"detail", error.what()}});
  }
}

/// All files are read before the first one counts.
void Service::read_files_again() {
  std::string token;
  const std::string& token_file = settings_.operators.token_file;
  if (!token_file.empty()) {
    if (const auto fault = read_token(token_file, token)) throw std::runtime_error("operator_token_file: " + *fault);
  }
  if (!settings_.listen_tls.certificate.empty()) {
    const TlsFiles files = read_tls_files(settings_.listen_tls);
    for (const auto& door : doors_) door->renew(files);  // HTTP first: it says what is wrong, for all of them
  }
  if (!token_file.empty()) http_->renew_token(std::move(token));
}

void Service::drain() {
  log_.write_always(Level::info, "ending", {});
  const auto until = std::chrono::steady_clock::now() + settings_.drain_time;
  std::vector<std::thread> threads;
  for (const auto& door : doors_) threads.emplace_back([&door, until] { door->drain(until); });
  for (std::thread& thread : threads) thread.join();
  log_.write_always(Level::info, "ended", {});
}

}  // namespace ratelimit::service
