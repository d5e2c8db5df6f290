// SPDX-License-Identifier: MIT
// What bench_load was asked for, from its words. Needs the standard library only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace load {

using Seconds = std::chrono::duration<double>;

struct Options {
  std::uint16_t port = 6379;
  std::uint32_t database = 0;
  std::string prefix = "key:";
  std::uint32_t subjects = 100'000;
  std::uint32_t clients = 50;
  std::uint32_t pipeline = 32;
  std::uint64_t seed = 1;
  std::uint64_t calls = 0;   // 0: as many as `time` allows
  std::uint64_t rate = 0;    // calls a second, by schedule; 0: as fast as the server answers
  std::string denial = "0";  // the integer at the head of a reply that denies
  Seconds time{1.0};
  Seconds warm_up{0.0};              // asked, but not counted
  bool waits = false;                // says when it is ready, and begins when it is told
  std::uint32_t parts = 0;           // of a limiter that is split; 0: there are none
  std::vector<std::uint32_t> owned;  // only subjects of these parts are asked about
  std::vector<std::string> command;
};

inline std::uint32_t count(const std::string& text) {
  const unsigned long value = std::stoul(text);
  if (value == 0 || value > 1'000'000'000) throw std::runtime_error{"a count must be from 1 to 10^9"};
  return static_cast<std::uint32_t>(value);
}

inline std::vector<std::uint32_t> numbers(const std::string& text) {
  std::vector<std::uint32_t> found;
  std::istringstream words{text};
  for (std::string word; std::getline(words, word, ',');) found.push_back(static_cast<std::uint32_t>(std::stoul(word)));
  return found;
}

inline Options parse(const std::vector<std::string>& words) {
  Options options;
  const std::map<std::string, std::function<void(const std::string&)>> setters{
      {"--port", [&](const std::string& text) { options.port = static_cast<std::uint16_t>(count(text)); }},
      {"--database", [&](const std::string& text) { options.database = static_cast<std::uint32_t>(std::stoul(text)); }},
      {"--denial", [&](const std::string& text) { options.denial = text; }},
      {"--prefix", [&](const std::string& text) { options.prefix = text; }},
      {"--subjects", [&](const std::string& text) { options.subjects = count(text); }},
      {"--clients", [&](const std::string& text) { options.clients = count(text); }},
      {"--pipeline", [&](const std::string& text) { options.pipeline = count(text); }},
      {"--seed", [&](const std::string& text) { options.seed = std::stoull(text); }},
      {"--calls", [&](const std::string& text) { options.calls = count(text); }},
      {"--rate", [&](const std::string& text) { options.rate = count(text); }},
      {"--seconds", [&](const std::string& text) { options.time = Seconds{std::stod(text)}; }},
      {"--warm-up", [&](const std::string& text) { options.warm_up = Seconds{std::stod(text)}; }},
      {"--waits", [&](const std::string& text) { options.waits = text == "yes"; }},
      {"--parts", [&](const std::string& text) { options.parts = count(text); }},
      {"--owned", [&](const std::string& text) { options.owned = numbers(text); }},
  };
  auto word = words.begin();
  for (; word != words.end() && *word != "--"; ++word) {
    const auto setter = setters.find(*word);
    if (setter == setters.end() || ++word == words.end())
      throw std::runtime_error{"an option is unknown or has no value"};
    setter->second(*word);
  }
  if (word == words.end() || ++word == words.end()) throw std::runtime_error{"no command after --"};
  options.command.assign(word, words.end());
  return options;
}

}  // namespace load
