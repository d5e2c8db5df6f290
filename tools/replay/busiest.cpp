// SPDX-License-Identifier: MIT
#include "replay/busiest.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>

#include "replay/shared_subnet.h"

namespace ratelimit::replay {
namespace {

/// Counts the calls of one that is busy.
class Watch {
 public:
  explicit Watch(Busy busy) : busy_(std::move(busy)) {}

  void count(const Call& call) {
    const Instant minute = std::chrono::floor<std::chrono::minutes>(call.at);
    if (minute != minute_) calls_ = 0;
    minute_ = minute;
    if (++calls_ > busy_.calls_of_minute) {
      busy_.calls_of_minute = calls_;
      busy_.minute = minute;
    }
    ++prefixes_[call.prefix];
  }

  [[nodiscard]] Busy finish(const SubjectNames& prefixes) {
    const auto most = std::max_element(prefixes_.begin(), prefixes_.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most != prefixes_.end() && most->first < prefixes.size()) {
      busy_.prefix = prefixes[most->first];
      busy_.calls_of_prefix = most->second;
    }
    return std::move(busy_);
  }

 private:
  Busy busy_;
  Instant minute_{};
  std::uint64_t calls_ = 0;
  std::map<SubjectNumber, std::uint64_t> prefixes_;
};

/// The busiest of a list, each with the subjects that count for it.
class Watches {
 public:
  explicit Watches(std::size_t subjects) : of_subject_(subjects, kNone) {}

  void add(Busy busy, std::span<const SubjectNumber> subjects) {
    for (const SubjectNumber subject : subjects) of_subject_[subject] = static_cast<std::uint32_t>(all_.size());
    all_.emplace_back(std::move(busy));
  }
  void count(const Call& call) {
    if (of_subject_[call.subject] != kNone) all_[of_subject_[call.subject]].count(call);
  }
  [[nodiscard]] std::vector<Busy> finish(const SubjectNames& prefixes) {
    std::vector<Busy> result;
    for (Watch& one : all_) result.push_back(one.finish(prefixes));
    return result;
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  std::vector<std::uint32_t> of_subject_;
  std::vector<Watch> all_;
};

/// Puts those with the most calls in front, and leaves out the rest.
template <class T, class CallsOf>
void keep_busiest(std::vector<T>& all, std::size_t most, CallsOf calls_of) {
  std::stable_sort(all.begin(), all.end(), [&](const T& a, const T& b) { return calls_of(a) > calls_of(b); });
  if (all.size() > most) all.erase(all.begin() + static_cast<std::ptrdiff_t>(most), all.end());
}

}  // namespace

std::optional<Busiest> find_busiest(const SubjectNames& names, const SubjectNames& prefixes,
                                    std::span<const Asked> asked, std::size_t most, const VisitCalls& calls) {
  std::vector<SubjectNumber> subjects(asked.size());
  std::iota(subjects.begin(), subjects.end(), SubjectNumber{0});
  std::vector<Group> groups = groups_of(subjects, names);
  const auto calls_of_group = [asked](const Group& group) {
    std::uint64_t sum = 0;
    for (const SubjectNumber subject : group.subjects) sum += asked[subject].calls;
    return sum;
  };
  keep_busiest(subjects, most, [asked](SubjectNumber subject) { return asked[subject].calls; });
  keep_busiest(groups, most, calls_of_group);
  Watches of_subjects(asked.size());
  for (const SubjectNumber& subject : subjects) {
    of_subjects.add({.name = std::string(names[subject]), .calls = asked[subject].calls}, std::span(&subject, 1));
  }
  Watches of_subnets(asked.size());
  for (const Group& group : groups) {
    of_subnets.add({.name = text_of(group.subnet), .subjects = group.subjects.size(), .calls = calls_of_group(group)},
                   group.subjects);
  }
  const bool is_complete = calls([&](const Call& call) {
    of_subjects.count(call);
    of_subnets.count(call);
  });
  if (!is_complete) return std::nullopt;
  return Busiest{of_subjects.finish(prefixes), of_subnets.finish(prefixes)};
}

}  // namespace ratelimit::replay
