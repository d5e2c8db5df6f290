// SPDX-License-Identifier: MIT
#include "rules.h"

#include <unordered_set>

#include "names.h"
#include "rule_tree.h"

namespace ratelimit::service::envoy {
namespace {

using Path = std::vector<const Branch*>;

/// Calls `visit(branch)` for each branch below, in the order of the files.
template <class Visit>
void for_each_branch(const Level& level, const Visit& visit) {
  for (const auto& branch : level.branches) {
    visit(*branch);
    for_each_branch(branch->below, visit);
  }
}

/// The branches of the entries. Shorter than these if they lead out of the rules.
Path path_of(const Level& top, std::span<const Entry> entries) {
  Path path;
  const Level* level = &top;
  for (const Entry& entry : entries) {
    const Branch* branch = level->find(entry);
    if (branch == nullptr) break;
    path.push_back(branch);
    level = &branch->below;
  }
  return path;
}

std::string subject_of(const Path& path, std::span<const Entry> entries) {
  SubjectName name;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i]->is_open()) name.add(entries[i].value);
  }
  return name.take();
}

void append_part(std::string& metric, std::string_view key, std::string_view value) {
  metric.append(".").append(key);
  if (!value.empty()) metric.append("_").append(value);
}

/// All values; those that share a threshold as their wildcard.
std::string detailed_metric(std::string_view domain, const Path& path, std::span<const Entry> entries) {
  std::string metric(domain);
  for (std::size_t i = 0; i < path.size(); ++i) {
    append_part(metric, entries[i].key, path[i]->shares_threshold ? path[i]->value : entries[i].value);
  }
  return metric;
}

/// The values that the rule names, and those that it wants to be seen.
std::string usual_metric(std::string_view domain, const Path& path, std::span<const Entry> entries) {
  std::string metric(domain);
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool is_seen = path[i]->has_value_in_metric && path[i]->is_open();
    append_part(metric, entries[i].key, is_seen ? entries[i].value : path[i]->value);
  }
  return metric;
}

std::string line_of(const Rule& rule) {
  const auto flag = [](bool is_on) { return is_on ? "true" : "false"; };
  std::string line = rule.full_key + ":";
  if (rule.is_unlimited) line += " unlimited,";
  for (const Limiter& limiter : rule.limiters) {
    const CurrentLimit& limit = limiter.shown;
    if (limit.unit != Unit::unknown) {
      line.append(" unit=").append(name_of(limit.unit));
      line.append(" requests_per_unit=").append(std::to_string(limit.requests_per_unit)).append(",");
    }
    line += " limit=";
    for (const std::string& word : limiter.words) line.append(word).append(" ");
    line.back() = ',';
  }
  line.append(" shadow_mode: ").append(flag(rule.is_on_trial));
  line.append(", quota_mode: ").append(flag(rule.is_quota)).append("\n");
  return line;
}

}  // namespace

Rules::Rules() : data_(std::make_unique<Data>()) {}
Rules::Rules(Rules&&) noexcept = default;
Rules& Rules::operator=(Rules&&) noexcept = default;
Rules::~Rules() = default;

bool Rules::is_empty() const { return data_->domains.empty(); }
bool Rules::has_domain(std::string_view domain) const { return data_->domains.contains(domain); }
const std::string& Rules::prefix() const { return data_->prefix; }

Match Rules::find(std::string_view domain, std::span<const Entry> entries) const {
  const auto level = data_->domains.find(domain);
  if (level == data_->domains.end() || entries.empty()) return {};
  const Path path = path_of(level->second, entries);
  if (path.size() < entries.size() || !path.back()->rule) return {};
  const Rule& rule = *path.back()->rule;
  return {.rule = &rule,
          .subject = subject_of(path, entries),
          .metric =
              rule.has_detailed_metric ? detailed_metric(domain, path, entries) : usual_metric(domain, path, entries)};
}

std::vector<const Limiter*> Rules::limiters() const {
  std::vector<const Limiter*> limiters;
  for (const std::string& domain : data_->domain_names) {
    for_each_branch(data_->domains.find(domain)->second, [&](const Branch& branch) {
      if (!branch.rule) return;
      for (const Limiter& limiter : branch.rule->limiters) limiters.push_back(&limiter);
    });
  }
  return limiters;
}

std::string Rules::dump() const {
  std::string text;
  for (const std::string& domain : data_->domain_names) {
    for_each_branch(data_->domains.find(domain)->second, [&](const Branch& branch) {
      if (branch.rule) text += line_of(*branch.rule);
    });
  }
  return text;
}

std::vector<std::string> dropped_limiters(const Rules& before, const Rules& now) {
  std::unordered_set<std::string_view> names;
  for (const Limiter* limiter : now.limiters()) names.insert(limiter->name);
  std::vector<std::string> dropped;
  for (const Limiter* limiter : before.limiters()) {
    if (!names.contains(limiter->name)) dropped.push_back(limiter->name);
  }
  return dropped;
}

}  // namespace ratelimit::service::envoy
