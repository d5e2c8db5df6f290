#include "storage/subject_table.h"

#include <array>
#include <utility>
#include <vector>

#include "storage/keyed_hash.h"

namespace ratelimit {
namespace {

// Large enough to be written and compressed quickly, small enough for memory to be short of.
constexpr std::size_t kChunkBytes = 65'536;

void encode_record(Writer& out, SubjectHash hash, const Subject& subject, LimitsForm form) {
  out.fixed(hash.word());
  encode_body(out, subject.limits(), subject.cells(), subject.reservations(), form);
}

}  // namespace

SubjectHash Dense::hash_of(std::string_view name) const { return SubjectHash::of(keyed_hash(head_.secret, name)); }

void Dense::note_denial(SubjectHash hash, std::string_view name) {
  if (!most_denied_) most_denied_ = std::make_unique<HeavyHitters>();
  most_denied_->note(hash.word(), name);
}

std::unique_ptr<Dense> Dense::copy() const { return std::make_unique<Dense>(head_, table_); }

std::string Dense::encoded_chunk(std::optional<SubjectHash>& from) {
  std::string bytes;
  if (!from) return bytes;
  Writer out(bytes);
  const Limits* known = nullptr;
  const SubjectHash first = *from;
  from.reset();
  table_.for_each(first, [&](SubjectHash hash, const Subject& subject) {
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

bool Dense::take_in(std::string_view chunk, const SharedLimits& stored, LimitsPool& pool,
                    std::optional<SubjectHash>& last) {
  Reader in(chunk);
  in.require(in.fixed<std::uint8_t>() == kFormatVersion);
  SharedLimits known = stored;
  std::vector<Newcomer> newcomers;
  do {
    const auto word = in.fixed<std::uint64_t>();
    const SubjectHash hash = SubjectHash::of(word);
    if (!in.require(hash.word() == word && !(last && hash <= *last) && !table_.find(hash))) return false;
    const bool has_limits = has_written_limits(in);
    Value::Pointer value = Value::decode_body(in, pool, known);
    // What is known is not written once more.
    if (!value || (has_limits && (stored || (known && value->limits() == *known)))) return false;
    known = value->shared_limits();
    newcomers.push_back({hash, std::move(value)});
    last = hash;
  } while (!in.done() && in.ok());
  return in.done() && table_.put_new(newcomers);
}

std::uint64_t Dense::digest() {
  constexpr std::array<std::uint8_t, 16> kNoSecret{};
  std::uint64_t sum = 0;
  std::string bytes;
  table_.for_each(SubjectHash::smallest(), [&](SubjectHash hash, const Subject& subject) {
    bytes.clear();
    Writer out(bytes);
    encode_record(out, hash, subject, LimitsForm::written);
    sum += keyed_hash(kNoSecret, bytes);
    return true;
  });
  return sum;
}

std::size_t Dense::memory() const {
  const std::size_t denied = most_denied_ ? sizeof(HeavyHitters) + most_denied_->heap_bytes() : 0;
  return sizeof(Dense) + denied + table_.bytes() + table_.bytes_behind_sampled();
}

Value::Pointer decode_value(std::string_view bytes, LimitsPool& pool) {
  std::optional<DenseHead> head;
  Value::Pointer value = Value::decode(bytes, pool, {}, &head);
  if (value && head) value->set_annex(std::make_unique<Dense>(*head));
  return value;
}

std::string encode_value(const Value& value) {
  const Dense* dense = dense_of(value);
  std::string bytes;
  bytes.reserve(64);  // enough for most: one limit and a small state
  Writer out(bytes);
  encode_subject(out, value.limits(), value.cells(), value.reservations(), LimitsForm::written,
                 dense != nullptr ? &dense->head() : nullptr);
  return bytes;
}

}  // namespace ratelimit
