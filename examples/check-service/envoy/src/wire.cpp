// SPDX-License-Identifier: MIT
#include "wire.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "envoy/service/ratelimit/v3/rls.pb.h"

namespace ratelimit::service::envoy {
namespace {

namespace common = ::envoy::extensions::common::ratelimit::v3;
namespace protobuf = google::protobuf;

// --- requests ----------------------------------------------------------------------------------------

/// A number that is none of the units comes to `unknown`: whoever reads the request refuses it.
Unit unit_of(int number) {
  const bool is_known = number > 0 && number <= static_cast<int>(Unit::year);
  return is_known ? static_cast<Unit>(number) : Unit::unknown;
}

Descriptor descriptor_of(const common::RateLimitDescriptor& message) {
  Descriptor descriptor;
  descriptor.entries.reserve(static_cast<std::size_t>(message.entries_size()));
  for (const auto& entry : message.entries()) descriptor.entries.push_back({entry.key(), entry.value()});
  if (message.has_limit()) {
    descriptor.limit = LimitOverride{.requests_per_unit = message.limit().requests_per_unit(),
                                     .unit = unit_of(static_cast<int>(message.limit().unit()))};
    if (message.limit().has_unit_multiplier()) {
      descriptor.limit->unit_multiplier = message.limit().unit_multiplier().value();
    }
  }
  if (message.has_hits_addend()) descriptor.hits_addend = message.hits_addend().value();
  descriptor.is_negative_hits = message.is_negative_hits();
  return descriptor;
}

// --- responses ---------------------------------------------------------------------------------------

wire::RateLimitResponse::Code code_of(Code code) {
  return static_cast<wire::RateLimitResponse::Code>(static_cast<int>(code));
}

void write_status(const DescriptorStatus& status, wire::RateLimitResponse::DescriptorStatus& message) {
  message.set_code(code_of(status.code));
  message.set_limit_remaining(status.limit_remaining);
  if (status.current_limit) {
    auto& limit = *message.mutable_current_limit();
    limit.set_requests_per_unit(status.current_limit->requests_per_unit);
    limit.set_unit(static_cast<wire::RateLimitResponse::RateLimit::Unit>(static_cast<int>(status.current_limit->unit)));
    limit.set_name(status.current_limit->name);
    const std::uint32_t multiplier = status.current_limit->unit_multiplier;
    if (multiplier != 1) limit.mutable_unit_multiplier()->set_value(multiplier);
  }
  if (status.duration_until_reset) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*status.duration_until_reset);
    message.mutable_duration_until_reset()->set_seconds(seconds.count());
  }
}

void write_value(const Value& value, protobuf::Value& message);

void write_object(const Value::Object& object, protobuf::Struct& message) {
  for (const Member& member : object) write_value(member.value, (*message.mutable_fields())[member.name]);
}

/// One for each kind of value.
struct ValueWriter {
  protobuf::Value& message;

  void operator()(std::monostate) const { message.set_null_value(protobuf::NULL_VALUE); }
  void operator()(bool truth) const { message.set_bool_value(truth); }
  void operator()(double number) const { message.set_number_value(number); }
  void operator()(const std::string& text) const { message.set_string_value(text); }
  void operator()(const Value::List& list) const {
    protobuf::ListValue& values = *message.mutable_list_value();
    for (const Value& each : list) write_value(each, *values.add_values());
  }
  void operator()(const Value::Object& object) const { write_object(object, *message.mutable_struct_value()); }
};

void write_value(const Value& value, protobuf::Value& message) { std::visit(ValueWriter{message}, value.is); }

}  // namespace

Request request_of(const wire::RateLimitRequest& message) {
  Request request{.domain = message.domain(), .descriptors = {}, .hits_addend = message.hits_addend()};
  request.descriptors.reserve(static_cast<std::size_t>(message.descriptors_size()));
  for (const auto& descriptor : message.descriptors()) request.descriptors.push_back(descriptor_of(descriptor));
  return request;
}

void write(const Response& response, wire::RateLimitResponse& message) {
  message.set_overall_code(code_of(response.overall_code));
  for (const DescriptorStatus& status : response.statuses) write_status(status, *message.add_statuses());
  for (const Header& header : response.response_headers_to_add) {
    auto& added = *message.add_response_headers_to_add();
    added.set_key(header.key);
    added.set_value(header.value);
  }
  if (!response.dynamic_metadata.empty()) write_object(response.dynamic_metadata, *message.mutable_dynamic_metadata());
}

std::optional<Request> request_of_json(const std::string& json) {
  wire::RateLimitRequest message;
  if (!protobuf::util::JsonStringToMessage(json, &message).ok()) return std::nullopt;
  return request_of(message);
}

std::string json_of(const Response& response) {
  wire::RateLimitResponse message;
  write(response, message);
  std::string json;
  // It fails only for messages that are not known, or that nest too deeply: ours do not.
  static_cast<void>(protobuf::util::MessageToJsonString(message, &json));
  return json;
}

}  // namespace ratelimit::service::envoy
