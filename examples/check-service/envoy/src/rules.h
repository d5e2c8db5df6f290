// SPDX-License-Identifier: MIT
// The rules of envoyproxy/ratelimit's YAML: which limits a descriptor of a request has. Made once, then never changed, so that
// all threads share them. Depends on messages, and on policies from text.
//
// Each limit of a rule is a limiter: a key of the server in which RL.DEFINE stores it. Who is limited there is a subject: the
// values that the rule leaves open. All keys of a domain have the same hash tag, and so are in one slot of a cluster: a request
// is one RL.CHECKALL.
#ifndef RATELIMIT_SERVICE_ENVOY_RULES_H
#define RATELIMIT_SERVICE_ENVOY_RULES_H

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "messages.h"
#include "ratelimit/client/policy.h"
#include "ratelimit/client/policy_text.h"

namespace ratelimit::service::envoy {

/// A limit of a rule, as the server stores it.
struct Limiter {
  std::string name;                ///< the key
  std::vector<std::string> words;  ///< of its limit: `RL.DEFINE name words… [SHADOW]`
  bool is_on_trial = false;        ///< SHADOW
  client::Policy stored;           ///< names no limits in a call
  client::Policy sent;             ///< names the limit in a call: beside a limit that came with the request
  CurrentLimit shown{};            ///< how a status shows the limit
  std::string label{};             ///< of the limit
};

/// What the configuration says about descriptors of one form.
struct Rule {
  std::string full_key;  ///< `domain.key_value.key`, as the original names it in metrics
  std::string name{};    ///< for `replaces`
  std::vector<std::string> replaces{};
  std::vector<Limiter> limiters{};  ///< one for each limit; none: unlimited
  bool is_unlimited = false;
  bool is_on_trial = false;  ///< `shadow_mode`
  bool is_quota = false;     ///< `quota_mode`
  bool has_detailed_metric = false;
  bool is_forced = false;    ///< `force` (ours): hits are charged beyond the limit, too, since they have happened
  Value::Object metadata{};  ///< for the dynamic metadata of a descriptor that is not over its limit
};

/// Something that is wrong in a file.
struct RuleFault {
  std::string file;
  std::size_t line = 0;  ///< from 1 on; 0: the file as a whole
  std::string text;
};
/// `file:line: text`
[[nodiscard]] std::string text_of(const RuleFault& fault);

/// What a descriptor comes to under the rules.
struct Match {
  const Rule* rule = nullptr;  ///< null: no rule; borrowed from the rules
  std::string subject{};       ///< FOR; empty: the key itself
  std::string metric{};        ///< the name for metrics: of the rule, or with values if the rule says so
};

struct RuleOptions {
  std::string prefix = "envoy:";   ///< of all keys
  bool merges_domains = false;     ///< whether files may add to a domain of another file. Else that is a fault
  client::ZoneFinder find_zone{};  ///< for limits with a time zone. Without it, UTC is the only one
};

class Rules {
 public:
  /// Rules without a domain.
  Rules();
  Rules(Rules&&) noexcept;
  Rules& operator=(Rules&&) noexcept;
  Rules(const Rules&) = delete;
  Rules& operator=(const Rules&) = delete;
  ~Rules();

  [[nodiscard]] bool is_empty() const;
  [[nodiscard]] bool has_domain(std::string_view domain) const;

  /// The rule of a descriptor. O(entries), and O(wildcards) at each level.
  [[nodiscard]] Match find(std::string_view domain, std::span<const Entry> entries) const;

  /// All limiters, in the order of the files: what RL.DEFINE has to store. No two of one name.
  [[nodiscard]] std::vector<const Limiter*> limiters() const;

  /// The prefix of all keys.
  [[nodiscard]] const std::string& prefix() const;

  /// A line for each rule, as the original's /rlconfig shows them.
  [[nodiscard]] std::string dump() const;

 private:
  friend class RulesReader;
  struct Data;
  std::unique_ptr<Data> data_;
};

/// Rules, or all that is wrong with them (at most 20 faults).
using ReadRules = std::variant<Rules, std::vector<RuleFault>>;

/// A file that was read: its name is for faults only.
struct RuleText {
  std::string file;
  std::string yaml;
};
[[nodiscard]] ReadRules read_rules(std::span<const RuleText> texts, const RuleOptions& options = {});

/// Files, and folders of which all `*.yaml` and `*.yml` files are read, in the order of their names.
[[nodiscard]] ReadRules read_rules(std::span<const std::filesystem::path> paths, const RuleOptions& options = {});

/// The names of limiters that were there before, and are not there now: their keys can be deleted.
[[nodiscard]] std::vector<std::string> dropped_limiters(const Rules& before, const Rules& now);

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_RULES_H
