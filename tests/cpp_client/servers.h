// SPDX-License-Identifier: MIT
// Servers for the tests of the client: a real one with the module in it, and one that does what a test wants.
//
// Both are reached by a socket file of their own, so that no test is in the way of another; a cluster needs ports. What is
// waited for is waited for with patience, and nothing is slept through.
#ifndef RATELIMIT_TESTS_CLIENT_SERVERS_H
#define RATELIMIT_TESTS_CLIENT_SERVERS_H

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "ratelimit/client.h"

namespace ratelimit::client::tests {

using namespace std::chrono_literals;

/// Where a test does not ask for a deadline: so long that no load of the machine matters.
inline constexpr Span kPatience = 30s;

template <class Condition>
void eventually(Condition condition, std::string_view what) {
  const Time end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("waited in vain for " + std::string(what));
    std::this_thread::sleep_for(1ms);
  }
}

/// What a server says, past the client: an error, or null, if there is no server.
inline Reply said_by(const Endpoint& endpoint, const Command& command) {
  return inquire(endpoint, {}, command, std::chrono::steady_clock::now() + kPatience, [] { return false; });
}

/// How long a test has run. On a machine that starves, a server may have been silent for so long that the client takes the
/// connection for dead: then the number of connections says nothing.
class Elapsed {
 public:
  [[nodiscard]] Span time() const { return std::chrono::steady_clock::now() - begun_; }
  [[nodiscard]] bool may_cost_connections() const { return time() >= Connection::kLongestSilence; }

 private:
  Time begun_ = std::chrono::steady_clock::now();
};

/// A folder that is removed at the end.
class Folder {
 public:
  Folder() {
    std::string path = (std::filesystem::temp_directory_path() / "ratelimit-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("no folder for a test");
    path_ = path;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// A port that nobody uses, below those that the system hands out by itself.
inline int free_port() {
  std::random_device random;
  while (true) {
    const int port = std::uniform_int_distribution<int>(20'000, 30'000)(random);
    const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool is_free = ::bind(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(probe);
    if (is_free) return port;
  }
}

/// A server of its own, with the module that RATELIMIT_MODULE names, or the one of this build.
class Server {
 public:
  explicit Server(std::vector<std::string> options = {}, bool has_module = true)
      : options_(std::move(options)), has_module_(has_module) {
    start();
  }
  /// A Sentinel: `options` begin with its file.
  struct Sentinel {};
  Server(Sentinel, std::vector<std::string> options)
      : options_(std::move(options)), has_module_(false), is_sentinel_(true) {
    start();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() { kill(); }

  [[nodiscard]] Endpoint endpoint() const { return {.host = "", .port = 0, .socket = folder_ / "socket"}; }
  [[nodiscard]] std::string folder() const { return folder_ / ""; }

  void start() {
    std::vector<std::string> words{program()};
    if (is_sentinel_) words.insert(words.end(), options_.begin(), options_.end());
    words.insert(words.end(),
                 {"--unixsocket", folder_ / "socket", "--dir", folder_ / "", "--logfile", folder_ / "log"});
    if (!is_sentinel_) {
      words.insert(words.end(), {"--port", "0", "--save", "", "--appendonly", "no", "--enable-debug-command", "yes"});
      words.insert(words.end(), options_.begin(), options_.end());
    }
    if (has_module_) words.insert(words.end(), {"--loadmodule", module(), "DEBUG"});
    process_ = ::fork();
    if (process_ == 0) become(words);
    const auto answers = [this] {
      const Reply reply = reply_to({"PING"});
      return reply.text == "PONG" || reply.text.starts_with("NOAUTH");
    };
    eventually(answers, "a server to answer");
  }

  void kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGCONT);
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
  }
  void pause() const { ::kill(process_, SIGSTOP); }
  void go_on() const { ::kill(process_, SIGCONT); }

  /// What the server says, past the client: an error, or null, if there is no server.
  [[nodiscard]] Reply reply_to(const Command& command) const { return said_by(endpoint(), command); }

 private:
  static std::string program() {
    const char* named = std::getenv("RATELIMIT_SERVER");
    return named != nullptr ? named : "redis-server";
  }
  static std::string module() {
    const char* named = std::getenv("RATELIMIT_MODULE");
    return named != nullptr ? named : RATELIMIT_BUILT_MODULE;
  }

  [[noreturn]] static void become(std::vector<std::string>& words) {
    const char* named = std::getenv("RATELIMIT_PRELOAD");
    const std::string preload = named != nullptr ? named : RATELIMIT_SANITIZER_LIBRARIES;
    if (!preload.empty()) {
      ::setenv("LD_PRELOAD", preload.c_str(), 1);
      ::setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
    }
    const int nothing = ::open("/dev/null", O_RDWR);
    for (const int file : {0, 1, 2}) ::dup2(nothing, file);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }

  Folder folder_;
  std::vector<std::string> options_;
  bool has_module_;
  bool is_sentinel_ = false;
  pid_t process_ = -1;
};

/// One connection of a server that a test plays.
class Peer {
 public:
  Peer(int file, const std::atomic<bool>& ends) : file_(file), ends_(ends) {}
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { ::close(file_); }

  /// The next command, its words joined; none if the connection or the test has ended. Answers what the client asks of any
  /// server: it is there, and it is in no cluster.
  [[nodiscard]] std::optional<std::string> command() {
    while (true) {
      std::optional<std::string> words = any_command();
      if (words == "PING") {
        say("+PONG\r\n");
      } else if (words == "CLUSTER SLOTS") {
        say("-ERR This instance has cluster support disabled\r\n");
      } else {
        return words;
      }
    }
  }

  void say(std::string_view bytes) const { static_cast<void>(::send(file_, bytes.data(), bytes.size(), MSG_NOSIGNAL)); }

  /// Takes commands and says nothing, until the other end closes the connection, or the test ends.
  void hold() {
    while (command()) {
    }
  }

 private:
  std::optional<std::string> any_command() {
    const std::optional<std::string> head = line();
    if (!head || head->empty()) return std::nullopt;
    std::string words;
    for (int i = std::atoi(head->c_str() + 1); i > 0; --i) {
      if (!line()) return std::nullopt;
      const std::optional<std::string> word = line();
      if (!word) return std::nullopt;
      words += (words.empty() ? "" : " ") + *word;
    }
    return words;
  }

  std::optional<std::string> line() {
    std::size_t end = 0;
    while ((end = read_.find("\r\n")) == std::string::npos) {
      if (!wait()) return std::nullopt;
      char buffer[4096];
      const ssize_t size = ::recv(file_, buffer, sizeof buffer, 0);
      if (size <= 0) return std::nullopt;
      read_.append(buffer, static_cast<std::size_t>(size));
    }
    std::string text = read_.substr(0, end);
    read_.erase(0, end + 2);
    return text;
  }

  [[nodiscard]] bool wait() const {
    while (!ends_) {
      pollfd file{.fd = file_, .events = POLLIN, .revents = 0};
      if (::poll(&file, 1, 5) != 0) return true;
    }
    return false;
  }

  int file_;
  const std::atomic<bool>& ends_;
  std::string read_;
};

/// A port of this machine that the system chose, listened to.
class Listener {
 public:
  Listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool is_bound = ::bind(file_, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                          ::listen(file_, 256) == 0 &&
                          ::getsockname(file_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    if (!is_bound) throw std::runtime_error("no port for a test");
    port_ = ntohs(address.sin_port);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { ::close(file_); }

  [[nodiscard]] int file() const { return file_; }
  [[nodiscard]] int port() const { return port_; }
  /// Takes a connection that has come; negative if there is none.
  [[nodiscard]] int accept() const {
    const int connection = ::accept(file_, nullptr, nullptr);
    const int at_once = 1;  // as real servers do
    if (connection >= 0) ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    return connection;
  }

 private:
  int file_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int port_ = 0;
};

/// A server that treats each connection as `play` says.
class Actor {
 public:
  using Play = std::function<void(Peer&)>;

  explicit Actor(Play play) : play_(std::move(play)) {
    accepting_ = std::thread([this] { accept(); });
  }
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;
  ~Actor() {
    ends_ = true;
    accepting_.join();
    for (std::thread& peer : peers_) peer.join();
  }

  [[nodiscard]] int port() const { return listener_.port(); }
  [[nodiscard]] Endpoint endpoint() const { return {.host = "127.0.0.1", .port = port()}; }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void accept() {
    while (!ends_) {
      pollfd file{.fd = listener_.file(), .events = POLLIN, .revents = 0};
      if (::poll(&file, 1, 5) <= 0) continue;
      const int connection = listener_.accept();
      if (connection < 0) continue;
      ++connections_;
      peers_.emplace_back([this, connection] {
        Peer peer(connection, ends_);
        play_(peer);
      });
    }
  }

  Play play_;
  Listener listener_;
  std::atomic<bool> ends_{false};
  std::atomic<int> connections_{0};
  std::thread accepting_;
  std::vector<std::thread> peers_;
};

/// The limit that most tests ask about, and replies of a server that a test plays.
inline const Policy kTen{fixed(10, 1h)};
inline constexpr std::string_view kGranted = "*6\r\n:1\r\n:10\r\n:9\r\n:0\r\n:1000\r\n$5\r\nfixed\r\n";
inline constexpr std::string_view kDenied = "*6\r\n:0\r\n:10\r\n:0\r\n:3600000\r\n:3600000\r\n$5\r\nfixed\r\n";

/// Says the same to every command.
inline Actor::Play always(std::string_view reply) {
  return [reply](Peer& peer) {
    while (peer.command()) peer.say(reply);
  };
}

/// A client of that server, that waits as long as it takes.
inline Options options_for(Endpoint endpoint) {
  Options options;
  options.servers = {std::move(endpoint)};
  options.deadline = kPatience;
  options.without_server = Without::fail_closed;
  return options;
}

/// A client that waits as long, and takes leases of that length.
inline Options with_leases(const Server& server, Span length) {
  Options options = options_for(server.endpoint());
  options.lease_length = length;
  return options;
}

/// Refuses the first login, and does not answer those that follow.
inline Actor::Play refuses_one_login(std::atomic<int>& logins) {
  return [&logins](Peer& peer) {
    if (peer.command() && ++logins == 1) peer.say("-WRONGPASS invalid username-password pair\r\n");
    peer.hold();
  };
}

/// A client that is refused by that server, that soon tries again, and that lets callers through in an outage.
inline Options options_of_refused(Endpoint endpoint) {
  Options options = options_for(std::move(endpoint));
  options.deadline = 200ms;
  options.without_server = Without::fail_open;
  options.node.login.password = "wrong";
  options.node.reconnect = {.first = 1ms, .longest = 1ms};
  return options;
}

}  // namespace ratelimit::client::tests

#endif  // RATELIMIT_TESTS_CLIENT_SERVERS_H
