// SPDX-License-Identifier: MIT
// What bench_doors says to the check service's door for Envoy: ShouldRateLimit over gRPC, which is HTTP/2. Load programs for
// HTTP/2 know nothing of gRPC: they look at the status of HTTP, which is 200 for errors, too. Needs libnghttp2.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "doors_dialogue.h"

namespace doors {

// One field of a message of Protocol Buffers that has a length. All of ours are shorter than 128 bytes.
inline std::string field(int number, std::string_view content) {
  if (content.size() > 127) throw std::runtime_error{"a field is too long"};
  std::string text{static_cast<char>(number << 3 | 2), static_cast<char>(content.size())};
  return text.append(content);
}

// What Envoy asks: envoy.service.ratelimit.v3.RateLimitRequest of the domain `bench`, with the frame of gRPC. The keys of
// its descriptors are caller, caller1, caller2, ...
inline std::string envoy_request(std::size_t caller, std::size_t descriptors) {
  std::string message = field(1, "bench");
  for (std::size_t i = 0; i < descriptors; ++i) {
    const std::string key = i == 0 ? "caller" : "caller" + std::to_string(i);
    message.append(field(2, field(1, field(1, key).append(field(2, subject(caller))))));
  }
  const std::size_t size = message.size();
  return std::string{0, 0, 0, static_cast<char>(size >> 8U), static_cast<char>(size & 0xffU)}.append(message);
}

// ShouldRateLimit over one connection, on which many requests are under way. A granted one ends with the status 0 of gRPC
// and has a message whose first field, overall_code, is OK.
class GrpcDialogue : public Dialogue {
 public:
  GrpcDialogue(Answered answered, std::size_t descriptors)
      : Dialogue(std::move(answered)), descriptors_(descriptors), session_(new_session()) {
    if (nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, nullptr, 0) != 0) fail("SETTINGS");
  }

  void ask(std::size_t caller, Clock::time_point due) override {
    static const std::vector<nghttp2_nv> head{
        name_value(":method", "POST"),     name_value(":scheme", "http"),
        name_value(":path", kPath),        name_value(":authority", "127.0.0.1"),
        name_value("te", "trailers"),      name_value("content-type", "application/grpc"),
        name_value("grpc-timeout", "10S"),
    };
    auto stream = std::make_unique<Stream>(Stream{due, envoy_request(caller, descriptors_)});
    nghttp2_data_provider body{};
    body.source.ptr = stream.get();
    body.read_callback = write_body;
    const std::int32_t id =
        nghttp2_submit_request(session_.get(), nullptr, head.data(), head.size(), &body, stream.get());
    if (id < 0) fail("a request");
    streams_.emplace(id, std::move(stream));
  }

  void read(std::string_view bytes) override {
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    if (nghttp2_session_mem_recv(session_.get(), data, bytes.size()) < 0) fail("an answer");
    for (const std::int32_t id : std::exchange(closed_, {})) close(id);
  }

  std::string output() override {
    std::string bytes;
    const std::uint8_t* data = nullptr;
    while (true) {
      const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
      if (size < 0) fail("to send");
      if (size == 0) return bytes;
      bytes.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    }
  }

 private:
  static constexpr std::string_view kPath = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
  static constexpr std::string_view kCodeOk{"\x08\x01", 2};
  static constexpr std::size_t kFrame = 5;  // before a message: whether it is compressed, and its size

  struct Stream {
    Clock::time_point due;
    std::string request;
    std::string answer = {};
    std::string status = {};  // grpc-status
  };
  struct End {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };
  using Session = std::unique_ptr<nghttp2_session, End>;

  [[noreturn]] static void fail(const char* what) {
    throw std::runtime_error{std::string{"HTTP/2: "} + what + " failed"};
  }

  static nghttp2_nv name_value(std::string_view name, std::string_view value) {
    // The library takes pointers to bytes that may be changed, and does not change them.
    const auto bytes = [](std::string_view text) {
      return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
  }

  Session new_session() {
    nghttp2_session_callbacks* callbacks = nullptr;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) fail("a session");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, take_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, take_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, take_end);
    nghttp2_session* session = nullptr;
    const int failed = nghttp2_session_client_new(&session, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    if (failed != 0) fail("a session");
    return Session{session};
  }

  static Stream* stream_of(nghttp2_session* session, std::int32_t id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  // The whole of it at once: the smallest frame that HTTP/2 allows to be refused is 16 KB.
  static ssize_t write_body(nghttp2_session* /*session*/, std::int32_t /*id*/, std::uint8_t* to, std::size_t room,
                            std::uint32_t* flags, nghttp2_data_source* source, void* /*dialogue*/) {
    const std::string& request = static_cast<const Stream*>(source->ptr)->request;
    if (room < request.size()) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(request.copy(reinterpret_cast<char*>(to), room));
  }

  static int take_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                         std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                         std::uint8_t /*flags*/, void* /*dialogue*/) {
    if (std::string_view{reinterpret_cast<const char*>(name), name_size} == "grpc-status") {
      if (Stream* stream = stream_of(session, frame->hd.stream_id)) {
        stream->status.assign(reinterpret_cast<const char*>(value), value_size);
      }
    }
    return 0;
  }

  static int take_data(nghttp2_session* session, std::uint8_t /*flags*/, std::int32_t id, const std::uint8_t* data,
                       std::size_t size, void* /*dialogue*/) {
    if (Stream* stream = stream_of(session, id)) stream->answer.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }

  static int take_end(nghttp2_session* /*session*/, std::int32_t id, std::uint32_t /*error*/, void* dialogue) {
    static_cast<GrpcDialogue*>(dialogue)->closed_.push_back(id);
    return 0;
  }

  void close(std::int32_t id) {
    const auto place = streams_.find(id);
    if (place == streams_.end()) return;
    const Stream& stream = *place->second;
    const bool is_ok = stream.status == "0" &&
                       stream.answer.compare(std::min(kFrame, stream.answer.size()), kCodeOk.size(), kCodeOk) == 0;
    const Clock::time_point due = stream.due;
    streams_.erase(place);
    answered_(due, is_ok);
  }

  std::size_t descriptors_;
  std::unordered_map<std::int32_t, std::unique_ptr<Stream>> streams_;  // those that are under way
  std::vector<std::int32_t> closed_;                                   // while bytes are read
  Session session_;
};

}  // namespace doors
