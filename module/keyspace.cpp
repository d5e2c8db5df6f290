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
      access_(access),
      key_(context_, name_, access),
      value_(static_cast<Value*>(key_.value(module().data_type))) {
  if (value_ == nullptr && !module().early_expiries.empty() && key_.is_absent()) bring_back();
}

void OpenKey::bring_back() {
  const Instant now = module().clock.now();
  const server::KeyName name{context_.database(), name_.view()};
  const std::optional<std::string> encoded = module().early_expiries.find(name, now);
  if (!encoded) return;
  Value::Pointer value = Value::decode(*encoded, module().limits);
  if (access_ == server::Key::Access::read) {
    own_ = std::move(value);
    value_ = own_.get();
  } else {
    module().early_expiries.forget(name);
    put(std::move(value));
    publish(value_->idle_at(), now, {});
  }
}

std::optional<Fault> OpenKey::fault() const {
  if (value_ != nullptr || key_.is_absent()) return std::nullopt;
  return Fault{Fault::Kind::wrong_type, Argument::key};
}

void OpenKey::put(Value::Pointer value) {
  value_ = value.release();
  key_.set(module().data_type, value_);
  is_new_value_ = true;
}

void OpenKey::collect(Instant now) {
  if (value_ == nullptr || value_->reservations() == nullptr) return;
  if (!value_->reservations()->any_hold_ended(now)) return;
  const Operation collect{.kind = Operation::Kind::collect, .at = now};
  if (access_ == server::Key::Access::write) {
    perform(collect);
  } else {
    Value::Pointer copy = value_->copy();
    copy->take_counters_of(*value_);
    own_ = std::move(copy);
    value_ = own_.get();
    value_->perform(collect);
  }
}

void OpenKey::follow(const SharedLimits& limits, Instant now) {
  if (value_ == nullptr) {
    own_ = Value::create(limits);
  } else {
    const bool is_reserved = value_->reservations() != nullptr && !value_->reservations()->empty();
    own_ = Value::create(limits, is_reserved ? Value::Room::for_reservations : Value::Room::for_states);
    CarriedStates(value_->limits(), value_->cells(), *limits, value_->turn().or_later(now)).move_into(own_->cells());
    if (is_reserved) *own_->reservations() = std::move(*value_->reservations());
    own_->take_counters_of(*value_);
    is_changed_ = true;
  }
  value_ = own_.get();
}

void OpenKey::settle_on_limits() {
  if (own_) put(std::move(own_));
}

void OpenKey::commit(const Verdict& verdict, Instant now) {
  if (verdict.turn > Span{} || value_->reservations() != nullptr) {
    perform({.kind = Operation::Kind::charge,
             .at = now,
             .units = verdict.decision.granted,
             .span = verdict.turn,
             .id = verdict.id});
    return;
  }
  settle_on_limits();
  ratelimit::apply(value_->limits(), value_->cells(), verdict);
  publish(now + verdict.idle_in, now, {.changes = &verdict});
}

bool OpenKey::perform(const Operation& operation) {
  settle_on_limits();
  const bool found = perform_on_value(operation);
  publish(value_->idle_at(), operation.at, {.operation = &operation});
  return found;
}

bool OpenKey::perform_on_value(const Operation& operation) {
  const bool reserves = operation.kind == Operation::Kind::reserve ||
                        (operation.kind == Operation::Kind::charge && operation.span > Span{});
  if (reserves && value_->reservations() == nullptr) put(value_->move_to_more_room());
  return value_->perform(operation);
}

void OpenKey::bring_to(Instant now) {
  if (!is_changed_ && !value_->is_ahead(now)) return;
  settle_on_limits();
  value_->clamp(now);
  publish(value_->idle_at(), now, {});
}

void OpenKey::publish(Instant idle_at, Instant now, const Effect& effect) {
  if (idle_at <= now) return remove();
  // The server ends the key by its wall clock, which may have been stepped since the module was loaded. By whichever
  // clock it is later: a key that lingers does no harm, one that ends too early forgets what was used.
  using std::chrono::ceil;
  using std::chrono::milliseconds;
  const auto expiry = ceil<milliseconds>(idle_at.time_since_epoch()) + ceil<milliseconds>(wall_clock_lead(now));
  key_.expire_at(expiry);
  if (module().followers.may_exist()) {
    replicate(expiry, effect);
  } else {
    context_.replicate_call();  // reaches nobody, but counts as a change to be saved
  }
  key_.signal_modified();
}

// A small state travels whole. A log may be large: once the other side has it, the change says all.
void OpenKey::replicate(std::chrono::milliseconds expiry, const Effect& effect) const {
  const bool travels_whole = is_new_value_ || value_->memory_pieces() == 1;
  if (travels_whole || (effect.changes == nullptr && effect.operation == nullptr)) {
    context_.replicate(kStoreCommand, name_, expiry.count(), value_->encoded());
    return;
  }
  std::string bytes;
  Writer out(bytes);
  if (effect.operation != nullptr) {
    encode_operation(out, *effect.operation);
    context_.replicate(kPerformCommand, name_, expiry.count(), bytes);
  } else {
    encode_changes(out, value_->limits(), effect.changes->changes, effect.changes->id);
    context_.replicate(kApplyCommand, name_, expiry.count(), bytes);
  }
}

// What is idle is as good as absent.
void OpenKey::remove() {
  key_.remove();
  value_ = nullptr;
  if (module().followers.may_exist()) {
    context_.replicate_removal(name_);
  } else {
    context_.replicate_call();
  }
  key_.signal_modified();
}

bool OpenKey::store(std::string_view encoded, std::chrono::milliseconds expiry) {
  Value::Pointer value = Value::decode(encoded, module().limits);
  if (!value) return false;
  if (value_ != nullptr) value->take_counters_of(*value_);
  put(std::move(value));
  set_expiry(expiry);
  return true;
}

bool OpenKey::apply(std::string_view changes, std::chrono::milliseconds expiry) {
  if (value_ == nullptr) return false;
  Reader in(changes);
  Verdict verdict;
  if (!decode_changes(in, value_->limits(), verdict.changes, verdict.id)) return false;
  if (!accepts(value_->limits(), value_->cells(), verdict)) return false;
  ratelimit::apply(value_->limits(), value_->cells(), verdict);
  set_expiry(expiry);
  return true;
}

bool OpenKey::perform_encoded(std::string_view operation, std::chrono::milliseconds expiry) {
  if (value_ == nullptr) return false;
  Reader in(operation);
  Operation decoded;
  if (!decode_operation(in, decoded)) return false;
  perform_on_value(decoded);
  set_expiry(expiry);
  return true;
}

void OpenKey::set_expiry(std::chrono::milliseconds expiry) {
  if (expiry.count() > 0) key_.expire_at(expiry);
  key_.signal_modified();
}

}  // namespace ratelimit
