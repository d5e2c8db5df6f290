// SPDX-License-Identifier: MIT
// Looks into limiters, for programs that show them to people: who is denied, by which limit, and why.
//
//     Inspector inspector(client);
//     const auto why = inspector.info("api", "alice", std::chrono::steady_clock::now() + 1s);
//     if (why.report) std::puts(why.report->why.c_str());
//
// Depends on the client and on reports. docs/cpp-client.md has more.
#ifndef RATELIMIT_CLIENT_INSPECTOR_H
#define RATELIMIT_CLIENT_INSPECTOR_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ratelimit/client.h"
#include "ratelimit/client/answer.h"
#include "ratelimit/client/clock.h"
#include "ratelimit/client/cluster.h"
#include "ratelimit/client/node.h"
#include "ratelimit/client/remote.h"
#include "ratelimit/client/report.h"

namespace ratelimit::client {

/// What the server said, or why it said nothing.
template <class Report>
struct Inspected {
  std::optional<Report> report{};
  Failure failure = Failure::none;  ///< the server did not answer
  std::string error{};  ///< of the server. Without a failure, it is a mistake of the caller or of the set-up
};

/// Some limiters of the walk.
struct LimiterNames {
  std::vector<std::string> names{};
  std::optional<LimiterCursor> next{};  ///< none: these were the last
};

/// Any thread may call any function; each waits for the server until `until` at most. Nothing is decided, charged or
/// changed, and the answers are not counted as those of calls are; only failures are.
class Inspector {
 public:
  static constexpr std::size_t kMostLogEntries = 1000;
  static constexpr std::size_t kMostTop = 1024;
  static constexpr std::size_t kMostLooked = 1000;

  /// The client must outlive the inspector.
  explicit Inspector(Client& client) : client_(client) {}

  /// RL.INFO. Without a subject it is about the key.
  [[nodiscard]] Inspected<Info> info(std::string_view key, std::string_view subject, Time until) {
    return ask<Info>(key, info_command(key, subject), parse_info, until);
  }

  /// RL.TOP: 1 to `kMostTop` subjects.
  [[nodiscard]] Inspected<std::vector<TopEntry>> top(std::string_view key, std::size_t count, Top top, Time until) {
    return ask<std::vector<TopEntry>>(key, top_command(key, count, top), parse_top, until);
  }

  /// RL.LOG: 1 to `kMostLogEntries` entries.
  [[nodiscard]] Inspected<std::vector<LogEntry>> log(std::string_view key, std::size_t count, Time until) {
    return ask<std::vector<LogEntry>>(key, log_command(key, count), parse_log, until);
  }

  /// RL.LIMITERS, one step: the server looks at about `count` keys, 1 to `kMostLooked`, and names those that are limiters
  /// and match the pattern (empty: all). In a cluster the walk goes from one primary to the next. It has the guarantees of
  /// SCAN as long as no slot moves.
  [[nodiscard]] Inspected<LimiterNames> limiters(LimiterCursor from, std::string_view pattern, std::size_t count,
                                                 Time until) {
    const Cluster::Primaries found = cluster().primaries(until);
    const std::vector<Cluster::Primary>& all = found.nodes;
    if (all.empty()) {
      return silence<LimiterNames>(is_mistake(found.refusal) ? Failure::none : Failure::refused, found.refusal);
    }
    const auto here =
        std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.first_slot >= from.slot; });
    if (here == all.end()) return {.report = LimiterNames{}};
    // Where slots have moved, a node may be walked from its beginning.
    const std::uint64_t cursor = here->first_slot == from.slot ? from.cursor : 0;
    Reply reply;
    const Command command = limiters_command(cursor, pattern, count);
    const Failure failure = here->node->call(command, false, std::chrono::steady_clock::now(), until, reply);
    if (failure != Failure::none || reply.kind == Reply::Kind::error) return silence<LimiterNames>(failure, reply);
    LimiterStep step = *parse_limiters(reply);
    LimiterNames names{.names = std::move(step.names)};
    if (step.cursor != 0) {
      names.next = LimiterCursor{here->first_slot, step.cursor};
    } else if (here + 1 != all.end()) {
      names.next = LimiterCursor{(here + 1)->first_slot, 0};
    }
    return {.report = std::move(names)};
  }

 private:
  [[nodiscard]] Cluster& cluster() { return client_.core().remote().cluster(); }

  template <class Report, class Parse>
  [[nodiscard]] Inspected<Report> ask(std::string_view key, const Command& command, Parse parse, Time until) {
    const Cluster::Result said = cluster().call(key, command, std::chrono::steady_clock::now(), until);
    const bool is_report = said.failure == Failure::none && said.reply.kind != Reply::Kind::error;
    return is_report ? Inspected<Report>{.report = parse(said.reply)} : silence<Report>(said.failure, said.reply);
  }

  /// Why there is no report.
  template <class Report>
  [[nodiscard]] Inspected<Report> silence(Failure failure, const Reply& reply) {
    client_.core().counters().count(failure);
    return {.failure = failure, .error = reply.kind == Reply::Kind::error ? reply.text : std::string()};
  }

  Client& client_;
};

}  // namespace ratelimit::client

#endif  // RATELIMIT_CLIENT_INSPECTOR_H
