// SPDX-License-Identifier: MIT
// Requests of HTTP, in pieces and out of bounds.
#include "http/http_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace ratelimit::service {
namespace {

constexpr HttpBounds kBounds{.header = 512, .body = 64};

TEST(HttpReader, ReadsRequestsThatComeTogether) {
  HttpReader reader(kBounds);
  std::string bytes = "POST /check HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.0\r\n\r\n";
  ASSERT_EQ(reader.feed(bytes), HttpReader::State::complete);
  const HttpRequest first = reader.take();
  EXPECT_EQ(first.method, "POST");
  EXPECT_EQ(first.target, "/check");
  EXPECT_EQ(first.body, "{}");
  EXPECT_EQ(first.field("HOST"), "x");
  EXPECT_TRUE(first.keeps_alive);
  ASSERT_EQ(reader.feed(bytes), HttpReader::State::complete);
  EXPECT_FALSE(reader.take().keeps_alive);
  EXPECT_TRUE(bytes.empty());
}

TEST(HttpReader, ReadsARequestByteByByte) {
  HttpReader reader(kBounds);
  const std::string all = "POST /check HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
  std::string bytes;
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    bytes += all[i];
    ASSERT_EQ(reader.feed(bytes), HttpReader::State::incomplete) << i;
  }
  bytes += all.back();
  ASSERT_EQ(reader.feed(bytes), HttpReader::State::complete);
  EXPECT_EQ(reader.take().body, "{}");
}

TEST(HttpReader, RefusesWhatIsTooLarge) {
  const auto status_of = [](std::string bytes) {
    HttpReader reader(kBounds);
    return reader.feed(bytes) == HttpReader::State::failed ? reader.problem().status : 0;
  };
  EXPECT_EQ(status_of("GET /" + std::string(600, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n"), 431U);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65\r\n\r\n"), 413U);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n" + std::string(65, 'a')),
            413U);
  EXPECT_EQ(status_of("hello\r\n\r\n"), 400U);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400U);
}

TEST(HttpReader, RefusesARequestWhoseEndIsNotClear) {
  const auto is_refused = [](const std::string& fields, const std::string& version = "1.1") {
    HttpReader reader(kBounds);
    std::string bytes = "POST / HTTP/" + version + "\r\nHost: x\r\n" + fields + "\r\n\r\n";
    return reader.feed(bytes) == HttpReader::State::failed && reader.problem().status == 400;
  };
  EXPECT_FALSE(is_refused("Content-Length: 1"));
  EXPECT_FALSE(is_refused("Transfer-Encoding: Chunked"));
  EXPECT_TRUE(is_refused("Content-Length: 1\r\nContent-Length: 1"));
  EXPECT_TRUE(is_refused("Content-Length: 1\r\nContent-Length: 2"));
  EXPECT_TRUE(is_refused("Transfer-Encoding: gzip"));
  EXPECT_TRUE(is_refused("Transfer-Encoding: chunked, gzip"));
  EXPECT_TRUE(is_refused("Transfer-Encoding: gzip, chunked"));
  EXPECT_TRUE(is_refused("Transfer-Encoding: chunked", "1.0"));
}

TEST(HttpReader, HoldsNoLineThatDoesNotEnd) {
  const std::string begin = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* chunk : {"1;", "1\r\n{\r\n0\r\na: "}) {
    HttpReader reader(kBounds);
    std::string bytes = begin + chunk;
    HttpReader::State state = reader.feed(bytes);
    for (int i = 0; i < 1000 && state == HttpReader::State::incomplete; ++i) state = reader.feed(bytes += "x");
    EXPECT_EQ(state, HttpReader::State::failed);
    EXPECT_EQ(reader.problem().status, 431U);
  }
}

TEST(HttpReader, WantsToKnowTheHost) {
  const auto is_refused = [](std::string bytes) {
    HttpReader reader(kBounds);
    return reader.feed(bytes) == HttpReader::State::failed;
  };
  EXPECT_TRUE(is_refused("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(is_refused("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"));
  EXPECT_FALSE(is_refused("GET / HTTP/1.0\r\n\r\n"));
}

TEST(HttpReader, TellsNoneOfAFieldThatIsThereTwice) {
  HttpReader reader(kBounds);
  std::string bytes = "GET / HTTP/1.1\r\nHost: x\r\nX-Real-IP: 1\r\nX-Real-IP: 2\r\n\r\n";
  ASSERT_EQ(reader.feed(bytes), HttpReader::State::complete);
  EXPECT_FALSE(reader.take().field("x-real-ip"));
}

TEST(HttpReader, SaysOnceThatAClientWaitsBeforeItsBody) {
  HttpReader reader(kBounds);
  std::string bytes = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  ASSERT_EQ(reader.feed(bytes), HttpReader::State::incomplete);
  EXPECT_TRUE(reader.wants_continue());
  EXPECT_FALSE(reader.wants_continue());
}

}  // namespace
}  // namespace ratelimit::service
