#include "keyspace/open_key.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "keyspace/data_type.h"
#include "keyspace/module.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/carried_states.h"
#include "ratelimit/codec/bytes.h"
#include "ratelimit/codec/effects.h"
#include "ratelimit/codec/format.h"
#include "ratelimit/codec/redis_cell.h"
#include "ratelimit/limits.h"
#include "ratelimit/operation.h"
#include "ratelimit/request.h"
#include "ratelimit/states.h"
#include "ratelimit/turn.h"
#include "ratelimit/verdict.h"
#include "server/zones.h"

namespace ratelimit {
namespace {

// What has no end of its own is left to the server as it is.
constexpr std::chrono::milliseconds kNoEnd{0};

}  // namespace

OpenKey::OpenKey(server::Context context, server::Text key, server::Key::Access access,
                 std::string_view name_of_subject)
    : context_(context), name_(key), access_(access), key_(context_, name_, access), name_of_subject_(name_of_subject) {
  find_value(key_.value(module().data_type));
  const bool may_have_ended_early = access_ != server::Key::Access::quiet_write && !module().premature_expiries.empty();
  if (!exists() && may_have_ended_early && key_.is_absent()) restore();
  find_subject();
}

OpenKey::OpenKey(server::Context context, server::Text key, std::optional<SubjectHash> subject)
    : context_(context),
      name_(key),
      access_(server::Key::Access::write),
      key_(context_, name_, access_),
      hash_(subject) {
  find_value(key_.value(module().data_type));
  find_subject();
}

void OpenKey::find_value(void* stored) {
  compact_ = nullptr;
  value_ = nullptr;
  if (stored == nullptr) return;
  if (CompactValue::is(stored)) {
    compact_ = static_cast<CompactValue*>(stored);
  } else {
    value_ = static_cast<Value*>(stored);
  }
}

void OpenKey::find_subject() {
  subject_.reset();
  if (is_key_itself()) {
    if (compact_ != nullptr) {
      loose_[0].emplace(compact_->state());
      subject_.emplace(compact_->limits(module().limits), std::span(loose_).first(1), nullptr);
    } else if (value_ != nullptr) {
      subject_ = value_->subject();
    }
  } else if (SubjectTable* table = subject_table()) {
    if (!hash_) hash_ = table->hash_of(name_of_subject_);
    subject_ = table->hash_table().find(*hash_);
  }
}

void OpenKey::restore() {
  const Instant now = module().clock.now();
  const server::KeyName name{context_.database(), name_.view()};
  const std::optional<std::string> encoded = module().premature_expiries.find(name, now);
  if (!encoded) return;
  Value::Pointer value = Value::decode(*encoded, module().limits);
  if (access_ == server::Key::Access::read) {
    restored_ = std::move(value);
    value_ = restored_.get();
    return;
  }
  module().premature_expiries.forget(name);
  const std::chrono::milliseconds end = end_of(value->limits(), value->idle_at(), now);
  put(std::move(value));
  key_.expire_at(end);
  // Whoever is asked for, it is the key that is back.
  if (module().propagation_switch.is_on()) {
    tell_key(end);
  } else {
    context_.replicate_call();
  }
  key_.signal_modified();
}

std::optional<Fault> OpenKey::fault() const {
  if (exists() || key_.is_absent()) return std::nullopt;
  return Fault{Fault::Kind::wrong_type, Argument::key};
}

SharedLimits OpenKey::stored_limits() const {
  return subject_table() != nullptr && subject_table()->is_stored() ? value_->shared_limits() : SharedLimits{};
}

std::optional<Fault> OpenKey::find_limits(std::span<const LimitSpec> specs, SharedLimits& limits) const {
  if (is_stored()) {
    if (!specs.empty() && !value_->limits().matches(specs)) return Fault{Fault::Kind::other_limits, Argument::limits};
    if (!subject_) limits = value_->shared_limits();
    return std::nullopt;
  }
  if (specs.empty() || (subject_ && subject_->limits().matches(specs))) return std::nullopt;
  limits = module().limits.get(specs);
  if (!limits) return Fault{Fault::Kind::repeated_label, Argument::label};
  return std::nullopt;
}

void OpenKey::put(Value::Pointer value) {
  std::optional<std::chrono::milliseconds> end;
  if (subject_table() != nullptr) {
    value->set_subjects(value_->take_subjects());
    end = key_.end();
  }
  put_stored(stored_form(std::move(value)));
  if (end) key_.expire_at(*end);
}

void OpenKey::put_stored(void* stored) {
  key_.set(module().data_type, stored);
  find_value(stored);
  is_new_ = true;
}

void OpenKey::hand_on_counters(Value& value) const {
  const AsValue before = this->value();
  value.set_counters(before->granted_calls(), before->denied_calls());
}

void OpenKey::promote() {
  Value::Pointer value = compact_->promoted(module().limits);
  if (is_key_itself()) value->cells()[0] = loose_[0];
  put_stored(value.release());
  find_subject();
}

void OpenKey::write_back() {
  if (compact_ == nullptr) return;
  const auto& state = loose_[0].as<TokenBucket::State>();
  if (!CompactValue::fits(state)) return promote();
  compact_->set_state(state);
}

std::size_t OpenKey::memory() const {
  const void* stored = key_.value(module().data_type);
  return memory_of(stored != nullptr ? stored : value_);
}

void OpenKey::collect(Instant now) {
  if (!subject_ || !subject_->any_hold_ended(now)) return;
  const Operation collect{.kind = Operation::Kind::collect, .at = now};
  if (access_ != server::Key::Access::read) {
    perform(collect);
  } else {
    own_ = Value::copy(*subject_);
    subject_ = own_->subject();
    subject_->perform(collect);
  }
}

void OpenKey::follow(const SharedLimits& limits, Instant now) {
  if (subject_) {
    own_ = carry_over(*subject_, limits, now);
    is_changed_ = true;
  } else if (is_key_itself()) {
    own_ = Value::create(limits);
  } else {
    limits_of_idle_ = limits;
    construct_idle(*limits, loose_);  // an idle state owns nothing, so that nothing is to be destroyed
    subject_.emplace(limits_of_idle_, std::span(loose_).first(limits->size()), nullptr);
    return;
  }
  subject_ = own_->subject();
}

std::optional<TokenBucket::State> OpenKey::state_of_redis_cell() const {
  if (exists()) return std::nullopt;
  const std::optional<std::string_view> text = key_.text();
  return text ? state_at_arrival_time(*text) : std::nullopt;
}

void OpenKey::adopt(const TokenBucket::State& state, SharedLimits limits) {
  own_ = Value::create(std::move(limits));
  subject_ = own_->subject();
  subject_->cells()[0].as<TokenBucket::State>() = state;
}

Verdict OpenKey::peek(const SharedLimits& limits, const Request& call, Instant now) const {
  if (!subject_) return decide_idle(*limits, call, now);
  const Turn turn = subject_->turn();
  if (!limits) return decide(subject_->limits(), subject_->cells(), turn, call, now);
  const CarriedStates carried(subject_->limits(), subject_->cells(), *limits, turn.or_later(now));
  return decide(*limits, carried, turn, call, now);
}

void OpenKey::count_call(Outcome outcome) {
  if (compact_ != nullptr) return compact_->count_call(outcome);
  if (value_ == nullptr) return;
  value_->count_call(outcome);
  if (outcome != Outcome::granted && !is_key_itself() && subject_table() != nullptr) {
    subject_table()->note_denial(*hash_, name_of_subject_);
  }
}

void OpenKey::store_subject(Instant now) {
  if (!is_key_itself()) return store_subject_in_table(now);
  if (!own_) return;
  if (exists()) hand_on_counters(*own_);
  if (subject_table() != nullptr && own_->extra_object() == nullptr) own_ = own_->move_to_extra();
  put(std::move(own_));
  find_subject();
}

void OpenKey::store_subject_in_table(Instant now) {
  const bool is_in_place = !own_ && !limits_of_idle_;
  if (is_in_place) return;
  if (subject_table() == nullptr) {
    make_subject_table({.secret = server::random_secret()}, subject_->shared_limits());
    hash_ = subject_table()->hash_of(name_of_subject_);
  }
  HashTable& table = subject_table()->hash_table();
  if (const auto range = table.crowded(*hash_)) sweep(*range, true, now);
  subject_ = own_ ? table.put(*hash_, std::move(own_)) : table.insert(*hash_, limits_of_idle_);
  limits_of_idle_ = {};
  is_new_ = true;
}

void OpenKey::make_subject_table(const SubjectTableHead& head, const SharedLimits& limits) {
  if (compact_ != nullptr) promote();
  if (value_ == nullptr) {
    put(Value::create(limits, Value::Room::for_extra));
  } else if (value_->extra_object() == nullptr) {
    put(value_->move_to_extra());
  }
  value_->set_subjects(std::make_unique<SubjectTable>(head));
  key_.persist();
  module().background_sweep.note(context_, {context_.database(), name_.view()});
  if (!head.is_stored && module().propagation_switch.is_on()) tell_key(kNoEnd);
}

Verdict OpenKey::charge(const Request& call, Instant now) {
  // When a turn comes is found by asking as of later: what is ahead of now must have been brought back before.
  if (call.mode == Mode::may_wait && subject_->is_ahead(now) && !is_never(subject_->limits(), call))
    clamp_and_store(now);
  Verdict verdict = decide(subject_->limits(), subject_->cells(), subject_->turn(), call, now);
  if (verdict.decision.outcome == Outcome::granted) {
    if (verdict.id.empty() && subject_->limits().have_leases()) verdict.id = id_ = server::random_id();
    commit(verdict, now);
  } else if (verdict.decision.outcome == Outcome::denied) {
    clamp_and_store(now);
  }
  return verdict;
}

void OpenKey::commit(const Verdict& verdict, Instant now) {
  if (verdict.turn > Span{} || subject_->reservations() != nullptr) {
    perform({.kind = Operation::Kind::charge,
             .at = now,
             .units = verdict.decision.granted,
             .span = verdict.turn,
             .id = verdict.id});
    return;
  }
  store_subject(now);
  std::optional<Instant> idle_before;
  const bool has_end = compact_ != nullptr ? compact_->has_end() : value_->has_end();
  if (has_end && is_key_itself()) idle_before = subject_->idle_at();
  ratelimit::apply(subject_->limits(), subject_->cells(), verdict);
  write_back();
  if (is_new_) idle_before.reset();  // it may have grown just now
  publish(now + verdict.idle_in, now, {.changes = &verdict, .idle_before = idle_before});
}

bool OpenKey::perform(const Operation& operation) {
  store_subject(operation.at);
  const bool found = perform_on_subject(operation);
  publish(subject_->idle_at(), operation.at, {.operation = &operation});
  return found;
}

bool OpenKey::perform_on_subject(const Operation& operation) {
  if (compact_ != nullptr) promote();
  const bool reserves = operation.kind == Operation::Kind::reserve ||
                        (operation.kind == Operation::Kind::charge && operation.span > Span{});
  if (reserves && subject_->reservations() == nullptr) {
    if (is_key_itself()) {
      put(value_->move_to_extra());
      subject_ = value_->subject();
    } else {
      subject_ = subject_table()->hash_table().put(*hash_, Value::take(*subject_));
      is_new_ = true;
    }
  }
  return subject_->perform(operation);
}

void OpenKey::clamp_and_store(Instant now) {
  if (!is_changed_ && !subject_->is_ahead(now)) return;
  store_subject(now);
  subject_->clamp(now);
  write_back();
  publish(subject_->idle_at(), now, {});
}

void OpenKey::publish(Instant idle_at, Instant now, const Effect& effect) {
  const bool is_propagated = module().propagation_switch.is_on();
  std::chrono::milliseconds end = kNoEnd;
  if (subject_table() == nullptr) {
    if (idle_at <= now) return remove();
    const Limits& limits = subject_->limits();
    if (is_propagated || !effect.idle_before || limits.kept_until(*effect.idle_before) != limits.kept_until(idle_at)) {
      end = end_of(limits, idle_at, now);
      key_.expire_at(end);
      if (compact_ != nullptr)
        compact_->note_end();
      else
        value_->note_end();
    }
  }
  if (is_propagated) {
    replicate(end, effect);
  } else {
    context_.replicate_call();  // reaches nobody, but counts as a change to be saved
  }
  key_.signal_modified();
}

// The server ends the key by its wall clock, which may have been stepped since the module was loaded. By whichever clock it
// is later: a key that lingers does no harm, one that ends too early forgets what was used.
std::chrono::milliseconds OpenKey::end_of(const Limits& limits, Instant idle_at, Instant now) {
  using std::chrono::ceil;
  using std::chrono::milliseconds;
  return ceil<milliseconds>(limits.kept_until(idle_at).time_since_epoch()) + ceil<milliseconds>(wall_clock_lead(now));
}

void OpenKey::tell_key(std::chrono::milliseconds expiry) const {
  context_.replicate(kEffectCommand, name_, word_of(EffectKind::store), expiry.count(), encode_value(*value()));
}

void OpenKey::tell(EffectKind kind, std::chrono::milliseconds expiry, std::string_view payload) const {
  if (is_key_itself()) return context_.replicate(kEffectCommand, name_, word_of(kind), expiry.count(), payload);
  std::string hash;
  Writer(hash).fixed(hash_->word());
  context_.replicate(kEffectCommand, name_, word_of(kind), expiry.count(), payload, hash);
}

// A small state travels whole. A log may be large: once the other side has it, the change says all.
void OpenKey::replicate(std::chrono::milliseconds expiry, const Effect& effect) const {
  const bool travels_whole =
      is_new_ || (subject_->reservations() == nullptr &&
                  pieces_behind(subject_->limits(), subject_->cells(), subject_->reservations()) == 0);
  std::string bytes;
  Writer out(bytes);
  if (travels_whole || (effect.changes == nullptr && effect.operation == nullptr)) {
    if (is_key_itself()) return tell_key(expiry);
    bytes.reserve(64);
    encode_subject(out, subject_->limits(), subject_->cells(), subject_->reservations(),
                   subject_table()->is_stored() ? LimitsForm::known : LimitsForm::written);
    tell(EffectKind::store, expiry, bytes);
  } else if (effect.operation != nullptr) {
    encode_operation(out, *effect.operation);
    tell(EffectKind::perform, expiry, bytes);
  } else {
    encode_changes(out, subject_->limits(), effect.changes->changes, effect.changes->id);
    tell(EffectKind::apply, expiry, bytes);
  }
}

// What is idle is as good as absent.
void OpenKey::remove() {
  key_.remove();
  find_value(nullptr);
  subject_.reset();
  if (module().propagation_switch.is_on()) {
    context_.replicate_removal(name_);
  } else {
    context_.replicate_call();
  }
  key_.signal_modified();
}

void OpenKey::define(const SharedLimits& limits, bool is_shadow, Instant now) {
  collect(now);
  const bool has_subject_table = subject_table() != nullptr;
  if (has_subject_table && subject_table()->is_stored() && *limits == value_->limits() &&
      is_shadow == subject_table()->is_shadow())
    return;
  const SubjectTableHead head{.is_stored = true,
                              .is_shadow = is_shadow,
                              .secret = has_subject_table ? subject_table()->head().secret : server::random_secret()};
  define_as_of(limits, head, now);
  if (module().propagation_switch.is_on()) {
    std::string bytes;
    Writer out(bytes);
    encode_definition(out, *limits, {head, now});
    context_.replicate(kEffectCommand, name_, word_of(EffectKind::define), kNoEnd.count(), bytes);
  } else {
    context_.replicate_call();
  }
  key_.signal_modified();
}

void OpenKey::define_as_of(const SharedLimits& limits, const SubjectTableHead& head, Instant at) {
  const bool had_them = subject_table() != nullptr && subject_table()->is_stored() && *limits == value_->limits();
  if (subject_ && !had_them) {
    own_ = carry_over(*subject_, limits, at);
    store_subject(at);
  }
  if (subject_table() == nullptr) {
    make_subject_table(head, limits);
  } else if (!had_them) {
    subject_table()->hash_table().redefine(limits, at);
  }
  subject_table()->store(head.is_shadow);
}

void OpenKey::sweep(const HashRange& range, bool may_forget, Instant now) {
  const std::size_t forgotten =
      subject_table()->hash_table().sweep(range, may_forget ? std::optional(now) : std::nullopt);
  if (forgotten == 0 || !module().propagation_switch.is_on()) return;
  std::string bytes;
  Writer out(bytes);
  encode_sweep(out, {range.first.word(), range.last.word(), now});
  context_.replicate(kEffectCommand, name_, word_of(EffectKind::sweep), kNoEnd.count(), bytes);
}

void OpenKey::remove_if_idle(Instant now) {
  if (subject_table()->is_stored() || subject_table()->hash_table().size() > 0 || value_->idle_at() > now) return;
  remove();
}

// What is stored in a key that is more than itself says nothing of the others in it, unless it is of another life.
bool OpenKey::store(std::string_view encoded, std::chrono::milliseconds expiry) {
  if (!is_key_itself()) {
    if (subject_table() == nullptr) return false;
    const SharedLimits stored = stored_limits();
    Value::Pointer value = Value::decode(encoded, module().limits, stored);
    if (!value || (stored && !(value->limits() == *stored))) return false;
    subject_table()->hash_table().put(*hash_, std::move(value));
  } else {
    Value::Pointer value = decode_value(encoded, module().limits);
    if (!value) return false;
    SubjectTable* const before = subject_table();
    SubjectTable* const after = subject_table_of(*value);
    if (exists()) hand_on_counters(*value);
    if (before != nullptr && (after == nullptr || !(after->head() == before->head()))) value_->set_subjects(nullptr);
    put(std::move(value));
    if (subject_table() != nullptr) module().background_sweep.note(context_, {context_.database(), name_.view()});
  }
  set_expiry(expiry);
  return true;
}

bool OpenKey::apply(std::string_view changes, std::chrono::milliseconds expiry) {
  if (!subject_) return false;
  Reader in(changes);
  Verdict verdict;
  if (!decode_changes(in, subject_->limits(), verdict.changes, verdict.id)) return false;
  if (!accepts(subject_->limits(), subject_->cells(), verdict)) return false;
  ratelimit::apply(subject_->limits(), subject_->cells(), verdict);
  write_back();
  set_expiry(expiry);
  return true;
}

bool OpenKey::perform_encoded(std::string_view operation, std::chrono::milliseconds expiry) {
  if (!subject_) return false;
  Reader in(operation);
  Operation decoded;
  if (!decode_operation(in, decoded)) return false;
  perform_on_subject(decoded);
  set_expiry(expiry);
  return true;
}

bool OpenKey::define_encoded(std::string_view definition, std::chrono::milliseconds expiry) {
  Reader in(definition);
  LimitSpecs specs;
  Definition decoded;
  if (!decode_definition(in, find_zone, specs, decoded)) return false;
  const SharedLimits limits = module().limits.get(specs.span());
  if (!limits) return false;
  define_as_of(limits, decoded.head, decoded.at);
  set_expiry(expiry);
  return true;
}

bool OpenKey::sweep_encoded(std::string_view sweep, std::chrono::milliseconds expiry) {
  Reader in(sweep);
  Sweep decoded;
  if (!decode_sweep(in, decoded) || subject_table() == nullptr) return false;
  const HashRange range{SubjectHash::of(decoded.first), SubjectHash::of(decoded.last)};
  if (range.first.word() != decoded.first || range.last.word() != decoded.last) return false;
  subject_table()->hash_table().sweep(range, decoded.at);
  set_expiry(expiry);
  return true;
}

bool OpenKey::load_chunk(std::string_view chunk, std::chrono::milliseconds expiry) {
  std::optional<SubjectHash> last;
  if (subject_table() == nullptr || !subject_table()->load_chunk(chunk, stored_limits(), module().limits, last))
    return false;
  set_expiry(expiry);
  return true;
}

void OpenKey::set_expiry(std::chrono::milliseconds expiry) {
  if (expiry.count() > 0) key_.expire_at(expiry);
  key_.signal_modified();
}

}  // namespace ratelimit
