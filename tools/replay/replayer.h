// SPDX-License-Identifier: MIT
// Calls in the order of their times, decided under several lists of limits side by side. Depends on trials and tallies.
#ifndef RATELIMIT_TOOLS_REPLAY_REPLAYER_H
#define RATELIMIT_TOOLS_REPLAY_REPLAYER_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ratelimit/limits.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"
#include "replay/call.h"
#include "replay/numbers.h"
#include "replay/reorder.h"
#include "replay/tally.h"
#include "replay/trial.h"

namespace ratelimit::replay {

/// A list of limits that is tried, as the user wrote it, and what it would have done.
struct Contender {
  Contender(std::string written, Limits limits)
      : text(std::move(written)), trial(std::move(limits)), tally(trial.limits().size()) {}

  std::string text;
  Trial trial;
  std::vector<Trial> exceptions{};  ///< other limits of the same labels, for subjects that are exceptions
  Tally tally;
};

/// All that a subject asked for.
struct Asked {
  std::uint64_t calls = 0;
  std::uint64_t units = 0;
};

class Replayer {
 public:
  /// Is told each call in its order, and what each contender answered.
  using Observer = std::function<void(const Call&, std::span<const Verdict>)>;

  Replayer(std::vector<Contender> contenders, Span disorder)
      : contenders_(std::move(contenders)), reorder_(disorder), verdicts_(contenders_.size()) {}

  void observe(Observer observer) { observer_ = std::move(observer); }
  /// `choose(subject)` says which of the exceptions of each contender a subject has, from 1 on; 0: none. It is asked once
  /// for each subject.
  void choose_exceptions(std::function<std::size_t(SubjectNumber)> choose) { choose_exception_ = std::move(choose); }

  /// Takes the next call of the log.
  void take(const Call& call) {
    reorder_.take(call, [this](const Call& next) { decide_all(next); });
  }
  /// Decides the calls that still wait for earlier ones.
  void finish() {
    reorder_.finish([this](const Call& next) { decide_all(next); });
  }

  [[nodiscard]] const std::vector<Contender>& contenders() const { return contenders_; }
  [[nodiscard]] const Reorder& reorder() const { return reorder_; }
  /// By the numbers of the subjects.
  [[nodiscard]] const std::vector<Asked>& asked() const { return asked_; }
  [[nodiscard]] Instant first() const { return first_; }
  [[nodiscard]] Instant last() const { return last_; }
  [[nodiscard]] std::uint64_t calls() const { return calls_; }

 private:
  void decide_all(const Call& call) {
    if (calls_++ == 0) first_ = call.at;
    last_ = call.at;
    if (call.subject >= asked_.size()) asked_.resize(call.subject + 1);
    Asked& asked = asked_[call.subject];
    if (asked.calls++ == 0 && choose_exception_) note_exception(call.subject);
    asked.units = sum_of(asked.units, call.cost);
    for (std::size_t i = 0; i < contenders_.size(); ++i) {
      verdicts_[i] = trial_of(contenders_[i], call.subject).check(call);
      contenders_[i].tally.count(call, verdicts_[i]);
    }
    if (observer_) observer_(call, verdicts_);
  }

  void note_exception(SubjectNumber subject) {
    if (subject >= exception_of_.size()) exception_of_.resize(subject + 1);
    exception_of_[subject] = static_cast<std::uint8_t>(choose_exception_(subject));
  }

  [[nodiscard]] Trial& trial_of(Contender& contender, SubjectNumber subject) {
    const std::size_t exception = subject < exception_of_.size() ? exception_of_[subject] : 0;
    return exception == 0 ? contender.trial : contender.exceptions[exception - 1];
  }

  std::vector<Contender> contenders_;
  std::function<std::size_t(SubjectNumber)> choose_exception_;
  std::vector<std::uint8_t> exception_of_;  ///< by subjects; empty if there are none
  Reorder reorder_;
  std::vector<Verdict> verdicts_;
  std::vector<Asked> asked_;
  Observer observer_;
  Instant first_{};
  Instant last_{};
  std::uint64_t calls_ = 0;
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_REPLAYER_H
