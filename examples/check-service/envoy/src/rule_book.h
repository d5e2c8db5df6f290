// SPDX-License-Identifier: MIT
// The rules in force, from files that may change at any time; and their limiters on the server. A thread of its own reads
// files again, and defines limiters. Depends on rules and on the C++ client.
//
// A change is noticed by inotify. Where there is none, as on network drives, a slow look at the files notices it. A file that
// is wrong changes nothing: the rules stay as they are, and the log says what is wrong, with its line.
#ifndef RATELIMIT_SERVICE_ENVOY_RULE_BOOK_H
#define RATELIMIT_SERVICE_ENVOY_RULE_BOOK_H

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "file_watch.h"
#include "log.h"
#include "ratelimit/client.h"
#include "rules.h"
#include "settings.h"

namespace ratelimit::service::envoy {

/// The rules of the settings, or all that is wrong with them.
[[nodiscard]] ReadRules read_rules(const EnvoySettings& settings);

/// All faults, one a line.
[[nodiscard]] std::string text_of(const std::vector<RuleFault>& faults);

class RuleBook {
 public:
  using Shared = std::shared_ptr<const Rules>;
  /// Called once, on the book's thread.
  using Defined = std::function<void()>;

  /// Throws std::runtime_error if the rules are wrong. The arguments must outlive the book.
  RuleBook(const EnvoySettings& settings, client::Client& client, Log& log);
  RuleBook(const RuleBook&) = delete;
  RuleBook& operator=(const RuleBook&) = delete;
  ~RuleBook();

  // Any thread may call these.

  [[nodiscard]] Shared current() const;
  /// Reads the files again.
  void reload();
  /// Defines these limiters of `owner`, whether or not that succeeds, and says when.
  void define(Shared owner, const std::vector<const Limiter*>& limiters, Defined defined);
  /// How often files were read again since the start: as new rules, and as wrong ones.
  [[nodiscard]] std::uint64_t reloads() const { return reloads_; }
  [[nodiscard]] std::uint64_t faulty_reloads() const { return faulty_reloads_; }

  /// Begins to define limiters, and to watch the files.
  void start();
  /// Ends the thread.
  void stop();

 private:
  /// Whoever waits for limiters.
  struct Asked {
    Shared owner;
    std::vector<const Limiter*> limiters;
    Defined defined;
  };

  void run();
  [[nodiscard]] bool is_stopping();
  void answer_asked();
  void look_at_files();
  void take(Rules rules);
  void define_waiting();
  /// False if the server does not answer: then others need not be tried now.
  bool define(const Limiter& limiter);

  const EnvoySettings& settings_;
  client::Client& client_;
  Log& log_;
  FileWatch files_;
  std::atomic<std::uint64_t> reloads_{0};
  std::atomic<std::uint64_t> faulty_reloads_{0};

  mutable std::mutex mutex_;  ///< guards what follows
  Shared rules_;
  std::vector<Asked> asked_;
  bool must_read_ = false;
  bool is_stopping_ = false;

  // Of the thread alone.
  std::vector<const Limiter*> waiting_;  ///< limiters of `rules_` that are not defined yet
  bool is_refused_ = false;              ///< the server refused a definition, and the log says so

  std::thread thread_;
};

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_RULE_BOOK_H
