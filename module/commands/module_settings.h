// SPDX-License-Identifier: MIT
// The settings of the module: how they are told behind its path when it is loaded, and what the server is told of them.
#ifndef RATELIMIT_MODULE_COMMANDS_MODULE_SETTINGS_H
#define RATELIMIT_MODULE_COMMANDS_MODULE_SETTINGS_H

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "keyspace/settings.h"
#include "ratelimit/grammar/fault.h"
#include "server/context.h"

namespace ratelimit {

/// What the words behind the module's path ask for.
struct LoadRequest {
  Settings settings;
  bool debug = false;  ///< whether there is RL.DEBUG
};

/// Reads these words: each setting with its value, and DEBUG, in any order. The first word is the name of the module.
[[nodiscard]] std::optional<Fault> parse_module_words(std::span<const std::string_view> words, LoadRequest& request);

/// Registers the settings with the server, and lets it set them. What they are before is their default. False if the server
/// refuses.
[[nodiscard]] bool register_settings(server::Context context, Settings& settings);

/// The settings, as they are told behind the module's path: `near-percent 80, notify off, ...`.
[[nodiscard]] std::string text_of(const Settings& settings);

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_MODULE_SETTINGS_H
