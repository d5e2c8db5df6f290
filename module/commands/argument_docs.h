// SPDX-License-Identifier: MIT
// The arguments of each command as COMMAND DOCS describes them, made from the forms at compile time.
#ifndef RATELIMIT_MODULE_COMMANDS_ARGUMENT_DOCS_H
#define RATELIMIT_MODULE_COMMANDS_ARGUMENT_DOCS_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "commands/forms.h"
#include "ratelimit/algorithms/limit_spec.h"
#include "ratelimit/any_algorithm.h"
#include "ratelimit/grammar/grammar.h"
#include "server/api.h"

namespace ratelimit {
namespace docs {

using server::ArgumentDoc;

/// At most N arguments.
template <std::size_t N>
struct List {
  std::array<ArgumentDoc, N> docs{};
  std::size_t size = 0;

  constexpr void add(const ArgumentDoc& doc) { docs[size++] = doc; }
  [[nodiscard]] constexpr std::span<const ArgumentDoc> span() const { return {docs.data(), size}; }
};

/// The name of an argument that is a keyword: `PER REQUEST` is called `per-request`.
struct Name {
  std::array<char, 16> text{};

  constexpr Name() = default;
  constexpr explicit Name(std::string_view keyword, std::string_view second_word = {}) {
    std::size_t size = 0;
    for (const char c : keyword) text[size++] = lower(c);
    if (!second_word.empty()) text[size++] = '-';
    for (const char c : second_word) text[size++] = lower(c);
  }
  static constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
};

/// Keywords of two words, as the server shows them.
struct Token {
  std::array<char, 16> text{};

  constexpr Token() = default;
  constexpr Token(std::string_view keyword, std::string_view second_word) {
    std::size_t size = 0;
    for (const char c : keyword) text[size++] = c;
    if (!second_word.empty()) text[size++] = ' ';
    for (const char c : second_word) text[size++] = c;
  }
};

inline constexpr auto kOptionNames = [] {
  std::array<Name, kOptionCount> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = Name(kOptions[i].keyword, kOptions[i].second_word);
  return names;
}();
inline constexpr auto kOptionTokens = [] {
  std::array<Token, kOptionCount> tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = Token(kOptions[i].keyword, kOptions[i].second_word);
  return tokens;
}();

// The words of a choice.
template <const auto& kWords>
inline constexpr auto kNames = [] {
  std::array<Name, kWords.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = Name(kWords[i]);
  return names;
}();
template <const auto& kWords>
inline constexpr auto kChoices = [] {
  std::array<ArgumentDoc, kWords.size()> docs{};
  for (std::size_t i = 0; i < docs.size(); ++i) {
    docs[i] = {.name = kNames<kWords>[i].text.data(), .type = ArgumentDoc::Type::token, .token = kWords[i].data()};
  }
  return docs;
}();

constexpr std::span<const ArgumentDoc> choices_of(Argument argument) {
  switch (argument) {
    case Argument::unit: return kChoices<kCalendarWords>;
    case Argument::effect_kind: return kChoices<kEffectWords>;
    default: return {};
  }
}

constexpr ArgumentDoc::Type type_of(ArgumentKind kind) {
  switch (kind) {
    case ArgumentKind::key: return ArgumentDoc::Type::key;
    case ArgumentKind::integer: return ArgumentDoc::Type::integer;
    case ArgumentKind::choice: return ArgumentDoc::Type::one_of;
    case ArgumentKind::flag:
    case ArgumentKind::alternatives: return ArgumentDoc::Type::token;
    case ArgumentKind::duration:
    case ArgumentKind::bytes:
    case ArgumentKind::label:
    case ArgumentKind::text: return ArgumentDoc::Type::string;
  }
  return ArgumentDoc::Type::string;
}

constexpr ArgumentDoc word(Argument argument) {
  const ArgumentRow& row = row_of(argument);
  return {.name = row.name,
          .type = type_of(row.kind),
          .parts = choices_of(argument),
          .number = static_cast<std::uint8_t>(argument)};
}

// The values of the option that has two.
inline constexpr std::array kPartsOfCharge{word(Argument::charged_label), word(Argument::charged_cost)};

constexpr ArgumentDoc option(Option option) {
  const OptionRow& row = row_of(option);
  const auto i = static_cast<std::size_t>(option);
  if (option == Option::charge) {
    return {.name = kOptionNames[i].text.data(),
            .type = ArgumentDoc::Type::block,
            .token = kOptionTokens[i].text.data(),
            .repeats = true,
            .repeats_token = true,
            .parts = kPartsOfCharge};
  }
  return {.name = has_value(row) ? row_of(row.argument).name : kOptionNames[i].text.data(),
          .type = type_of(row_of(row.argument).kind),
          .token = kOptionTokens[i].text.data()};
}

constexpr ArgumentDoc optional(ArgumentDoc doc) {
  doc.optional = true;
  return doc;
}

// A limit: one of the algorithms with its numbers and options, and then the options of any.
inline constexpr auto kAlgorithmNames = [] {
  std::array<Name, kAlgorithms.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = Name(keyword(kAlgorithms[i].algorithm));
  return names;
}();
inline constexpr auto kPartsOfAlgorithms = [] {
  std::array<List<8>, kAlgorithms.size()> all;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const AlgorithmRow& row = kAlgorithms[i];
    all[i].add({.name = kAlgorithmNames[i].text.data(),
                .type = ArgumentDoc::Type::token,
                .token = keyword(row.algorithm).data()});
    all[i].add(word(row.size));
    if (row.rate != Argument::none) all[i].add(word(row.rate));
    all[i].add(word(row.span));
    for (const Option one : row.options) all[i].add(optional(option(one)));
  }
  return all;
}();
inline constexpr auto kAlgorithmDocs = [] {
  std::array<ArgumentDoc, kAlgorithms.size()> docs{};
  for (std::size_t i = 0; i < docs.size(); ++i) {
    docs[i] = {.name = kAlgorithmNames[i].text.data(),
               .type = ArgumentDoc::Type::block,
               .parts = kPartsOfAlgorithms[i].span()};
  }
  return docs;
}();
inline constexpr auto kPartsOfLimit = [] {
  List<4> parts;
  parts.add({.name = "algorithm", .type = ArgumentDoc::Type::one_of, .parts = kAlgorithmDocs});
  for (const Option one : kAnyLimitOptions) parts.add(optional(option(one)));
  return parts;
}();

/// The arguments of the commands of one form.
template <const Form& kForm>
class OfForm {
  static constexpr ArgumentDoc option_of_form(Option one) {
    ArgumentDoc doc = option(one);
    doc.repeats |= row_of(one).ends_call || (row_of(one).is_for_each_key && kForm.has_many_keys());
    doc.optional = !row_of(one).ends_call;
    return doc;
  }

  /// The options of a form of which a call has one, for each first one of them.
  static constexpr auto kAlternatives = [] {
    std::array<List<4>, kOptionCount> all;
    for (const Option first : kForm.options) {
      for (const Option other : kForm.options) {
        if (!excluded_by(first).has(other)) continue;
        ArgumentDoc doc = option_of_form(other);
        doc.optional = false;  // one of them is given
        all[static_cast<std::size_t>(first)].add(doc);
      }
    }
    return all;
  }();

  static constexpr void add_option(List<24>& list, Option one) {
    const OptionRow& row = row_of(one);
    const List<4>& alternatives = kAlternatives[static_cast<std::size_t>(one)];
    if (one == Option::limit) {
      list.add({.name = "limit",
                .type = ArgumentDoc::Type::block,
                .optional = true,
                .repeats = true,
                .parts = kPartsOfLimit.span()});
    } else if (alternatives.size == 1) {
      list.add(option_of_form(one));
    } else if (alternatives.docs[0].token == option(one).token) {  // the first of them stands for all
      list.add({.name = row_of(row.one_of).name,
                .type = ArgumentDoc::Type::one_of,
                .optional = true,
                .parts = alternatives.span()});
    }
  }

 public:
  static constexpr auto kList = [] {
    List<24> list;
    for (std::size_t i = 0; i < kForm.words.size(); ++i) {
      ArgumentDoc doc = word(kForm.words[i]);
      doc.repeats = doc.type == ArgumentDoc::Type::key && kForm.has_many_keys();
      list.add(doc);
    }
    if (kForm.last != Argument::none) list.add(optional(word(kForm.last)));
    for (const Option one : kForm.options) add_option(list, one);
    return list;
  }();
};

constexpr int least_words(std::span<const ArgumentDoc> arguments);

/// The fewest words that an argument takes.
constexpr int least_words(const ArgumentDoc& argument) {
  if (argument.optional) return 0;
  const int keyword = argument.token != nullptr ? 1 : 0;
  if (argument.type == ArgumentDoc::Type::token) return keyword;
  if (argument.parts.empty()) return keyword + 1;
  if (argument.type != ArgumentDoc::Type::one_of) return keyword + least_words(argument.parts);
  int least = least_words(argument.parts[0]);
  for (const ArgumentDoc& part : argument.parts) least = std::min(least, least_words(part));
  return keyword + least;
}

/// The fewest words that a list of arguments takes.
constexpr int least_words(std::span<const ArgumentDoc> arguments) {
  int words = 0;
  for (const ArgumentDoc& argument : arguments) words += least_words(argument);
  return words;
}

}  // namespace docs

/// The arguments of a command of this form.
template <const Form& kForm>
constexpr std::span<const server::ArgumentDoc> arguments_of() {
  return docs::OfForm<kForm>::kList.span();
}

}  // namespace ratelimit

#endif  // RATELIMIT_MODULE_COMMANDS_ARGUMENT_DOCS_H
