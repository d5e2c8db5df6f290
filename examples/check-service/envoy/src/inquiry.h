// SPDX-License-Identifier: MIT
// What a request comes to under the rules: which keys and subjects its descriptors are about, and at what cost. Pure; depends on
// rules and on the backend's questions.
#ifndef RATELIMIT_SERVICE_ENVOY_INQUIRY_H
#define RATELIMIT_SERVICE_ENVOY_INQUIRY_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backend.h"
#include "messages.h"
#include "rules.h"

namespace ratelimit::service::envoy {

/// A key with a subject. Descriptors about the same one share it: their costs are added.
struct Item {
  std::string key;
  std::string subject;
  const Limiter* limiter = nullptr;       ///< null: the limit came with the request
  std::optional<client::Policy> given{};  ///< the limit that came with the request
  CurrentLimit shown{};
  std::string label{};
  Units cost{};
  std::optional<Answer> answer{};  ///< what it alone says

  [[nodiscard]] const client::Policy& sent() const { return limiter != nullptr ? limiter->sent : *given; }
};

/// What a descriptor of the request wants.
struct Wish {
  enum class Kind : std::uint8_t {
    nothing,  ///< no rule, or another descriptor replaces it
    unlimited,
    decide,
    refund,
    charge,  ///< whatever is left
  };
  Kind kind = Kind::nothing;
  const Rule* rule = nullptr;  ///< null: none, or a limit that came with the request
  std::string metric{};
  std::uint64_t hits = 0;
  bool is_on_trial = false;
  bool is_quota = false;
  std::vector<std::size_t> items{};  ///< of its kind: one for each limit
};

struct Inquiry {
  std::string refusal{};  ///< why the request is wrong; empty: it is not
  std::vector<Wish> wishes{};
  // The items by what is to be done with them.
  std::vector<Item> decided{};
  std::vector<Item> refunded{};
  std::vector<Item> charged{};
};

/// `are_all_quota`: as if all rules were of quota mode.
[[nodiscard]] Inquiry inquiry_of(const Rules& rules, const Request& request, bool are_all_quota);

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_INQUIRY_H
