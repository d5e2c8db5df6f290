// SPDX-License-Identifier: MIT
// A picture without scripts and without anything from elsewhere, for light and dark pages: a panel for each list of
// limits, granted below and denied above.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "replay/numbers.h"
#include "replay/report.h"
#include "replay/time_text.h"

namespace ratelimit::replay {
namespace {

constexpr double kWidth = 900, kPanel = 190, kLeft = 80, kRight = 20, kTop = 50, kPlotTop = 36, kPlotHeight = 110;
constexpr std::size_t kColumns = 200;
constexpr std::string_view kGranted = "granted";
constexpr std::string_view kDenied = "denied";
/// The colours of a light page, and then of a dark one. Eyes that take red for green tell them apart.
constexpr std::string_view kStyle = R"(<style>
rect { shape-rendering: crispEdges }
.paper { fill: #fff } text { fill: #1f2328 } text.quiet { fill: #595959 } .line { stroke: #b0b7bf }
.granted { fill: #2f6db3 } .denied { fill: #d9480f }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117 } text { fill: #e6edf3 } text.quiet { fill: #9aa4af } .line { stroke: #565e68 }
.granted { fill: #4c94e0 } .denied { fill: #ff8b4d }
}
</style>
)";

[[nodiscard]] std::string number(double value) {
  std::array<char, 32> text{};
  const int written = std::snprintf(text.data(), text.size(), "%.1f", value);
  return {text.data(), static_cast<std::size_t>(written)};
}

[[nodiscard]] std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '&': safe += "&amp;"; break;
      case '"': safe += "&quot;"; break;
      default: safe += c;
    }
  }
  return safe;
}

/// A text at its begin, its middle or its end.
enum class Anchor : std::uint8_t { start, middle, end };

void add_text(std::string& svg, double x, double y, std::string_view text, Anchor anchor = Anchor::start,
              std::string_view more = {}) {
  constexpr std::array<std::string_view, 3> kAnchors{"", " text-anchor=\"middle\"", " text-anchor=\"end\""};
  svg += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\"";
  svg += kAnchors[static_cast<std::size_t>(anchor)];
  svg += more;
  svg += ">" + escaped(text) + "</text>\n";
}

constexpr std::string_view kBold = " font-weight=\"bold\"";
constexpr std::string_view kQuiet = " class=\"quiet\"";

void add_bar(std::string& svg, double x, double y, double width, double height, std::string_view kind) {
  if (height <= 0) return;
  svg += "<rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" + number(width) + "\" height=\"" +
         number(height) + "\" class=\"" + std::string(kind) + "\"/>\n";
}

void add_line(std::string& svg, double y) {
  svg += "<path d=\"M" + number(kLeft) + " " + number(y) + "H" + number(kWidth - kRight) + "\" class=\"line\"/>\n";
}

/// So much of a text as there is room for.
[[nodiscard]] std::string shortened(const std::string& text) {
  constexpr std::size_t kMost = 110;
  return text.size() <= kMost ? text : text.substr(0, kMost - 3) + "...";
}

[[nodiscard]] std::string caption_of(const Tally& tally, Span step) {
  const std::string subjects = tally.subjects_hit() == 1 ? " subject hit" : " subjects hit";
  return "denied " + with_commas(tally.denied()) + " of " + with_commas(tally.calls()) + " calls (" +
         percent(tally.denied(), tally.calls()) + "), " + with_commas(tally.subjects_hit()) + subjects + "; a bar is " +
         text_of_length(step);
}

/// The columns of a timeline, and the highest of them.
struct Columns {
  explicit Columns(const Timeline& timeline) {
    timeline.for_each_column(kColumns, [this](Instant, Span length, const Timeline::Step& calls) {
      all.push_back(calls);
      most = std::max(most, calls.calls());
      step = length;
    });
  }

  std::vector<Timeline::Step> all;
  std::uint64_t most = 1;
  Span step{};
};

void add_bars(std::string& svg, const Columns& columns, double bottom) {
  const double width = (kWidth - kLeft - kRight) / static_cast<double>(columns.all.size());
  const auto height = [&columns](std::uint64_t count) {
    return static_cast<double>(count) * kPlotHeight / static_cast<double>(columns.most);
  };
  for (std::size_t i = 0; i < columns.all.size(); ++i) {
    const Timeline::Step& calls = columns.all[i];
    const double x = kLeft + static_cast<double>(i) * width;
    add_bar(svg, x, bottom - height(calls.granted), width, height(calls.granted), kGranted);
    add_bar(svg, x, bottom - height(calls.calls()), width, height(calls.denied), kDenied);
  }
}

/// The begin, the middle and the end of the time that the bars show.
void add_times(std::string& svg, const Columns& columns, Instant begin, double y) {
  const Span length = static_cast<std::int64_t>(columns.all.size()) * columns.step;
  add_text(svg, kLeft, y, text_of_instant(begin), Anchor::start, kQuiet);
  add_text(svg, (kLeft + kWidth - kRight) / 2, y, text_of_instant(begin + length / 2), Anchor::middle, kQuiet);
  add_text(svg, kWidth - kRight, y, text_of_instant(begin + length), Anchor::end, kQuiet);
}

void add_panel(std::string& svg, const Contender& contender, double top) {
  const Timeline& timeline = contender.tally.timeline();
  const Columns columns(timeline);
  const double bottom = top + kPlotTop + kPlotHeight;
  add_text(svg, kLeft, top + 12, shortened(contender.text), Anchor::start, kBold);
  add_text(svg, kLeft, top + 28, caption_of(contender.tally, columns.step), Anchor::start, kQuiet);
  add_line(svg, top + kPlotTop);
  add_text(svg, kLeft - 8, top + kPlotTop + 4, with_commas(columns.most), Anchor::end, kQuiet);
  add_text(svg, kLeft - 8, bottom, "0", Anchor::end, kQuiet);
  if (!columns.all.empty()) {
    add_bars(svg, columns, bottom);
    add_times(svg, columns, timeline.begin(), bottom + 16);
  }
  add_line(svg, bottom);
}

void add_legend(std::string& svg, const Report& report) {
  add_bar(svg, kLeft, 16, 12, 12, kGranted);
  add_text(svg, kLeft + 18, 26, "granted");
  add_bar(svg, kLeft + 90, 16, 12, 12, kDenied);
  add_text(svg, kLeft + 108, 26, "denied");
  add_text(svg, kWidth - kRight, 26, shortened(printable(report.source)) + ", UTC", Anchor::end, kQuiet);
}

}  // namespace

std::string svg_of(const Report& report) {
  std::vector<const Contender*> shown;
  for (const Contender& contender : report.replayer.contenders()) shown.push_back(&contender);
  for (const Suggestion& one : report.suggestions) shown.push_back(&one.contender);
  const std::string width = number(kWidth);
  const std::string height = number(kTop + kPanel * static_cast<double>(shown.size()));
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + width + "\" height=\"" + height +
                    "\" viewBox=\"0 0 " + width + " " + height +
                    "\" font-family=\"sans-serif\" font-size=\"12\">\n"
                    "<title>Calls granted and denied over time</title>\n";
  svg += kStyle;
  svg += "<rect width=\"100%\" height=\"100%\" class=\"paper\"/>\n";
  add_legend(svg, report);
  double top = kTop;
  for (const Contender* contender : shown) {
    add_panel(svg, *contender, top);
    top += kPanel;
  }
  return svg + "</svg>\n";
}

}  // namespace ratelimit::replay
