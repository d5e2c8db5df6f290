// SPDX-License-Identifier: MIT
// Lines of a log, in the format RATELIMIT_FUZZ_FORMAT: whatever their bytes are, each becomes an entry or a reason, the
// same one each time, and what is made of an entry stays within its bounds.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "fuzz/fuzz.h"
#include "replay/intake.h"
#include "replay/log_reader.h"
#include "replay/options.h"
#include "replay/report.h"
#include "replay/time_text.h"

namespace ratelimit::fuzz {
namespace {

using replay::Format;
using replay::Line;

constexpr Format kFormat = Format::RATELIMIT_FUZZ_FORMAT;

[[nodiscard]] replay::Recipe make_recipe() {
  replay::Options options;
  options.subject = std::string(replay::usual_subject(kFormat)) + "/24";
  switch (kFormat) {
    case Format::combined:
      options.subject += "+path/2+user+host+agent+forwarded";
      options.cost = "bytes";
      break;
    case Format::json:
      options.subject += "+request.path/2+a.b.c";
      options.cost = "bytes";
      break;
    case Format::csv: options.conditions = {"subject!=nobody"}; break;
    case Format::monitor:
      options.subject += "+command+db+address";
      options.cost = "arg2";
      break;
  }
  return std::get<replay::Recipe>(replay::make_recipe(options, kFormat));
}

void require_same(const std::optional<replay::Call>& a, const std::optional<replay::Call>& b) {
  require(a.has_value() == b.has_value(), "the same line, the same call");
  if (!a) return;
  require(a->at == b->at && a->cost == b->cost && a->subject == b->subject, "and all of it is the same");
}

void require_in_bounds(const replay::Call& call, const replay::SubjectNames& names) {
  require(in_range(call.at), "a time is in the clock's range");
  require(call.cost == kNoUnits || in_range(call.cost), "a cost is in its range");
  require(call.subject < names.size(), "a subject is known");
  const std::string_view name = names[call.subject];
  require(!name.empty() && name.size() <= kMaxSubjectBytes, "and has a name that the module would take");
  for (const char c : replay::printable(name)) require(' ' <= c && c <= '~', "which a terminal can be shown");
  require(replay::parse_time(replay::text_of_instant(call.at)).has_value(), "a time that is written can be read");
}

void run(std::string_view text) {
  static const replay::Recipe recipe = make_recipe();
  replay::SubjectNames names;
  replay::Intake first("log", kFormat, recipe, names);
  replay::Intake second("log", kFormat, recipe, names);
  replay::LineCounts counts;
  replay::LineCounts again;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line(text.substr(0, end));  // its own memory, so that its end is watched
    const std::optional<replay::Call> call = first.take(line, counts);
    require_same(call, second.take(line, again));
    if (call) require_in_bounds(*call, names);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  require(counts.calls + counts.left_out + counts.malformed <= counts.lines, "each line counts once at most");
  for (const replay::Malformed& line : counts.first) {
    for (const char c : text_of(line, true)) require(' ' <= c && c <= '~', "a terminal can be shown what is malformed");
  }
}

}  // namespace
}  // namespace ratelimit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ratelimit::fuzz::run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
