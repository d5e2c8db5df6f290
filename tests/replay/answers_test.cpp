// SPDX-License-Identifier: MIT
#include "replay/answers.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace ratelimit::replay::tests {
namespace {

TEST(Answers, NameTheSubjectInACsvThatAnybodyReads) {
  Verdict verdict;
  verdict.decision = {.outcome = Outcome::granted, .granted = Units(1), .size = Units(5), .remaining = Units(4)};
  const std::array verdicts{verdict};
  std::string text;
  append_answers(text, Call{.line = 7}, verdicts, "ada");
  append_answers(text, Call{.line = 8}, verdicts, "a, \"b\"");
  EXPECT_EQ(text, "7,1,1,5,4,0,0,ada\n8,1,1,5,4,0,0,\"a, \"\"b\"\"\"\n");
}

}  // namespace
}  // namespace ratelimit::replay::tests
