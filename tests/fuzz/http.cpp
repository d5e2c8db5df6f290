// SPDX-License-Identifier: MIT
// Fuzzes the HTTP door of the check service without its sockets: bytes become requests, requests questions, and the answers of
// a backend that the first byte chooses become responses. Whatever comes: every request is answered once, by a status that the
// door knows, with fields that are fields and a body that is JSON.
#include <array>
#include <atomic>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz.h"
#include "http/http_reader.h"
#include "http/router.h"
#include "operators/report_json.h"
#include "ratelimit/client/slot_map.h"
#include "trace.h"

namespace ratelimit::fuzz {
namespace {

using namespace ratelimit::service;

constexpr HttpBounds kBounds{.header = 1024, .body = 1024};
constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

/// Answers at once. What it is asked must be a question that the client can send.
class Answering final : public Backend {
 public:
  explicit Answering(std::uint8_t choice) {
    answer_.source = static_cast<client::Source>(choice % client::kSources);
    answer_.outcome = static_cast<Outcome>((choice / client::kSources) % 3);
    answer_.was_held = choice % 2 == 0;
    answer_.label = choice % 3 == 0 ? "" : "fixed";
    if (answer_.source == client::Source::error) answer_.error = "ERR no";
  }

  void check(const Question& question, const Context& context, Done done) override {
    require_valid(question, context);
    done(answer_);
  }
  void check_all(const std::vector<Question>&, const Context&, DoneAll done) override { done(answer_, {}); }
  void reserve(const Question& question, Span ttl, const Context& context, Done done) override {
    require_valid(question, context);
    require(in_range(ttl) && client::is_whole_milliseconds(ttl), "a hold has a time");
    done(answer_);
  }
  void settle(const Question& question, const Context& context, Done done) override {
    require_valid(question, context);
    require(!question.id.empty(), "a settle has an id");
    done(answer_);
  }
  void refund(const Question&, const Context&, Done done) override { done(answer_); }

 private:
  static void require_valid(const Question& question, const Context& context) {
    require(!question.key.empty() && question.key.size() <= 1024, "the key has a size");
    require(question.subject.size() <= kMaxSubjectBytes && question.id.size() <= kMaxIdBytes, "names have sizes");
    require(question.cost >= kNoUnits && question.cost <= kMaxUnits, "the cost is in range");
    require(context.deadline >= Span{}, "the deadline is no past");
    require(is_request_id(context.trace), "the correlation id has its form");
  }

  Answer answer_;
};

/// Answers an operator with the names that he sent. What he is asked to answer must be a question for the server.
bool answer_operator(const operators::Inquiry& inquiry) {
  const operators::Question& question = inquiry.question;
  const bool names_limiter = question.page != operators::Page::limiters;
  require(question.limiter.empty() != names_limiter && question.limiter.size() <= 1024, "the limiter has a size");
  require(question.subject.size() <= kMaxSubjectBytes && question.pattern.size() <= 1024, "names have sizes");
  require(question.count >= 1 && question.count <= operators::Question::kMostShown, "the count is in range");
  require(question.cursor.slot < client::kSlots, "the slot is one");
  const operators::About about{.request_id = inquiry.request_id, .now = {}};
  const client::Info info{.form = "dense", .limits = {{.label = question.subject}}, .status = "ok"};
  inquiry.respond(operators::response_to_why(question, info, info, about));
  return true;
}

void require_proper(const Response& response) {
  constexpr std::array<unsigned, 10> kStatuses{200, 400, 401, 404, 405, 415, 429, 500, 503, 408};
  require(std::find(kStatuses.begin(), kStatuses.end(), response.status) != kStatuses.end(), "the status is known");
  for (std::string_view rest = response.fields; !rest.empty();) {
    const std::size_t end = rest.find("\r\n");
    require(end != std::string_view::npos, "each field has its end");
    const std::string_view line = rest.substr(0, end);
    require(line.find_first_of("\r\n") == std::string_view::npos && line.find(": ") != std::string_view::npos,
            "a field is a line");
    rest.remove_prefix(end + 2);
  }
  if (!response.type.starts_with("text/plain")) require(nlohmann::json::accept(response.body), "the body is JSON");
}

void require_proper_problem(const Problem& problem) {
  require(problem.status == 400 || problem.status == 413 || problem.status == 431, "the status of wrong HTTP is known");
}

void run(std::string_view bytes) {
  Choices choices(bytes.substr(0, 1));
  Answering backend(choices.byte());
  Metrics metrics;
  Log log(Level::error);
  const std::atomic<bool> is_draining{false};
  RouterShared shared{.log = log,
                      .metrics = [] { return std::string(); },
                      .is_breaker_closed = [] { return true; },
                      .is_draining = is_draining};
  shared.pages.emplace(OperatorSettings{.token = "t", .origins = {"http://a"}}, answer_operator);
  Router router(backend, metrics, shared, [](const auto& call) { call(); });
  HttpReader reader(kBounds);
  std::string pending(bytes.substr(std::min<std::size_t>(bytes.size(), 1)));
  while (!pending.empty()) {
    const HttpReader::State state = reader.feed(pending);
    if (state == HttpReader::State::failed) return require_proper_problem(reader.problem());
    if (state == HttpReader::State::incomplete) return static_cast<void>(reader.wants_continue());
    int answers = 0;
    std::string wire;
    router.handle(reader.take(), [&](const Response& response) {
      ++answers;
      require_proper(response);
      append_response(wire, response, kDate, true, false);
    });
    require(answers == 1 && wire.starts_with("HTTP/1.1 "), "each request is answered once");
  }
}

}  // namespace
}  // namespace ratelimit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ratelimit::fuzz::run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
