// SPDX-License-Identifier: MIT
// Starts the check service, and ends it when it is told to.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "grpc_door.h"
#include "http/door_tls.h"
#include "service.h"
#include "settings.h"

// If the program is linked with jemalloc: memory that is free goes back to the system after half a second, not after ten, and
// also while nothing happens.
extern "C" {
extern const char* const malloc_conf;
const char* const malloc_conf = "background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0";
}

namespace ratelimit::service {
namespace {

constexpr std::string_view kUsage = R"(usage: check-service [--config FILE] [--check]

Answers over HTTP, and to Envoy over gRPC, whether a call may go on. --check only reads the settings, and says what is wrong with them.
A line of the file is `name = value`. A variable of the environment, CHECK_SERVICE_NAME, wins over the file;
CHECK_SERVICE_CONFIG names the file. The settings, and what they are without you:

)";

struct Arguments {
  std::string file{};
  bool only_checks = false;
};

/// None if they are wrong or ask for help.
std::optional<Arguments> read_arguments(int count, char** words) {
  Arguments arguments;
  if (const char* file = std::getenv("CHECK_SERVICE_CONFIG")) arguments.file = file;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--check") {
      arguments.only_checks = true;
    } else if (word == "--config" && i + 1 < count) {
      arguments.file = words[++i];
    } else {
      return std::nullopt;
    }
  }
  return arguments;
}

std::optional<std::string> read_file(Settings& settings, const std::string& path) {
  if (path.empty()) return std::nullopt;
  std::ifstream file(path);
  if (!file) return path + ": cannot be read";
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return read_settings(settings, text, path);
}

/// Idle connections are cheap, but each is a file.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

/// Signals wait until `sigwait` takes them: all threads inherit that. A service that has nothing to read again ends with its
/// terminal, as programs do.
sigset_t hold_signals(bool may_reload) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (may_reload) sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

/// The door for Envoy, if the settings want one. The service has it.
envoy::GrpcDoor* open_for_envoy(const Settings& settings, Service& service) {
  if (settings.envoy.rules.empty()) return nullptr;
  auto door = std::make_unique<envoy::GrpcDoor>(settings, service.client(), service.backend(), service.log());
  envoy::GrpcDoor* const borrowed = door.get();
  service.serve(door->paths());
  service.add(std::move(door));
  return borrowed;
}

int run(const Settings& settings) {
  const bool has_files = !settings.listen_tls.certificate.empty() || !settings.operators.token_file.empty();
  const sigset_t signals = hold_signals(has_files || !settings.envoy.rules.empty());
  raise_file_limit();
  Service service(settings);
  envoy::GrpcDoor* const door = open_for_envoy(settings, service);
  service.start();
  int signal = 0;
  while (sigwait(&signals, &signal) == 0 && signal == SIGHUP) {
    service.reload();
    if (door != nullptr) door->reload();
  }
  service.drain();
  return EXIT_SUCCESS;
}

int start(int count, char** words) {
  const std::optional<Arguments> arguments = read_arguments(count, words);
  if (!arguments) {
    std::cout << kUsage << settings_help();
    return count == 2 && std::string_view(words[1]) == "--help" ? EXIT_SUCCESS : 2;
  }
  Settings settings;
  std::optional<std::string> fault = read_file(settings, arguments->file);
  if (!fault) fault = read_environment(settings, environ);
  if (!fault) fault = fault_of(settings);
  if (!fault) fault = envoy::fault_in_rules(settings.envoy);
  if (fault) throw std::runtime_error(*fault);
  static_cast<void>(client_options(settings));
  static_cast<void>(door_tls(read_tls_files(settings.listen_tls), settings.listen_tls.least));
  return arguments->only_checks ? EXIT_SUCCESS : run(settings);
}

}  // namespace
}  // namespace ratelimit::service

int main(int count, char** words) {
  try {
    return ratelimit::service::start(count, words);
  } catch (const std::exception& error) {
    std::cerr << "check-service: " << error.what() << "\n";
    return 2;
  }
}
