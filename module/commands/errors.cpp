#include "commands/errors.h"

#include <string>
#include <string_view>

namespace ratelimit {
namespace {

const char* name_of(Argument argument) {
  switch (argument) {
    case Argument::none: return "argument";
    case Argument::key: return "key";
    case Argument::capacity: return "capacity";
    case Argument::refill: return "refill";
    case Argument::period: return "period";
    case Argument::leak: return "leak";
    case Argument::limit: return "limit";
    case Argument::window: return "window";
    case Argument::unit: return "unit";
    case Argument::zone: return "TZ";
    case Argument::lease: return "lease";
    case Argument::label: return "label";
    case Argument::cost: return "COST";
    case Argument::longest_wait: return "MAXWAIT";
    case Argument::id: return "id";
    case Argument::subject: return "FOR";
    case Argument::jitter: return "JITTER";
    case Argument::headers: return "HEADERS";
    case Argument::shadow: return "SHADOW";
    case Argument::number_of_keys: return "numkeys";
    case Argument::count: return "count";
    case Argument::ttl: return "ttl";
    case Argument::units: return "n";
    case Argument::actual: return "actual";
    case Argument::max_burst: return "max_burst";
    case Argument::count_per_period: return "count";
    case Argument::period_in_seconds: return "period";
    case Argument::quantity: return "quantity";
    case Argument::aligned: return "ALIGNED";
    case Argument::approximate: return "APPROX";
    case Argument::per_request: return "PER REQUEST";
    case Argument::mode: return "PARTIAL, FORCE or MAXWAIT";
    case Argument::limits: return "limits";
    case Argument::debug_subject: return "subject";
    case Argument::clock_action: return "clock action";
    case Argument::unix_time: return "unix-ns";
    case Argument::nanoseconds: return "ns";
    case Argument::expiry: return "unix-ms";
    case Argument::payload: return "payload";
    case Argument::effect_kind: return "kind";
    case Argument::subject_hash: return "subject-hash";
  }
  return "argument";
}

/// What an argument must be, to follow "must be".
const char* requirement_of(Argument argument) {
  switch (argument) {
    case Argument::capacity:
    case Argument::refill:
    case Argument::leak:
    case Argument::limit:
    case Argument::units:
    case Argument::count_per_period:
    case Argument::cost: return "an integer from 1 to 4294967295";
    case Argument::max_burst: return "an integer from 0 to 4294967294";
    case Argument::period_in_seconds: return "whole seconds, from 1 to 315360000";
    case Argument::quantity:
    case Argument::actual: return "an integer from 0 to 4294967295";
    case Argument::unit: return "HOUR, DAY, WEEK, MONTH or YEAR";
    case Argument::zone: return "a time zone that this server knows by its IANA name, such as Europe/Berlin, or UTC";
    case Argument::id: return "1 to 64 bytes";
    case Argument::subject: return "the name of a subject, of 1 to 1024 bytes";
    case Argument::number_of_keys: return "an integer from 1 to 64";
    case Argument::count: return "an integer from 1 to 128";
    case Argument::period:
    case Argument::window:
    case Argument::lease:
    case Argument::longest_wait:
    case Argument::jitter:
    case Argument::ttl:
      return "a duration from 1ms to 3650d, such as 500ms, 10s, 1m, 2h or 1d; without a unit, seconds";
    case Argument::label: return "1 to 64 visible ASCII characters other than \" and \\";
    case Argument::key: return "a key";
    case Argument::limits: return "one to eight limits, such as TOKENBUCKET 20 10 1s";
    case Argument::debug_subject: return "CLOCK";
    case Argument::clock_action: return "SET unix-ns, ADVANCE ns or RESUME";
    case Argument::unix_time: return "a Unix time in nanoseconds from 0 to 7258118400000000000";
    case Argument::nanoseconds: return "nanoseconds that lead no further than the year 2200";
    case Argument::expiry: return "a Unix time in milliseconds";
    case Argument::effect_kind: return "STORE, APPLY, PERFORM, DEFINE, SWEEP or FILL";
    case Argument::subject_hash: return "a hash of 8 bytes, for a kind that may name a subject";
    case Argument::payload: return "a state that this version of the module can read";
    case Argument::aligned:
    case Argument::approximate:
    case Argument::per_request:
    case Argument::mode:
    case Argument::headers:
    case Argument::shadow:
    case Argument::none: return "given";
  }
  return "given";
}

/// What may stand behind a key, to follow "expected".
std::string expected(std::uint8_t options) {
  if (options == Options::kSubject) return "FOR subject";
  std::string text;
  const auto add = [&text](std::string_view option) { text.append(text.empty() ? "" : ", ").append(option); };
  if ((options & Options::kLimits) != 0) {
    add("a limit (TOKENBUCKET, LEAKYBUCKET, FIXED, SLIDING, QUOTA or CONCURRENT and its numbers)");
  }
  add("AS label, PER REQUEST");
  if ((options & Options::kSubject) != 0) add("FOR subject");
  if ((options & Options::kCost) != 0) add("COST n");
  if ((options & Options::kMode) != 0) add("PARTIAL, FORCE, MAXWAIT d");
  if ((options & Options::kId) != 0) add("ID id");
  if ((options & Options::kAnswer) != 0) add("JITTER d, HEADERS");
  if ((options & Options::kShadow) != 0) add("SHADOW");
  return text + " or, after FIXED, ALIGNED, after SLIDING, APPROX, after QUOTA, TZ zone";
}

}  // namespace

std::string message(const Fault& fault) {
  const std::string name = name_of(fault.argument);
  switch (fault.kind) {
    case Fault::Kind::missing: return "ERR " + name + " is missing: it must be " + requirement_of(fault.argument);
    case Fault::Kind::malformed: return "ERR " + name + " must be " + requirement_of(fault.argument);
    case Fault::Kind::repeated: return "ERR " + name + " is given twice";
    case Fault::Kind::refills_too_slowly:
      return "ERR " + name + " must be large enough for the bucket to " +
             (fault.argument == Argument::leak ? "run empty" : "refill from empty") + " within 3650d";
    case Fault::Kind::repeated_label: return "ERR label must be different for each limit of a call";
    case Fault::Kind::too_many_limits: return "ERR limits must be at most 8";
    case Fault::Kind::too_many_arguments: return "ERR too many arguments";
    case Fault::Kind::nothing_more: return "ERR " + name + " must be the last argument";
    case Fault::Kind::unknown_option:
      return "ERR syntax error at argument " + std::to_string(fault.position) + ": expected " + expected(fault.options);
    case Fault::Kind::two_modes: return "ERR only one of PARTIAL, FORCE and MAXWAIT can be given";
    case Fault::Kind::incomplete_per_request: return "ERR PER must be followed by REQUEST";
    case Fault::Kind::no_limits:
      return "NOLIMITS this call names no limits and the key stores none: name one, such as TOKENBUCKET 20 10 1s, or "
             "store it with RL.DEFINE";
    case Fault::Kind::other_limits: return "ERR the key stores other limits: name none, or change them with RL.DEFINE";
    case Fault::Kind::not_one_for_each_key: return "ERR " + name + " must be given once for each key, or not at all";
    case Fault::Kind::wrong_type: return "WRONGTYPE Operation against a key holding the wrong kind of value";
    case Fault::Kind::internal_only: return "ERR this command is for replication and for loading files only";
    case Fault::Kind::unknown_module_argument: return "ERR the only argument that the module takes is DEBUG";
  }
  return "ERR";
}

}  // namespace ratelimit
