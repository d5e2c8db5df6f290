// SPDX-License-Identifier: MIT
#include "storage/subject_table.h"

#include <array>
#include <utility>
#include <vector>

#include "storage/history_codec.h"
#include "storage/keyed_hash.h"
#include "storage/value.h"

namespace ratelimit {
namespace {

void encode_record(Writer& out, SubjectHash hash, const Subject& subject, LimitsForm form, const std::string* name) {
  out.fixed(hash.word());
  encode_body(out, subject.limits(), subject.cells(), subject.reservations(), form, nullptr, subject.last_grants());
  if (name != nullptr) out.long_text(*name);
}

}  // namespace

template <class Visit>
void SubjectTable::for_each(SubjectHash from, Visit visit) {
  static const Exceptions::Names kNone;
  const Exceptions::Names& names = exceptions_ ? exceptions_->names() : kNone;
  auto next = names.lower_bound(from);
  bool goes_on = true;
  const auto visit_exceptions = [&](auto is_due) {
    for (; goes_on && next != names.end() && is_due(next->first); ++next) {
      goes_on = visit(next->first, *exceptions_->find(next->first), &next->second);
    }
  };
  hash_table_.for_each(from, [&](SubjectHash hash, const Subject& subject) {
    visit_exceptions([hash](SubjectHash exception) { return exception < hash; });
    if (goes_on) goes_on = visit(hash, subject, nullptr);
    return goes_on;
  });
  visit_exceptions([](SubjectHash) { return true; });
}

SubjectHash SubjectTable::hash_of(std::string_view name) const {
  return SubjectHash::of(keyed_hash(head_.secret, name));
}

std::optional<Subject> SubjectTable::find_among_exceptions(SubjectHash hash) {
  if (const std::optional<Subject> exception = exceptions_->find(hash)) return exception;
  return hash_table_.find(hash);
}

Subject SubjectTable::put(SubjectHash hash, Value::Pointer value) {
  return is_exception(hash) ? exceptions_->put(hash, std::move(value)) : hash_table_.put(hash, std::move(value));
}

void SubjectTable::forget(SubjectHash hash) {
  if (!is_exception(hash)) {
    hash_table_.remove(hash);
    return;
  }
  SharedLimits limits = exceptions_->find(hash)->shared_limits();
  exceptions_->put(hash, Value::create(std::move(limits)));
}

void SubjectTable::begin_exception(SubjectHash hash, std::string_view name, Value::Pointer value) {
  hash_table_.remove(hash);
  if (!exceptions_) {
    exceptions_ = std::make_unique<Exceptions>();
    if (sum_ != nullptr) exceptions_->tally_in(*sum_);
  }
  exceptions_->put(hash, name, std::move(value));
}

void SubjectTable::end_exception(SubjectHash hash) {
  exceptions_->remove(hash);
  if (exceptions_->size() == 0) exceptions_.reset();
}

std::unique_ptr<SubjectTable> SubjectTable::copy() const {
  auto copied = exceptions_ ? std::make_unique<Exceptions>(*exceptions_) : nullptr;
  return std::make_unique<SubjectTable>(head_, hash_table_, std::move(copied));
}

std::string SubjectTable::encoded_chunk(std::optional<SubjectHash>& from) {
  std::string bytes;
  if (!from) return bytes;
  Writer out(bytes);
  const Limits* known = nullptr;
  const SubjectHash first = *from;
  from.reset();
  for_each(first, [&](SubjectHash hash, const Subject& subject, const std::string* name) {
    if (bytes.size() >= kChunkBytes) {
      from = hash;
      return false;
    }
    if (bytes.empty()) out.fixed(kFormatVersion);
    const bool is_known = is_stored() ? name == nullptr : known != nullptr && *known == subject.limits();
    encode_record(out, hash, subject, is_known ? LimitsForm::known : LimitsForm::written, name);
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
    if (!in.require(hash.word() == word && !(last && hash <= *last) && !find(hash))) return false;
    last = hash;
    const bool has_limits = has_written_limits(in);
    Value::Pointer value = Value::decode_body(in, pool, known);
    if (!value || (stored && value->has_several_lists())) return false;
    if (stored && has_limits) {
      if (!load_exception(hash, in.long_text(), std::move(value)) || !in.ok()) return false;
      continue;
    }
    // The writer leaves limits out that the reader knows. Bytes that write them all the same are not its bytes.
    if (has_limits && known && value->limits() == *known) return false;
    known = value->shared_limits();
    entries.push_back({hash, std::move(value)});
  } while (!in.done() && in.ok());
  return in.done() && hash_table_.put_new(entries);
}

bool SubjectTable::load_exception(SubjectHash hash, std::string_view name, Value::Pointer value) {
  const bool may_be = value->limits().size() > 0 && !name.empty() && name.size() <= kMaxSubjectBytes &&
                      hash_of(name) == hash && exceptions_count() < Exceptions::kMost;
  if (may_be) begin_exception(hash, name, std::move(value));
  return may_be;
}

bool SubjectTable::load_history(std::string_view chunk) {
  return decode_history(chunk, history_, [this](std::string_view name) { return hash_of(name); });
}

std::uint64_t SubjectTable::digest() {
  constexpr std::array<std::uint8_t, 16> kNoSecret{};
  std::uint64_t sum = 0;
  std::string bytes;
  for_each(SubjectHash::smallest(), [&](SubjectHash hash, const Subject& subject, const std::string* name) {
    bytes.clear();
    Writer out(bytes);
    encode_record(out, hash, subject, LimitsForm::written, name);
    sum += keyed_hash(kNoSecret, bytes);
    return true;
  });
  return sum;
}

std::size_t SubjectTable::memory(std::size_t (*allocated)(const void*)) const {
  const std::size_t exceptions = exceptions_ ? exceptions_->memory(allocated) : 0;
  return allocated(this) + history_.heap_bytes() + exceptions + hash_table_.bytes() +
         hash_table_.bytes_outside(allocated);
}

}  // namespace ratelimit
