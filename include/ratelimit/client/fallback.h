// SPDX-License-Identifier: MIT
// What becomes of calls that the server does not answer: they are granted, denied, or decided by this process, as the
// options say. Thread-safe. Depends on options, the local limiter and counters.
#ifndef RATELIMIT_CLIENT_FALLBACK_H
#define RATELIMIT_CLIENT_FALLBACK_H

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "ratelimit/client/answer.h"
#include "ratelimit/client/call.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/counters.h"
#include "ratelimit/client/local_limiter.h"
#include "ratelimit/client/options.h"
#include "ratelimit/units.h"

namespace ratelimit::client {

/// Why the server did not answer.
struct Unanswered {
  Failure failure = Failure::none;
  std::string error;  ///< what it said, if it did
};

class Fallback {
 public:
  /// The counters must outlive the fallback.
  Fallback(const Options& options, Counters& counters)
      : choice_(options.without_server),
        wait_(options.wait_without_server),
        counters_(counters),
        limiter_(options.most_local_subjects, options.share) {}

  [[nodiscard]] Answer check(const Question& question, Unanswered why) {
    return decide(question, std::move(why), [&](const std::string& name, Instant now) {
      return limiter_.check(name, question.policy, request_of(question.call), now);
    });
  }

  [[nodiscard]] Answer peek(const Question& question, Unanswered why) {
    return decide(question, std::move(why), [&](const std::string& name, Instant now) {
      return limiter_.peek(name, question.policy, request_of(question.call), now);
    });
  }

  [[nodiscard]] Answer reserve(const Question& question, Span ttl, Unanswered why) {
    return decide(question, std::move(why), [&](const std::string& name, Instant now) {
      return limiter_.reserve(name, question.policy, request_of(question.call), ttl, now);
    });
  }

  /// Charges all parts, or none.
  [[nodiscard]] Answer check_all(const Ask& ask, Unanswered why) {
    Answer answer = decide(ask.question, std::move(why),
                           [&](const std::string&, Instant now) { return limiter_.check_all(ask.parts, now); });
    if (answer.source == Source::fail_open) {
      answer.granted = kNoUnits;
      for (const Part& part : ask.parts) answer.granted = std::max(answer.granted, part.cost);
    }
    return answer;
  }

  /// Settles a hold that was made here. The call's cost is the actual one.
  [[nodiscard]] Answer settle(const Question& question, Unanswered why) {
    const Call& call = question.call;
    Answer answer = unanswered(why.failure, std::move(why.error));
    const std::lock_guard lock(mutex_);
    answer.was_held = limiter_.settle(name_of_subject(question), question.policy, call.id, call.cost, clock_.now());
    answer.outcome = Outcome::granted;
    answer.granted = call.cost;
    return answer;
  }

 private:
  /// `local` asks the limiter, if that is the choice.
  template <class Local>
  Answer decide(const Question& question, Unanswered why, Local local) {
    Answer answer;
    answer.wait = wait_;
    if (choice_ == Without::local) {
      const std::lock_guard lock(mutex_);
      std::optional<Answer> decided = local(name_of_subject(question), clock_.now());
      if (!decided) counters_.count(Event::local_undecided);
      if (decided) answer = std::move(*decided);
      if (answer.allowed()) answer.id = question.call.id;
    } else if (choice_ == Without::fail_open) {
      answer.outcome = Outcome::granted;
      answer.granted = question.call.cost;
      answer.wait = {};
    }
    constexpr std::array kSourceOf{Source::fail_open, Source::fail_closed, Source::local};
    answer.source = kSourceOf[static_cast<std::size_t>(choice_)];
    answer.failure = why.failure;
    answer.error = std::move(why.error);
    return answer;
  }

  const Without choice_;
  const std::chrono::milliseconds wait_;
  const UnixClock clock_;
  Counters& counters_;
  std::mutex mutex_;  ///< guards the limiter
  LocalLimiter limiter_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_FALLBACK_H
