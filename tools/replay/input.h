// SPDX-License-Identifier: MIT
// Lines of a file or of standard input, unpacked if they are packed by gzip or zstd, whatever the file's name is. The
// only part that reads.
#ifndef RATELIMIT_TOOLS_REPLAY_INPUT_H
#define RATELIMIT_TOOLS_REPLAY_INPUT_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ratelimit::replay {

/// Bytes, one part after the other.
class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;

  /// Fills a part of a buffer; 0 at the end, and after an error.
  [[nodiscard]] virtual std::size_t read(char* buffer, std::size_t size) = 0;
  /// What went wrong; empty if nothing did.
  [[nodiscard]] virtual std::string error() const = 0;
};

/// A file as it is on the disk.
class FileSource final : public ByteSource {
 public:
  /// `-` is standard input.
  explicit FileSource(const std::string& name);
  ~FileSource() override;

  [[nodiscard]] std::size_t read(char* buffer, std::size_t size) override;
  [[nodiscard]] std::string error() const override { return error_; }
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }  ///< of the whole file; 0 if nobody knows

 private:
  int file_ = -1;
  bool is_ours_ = false;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t bytes_ = 0;
  std::string error_;
};

/// The lines of a file, unpacked. A byte order mark at its begin belongs to no line.
class LineSource {
 public:
  explicit LineSource(std::unique_ptr<ByteSource> file);

  /// The next line without its end, borrowed until the next call; none at the end. Of a line that is longer than any may
  /// be, its begin, which is still too long. A last line that an error or Ctrl-C has cut is left out.
  [[nodiscard]] std::optional<std::string_view> next();

  /// The first lines, some twenty if there are so many. They are still to come from `next`.
  [[nodiscard]] std::vector<std::string_view> first_lines();

  [[nodiscard]] std::string error() const { return unpacked_->error(); }

 private:
  /// Reads more behind what is in the buffer. False at the end.
  bool fill();
  [[nodiscard]] std::string_view rest() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void skip_to_end_of_line();

  std::unique_ptr<ByteSource> file_;
  std::unique_ptr<ByteSource> unpacked_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  ///< of the next line
  std::size_t end_ = 0;    ///< of what was read
};

}  // namespace ratelimit::replay

#endif  // RATELIMIT_TOOLS_REPLAY_INPUT_H
