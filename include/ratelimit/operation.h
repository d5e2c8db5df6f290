// What can be done to a subject, as a small value that travels to replicas and files.
//
// It has its instant in it, and it is total: the same operation on the same subject makes the same bytes here, on a
// replica and at the replay of a log. docs/operations.md has the meaning of each. Depends on units only.
#ifndef RATELIMIT_OPERATION_H
#define RATELIMIT_OPERATION_H

#include <cstdint>
#include <string_view>

#include "ratelimit/units.h"

namespace ratelimit {

/// Something that is done to a subject. Total: whatever the numbers are, it does something that is valid.
struct Operation {
  enum class Kind : std::uint8_t {
    collect = 1,  ///< gives back what holds took that have ended
    charge = 2,   ///< charges `units`, as of `span` after `at`; takes the lease `id`
    refund = 3,   ///< gives `units` back
    reserve = 4,  ///< charges `units`, and holds them as `id` for `span`; or prolongs the hold
    settle = 5,   ///< ends the hold `id`, whose call cost `units`
    release = 6,  ///< ends the lease `id`
  };

  Kind kind = Kind::collect;
  Instant at{};
  Units units{};
  Span span{};
  std::string_view id{};
};

}  // namespace ratelimit

#endif  // RATELIMIT_OPERATION_H
