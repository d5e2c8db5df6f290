// SPDX-License-Identifier: MIT
// What the service counts: decisions by limiter, and responses by status. Each thread counts for itself; the text adds up
// what all counted. Depends on answers and responses.
#ifndef RATELIMIT_SERVICE_METRICS_H
#define RATELIMIT_SERVICE_METRICS_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "response.h"

namespace ratelimit::service {

/// Appends the value of a label of Prometheus, with what it needs before quotes.
void append_label(std::string& text, std::string_view value);

/// The limiters that have numbers of their own; all others are "other". Names come from callers, who must not fill the memory,
/// here or in Prometheus: a place is only for a limiter by which the server has decided, and there are so many. Thread-safe.
class LimiterNames {
 public:
  static constexpr std::size_t kMost = 100;

  /// Whether the limiter has a place. It gets one, if one is free, when it is known to exist.
  [[nodiscard]] bool has_place(std::string_view limiter, bool exists);

 private:
  std::mutex mutex_;  ///< guards the names
  std::set<std::string, std::less<>> names_;
};

class Metrics {
 public:
  /// The metrics of all threads have the names in common.
  explicit Metrics(std::shared_ptr<LimiterNames> names = std::make_shared<LimiterNames>()) : names_(std::move(names)) {}

  /// A decision about a key that is no limiter has the limiter "".
  void count_decision(std::string_view limiter, const Answer& answer);
  void count_response(unsigned status);
  /// An answer to an operator. The page is a literal.
  void count_page(std::string_view page, unsigned status);
  void count_connections(int more);

  /// Adds another one's numbers to these.
  void add(const Metrics& other);

  /// In the text format of Prometheus.
  [[nodiscard]] std::string text() const;

 private:
  using Decision = std::pair<client::Source, Result>;

  const std::shared_ptr<LimiterNames> names_;
  mutable std::mutex mutex_;  ///< guards what follows: the thread that counts, and the one that asks for the text
  std::map<std::string, std::map<Decision, std::uint64_t>, std::less<>> limiters_;
  std::map<unsigned, std::uint64_t> statuses_;
  std::map<std::pair<std::string_view, unsigned>, std::uint64_t> pages_;
  std::int64_t connections_ = 0;
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_METRICS_H
