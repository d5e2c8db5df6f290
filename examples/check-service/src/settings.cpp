// SPDX-License-Identifier: MIT
// The rows of the settings: name, meaning, and how a value is read.
#include "settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "field_reader.h"
#include "operators/guard.h"
#include "secret_files.h"

namespace ratelimit::service {
namespace {

using Fault = std::optional<std::string>;
using client::Endpoint;

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

template <class Number>
Fault number(std::string_view text, Number least, Number most, Number& target) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
    return "must be an integer from " + std::to_string(least) + " to " + std::to_string(most);
  }
  target = value;
  return std::nullopt;
}

Fault span(std::string_view text, Span most, Span& target) {
  const std::optional<Span> value = parse_duration(text);
  if (!value || *value < std::chrono::milliseconds{1} || *value > most) {
    return "must be a duration such as 50ms, 10s or 1m, from 1ms to " +
           std::to_string(std::chrono::floor<std::chrono::seconds>(most).count()) + "s";
  }
  target = *value;
  return std::nullopt;
}

Fault yes_or_no(std::string_view text, bool& target) {
  if (text != "yes" && text != "no") return "must be yes or no";
  target = text == "yes";
  return std::nullopt;
}

Fault words(std::string_view text, std::string& target) {
  target = text;
  return std::nullopt;
}

/// `host:port`, `host`, `[::1]:port`.
Fault address(std::string_view text, std::string& host, int& port) {
  std::string_view name = text;
  const std::size_t colon = text.rfind(':');
  const bool is_bracketed = text.starts_with('[');
  const bool has_port = colon != std::string_view::npos && (!is_bracketed || text[colon - 1] == ']');
  if (has_port) {
    name = text.substr(0, colon);
    if (number(text.substr(colon + 1), 0, 65535, port)) return "must have a port from 0 to 65535 behind the colon";
  }
  if (is_bracketed && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  if (name.empty() || (!is_bracketed && name.find(':') != std::string_view::npos)) {
    return "must be host:port, and an address of IPv6 stands in [brackets]";
  }
  host = name;
  return std::nullopt;
}

Fault endpoints(std::string_view text, int usual_port, std::vector<Endpoint>& target) {
  std::vector<Endpoint> list;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    Endpoint endpoint{.port = usual_port};
    if (trimmed(one).starts_with('/')) {
      endpoint.socket = trimmed(one);
    } else if (auto fault = address(trimmed(one), endpoint.host, endpoint.port)) {
      return fault;
    }
    list.push_back(std::move(endpoint));
  }
  if (list.empty()) return "must name at least one server";
  target = std::move(list);
  return std::nullopt;
}

Fault token_file(std::string_view path, OperatorSettings& target) {
  target.token_file = path;
  return read_token(target.token_file, target.token);
}

Fault origins(std::string_view text, std::vector<std::string>& target) {
  std::vector<std::string> list;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    if (!operators::is_origin(trimmed(one))) {
      return "must be origins such as http://127.0.0.1:8000, in small letters, without a path, with commas between";
    }
    list.emplace_back(trimmed(one));
  }
  target = std::move(list);
  return std::nullopt;
}

Fault listen(std::string_view text, Settings& settings) {
  int port = settings.port;
  Fault fault = address(text, settings.address, port);
  settings.port = static_cast<std::uint16_t>(port);
  return fault;
}

/// Like `listen`, or the path of a socket.
Fault listen_to_envoy(std::string_view text, EnvoySettings& envoy) {
  envoy.socket.clear();
  if (text.starts_with('/')) return words(text, envoy.socket);
  int port = envoy.port;
  Fault fault = address(text, envoy.address, port);
  envoy.port = static_cast<std::uint16_t>(port);
  return fault;
}

Fault envoy_without_server(std::string_view text, bool& target) {
  if (text != "answer" && text != "error") return "must be answer or error";
  target = text == "error";
  return std::nullopt;
}

Fault without_server(std::string_view text, client::Without& target) {
  if (text == "open") {
    target = client::Without::fail_open;
  } else if (text == "closed") {
    target = client::Without::fail_closed;
  } else if (text == "local") {
    target = client::Without::local;
  } else {
    return "must be open, closed or local";
  }
  return std::nullopt;
}

Fault share(std::string_view text, client::Share& target) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  client::Share value;
  const std::string_view whole = text.substr(std::min(slash + 1, text.size()));
  if (number(text.substr(0, slash), 1U, 1'000'000U, value.numerator) ||
      number(whole, 1U, 1'000'000U, value.denominator) || value.numerator > value.denominator) {
    return "must be a part of the whole, such as 1/4";
  }
  target = value;
  return std::nullopt;
}

Fault level(std::string_view text, Level& target) {
  constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warn", "error"};
  const auto found = std::find(kNames.begin(), kNames.end(), text);
  if (found == kNames.end()) return "must be debug, info, warn or error";
  target = static_cast<Level>(found - kNames.begin());
  return std::nullopt;
}

Fault tls_version(std::string_view text, TlsVersion& target) {
  if (text != "1.2" && text != "1.3") return "must be 1.2 or 1.3";
  target = text == "1.3" ? TlsVersion::v1_3 : TlsVersion::v1_2;
  return std::nullopt;
}

Fault lease(std::string_view text, Units& target) {
  std::int64_t units = 0;
  if (auto fault = number<std::int64_t>(text, 0, 1'000'000, units)) return fault;
  target = Units(units);
  return std::nullopt;
}

struct Row {
  std::string_view name;
  std::string_view help;
  Fault (*set)(Settings&, std::string_view);
};

constexpr Span kDay = std::chrono::hours{24};
constexpr Span kHour = std::chrono::hours{1};

constexpr auto kRows = std::to_array<Row>({
    {"listen", "where HTTP listens: 127.0.0.1:8080", [](Settings& s, std::string_view v) { return listen(v, s); }},
    {"listen_certificate", "a file in PEM: HTTP and gRPC are encrypted then; none",
     [](Settings& s, std::string_view v) { return words(v, s.listen_tls.certificate); }},
    {"listen_key", "a file in PEM: none", [](Settings& s, std::string_view v) { return words(v, s.listen_tls.key); }},
    {"listen_tls", "the oldest version that clients may speak, 1.2 or 1.3: 1.2",
     [](Settings& s, std::string_view v) { return tls_version(v, s.listen_tls.least); }},
    {"listen_authorities", "a file in PEM: clients must show a certificate of these authorities; none",
     [](Settings& s, std::string_view v) { return words(v, s.listen_tls.authorities); }},
    {"threads", "as many as there are cores",
     [](Settings& s, std::string_view v) { return number(v, 1U, 256U, s.threads); }},
    {"servers", "host:port, or the path of a socket; of a cluster, some nodes with commas between: 127.0.0.1:6379",
     [](Settings& s, std::string_view v) { return endpoints(v, 6379, s.client.servers); }},
    {"user", "of the server's ACL; none",
     [](Settings& s, std::string_view v) { return words(v, s.client.node.login.user); }},
    {"password", "none", [](Settings& s, std::string_view v) { return words(v, s.client.node.login.password); }},
    {"password_file", "a file with the password; none",
     [](Settings& s, std::string_view v) { return read_password(std::string(v), s.client.node.login.password); }},
    {"database", "0",
     [](Settings& s, std::string_view v) { return number(v, 0, 65535, s.client.node.login.database); }},
    {"sentinels", "host:port with commas between; none",
     [](Settings& s, std::string_view v) { return endpoints(v, 26379, s.client.sentinels.endpoints); }},
    {"primary", "the name that the Sentinels know: mymaster",
     [](Settings& s, std::string_view v) { return words(v, s.client.sentinels.primary); }},
    {"sentinel_user", "none", [](Settings& s, std::string_view v) { return words(v, s.client.sentinels.login.user); }},
    {"sentinel_password", "none",
     [](Settings& s, std::string_view v) { return words(v, s.client.sentinels.login.password); }},
    {"tls", "to the server: no", [](Settings& s, std::string_view v) { return yes_or_no(v, s.uses_tls); }},
    {"tls_authorities", "a file in PEM: the system's",
     [](Settings& s, std::string_view v) { return words(v, s.tls.authorities); }},
    {"tls_certificate", "a file in PEM, for a server that asks for one: none",
     [](Settings& s, std::string_view v) { return words(v, s.tls.certificate); }},
    {"tls_key", "a file in PEM: none", [](Settings& s, std::string_view v) { return words(v, s.tls.key); }},
    {"tls_name", "that the server's certificate has: its host",
     [](Settings& s, std::string_view v) { return words(v, s.tls.name); }},
    {"deadline", "for the server's answer, also the longest that a caller may ask for: 50ms",
     [](Settings& s, std::string_view v) { return span(v, std::chrono::minutes{1}, s.client.deadline); }},
    {"without_server", "what becomes of checks that the server does not answer, open, closed or local: open",
     [](Settings& s, std::string_view v) { return without_server(v, s.client.without_server); }},
    {"share", "of this instance, when it decides by itself: 1/1",
     [](Settings& s, std::string_view v) { return share(v, s.client.share); }},
    {"lease", "units that a hot subject takes at once, 0 for no leases: 0",
     [](Settings& s, std::string_view v) { return lease(v, s.lease); }},
    {"hot", "a subject is hot from so many checks a second in a thread: 100",
     [](Settings& s, std::string_view v) { return number(v, 1U, 1'000'000U, s.hot); }},
    {"max_header", "bytes: 8192",
     [](Settings& s, std::string_view v) { return number(v, 256U, 65536U, s.http.header); }},
    {"max_body", "bytes: 16384",
     [](Settings& s, std::string_view v) { return number(v, 64U, 1'048'576U, s.http.body); }},
    {"request_time", "for a request to come, and for an answer to go: 5s",
     [](Settings& s, std::string_view v) { return span(v, kHour, s.http.request_time); }},
    {"idle_time", "a connection without a request is closed after: 60s",
     [](Settings& s, std::string_view v) { return span(v, kDay, s.http.idle_time); }},
    {"connections", "at most: 20000",
     [](Settings& s, std::string_view v) { return number<std::size_t>(v, 1, 1'000'000, s.http.connections); }},
    {"drain_time", "for requests that are under way at the end: 10s",
     [](Settings& s, std::string_view v) { return span(v, kHour, s.drain_time); }},
    {"envoy_rules", "a folder with YAML files of envoyproxy/ratelimit, which opens the door for Envoy; none",
     [](Settings& s, std::string_view v) { return words(v, s.envoy.rules); }},
    {"grpc_address", "where that door listens, or the path of a socket: 127.0.0.1:8081",
     [](Settings& s, std::string_view v) { return listen_to_envoy(v, s.envoy); }},
    {"grpc_tls", "whether that door is encrypted, if there is a listen_certificate: yes",
     [](Settings& s, std::string_view v) { return yes_or_no(v, s.envoy.uses_tls); }},
    {"grpc_max_message", "bytes of a request: 65536",
     [](Settings& s, std::string_view v) { return number(v, 256, 4'194'304, s.envoy.message); }},
    {"grpc_connections", "at once; more are closed: 4000",
     [](Settings& s, std::string_view v) { return number<std::size_t>(v, 1, 1'000'000, s.envoy.connections); }},
    {"grpc_connection_time", "a connection ends after, when its requests are answered: 30m",
     [](Settings& s, std::string_view v) { return span(v, kDay, s.envoy.connection_time); }},
    {"grpc_memory", "MiB that connections and their requests may hold: 128",
     [](Settings& s, std::string_view v) { return number<std::size_t>(v, 16, 65'536, s.envoy.memory); }},
    {"grpc_streams", "requests of a connection at once: 1000",
     [](Settings& s, std::string_view v) { return number(v, 1, 1'000'000, s.envoy.streams); }},
    {"envoy_prefix",
     "of the keys of all rules: envoy:", [](Settings& s, std::string_view v) { return words(v, s.envoy.prefix); }},
    {"envoy_merge", "whether several files may have one domain: no",
     [](Settings& s, std::string_view v) { return yes_or_no(v, s.envoy.merges_domains); }},
    {"envoy_headers", "whether answers have RateLimit-Limit, -Remaining, -Reset and the reason of a denial: no",
     [](Settings& s, std::string_view v) { return yes_or_no(v, s.envoy.has_headers); }},
    {"envoy_metadata", "whether answers have dynamic metadata: no",
     [](Settings& s, std::string_view v) { return yes_or_no(v, s.envoy.has_metadata); }},
    {"envoy_shadow", "whether nobody is denied: no",
     [](Settings& s, std::string_view v) { return yes_or_no(v, s.envoy.is_on_trial); }},
    {"envoy_quota", "whether all rules are of quota mode: no",
     [](Settings& s, std::string_view v) { return yes_or_no(v, s.envoy.is_quota); }},
    {"envoy_without_server", "answer: by without_server. error: UNAVAILABLE, so that Envoy decides: answer",
     [](Settings& s, std::string_view v) { return envoy_without_server(v, s.envoy.leaves_outages_to_envoy); }},
    {"operator_token_file", "a file with a token, which opens /limiters and /why to those who send it; none",
     [](Settings& s, std::string_view v) { return token_file(v, s.operators); }},
    {"operator_origins", "of pages elsewhere whose scripts may read those, with commas between: none",
     [](Settings& s, std::string_view v) { return origins(v, s.operators.origins); }},
    {"operator_deadline", "for all that the server must say for one of those: 1s",
     [](Settings& s, std::string_view v) { return span(v, std::chrono::minutes{1}, s.operators.deadline); }},
});

}  // namespace

std::optional<std::string> set(Settings& settings, std::string_view name, std::string_view value) {
  if (name == "log_level") return level(value, settings.log_level);
  const auto row = std::find_if(kRows.begin(), kRows.end(), [&](const Row& each) { return each.name == name; });
  if (row == kRows.end()) return "is no setting";
  return row->set(settings, value);
}

std::string settings_help() {
  std::string text;
  const auto add = [&text](std::string_view name, std::string_view help) {
    text.append("  ").append(name).append(22 - std::min<std::size_t>(name.size(), 21), ' ').append(help).append("\n");
  };
  for (const Row& row : kRows) add(row.name, row.help);
  add("log_level", "debug, info, warn or error: info");
  return text;
}

std::optional<std::string> fault_of(const Settings& settings) {
  if (!settings.tls.key.empty() != !settings.tls.certificate.empty()) {
    return "tls_certificate and tls_key go together";
  }
  if (settings.listen_tls.key.empty() != settings.listen_tls.certificate.empty()) {
    return "listen_certificate and listen_key go together";
  }
  if (!settings.listen_tls.authorities.empty() && settings.listen_tls.certificate.empty()) {
    return "listen_authorities needs listen_certificate";
  }
  const bool names_files = !settings.tls.authorities.empty() || !settings.tls.certificate.empty();
  if (names_files && !settings.uses_tls) return "tls_authorities and tls_certificate need tls = yes";
  if (!settings.operators.origins.empty() && settings.operators.token.empty()) {
    return "operator_origins needs operator_token_file";
  }
  return client::fault_of(settings.client);
}

client::Options client_options(const Settings& settings) {
  client::Options options = settings.client;
  if (!settings.uses_tls) return options;
  try {
    options.node.encryption = client::tls(settings.tls);
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string("tls: ") + error.what());
  }
  return options;
}

}  // namespace ratelimit::service
