// SPDX-License-Identifier: MIT
// Reads maps of YAML strictly: every key must be known, and be there once. Faults are collected with their lines. Depends on
// yaml-cpp, and on the faults of rules.
#ifndef RATELIMIT_SERVICE_ENVOY_YAML_MAP_H
#define RATELIMIT_SERVICE_ENVOY_YAML_MAP_H

#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules.h"

namespace ratelimit::service::envoy {

/// The faults of the file that is being read.
class RuleFaults {
 public:
  static constexpr std::size_t kMost = 20;
  /// Aliases may repeat a part of a file very often, or within itself.
  static constexpr std::size_t kMostNodes = 200'000;

  void begin_file(std::string name) {
    file_ = std::move(name);
    nodes_ = 0;
  }
  void fail(const YAML::Node& node, std::string text) { fail(node.Mark(), std::move(text)); }
  void fail(const YAML::Mark& mark, std::string text) {
    fail_at(mark.is_null() ? 0 : static_cast<std::size_t>(mark.line) + 1, std::move(text));
  }
  void fail_file(std::string text) { fail_at(0, std::move(text)); }

  /// Whether there is room for one more node; if not, that is a fault.
  [[nodiscard]] bool may_read(const YAML::Node& node) {
    if (++nodes_ < kMostNodes) return true;
    if (nodes_ == kMostNodes) fail(node, "the file repeats itself too often");
    return false;
  }

  [[nodiscard]] bool is_full() const { return faults_.size() >= kMost; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] std::vector<RuleFault>& all() { return faults_; }

 private:
  void fail_at(std::size_t line, std::string text) {
    if (!is_full()) faults_.push_back({file_, line, std::move(text)});
  }

  std::string file_;
  std::size_t nodes_ = 0;
  std::vector<RuleFault> faults_;
};

/// A name from a file as a fault shows it: short, on one line.
[[nodiscard]] std::string shown_name(std::string_view name);

/// The values of a map by their keys. A value that is null is as if it were not there.
class YamlMap {
 public:
  YamlMap(const YAML::Node& node, std::initializer_list<std::string_view> known, RuleFaults& faults);

  /// Whether the node was a map of known keys.
  [[nodiscard]] bool is_good() const { return is_good_; }
  [[nodiscard]] const YAML::Node& node() const { return node_; }
  /// An undefined node if it is not there.
  [[nodiscard]] YAML::Node find(std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const { return find(key).IsDefined(); }

  // Each reports a fault if the value is of another kind, and then gives what it gives if the value is not there.

  [[nodiscard]] std::string text(std::string_view key) const;
  [[nodiscard]] bool truth(std::string_view key) const;
  [[nodiscard]] std::optional<std::uint32_t> number(std::string_view key) const;
  /// The nodes of a list.
  [[nodiscard]] std::vector<YAML::Node> list(std::string_view key) const;

 private:
  YAML::Node node_;
  RuleFaults& faults_;
  bool is_good_ = true;
  std::vector<std::pair<std::string, YAML::Node>> values_;
};

/// The nodes of a list, none if it is something else.
[[nodiscard]] std::vector<YAML::Node> nodes_of(const YAML::Node& list, RuleFaults& faults);

/// Any map, as the value of the protocol. Numbers and truths are what plain scalars of YAML mean.
[[nodiscard]] Value::Object object_of(const YAML::Node& node, RuleFaults& faults);

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_YAML_MAP_H
