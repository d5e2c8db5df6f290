#include "keyspace.h"

#include <algorithm>
#include <string>
#include <utility>

#include "data_type.h"
#include "ratelimit/codec.h"
#include "state.h"

namespace ratelimit {

OpenKey::OpenKey(const Call& call, server::Key::Access access)
    : context_(call.context()),
      name_(call.key()),
      key_(context_, name_, access),
      value_(static_cast<Value*>(key_.value(module().data_type))) {
  if (value_ == nullptr && !module().early_expiries.empty() && key_.is_absent()) bring_back(access);
}

void OpenKey::bring_back(server::Key::Access access) {
  const Instant now = module().clock.now();
  const server::KeyName name{context_.database(), name_.view()};
  const std::optional<std::string> encoded = module().early_expiries.find(name, now);
  if (!encoded) return;
  Value::Pointer value = Value::decode(*encoded, module().limits);
  if (access == server::Key::Access::read) {
    brought_back_ = std::move(value);
    value_ = brought_back_.get();
  } else {
    module().early_expiries.forget(name);
    put(std::move(value));
    publish(value_->idle_at(), now, nullptr);
  }
}

std::optional<Fault> OpenKey::fault() const {
  if (value_ != nullptr || key_.is_absent()) return std::nullopt;
  return Fault{Fault::Kind::wrong_type, Argument::key};
}

void OpenKey::put(Value::Pointer value) {
  if (value_ != nullptr) value->take_counters_of(*value_);
  value_ = value.release();
  key_.set(module().data_type, value_);
  is_new_value_ = true;
}

void OpenKey::commit(const Verdict& verdict, Instant now) {
  ratelimit::apply(value_->limits(), value_->cells(), verdict);
  // A small state travels whole. A log may be large: once the other side has it, the change says all.
  const bool travels_whole = is_new_value_ || value_->memory_pieces() == 1;
  publish(now + verdict.idle_in, now, travels_whole ? nullptr : &verdict);
}

void OpenKey::clamp(Instant now) {
  ratelimit::clamp(value_->limits(), value_->cells(), now);
  publish(value_->idle_at(), now, nullptr);
}

void OpenKey::publish(Instant idle_at, Instant now, const Verdict* changes) {
  // The server ends the key by its wall clock, which may have been stepped since the module was loaded. By whichever
  // clock it is later: a key that lingers does no harm, one that ends too early forgets what was used.
  const auto expiry = std::chrono::ceil<std::chrono::milliseconds>(idle_at.time_since_epoch() + wall_clock_lead(now));
  key_.expire_at(expiry);
  if (!module().followers.may_exist()) {
    context_.replicate_call();  // reaches nobody, but counts as a change to be saved
  } else if (changes == nullptr) {
    context_.replicate(kStoreCommand, name_, expiry.count(), value_->encoded());
  } else {
    std::string bytes;
    Writer out(bytes);
    encode_changes(out, value_->limits(), changes->changes);
    context_.replicate(kApplyCommand, name_, expiry.count(), bytes);
  }
  key_.signal_modified();
}

bool OpenKey::store(std::string_view encoded, std::chrono::milliseconds expiry) {
  Value::Pointer value = Value::decode(encoded, module().limits);
  if (!value) return false;
  put(std::move(value));
  set_expiry(expiry);
  return true;
}

bool OpenKey::apply(std::string_view changes, std::chrono::milliseconds expiry) {
  if (value_ == nullptr) return false;
  Reader in(changes);
  Verdict verdict;
  if (!decode_changes(in, value_->limits(), verdict.changes)) return false;
  if (!accepts(value_->limits(), value_->cells(), verdict.changes)) return false;
  ratelimit::apply(value_->limits(), value_->cells(), verdict);
  set_expiry(expiry);
  return true;
}

void OpenKey::set_expiry(std::chrono::milliseconds expiry) {
  if (expiry.count() > 0) key_.expire_at(expiry);
  key_.signal_modified();
}

}  // namespace ratelimit
