// SPDX-License-Identifier: MIT
#include "replay/input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "replay/entry.h"
#include "replay/progress.h"

namespace ratelimit::replay {
namespace {

constexpr std::size_t kPackedBytes = 1U << 17U;
constexpr std::size_t kBufferBytes = 1U << 18U;
constexpr std::size_t kFirstLines = 20;

/// Packed bytes that were read and not unpacked yet.
class Packed {
 public:
  explicit Packed(ByteSource& source, std::string_view first) : source_(source), bytes_(kPackedBytes) {
    std::copy(first.begin(), first.end(), bytes_.begin());
    end_ = first.size();
  }

  [[nodiscard]] bool refill() {
    if (begin_ < end_) return true;
    begin_ = 0;
    end_ = source_.read(bytes_.data(), bytes_.size());
    return end_ > 0;
  }
  [[nodiscard]] char* data() { return bytes_.data() + begin_; }
  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  void take(std::size_t count) { begin_ += count; }

 private:
  ByteSource& source_;
  std::vector<char> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

/// Not packed: the bytes that were read to find out, and then the rest.
class PlainSource final : public ByteSource {
 public:
  PlainSource(ByteSource& source, std::string_view first) : source_(source), first_(first) {}

  [[nodiscard]] std::size_t read(char* buffer, std::size_t size) override {
    if (first_.empty()) return source_.read(buffer, size);
    const std::size_t count = std::min(size, first_.size());
    std::copy_n(first_.begin(), count, buffer);
    first_.erase(0, count);
    return count;
  }
  [[nodiscard]] std::string error() const override { return source_.error(); }

 private:
  ByteSource& source_;
  std::string first_;
};

/// Members of gzip, one after the other, as `cat` of several files makes them.
class GzipSource final : public ByteSource {
 public:
  GzipSource(ByteSource& source, std::string_view first) : source_(source), packed_(source, first) {
    constexpr int kGzipOnly = 16;
    is_broken_ = inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK;
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  [[nodiscard]] std::size_t read(char* buffer, std::size_t size) override {
    stream_.next_out = reinterpret_cast<Bytef*>(buffer);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out == size && !is_broken_) {
      if (!packed_.refill()) {
        is_broken_ = is_in_member_;
        break;
      }
      if (!inflate_more()) break;
    }
    return size - stream_.avail_out;
  }
  [[nodiscard]] std::string error() const override {
    if (!source_.error().empty()) return source_.error();
    return is_broken_ ? "the gzip data is damaged or ends too early" : "";
  }

 private:
  bool inflate_more() {
    stream_.next_in = reinterpret_cast<Bytef*>(packed_.data());
    stream_.avail_in = static_cast<uInt>(packed_.size());
    const int result = inflate(&stream_, Z_NO_FLUSH);
    packed_.take(packed_.size() - stream_.avail_in);
    is_in_member_ = result != Z_STREAM_END;
    if (result == Z_STREAM_END) return inflateReset(&stream_) == Z_OK;
    is_broken_ = result != Z_OK && result != Z_BUF_ERROR;
    return !is_broken_;
  }

  ByteSource& source_;
  Packed packed_;
  z_stream stream_{};
  bool is_in_member_ = true;
  bool is_broken_ = false;
};

class ZstdSource final : public ByteSource {
 public:
  ZstdSource(ByteSource& source, std::string_view first)
      : source_(source), packed_(source, first), stream_(ZSTD_createDCtx()) {}
  ~ZstdSource() override { ZSTD_freeDCtx(stream_); }

  [[nodiscard]] std::size_t read(char* buffer, std::size_t size) override {
    ZSTD_outBuffer out{buffer, size, 0};
    while (out.pos == 0 && !is_broken_) {
      const bool has_more = packed_.refill();
      if (!has_more && left_ == 0) break;
      ZSTD_inBuffer in{packed_.data(), packed_.size(), 0};
      left_ = ZSTD_decompressStream(stream_, &out, &in);
      packed_.take(in.pos);
      is_broken_ = ZSTD_isError(left_) != 0 || (!has_more && out.pos == 0);
    }
    return out.pos;
  }
  [[nodiscard]] std::string error() const override {
    if (!source_.error().empty()) return source_.error();
    if (ZSTD_isError(left_) != 0) return std::string("the zstd data cannot be unpacked: ") + ZSTD_getErrorName(left_);
    return is_broken_ ? "the zstd data ends too early" : "";
  }

 private:
  ByteSource& source_;
  Packed packed_;
  ZSTD_DCtx* stream_;
  std::size_t left_ = 0;
  bool is_broken_ = false;
};

/// The source that unpacks a file, as its first bytes say.
[[nodiscard]] std::unique_ptr<ByteSource> unpack(ByteSource& file) {
  constexpr std::string_view kGzip("\x1f\x8b", 2);
  constexpr std::string_view kZstd("\x28\xb5\x2f\xfd", 4);
  std::array<char, 4> magic{};
  std::size_t size = 0;
  while (size < magic.size()) {
    const std::size_t more = file.read(magic.data() + size, magic.size() - size);
    if (more == 0) break;
    size += more;
  }
  const std::string_view first(magic.data(), size);
  if (first.starts_with(kGzip)) return std::make_unique<GzipSource>(file, first);
  if (first.starts_with(kZstd)) return std::make_unique<ZstdSource>(file, first);
  return std::make_unique<PlainSource>(file, first);
}

/// Windows ends lines with a return and a newline.
[[nodiscard]] std::string_view without_return(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

[[nodiscard]] std::string text_of_errno() { return std::generic_category().message(errno); }

}  // namespace

FileSource::FileSource(const std::string& name) {
  is_ours_ = name != "-";
  file_ = is_ours_ ? open(name.c_str(), O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
  struct stat about {};
  if (file_ < 0) {
    error_ = text_of_errno();
  } else if (fstat(file_, &about) == 0 && S_ISREG(about.st_mode)) {
    bytes_ = static_cast<std::uint64_t>(about.st_size);
  }
}

FileSource::~FileSource() {
  if (is_ours_ && file_ >= 0) close(file_);
}

std::size_t FileSource::read(char* buffer, std::size_t size) {
  if (file_ < 0 || is_interrupted()) return 0;
  const ssize_t count = ::read(file_, buffer, size);
  if (count >= 0) {
    bytes_read_ += static_cast<std::uint64_t>(count);
    return static_cast<std::size_t>(count);
  }
  if (errno != EINTR) error_ = text_of_errno();  // a signal ends the input: the user wants the result so far
  return 0;
}

LineSource::LineSource(std::unique_ptr<ByteSource> file)
    : file_(std::move(file)), unpacked_(unpack(*file_)), buffer_(kBufferBytes) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  while (rest().size() < kByteOrderMark.size() && fill()) {
  }
  if (rest().starts_with(kByteOrderMark)) begin_ += kByteOrderMark.size();
}

bool LineSource::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
  const std::size_t count = unpacked_->read(buffer_.data() + end_, buffer_.size() - end_);
  end_ += count;
  return count > 0;
}

std::optional<std::string_view> LineSource::next() {
  for (std::size_t searched = 0;;) {
    const std::string_view text = rest();
    const std::size_t newline = text.find('\n', searched);
    if (newline != std::string_view::npos) {
      begin_ += newline + 1;
      return without_return(text.substr(0, newline));
    }
    if (text.size() > kMaxLineBytes) {
      skip_to_end_of_line();
      return std::string_view(buffer_.data(), kMaxLineBytes + 1);
    }
    searched = text.size();
    if (fill()) continue;
    const std::string_view last = rest();
    begin_ = end_;
    const bool is_whole = !is_interrupted() && error().empty();
    return is_whole && !last.empty() ? std::optional(without_return(last)) : std::nullopt;
  }
}

/// Leaves the begin of the line at the begin of the buffer.
void LineSource::skip_to_end_of_line() {
  const std::size_t kept = kMaxLineBytes + 1;
  std::memmove(buffer_.data(), buffer_.data() + begin_, kept);
  begin_ = end_ = kept;
  if (buffer_.size() < 2 * kept) buffer_.resize(2 * kept);
  for (;;) {
    const std::size_t count = unpacked_->read(buffer_.data() + kept, buffer_.size() - kept);
    const void* newline = std::memchr(buffer_.data() + kept, '\n', count);
    if (newline == nullptr && count > 0) continue;
    if (newline != nullptr) begin_ = static_cast<std::size_t>(static_cast<const char*>(newline) - buffer_.data()) + 1;
    end_ = kept + count;
    return;
  }
}

std::vector<std::string_view> LineSource::first_lines() {
  const auto newlines = [this] {
    const std::string_view text = rest();
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  };
  while (newlines() < kFirstLines && rest().size() <= kMaxLineBytes && fill()) {
  }
  std::vector<std::string_view> lines;
  std::string_view text = rest();
  while (!text.empty() && lines.size() < kFirstLines) {
    const std::size_t newline = std::min(text.find('\n'), text.size());
    lines.push_back(without_return(text.substr(0, newline)));
    text.remove_prefix(std::min(newline + 1, text.size()));
  }
  return lines;
}

}  // namespace ratelimit::replay
