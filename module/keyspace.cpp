#include "keyspace.h"

#include <string>
#include <utility>

#include "data_type.h"
#include "ratelimit/codec.h"
#include "state.h"

namespace ratelimit {

Entry::Entry(const Call& call, server::Key::Access access)
    : context_(call.context()),
      name_(call.key()),
      key_(context_, name_, access),
      value_(static_cast<Value*>(key_.value(module().data_type))) {}

std::optional<Fault> Entry::fault() const {
  if (value_ != nullptr || key_.is_absent()) return std::nullopt;
  return Fault{Fault::Kind::wrong_type, Argument::key};
}

void Entry::put(Value::Pointer value) {
  if (value_ != nullptr) value->take_counters_of(*value_);
  value_ = value.release();
  key_.set(module().data_type, value_);
  is_new_value_ = true;
}

void Entry::commit(const Verdict& verdict) {
  ratelimit::apply(value_->limits(), value_->cells(), verdict);
  // A small state travels whole. A log may be large: once the other side has it, the change says all.
  const bool travels_whole = is_new_value_ || value_->memory_pieces() == 1;
  publish(verdict.idle_in, travels_whole ? nullptr : &verdict);
}

void Entry::clamp(Instant now) {
  ratelimit::clamp(value_->limits(), value_->cells(), now);
  publish(value_->idle_at() - now, nullptr);
}

void Entry::publish(Span idle_in, const Verdict* changes) {
  // By the server's own clock, for it is that clock which ends the key.
  const auto expiry = server::unix_time() + std::chrono::ceil<std::chrono::milliseconds>(idle_in);
  key_.expire_at(expiry);
  if (changes == nullptr) {
    context_.replicate(kStoreCommand, name_, expiry.count(), value_->encoded());
  } else {
    std::string bytes;
    Writer out(bytes);
    encode_changes(out, value_->limits(), changes->changes);
    context_.replicate(kApplyCommand, name_, expiry.count(), bytes);
  }
  key_.signal_modified();
}

bool Entry::store(std::string_view encoded, std::chrono::milliseconds expiry) {
  Value::Pointer value = Value::decode(encoded, module().limits);
  if (!value) return false;
  put(std::move(value));
  set_expiry(expiry);
  return true;
}

bool Entry::apply(std::string_view changes, std::chrono::milliseconds expiry) {
  if (value_ == nullptr) return false;
  Reader in(changes);
  Verdict verdict;
  if (!decode_changes(in, value_->limits(), verdict.changes)) return false;
  ratelimit::apply(value_->limits(), value_->cells(), verdict);
  set_expiry(expiry);
  return true;
}

void Entry::set_expiry(std::chrono::milliseconds expiry) {
  if (expiry.count() > 0) key_.expire_at(expiry);
  key_.signal_modified();
}

}  // namespace ratelimit
