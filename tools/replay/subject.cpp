// SPDX-License-Identifier: MIT
#include "replay/subject.h"

#include <algorithm>

#include "replay/address.h"
#include "replay/numbers.h"

namespace ratelimit::replay {
namespace {

constexpr unsigned kBitsOfV4 = 32;
constexpr unsigned kBitsOfV6 = 56;  // what a home or an office usually gets as its own; that of the middlewares

/// The first `count` segments of a path, without its query: /a/b/c and 2 give /a/b.
[[nodiscard]] std::string_view prefix_of(std::string_view path, unsigned count) {
  path = path.substr(0, path.find('?'));
  std::size_t end = path.empty() || path.front() != '/' ? 0 : 1;
  for (unsigned i = 0; i < count; ++i) {
    const std::size_t slash = path.find('/', end);
    if (slash == std::string_view::npos) return path;
    end = slash + 1;
  }
  return path.substr(0, std::max<std::size_t>(end, 1) - 1);
}

}  // namespace

std::optional<SubjectExpression> SubjectExpression::parse(std::string_view text, WantedFields& fields) {
  SubjectExpression expression;
  for (;;) {
    const std::size_t plus = text.find('+');
    const std::optional<Part> part = parse_part(text.substr(0, plus), fields);
    if (!part) return std::nullopt;
    expression.parts_.push_back(*part);
    if (plus == std::string_view::npos) return expression;
    text.remove_prefix(plus + 1);
  }
}

std::optional<SubjectExpression::Part> SubjectExpression::parse_part(std::string_view text, WantedFields& fields) {
  Part part;
  const std::size_t slash = text.find('/');
  const std::string_view name = text.substr(0, slash);
  if (slash != std::string_view::npos) {
    std::string_view counts = text.substr(slash + 1);
    const std::size_t comma = counts.find(',');
    const std::optional<std::int64_t> count = parse_count(counts.substr(0, comma));
    std::optional<std::int64_t> of_v6 = kBitsOfV6;
    if (comma != std::string_view::npos) {
      of_v6 = parse_count(counts.substr(comma + 1));
    } else if (count && *count > kBitsOfV4) {
      of_v6 = count;
    }
    if (!count || *count < 1 || *count > 128 || !of_v6 || *of_v6 < 1 || *of_v6 > 128) return std::nullopt;
    part.count = static_cast<unsigned>(*count);
    part.bits_of_v6 = static_cast<unsigned>(*of_v6);
  }
  const std::optional<std::size_t> field = name.empty() ? std::nullopt : fields.want(name);
  if (!field) return std::nullopt;
  part.field = *field;
  part.is_address = name == "address";
  if (part.count == 0) part.bits_of_v6 = kBitsOfV6;
  return part;
}

bool SubjectExpression::has_usual_subnet() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.is_address && part.count == 0; });
}

void SubjectExpression::append(std::string& text, std::string_view value, const Part& part) {
  const std::optional<Address> address = is_as_written(value, part) ? std::nullopt : parse_address(value);
  if (address) {
    const unsigned count = part.count == 0 ? kBitsOfV4 : part.count;
    append_subnet(text, *address, address->is_v6 ? part.bits_of_v6 : count);
  } else {
    text.append(part.count == 0 ? value : prefix_of(value, part.count));
  }
}

std::optional<std::string_view> SubjectExpression::of(const Entry& entry, std::string& storage) const {
  if (parts_.size() == 1) {
    const std::string_view value = entry.values[parts_[0].field];
    if (is_as_written(value, parts_[0])) return value.empty() ? std::nullopt : std::optional(value);
  }
  storage.clear();
  std::size_t end = 0;
  for (const Part& part : parts_) {
    if (!entry.has(part.field)) return std::nullopt;
    if (&part != parts_.data()) storage += ' ';
    const std::size_t before = storage.size();
    append(storage, entry.values[part.field], part);
    if (storage.size() > before) end = storage.size();
  }
  return end > 0 ? std::optional(std::string_view(storage).substr(0, end)) : std::nullopt;
}

}  // namespace ratelimit::replay
