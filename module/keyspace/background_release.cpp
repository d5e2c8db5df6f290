// SPDX-License-Identifier: MIT
#include "keyspace/background_release.h"

#include <chrono>
#include <cstddef>

namespace ratelimit {
namespace {

// Some hundred microseconds of work.
constexpr std::size_t kMostPiecesAtOnce = 512;
// So much is freed in a step that callers hardly make more meanwhile: some fifty microseconds of work.
constexpr int kReleasesAStep = 4;
constexpr std::chrono::milliseconds kPause{1};

}  // namespace

void BackgroundRelease::take_from(server::Context context, const Subject& subject) {
  if (pieces_behind(subject.limits(), subject.cells(), subject.reservations()) <= kMostPiecesAtOnce) return;
  const bool has_room = subject.reservations() != nullptr;
  left_.push_back(Value::take(subject, has_room ? Value::Room::for_reservations : Value::Room::for_states));
  wait_for_next(context);
}

void BackgroundRelease::wait_for_next(server::Context context) {
  if (is_waiting_ || left_.empty()) return;
  context.call_after(kPause, tick, this);
  is_waiting_ = true;
}

void BackgroundRelease::tick(RedisModuleCtx* handle, void* data) {
  auto& self = *static_cast<BackgroundRelease*>(data);
  self.is_waiting_ = false;
  self.take_step();
  self.wait_for_next(server::Context(handle));
}

void BackgroundRelease::take_step() {
  for (int i = 0; i < kReleasesAStep && !left_.empty(); ++i) {
    if (!left_.back()->subject().release_some()) left_.pop_back();
  }
}

}  // namespace ratelimit
