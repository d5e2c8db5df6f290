// SPDX-License-Identifier: MIT
#include "grpc_door.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <atomic>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "acceptor.h"
#include "checker.h"
#include "envoy/service/ratelimit/v3/rls.grpc.pb.h"
#include "envoy_metrics.h"
#include "grpc_tls.h"
#include "held_calls.h"
#include "open_calls.h"
#include "response.h"
#include "rule_book.h"
#include "trace.h"
#include "wire.h"

namespace ratelimit::service::envoy {
namespace {

// --- what comes with a call --------------------------------------------------------------------------

constexpr const char* kHealthName = "ratelimit";  ///< of the original. Who names no service asks about all
constexpr int kMaxMetadata = 16'384;              ///< bytes
constexpr int kMaxRead = 32'768;  ///< bytes. Of what was read at once, all requests begin before the first is looked at
constexpr int kLeastBetweenPings = 5'000;  ///< ms. Who pings more often twice is closed at the third time

std::string_view metadata_in(const grpc::CallbackServerContext& call, const char* name) {
  const auto found = call.client_metadata().find(name);
  if (found == call.client_metadata().end()) return {};
  return {found->second.data(), found->second.size()};
}

std::string new_request_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return make_request_id(random(), random());
}

/// Leaves an eighth of the caller's time for the way back, lest the answer comes when nobody waits for it any more.
Span patience_of(const grpc::CallbackServerContext& call) {
  const auto until = call.deadline();
  if (until == std::chrono::system_clock::time_point::max()) return {};
  const Span left = until - std::chrono::system_clock::now();
  return std::max<Span>(left - left / 8, std::chrono::microseconds{1});
}

Caller caller_of(const grpc::CallbackServerContext& call) {
  const std::string_view id = metadata_in(call, "x-request-id");
  const std::string_view trace = metadata_in(call, "traceparent");
  Caller caller{.deadline = patience_of(call), .path = "grpc"};
  caller.request_id = is_request_id(id) ? std::string(id) : new_request_id();
  if (is_traceparent(trace)) caller.traceparent = trace;
  return caller;
}

grpc::Status status_of(const Response& response) {
  switch (response.failure) {
    case Failure::none: break;
    case Failure::refused: return {grpc::StatusCode::INVALID_ARGUMENT, response.error};
    case Failure::unavailable: return {grpc::StatusCode::UNAVAILABLE, response.error};
    case Failure::internal: return {grpc::StatusCode::INTERNAL, response.error};
  }
  return grpc::Status::OK;
}

// --- the service of gRPC -----------------------------------------------------------------------------

/// A request until its answer has gone. gRPC has it, and ends it by OnDone.
class Call final : public grpc::ServerUnaryReactor {
 public:
  Call(OpenCalls& open, std::string connection) : open_(open), connection_(std::move(connection)) {}

  void OnDone() override {
    open_.end(connection_);
    delete this;
  }

 private:
  OpenCalls& open_;
  const std::string connection_;
};

/// Counts the requests that gRPC holds: it asks for the context of a request as soon as it has read the request.
class Contexts final : public grpc::ContextAllocator {
 public:
  Contexts(HeldCalls& held, Acceptor& acceptor) : held_(held), acceptor_(acceptor) {}

  grpc::CallbackServerContext* NewCallbackServerContext() override { return begin<grpc::CallbackServerContext>(); }
  grpc::GenericCallbackServerContext* NewGenericCallbackServerContext() override {
    return begin<grpc::GenericCallbackServerContext>();
  }
  void Release(grpc::CallbackServerContext* context) override { end(context); }
  void Release(grpc::GenericCallbackServerContext* context) override { end(context); }

 private:
  template <class Context>
  Context* begin() {
    if (held_.begin()) acceptor_.close_busiest();
    return new Context;
  }
  template <class Context>
  void end(Context* context) {
    delete context;
    held_.end();
  }

  HeldCalls& held_;
  Acceptor& acceptor_;
};

class RateLimits final : public wire::RateLimitService::CallbackService {
 public:
  RateLimits(Checker& checker, Acceptor& acceptor, const HeldCalls& held, const EnvoySettings& settings)
      : checker_(checker),
        acceptor_(acceptor),
        held_(held),
        open_(static_cast<std::size_t>(settings.streams)),
        at_socket_(!settings.socket.empty()) {}

  grpc::ServerUnaryReactor* ShouldRateLimit(grpc::CallbackServerContext* call, const wire::RateLimitRequest* request,
                                            wire::RateLimitResponse* response) override {
    // At a socket all connections have one name. Each request has one there, and only the bound of all holds.
    const std::string connection = at_socket_ ? std::to_string(next_++) : call->peer();
    const OpenCalls::Verdict verdict = open_.begin(connection);
    Call* reactor = new Call(open_, connection);
    if (verdict == OpenCalls::Verdict::close) acceptor_.close(connection);
    if (call->IsCancelled()) {  // nobody waits for it any more: it is not charged
      reactor->Finish(grpc::Status::CANCELLED);
      return reactor;
    }
    if (verdict != OpenCalls::Verdict::go_on || held_.is_full()) {
      reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many requests are under way"});
      return reactor;
    }
    Caller caller = caller_of(*call);
    call->AddInitialMetadata("x-request-id", caller.request_id);
    checker_.check(request_of(*request), std::move(caller), [reactor, response](const Response& answer) {
      if (answer.failure == Failure::none) write(answer, *response);
      reactor->Finish(status_of(answer));
    });
    return reactor;
  }

 private:
  Checker& checker_;
  Acceptor& acceptor_;
  const HeldCalls& held_;
  OpenCalls open_;
  const bool at_socket_;
  std::atomic<std::uint64_t> next_{0};
};

int ms_of(Span span) { return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(span).count()); }

/// Nobody gets more of the door than that.
void bound(grpc::ServerBuilder& builder, const EnvoySettings& settings, const HttpBounds& times) {
  builder.SetMaxReceiveMessageSize(settings.message);
  builder.SetResourceQuota(grpc::ResourceQuota("check-service").Resize(settings.memory << 20U));
  const auto set = [&builder](const char* name, int value) { builder.AddChannelArgument(name, value); };
  set(GRPC_ARG_MAX_CONCURRENT_STREAMS, settings.streams);
  set(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadata);
  set(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, kMaxRead);
  set(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, ms_of(times.request_time));
  set(GRPC_ARG_MAX_CONNECTION_IDLE_MS, ms_of(times.idle_time));
  // A request that never ends is no reason to stay.
  set(GRPC_ARG_MAX_CONNECTION_AGE_MS, ms_of(settings.connection_time));
  set(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, ms_of(times.request_time));
  // Whoever is gone without a farewell does not answer a ping.
  set(GRPC_ARG_KEEPALIVE_TIME_MS, ms_of(times.idle_time));
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, ms_of(times.request_time));
  set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Envoy may ping, too, but not all the time.
  set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kLeastBetweenPings);
}

// --- HTTP --------------------------------------------------------------------------------------------

service::Response http_response_to(const Response& answer, std::string_view request_id) {
  switch (answer.failure) {
    case Failure::none: break;
    case Failure::refused: return response_to(Problem{400, answer.error}, request_id);
    case Failure::unavailable: return response_to(Problem{503, answer.error}, request_id);
    case Failure::internal: return response_to(Problem{500, answer.error}, request_id);
  }
  return {.status = answer.overall_code == Code::over_limit ? 429U : 200U, .body = json_of(answer)};
}

}  // namespace

struct GrpcDoor::Parts {
  Parts(const Settings& chosen, client::Client& client, Backend& backend, Log& its_log)
      : settings(chosen.envoy),
        times(chosen.http),
        log(its_log),
        book(chosen.envoy, client, its_log),
        checker(book, backend, metrics, chosen, its_log),
        held(chosen.envoy.memory),
        acceptor(chosen.envoy, held),
        service(checker, acceptor, held, chosen.envoy) {
    if (settings.uses_tls && !chosen.listen_tls.certificate.empty()) {
      tls.emplace(read_tls_files(chosen.listen_tls), chosen.listen_tls.least);
    }
  }

  [[nodiscard]] std::string metrics_text() {
    return metrics.text() +
           "# HELP check_service_envoy_reloads_total Times that the rules were read again.\n"
           "# TYPE check_service_envoy_reloads_total counter\n"
           "check_service_envoy_reloads_total{result=\"taken\"} " +
           std::to_string(book.reloads()) + "\ncheck_service_envoy_reloads_total{result=\"faulty\"} " +
           std::to_string(book.faulty_reloads()) +
           "\n# HELP check_service_envoy_connections Connections that are open.\n"
           "# TYPE check_service_envoy_connections gauge\ncheck_service_envoy_connections " +
           std::to_string(acceptor.connections()) +
           "\n# HELP check_service_envoy_held_requests Requests that have begun and hold memory.\n"
           "# TYPE check_service_envoy_held_requests gauge\ncheck_service_envoy_held_requests " +
           std::to_string(held.held()) + "\n";
  }

  const EnvoySettings& settings;
  const HttpBounds& times;  ///< those of the HTTP door hold for this one, too
  Log& log;
  EnvoyMetrics metrics{};
  RuleBook book;
  Checker checker;
  HeldCalls held;
  Acceptor acceptor;
  RateLimits service;
  std::optional<GrpcTls> tls{};  ///< none: the door is plain
  std::unique_ptr<grpc::Server> server{};
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> way_in{};  ///< of the server
  std::atomic<bool> is_serving{false};
};

GrpcDoor::GrpcDoor(const Settings& settings, client::Client& client, Backend& backend, Log& log)
    : parts_(std::make_unique<Parts>(settings, client, backend, log)) {
  ::setenv("GRPC_VERBOSITY", "NONE", 0);  // what gRPC says of itself is no JSON; who wants it sets the variable
}

/// The server first: its calls use all the rest.
GrpcDoor::~GrpcDoor() {
  parts_->book.stop();
  parts_->acceptor.stop();
  parts_->server.reset();
}

void GrpcDoor::start() {
  Parts& parts = *parts_;
  const EnvoySettings& settings = parts.settings;
  parts.acceptor.open();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  const auto credentials = parts.tls ? parts.tls->credentials() : grpc::InsecureServerCredentials();
  parts.way_in = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
  builder.RegisterService(&parts.service);
  builder.SetContextAllocator(std::make_unique<Contexts>(parts.held, parts.acceptor));
  bound(builder, settings, parts.times);
  parts.server = builder.BuildAndStart();
  if (parts.server == nullptr) throw std::runtime_error("gRPC cannot be started");
  parts.server->GetHealthCheckService()->SetServingStatus(kHealthName, true);
  parts.book.start();
  parts.acceptor.start([&way_in = *parts.way_in](int file) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = file;
    way_in.HandleNewConnection(&connection);
  });
  parts.is_serving = true;
  const bool is_socket = !settings.socket.empty();
  parts.log.write(
      Level::info, "envoy",
      {{"address", is_socket ? settings.socket : settings.address + ":" + std::to_string(parts.acceptor.port())},
       {"limiters", std::to_string(parts.book.current()->limiters().size())}});
}

void GrpcDoor::drain(std::chrono::steady_clock::time_point until) {
  parts_->is_serving = false;
  parts_->acceptor.stop();
  if (parts_->server != nullptr) {
    if (auto* health = parts_->server->GetHealthCheckService(); health != nullptr) health->SetServingStatus(false);
    // gRPC counts by the system's clock.
    parts_->server->Shutdown(std::chrono::system_clock::now() + (until - std::chrono::steady_clock::now()));
    parts_->server->Wait();
  }
}

void GrpcDoor::renew(const TlsFiles& files) {
  if (parts_->tls) parts_->tls->renew(files);
}

void GrpcDoor::reload() { parts_->book.reload(); }

EnvoyPaths GrpcDoor::paths() {
  Parts& parts = *parts_;
  EnvoyPaths paths;
  paths.json = [&parts](const std::string& body, const Context& context,
                        const std::function<void(service::Response)>& respond) {
    std::optional<Request> request = request_of_json(body);
    if (!request) {
      return respond(response_to(Problem{400, "the body must be a RateLimitRequest as JSON"}, context.trace));
    }
    Caller caller{.deadline = context.deadline, .request_id = std::string(context.trace), .path = "/json"};
    std::string id = caller.request_id;
    parts.checker.check(std::move(*request), std::move(caller), [respond, id = std::move(id)](const Response& answer) {
      respond(http_response_to(answer, id));
    });
  };
  paths.rules = [&parts] { return parts.book.current()->dump(); };
  paths.is_serving = [&parts] { return parts.is_serving.load(); };
  paths.metrics = [&parts] { return parts.metrics_text(); };
  return paths;
}

std::optional<std::string> fault_in_rules(const EnvoySettings& settings) {
  if (settings.rules.empty()) return std::nullopt;
  const ReadRules read = read_rules(settings);
  const auto* faults = std::get_if<std::vector<RuleFault>>(&read);
  return faults == nullptr ? std::nullopt : std::optional<std::string>(text_of(*faults));
}

}  // namespace ratelimit::service::envoy
