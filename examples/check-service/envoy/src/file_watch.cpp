// SPDX-License-Identifier: MIT
#include "file_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

namespace ratelimit::service::envoy {
namespace {

constexpr std::chrono::milliseconds kMore{50};

int new_waker() {
  const int file = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (file < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return file;
}

/// Kubernetes puts a link in place of another one: that is a move in the folder.
int new_events(const std::filesystem::path& path) {
  const int file = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (file < 0) return file;
  std::error_code ignored;
  const std::filesystem::path folder = std::filesystem::is_directory(path, ignored) ? path : path.parent_path();
  constexpr std::uint32_t kAll = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB;
  static_cast<void>(::inotify_add_watch(file, folder.empty() ? "." : folder.c_str(), kAll));
  return file;
}

/// Reads what is there. True if there was something.
bool drain(int file) {
  std::array<char, 4096> bytes;
  bool is_any = false;
  while (::read(file, bytes.data(), bytes.size()) > 0) is_any = true;
  return is_any;
}

}  // namespace

FileWatch::FileWatch(std::filesystem::path path)
    : path_(std::move(path)), events_(new_events(path_)), waker_(new_waker()), seen_(look()) {}

FileWatch::~FileWatch() {
  if (events_ >= 0) ::close(events_);
  ::close(waker_);
}

void FileWatch::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(waker_, &one, sizeof one);  // if it is full, it is awake
}

bool FileWatch::wait(std::chrono::milliseconds longest) {
  // poll() leaves out a file below 0.
  std::array<pollfd, 2> files{
      {{.fd = events_, .events = POLLIN, .revents = 0}, {.fd = waker_, .events = POLLIN, .revents = 0}}};
  static_cast<void>(::poll(files.data(), files.size(), static_cast<int>(longest.count())));
  static_cast<void>(drain(waker_));
  if (events_ < 0 || !drain(events_)) return false;
  static_cast<void>(::poll(&files[1], 1, static_cast<int>(kMore.count())));
  static_cast<void>(drain(events_));
  return true;
}

bool FileWatch::has_changed() {
  std::string now = look();
  return std::exchange(seen_, now) != now;
}

/// Follows links. What cannot be read is left out: the rules' own reader says so.
std::string FileWatch::look() const {
  namespace fs = std::filesystem;
  std::vector<std::string> lines;
  std::error_code error;
  const auto add = [&](const fs::path& file) {
    const auto size = fs::file_size(file, error);
    const auto time = fs::last_write_time(file, error).time_since_epoch().count();
    lines.push_back(file.string() + " " + std::to_string(size) + " " + std::to_string(time) + "\n");
  };
  if (!fs::is_directory(path_, error)) {
    add(path_);
  } else {
    for (auto entry = fs::directory_iterator(path_, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
      if (fs::is_regular_file(entry->path(), error)) add(entry->path());
    }
  }
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string& line : lines) all += line;
  return all;
}

}  // namespace ratelimit::service::envoy
