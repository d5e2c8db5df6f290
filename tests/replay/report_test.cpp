// SPDX-License-Identifier: MIT
#include "replay/report.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "replay/options.h"

namespace ratelimit::replay::tests {
namespace {

using namespace std::chrono_literals;

/// A small log, replayed: ada calls five times in five seconds, bob once.
struct Replayed {
  Replayed() : replayer(make(), 10s) {
    for (int i = 0; i < 5; ++i) call(i * 1s, "ada\x1b");
    call(9s, "bob");
    replayer.finish();
    lines.lines = 7;
    lines.calls = 6;
    lines.malformed = 1;
    lines.first.push_back({.file = "a.log", .line = 3, .reason = Line::no_time, .begin = "\x1b,ada"});
  }

  static std::vector<Contender> make() {
    Options options;
    options.limits = {"FIXED 2 1m AS few"};
    return std::get<std::vector<Contender>>(
        make_contenders(options, [](std::string_view) -> const Zone* { return nullptr; }));
  }
  void call(Span at, std::string_view name) {
    replayer.take({.at = Instant{1'700'000'000s} + at, .subject = names.number_of(name)});
  }
  [[nodiscard]] Report report() const {
    return {.source = "a.log",
            .format = "csv",
            .subject = "subject",
            .cost = "",
            .disorder = 10s,
            .lines = lines,
            .names = names,
            .replayer = replayer,
            .roles = roles};
  }

  SubjectNames names;
  LineCounts lines;
  Replayer replayer;
  Roles roles;
};

void expect_in(const std::string& text, const char* part) { EXPECT_NE(text.find(part), std::string::npos) << part; }

TEST(Report, SaysInWordsWhatALimitWouldDo) {
  const Replayed replayed;
  const std::string text = text_of(replayed.report());
  expect_in(text, "a.log: 7 lines (csv), 2023-11-14 22:13:20 to 2023-11-14 22:13:29 UTC");
  expect_in(text, "6 calls of 2 subjects, by subject");
  expect_in(text, "1 malformed line:\n  line 3: no time that can be read: \\x1B,ada\n");
  expect_in(text, "times are whole seconds");
  expect_in(text, "denied                     3  50 %");
  expect_in(text, "subjects hit               1  50 % of 2");
  expect_in(text, "longest wait            58 s  told to a denied call");
  expect_in(text, "ada\\x1B ");
  expect_in(text, "  nearest, not denied (left: the least after one of its calls)\n");
  expect_in(text, "    bob                                    1           1\n");
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "no name reaches the terminal as it is";
}

TEST(Report, KeepsColumnsApartThatHaveMilliseconds) {
  Replayed replayed;
  replayed.call(20s + 185ms, "ada\x1b");
  replayed.replayer.finish();
  replayed.lines.have_fractions = true;
  expect_in(text_of(replayed.report()), "2023-11-14 22:13:22      2023-11-14 22:13:40.185  18.1 s\n");
}

TEST(Report, SaysWhatCountsOfIPv6) {
  const Replayed replayed;
  Report report = replayed.report();
  report.subject = "address";
  report.has_usual_subnet = true;
  expect_in(text_of(report), "6 calls of 2 subjects, by address (of IPv6 its /56)\n");
}

TEST(Report, SaysWhatWouldBeStopped) {
  Replayed replayed;
  replayed.roles = Roles(replayed.names, std::vector{*Pattern::parse("ada*")}, {});
  const std::string text = text_of(replayed.report());
  expect_in(text, "stopped                    3  60 % of the calls of those to be stopped");
  expect_in(text, "others hit                 0  0 of their calls");
  expect_in(json_of(replayed.report()), R"("stopped":3,"others_denied":0,"others_hit":0,"spared_hit":0)");
}

TEST(Report, SaysTheSameInJson) {
  const Replayed replayed;
  const std::string json = json_of(replayed.report());
  expect_in(
      json,
      R"("lines":{"read":7,"calls":6,"left_out":0,"outside":0,"left_out_by":[],"put_in_order":0,"too_late":0,"malformed":1)");
  expect_in(json, R"("limit":"FIXED 2 1m AS few","exceptions":0,"calls":6,"granted":3,"denied":3,"never":0)");
  expect_in(json, R"("denied_by":{"few":3})");
  expect_in(json, R"("subject":"ada\u001b","calls":5,"denied":3,"first_denied_ms":1700000002000)");
  expect_in(json, R"("granted":[1,1,0,0,0,0,0,0,0,1],"denied":[0,0,1,1,1,0,0,0,0,0])");
}

TEST(Report, NamesTheFileOfAMalformedLineIfThereAreSeveral) {
  const Replayed replayed;
  Report report = replayed.report();
  report.has_several_files = true;
  expect_in(text_of(report), "  a.log, line 3: no time that can be read: \\x1B,ada\n");
  expect_in(json_of(report), R"({"file":"a.log","line":3,"reason":"no time that can be read","begin":"\u001b,ada"})");
}

TEST(Report, WritesAnyNameAsValidJson) {
  constexpr std::string_view kName = "\xC3\xA9\xFF\xED\xA0\x80\"\xC2\x9B";
  Replayed replayed;
  replayed.call(20s, kName);
  for (int i = 0; i < 3; ++i) replayed.call(20s, kName);
  replayed.replayer.finish();
  expect_in(json_of(replayed.report()), "\"subject\":\"\xC3\xA9\\u00ff\\u00ed\\u00a0\\u0080\\\"\\u009b\"");
}

TEST(Report, DrawsTheCourseInATerminal) {
  const Replayed replayed;
  const std::string plot = plot_of(replayed.replayer.contenders()[0], 40);
  expect_in(plot, "FIXED 2 1m AS few: calls in each 1 s, up to 1");
  expect_in(plot, "granted |██       █");
  expect_in(plot, "denied  |  ███");
}

TEST(Report, DrawsTheCourseAsAPicture) {
  const Replayed replayed;
  const std::string svg = svg_of(replayed.report());
  expect_in(svg, "<svg xmlns=");
  expect_in(svg, "denied 3 of 6 calls (50 %), 1 subject hit; a bar is 1 s");
  expect_in(svg, "</svg>");
}

}  // namespace
}  // namespace ratelimit::replay::tests
