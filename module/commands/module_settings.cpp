// SPDX-License-Identifier: MIT
#include "commands/module_settings.h"

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>

#include "ratelimit/grammar/arguments.h"
#include "ratelimit/grammar/grammar.h"
#include "server/config.h"

namespace ratelimit {
namespace {

void read(Arguments& arguments, Argument setting, Settings& settings) {
  switch (setting) {
    case Argument::near_percent: settings.near_percent = arguments.integer(setting); return;
    case Argument::notify: settings.notify = static_cast<Notify>(arguments.choice(setting)); return;
    case Argument::notify_rate: settings.notify_rate = arguments.integer(setting); return;
    case Argument::log_length: settings.history.log_length = arguments.integer(setting); return;
    case Argument::top_size: settings.history.top_size = arguments.integer(setting); return;
    case Argument::cl_throttle: settings.has_cl_throttle = kFlagWords[arguments.choice(setting)] == "yes"; return;
    default: return;
  }
}

std::string value_of(Argument setting, const Settings& settings) {
  switch (setting) {
    case Argument::near_percent: return std::to_string(settings.near_percent);
    case Argument::notify: return std::string(kNotifyWords[static_cast<std::size_t>(settings.notify)]);
    case Argument::notify_rate: return std::to_string(settings.notify_rate);
    case Argument::log_length: return std::to_string(settings.history.log_length);
    case Argument::top_size: return std::to_string(settings.history.top_size);
    case Argument::cl_throttle: return settings.has_cl_throttle ? "yes" : "no";
    default: return {};
  }
}

}  // namespace

std::optional<Fault> parse_module_words(std::span<const std::string_view> words, LoadRequest& request) {
  Arguments arguments(words);
  std::bitset<kArguments.size()> given;
  while (!arguments.at_end()) {
    if (arguments.take("DEBUG")) {
      request.debug = true;
      continue;
    }
    const std::optional<Argument> setting = arguments.take_name(kSettings);
    if (!setting) return Fault{Fault::Kind::unknown_module_argument};
    const auto place = static_cast<std::size_t>(*setting);
    if (given[place]) return Fault{Fault::Kind::repeated, *setting};
    given.set(place);
    read(arguments, *setting, request.settings);
  }
  return arguments.fault();
}

bool register_settings(server::Context context, Settings& settings) {
  const auto number = [&context](Argument setting, std::int64_t& place) {
    const ArgumentRow& row = row_of(setting);
    return server::register_number(context, row.name, place, row.least, row.most);
  };
  const ArgumentRow& notify = row_of(Argument::notify);
  return number(Argument::near_percent, settings.near_percent) &&
         server::register_choice(context, notify.name, settings.notify, notify.choices) &&
         number(Argument::notify_rate, settings.notify_rate) &&
         number(Argument::log_length, settings.history.log_length) &&
         number(Argument::top_size, settings.history.top_size) &&
         server::register_fixed_flag(context, row_of(Argument::cl_throttle).name, settings.has_cl_throttle) &&
         server::load_settings(context);
}

std::string text_of(const Settings& settings) {
  std::string text;
  for (const Argument setting : kSettings) {
    if (!text.empty()) text.append(", ");
    text.append(row_of(setting).name).append(" ").append(value_of(setting, settings));
  }
  return text;
}

}  // namespace ratelimit
