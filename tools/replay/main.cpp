// SPDX-License-Identifier: MIT
// ratelimit-replay: reads logs and says what limits would have done. Here are the files, the terminal and the order of
// things; what is read, decided and said is in the other files of this folder.
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ratelimit/version.h"
#include "replay/answers.h"
#include "replay/busiest.h"
#include "replay/call_spool.h"
#include "replay/input.h"
#include "replay/intake.h"
#include "replay/numbers.h"
#include "replay/options.h"
#include "replay/progress.h"
#include "replay/replayer.h"
#include "replay/report.h"
#include "replay/roles.h"
#include "replay/suggest.h"
#include "server/zones.h"

namespace ratelimit::replay {
namespace {

constexpr int kWell = 0, kFailed = 1, kWrongOption = 2;

/// Says what is wrong. It may name files and quote logs, so that no terminal takes it for anything else.
void complain(std::string_view text) { std::fprintf(stderr, "ratelimit-replay: %s\n", printable(text).c_str()); }

[[nodiscard]] std::string name_of_file(const std::string& file) { return file == "-" ? "standard input" : file; }

[[nodiscard]] std::size_t columns_of_terminal() {
  constexpr std::size_t kUsual = 80, kMost = 200, kBesideThePlot = 12;
  winsize size{};
  const bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 2 * kBesideThePlot;
  return std::min(is_known ? std::size_t{size.ws_col} : kUsual, kMost) - kBesideThePlot;
}

/// One run of the program.
class Run {
 public:
  Run(Options options, std::vector<Contender> contenders)
      : options_(std::move(options)), replayer_(std::move(contenders), options_.disorder) {
    if (options_.files.empty()) options_.files.emplace_back("-");
    if (options_.bound || options_.wants_busiest()) spool_.emplace();
    if (!options_.answers.empty()) {
      answers_.open(options_.answers, std::ios::binary);
      answers_ << kAnswersHeader;
    }
    if (!options_.exceptions.empty()) {
      replayer_.choose_exceptions([this](SubjectNumber subject) { return exception_of(subject); });
    }
    if (!spool_ && options_.answers.empty()) return;
    replayer_.observe([this](const Call& call, std::span<const Verdict> verdicts) { note(call, verdicts); });
  }

  int run() {
    for (const std::string& file : options_.files) {
      if (is_interrupted()) break;
      if (const std::optional<int> failed = read(file)) return *failed;
    }
    replayer_.finish();
    is_cut_short_ = is_cut_short_ || is_interrupted();
    if (lines_.calls == 0) return have_failed_ ? kFailed : say_nothing_was_read();
    warn_about_conditions();
    roles_ = Roles(names_, options_.stop, options_.spare);
    if (!are_roles_taken()) return kFailed;
    if (!read_again()) return kFailed;
    progress_.clear();
    return report();
  }

 private:
  /// The first exception that a subject is like, from 1 on; 0 if there is none.
  [[nodiscard]] std::size_t exception_of(SubjectNumber subject) const {
    const std::vector<Exception>& all = options_.exceptions;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].pattern.matches(names_[subject])) return i + 1;
    }
    return 0;
  }

  void note(const Call& call, std::span<const Verdict> verdicts) {
    if (spool_) spool_->append(call);
    if (!answers_.is_open()) return;
    answer_.clear();
    append_answers(answer_, call, verdicts, printable(names_[call.subject]));
    answers_ << answer_;
  }

  /// The exit code if the run cannot go on.
  [[nodiscard]] std::optional<int> read(const std::string& name) {
    auto opened = std::make_unique<FileSource>(name);
    const FileSource& file = *opened;
    LineSource source(std::move(opened));
    const std::vector<std::string_view> first = source.first_lines();
    if (first.empty() && source.error().empty()) return std::nullopt;  // an empty file has no calls
    const std::optional<Format> format = options_.format ? options_.format : detect_format(first, options_.time);
    if (!format) return complain_about_format(source, name);
    std::variant<Recipe, Complaint> recipe = make_recipe(options_, *format);
    if (const auto* complaint = std::get_if<Complaint>(&recipe)) {
      complain(complaint->text);
      return kWrongOption;
    }
    format_ = format;
    has_usual_subnet_ = std::get<Recipe>(recipe).subject.has_usual_subnet();
    Intake intake(name_of_file(name), *format, std::get<Recipe>(recipe), names_,
                  options_.wants_busiest() ? &prefixes_ : nullptr);
    while (const std::optional<std::string_view> line = source.next()) {
      if (const std::optional<Call> call = intake.take(*line, lines_)) replayer_.take(*call);
      constexpr std::uint64_t kBetweenLooks = 1024;
      if (lines_.lines % kBetweenLooks != 0) continue;
      if (is_interrupted()) break;
      if (progress_.is_due()) show_progress(file, name);
    }
    if (!source.error().empty() && !is_interrupted()) complain_about_file(source, name);
    return std::nullopt;
  }

  /// The exit code, or nothing if the other files may still be read.
  [[nodiscard]] std::optional<int> complain_about_format(const LineSource& source, const std::string& name) {
    if (!source.error().empty()) {
      complain_about_file(source, name);
      return std::nullopt;
    }
    if (is_interrupted()) return std::nullopt;
    complain(name_of_file(name) + ": no format fits the first lines: write --format combined, json, csv or monitor" +
             (options_.time.empty() ? ", and --time FIELD if the time has an unusual name" : ""));
    return kFailed;
  }

  void complain_about_file(const LineSource& source, const std::string& name) {
    progress_.clear();
    complain(name_of_file(name) + ": " + source.error());
    is_cut_short_ = true;
    have_failed_ = true;
  }

  void show_progress(const FileSource& file, const std::string& name) {
    std::string text = name_of_file(name) + ": " + with_commas(lines_.lines) + " lines";
    if (file.bytes() > 0) {
      text += ", " + std::to_string(100 * file.bytes_read() / file.bytes()) + " % of the file";
    }
    progress_.show(printable(text));
  }

  /// A condition that leaves nothing out is often one that was mistyped.
  void warn_about_conditions() {
    for (std::size_t i = 0; i < lines_.left_out_by.size(); ++i) {
      if (lines_.left_out_by[i] > 0) continue;
      progress_.clear();
      complain("--where " + options_.conditions[i] + " leaves out no call");
    }
  }

  [[nodiscard]] int say_nothing_was_read() {
    progress_.clear();
    const std::string found = format_ ? " (as " + std::string(name_of(*format_)) + ")" : "";
    complain("no line is a call" + found + ": " + with_commas(lines_.lines) + " lines, " +
             with_commas(lines_.malformed) + " of them malformed, " + with_commas(lines_.left_out) +
             " left out by --where" +
             (lines_.outside > 0 ? ", " + with_commas(lines_.outside) + " outside of --from and --to" : ""));
    for (std::size_t i = 0; i < lines_.left_out_by.size(); ++i) {
      complain("--where " + options_.conditions[i] + " leaves out " + with_commas(lines_.left_out_by[i]) + " of " +
               with_commas(lines_.left_out + lines_.calls) + " calls");
    }
    if (format_ == Format::monitor && lines_.malformed + lines_.left_out == 0) {
      complain(
          "only commands of the module that ask for a limit are calls: --where command=GET is for those of another");
    }
    for (const Malformed& line : lines_.first) complain(text_of(line, options_.files.size() > 1));
    return kFailed;
  }

  /// Whether somebody is like --stop and --spare. A search for nobody would find that nobody must be hit.
  [[nodiscard]] bool are_roles_taken() {
    const auto is_nobody = [this](const char* option, const std::vector<Pattern>& patterns, Role role) {
      if (patterns.empty() || roles_.count(role) > 0) return false;
      progress_.clear();
      complain(std::string("no subject is like ") + option + "; one is " + std::string(names_[0]));
      return true;
    };
    return !is_nobody("--spare", options_.spare, Role::spared) && !is_nobody("--stop", options_.stop, Role::stopped);
  }

  /// What needs the calls once more: the search, or who asked most. False if the temporary file failed.
  [[nodiscard]] bool read_again() {
    if (!spool_) return true;
    if (!spool_->is_well()) {
      complain("a temporary file of 24 bytes a call is needed: set TMPDIR to a folder with more room");
      return false;
    }
    options_.bound ? search() : find_who_is_busiest();
    return true;
  }

  void find_who_is_busiest() {
    const auto calls = [&](const std::function<void(const Call&)>& visit) {
      return spool_->visit([&visit](const Call& call) { visit(call); }, [] { return false; });
    };
    busiest_ = find_busiest(names_, prefixes_, replayer_.asked(), options_.top, calls);
  }

  void search() {
    std::uint64_t pass = 0;
    const auto calls = [&](const std::function<void(const Call&)>& visit) {
      if (++pass; progress_.is_on_terminal()) progress_.show("searching: pass " + std::to_string(pass));
      return spool_->visit([&visit](const Call& call) { visit(call); }, is_interrupted);
    };
    std::optional<std::vector<Suggestion>> found =
        suggest(*options_.bound, options_.spans, Crowd{replayer_.asked(), roles_}, calls);
    if (found) suggestions_ = std::move(*found);
    is_searched_ = found.has_value();
    is_cut_short_ = is_cut_short_ || !is_searched_;
  }

  [[nodiscard]] int report() {
    std::string source = name_of_file(options_.files.front());
    if (options_.files.size() > 1) source += " and " + std::to_string(options_.files.size() - 1) + " more";
    const Report report{.source = source,
                        .has_several_files = options_.files.size() > 1,
                        .format = std::string(name_of(*format_)),
                        .subject = options_.subject.empty() ? std::string(usual_subject(*format_)) : options_.subject,
                        .has_usual_subnet = has_usual_subnet_,
                        .cost = options_.cost,
                        .disorder = options_.disorder,
                        .conditions = options_.conditions,
                        .top = options_.top,
                        .is_cut_short = is_cut_short_,
                        .lines = lines_,
                        .names = names_,
                        .replayer = replayer_,
                        .bound = is_searched_ ? options_.bound : std::nullopt,
                        .suggestions = suggestions_,
                        .roles = roles_,
                        .busiest = busiest_ ? &*busiest_ : nullptr};
    print(options_.wants_json ? json_of(report) : text_of(report));
    if (options_.wants_plot) print_plots();
    require(std::fflush(stdout) == 0 && std::ferror(stdout) == 0, "standard output");
    if (!options_.svg.empty()) write_svg(report);
    if (!options_.answers.empty()) require(answers_.flush().good(), options_.answers);
    return have_failed_ ? kFailed : kWell;
  }

  void require(bool is_written, const std::string& file) {
    if (is_written) return;
    complain(file + " cannot be written");
    have_failed_ = true;
  }

  static void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

  void print_plots() const {
    const std::size_t columns = columns_of_terminal();
    for (const Contender& contender : replayer_.contenders()) print('\n' + plot_of(contender, columns));
    for (const Suggestion& one : suggestions_) print('\n' + plot_of(one.contender, columns));
  }

  void write_svg(const Report& report) {
    std::ofstream file(options_.svg, std::ios::binary);
    file << svg_of(report) << std::flush;
    require(file.good(), options_.svg);
  }

  Options options_;
  SubjectNames names_;
  LineCounts lines_;
  Replayer replayer_;
  std::optional<CallSpool> spool_;
  std::ofstream answers_;
  std::string answer_;
  std::optional<Format> format_;  ///< of the last file
  bool has_usual_subnet_ = false;
  std::vector<Suggestion> suggestions_;
  SubjectNames prefixes_;  ///< the begins of paths, where they are wanted
  Roles roles_;
  std::optional<Busiest> busiest_;
  bool is_searched_ = false;
  bool is_cut_short_ = false;
  bool have_failed_ = false;
  Progress progress_;
};

int run(std::span<const std::string_view> words) {
  std::variant<Options, Complaint> parsed = parse_options(words);
  if (const auto* complaint = std::get_if<Complaint>(&parsed)) return complain(complaint->text), kWrongOption;
  Options& options = std::get<Options>(parsed);
  if (options.wants_help) return std::fputs(std::string(help()).c_str(), stdout), kWell;
  if (options.wants_version) return std::printf("ratelimit-replay %s\n", kVersion), kWell;
  if (options.files.empty() && isatty(STDIN_FILENO) != 0) {
    return complain("no log: name a file, or - for standard input"), kWrongOption;
  }
  std::variant<std::vector<Contender>, Complaint> contenders = make_contenders(options, find_zone);
  if (const auto* complaint = std::get_if<Complaint>(&contenders)) return complain(complaint->text), kWrongOption;
  watch_for_interruption();
  return Run(std::move(options), std::move(std::get<std::vector<Contender>>(contenders))).run();
}

}  // namespace
}  // namespace ratelimit::replay

int main(int count, char** arguments) {
  const std::vector<std::string_view> words(arguments + 1, arguments + count);
  try {
    return ratelimit::replay::run(words);
  } catch (const std::exception& error) {  // memory is used up
    std::fprintf(stderr, "ratelimit-replay: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
