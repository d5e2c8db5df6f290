// SPDX-License-Identifier: MIT
#include "yaml_map.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace ratelimit::service::envoy {
namespace {

constexpr int kMostDepth = 32;

bool is_quoted(const YAML::Node& node) { return node.Tag() == "!"; }

Value value_of(const YAML::Node& node, RuleFaults& faults, int depth);

Value scalar_of(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (is_quoted(node)) return {text};
  bool truth = false;
  if (YAML::convert<bool>::decode(node, truth)) return {truth};
  double number = 0;
  const bool is_numeric = !text.empty() && text.find_first_not_of("0123456789+-.eE") == std::string::npos;
  if (is_numeric && YAML::convert<double>::decode(node, number) && std::isfinite(number)) return {number};
  return {text};
}

Value::Object members_of(const YAML::Node& node, RuleFaults& faults, int depth) {
  Value::Object object;
  for (const auto& pair : node) {
    if (!pair.first.IsScalar()) {
      faults.fail(pair.first, "config error, key is not of type string");
      continue;
    }
    const std::string& name = pair.first.Scalar();
    const bool is_there =
        std::any_of(object.begin(), object.end(), [&](const Member& member) { return member.name == name; });
    if (is_there) faults.fail(pair.first, "the key '" + shown_name(name) + "' is there twice");
    if (!is_there) object.push_back({name, value_of(pair.second, faults, depth)});
  }
  return object;
}

Value value_of(const YAML::Node& node, RuleFaults& faults, int depth) {
  if (!faults.may_read(node)) return {};
  if (depth > kMostDepth) {
    faults.fail(node, "the metadata is nested too deeply");
    return {};
  }
  if (node.IsScalar()) return scalar_of(node);
  if (node.IsMap()) return {members_of(node, faults, depth + 1)};
  Value::List list;
  if (!node.IsSequence()) return {};
  for (const YAML::Node& each : node) list.push_back(value_of(each, faults, depth + 1));
  return {std::move(list)};
}

}  // namespace

std::string shown_name(std::string_view name) {
  constexpr std::size_t kMost = 60;
  std::string shown;
  for (const char c : name.substr(0, kMost)) shown += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? '?' : c;
  return name.size() <= kMost ? shown : shown + "…";
}

YamlMap::YamlMap(const YAML::Node& node, std::initializer_list<std::string_view> known, RuleFaults& faults)
    : node_(node), faults_(faults) {
  is_good_ = node.IsMap() && faults.may_read(node);
  if (!node.IsMap()) faults.fail(node, "a map of keys and values is needed here");
  if (!is_good_) return;
  for (const auto& pair : node) {
    if (!pair.first.IsScalar()) {
      faults.fail(pair.first, "config error, key is not of type string");
      is_good_ = false;
      continue;
    }
    const std::string& key = pair.first.Scalar();
    const auto is_it = [&](const auto& each) { return each.first == key; };
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      faults.fail(pair.first, "config error, unknown key '" + shown_name(key) + "'");
      is_good_ = false;
    } else if (std::any_of(values_.begin(), values_.end(), is_it)) {
      faults.fail(pair.first, "the key '" + key + "' is there twice");
      is_good_ = false;
    } else {
      values_.emplace_back(key, pair.second);
    }
  }
}

YAML::Node YamlMap::find(std::string_view key) const {
  for (const auto& [name, value] : values_) {
    if (name == key && !value.IsNull()) return value;
  }
  return YAML::Node(YAML::NodeType::Undefined);
}

std::string YamlMap::text(std::string_view key) const {
  const YAML::Node value = find(key);
  if (!value.IsDefined()) return {};
  if (value.IsScalar()) return value.Scalar();
  faults_.fail(value, "'" + std::string(key) + "' must be a text");
  return {};
}

bool YamlMap::truth(std::string_view key) const {
  const YAML::Node value = find(key);
  bool truth = false;
  if (!value.IsDefined()) return false;
  if (value.IsScalar() && !is_quoted(value) && YAML::convert<bool>::decode(value, truth)) return truth;
  faults_.fail(value, "'" + std::string(key) + "' must be true or false");
  return false;
}

std::optional<std::uint32_t> YamlMap::number(std::string_view key) const {
  const YAML::Node value = find(key);
  if (!value.IsDefined()) return std::nullopt;
  std::uint32_t number = 0;
  if (value.IsScalar()) {
    const std::string& text = value.Scalar();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) return number;
  }
  faults_.fail(value, "'" + std::string(key) + "' must be an integer from 0 to 4294967295");
  return std::nullopt;
}

std::vector<YAML::Node> YamlMap::list(std::string_view key) const {
  const YAML::Node value = find(key);
  return value.IsDefined() ? nodes_of(value, faults_) : std::vector<YAML::Node>{};
}

std::vector<YAML::Node> nodes_of(const YAML::Node& list, RuleFaults& faults) {
  std::vector<YAML::Node> nodes;
  if (!list.IsSequence()) {
    faults.fail(list, "a list is needed here");
    return nodes;
  }
  for (const YAML::Node& node : list) nodes.push_back(node);
  return nodes;
}

Value::Object object_of(const YAML::Node& node, RuleFaults& faults) {
  if (node.IsMap()) return members_of(node, faults, 0);
  faults.fail(node, "'metadata' must be a map");
  return {};
}

}  // namespace ratelimit::service::envoy
