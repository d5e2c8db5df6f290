// SPDX-License-Identifier: MIT
// The lines of a file that is packed by gzip or zstd, or not at all: whatever its bytes are, they become lines or an error,
// and these do not depend on how many bytes the file gives at once. The first byte says how many.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/fuzz.h"
#include "replay/entry.h"
#include "replay/input.h"

namespace ratelimit::fuzz {
namespace {

using replay::ByteSource;
using replay::kMaxLineBytes;
using replay::LineSource;

constexpr std::size_t kMostBytes = 8U << 20U;  ///< that are looked at, of data that unpacks to more

/// Bytes of memory, at most so many at once.
class Memory final : public ByteSource {
 public:
  Memory(std::string_view bytes, std::size_t at_once) : bytes_(bytes), at_once_(at_once) {}

  [[nodiscard]] std::size_t read(char* buffer, std::size_t size) override {
    const std::size_t count = std::min({size, at_once_, bytes_.size()});
    std::copy_n(bytes_.begin(), count, buffer);
    bytes_.remove_prefix(count);
    return count;
  }
  [[nodiscard]] std::string error() const override { return {}; }

 private:
  std::string_view bytes_;
  std::size_t at_once_;
};

struct Read {
  std::vector<std::string> lines;
  std::string error;
};

[[nodiscard]] Read read(std::string_view bytes, std::size_t at_once) {
  LineSource source(std::make_unique<Memory>(bytes, at_once));
  std::vector<std::string> first;
  for (const std::string_view line : source.first_lines()) first.emplace_back(line);
  Read result;
  std::size_t size = 0;
  while (size < kMostBytes) {
    const std::optional<std::string_view> line = source.next();
    if (!line) break;
    require(line->size() <= kMaxLineBytes + 1, "a line that is too long is cut");
    require(line->find('\n') == std::string_view::npos, "a line has no end in it");
    size += line->size() + 1;
    result.lines.emplace_back(*line);
  }
  for (std::size_t i = 0; i < std::min(first.size(), result.lines.size()); ++i) {
    require(result.lines[i].size() > kMaxLineBytes || first[i] == result.lines[i], "the first lines are still to come");
  }
  result.error = source.error();
  return result;
}

/// The lines of bytes that are not packed.
[[nodiscard]] std::vector<std::string> lines_of(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  std::vector<std::string> lines;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    std::string_view line = bytes.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return lines;
}

/// Whether the shorter list is the begin of the other one. zstd unpacks a frame that it has as a whole in one go, and then
/// nothing of a damaged one; in parts, what is before the damage.
[[nodiscard]] bool begins_alike(const std::vector<std::string>& one, const std::vector<std::string>& other) {
  const std::size_t both = std::min(one.size(), other.size());
  return std::equal(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(both), other.begin());
}

void run(std::string_view text) {
  if (text.empty()) return;
  const std::size_t at_once = 1U + static_cast<unsigned char>(text.front());
  text.remove_prefix(1);
  const Read whole = read(text, text.size() + 1);
  const Read in_parts = read(text, at_once);
  require(whole.error.empty() == in_parts.error.empty(), "whether there is an error does not depend on the parts");
  if (whole.error.empty()) require(whole.lines == in_parts.lines, "nor do the lines");
  require(begins_alike(whole.lines, in_parts.lines), "nor do those before an error");
  const bool is_packed = text.starts_with("\x1f\x8b") || text.starts_with("\x28\xb5\x2f\xfd");
  if (!is_packed) require(whole.error.empty() && whole.lines == lines_of(text), "and they are the obvious ones");
}

}  // namespace
}  // namespace ratelimit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ratelimit::fuzz::run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
