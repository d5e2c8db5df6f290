// SPDX-License-Identifier: MIT
// The door for Envoy: its rate-limit protocol over gRPC, with the health service of gRPC; and what the HTTP door answers of
// it. Depends on the checker and on gRPC, which no other file knows.
#ifndef RATELIMIT_SERVICE_ENVOY_GRPC_DOOR_H
#define RATELIMIT_SERVICE_ENVOY_GRPC_DOOR_H

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "backend.h"
#include "door.h"
#include "http/envoy_paths.h"
#include "log.h"
#include "ratelimit/client.h"
#include "settings.h"

namespace ratelimit::service::envoy {

class GrpcDoor final : public Door {
 public:
  /// Throws std::runtime_error if the rules are wrong, or a file of the certificate cannot be read. The arguments must
  /// outlive the door, and its calls to the backend must be answered before it is destroyed.
  GrpcDoor(const Settings& settings, client::Client& client, Backend& backend, Log& log);
  ~GrpcDoor() override;

  void start() override;
  void renew(const TlsFiles& files) override;
  void drain(std::chrono::steady_clock::time_point until) override;

  /// Reads the rules again. Any thread may call it.
  void reload();
  /// They borrow the door.
  [[nodiscard]] EnvoyPaths paths();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// What is wrong with the rules of the settings; none if all is well, or if there are none.
[[nodiscard]] std::optional<std::string> fault_in_rules(const EnvoySettings& settings);

}  // namespace ratelimit::service::envoy

#endif  // RATELIMIT_SERVICE_ENVOY_GRPC_DOOR_H
