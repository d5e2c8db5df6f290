// SPDX-License-Identifier: MIT
// What may be set of the service, each with its default. Depends on the options of the C++ client.
#ifndef RATELIMIT_SERVICE_SETTINGS_H
#define RATELIMIT_SERVICE_SETTINGS_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "ratelimit/client/options.h"
#include "ratelimit/client/tls.h"
#include "ratelimit/units.h"

namespace ratelimit::service {

enum class Level : std::uint8_t { debug, info, warn, error };

enum class TlsVersion : std::uint8_t { v1_2, v1_3 };

/// Encryption of the doors.
struct ListenTls {
  std::string certificate{};  ///< a file in PEM, with its chain; empty: the doors are plain
  std::string key{};          ///< a file in PEM, without a password
  std::string authorities{};  ///< a file in PEM: clients must show a certificate of theirs; empty: clients need none
  TlsVersion least = TlsVersion::v1_2;
};

/// Bounds of the HTTP door: nobody gets more of it than that.
struct HttpBounds {
  std::uint32_t header = 8192;                  ///< bytes of the first line and the fields
  std::uint32_t body = 16'384;                  ///< bytes
  Span request_time = std::chrono::seconds{5};  ///< from the first byte of a request to its last; and to send an answer
  Span idle_time = std::chrono::seconds{60};    ///< without a request
  std::size_t connections = 20'000;             ///< of all threads
};

/// The door for Envoy: its rate-limit protocol over gRPC. It is there if `rules` is not empty.
struct EnvoySettings {
  std::string rules{};                              ///< a folder of YAML files, or one file
  std::string address = "127.0.0.1";                ///< where gRPC listens
  std::string socket{};                             ///< the path of a socket instead
  std::uint16_t port = 8081;                        ///< 0: any that is free; the log says which
  bool uses_tls = true;                             ///< if there is a certificate
  int message = 65'536;                             ///< bytes of a request
  int streams = 1000;                               ///< requests of a connection that are under way at once
  std::size_t connections = 4000;                   ///< at once
  std::size_t memory = 128;                         ///< MiB that connections and their requests may hold
  Span connection_time = std::chrono::minutes{30};  ///< then a connection ends, in an orderly way
  std::string prefix = "envoy:";                    ///< of the keys of all rules
  bool merges_domains = false;                      ///< whether several files may have one domain
  bool has_headers = false;                         ///< RateLimit-Limit and others, for the client of Envoy
  bool has_metadata = false;                        ///< dynamic metadata, for Envoy's other filters
  bool is_on_trial = false;                         ///< nobody is denied
  bool is_quota = false;                            ///< all rules are of quota mode
  bool leaves_outages_to_envoy = false;  ///< an error if the server does not decide, whatever `without_server` says
};

/// The pages for operators: who is limited, by which limit, and why. They are there if `token` is not empty.
struct OperatorSettings {
  std::string token_file{};                 ///< from which the token was read
  std::string token{};                      ///< whoever has it may see them
  std::vector<std::string> origins{};       ///< of pages elsewhere whose scripts may read the answers
  Span deadline = std::chrono::seconds{1};  ///< for all answers of the server to one question
};

struct Settings {
  std::string address = "127.0.0.1";  ///< where HTTP listens
  std::uint16_t port = 8080;          ///< 0: any that is free; the log says which
  unsigned threads = std::max(std::thread::hardware_concurrency(), 1U);
  HttpBounds http{};
  ListenTls listen_tls{};
  EnvoySettings envoy{};
  OperatorSettings operators{};
  Span drain_time = std::chrono::seconds{10};  ///< after SIGTERM, for requests that are under way
  Level log_level = Level::info;

  client::Options client{.deadline = std::chrono::milliseconds{50}};
  bool uses_tls = false;  ///< to the server
  client::TlsSettings tls{};

  Units lease{};            ///< units that a lease of a hot subject takes; 0: no leases
  std::uint32_t hot = 100;  ///< a subject is hot from so many checks a second in one thread
};

/// The options for the client, with encryption if it is wanted. Throws std::runtime_error if a file of TLS cannot be used.
[[nodiscard]] client::Options client_options(const Settings& settings);

// --- reading --------------------------------------------------------------------------------------

/// Sets the setting of that name. What is wrong, in words that never show the value; none if all is well.
[[nodiscard]] std::optional<std::string> set(Settings& settings, std::string_view name, std::string_view value);

/// Reads lines of `name = value`; `#` begins a comment. What is wrong, with `source` and the line; none if all is well.
[[nodiscard]] std::optional<std::string> read_settings(Settings& settings, std::string_view text,
                                                       std::string_view source);

/// Reads the variables CHECK_SERVICE_NAME of an environment as the system has it, a null at its end. What is wrong, with the
/// variable's name.
[[nodiscard]] std::optional<std::string> read_environment(Settings& settings, const char* const* environment);

/// What is wrong with the settings together.
[[nodiscard]] std::optional<std::string> fault_of(const Settings& settings);

/// The names, their meanings and defaults, one a line.
[[nodiscard]] std::string settings_help();

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_SETTINGS_H
