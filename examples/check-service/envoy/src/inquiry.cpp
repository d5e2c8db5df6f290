// SPDX-License-Identifier: MIT
#include "inquiry.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "names.h"
#include "ratelimit/client/call.h"
#include "rule_limits.h"

namespace ratelimit::service::envoy {
namespace {

class InquiryMaker {
 public:
  InquiryMaker(const Rules& rules, const Request& request, bool are_all_quota)
      : rules_(rules),
        request_(request),
        are_all_quota_(are_all_quota),
        knows_domain_(rules.has_domain(request.domain)) {}

  Inquiry make() {
    if (request_.domain.empty()) return refused("rate limit domain must not be empty");
    if (request_.descriptors.empty()) return refused("rate limit descriptor list must not be empty");
    find_rules();
    for (std::size_t i = 0; i < request_.descriptors.size() && inquiry_.refusal.empty(); ++i) read(i);
    if (!inquiry_.refusal.empty()) return refused(std::move(inquiry_.refusal));
    const std::size_t most = std::max({inquiry_.decided.size(), inquiry_.refunded.size(), inquiry_.charged.size()});
    if (most > client::kMaxParts) {
      return refused("a request has at most 64 different descriptors with limits");
    }
    return std::move(inquiry_);
  }

 private:
  static Inquiry refused(std::string why) {
    Inquiry inquiry;
    inquiry.refusal = std::move(why);
    return inquiry;
  }

  /// The rule of each descriptor, and the names of rules that others replace.
  void find_rules() {
    for (const Descriptor& descriptor : request_.descriptors) {
      matches_.push_back(descriptor.limit ? Match{} : rules_.find(request_.domain, descriptor.entries));
      if (const Rule* rule = matches_.back().rule) replaced_.insert(rule->replaces.begin(), rule->replaces.end());
    }
  }

  void read(std::size_t i) {
    const Descriptor& descriptor = request_.descriptors[i];
    Match& match = matches_[i];
    Wish& wish = inquiry_.wishes.emplace_back();
    wish.hits = descriptor.hits_addend.value_or(std::max<std::uint32_t>(request_.hits_addend, 1));
    wish.is_quota = are_all_quota_;
    if (wish.hits > static_cast<std::uint64_t>(kMaxUnits.count())) return refuse_hits();
    if (descriptor.limit) return read_override(descriptor, wish);
    if (match.rule == nullptr) return;
    wish.rule = match.rule;
    wish.metric = std::move(match.metric);
    wish.is_on_trial = match.rule->is_on_trial;
    if (match.rule->is_unlimited) {
      wish.kind = Wish::Kind::unlimited;
      return;
    }
    if (!match.rule->name.empty() && replaced_.contains(match.rule->name)) return;
    wish.is_quota = are_all_quota_ || match.rule->is_quota;
    wish.kind = kind_of(descriptor, wish.hits, match.rule->is_forced);
    for (const Limiter& limiter : match.rule->limiters) {
      Item item{.key = limiter.name, .subject = match.subject, .limiter = &limiter};
      item.shown = limiter.shown;
      item.label = limiter.label;
      add(wish, std::move(item));
    }
  }

  static Wish::Kind kind_of(const Descriptor& descriptor, std::uint64_t hits, bool is_forced) {
    if (descriptor.is_negative_hits) return Wish::Kind::refund;
    return is_forced && hits > 0 ? Wish::Kind::charge : Wish::Kind::decide;
  }

  /// A limit that comes with the request: it applies in every domain that has rules.
  void read_override(const Descriptor& descriptor, Wish& wish) {
    const LimitOverride& limit = *descriptor.limit;
    if (name_of(limit.unit).empty()) {
      inquiry_.refusal = "the limit of a descriptor has no known unit";
      return;
    }
    const std::optional<LimitSpec> spec = limit_of(limit);
    if (!spec) {
      inquiry_.refusal =
          "the unit_multiplier of a descriptor must be at least 1, 1 for MONTH and YEAR, and at most 3650 days";
      return;
    }
    if (!knows_domain_) return;
    wish.kind = kind_of(descriptor, wish.hits, false);
    wish.metric = metric_of(descriptor);
    SubjectName subject;
    for (const Entry& entry : descriptor.entries) subject.add(entry.value);
    Item item{.key = override_key(rules_.prefix(), request_.domain, limit, descriptor.entries),
              .subject = subject.take()};
    item.given = client::Policy{*spec};
    item.shown = shown(*spec, {});
    item.shown.unit = limit.unit;
    item.shown.unit_multiplier = limit.unit_multiplier;
    item.label = item.given->limits()->label(0);
    add(wish, std::move(item));
  }

  std::string metric_of(const Descriptor& descriptor) const {
    std::string metric = request_.domain;
    for (const Entry& entry : descriptor.entries) {
      metric.append(".").append(entry.key);
      if (!entry.value.empty()) metric.append("_").append(entry.value);
    }
    return metric;
  }

  std::vector<Item>& items_of(Wish::Kind kind) {
    if (kind == Wish::Kind::refund) return inquiry_.refunded;
    return kind == Wish::Kind::charge ? inquiry_.charged : inquiry_.decided;
  }

  /// Adds the hits of a wish to an item, which may be there. Of two limits that came for one subject, the smaller counts.
  void add(Wish& wish, Item item) {
    if (wish.kind == Wish::Kind::refund && wish.hits == 0) return;
    std::vector<Item>& items = items_of(wish.kind);
    std::string name = std::to_string(static_cast<int>(wish.kind)) + client::name_of_subject(item.key, item.subject);
    const auto [place, is_new] = places_.try_emplace(std::move(name), items.size());
    if (is_new) items.push_back(std::move(item));
    Item& there = items[place->second];
    if (!is_new && there.given && item.shown.requests_per_unit < there.shown.requests_per_unit) {
      there.given = std::move(item.given);
      there.shown = std::move(item.shown);
    }
    there.cost += Units(static_cast<std::int64_t>(wish.hits));
    if (there.cost > kMaxUnits) return refuse_hits();
    wish.items.push_back(place->second);
  }

  void refuse_hits() { inquiry_.refusal = "hits_addend must be at most 9007199254740991"; }

  const Rules& rules_;
  const Request& request_;
  const bool are_all_quota_;
  const bool knows_domain_;
  std::vector<Match> matches_;
  std::unordered_set<std::string_view> replaced_;
  std::unordered_map<std::string, std::size_t> places_;
  Inquiry inquiry_;
};

}  // namespace

Inquiry inquiry_of(const Rules& rules, const Request& request, bool are_all_quota) {
  return InquiryMaker(rules, request, are_all_quota).make();
}

}  // namespace ratelimit::service::envoy
