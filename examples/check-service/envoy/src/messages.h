// SPDX-License-Identifier: MIT
// What Envoy asks and what it is answered, as values: envoy.service.ratelimit.v3, without protobuf. Who reads the wire makes
// these values, and who writes it reads them. std only.
#ifndef RATELIMIT_SERVICE_ENVOY_MESSAGES_H
#define RATELIMIT_SERVICE_ENVOY_MESSAGES_H

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ratelimit::service::envoy {

/// The numbers are those of RateLimitResponse.RateLimit.Unit, and of envoy.type.v3.RateLimitUnit, which has no week.
enum class Unit : std::uint8_t {
  unknown = 0,
  second = 1,
  minute = 2,
  hour = 3,
  day = 4,
  month = 5,
  year = 6,
  week = 7
};

/// The numbers are those of RateLimitResponse.Code.
enum class Code : std::uint8_t { unknown = 0, ok = 1, over_limit = 2 };

// --- a request ---------------------------------------------------------------------------------------

struct Entry {
  std::string key;
  std::string value;

  friend bool operator==(const Entry&, const Entry&) = default;
};

/// A limit that comes with the request, and applies instead of the rule's.
struct LimitOverride {
  std::uint32_t requests_per_unit = 0;
  Unit unit = Unit::unknown;
  std::uint32_t unit_multiplier = 1;  ///< the window is so many units long

  friend bool operator==(const LimitOverride&, const LimitOverride&) = default;
};

struct Descriptor {
  std::vector<Entry> entries;
  std::optional<LimitOverride> limit{};
  std::optional<std::uint64_t> hits_addend{};  ///< 0 only looks; none: as the request says
  bool is_negative_hits = false;               ///< the hits are given back
};

struct Request {
  std::string domain;
  std::vector<Descriptor> descriptors;
  std::uint32_t hits_addend = 0;  ///< 0 is 1: the protocol cannot tell 0 from nothing
};

// --- a response --------------------------------------------------------------------------------------

/// The limit that applied to a descriptor. A limit that is no window of a unit has the unit `unknown`.
struct CurrentLimit {
  std::uint32_t requests_per_unit = 0;
  Unit unit = Unit::unknown;
  std::string name{};                 ///< what the configuration calls it; may be empty
  std::uint32_t unit_multiplier = 1;  ///< the window is so many units long

  friend bool operator==(const CurrentLimit&, const CurrentLimit&) = default;
};

struct DescriptorStatus {
  Code code = Code::ok;
  std::optional<CurrentLimit> current_limit{};  ///< none: no rule matches, it is unlimited, or nobody counted
  std::uint32_t limit_remaining = 0;
  std::optional<std::chrono::milliseconds> duration_until_reset{};
};

struct Header {
  std::string key;
  std::string value;

  friend bool operator==(const Header&, const Header&) = default;
};

struct Member;

/// What google.protobuf.Struct can hold: nothing, a truth, a number, a text, a list, an object.
struct Value {
  using List = std::vector<Value>;
  using Object = std::vector<Member>;  ///< no two members of one name

  std::variant<std::monostate, bool, double, std::string, List, Object> is;
};

struct Member {
  std::string name;
  Value value;
};

/// Why a request has no response. The original answers all of these by an error of gRPC with the code UNKNOWN.
enum class Failure : std::uint8_t {
  none,
  refused,      ///< the request is wrong: INVALID_ARGUMENT
  unavailable,  ///< nobody decided: UNAVAILABLE
  internal,     ///< a mistake of the set-up: INTERNAL. The text is for the log, too
};

struct Response {
  Failure failure = Failure::none;
  std::string error{};  ///< of a failure: for the caller; never echoes what was sent

  Code overall_code = Code::unknown;
  std::vector<DescriptorStatus> statuses{};  ///< one for each descriptor, in their order
  std::vector<Header> response_headers_to_add{};
  Value::Object dynamic_metadata{};  ///< empty: none
};

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_MESSAGES_H
