// SPDX-License-Identifier: MIT
// Answers the questions of operators, one after the other, on a thread of its own: they may take long, and no check waits for
// them. Depends on the inspector of the C++ client, questions and reports.
#ifndef RATELIMIT_SERVICE_OPERATORS_DESK_H
#define RATELIMIT_SERVICE_OPERATORS_DESK_H

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "../log.h"
#include "../response.h"
#include "inquiry.h"
#include "ratelimit/client/inspector.h"
#include "report_json.h"

namespace ratelimit::service::operators {

class Desk {
 public:
  /// So many inquiries may wait.
  static constexpr std::size_t kMostWaiting = 64;

  /// Client and log must outlive the desk.
  Desk(client::Client& client, Log& log);
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;
  ~Desk();

  /// False if too many wait. Any thread may call it.
  [[nodiscard]] bool ask(Inquiry inquiry);

 private:
  void run(const std::stop_token& stop);
  [[nodiscard]] Response answer(const Inquiry& inquiry);
  [[nodiscard]] Response limiters(const Inquiry& inquiry);
  [[nodiscard]] Response limiter(const Inquiry& inquiry);
  [[nodiscard]] Response top(const Inquiry& inquiry);
  [[nodiscard]] Response log(const Inquiry& inquiry);
  [[nodiscard]] Response why(const Inquiry& inquiry);
  [[nodiscard]] static About about(const Inquiry& inquiry);
  template <class Report>
  [[nodiscard]] Response refusal(const Inquiry& inquiry, const client::Inspected<Report>& said);

  client::Inspector inspector_;
  Log& log_;
  std::mutex mutex_;  ///< guards what follows
  std::condition_variable_any changed_;
  std::deque<Inquiry> waiting_;
  std::jthread thread_;  ///< last: it ends first
};

}  // namespace ratelimit::service::operators

#endif  // RATELIMIT_SERVICE_OPERATORS_DESK_H
