// SPDX-License-Identifier: MIT
#include "metadata.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "names.h"

namespace ratelimit::service::envoy {
namespace {

Value number(std::uint64_t count) { return {static_cast<double>(count)}; }

std::string text_of(const LimitOverride& limit) {
  std::string unit(name_of(limit.unit));
  for (char& c : unit) c = static_cast<char>(c - 'a' + 'A');
  std::string text = "requests_per_unit:" + std::to_string(limit.requests_per_unit) + " unit:" + unit;
  if (limit.unit_multiplier == 1) return text;
  return text + " unit_multiplier:{value:" + std::to_string(limit.unit_multiplier) + "}";  // as Go writes the message
}

Value described(const Descriptor& descriptor) {
  Value::List entries;
  for (const Entry& entry : descriptor.entries) entries.push_back({entry.key + "=" + entry.value});
  Value::Object object{{"entries", {std::move(entries)}}};
  if (descriptor.limit) object.push_back({"limit", {text_of(*descriptor.limit)}});
  if (descriptor.hits_addend) object.push_back({"hitsAddend", number(*descriptor.hits_addend)});
  return {std::move(object)};
}

/// Adds the members of `more`. Of two of one name the first stays, unless both are objects: these become one.
void merge(Value::Object& object, const Value::Object& more) {
  for (const Member& member : more) {
    const auto there =
        std::find_if(object.begin(), object.end(), [&](const Member& each) { return each.name == member.name; });
    if (there == object.end()) {
      object.push_back(member);
      continue;
    }
    auto* const both = std::get_if<Value::Object>(&there->value.is);
    const auto* const added = std::get_if<Value::Object>(&member.value.is);
    if (both != nullptr && added != nullptr) merge(*both, *added);
  }
}

Value described(const Reason& reason) {
  Value::Object object{{"rule", {reason.rule}}, {"label", {reason.label}}};
  if (reason.wait) object.push_back({"wait_ms", number(static_cast<std::uint64_t>(reason.wait->count()))});
  return {std::move(object)};
}

}  // namespace

Value::Object metadata_of(const Request& request, const std::vector<Wish>& wishes, const std::vector<bool>& wishes_over,
                          const Reason* reason) {
  Value::List descriptors;
  for (const Descriptor& descriptor : request.descriptors) descriptors.push_back(described(descriptor));
  Value::Object object{{"domain", {request.domain}}, {"descriptors", {std::move(descriptors)}}};
  if (request.hits_addend != 0) object.push_back({"hitsAddend", number(request.hits_addend)});
  Value::Object of_rules;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    const bool has_passed = !wishes_over[i] && !wishes[i].items.empty() && wishes[i].rule != nullptr;
    if (has_passed) merge(of_rules, wishes[i].rule->metadata);
  }
  if (!of_rules.empty()) object.push_back({"metadata", {std::move(of_rules)}});
  if (reason != nullptr) object.push_back({"denied_by", described(*reason)});
  return object;
}

}  // namespace ratelimit::service::envoy
