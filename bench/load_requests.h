// SPDX-License-Identifier: MIT
// The requests that bench_load sends, built beforehand. Needs the standard library only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "load_options.h"

namespace load {

// That of zlib, gzip and Ethernet.
inline std::uint32_t crc32(std::string_view text) {
  std::uint32_t crc = 0xffffffff;
  for (const char each : text) {
    crc ^= static_cast<unsigned char>(each);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? (crc >> 1U) ^ 0xedb88320U : crc >> 1U;
  }
  return ~crc;
}

// One cycle over the subjects, as bytes. A cycle shorter than what the connections may have in flight is repeated.
class Requests {
 public:
  explicit Requests(const Options& options) {
    std::vector<std::uint32_t> order = subjects_of(options);
    std::shuffle(order.begin(), order.end(), std::mt19937_64{options.seed});
    const auto keys = std::transform_reduce(
        options.command.begin(), options.command.end(), std::size_t{1},
        [](std::size_t a, std::size_t b) { return std::max(a, b); }, keys_in);
    const std::size_t a_cycle = std::max<std::size_t>(order.size() / keys, 1);
    const std::size_t enough = std::max(std::size_t{options.clients} * options.pipeline, a_cycle);
    // With turns, each subject is asked in either way, one after the other.
    const bool has_turns = std::any_of(options.command.begin(), options.command.end(),
                                       [](const std::string& argument) { return argument.starts_with(kTurn); });
    for (std::size_t round = 0; ends_.size() < enough || (has_turns && round % 2 == 1); ++round) {
      for (std::size_t i = 0; i < a_cycle; ++i) append(options, order, i, (i + round) % 2 == 0);
    }
  }

  struct Slice {
    std::string_view bytes;
    std::size_t count;
  };

  // The next requests, at most `want` of them, which is 1 or more; fewer where the cycle ends.
  Slice next(std::size_t want) {
    if (next_ == ends_.size()) next_ = 0;
    const std::size_t from = next_ == 0 ? 0 : ends_[next_ - 1];
    const std::size_t count = std::min(want, ends_.size() - next_);
    next_ += count;
    return {std::string_view{bytes_}.substr(from, ends_[next_ - 1] - from), count};
  }

 private:
  // `{turn:A|B}` is A and B by turns.
  static constexpr std::string_view kTurn = "{turn:";

  static std::string in_turn(const std::string& argument, bool first) {
    const std::size_t bar = argument.find('|');
    if (first) return argument.substr(kTurn.size(), bar - kTurn.size());
    return argument.substr(bar + 1, argument.size() - bar - 2);
  }

  // `{keys:N}` is the next N subjects in the shuffled order.
  static constexpr std::string_view kKeys = "{keys:";

  static std::size_t keys_in(const std::string& argument) {
    return argument.starts_with(kKeys) ? std::stoul(argument.substr(kKeys.size())) : 1;
  }

  // All subjects, or those of the parts that are asked for.
  static std::vector<std::uint32_t> subjects_of(const Options& options) {
    std::vector<std::uint32_t> found(options.subjects);
    std::iota(found.begin(), found.end(), 0U);
    if (options.owned.empty()) return found;
    std::erase_if(found, [&](std::uint32_t subject) {
      const std::uint32_t part = part_of(options, subject);
      return std::find(options.owned.begin(), options.owned.end(), part) == options.owned.end();
    });
    if (found.empty()) throw std::runtime_error{"no subject belongs to these parts"};
    return found;
  }

  // As docs/scaling-out.md says it.
  static std::uint32_t part_of(const Options& options, std::uint32_t subject) {
    return crc32(key_of(options, subject)) % options.parts;
  }

  static std::string key_of(const Options& options, std::uint32_t subject) {
    const std::string digits = std::to_string(subject);
    return options.prefix + std::string(9 - std::min<std::size_t>(9, digits.size()), '0') + digits;
  }

  void append(const Options& options, const std::vector<std::uint32_t>& order, std::size_t at, bool first) {
    const std::size_t words =
        std::transform_reduce(options.command.begin(), options.command.end(), std::size_t{0}, std::plus<>{}, keys_in);
    append_count('*', words);
    for (std::string argument : options.command) {
      if (argument.starts_with(kKeys)) {
        const std::size_t keys = keys_in(argument);
        for (std::size_t i = 0; i < keys; ++i) {
          append_word(key_of(options, order[(at * keys + i) % order.size()]));
        }
        continue;
      }
      if (argument.starts_with(kTurn)) argument = in_turn(argument, first);
      if (const auto place = argument.find("{key}"); place != std::string::npos) {
        argument.replace(place, 5, key_of(options, order[at]));
      }
      if (const auto place = argument.find("{part}"); place != std::string::npos && options.parts > 0) {
        argument.replace(place, 6, std::to_string(part_of(options, order[at])));
      }
      append_word(argument);
    }
    ends_.push_back(bytes_.size());
  }

  void append_word(const std::string& word) {
    append_count('$', word.size());
    bytes_.append(word).append("\r\n");
  }

  void append_count(char kind, std::size_t count) {
    bytes_.append(1, kind).append(std::to_string(count)).append("\r\n");
  }

  std::string bytes_;
  std::vector<std::size_t> ends_;  // ends_[i]: where request i stops
  std::size_t next_ = 0;
};

}  // namespace load
