// SPDX-License-Identifier: MIT
#include "replay/options.h"

#include <array>
#include <cstdint>
#include <utility>

#include "ratelimit/grammar/arguments.h"
#include "ratelimit/grammar/error_text.h"
#include "ratelimit/grammar/limits_of_text.h"
#include "replay/numbers.h"
#include "replay/time_text.h"

namespace ratelimit::replay {
namespace {

using View = std::string_view;

[[nodiscard]] std::optional<Span> parse_length(View text) {
  if (text == "0") return Span{};
  return ratelimit::detail::parse_duration(text, 1);
}

constexpr View kConditionText = "a condition, such as path=/api/*, agent!=*bot* or address=203.0.113.0/24";
constexpr View kPatternText = "the name of a subject, perhaps with *, or a subnet, such as 203.0.113.0/24";
constexpr View kTimeText = "a time in UTC, such as \"2026-11-30 13:00\"";
constexpr View kDurationText = "a duration, such as 500ms, 10s, 1m or 2h";

/// An option with a value: what it is called, how the value gets into the options, and what the value must be.
struct Row {
  View name;
  bool (*set)(Options&, View);
  View requirement;
};

bool set_format(Options& options, View value) {
  if (value == "auto") return true;
  options.format = format_of(value);
  return options.format.has_value();
}

bool set_top(Options& options, View value) {
  constexpr std::int64_t kMost = 10'000;
  const std::optional<std::int64_t> count = parse_count(value);
  if (!count || *count > kMost) return false;
  options.top = static_cast<std::size_t>(*count);
  return true;
}

bool set_spans(Options& options, View value) {
  constexpr std::size_t kMost = 16;
  options.spans.clear();
  for (;;) {
    const std::size_t comma = value.find(',');
    const std::optional<Span> span = parse_length(value.substr(0, comma));
    if (!span || *span == Span{} || options.spans.size() == kMost) return false;
    options.spans.push_back(*span);
    if (comma == View::npos) return true;
    value.remove_prefix(comma + 1);
  }
}

bool set_disorder(Options& options, View value) {
  const std::optional<Span> span = parse_length(value);
  if (span) options.disorder = *span;
  return span.has_value();
}

bool set_bound(Options& options, View value) {
  options.bound = Bound::parse(value);
  return options.bound.has_value();
}

template <std::vector<Pattern> Options::*Field>
bool add_pattern(Options& options, View value) {
  std::optional<Pattern> pattern = value.empty() ? std::nullopt : Pattern::parse(value);
  if (pattern) (options.*Field).push_back(std::move(*pattern));
  return pattern.has_value();
}

bool add_exception(Options& options, View value) {
  const std::size_t equals = value.find('=');
  if (equals == View::npos || equals == 0 || options.exceptions.size() == Exception::kMost) return false;
  std::optional<Pattern> pattern = Pattern::parse(value.substr(0, equals));
  if (pattern) options.exceptions.push_back({std::move(*pattern), std::string(value.substr(equals + 1))});
  return pattern.has_value();
}

/// A time of the log; a minute or a day is its begin.
template <std::optional<Instant> Options::*Field>
bool set_instant(Options& options, View value) {
  (options.*Field).reset();
  for (const char* rest : {"", ":00", " 00:00:00"}) {
    if (!(options.*Field)) options.*Field = parse_time(std::string(value) + rest);
  }
  return (options.*Field).has_value();
}

template <std::string Options::*Field>
bool set_text(Options& options, View value) {
  options.*Field = value;
  return !value.empty();
}

template <std::vector<std::string> Options::*Field>
bool add_text(Options& options, View value) {
  (options.*Field).emplace_back(value);
  return !value.empty();
}

constexpr std::array kRows{
    Row{"--limit", add_text<&Options::limits>, "a limit, such as \"TOKENBUCKET 20 10 1s\""},
    Row{"--format", set_format, "auto, combined, common, json, csv or monitor"},
    Row{"--subject", set_text<&Options::subject>,
        "a field or an expression, such as address, address/24 or user+path/1"},
    Row{"--cost", set_text<&Options::cost>, "the name of a field, such as bytes"},
    Row{"--time", set_text<&Options::time>, "the name of the field of the time"},
    Row{"--where", add_text<&Options::conditions>, kConditionText},
    Row{"--stop", add_pattern<&Options::stop>, kPatternText},
    Row{"--spare", add_pattern<&Options::spare>, kPatternText},
    Row{"--except", add_exception, "PATTERN=LIMITS, such as \"203.0.113.0/24=FIXED 100 1m AS calls\""},
    Row{"--from", set_instant<&Options::from>, kTimeText},
    Row{"--to", set_instant<&Options::to>, kTimeText},
    Row{"--disorder", set_disorder, kDurationText},
    Row{"--suggest", set_bound,
        "a share with up to four digits behind the point, such as 0.1% or \"0.1% of subjects\", or a count, such as "
        "\"3 subjects\""},
    Row{"--span", set_spans, "one to sixteen durations with commas between them, such as 10s,1m,1h"},
    Row{"--top", set_top, "a count from 0 to 10000"},
    Row{"--svg", set_text<&Options::svg>, "the name of a file"},
    Row{"--answers", set_text<&Options::answers>, "the name of a file"},
};

/// Options without a value. Whether `word` is one.
bool set_flag(Options& options, View word) {
  const std::array<std::pair<View, bool Options::*>, 5> flags{{{"--plot", &Options::wants_plot},
                                                               {"--json", &Options::wants_json},
                                                               {"--help", &Options::wants_help},
                                                               {"-h", &Options::wants_help},
                                                               {"--version", &Options::wants_version}}};
  for (const auto& [name, field] : flags) {
    if (word != name) continue;
    options.*field = true;
    return true;
  }
  return false;
}

/// The words with one blank between them, however they were written.
[[nodiscard]] std::string in_one_line(View text) {
  std::string line;
  for (const View word : split_words(text)) (line += line.empty() ? "" : " ") += word;
  return line;
}

[[nodiscard]] Complaint unknown(View word) {
  return {std::string(word) + " is not an option: ratelimit-replay --help lists them all"};
}

[[nodiscard]] std::optional<Complaint> check(const Options& options) {
  if (options.wants_help || options.wants_version) return std::nullopt;
  const bool wants_course = options.wants_plot || !options.svg.empty() || !options.answers.empty();
  if (options.wants_busiest() && (wants_course || !options.spare.empty())) {
    return Complaint{"nothing to try: write --limit \"TOKENBUCKET 20 10 1s\", --suggest 0.1%, or --stop PATTERN"};
  }
  if (!options.exceptions.empty() && (options.limits.empty() || options.bound)) {
    return Complaint{"--except is for --limit: leave subjects out of a search by --where"};
  }
  if (options.wants_json && options.wants_plot) return Complaint{"write --json or --plot, and not both"};
  return std::nullopt;
}

}  // namespace

std::variant<Options, Complaint> parse_options(std::span<const std::string_view> words) {
  Options options;
  bool are_files = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    View word = words[i];
    if (are_files || !word.starts_with('-') || word == "-") {
      options.files.emplace_back(word);
      continue;
    }
    are_files = word == "--";
    if (are_files || set_flag(options, word)) continue;
    const std::size_t equals = word.find('=');
    const View name = word.substr(0, equals);
    const Row* row = nullptr;
    for (const Row& one : kRows) row = one.name == name ? &one : row;
    if (row == nullptr) return unknown(name);
    const bool has_value = equals != View::npos || i + 1 < words.size();
    const View value = !has_value ? View{} : equals != View::npos ? word.substr(equals + 1) : words[++i];
    if (!has_value || !row->set(options, value)) {
      return Complaint{std::string(name) + " must be " + std::string(row->requirement)};
    }
  }
  if (!options.stop.empty() && options.limits.empty() && !options.bound) options.bound = Bound::nobody();
  if (const std::optional<Complaint> complaint = check(options)) return *complaint;
  return options;
}

namespace {

[[nodiscard]] std::variant<Limits, Complaint> limits_of(const char* option, const std::string& text,
                                                        FindZone find_zone) {
  LimitSpecs specs;
  if (const std::optional<Fault> fault = read_limits(text, specs, find_zone)) {
    return Complaint{std::string(option) + " \"" + text + "\": " + sentence(*fault)};
  }
  return *Limits::make(specs.span());
}

/// As in the module: what the labels mean is the same for everybody in a key.
[[nodiscard]] bool have_same_labels(const Limits& a, const Limits& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a.label(i) != b.label(i)) return false;
  }
  return true;
}

[[nodiscard]] std::optional<Complaint> add_exceptions(const Options& options, Contender& contender,
                                                      FindZone find_zone) {
  for (const Exception& exception : options.exceptions) {
    std::variant<Limits, Complaint> limits = limits_of("--except", exception.limits, find_zone);
    if (const auto* complaint = std::get_if<Complaint>(&limits)) return *complaint;
    Limits& found = std::get<Limits>(limits);
    if (!have_same_labels(found, contender.trial.limits())) {
      return Complaint{"--except \"" + exception.limits + "\" must have the labels of \"" + contender.text +
                       "\": name them by AS"};
    }
    contender.exceptions.emplace_back(std::move(found));
  }
  return std::nullopt;
}

}  // namespace

std::variant<std::vector<Contender>, Complaint> make_contenders(const Options& options, FindZone find_zone) {
  std::vector<Contender> contenders;
  for (const std::string& text : options.limits) {
    std::variant<Limits, Complaint> limits = limits_of("--limit", text, find_zone);
    if (const auto* complaint = std::get_if<Complaint>(&limits)) return *complaint;
    contenders.emplace_back(in_one_line(text), std::move(std::get<Limits>(limits)));
    if (const auto complaint = add_exceptions(options, contenders.back(), find_zone)) return *complaint;
  }
  return contenders;
}

std::variant<Recipe, Complaint> make_recipe(const Options& options, Format format) {
  Wanted wanted;
  wanted.time = options.time;
  if (!options.time.empty() && (format == Format::combined || format == Format::monitor)) {
    return Complaint{"--time is for json and csv: the lines of " + std::string(name_of(format)) +
                     " have their time in one place"};
  }
  const View text = options.subject.empty() ? usual_subject(format) : View(options.subject);
  std::optional<SubjectExpression> subject = SubjectExpression::parse(text, wanted.fields);
  if (!subject) {
    return Complaint{
        "--subject must be fields with + between them, each perhaps with a count: address, address/24,56, "
        "path/2, user+path/1"};
  }
  wanted.may_lack_for = wanted.fields.names().front() == "key";  // the fields of the subject come first
  std::vector<Condition> conditions;
  for (const std::string& condition : options.conditions) {
    std::optional<Condition> parsed = Condition::parse(condition, wanted.fields);
    if (!parsed) return Complaint{"--where must be " + std::string(kConditionText)};
    conditions.push_back(std::move(*parsed));
  }
  wanted.may_lack_cost = options.cost.empty();
  if (!options.cost.empty() || format == Format::csv) {
    wanted.cost = wanted.fields.want(options.cost.empty() ? View("cost") : View(options.cost));
    if (!wanted.cost) return Complaint{"too many fields: at most " + std::to_string(kMaxFields)};
  }
  for (const std::string& name : wanted.fields.names()) {
    if (may_have(format, name)) continue;
    return Complaint{"lines of the format " + std::string(name_of(format)) + " have no field " + name + "; they have " +
                     std::string(fields_of(format))};
  }
  const bool may_have_paths = format == Format::combined || format == Format::json || format == Format::csv;
  std::optional<SubjectExpression> prefix;
  if (options.wants_busiest() && may_have_paths) prefix = SubjectExpression::parse("path/1", wanted.fields);
  return Recipe{.wanted = std::move(wanted),
                .subject = std::move(*subject),
                .conditions = std::move(conditions),
                .prefix = std::move(prefix),
                .from = options.from,
                .to = options.to};
}

std::string_view help() {
  return R"(Usage: ratelimit-replay --limit "LIMITS" [OPTION]... [FILE]...
  or:  ratelimit-replay --suggest SHARE [OPTION]... [FILE]...
  or:  ratelimit-replay --stop PATTERN [OPTION]... [FILE]...
  or:  ratelimit-replay [OPTION]... [FILE]...

Says what a limit would have done to yesterday's traffic. Reads logs, and decides each call by the limits as the module
in the server would. Without a limit and a search, it says who asked most. Files may be packed by gzip or zstd; without
files, or for -, it reads standard input.

Times are those of the log. Lines that cannot be read are counted, and the first are shown. Ctrl-C gives the result so
far. The exit code is 0; 1 if something could not be read or written to its end, if no line was a call, or if nobody is
like --stop or --spare; 2 if an option is wrong. docs/which-limit.md goes from a log to an enforced limit in an hour.

What is tried:
  --limit "LIMITS"       the limits of one check, written as for RL.CHECK; again for another list, side by side
  --except PATTERN=LIMITS
                         with --limit: subjects like PATTERN have these limits, as RL.DEFINE ... FOR gives them to one.
                         The labels must be the same; again for others, of which the first counts
  --suggest SHARE        search, for each algorithm, the tightest limit that denies at most this share of the calls
                         (0.1%), or denies anything to at most this share of the subjects ("0.1% of subjects"), or to
                         so many ("3 subjects"). Needs 24 bytes of temporary file for each call
  --stop PATTERN         search limits that stop these subjects, and deny nobody else anything; with --suggest, the
                         others no more than it says. With --limit alone, say how much of what these ask for is denied.
                         PATTERN is like the subjects in the report: 203.0.113.9, 203.0.113.*, 203.0.113.0/24; again
                         for others
  --spare PATTERN        with --suggest or --stop: a limit must not deny these subjects anything
  --span D,D             the lengths of time for --suggest (default 10s,1m,1h)

What is read:
  --format F             combined (nginx and Apache, also common), json, csv, monitor (redis-cli MONITOR);
                         default: by the first lines of each file
  --subject EXPR         who is limited (default: address; of csv: subject; of monitor: key+for): a field, a subnet,
                         the begin of a path, or several together; see Subjects
  --cost FIELD           what a call costs (default: 1; of csv: the column cost, if there is one)
  --time FIELD           where the time is, if it has an unusual name (json, csv)
  --where CONDITION      only calls like this: path=/api/*, status!=404; again for another condition; see Patterns.
                         The report says how many calls each condition leaves out
  --from TIME, --to TIME only calls from this time of the log on, and before that one, in UTC: "2026-11-30 13:00"
  --disorder D           lines may be this much out of order (default 10s): the longest request of most sites, and the
                         time for which nginx may keep lines back. What is later counts as of the call before

What is told:
  --top N                so many of the hardest hit, of the nearest and of the busiest (default 5)
  --plot                 also the course over time, in the terminal
  --svg FILE             the same as a picture
  --json                 everything, for programs
  --answers FILE         each answer as CSV: line, limit (from 1 on), granted, size, remaining, wait_ms, reset_ms,
                         subject. Lines are numbered through all files
  -h, --help             this text
  --version              the version

Subjects:
  user                   a field
  address                an address; of IPv6 its /56, as the middlewares count it
  address/24             a subnet; of IPv6 its /56
  address/24,48          both said
  address/128            the whole address, also of IPv6
  path/2                 the first two segments of a path
  user+path/1            several together
  key+for                of monitor: who RL.CHECK key ... FOR name is about; without FOR, the key

Patterns:
  method=POST            the field is this text
  agent!=*bot*           a * stands for any text, also none, and may be anywhere; != is for all others
  address=203.0.113.0/24 the address is in this subnet; also of IPv6

Fields:
  combined               address user host request method url path query protocol status bytes referer agent forwarded
  json                   the names of members; request.path is a member of a member
  csv                    the names in the first line, or the numbers of columns
  monitor                address db command key for arg1 arg2 ...; only commands of the module that ask for a limit
                         are calls (RL.CHECK and its kin, also as functions), unless --where or --subject names command

Examples:
  $ ratelimit-replay --limit "TOKENBUCKET 20 10 1s" access.log
  $ ratelimit-replay --limit "FIXED 100 1m" --limit "SLIDING 100 1m" --subject address/24 --plot access.log.1.gz
  $ ratelimit-replay --suggest "0.1% of subjects" access.log
  $ ratelimit-replay --stop 203.0.113.0/24 --subject address/24 --where "path=/product/*" access.log
  $ zstdcat *.zst | ratelimit-replay --limit "FIXED 50 1s AS burst QUOTA 100000 DAY AS day" --json
)";
}

}  // namespace ratelimit::replay
