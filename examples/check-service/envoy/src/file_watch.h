// SPDX-License-Identifier: MIT
// Says when files of a folder may have changed. The system tells by inotify, where it can; otherwise a look at sizes and
// times does. Used by one thread, but `wake` by any.
#ifndef RATELIMIT_SERVICE_ENVOY_FILE_WATCH_H
#define RATELIMIT_SERVICE_ENVOY_FILE_WATCH_H

#include <chrono>
#include <filesystem>
#include <string>

namespace ratelimit::service::envoy {

class FileWatch {
 public:
  /// `path` is a folder, or a file. Throws std::system_error if the system has no file left.
  explicit FileWatch(std::filesystem::path path);
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  ~FileWatch();

  /// Waits until something happens in the folder, somebody wakes it, or for `longest`. True if something happened: then it has
  /// also waited a little for more, because a file is often written in parts.
  [[nodiscard]] bool wait(std::chrono::milliseconds longest);
  void wake();

  /// Whether files have other names, sizes or times than when it was last asked.
  [[nodiscard]] bool has_changed();

 private:
  [[nodiscard]] std::string look() const;

  const std::filesystem::path path_;
  const int events_;  ///< inotify; below 0 if there is none
  const int waker_;
  std::string seen_;
};

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_FILE_WATCH_H
