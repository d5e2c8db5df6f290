// SPDX-License-Identifier: MIT
#include "storage/subject_table.h"

#include <array>
#include <utility>
#include <vector>

#include "storage/keyed_hash.h"
#include "storage/value.h"

namespace ratelimit {
namespace {

// Large enough to be written and compressed quickly, small enough that a copy of it hardly counts in memory.
constexpr std::size_t kChunkBytes = 65'536;

void encode_record(Writer& out, SubjectHash hash, const Subject& subject, LimitsForm form) {
  out.fixed(hash.word());
  encode_body(out, subject.limits(), subject.cells(), subject.reservations(), form, nullptr, subject.last_grants());
}

}  // namespace

SubjectHash SubjectTable::hash_of(std::string_view name) const {
  return SubjectHash::of(keyed_hash(head_.secret, name));
}

void SubjectTable::note_denial(SubjectHash hash, std::string_view name) {
  if (!most_denied_) most_denied_ = std::make_unique<HeavyHitters>();
  most_denied_->note(hash.word(), name);
}

std::unique_ptr<SubjectTable> SubjectTable::copy() const { return std::make_unique<SubjectTable>(head_, hash_table_); }

std::string SubjectTable::encoded_chunk(std::optional<SubjectHash>& from) {
  std::string bytes;
  if (!from) return bytes;
  Writer out(bytes);
  const Limits* known = nullptr;
  const SubjectHash first = *from;
  from.reset();
  hash_table_.for_each(first, [&](SubjectHash hash, const Subject& subject) {
    if (bytes.size() >= kChunkBytes) {
      from = hash;
      return false;
    }
    if (bytes.empty()) out.fixed(kFormatVersion);
    const bool is_known = is_stored() || (known != nullptr && *known == subject.limits());
    encode_record(out, hash, subject, is_known ? LimitsForm::known : LimitsForm::written);
    known = &subject.limits();
    return true;
  });
  return bytes;
}

bool SubjectTable::load_chunk(std::string_view chunk, const SharedLimits& stored, LimitsPool& pool,
                              std::optional<SubjectHash>& last) {
  Reader in(chunk);
  in.require(in.fixed<std::uint8_t>() == kFormatVersion);
  SharedLimits known = stored;
  std::vector<Entry> entries;
  do {
    const auto word = in.fixed<std::uint64_t>();
    const SubjectHash hash = SubjectHash::of(word);
    if (!in.require(hash.word() == word && !(last && hash <= *last) && !hash_table_.find(hash))) return false;
    const bool has_limits = has_written_limits(in);
    Value::Pointer value = Value::decode_body(in, pool, known);
    // The writer leaves limits out that the reader knows. Bytes that write them all the same are not its bytes.
    if (!value || (has_limits && (stored || (known && value->limits() == *known)))) return false;
    if (stored && value->has_several_lists()) return false;
    known = value->shared_limits();
    entries.push_back({hash, std::move(value)});
    last = hash;
  } while (!in.done() && in.ok());
  return in.done() && hash_table_.put_new(entries);
}

std::uint64_t SubjectTable::digest() {
  constexpr std::array<std::uint8_t, 16> kNoSecret{};
  std::uint64_t sum = 0;
  std::string bytes;
  hash_table_.for_each(SubjectHash::smallest(), [&](SubjectHash hash, const Subject& subject) {
    bytes.clear();
    Writer out(bytes);
    encode_record(out, hash, subject, LimitsForm::written);
    sum += keyed_hash(kNoSecret, bytes);
    return true;
  });
  return sum;
}

std::size_t SubjectTable::memory(std::size_t (*allocated)(const void*)) const {
  const std::size_t denied = most_denied_ ? sizeof(HeavyHitters) + most_denied_->heap_bytes() : 0;
  return allocated(this) + denied + hash_table_.bytes() + hash_table_.bytes_outside(allocated);
}

}  // namespace ratelimit
