// SPDX-License-Identifier: MIT
// The YAML of envoyproxy/ratelimit, and what we add to it: `limit`, and `force`. The texts of faults that the original has are
// its own.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include "names.h"
#include "rule_limits.h"
#include "rule_tree.h"
#include "rules.h"
#include "yaml_map.h"

namespace ratelimit::service::envoy {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 20U;  ///< of a file
constexpr std::size_t kMostRules = 65'536;
constexpr std::size_t kMostFiles = 1024;
constexpr int kMostLevels = 32;
constexpr std::size_t kLongestDomain = 256;

/// Where documents begin.
class DocumentBegins final : public YAML::EventHandler {
 public:
  [[nodiscard]] const YAML::Mark& last() const { return last_; }

  void OnDocumentStart(const YAML::Mark& mark) override { last_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  YAML::Mark last_{};
};

/// Where a second document begins, if there is one. YAML::LoadAll would not return from `,a: b`: it finds documents for ever.
std::optional<YAML::Mark> second_document(const std::string& yaml) {
  std::istringstream stream(yaml);
  YAML::Parser parser(stream);
  DocumentBegins begins;
  if (!parser.HandleNextDocument(begins) || !parser.HandleNextDocument(begins)) return std::nullopt;
  return begins.last();
}

/// Where a branch is: what the names of its keys, and those for metrics, begin with.
struct Place {
  std::string key;
  std::string full_key;
  int depth = 0;
};

}  // namespace

class RulesReader {
 public:
  explicit RulesReader(const RuleOptions& options) : options_(options) {
    rules_.data_->prefix = options.prefix;
    if (options.prefix.find_first_of("{}") != std::string::npos) {
      faults_.fail_file("the prefix of keys must not have braces");
    }
  }

  void read(const RuleText& text) {
    faults_.begin_file(text.file);
    if (text.yaml.size() > kMostBytes) return faults_.fail_file("the file is larger than 1 MiB");
    try {
      if (const std::optional<YAML::Mark> second = second_document(text.yaml)) {
        return faults_.fail(*second, "a file has one document of YAML");
      }
      read_domain(YAML::Load(text.yaml));
    } catch (const YAML::Exception& error) {
      faults_.fail(error.mark, "error loading config file: " + error.msg);
    }
  }

  void fail_file(std::string file, std::string text) {
    faults_.begin_file(std::move(file));
    faults_.fail_file(std::move(text));
  }

  [[nodiscard]] bool is_full() const { return faults_.is_full(); }

  [[nodiscard]] ReadRules take() {
    if (!faults_.all().empty()) return std::move(faults_.all());
    return std::move(rules_);
  }

 private:
  void read_domain(const YAML::Node& root) {
    if (root.IsNull()) return faults_.fail_file("config file cannot have empty domain");
    const YamlMap map(root, {"domain", "descriptors"}, faults_);
    if (!map.is_good()) return;
    const std::string domain = map.text("domain");
    if (domain.empty()) return faults_.fail(root, "config file cannot have empty domain");
    if (domain.size() > kLongestDomain) return faults_.fail(map.find("domain"), "the domain is too long");
    const auto [level, is_new] = rules_.data_->domains.try_emplace(domain);
    if (is_new) {
      rules_.data_->domain_names.push_back(domain);
    } else if (!options_.merges_domains) {
      return faults_.fail(map.find("domain"), "duplicate domain '" + shown_name(domain) + "' in config file");
    }
    const Place place{.key = domain_prefix(options_.prefix, domain) + ":", .full_key = domain + "."};
    read_level(map, place, level->second);
  }

  void read_level(const YamlMap& map, const Place& place, Level& level) {
    for (const YAML::Node& node : map.list("descriptors")) {
      if (is_full()) return;
      if (node.IsMap()) {
        read_branch(node, place, level);
      } else {
        faults_.fail(node, "config error, yaml file contains list of type other than map");
      }
    }
  }

  void read_branch(const YAML::Node& node, const Place& place, Level& level) {
    if (place.depth >= kMostLevels) return faults_.fail(node, "descriptors are nested too deeply");
    if (++rules_count_ > kMostRules) return faults_.fail(node, "there are too many descriptors");
    const YamlMap map(node,
                      {"key", "value", "rate_limit", "limit", "descriptors", "shadow_mode", "quota_mode", "force",
                       "detailed_metric", "value_to_metric", "share_threshold", "metadata"},
                      faults_);
    if (!map.is_good()) return;
    auto branch = std::make_unique<Branch>();
    branch->key = map.text("key");
    branch->value = map.text("value");
    branch->is_wildcard = branch->value.find('*') != std::string::npos;
    branch->shares_threshold = map.truth("share_threshold");
    branch->has_value_in_metric = map.truth("value_to_metric");
    const Place here = place_of(*branch, place);
    check_branch(map, *branch, here);
    read_rule(map, here, *branch);
    Branch& added = *branch;
    if (!level.add(std::move(branch))) {
      return faults_.fail(node, "duplicate descriptor composite key '" + shown_name(here.full_key) + "'");
    }
    read_level(map, {here.key + "|", here.full_key + ".", here.depth}, added.below);
  }

  static Place place_of(const Branch& branch, const Place& above) {
    Place place{above.key, above.full_key + branch.key, above.depth + 1};
    append_escaped(place.key, branch.key);
    if (branch.value.empty()) return place;
    append_escaped(place.key += '=', branch.value);
    place.full_key.append("_").append(branch.value);
    return place;
  }

  void check_branch(const YamlMap& map, const Branch& branch, const Place& place) {
    if (branch.key.empty()) faults_.fail(map.node(), "descriptor has empty key");
    if (branch.key.find('*') != std::string::npos) {
      faults_.fail(map.find("key"), "a key has no wildcards: '*' can stand in its value only");
    }
    if (branch.shares_threshold && !branch.is_wildcard) {
      faults_.fail(map.find("share_threshold"),
                   "share_threshold can only be used with wildcard values (containing '*')");
    }
    if (place.key.size() > kLongestName) faults_.fail(map.node(), "the keys and values down to here are too long");
  }

  /// The rule of a branch, if it has one.
  void read_rule(const YamlMap& map, const Place& place, Branch& branch) {
    Rule rule{.full_key = place.full_key};
    rule.is_on_trial = map.truth("shadow_mode");
    rule.is_quota = map.truth("quota_mode");
    rule.is_forced = map.truth("force");
    rule.has_detailed_metric = map.truth("detailed_metric");
    if (map.has("metadata")) rule.metadata = object_of(map.find("metadata"), faults_);
    if (map.has("rate_limit") && map.has("limit")) {
      return faults_.fail(map.find("limit"), "there can be rate_limit or limit, not both");
    }
    if (map.has("limit")) {
      read_own_limit(map, place, rule);
    } else if (map.has("rate_limit")) {
      read_rate_limit(map.find("rate_limit"), place, rule);
    } else {
      return;
    }
    branch.rule = std::move(rule);
  }

  void read_rate_limit(const YAML::Node& node, const Place& place, Rule& rule) {
    const YamlMap map(node, {"unit", "requests_per_unit", "unlimited", "name", "replaces", "limit"}, faults_);
    if (!map.is_good()) return;
    rule.name = map.text("name");
    rule.is_unlimited = map.truth("unlimited");
    read_replaces(map, rule);
    if (map.has("limit")) {
      if (rule.is_unlimited || map.has("unit") || map.has("requests_per_unit")) {
        faults_.fail(map.find("limit"), "limit can have neither unit, nor requests_per_unit, nor unlimited beside it");
      }
      return read_own_limit(map, place, rule);
    }
    const Unit unit = unit_of(map.text("unit"));
    const std::optional<std::uint32_t> requests = map.number("requests_per_unit");
    if (rule.is_unlimited) {
      if (unit != Unit::unknown) faults_.fail(map.find("unit"), "should not specify rate limit unit when unlimited");
      return;
    }
    if (unit == Unit::unknown) {
      return faults_.fail(map.has("unit") ? map.find("unit") : node,
                          "invalid rate limit unit '" + shown_name(map.text("unit")) + "'");
    }
    if (!map.has("requests_per_unit")) return faults_.fail(node, "requests_per_unit is missing");
    if (requests)
      rule.limiters.push_back(limiter_of(place.key, limit_of(*requests, unit), rule.name, rule.is_on_trial));
  }

  void read_replaces(const YamlMap& map, Rule& rule) {
    for (const YAML::Node& node : map.list("replaces")) {
      const YamlMap replaced(node, {"name"}, faults_);
      if (!replaced.is_good()) continue;
      const std::string name = replaced.text("name");
      if (name.empty()) {
        faults_.fail(node, "should not have an empty replaces entry");
      } else if (name == rule.name) {
        faults_.fail(node, "replaces should not contain name of same descriptor");
      } else {
        rule.replaces.push_back(name);
      }
    }
  }

  /// `limit`: a text, or a list of such.
  void read_own_limit(const YamlMap& map, const Place& place, Rule& rule) {
    const YAML::Node node = map.find("limit");
    std::string text;
    for (const YAML::Node& each : node.IsScalar() ? std::vector{node} : nodes_of(node, faults_)) {
      if (!each.IsScalar()) return faults_.fail(each, "a limit must be a text, such as TOKENBUCKET 20 10 1s");
      text.append(each.Scalar()).append(" ");
    }
    auto limiters = limiters_of(place.key, text, rule.name, rule.is_on_trial, options_.find_zone);
    if (const std::string* error = std::get_if<std::string>(&limiters)) return faults_.fail(node, *error);
    rule.limiters = std::get<std::vector<Limiter>>(std::move(limiters));
  }

  const RuleOptions& options_;
  Rules rules_;
  RuleFaults faults_;
  std::size_t rules_count_ = 0;
};

namespace {

bool is_yaml(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return !name.starts_with(".") && (path.extension() == ".yaml" || path.extension() == ".yml");
}

/// The files of a folder, or the file.
std::vector<std::filesystem::path> files_of(const std::filesystem::path& path, std::error_code& error) {
  if (!std::filesystem::is_directory(path, error)) return {path};
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator file(path, error); !error && file != std::filesystem::directory_iterator();
       file.increment(error)) {
    std::error_code unreadable;
    if (is_yaml(file->path()) && file->is_regular_file(unreadable)) files.push_back(file->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void read_file(RulesReader& reader, const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string yaml;
  constexpr std::size_t kBlock = 65'536;
  std::string block(kBlock, '\0');
  while (file && yaml.size() <= kMostBytes) {
    file.read(block.data(), static_cast<std::streamsize>(kBlock));
    yaml.append(block, 0, static_cast<std::size_t>(file.gcount()));
  }
  if (file.bad() || (!file.eof() && yaml.size() <= kMostBytes)) {
    return reader.fail_file(path.string(), "the file cannot be read");
  }
  reader.read({.file = path.string(), .yaml = std::move(yaml)});
}

}  // namespace

std::string text_of(const RuleFault& fault) {
  std::string text = fault.file;
  if (fault.line != 0) text.append(":").append(std::to_string(fault.line));
  return text.empty() ? fault.text : text + ": " + fault.text;
}

ReadRules read_rules(std::span<const RuleText> texts, const RuleOptions& options) {
  RulesReader reader(options);
  for (const RuleText& text : texts) {
    if (!reader.is_full()) reader.read(text);
  }
  return reader.take();
}

ReadRules read_rules(std::span<const std::filesystem::path> paths, const RuleOptions& options) {
  RulesReader reader(options);
  std::size_t count = 0;
  for (const std::filesystem::path& path : paths) {
    std::error_code error;
    for (const std::filesystem::path& file : files_of(path, error)) {
      if (reader.is_full()) break;
      if (++count > kMostFiles) {
        reader.fail_file(path.string(), "there are too many files");
        break;
      }
      read_file(reader, file);
    }
    if (error && error != std::errc::no_such_file_or_directory) reader.fail_file(path.string(), error.message());
  }
  return reader.take();
}

}  // namespace ratelimit::service::envoy
