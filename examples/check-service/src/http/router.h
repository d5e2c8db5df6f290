// SPDX-License-Identifier: MIT
// What each path of the HTTP door does: a request becomes a question to the backend, and its answer a response. One for each
// thread. Depends on requests, responses, metrics and the log; knows no socket.
#ifndef RATELIMIT_SERVICE_HTTP_ROUTER_H
#define RATELIMIT_SERVICE_HTTP_ROUTER_H

#include <atomic>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "../backend.h"
#include "../log.h"
#include "../metrics.h"
#include "../operators/pages.h"
#include "../policy_book.h"
#include "../response.h"
#include "envoy_paths.h"
#include "http_reader.h"

namespace ratelimit::service {

/// What all threads have in common.
struct RouterShared {
  Log& log;
  std::function<std::string()> metrics;     ///< the text of GET /metrics
  std::function<bool()> is_breaker_closed;  ///< of a server that is known
  const std::atomic<bool>& is_draining;
  std::optional<EnvoyPaths> envoy{};        ///< if there is a door for Envoy
  std::optional<operators::Pages> pages{};  ///< if operators have a token
};

class Router {
 public:
  using Respond = std::function<void(Response)>;

  /// Has a function called later, on the router's thread.
  using Post = std::function<void(std::function<void()>)>;

  /// The arguments must outlive the router. `post` may be called on any thread.
  Router(Backend& backend, Metrics& metrics, const RouterShared& shared, Post post)
      : backend_(backend),
        metrics_(metrics),
        shared_(shared),
        post_(std::move(post)),
        random_(std::random_device{}()) {}

  /// Answers every request once, maybe before it returns.
  void handle(HttpRequest request, Respond respond);

 private:
  /// A request with what follows it. Shared by the functions that wait for its answer.
  struct Exchange;
  using Shared = std::shared_ptr<Exchange>;

  void route(const Shared& exchange);
  void post(const Shared& exchange);
  void check(const Shared& exchange, Read<Request> request);
  void reserve(const Shared& exchange, Read<Request> request);
  void settle(const Shared& exchange, Read<Request> request);
  void auth(const Shared& exchange, std::string_view query);
  /// False if the path is none of the door for Envoy.
  [[nodiscard]] bool envoy(const Shared& exchange);
  void envoy_json(const Shared& exchange);
  void envoy_health(const Shared& exchange);
  /// False if the path is none of the operators' pages.
  [[nodiscard]] bool show_page(const Shared& exchange, std::string_view query);
  void refuse_method(const Shared& exchange, std::string_view allowed);
  void ready(const Shared& exchange);
  void decided(const Shared& exchange, const Answer& answer, Response response);
  void finish(const Shared& exchange, Response response);
  void refuse(const Shared& exchange, const Problem& problem);
  [[nodiscard]] Shared begin(HttpRequest request, Respond respond);

  Backend& backend_;
  Metrics& metrics_;
  const RouterShared& shared_;
  const Post post_;
  PolicyBook book_;
  std::mt19937_64 random_;  ///< for correlation ids, which are no secrets
};

}  // namespace ratelimit::service

#endif  // RATELIMIT_SERVICE_HTTP_ROUTER_H
