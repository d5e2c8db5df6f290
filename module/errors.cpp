#include "errors.h"

#include <string>

namespace ratelimit {
namespace {

const char* name_of(Argument argument) {
  switch (argument) {
    case Argument::none: return "argument";
    case Argument::key: return "key";
    case Argument::capacity: return "capacity";
    case Argument::refill: return "refill";
    case Argument::period: return "period";
    case Argument::limit: return "limit";
    case Argument::window: return "window";
    case Argument::label: return "label";
    case Argument::cost: return "COST";
    case Argument::aligned: return "ALIGNED";
    case Argument::per_request: return "PER REQUEST";
    case Argument::limits: return "limits";
    case Argument::debug_subject: return "subject";
    case Argument::clock_action: return "clock action";
    case Argument::unix_time: return "unix-ns";
    case Argument::nanoseconds: return "ns";
    case Argument::expiry: return "unix-ms";
    case Argument::payload: return "payload";
  }
  return "argument";
}

/// What an argument must be, to follow "must be".
const char* requirement_of(Argument argument) {
  switch (argument) {
    case Argument::capacity:
    case Argument::refill:
    case Argument::limit:
    case Argument::cost: return "an integer from 1 to 4294967295";
    case Argument::period:
    case Argument::window:
      return "a duration from 1ms to 3650d, such as 500ms, 10s, 1m, 2h or 1d; without a unit, seconds";
    case Argument::label: return "1 to 64 visible ASCII characters other than \" and \\";
    case Argument::key: return "a key";
    case Argument::limits: return "one to eight limits, such as TOKENBUCKET 20 10 1s";
    case Argument::debug_subject: return "CLOCK";
    case Argument::clock_action: return "SET unix-ns, ADVANCE ns or RESUME";
    case Argument::unix_time: return "a Unix time in nanoseconds from 0 to 7258118400000000000";
    case Argument::nanoseconds: return "nanoseconds that lead no further than the year 2200";
    case Argument::expiry: return "a Unix time in milliseconds";
    case Argument::payload: return "a state that this version of the module can read";
    case Argument::aligned:
    case Argument::per_request:
    case Argument::none: return "given";
  }
  return "given";
}

}  // namespace

std::string message(const Fault& fault) {
  const std::string name = name_of(fault.argument);
  switch (fault.kind) {
    case Fault::Kind::missing: return "ERR " + name + " is missing: it must be " + requirement_of(fault.argument);
    case Fault::Kind::malformed: return "ERR " + name + " must be " + requirement_of(fault.argument);
    case Fault::Kind::repeated: return "ERR " + name + " is given twice";
    case Fault::Kind::refills_too_slowly:
      return "ERR refill must be large enough for the bucket to refill from empty within 3650d";
    case Fault::Kind::repeated_label: return "ERR label must be different for each limit of a call";
    case Fault::Kind::too_many_limits: return "ERR limits must be at most 8";
    case Fault::Kind::too_many_arguments: return "ERR too many arguments";
    case Fault::Kind::key_only: return "ERR key must be the only argument";
    case Fault::Kind::unknown_option:
      return "ERR syntax error at argument " + std::to_string(fault.position) +
             ": expected AS label, PER REQUEST, COST n or, after FIXED, ALIGNED";
    case Fault::Kind::unknown_limit_or_option:
      return "ERR syntax error at argument " + std::to_string(fault.position) +
             ": expected a limit (TOKENBUCKET, FIXED or SLIDING and its numbers), AS label, PER REQUEST, COST n or, "
             "after FIXED, ALIGNED";
    case Fault::Kind::incomplete_per_request: return "ERR PER must be followed by REQUEST";
    case Fault::Kind::no_limits:
      return "NOLIMITS this call names no limits and the key stores none: name one, such as TOKENBUCKET 20 10 1s";
    case Fault::Kind::wrong_type: return "WRONGTYPE Operation against a key holding the wrong kind of value";
    case Fault::Kind::internal_only: return "ERR this command is for replication and for loading files only";
    case Fault::Kind::unknown_module_argument: return "ERR the only argument that the module takes is DEBUG";
  }
  return "ERR";
}

}  // namespace ratelimit
