// SPDX-License-Identifier: MIT
// The service as a whole: the client of the server, the threads, and the doors. Depends on all parts.
#ifndef RATELIMIT_SERVICE_SERVICE_H
#define RATELIMIT_SERVICE_SERVICE_H

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "backend.h"
#include "door.h"
#include "http/http_door.h"
#include "log.h"
#include "loop.h"
#include "operators/desk.h"
#include "ratelimit/client.h"
#include "settings.h"

namespace ratelimit::service {

/// A backend for doors with threads of their own: any thread may call it. Answers come on the threads of the loops.
class SharedBackend final : public Backend {
 public:
  explicit SharedBackend(const std::vector<std::unique_ptr<Loop>>& loops) : loops_(loops) {}

  void check(const Question& question, const Context& context, Done done) override;
  void check_all(const std::vector<Question>& questions, const Context& context, DoneAll done) override;
  void reserve(const Question& question, Span ttl, const Context& context, Done done) override;
  void settle(const Question& question, const Context& context, Done done) override;
  void refund(const Question& question, const Context& context, Done done) override;

 private:
  /// Calls `ask(loop, context)` on the thread of one of the loops.
  template <class Ask>
  void post(const Context& context, Ask ask);

  const std::vector<std::unique_ptr<Loop>>& loops_;
  std::atomic<std::size_t> next_{0};
};

class Service {
 public:
  /// Throws std::runtime_error if the settings cannot be used.
  explicit Service(const Settings& settings);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  /// Ends the threads, and refunds what is left in leases.
  ~Service();

  [[nodiscard]] Log& log() { return log_; }
  /// For further doors.
  [[nodiscard]] client::Client& client() { return client_; }
  [[nodiscard]] Backend& backend() { return backend_; }
  /// Before `start`.
  void add(std::unique_ptr<Door> door) { doors_.push_back(std::move(door)); }
  /// Before `start`.
  void serve(EnvoyPaths paths) { http_->serve(std::move(paths)); }

  void start();
  /// Reads the certificate of the doors and the token of operators again, if there are such files. If one of them fails, the
  /// log says why, and what was read before stays.
  void reload();
  /// Drains all doors, at once.
  void drain();

 private:
  void read_files_again();

  const Settings settings_;
  Log log_;
  client::Client client_;
  std::vector<std::unique_ptr<Loop>> loops_;
  SharedBackend backend_;
  HttpDoor* http_ = nullptr;               ///< one of the doors
  std::unique_ptr<operators::Desk> desk_;  ///< null without a token for operators
  std::vector<std::unique_ptr<Door>> doors_;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_SERVICE_H
