// SPDX-License-Identifier: MIT
// What a limit is, for the oracle: one limit and what it remembers of one subject. And its integers, which are exact.
//
// The integers of the bucket are Boost.Multiprecision's cpp_int, which has no largest value: what is owed and moves to
// a limit with another period passes 2^150, and an oracle should not need a proof that its own arithmetic is wide
// enough. (128 bits would do for one limit; whether they do is what the core has to show.)
#ifndef RATELIMIT_TESTS_SUPPORT_ORACLE_MODEL_H
#define RATELIMIT_TESTS_SUPPORT_ORACLE_MODEL_H

#include <boost/multiprecision/cpp_int.hpp>
#include <cstdint>
#include <memory>
#include <string_view>

#include "ratelimit/decision.h"
#include "ratelimit/units.h"

namespace ratelimit::oracle {

using Exact = boost::multiprecision::cpp_int;

inline Exact floor_of(const Exact& number, const Exact& divisor) { return number / divisor; }
inline Exact ceil_of(const Exact& number, const Exact& divisor) { return (number + divisor - 1) / divisor; }
inline Span to_span(const Exact& nanoseconds) { return Span{static_cast<std::int64_t>(nanoseconds)}; }
inline Units to_units(const Exact& count) { return Units(static_cast<std::int64_t>(count)); }
inline std::int64_t unix_ns(Instant instant) { return instant.time_since_epoch().count(); }
inline Instant from_unix_ns(std::int64_t ns) { return Instant{Span{ns}}; }

/// One limit and what it remembers of one subject.
class Model {
 public:
  Model() = default;
  Model& operator=(const Model&) = delete;
  virtual ~Model() = default;

  [[nodiscard]] virtual std::unique_ptr<Model> clone() const = 0;

  /// The answer to a call. It changes nothing: only `charge` does. No cost asks how the limit stands.
  [[nodiscard]] virtual Decision ask(const Ask& ask, Instant now) const = 0;
  /// Charges a call that was granted.
  virtual void charge(const Ask& ask, Instant now) = 0;
  /// Charges as of a turn that is to come: what will be over by then is not over yet.
  virtual void charge_ahead(const Ask& ask, Instant turn) { charge(ask, turn); }
  /// A charge for which there is no room: what was charged last takes it, and is of now.
  virtual void absorb(Instant) {}
  /// Gives back up to `units` of those that count, the newest first, but none of the `newer` newest.
  virtual void give_back(Units units, Units newer, Instant now) = 0;
  [[nodiscard]] virtual Units used(Instant now) const = 0;
  [[nodiscard]] virtual Instant idle_at() const = 0;
  /// Whether what is remembered could not come from a call at or before `now`, and forgets the excess.
  [[nodiscard]] virtual bool is_ahead(Instant now) const = 0;
  virtual void clamp(Instant now) = 0;

  /// The longest time from full use to idle.
  [[nodiscard]] virtual Span recovery() const = 0;
  /// Becomes what `old`, of another limit, remembers, if both have begins of windows, times of entries or fractions of
  /// units in common. It may be more than the size.
  virtual bool adopt(const Model& old, Instant now) = 0;
  /// Lets at most the size count.
  virtual void cap(Instant now) = 0;

  // --- leases: only of limits that have them ---

  /// How long a lease lasts; nothing if there are none.
  [[nodiscard]] virtual Span lease() const { return {}; }
  /// The units of the lease with that id, if it lasts.
  [[nodiscard]] virtual Units lease_units(std::string_view, Instant) const { return kNoUnits; }
  [[nodiscard]] bool has_lease(std::string_view id, Instant now) const { return lease_units(id, now) > kNoUnits; }
  /// When the lease with that id ends, also if it has.
  [[nodiscard]] virtual Instant lease_end(std::string_view) const { return {}; }
  /// A lease that another limit gave until `end`, as far as there is room for it.
  virtual void put_lease(std::string_view, Units, Instant, Instant) {}
  /// Renews a lease, which lasts: with so many units more, as far as there is room for them.
  virtual void renew_lease(std::string_view, Units, Instant, Instant) {}
  /// Ends the lease with that id. Whether there was one.
  virtual bool release(std::string_view, Instant) { return false; }
  virtual void forget_some(Instant) {}

 protected:
  Model(const Model&) = default;
};

/// What a model of `Derived` is copied by.
template <class Derived, class Base = Model>
class Clonable : public Base {
 public:
  using Base::Base;
  [[nodiscard]] std::unique_ptr<Model> clone() const override {
    return std::make_unique<Derived>(static_cast<const Derived&>(*this));
  }
};

}  // namespace ratelimit::oracle

#endif  // RATELIMIT_TESTS_SUPPORT_ORACLE_MODEL_H
