// SPDX-License-Identifier: MIT
// The grammar that the pages show, and the one that the parser knows, are the same.
//
// The test reads the syntax lines of the pages, which are made from the command table, in a small parser of their own:
// it knows nothing of how the module reads a call. Every documented form of a command is then given to the module's
// parser, and whatever the module's parser takes, out of an enumeration of words, must be documented.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/command_table.h"
#include "commands/forms.h"
#include "commands/requests.h"
#include "commands/syntax.h"
#include "ratelimit/grammar/error_text.h"
#include "ratelimit/grammar/fault.h"
#include "ratelimit/grammar/limit_text.h"

namespace ratelimit {
namespace {

using Texts = std::vector<std::string>;

std::string join(const Texts& words) {
  std::string line;
  for (const std::string& word : words) line.append(line.empty() ? "" : " ").append(word);
  return line;
}

// --- the notation of the pages ----------------------------------------------------------------------

/// What a syntax line is made of. A line `A b [C d] <E | F> g [g ...]` is a sequence of a keyword, a value, what may be
/// left out, a choice, and a value that is given once or more.
struct Node {
  enum class Kind { keyword, value, sequence, choice, optional, repeated };
  Kind kind;
  std::string text{};  ///< of a keyword or a value
  std::vector<Node> parts{};

  friend bool operator==(const Node&, const Node&) = default;
};

/// Reads the notation. What follows `name :=` is put in the place of that name.
class SyntaxReader {
 public:
  static Node read(const std::string& syntax) {
    std::istringstream lines(syntax);
    std::string line;
    std::string rule;
    std::getline(lines, line);
    std::map<std::string, Node> definitions;
    while (std::getline(lines, rule)) {
      const std::size_t end = rule.find(" := ");
      definitions.emplace(rule.substr(0, end), SyntaxReader(rule.substr(end + 4), {}).sequence());
    }
    return SyntaxReader(line, definitions).sequence();
  }

 private:
  SyntaxReader(const std::string& line, std::map<std::string, Node> definitions)
      : definitions_(std::move(definitions)) {
    std::string token;
    for (const char c : line + ' ') {
      const bool is_bracket = std::string_view("[]<>|").find(c) != std::string_view::npos;
      if (c != ' ' && !is_bracket) {
        token += c;
        continue;
      }
      if (!token.empty()) tokens_.push_back(std::exchange(token, {}));
      if (is_bracket) tokens_.emplace_back(1, c);
    }
  }

  [[nodiscard]] bool is_next(std::string_view token) const { return next_ < tokens_.size() && tokens_[next_] == token; }

  bool take(std::string_view token) {
    if (!is_next(token)) return false;
    ++next_;
    return true;
  }

  Node sequence() {
    Node all{Node::Kind::sequence};
    while (next_ < tokens_.size() && !is_next("]") && !is_next(">") && !is_next("|") && !is_next("...")) {
      Node part = item();
      if (part.kind == Node::Kind::repeated) {
        // `a [a ...]`: what is repeated stands once in front of it.
        EXPECT_GE(all.parts.size(), part.parts.size());
        const auto first = all.parts.end() - static_cast<std::ptrdiff_t>(part.parts.size());
        EXPECT_TRUE(std::equal(first, all.parts.end(), part.parts.begin())) << "at " << next_;
        all.parts.erase(first, all.parts.end());
      }
      all.parts.push_back(std::move(part));
    }
    return all;
  }

  Node item() {
    if (take("[")) {
      Node inside = sequence();
      inside.kind = take("...") ? Node::Kind::repeated : Node::Kind::optional;
      EXPECT_TRUE(take("]"));
      return inside;
    }
    if (take("<")) {
      Node choice{Node::Kind::choice};
      do choice.parts.push_back(sequence());
      while (take("|"));
      EXPECT_TRUE(take(">"));
      return choice;
    }
    const std::string word = tokens_[next_++];
    if (const auto found = definitions_.find(word); found != definitions_.end()) return found->second;
    const bool is_keyword = std::none_of(word.begin(), word.end(), [](unsigned char c) { return std::islower(c); });
    return {is_keyword ? Node::Kind::keyword : Node::Kind::value, word};
  }

  std::map<std::string, Node> definitions_;
  Texts tokens_;
  std::size_t next_ = 0;
};

/// What stands for a value of that name. What repeats does so for each key, if there is a number of keys. No key is
/// named twice.
std::string example(const std::string& name, bool is_throttle, std::size_t times, std::size_t repetition) {
  const std::set<std::string> durations{"period", "window", "lease", "ttl", "d"};
  if (name == "numkeys") return std::to_string(times);
  if (name == "key" && repetition > 0) return "k" + std::to_string(repetition);
  if (name == "to") return "another key";
  if (name == "label" && repetition > 0) return "label-" + std::to_string(repetition);
  if (name == "date") return "2026-01-31T06:00";
  if (name == "zone") return "Europe/Berlin";
  return durations.contains(name) && !is_throttle ? "5s" : "5";
}

// --- all documented forms ---------------------------------------------------------------------------

/// Makes the forms of a command: what repeats is there `times` times; of what may be left out, up to three are given, in
/// every order, and once all of them.
class FormMaker {
 public:
  FormMaker(bool is_throttle, std::size_t times, std::size_t repetition = 0)
      : is_throttle_(is_throttle), times_(times), repetition_(repetition) {}

  [[nodiscard]] std::vector<Texts> forms_of(const Node& node) const {
    switch (node.kind) {
      case Node::Kind::keyword: return {{node.text}};
      case Node::Kind::value: return {{example(node.text, is_throttle_, times_, repetition_)}};
      case Node::Kind::choice: return forms_of_choice(node);
      case Node::Kind::repeated: return forms_of_repeated(node);
      case Node::Kind::sequence:
      case Node::Kind::optional: return forms_of_sequence(node);
    }
    return {};
  }

 private:
  static std::vector<Texts> joined(const std::vector<Texts>& all_first, const std::vector<Texts>& all_then) {
    std::vector<Texts> all;
    for (const Texts& first : all_first) {
      for (const Texts& then : all_then) {
        all.push_back(first);
        all.back().insert(all.back().end(), then.begin(), then.end());
      }
    }
    return all;
  }

  [[nodiscard]] std::vector<Texts> forms_of_choice(const Node& node) const {
    std::vector<Texts> all;
    for (const Node& part : node.parts) {
      for (Texts& form : forms_of(part)) all.push_back(std::move(form));
    }
    return all;
  }

  /// Each form is followed by the one after it in the list: not all pairs, of which there are too many.
  [[nodiscard]] std::vector<Texts> forms_of_repeated(const Node& node) const {
    std::vector<Texts> all;
    for (std::size_t repetition = 0; repetition < times_; ++repetition) {
      const std::vector<Texts> once = FormMaker(is_throttle_, times_, repetition).forms_of_sequence(node);
      all.resize(once.size());
      for (std::size_t i = 0; i < once.size(); ++i) {
        const Texts& form = once[(i + repetition) % once.size()];
        all[i].insert(all[i].end(), form.begin(), form.end());
      }
    }
    return all;
  }

  [[nodiscard]] std::vector<Texts> forms_of_sequence(const Node& node) const {
    std::vector<Texts> all{{}};
    std::vector<const Node*> left_out;
    for (const Node& part : node.parts) {
      if (part.kind == Node::Kind::optional) {
        left_out.push_back(&part);
      } else {
        all = joined(all, forms_of(part));
      }
    }
    std::vector<Texts> with_options;
    add_choices(all, left_out, 3, with_options);
    if (left_out.size() <= 3) return with_options;
    for (const Node* option : left_out) all = joined(all, {forms_of(*option).back()});
    with_options.insert(with_options.end(), all.begin(), all.end());
    return with_options;
  }

  /// Adds `all`, and `all` followed by up to `most` of the options, in every order.
  void add_choices(const std::vector<Texts>& all, const std::vector<const Node*>& options, std::size_t most,
                   std::vector<Texts>& result) const {
    result.insert(result.end(), all.begin(), all.end());
    if (most == 0) return;
    for (std::size_t i = 0; i < options.size(); ++i) {
      std::vector<const Node*> others = options;
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
      add_choices(joined(all, forms_of(*options[i])), others, most - 1, result);
    }
  }

  bool is_throttle_;
  std::size_t times_;
  std::size_t repetition_;
};

/// The syntax of a command in two parts. The second has what can only stand at its end: a keyword whose values go on to
/// the end of the call, however many they are. Mostly there is nothing in it.
struct Syntax {
  Node begin{Node::Kind::sequence};
  Node end{Node::Kind::sequence};

  explicit Syntax(const Command& command) : begin(SyntaxReader::read(syntax_of(command))) {
    std::vector<Node>& parts = begin.parts;
    const bool has_end = parts.back().kind == Node::Kind::repeated && parts[1].text != "numkeys";
    if (!has_end || parts[parts.size() - 2].kind != Node::Kind::keyword) return;
    end.parts.assign(parts.end() - 2, parts.end());
    parts.resize(parts.size() - 2);
  }

  /// The forms with `times` of what repeats.
  [[nodiscard]] std::vector<Texts> forms(bool is_throttle, std::size_t times) const {
    const FormMaker maker(is_throttle, times);
    const Texts last = maker.forms_of(end).front();
    std::vector<Texts> all = maker.forms_of(begin);
    for (Texts& form : all) form.insert(form.end(), last.begin(), last.end());
    return all;
  }
};

bool is_throttle(const Command& command) { return command.name == std::string_view("CL.THROTTLE"); }

std::vector<Texts> forms_of(const Command& command) {
  std::vector<Texts> all;
  for (const std::size_t times : {1U, 2U}) {
    for (Texts& form : Syntax(command).forms(is_throttle(command), times)) all.push_back(std::move(form));
  }
  return all;
}

// --- what is documented -----------------------------------------------------------------------------

/// A keyword and what belongs to it, such as `QUOTA limit DAY`, with the options that may follow it.
struct Phrase {
  std::vector<Node> words;
  std::vector<Phrase> options{};
  std::size_t of = 0;  ///< phrases that exclude each other have the same number
  bool repeats = false;
};

/// The ways to say a part of a syntax.
std::vector<Phrase> phrases_of(const Node& node) {
  if (node.kind == Node::Kind::keyword || node.kind == Node::Kind::value) return {{.words = {node}}};
  if (node.kind == Node::Kind::choice) {
    std::vector<Phrase> all;
    for (const Node& part : node.parts) {
      for (Phrase& phrase : phrases_of(part)) all.push_back(std::move(phrase));
    }
    return all;
  }
  std::vector<Phrase> all{{}};
  for (const Node& part : node.parts) {
    std::vector<Phrase> next;
    for (const Phrase& start : all) {
      for (const Phrase& then : phrases_of(part)) {
        Phrase phrase = start;
        const bool is_value = part.kind == Node::Kind::repeated && then.words.front().kind == Node::Kind::value;
        if (part.kind == Node::Kind::optional) {
          continue;
        }
        if (is_value) {
          phrase.words.push_back(part);  // as often as there are keys
        } else {
          phrase.words.insert(phrase.words.end(), then.words.begin(), then.words.end());
        }
        phrase.options.insert(phrase.options.end(), then.options.begin(), then.options.end());
        next.push_back(std::move(phrase));
      }
    }
    if (part.kind != Node::Kind::optional) {
      all = std::move(next);
      continue;
    }
    for (Phrase& phrase : all) {
      const std::size_t number = phrase.options.size() + 1000 * node.parts.size();
      for (Phrase& option : phrases_of(part)) {
        option.of = number;
        phrase.options.push_back(std::move(option));
      }
    }
  }
  return all;
}

/// A command as documented: values in their order, and then, in any order, what begins with a keyword. An option of a
/// limit belongs to the limit before it. docs/commands/README.md says so.
class Documented {
 public:
  explicit Documented(const Command& command) {
    const Syntax syntax(command);
    for (const Node& part : syntax.begin.parts) add(part);
    if (!syntax.end.parts.empty()) end_ = syntax.end.parts.front().text;
  }

  [[nodiscard]] bool has(const Texts& words) const {
    std::size_t at = 0;
    std::size_t keys = 1;
    if (!match(front_, words, at, keys)) return false;
    bool may_have_last = has_last_;  // before or behind options
    std::set<std::size_t> given;
    std::set<std::size_t> given_to_limit;
    const Phrase* limit = nullptr;
    while (at < words.size() && (end_.empty() || words[at] != end_)) {
      if (limit != nullptr && take(limit->options, words, at, keys, given_to_limit) != nullptr) continue;
      const Phrase* taken = take(behind_, words, at, keys, given);
      if (taken == nullptr && !may_have_last) return false;
      if (taken == nullptr) {
        may_have_last = false;
        ++at;
        continue;
      }
      if (!taken->options.empty()) {
        limit = taken;
        given_to_limit.clear();
      }
    }
    if (!end_.empty() && words.size() - at < 2) return false;  // the keyword, and one value at least
    return std::all_of(required_.begin(), required_.end(), [&](std::size_t one) { return given.contains(one); });
  }

  /// The keywords that may begin what is behind the values, those of limits and of their options among them.
  [[nodiscard]] std::set<std::string> keywords() const {
    std::set<std::string> all;
    if (!end_.empty()) all.insert(end_);
    for (const Phrase& phrase : behind_) {
      all.insert(phrase.words.front().text);
      for (const Phrase& option : phrase.options) all.insert(option.words.front().text);
    }
    return all;
  }

  /// An example of each phrase; two of one that is longer for two keys.
  [[nodiscard]] std::set<Texts> examples() const {
    std::set<Texts> all;
    for (const std::size_t keys : {1U, 2U}) {
      for (const Phrase& phrase : behind_) {
        all.insert(words_of(phrase, keys));
        for (const Phrase& option : phrase.options) all.insert(words_of(option, keys));
      }
    }
    return all;
  }

  static Texts words_of(const Phrase& phrase, std::size_t keys) {
    Texts all;
    for (const Node& node : phrase.words) {
      const Texts words = FormMaker(false, keys).forms_of(node).front();
      all.insert(all.end(), words.begin(), words.end());
    }
    return all;
  }

 private:
  void add(const Node& part) {
    const std::vector<Phrase> phrases = phrases_of(part);
    const bool begins_with_keyword = phrases.front().words.front().kind == Node::Kind::keyword;
    const bool is_word = part.kind == Node::Kind::keyword || part.kind == Node::Kind::choice;
    if (begins_with_keyword && !is_word) {
      const bool is_optional = part.kind == Node::Kind::optional;
      const bool repeats = part.kind == Node::Kind::repeated ||
                           (is_optional && part.parts.size() == 1 && part.parts[0].kind == Node::Kind::repeated);
      ++number_;
      if (!is_optional) required_.push_back(number_);
      for (Phrase phrase : phrases) {
        phrase.of = number_;
        phrase.repeats = repeats;
        behind_.push_back(std::move(phrase));
      }
    } else if (part.kind == Node::Kind::optional) {
      has_last_ = true;
    } else {
      front_.push_back(part);
    }
  }

  static bool match(const std::vector<Node>& nodes, const Texts& words, std::size_t& at, std::size_t& keys) {
    std::size_t position = at;
    for (const Node& node : nodes) {
      const std::size_t times = node.kind == Node::Kind::repeated ? keys : 1;
      if (words.size() - position < times) return false;
      if (node.kind == Node::Kind::keyword && words[position] != node.text) return false;
      const auto is_it = [&](const Node& one) { return one.parts.front().text == words[position]; };
      if (node.kind == Node::Kind::choice && std::none_of(node.parts.begin(), node.parts.end(), is_it)) return false;
      if (node.text == "numkeys") keys = static_cast<std::size_t>(std::atoi(words[position].c_str()));
      position += times;
    }
    at = position;
    return true;
  }

  static const Phrase* take(const std::vector<Phrase>& phrases, const Texts& words, std::size_t& at, std::size_t keys,
                            std::set<std::size_t>& given) {
    for (const Phrase& phrase : phrases) {
      if (given.contains(phrase.of) && !phrase.repeats) continue;
      if (!match(phrase.words, words, at, keys)) continue;
      given.insert(phrase.of);
      return &phrase;
    }
    return nullptr;
  }

  std::vector<Node> front_;  ///< the name of the command, and the words in fixed order
  bool has_last_ = false;    ///< whether one more value may follow
  std::vector<Phrase> behind_;
  std::vector<std::size_t> required_;
  std::string end_;  ///< the keyword whose values end the call; none if it is empty
  std::size_t number_ = 0;
};

// --- the parser of the module -----------------------------------------------------------------------

/// What the parser of the command finds wrong.
std::optional<Fault> fault_of(std::string_view command, const Texts& texts, CheckRequest& request) {
  const std::vector<std::string_view> words(texts.begin(), texts.end());
  KeysRequest check_all;
  DefinitionRequest definition;
  LimitersRequest limiters;
  Span ttl{};
  Units units;
  std::string_view id;
  TopRequest top;
  std::size_t count = 0;
  for (const AlgorithmRow& row : kAlgorithms) {
    if ("RL." + std::string(keyword(row.algorithm)) == command) return parse_shorthand(words, row.algorithm, request);
  }
  if (command == "RL.CHECK") return parse_check(words, forms::kCheck.options, request);
  if (command == "RL.PEEK") return parse_check(words, forms::kPeek.options, request);
  if (command == "RL.CHECKEACH") return parse_check_each(words, request);
  if (command == "RL.CHECKALL") return parse_check_all(words, check_all);
  if (command == "RL.RESERVEALL") return parse_reservation_of_all(words, check_all, ttl);
  if (command == "RL.SETTLEALL") return parse_settlement_of_all(words, check_all);
  if (command == "RL.DEFINE") return parse_definition(words, definition);
  if (command == "RL.RESERVE") return parse_reservation(words, request, ttl);
  if (command == "RL.SETTLE") return parse_settlement(words, request);
  if (command == "RL.REFUND") return parse_refund(words, units, request.subject);
  if (command == "RL.RELEASE") return parse_release(words, id, request.subject);
  if (command == "RL.BLOCK") return parse_block(words, ttl, request.subject);
  if (command == "RL.INFO" || command == "RL.RESET") return parse_key_and_subject(words, request.subject);
  if (command == "RL.TRANSFER") return parse_transfer(words, request.subject);
  if (command == "RL.TOP") return parse_top(words, top);
  if (command == "RL.LOG") return parse_log(words, count);
  if (command == "RL.LIMITERS") return parse_limiters(words, limiters);
  if (command == "CL.THROTTLE") return parse_throttle(words, request);
  ADD_FAILURE() << command << " has no parser here";
  return Fault{Fault::Kind::malformed};
}

std::optional<Fault> fault_of(std::string_view command, const Texts& texts) {
  CheckRequest request;
  return fault_of(command, texts, request);
}

/// The commands of users. Those for servers and for tests read their words in their handlers.
std::vector<const Command*> commands() {
  std::vector<const Command*> all;
  for (const Command& command : command_table()) {
    if (command.audience == Command::Audience::users) all.push_back(&command);
  }
  return all;
}

/// The shortest form of a command, and the shortest for two keys.
Texts shortest(const Command& command, std::size_t keys) {
  return Syntax(command).forms(is_throttle(command), keys).front();
}

/// A call with a word that may not stand there: at the end, or before the values that end the call.
Texts with_nonsense(const Command& command) {
  Texts call = shortest(command, 1);
  const auto at = static_cast<std::ptrdiff_t>(Syntax(command).end.parts.size());
  call.insert(call.end() - at, "NONSENSE");
  return call;
}

/// Whether a call wants one integer, and what one integer does not say: the one thing that the syntax does not show.
bool asks_too_much_of_brief(std::string_view command, const Texts& form) {
  const auto has = [&](std::string_view word) { return std::find(form.begin(), form.end(), word) != form.end(); };
  if (!has("BRIEF")) return false;
  const bool takes_lease = has("CONCURRENT") || command == "RL.CONCURRENT";
  return has("PARTIAL") || has("MAXWAIT") || has("LEAKYBUCKET") || command == "RL.LEAKYBUCKET" ||
         (takes_lease && !has("ID") && command != "RL.PEEK");
}

/// Whether a call wants one integer for each subject under a limit that needs more.
bool asks_too_much_of_each(std::string_view command, const Texts& form) {
  const auto has = [&](std::string_view word) { return std::find(form.begin(), form.end(), word) != form.end(); };
  return command == "RL.CHECKEACH" && (has("LEAKYBUCKET") || has("CONCURRENT"));
}

/// Whether a call wants costs that differ to be granted in part.
bool asks_for_parts_of_costs(const Texts& form) {
  const auto has = [&](std::string_view word) { return std::find(form.begin(), form.end(), word) != form.end(); };
  return has("CHARGE") && has("PARTIAL");
}

/// Why the limits of a key, or of one subject of it, cannot be defined so, if they cannot.
std::optional<Fault::Kind> fault_of_definition(std::string_view command, const Texts& form) {
  if (command != "RL.DEFINE") return std::nullopt;
  const auto has = [&](std::string_view word) { return std::find(form.begin(), form.end(), word) != form.end(); };
  const bool names_limits = std::any_of(kAlgorithms.begin(), kAlgorithms.end(),
                                        [&](const AlgorithmRow& row) { return has(keyword(row.algorithm)); });
  if (!names_limits && !has("FOR")) return Fault::Kind::missing;
  return has("FOR") && has("SHADOW") ? std::optional(Fault::Kind::not_with_subject) : std::nullopt;
}

// --- the tests --------------------------------------------------------------------------------------

TEST(Grammar, EveryDocumentedFormIsAccepted) {
  for (const Command* command : commands()) {
    std::size_t forms = 0;
    std::size_t refused = 0;
    for (const Texts& form : forms_of(*command)) {
      ++forms;
      std::optional<Fault> fault = fault_of(command->name, form);
      if (asks_for_parts_of_costs(form)) {
        ASSERT_TRUE(fault && fault->kind == Fault::Kind::not_with_charge) << join(form);
        fault.reset();
      } else if (asks_too_much_of_each(command->name, form)) {
        ASSERT_TRUE(fault && fault->kind == Fault::Kind::not_for_each) << join(form);
        fault.reset();
      } else if (asks_too_much_of_brief(command->name, form)) {
        ASSERT_TRUE(fault && fault->kind == Fault::Kind::not_with_brief) << join(form);
        fault.reset();
      } else if (const auto expected = fault_of_definition(command->name, form)) {
        ASSERT_TRUE(fault && fault->kind == *expected) << join(form);
        fault.reset();
      }
      if (fault && ++refused <= 3) ADD_FAILURE() << join(form) << "\n  " << message(*fault);
    }
    EXPECT_EQ(refused, 0U) << "of " << forms << " forms of " << command->name;
    EXPECT_GT(forms, 1U) << command->name;
  }
}

TEST(Grammar, AQueueIsNeverAnsweredInBriefAndALeaseByItsId) {
  const auto kind_of = [](const Texts& call) {
    const std::optional<Fault> fault = fault_of(call[0], call);
    return fault ? std::optional(*fault) : std::nullopt;
  };
  const auto needs_more = [](Argument argument) { return Fault{Fault::Kind::not_with_brief, argument}; };
  EXPECT_EQ(kind_of({"RL.LEAKYBUCKET", "k", "5", "5", "5s", "brief"}), needs_more(Argument::leak));
  EXPECT_EQ(kind_of({"RL.CHECK", "k", "BRIEF", "LEAKYBUCKET", "5", "5", "5s"}), needs_more(Argument::leak));
  EXPECT_EQ(kind_of({"RL.PEEK", "k", "FIXED", "5", "5s", "LEAKYBUCKET", "5", "5", "5s", "BRIEF"}),
            needs_more(Argument::leak));
  EXPECT_EQ(kind_of({"RL.CONCURRENT", "k", "5", "5s", "BRIEF"}), needs_more(Argument::id));
  EXPECT_EQ(kind_of({"RL.CONCURRENT", "k", "5", "5s", "BRIEF", "ID", "a"}), std::nullopt);
  EXPECT_EQ(kind_of({"RL.CHECK", "k", "CONCURRENT", "5", "5s", "BRIEF", "FORCE"}), needs_more(Argument::id));
  EXPECT_EQ(kind_of({"RL.PEEK", "k", "CONCURRENT", "5", "5s", "BRIEF"}), std::nullopt);
  EXPECT_EQ(kind_of({"RL.CHECK", "k", "PARTIAL", "BRIEF"}), needs_more(Argument::mode));
  EXPECT_EQ(kind_of({"RL.CHECK", "k", "BRIEF", "MAXWAIT", "5s"}), needs_more(Argument::longest_wait));
  EXPECT_EQ(kind_of({"RL.CHECK", "k", "BRIEF", "FORCE", "JITTER", "5s"}), std::nullopt);
}

TEST(Grammar, ThereIsACostForEachKey) {
  const Fault wrong{Fault::Kind::malformed, Argument::costs};
  const auto fault_of_costs = [](Texts costs, const Texts& behind = {}) {
    Texts call{"RL.CHECKALL", "2", "a", "b", "COSTS"};
    call.insert(call.end(), costs.begin(), costs.end());
    call.insert(call.end(), behind.begin(), behind.end());
    return fault_of(call[0], call);
  };
  EXPECT_EQ(fault_of_costs({"0", "9007199254740991"}), std::nullopt);
  EXPECT_EQ(fault_of_costs({"0", "0"}, {"EACH", "FORCE", "HEADERS"}), std::nullopt);
  EXPECT_EQ(fault_of_costs({"1", "2", "3"}), wrong);
  EXPECT_EQ(fault_of_costs({"1", "9007199254740992"}), wrong);
  EXPECT_EQ(fault_of_costs({"1"}, {"FOR", "a", "b"}), wrong);
  EXPECT_EQ(fault_of_costs({"1", "-1"}), wrong);
  EXPECT_EQ(fault_of_costs({"1"}), (Fault{Fault::Kind::missing, Argument::costs}));
  EXPECT_EQ(fault_of_costs({"1", "2"}, {"COST", "1"}), (Fault{Fault::Kind::not_together, Argument::any_cost}));
  EXPECT_EQ(fault_of_costs({"1", "2"}, {"COSTS", "1", "2"}), (Fault{Fault::Kind::repeated, Argument::costs}));
}

TEST(Grammar, EachLimitMayHaveACostOfItsOwn) {
  const auto fault_of_charges = [](const Texts& charges) {
    Texts call{"RL.CHECK", "k", "FIXED", "5", "5s"};
    call.insert(call.end(), charges.begin(), charges.end());
    return fault_of(call[0], call);
  };
  EXPECT_EQ(fault_of_charges({"CHARGE", "in", "0", "charge", "out", "9007199254740991", "COST", "3"}), std::nullopt);
  EXPECT_EQ(fault_of_charges({"CHARGE"}), (Fault{Fault::Kind::missing, Argument::charged_label}));
  EXPECT_EQ(fault_of_charges({"CHARGE", "in"}), (Fault{Fault::Kind::missing, Argument::charged_cost}));
  EXPECT_EQ(fault_of_charges({"CHARGE", "", "1"}), (Fault{Fault::Kind::malformed, Argument::charged_label}));
  for (const char* cost : {"-1", "", "x", "1.5", "9007199254740992"}) {
    EXPECT_EQ(fault_of_charges({"CHARGE", "in", cost}), (Fault{Fault::Kind::malformed, Argument::charged_cost}))
        << cost;
  }
  EXPECT_EQ(fault_of_charges({"CHARGE", "in", "1", "CHARGE", "in", "2"}),
            (Fault{Fault::Kind::charged_twice, Argument::charged_label}));
  EXPECT_EQ(fault_of_charges({"PARTIAL", "CHARGE", "in", "1"}),
            (Fault{Fault::Kind::not_with_charge, Argument::charged_label}));
  Texts many;
  for (int i = 0; i < 9; ++i) many.insert(many.end(), {"CHARGE", "label-" + std::to_string(i), "1"});
  EXPECT_EQ(fault_of_charges(many), (Fault{Fault::Kind::unknown_label, Argument::charged_label}));
}

TEST(Grammar, TheArityOfACommandIsThatOfItsShortestForm) {
  for (const Command& command : command_table()) {
    std::size_t least = 1000;
    for (const Texts& form : forms_of(command)) least = std::min(least, form.size());
    EXPECT_EQ(arity_of(command), -(static_cast<int>(least) + command.words_of_options)) << command.name;
  }
}

TEST(Grammar, EveryDocumentedFormIsUnderstoodByThisTest) {
  for (const Command* command : commands()) {
    const Documented documented(*command);
    for (const Texts& form : forms_of(*command)) ASSERT_TRUE(documented.has(form)) << join(form);
  }
}

/// Calls `visit` with every list of up to `most` of the phrases behind `start`.
template <class Visitor>
void enumerate(Texts& start, const std::vector<Texts>& phrases, int most, const Visitor& visit) {
  visit(start);
  if (most == 0) return;
  for (const Texts& phrase : phrases) {
    start.insert(start.end(), phrase.begin(), phrase.end());
    enumerate(start, phrases, most - 1, visit);
    start.resize(start.size() - phrase.size());
  }
}

TEST(Grammar, WhateverIsAcceptedIsDocumented) {
  std::set<Texts> phrases{{"5"}, {"PER"}, {"REQUEST"}, {"DAY"}, {"CLOCK"}};
  for (const Command* command : commands()) {
    for (const Texts& phrase : Documented(*command).examples()) phrases.insert(phrase);
  }
  std::set<Texts> words{{"2"}};
  for (const Texts& phrase : phrases) {
    for (const std::string& word : phrase) words.insert({word});
  }
  for (const Command* command : commands()) {
    const Documented documented(*command);
    std::size_t accepted = 0;
    std::size_t reported = 0;
    const auto check = [&](const Texts& call) {
      if (fault_of(command->name, call)) return;
      ++accepted;
      if (!documented.has(call) && ++reported <= 3) ADD_FAILURE() << join(call) << " is accepted and not documented";
    };
    for (const std::size_t keys : {1U, 2U}) {
      Texts start = shortest(*command, keys);
      enumerate(start, {phrases.begin(), phrases.end()}, 3, check);
    }
    Texts name{command->name};
    enumerate(name, {words.begin(), words.end()}, 3, check);
    EXPECT_GT(accepted, 1U) << command->name;
    EXPECT_EQ(reported, 0U) << command->name;
  }
}

TEST(Grammar, AnErrorExpectsWhatIsDocumentedAndNothingElse) {
  std::set<std::string> all;
  for (const Command* command : commands()) all.merge(Documented(*command).keywords());
  for (const Command* command : commands()) {
    const Texts call = with_nonsense(*command);
    const std::optional<Fault> fault = fault_of(command->name, call);
    ASSERT_TRUE(fault) << join(call);
    if (fault->kind != Fault::Kind::unknown_option) continue;
    const std::string text = message(*fault);
    std::set<std::string> expected;
    std::string word;
    for (const char c : text.substr(text.find(": expected")) + ' ') {
      if (std::isupper(static_cast<unsigned char>(c))) {
        word += c;
      } else {
        expected.insert(std::exchange(word, {}));
      }
    }
    const std::set<std::string> documented = Documented(*command).keywords();
    Texts wrong;
    for (const std::string& keyword : all) {
      if (expected.contains(keyword) != documented.contains(keyword)) wrong.push_back(keyword);
    }
    EXPECT_EQ(join(wrong), "") << command->name << '\n' << text;
  }
}

TEST(Grammar, ALimitIsWrittenBackAsItIsDocumented) {
  std::size_t written = 0;
  for (const Command* command : commands()) {
    if (command->name != std::string_view("RL.CHECK")) continue;
    Node syntax = SyntaxReader::read(syntax_of(*command));
    ASSERT_GE(syntax.parts.size(), 3U);
    const Node limits = syntax.parts[2];
    for (const Phrase& phrase : phrases_of(limits)) {
      // Each set of options, in the order of the page. The words of the algorithm's own options come first.
      for (std::size_t set = 0; set < (1U << phrase.options.size()); ++set) {
        Texts words = Documented::words_of(phrase, 1);
        for (std::size_t i = 0; i < phrase.options.size(); ++i) {
          if ((set >> i & 1U) == 0) continue;
          const Texts option = Documented::words_of(phrase.options[i], 1);
          words.insert(words.end(), option.begin(), option.end());
        }
        Texts call{"RL.CHECK", "k"};
        call.insert(call.end(), words.begin(), words.end());
        CheckRequest request;
        ASSERT_FALSE(fault_of("RL.CHECK", call, request)) << join(call);
        ASSERT_EQ(request.limits.size(), 1U);
        const std::optional<Limit> limit = Limit::make(request.limits.span()[0]);
        ASSERT_TRUE(limit) << join(call);
        EXPECT_EQ(text_of(*limit), join(words));
        ++written;
      }
    }
  }
  EXPECT_GT(written, 60U);
}

}  // namespace
}  // namespace ratelimit
