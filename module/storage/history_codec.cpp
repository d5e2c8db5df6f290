// SPDX-License-Identifier: MIT
#include "storage/history_codec.h"

#include <cstdint>
#include <utility>

#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/counters.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/limiter_counters.h"

namespace ratelimit {
namespace {

/// The kinds of records, in the order in which they are written. Their numbers stand in files.
enum class Record : std::uint8_t {
  counters = 1,     ///< of all calls and of each label; once, if anything was counted or could have been
  denial = 2,       ///< an entry of the log, the oldest first
  most_denied = 3,  ///< a counter of the subjects that were denied most, the highest first
  most_near = 4,    ///< and of those that were near a limit most often
};

/// Puts records into chunks.
class ChunkWriter {
 public:
  explicit ChunkWriter(const std::function<void(const std::string&)>& write) : write_(write) {}

  /// Where the fields of the next record go.
  [[nodiscard]] Writer begin(Record kind) {
    if (bytes_.size() >= kChunkBytes) end();
    Writer out(bytes_);
    if (bytes_.empty()) out.u8(kFormatVersion);
    out.u8(static_cast<std::uint8_t>(kind));
    return out;
  }
  /// Ends the chunk.
  void end() {
    if (!bytes_.empty()) write_(bytes_);
    bytes_.clear();
  }

 private:
  const std::function<void(const std::string&)>& write_;
  std::string bytes_;
};

void write_counters_of_limiter(ChunkWriter& chunks, const LimiterCounters& counters) {
  if (counters == LimiterCounters()) return;
  Writer out = chunks.begin(Record::counters);
  format::write(out, counters);
}

/// Counters come first, also in their chunk.
bool read_counters_of_limiter(Reader& in, bool is_first, History& history) {
  LimiterCounters counters;
  format::read(in, counters);
  in.require(is_first && history.log.empty() && history.most_denied.empty() && history.most_near.empty());
  if (!in.ok() || counters == LimiterCounters()) return false;
  history.counters = std::move(counters);
  return true;
}

void write_log(ChunkWriter& chunks, const DenialLog& log) {
  log.for_each([&chunks](const DenialLog::Entry& entry) {
    Writer out = chunks.begin(Record::denial);
    out.long_text(entry.subject);
    out.text(entry.label);
    out.instant(entry.first);
    out.instant(entry.last);
    out.variable(entry.times);
    out.span(entry.wait);
  });
}

bool read_denial(Reader& in, History& history, const std::function<SubjectHash(std::string_view)>& hash_of) {
  DenialLog::Entry entry;
  entry.subject = in.long_text();
  entry.label = in.text();
  entry.first = in.instant();
  entry.last = in.instant();
  entry.times = in.variable();
  entry.wait = in.span();
  in.require(history.most_denied.empty() && history.most_near.empty());
  in.require(entry.subject.size() <= kMaxSubjectBytes && LimiterCounters::is_label(entry.label));
  in.require(in_range(entry.first) && entry.first <= entry.last && in_range(entry.last));
  in.require(0 < entry.times && entry.times <= DenialLog::kMostTimes && Span{} <= entry.wait);
  if (!in.ok()) return false;
  return history.log.restore(entry.subject.empty() ? History::kHashOfKey : hash_of(entry.subject).word(), entry);
}

void write_counters(ChunkWriter& chunks, Record kind, const HeavyHitters& hitters) {
  bool is_first = true;
  hitters.for_each([&](const HeavyHitters::Entry& entry) {
    Writer out = chunks.begin(kind);
    if (is_first) {
      out.instant(hitters.age().halved_at);
      out.variable(hitters.age().untracked);
    }
    is_first = false;
    out.long_text(entry.name);
    out.variable(entry.count);
    out.variable(entry.error);
  });
}

bool read_counter(Reader& in, HeavyHitters& hitters, const std::function<SubjectHash(std::string_view)>& hash_of) {
  HeavyHitters::Age age = hitters.age();
  if (hitters.empty()) {
    age.halved_at = in.instant();
    age.untracked = in.variable();
  }
  HeavyHitters::Entry entry;
  entry.name = in.long_text();
  entry.count = in.variable();
  entry.error = in.variable();
  in.require(in_range(age.halved_at) && !entry.name.empty() && entry.name.size() <= kMaxSubjectBytes);
  return in.ok() && hitters.restore(hash_of(entry.name).word(), entry, age);
}

}  // namespace

void encode_history(const History& history, const std::function<void(const std::string&)>& write) {
  ChunkWriter chunks(write);
  write_counters_of_limiter(chunks, history.counters);
  write_log(chunks, history.log);
  write_counters(chunks, Record::most_denied, history.most_denied);
  write_counters(chunks, Record::most_near, history.most_near);
  chunks.end();
}

bool decode_history(std::string_view chunk, History& history,
                    const std::function<SubjectHash(std::string_view)>& hash_of) {
  Reader in(chunk);
  in.require(in.u8() == kFormatVersion);
  const auto read_record = [&](bool is_first) {
    switch (static_cast<Record>(in.u8())) {
      case Record::counters: return read_counters_of_limiter(in, is_first, history);
      case Record::denial: return read_denial(in, history, hash_of);
      case Record::most_denied: return history.most_near.empty() && read_counter(in, history.most_denied, hash_of);
      case Record::most_near: return read_counter(in, history.most_near, hash_of);
    }
    return false;
  };
  bool is_first = true;
  do {
    if (!in.ok() || !read_record(is_first)) return false;
    is_first = false;
  } while (!in.done());
  return true;
}

}  // namespace ratelimit
