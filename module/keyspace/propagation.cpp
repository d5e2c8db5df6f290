// SPDX-License-Identifier: MIT
#include "keyspace/propagation.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/effects.h"
#include "ratelimit/codec/format.h"
#include "server/clock.h"

namespace ratelimit {

void Propagation::queue(EffectKind kind, KeyEnd end, std::string_view payload,
                        const std::optional<SubjectHash>& subject) {
  if (batch_ && subject && end == kKeepEnd) return add_to_batch(kind, *subject, payload);
  send_batch();
  const EffectWriter& writer = call_.module.effect_writer;
  const auto send = [&](server::Text end_word) {
    const std::array words{name_, writer.word(kind), end_word};
    if (!subject) return call_.server.replicate(kEffectCommand, words, payload);
    std::string hash;
    Writer(hash).fixed(subject->word());
    call_.server.replicate(kEffectCommand, words, payload, hash);
  };
  if (end == kKeepEnd) return send(writer.no_end());
  std::array<char, std::numeric_limits<std::int64_t>::digits10 + 2> digits{};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), end.count());
  send(server::OwnText(call_.server, {digits.data(), written.ptr}).text());
}

void Propagation::add_to_batch(EffectKind kind, SubjectHash subject, std::string_view payload) {
  std::string& effects = batch_->effects;
  constexpr std::size_t kMostOfHead = 1 + sizeof(std::uint64_t) + 10;  // kind, subject, and the length of the payload
  if (!effects.empty() && effects.size() + kMostOfHead + payload.size() > kMostBytes) send_batch();
  Writer out(effects);
  if (effects.empty()) out.u8(kFormatVersion);
  encode_effect_of_subject(out, {static_cast<std::uint8_t>(kind), subject.word(), payload});
}

void Propagation::send_batch() {
  if (!batch_ || batch_->effects.empty()) return;
  const EffectWriter& writer = call_.module.effect_writer;
  call_.server.replicate(kEffectCommand, {name_, writer.word(EffectKind::each), writer.no_end()}, batch_->effects);
  batch_->effects.clear();
}

void Propagation::count_change() {
  if (batch_) {
    batch_->is_counted = true;
  } else {
    call_.server.replicate_call();
  }
}

void Propagation::signal() {
  if (batch_) {
    batch_->is_signalled = true;
  } else {
    key_.signal_modified();
  }
}

void Propagation::end_batch() {
  send_batch();
  const EffectBatch batch = *std::exchange(batch_, std::nullopt);
  if (batch.is_counted) count_change();
  if (batch.is_signalled) signal();
}

KeyEnd end_of_key(const Limits& limits, Instant idle_at, Instant now) {
  using std::chrono::ceil;
  return ceil<KeyEnd>(limits.kept_until(idle_at).time_since_epoch()) + ceil<KeyEnd>(wall_clock_lead(now));
}

}  // namespace ratelimit
