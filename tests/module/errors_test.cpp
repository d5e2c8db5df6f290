// What users read when something is wrong.
#include "errors.h"

#include <gtest/gtest.h>

namespace ratelimit {
namespace {

using Kind = Fault::Kind;

TEST(Errors, NameTheArgumentAndItsRange) {
  EXPECT_EQ(message({Kind::malformed, Argument::capacity}), "ERR capacity must be an integer from 1 to 4294967295");
  EXPECT_EQ(message({Kind::malformed, Argument::cost}), "ERR COST must be an integer from 1 to 4294967295");
  EXPECT_EQ(message({Kind::malformed, Argument::label}),
            "ERR label must be 1 to 64 visible ASCII characters other than \" and \\");
}

TEST(Errors, SayWhatIsMissingAndWhatItMustBe) {
  EXPECT_EQ(message({Kind::missing, Argument::refill}),
            "ERR refill is missing: it must be an integer from 1 to 4294967295");
}

TEST(Errors, TellWhereAnUnknownWordStands) {
  EXPECT_EQ(message({Kind::unknown_option, Argument::none, 5}).rfind("ERR syntax error at argument 5: expected ", 0),
            0U);
}

TEST(Errors, BeginWithACodeThatClientsCanTest) {
  EXPECT_EQ(message({Kind::no_limits}).rfind("NOLIMITS ", 0), 0U);
  EXPECT_EQ(message({Kind::wrong_type}), "WRONGTYPE Operation against a key holding the wrong kind of value");
}

}  // namespace
}  // namespace ratelimit
