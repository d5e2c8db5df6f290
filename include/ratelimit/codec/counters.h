// SPDX-License-Identifier: MIT
// The counters of a limiter in files; docs/format.md has the bytes. Depends on the counters.
#ifndef RATELIMIT_CODEC_COUNTERS_H
#define RATELIMIT_CODEC_COUNTERS_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ratelimit/codec/bytes.h"
#include "ratelimit/limiter_counters.h"

namespace ratelimit::format {

inline void write(Writer& out, const LimiterCounters::Counts& counts) {
  for (const std::uint64_t count : {counts.granted, counts.denied, counts.would_deny, counts.near}) {
    out.variable(count);
  }
}

[[nodiscard]] inline LimiterCounters::Counts read_counts(Reader& in) {
  LimiterCounters::Counts counts;
  for (std::uint64_t* const count : {&counts.granted, &counts.denied, &counts.would_deny, &counts.near}) {
    *count = in.variable();
  }
  return counts;
}

inline void write(Writer& out, const LimiterCounters& counters) {
  out.instant(counters.since());
  write(out, counters.all());
  out.u8(static_cast<std::uint8_t>(counters.kept_labels().size()));
  for (const LimiterCounters::OfLabel& counted : counters.kept_labels()) {
    out.text(counted.label);
    out.instant(counted.since);
    write(out, counted.counts);
  }
}

/// Reads what `write` wrote into counters that counted nothing. Bytes that no writer writes are a fault of the reader.
inline void read(Reader& in, LimiterCounters& counters) {
  const Instant since = in.instant();
  const LimiterCounters::Counts all = read_counts(in);
  std::vector<LimiterCounters::OfLabel> labels;
  for (std::size_t left = in.u8(); left > 0 && in.ok(); --left) {
    std::string label(in.text());
    const Instant begun = in.instant();
    labels.push_back({.label = std::move(label), .counts = read_counts(in), .since = begun});
  }
  in.require(in.ok() && counters.restore(since, all, std::move(labels)));
}

}  // namespace ratelimit::format

#endif  // RATELIMIT_CODEC_COUNTERS_H
