// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "replay/numbers.h"
#include "replay/report.h"
#include "replay/time_text.h"

namespace ratelimit::replay {
namespace {

constexpr std::uint64_t kEighths = 8;

/// A column of `height` rows, filled from below to `eighths`. The row 0 is the lowest.
[[nodiscard]] const char* block_of(std::uint64_t eighths, std::uint64_t row) {
  constexpr std::array kBlocks{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (eighths <= row * kEighths) return kBlocks[0];
  return kBlocks[std::min(eighths - row * kEighths, kEighths)];
}

struct Column {
  Timeline::Step calls;
  Instant begin{};
};

/// Rows of blocks, the highest first. What is not nothing is at least an eighth high.
template <class ValueOf>
void add_rows(std::string& text, const std::vector<Column>& columns, std::uint64_t rows, std::uint64_t most,
              const std::string& name, ValueOf value_of) {
  for (std::uint64_t row = rows; row-- > 0;) {
    text += row + 1 == rows ? name : std::string(name.size(), ' ');
    text += '|';
    for (const Column& column : columns) {
      const std::uint64_t value = value_of(column.calls);
      const std::uint64_t eighths = most == 0 ? 0 : (value * rows * kEighths + most - 1) / most;
      text += block_of(eighths, row);
    }
    text += '\n';
  }
}

}  // namespace

std::string plot_of(const Contender& contender, std::size_t width) {
  constexpr std::uint64_t kRows = 5;
  std::vector<Column> columns;
  std::uint64_t most = 0;
  Span step{};
  contender.tally.timeline().for_each_column(width, [&](Instant begin, Span length, const Timeline::Step& calls) {
    columns.push_back({calls, begin});
    most = std::max({most, calls.granted, calls.denied});
    step = length;
  });
  if (columns.empty()) return {};
  std::string text = contender.text + ": calls in each " + text_of_length(step) + ", up to " + with_commas(most) + '\n';
  add_rows(text, columns, kRows, most, "  granted ", [](const Timeline::Step& calls) { return calls.granted; });
  add_rows(text, columns, kRows, most, "  denied  ", [](const Timeline::Step& calls) { return calls.denied; });
  const std::string begin = text_of_instant(columns.front().begin);
  const std::string end = text_of_instant(columns.back().begin);
  text += "           " + begin;
  if (columns.size() > begin.size() + end.size()) {
    text += std::string(columns.size() - begin.size() - end.size(), ' ') + end;
  }
  return text + '\n';
}

}  // namespace ratelimit::replay
