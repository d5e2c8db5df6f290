// SPDX-License-Identifier: MIT
#include "acceptor.h"

#include <arpa/inet.h>
#include <linux/tcp.h>  // has more of tcp_info than <netinet/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace ratelimit::service::envoy {
namespace {

constexpr int kAtOnce = 64;  ///< then it looks whether it shall end
constexpr int kPause = 100;  ///< ms, when the system has no file left: others may close some
/// Between two looks at all connections while the bound is reached, since a look is a system call for each.
constexpr std::chrono::milliseconds kBetweenLooks{50};

int new_waker() {
  const int file = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (file < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return file;
}

std::string place_of(const EnvoySettings& settings) {
  return settings.socket.empty() ? settings.address + ":" + std::to_string(settings.port) : settings.socket;
}

[[noreturn]] void fail(const EnvoySettings& settings, const std::string& why) {
  throw std::runtime_error("cannot listen at " + place_of(settings) + ": " + why);
}

int listen_at(const EnvoySettings& settings, const sockaddr* address, socklen_t size) {
  const int file = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  if (file >= 0 && address->sa_family != AF_UNIX) {
    ::setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    ::setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);  // connections inherit it
  }
  if (file < 0 || ::bind(file, address, size) != 0 || ::listen(file, SOMAXCONN) != 0) {
    const int error = errno;
    if (file >= 0) ::close(file);
    fail(settings, std::strerror(error));
  }
  return file;
}

/// A socket that an earlier run left behind is in the way. Any other file stays.
int listen_at_path(const EnvoySettings& settings) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (settings.socket.size() >= sizeof address.sun_path) fail(settings, "the path is too long");
  settings.socket.copy(address.sun_path, settings.socket.size());
  struct stat found {};
  if (::lstat(settings.socket.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) ::unlink(settings.socket.c_str());
  return listen_at(settings, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

int listen_at_port(const EnvoySettings& settings) {
  addrinfo wanted{};
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(settings.address.c_str(), std::to_string(settings.port).c_str(), &wanted, &found);
  if (error != 0) fail(settings, ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> freed(found, &::freeaddrinfo);
  return listen_at(settings, found->ai_addr, found->ai_addrlen);
}

std::uint16_t port_of(int listener) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  if (bound.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(bound).sin_port);
  if (bound.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(bound).sin6_port);
  return 0;
}

ino_t inode_of(int file) {
  struct stat found {};
  return ::fstat(file, &found) == 0 ? found.st_ino : 0;
}

std::uint64_t received_of(int file) {
  tcp_info info{};
  socklen_t size = sizeof info;
  return ::getsockopt(file, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_received : 0;
}

/// gRPC, whose file it is, finds it closed. What it has not read is thrown away, since it would begin all requests in that: up
/// to 6 MiB, and the shortest one has 27 bytes.
void end(int file) {
  constexpr std::size_t kAll = std::size_t{1} << 30U;
  ::shutdown(file, SHUT_RDWR);
  while (::recv(file, nullptr, kAll, MSG_TRUNC | MSG_DONTWAIT) > 0) {
  }
}

/// As gRPC writes it.
std::string name_of_other_side(int file) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::getpeername(file, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return std::string("ipv4:") + text.data() + ":" + std::to_string(ntohs(v4.sin_port));
  }
  if (address.ss_family != AF_INET6) return {};
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  const std::string port = std::to_string(ntohs(v6.sin6_port));
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    ::inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text.data(), text.size());
    return std::string("ipv4:") + text.data() + ":" + port;
  }
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return std::string("ipv6:%5B") + text.data() + "%5D:" + port;
}

}  // namespace

// --- what is open ------------------------------------------------------------------------------------

/// Asked right before the file is used, since gRPC closes it when it likes.
bool OpenConnections::Connection::is_open() const { return inode_of(file) == inode; }

void OpenConnections::add(int file) { all_.push_back({file, inode_of(file)}); }

std::size_t OpenConnections::look() {
  return all_.size() - std::erase_if(all_, [](const Connection& each) { return !each.is_open(); });
}

void OpenConnections::close(const std::string& name) {
  for (const Connection& each : all_) {
    if (each.is_open() && name_of_other_side(each.file) == name) end(each.file);
  }
}

void OpenConnections::close_busiest() {
  look();
  std::uint64_t most = 0;
  for (Connection& each : all_) {
    const std::uint64_t received = std::max(received_of(each.file), each.received);  // 0 if it has just been closed
    each.news = received - std::exchange(each.received, received);
    most = std::max(most, each.news);
  }
  for (const Connection& each : all_) {
    if (each.news > most / 2 && each.is_open()) end(each.file);
  }
}

// --- the acceptor ------------------------------------------------------------------------------------

Acceptor::Acceptor(const EnvoySettings& settings, const HeldCalls& held)
    : settings_(settings), held_(held), waker_(new_waker()) {}

Acceptor::~Acceptor() {
  stop();
  ::close(waker_);
}

void Acceptor::open() {
  listener_ = settings_.socket.empty() ? listen_at_port(settings_) : listen_at_path(settings_);
  port_ = port_of(listener_);
}

void Acceptor::start(Take take) {
  take_ = std::move(take);
  thread_ = std::thread([this] { run(); });
}

void Acceptor::stop() {
  ends_ = true;
  wake();
  if (thread_.joinable()) thread_.join();
  if (listener_ < 0) return;
  ::close(std::exchange(listener_, -1));
  if (!settings_.socket.empty()) ::unlink(settings_.socket.c_str());
}

void Acceptor::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(waker_, &one, sizeof one);
}

void Acceptor::close_busiest() {
  if (!closes_busiest_.exchange(true)) wake();
}

void Acceptor::close(const std::string& name) {
  const std::lock_guard lock(mutex_);
  open_.close(name);
}

std::size_t Acceptor::connections() {
  const std::lock_guard lock(mutex_);
  return open_.look();
}

void Acceptor::run() {
  bool has_files = true;
  while (true) {
    // poll() leaves out a file below 0.
    std::array<pollfd, 2> files{{{.fd = waker_, .events = POLLIN, .revents = 0},
                                 {.fd = has_files ? listener_ : -1, .events = POLLIN, .revents = 0}}};
    static_cast<void>(::poll(files.data(), files.size(), has_files ? -1 : kPause));
    if (files[0].revents != 0) woken();
    if (ends_) return;
    has_files = accept_all();
  }
}

void Acceptor::woken() {
  std::uint64_t times = 0;
  [[maybe_unused]] const ssize_t read = ::read(waker_, &times, sizeof times);
  if (!closes_busiest_.exchange(false)) return;
  const std::lock_guard lock(mutex_);
  open_.close_busiest();
}

bool Acceptor::accept_all() {
  for (int i = 0; i < kAtOnce; ++i) {
    const int file = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (file < 0) return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
    if (!has_room()) {
      ::close(file);
      continue;
    }
    {
      const std::lock_guard lock(mutex_);
      open_.add(file);
    }
    take_(file);
  }
  return true;
}

bool Acceptor::has_room() {
  if (held_.is_full()) return false;
  const std::lock_guard lock(mutex_);
  if (open_.at_most() < settings_.connections) return true;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_look_) return false;
  next_look_ = now + kBetweenLooks;
  return open_.look() < settings_.connections;
}

}  // namespace ratelimit::service::envoy
