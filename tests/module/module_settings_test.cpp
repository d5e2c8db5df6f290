// SPDX-License-Identifier: MIT
// What may stand behind the module's path when it is loaded.
#include "commands/module_settings.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ratelimit/grammar/error_text.h"

namespace ratelimit {
namespace {

using Kind = Fault::Kind;

std::optional<Fault> fault_of(std::initializer_list<std::string_view> words, LoadRequest& request) {
  std::vector<std::string_view> all{"ratelimit"};
  all.insert(all.end(), words.begin(), words.end());
  return parse_module_words(all, request);
}

std::string text_of(std::initializer_list<std::string_view> words) {
  LoadRequest request;
  const auto fault = fault_of(words, request);
  return fault ? message(*fault) : text_of(request.settings) + (request.debug ? ", DEBUG" : "");
}

TEST(ModuleSettings, HaveDefaults) {
  EXPECT_EQ(text_of({}), "near-percent 80, notify off, notify-rate 100, log-len 1024, top-size 128, cl-throttle yes");
}

TEST(ModuleSettings, AreTakenInAnyOrderAndAnyCase) {
  EXPECT_EQ(text_of({"cl-throttle", "no", "TOP-SIZE", "7", "debug", "notify", "NEAR", "log-len", "0", "notify-rate",
                     "1000000", "Near-Percent", "100"}),
            "near-percent 100, notify near, notify-rate 1000000, log-len 0, top-size 7, cl-throttle no, DEBUG");
}

TEST(ModuleSettings, ReadTheirOwnText) {
  LoadRequest request;
  EXPECT_FALSE(fault_of({"notify", "all", "log-len", "5"}, request));
  std::vector<std::string> words{"ratelimit"};
  std::string text = text_of(request.settings) + ',';
  for (std::string::size_type from = 0, at = 0; (at = text.find_first_of(" ,", from)) != std::string::npos;) {
    if (at > from) words.push_back(text.substr(from, at - from));
    from = at + 1;
  }
  LoadRequest again;
  EXPECT_FALSE(parse_module_words(std::vector<std::string_view>(words.begin(), words.end()), again));
  EXPECT_EQ(text_of(again.settings), text_of(request.settings));
}

TEST(ModuleSettings, AreRefusedWithTheRangeOfTheWord) {
  EXPECT_EQ(text_of({"near-percent", "0"}), "ERR near-percent must be an integer from 1 to 100");
  EXPECT_EQ(text_of({"DEBUG", "notify-rate", "1000001"}), "ERR notify-rate must be an integer from 1 to 1000000");
  EXPECT_EQ(text_of({"log-len", "-1"}), "ERR log-len must be an integer from 0 to 65536");
  EXPECT_EQ(text_of({"top-size", "1025"}), "ERR top-size must be an integer from 1 to 1024");
  EXPECT_EQ(text_of({"notify", "some"}), "ERR notify must be off, denied, near or all");
  EXPECT_EQ(text_of({"cl-throttle", "1"}), "ERR cl-throttle must be yes or no");
  EXPECT_EQ(text_of({"log-len"}), "ERR log-len is missing: it must be an integer from 0 to 65536");
  EXPECT_EQ(text_of({"notify", "off", "NOTIFY", "off"}), "ERR notify is given twice");
  for (const std::string_view word : {"near", "near-percent2", "", "DEBU", "80"}) {
    EXPECT_EQ(text_of({word}),
              "ERR the arguments of the module are near-percent, notify, notify-rate, log-len, top-size, cl-throttle, "
              "each with a "
              "value, and DEBUG");
  }
}

}  // namespace
}  // namespace ratelimit
