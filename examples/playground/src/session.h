// SPDX-License-Identifier: MIT
// One list of limits, and the states of all who are limited by it: what the module keeps in a key, without a server.
//
// Calls are decided, charged and answered by the functions that the module itself uses. Depends on the core.
#ifndef RATELIMIT_PLAYGROUND_SESSION_H
#define RATELIMIT_PLAYGROUND_SESSION_H

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ratelimit/http/http_fields.h"
#include "ratelimit/limits.h"
#include "ratelimit/request.h"
#include "ratelimit/reservations.h"
#include "ratelimit/states.h"
#include "ratelimit/units.h"
#include "ratelimit/verdict.h"

namespace ratelimit::playground {

/// The status of one limit at some instant.
struct Status {
  Units used;       ///< more than the size is debt
  Units remaining;  ///< whole units that could be taken
  Span reset{};     ///< until it is as if never used
};

class Session {
 public:
  using SubjectNumber = std::uint32_t;

  explicit Session(Limits limits) : limits_(std::move(limits)) {}

  [[nodiscard]] const Limits& limits() const { return limits_; }

  /// Decides a call and charges it if it is granted. No call is earlier than the one before. The verdict's id, that of a
  /// lease, is borrowed until the next call.
  const Verdict& check(SubjectNumber subject, Request request, Instant at);

  /// The fields of an HTTP response to the last call.
  [[nodiscard]] std::vector<HttpField> http_fields_of_last() const;

  /// Ends a lease. False if there is none of that id.
  bool release(SubjectNumber subject, std::string_view id, Instant at);

  /// The status of a limit, if nothing else happened since the last call.
  [[nodiscard]] Status status(SubjectNumber subject, std::size_t limit, Instant at);

 private:
  struct State {
    explicit State(const Limits& of) : limits(of) { construct_idle(limits, all()); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { destroy(limits, all()); }

    [[nodiscard]] std::span<Cell> all() { return std::span(cells).first(limits.size()); }

    const Limits& limits;
    std::array<Cell, kMaxLimits> cells;
    Reservations reservations{};  ///< the turn of a call that waits
  };

  /// The last call, for who asks for its HTTP fields.
  struct Last {
    State* state = nullptr;
    Request request{};
    Verdict verdict{};
    Instant at{};
  };

  [[nodiscard]] State& state_of(SubjectNumber subject);
  void commit(State& state, const Verdict& verdict, const Request& request, Instant at);

  Limits limits_;
  std::unordered_map<SubjectNumber, std::unique_ptr<State>> states_;
  std::uint64_t leases_ = 0;
  std::string id_;
  Last last_;
};

}  // namespace ratelimit::playground

#endif  // RATELIMIT_PLAYGROUND_SESSION_H
