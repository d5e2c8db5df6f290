// SPDX-License-Identifier: MIT
#include "ratelimit/client/call.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace ratelimit::client::tests {
namespace {

using namespace std::chrono_literals;

const Policy kTen{fixed(10, 1h)};

TEST(Call, IsRefusedIfTheServerWouldRefuseIt) {
  const std::string long_subject(kMaxSubjectBytes + 1, 'x');
  const std::string long_id(kMaxIdBytes + 1, 'x');
  for (const Call& call :
       {Call{.cost = Units(0)}, Call{.cost = kMaxUnits + Units(1)}, Call{.subject = long_subject}, Call{.id = long_id},
        Call{.mode = Mode::may_wait, .longest_wait = -1ms}, Call{.mode = Mode::may_wait, .longest_wait = 1500us},
        Call{.mode = Mode::may_wait, .longest_wait = kMaxSpan + 1ms}}) {
    EXPECT_TRUE(fault_of(call));
  }
  const std::string subject(kMaxSubjectBytes, 'x');
  EXPECT_FALSE(fault_of({.subject = subject, .cost = kMaxUnits, .mode = Mode::may_wait, .longest_wait = kMaxSpan}));
  EXPECT_FALSE(fault_of({}));
  EXPECT_EQ(fault_of({.cost = kMaxUnits + Units(1)}), "cost must be an integer from 1 to 9007199254740991");
}

TEST(Call, ThatMayWaitForNoTimeIsLikeAnyOther) {
  EXPECT_FALSE(fault_of({.mode = Mode::may_wait}));
  EXPECT_EQ(request_of({.mode = Mode::may_wait}).mode, Mode::whole);
  EXPECT_EQ(request_of({.mode = Mode::may_wait, .longest_wait = 1ms}).mode, Mode::may_wait);
}

TEST(Call, HasANameOfItsOwnThatBeginsWithItsSubject) {
  const auto name = [](const Call& call, const Policy& policy = kTen) { return name_of_call({"key", policy, call}); };
  const std::string alice = name({.subject = "alice"});
  EXPECT_TRUE(alice.starts_with(name_of_subject("key", "alice")));
  EXPECT_EQ(alice, name({.subject = "alice", .lease = Units(9)})) << "a lease changes no denial";
  EXPECT_NE(alice, name({.subject = "bob"}));
  EXPECT_NE(alice, name({.subject = "alice", .cost = Units(2)}));
  EXPECT_NE(alice, name({.subject = "alice", .mode = Mode::partial}));
  EXPECT_NE(alice, name({.subject = "alice"}, {fixed(11, 1h)}));
  EXPECT_NE(name({.mode = Mode::may_wait, .longest_wait = 1s}), name({.mode = Mode::may_wait, .longest_wait = 2s}));
}

TEST(Subject, HasANameOfItsOwnWhateverBytesItHas) {
  EXPECT_NE(name_of_subject("a", "b"), name_of_subject("ab", ""));
  EXPECT_NE(name_of_subject("a1:b", ""), name_of_subject("a", "b"));
  EXPECT_FALSE(name_of_subject("a", "bc").starts_with(name_of_subject("a", "b")));
}

}  // namespace
}  // namespace ratelimit::client::tests
