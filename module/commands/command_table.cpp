#include "commands/command_table.h"

#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "commands/arguments.h"
#include "commands/commands.h"

namespace ratelimit {
namespace {

using server::ArgumentDoc;
using server::KeyUse;
using Type = ArgumentDoc::Type;
using Audience = Command::Audience;

// The grammar, from its leaves to its commands.

constexpr ArgumentDoc kKey{.name = "key", .type = Type::key};

constexpr std::array kBucketNumbers{ArgumentDoc{.name = "capacity", .type = Type::integer},
                                    ArgumentDoc{.name = "refill", .type = Type::integer},
                                    ArgumentDoc{.name = "period", .type = Type::string}};
constexpr ArgumentDoc kLeak{.name = "leak", .type = Type::integer};
constexpr std::array kWindowNumbers{ArgumentDoc{.name = "limit", .type = Type::integer},
                                    ArgumentDoc{.name = "window", .type = Type::string}};
constexpr ArgumentDoc kLease{.name = "lease", .type = Type::string};
constexpr std::array kUnits{ArgumentDoc{.name = "hour", .type = Type::token, .token = "HOUR"},
                            ArgumentDoc{.name = "day", .type = Type::token, .token = "DAY"},
                            ArgumentDoc{.name = "week", .type = Type::token, .token = "WEEK"},
                            ArgumentDoc{.name = "month", .type = Type::token, .token = "MONTH"},
                            ArgumentDoc{.name = "year", .type = Type::token, .token = "YEAR"}};
constexpr ArgumentDoc kUnit{.name = "unit", .type = Type::one_of, .parts = kUnits};

constexpr ArgumentDoc kAligned{.name = "aligned", .type = Type::token, .token = "ALIGNED", .optional = true};
constexpr ArgumentDoc kApprox{.name = "approx", .type = Type::token, .token = "APPROX", .optional = true};
constexpr ArgumentDoc kZone{.name = "zone", .type = Type::string, .token = "TZ", .optional = true};
constexpr ArgumentDoc kLabel{.name = "label", .type = Type::string, .token = "AS", .optional = true};
constexpr ArgumentDoc kPerRequest{.name = "per-request", .type = Type::token, .token = "PER REQUEST", .optional = true};
constexpr ArgumentDoc kCost{.name = "n", .type = Type::integer, .token = "COST", .optional = true};
constexpr std::array kModes{ArgumentDoc{.name = "partial", .type = Type::token, .token = "PARTIAL"},
                            ArgumentDoc{.name = "force", .type = Type::token, .token = "FORCE"},
                            ArgumentDoc{.name = "d", .type = Type::string, .token = "MAXWAIT"}};
constexpr ArgumentDoc kMode{.name = "mode", .type = Type::one_of, .optional = true, .parts = kModes};
constexpr ArgumentDoc kId{.name = "id", .type = Type::string, .token = "ID", .optional = true};
constexpr ArgumentDoc kSubject{.name = "subject", .type = Type::string, .token = "FOR", .optional = true};
constexpr ArgumentDoc kSubjects{
    .name = "subject", .type = Type::string, .token = "FOR", .optional = true, .repeats = true};
constexpr ArgumentDoc kJitter{.name = "d", .type = Type::string, .token = "JITTER", .optional = true};
constexpr ArgumentDoc kHeaders{.name = "headers", .type = Type::token, .token = "HEADERS", .optional = true};
constexpr ArgumentDoc kTheId{.name = "id", .type = Type::string};

constexpr std::array kTokenBucket{ArgumentDoc{.name = "tokenbucket", .type = Type::token, .token = "TOKENBUCKET"},
                                  kBucketNumbers[0], kBucketNumbers[1], kBucketNumbers[2]};
constexpr std::array kLeakyBucket{ArgumentDoc{.name = "leakybucket", .type = Type::token, .token = "LEAKYBUCKET"},
                                  kBucketNumbers[0], kLeak, kBucketNumbers[2]};
constexpr std::array kFixed{ArgumentDoc{.name = "fixed", .type = Type::token, .token = "FIXED"}, kWindowNumbers[0],
                            kWindowNumbers[1], kAligned};
constexpr std::array kSliding{ArgumentDoc{.name = "sliding", .type = Type::token, .token = "SLIDING"},
                              kWindowNumbers[0], kWindowNumbers[1], kApprox};
constexpr std::array kQuota{ArgumentDoc{.name = "quota", .type = Type::token, .token = "QUOTA"}, kWindowNumbers[0],
                            kUnit, kZone};
constexpr std::array kConcurrent{ArgumentDoc{.name = "concurrent", .type = Type::token, .token = "CONCURRENT"},
                                 kWindowNumbers[0], kLease};

constexpr std::array kAlgorithms{
    ArgumentDoc{.name = "tokenbucket", .type = Type::block, .parts = kTokenBucket},
    ArgumentDoc{.name = "leakybucket", .type = Type::block, .parts = kLeakyBucket},
    ArgumentDoc{.name = "fixed", .type = Type::block, .parts = kFixed},
    ArgumentDoc{.name = "sliding", .type = Type::block, .parts = kSliding},
    ArgumentDoc{.name = "quota", .type = Type::block, .parts = kQuota},
    ArgumentDoc{.name = "concurrent", .type = Type::block, .parts = kConcurrent},
};
constexpr std::array kLimit{ArgumentDoc{.name = "algorithm", .type = Type::one_of, .parts = kAlgorithms}, kLabel,
                            kPerRequest};
constexpr ArgumentDoc kLimits{.name = "limit", .type = Type::block, .repeats = true, .parts = kLimit};
constexpr ArgumentDoc kLimitsIfNotOfKey{
    .name = "limit", .type = Type::block, .optional = true, .repeats = true, .parts = kLimit};

constexpr std::array kCheck{kKey, kLimitsIfNotOfKey, kSubject, kCost, kMode, kId, kJitter, kHeaders};
constexpr std::array kCheckAll{ArgumentDoc{.name = "numkeys", .type = Type::integer},
                               ArgumentDoc{.name = "key", .type = Type::key, .repeats = true},
                               kLimitsIfNotOfKey,
                               kSubjects,
                               kCost,
                               kJitter,
                               kHeaders};
constexpr std::array kDefine{kKey, kLimits,
                             ArgumentDoc{.name = "shadow", .type = Type::token, .token = "SHADOW", .optional = true}};
constexpr std::array kPeek{kKey, kLimitsIfNotOfKey, kSubject, kCost};
constexpr std::array kTop{kKey, ArgumentDoc{.name = "count", .type = Type::integer, .optional = true}};

/// A shorthand: its key, the numbers of its limit, and what RL.CHECK takes besides.
template <class... Numbers>
constexpr auto shorthand(const Numbers&... numbers) {
  return std::array{kKey, numbers..., kLabel, kPerRequest, kSubject, kCost, kMode, kId, kJitter, kHeaders};
}
constexpr auto kTokenBucketCommand = shorthand(kBucketNumbers[0], kBucketNumbers[1], kBucketNumbers[2]);
constexpr auto kLeakyBucketCommand = shorthand(kBucketNumbers[0], kLeak, kBucketNumbers[2]);
constexpr auto kFixedCommand = shorthand(kWindowNumbers[0], kWindowNumbers[1], kAligned);
constexpr auto kSlidingCommand = shorthand(kWindowNumbers[0], kWindowNumbers[1], kApprox);
constexpr auto kQuotaCommand = shorthand(kWindowNumbers[0], kUnit, kZone);
constexpr auto kConcurrentCommand = shorthand(kWindowNumbers[0], kLease);

constexpr std::array kRefund{kKey, ArgumentDoc{.name = "n", .type = Type::integer}, kSubject};
constexpr std::array kReserve{
    kKey, ArgumentDoc{.name = "ttl", .type = Type::string}, kLimitsIfNotOfKey, kSubject, kCost, kId};
constexpr std::array kSettle{kKey, kTheId, ArgumentDoc{.name = "actual", .type = Type::integer}, kLimitsIfNotOfKey,
                             kSubject};
constexpr std::array kRelease{kKey, kTheId, kSubject};
constexpr std::array kInfo{kKey, kSubject};
constexpr std::array kThrottle{kKey, ArgumentDoc{.name = "max_burst", .type = Type::integer},
                               ArgumentDoc{.name = "count", .type = Type::integer},
                               ArgumentDoc{.name = "period", .type = Type::integer},
                               ArgumentDoc{.name = "quantity", .type = Type::integer, .optional = true}};
constexpr std::array kEffectKinds{ArgumentDoc{.name = "store", .type = Type::token, .token = "STORE"},
                                  ArgumentDoc{.name = "apply", .type = Type::token, .token = "APPLY"},
                                  ArgumentDoc{.name = "perform", .type = Type::token, .token = "PERFORM"},
                                  ArgumentDoc{.name = "define", .type = Type::token, .token = "DEFINE"},
                                  ArgumentDoc{.name = "sweep", .type = Type::token, .token = "SWEEP"},
                                  ArgumentDoc{.name = "fill", .type = Type::token, .token = "FILL"}};
constexpr std::array kEffect{kKey, ArgumentDoc{.name = "kind", .type = Type::one_of, .parts = kEffectKinds},
                             ArgumentDoc{.name = "unix-ms", .type = Type::integer},
                             ArgumentDoc{.name = "payload", .type = Type::string},
                             ArgumentDoc{.name = "subject-hash", .type = Type::string, .optional = true}};

constexpr std::array kClockSet{ArgumentDoc{.name = "unix-ns", .type = Type::integer, .token = "SET"}};
constexpr std::array kClockActions{kClockSet[0], ArgumentDoc{.name = "ns", .type = Type::integer, .token = "ADVANCE"},
                                   ArgumentDoc{.name = "resume", .type = Type::token, .token = "RESUME"}};
constexpr std::array kDebug{ArgumentDoc{.name = "clock", .type = Type::token, .token = "CLOCK"},
                            ArgumentDoc{.name = "action", .type = Type::one_of, .parts = kClockActions}};

constexpr const char* kConstantTime = "O(1)";
constexpr const char* kLogTime =
    "O(N log M), with N the number of limits (at most 8) and M the number of entries of a SLIDING limit";
constexpr const char* kLogTimeWithHolds =
    "O(N log M), with N the number of limits (at most 8) and M the number of entries of a SLIDING limit, or of holds";
constexpr const char* kWriteFlags = "write deny-oom fast";
// What gives back must work when memory is short, too.
constexpr const char* kGiveBackFlags = "write fast";
constexpr const char* kReadFlags = "readonly fast";
// What the primary has decided is never refused, not for want of memory either.
constexpr const char* kEffectFlags = "write fast";

constexpr std::array kCommands{
    Command{
        .name = "RL.CHECK",
        .handler = commands::check,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kCheck,
        .complexity = kLogTime,
        .since = "0.1.0",
        .summary = "Decides a call under one or more limits: all are charged, or none is",
        .details =
            "Replies with five integers and a label: `granted`, `limit`, `remaining`, `wait_ms`, `reset_ms` "
            "and which limit was binding: of those that deny, the one with the longest wait; when granted, the "
            "one with the fewest remaining.\n\n"
            "If one of the limits is `CONCURRENT`, the id of the lease comes next, null if the call is denied.\n\n"
            "`PARTIAL` takes what is there, up to `COST`. `FORCE` charges the call whatever is left, also into debt; "
            "`wait_ms` says how long the debt lasts. `MAXWAIT` takes from the future if the wait is at most `d`; "
            "`wait_ms` says how long to hold the call. docs/operations.md has more.\n\n"
            "A denied call takes nothing and writes nothing, but for a state of a clock that was ahead or of other "
            "limits, which it brings to now so that the wait comes true. The limits are those of the call: when they "
            "differ from those of the key, the key follows them, and what is used stays used. A key with limits of its "
            "own, "
            "stored by `RL.DEFINE`, is called without any.\n\n"
            "`FOR` names who is limited: one of many subjects in the key, of which each has a state of its own. "
            "Without it "
            "that is the key itself. docs/limiters.md has more.\n\n"
            "`HEADERS` adds, last, a flat list of HTTP field names and values: `RateLimit-Policy` and `RateLimit` of "
            "draft-ietf-httpapi-ratelimit-headers-10, `RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset` and, "
            "if "
            "the call is denied, `Retry-After`. `JITTER` adds up to `d` at random to the wait of a denial, so that who "
            "is "
            "refused together does not come back together.",
    },
    Command{
        .name = "RL.CHECKALL",
        .handler = commands::check_all,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update_many,
        .arguments = kCheckAll,
        .complexity = "O(K * N log M), with K the number of keys (at most 64), N that of limits, M as of RL.CHECK",
        .since = "0.1.0",
        .summary = "Decides a call under the limits of several keys: all are charged, or none is",
        .details =
            "Limits are given one for each key, in their order, or not at all, if all keys store limits. Subjects are "
            "given "
            "likewise; an empty one stands for the key itself. The same key and subject twice is decided in "
            "sequence.\n\n"
            "The reply is that of `RL.CHECK`, of the limit that binds among all: a label that is there already gets a "
            "number. If a limit is `CONCURRENT`, the lease has the same id in all keys. In a cluster all keys are of "
            "one "
            "slot.",
    },
    Command{
        .name = "RL.DEFINE",
        .handler = commands::define,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kDefine,
        .complexity = "O(N) with N the number of limits; who is in the key follows step by step",
        .since = "0.1.0",
        .summary = "Stores limits in a key, or changes them for everyone in it",
        .details =
            "Makes the key a limiter: calls on it name no limits, it has no time to live, and `DEL` removes it. "
            "Whoever is "
            "in the key goes over to the new limits at once, and what is used stays used.\n\n"
            "With `SHADOW` limits are on trial: calls are decided, charged and counted, but granted all the same, and "
            "at "
            "once. `RL.INFO` and `RL.TOP` show who would have been denied. The same without `SHADOW` ends the trial.",
    },
    Command{
        .name = "RL.TOKENBUCKET",
        .handler = commands::token_bucket,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kTokenBucketCommand,
        .complexity = kConstantTime,
        .since = "0.1.0",
        .summary = "Decides a call under a bucket that refills continuously",
        .details = "`RL.CHECK` with that one limit. Replies with the five integers only.",
    },
    Command{
        .name = "RL.LEAKYBUCKET",
        .handler = commands::leaky_bucket,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kLeakyBucketCommand,
        .complexity = kConstantTime,
        .since = "0.1.0",
        .summary = "Queues a call, and tells how long to wait for its turn",
        .details = "`RL.CHECK` with that one limit. Replies with the five integers only.\n\n"
                   "The queue holds `capacity` units, of which `leak` leave per `period`, evenly. A granted call has "
                   "its place in it: "
                   "`wait_ms` says when it may go. A call for which there is no place is denied.",
    },
    Command{
        .name = "RL.FIXED",
        .handler = commands::fixed,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kFixedCommand,
        .complexity = kConstantTime,
        .since = "0.1.0",
        .summary = "Decides a call under a limit per window of fixed length",
        .details = "`RL.CHECK` with that one limit. Replies with the five integers only.\n\n"
                   "A window begins with the first granted call that finds none open; with `ALIGNED`, windows begin "
                   "at multiples of their length since 1970-01-01 UTC.",
    },
    Command{
        .name = "RL.SLIDING",
        .handler = commands::sliding,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kSlidingCommand,
        .complexity = "O(log M), with M the number of grants in the window",
        .since = "0.1.0",
        .summary = "Decides a call under a limit that holds for any window of the given length",
        .details =
            "`RL.CHECK` with that one limit. Replies with the five integers only.\n\n"
            "`APPROX` keeps two counters instead of the log: constant size, and an error that docs/algorithms.md "
            "states. "
            "Without it exact: an entry counts at most window / 2^26 too long, never too short. Each grant in the "
            "window takes two to four bytes, and one to five more if it costs more than one unit; 1,048,576 "
            "are kept at most; beyond that calls are "
            "denied until the first entry leaves.",
    },
    Command{
        .name = "RL.QUOTA",
        .handler = commands::quota,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kQuotaCommand,
        .complexity = kConstantTime,
        .since = "0.1.0",
        .summary = "Decides a call under a limit per hour, day, week, month or year of the calendar",
        .details =
            "`RL.CHECK` with that one limit. Replies with the five integers only.\n\n"
            "The windows are those of the clock on the wall in the time zone, by default UTC: a day may have 23 or 25 "
            "hours, a "
            "month has 28 to 31 days, a week begins on Monday. `zone` is a name of the IANA database, such as "
            "`Europe/Berlin`, which the server's machine must know; the zone of the server itself never matters.",
    },
    Command{
        .name = "RL.CONCURRENT",
        .handler = commands::concurrent,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kConcurrentCommand,
        .complexity = "O(log M), with M the number of leases; a scan of those that ended since the last grant",
        .since = "0.1.0",
        .summary = "Takes a lease, if not too many are taken",
        .details = "`RL.CHECK` with that one limit. Replies with the five integers and the id of the lease, or null if "
                   "the call is "
                   "denied.\n\n"
                   "At most `limit` units are held at once. A lease ends by itself after `lease`, and before that by "
                   "`RL.RELEASE`. "
                   "Without `ID` the server makes an id; a call with the id of a lease that lasts renews it, and is "
                   "not counted twice.",
    },
    Command{
        .name = "RL.PEEK",
        .handler = commands::peek,
        .flags = kReadFlags,
        .audience = Audience::users,
        .key = KeyUse::read,
        .arguments = kPeek,
        .complexity = kLogTime,
        .since = "0.1.0",
        .summary = "Tells what RL.CHECK would answer, taking nothing",
        .details = "The reply is that of `RL.CHECK`. It works on a replica. Without limits in the call those of the "
                   "key apply; if there is no such key either, the reply is null.",
    },
    Command{
        .name = "RL.REFUND",
        .handler = commands::refund,
        .flags = kGiveBackFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kRefund,
        .complexity = kLogTime,
        .since = "0.1.0",
        .summary = "Gives units back",
        .details = "Replies with the number of units that came back: the most of all limits of the key, and 0 if "
                   "nothing was used. "
                   "The newest units that count come back first; nothing becomes fuller than full. Leases are ended by "
                   "`RL.RELEASE`, "
                   "and a limit with `PER REQUEST` counts requests, which have been made: both stay as they are. "
                   "A key that is idle then is removed.",
    },
    Command{
        .name = "RL.RESERVE",
        .handler = commands::reserve,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kReserve,
        .complexity = kLogTimeWithHolds,
        .since = "0.1.0",
        .summary = "Charges an estimate, and holds it until the actual cost is known",
        .details = "The call is decided like by `RL.CHECK`, which see, and charged `COST`: an estimate, of which no "
                   "more is asked than the smallest limit "
                   "holds. The reply has the id of the hold behind the label, null if the call is denied. `RL.SETTLE` "
                   "ends a hold; one "
                   "that is not settled gives its units back after `ttl`. The same id once more is the same hold: "
                   "nothing is charged, and "
                   "`ttl` begins anew. At most 65,536 holds a key.",
    },
    Command{
        .name = "RL.SETTLE",
        .handler = commands::settle,
        .flags = kGiveBackFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kSettle,
        .complexity = kLogTimeWithHolds,
        .since = "0.1.0",
        .summary = "Ends a hold, and charges the actual cost instead of the estimate",
        .details =
            "What was too much comes back, as far as it still counts; what was too little is charged, also into debt. "
            "An id that is not "
            "known, or whose hold has ended, is charged the actual cost. Never denied. A lease with that id ends, "
            "too.\n\n"
            "Replies like `RL.CHECK` with `FORCE`: `granted` is the actual cost, `wait_ms` how long a debt lasts. What "
            "comes last is "
            "`settled`, or `unknown` if there was no such hold. Null if there is no such key and no limits are named.",
    },
    Command{
        .name = "RL.RELEASE",
        .handler = commands::release,
        .flags = kGiveBackFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kRelease,
        .complexity = "O(log M), with M the number of leases",
        .since = "0.1.0",
        .summary = "Ends a lease of CONCURRENT",
        .details = "Replies with 1, or with 0 if there is no lease with that id, or it has ended already. "
                   "A key that is idle then is removed.",
    },
    Command{
        .name = "RL.TOP",
        .handler = commands::top,
        .flags = kReadFlags,
        .audience = Audience::users,
        .key = KeyUse::read,
        .arguments = kTop,
        .complexity = "O(1): at most 128 subjects are counted",
        .since = "0.1.0",
        .summary = "Names the subjects of a key that were denied most",
        .details =
            "Replies with a list of three each: the subject, how often it was denied since this server holds the "
            "key, and by how much that may be too many. Only 128 are counted; whoever gets more than one in 128 of "
            "all denials is among them. `count` is 10 if it is not given, and 128 at most.",
    },
    Command{
        .name = "RL.INFO",
        .handler = commands::info,
        .flags = kReadFlags,
        .audience = Audience::users,
        .key = KeyUse::read,
        .arguments = kInfo,
        .complexity = kLogTime,
        .since = "0.1.0",
        .summary = "Shows the limits of a key, what is used of them, and its counters",
        .details =
            "Replies with names and values (a map in RESP3): `form`, which is `single` or `dense`, whether limits are "
            "`stored` and whether they are a `shadow`, the number of `subjects`, `memory` in bytes, `granted` and "
            "`denied` calls since this server holds the key, the number of `holds`, and `limits`, a list with "
            "`label`, `limit`, `size`, `used`, `remaining` and `reset_ms` of each. Holds and use are those of the "
            "key itself, or of the subject. Null if there is no such key, or the subject is idle.\n\n"
            "`granted` and `denied` stop at their largest numbers: 1,048,575 for a key that is one token bucket and "
            "nothing else; otherwise 4,294,967,295 and 1,073,741,823.",
    },
    Command{
        .name = "CL.THROTTLE",
        .handler = commands::throttle,
        .flags = kWriteFlags,
        .audience = Audience::users,
        .key = KeyUse::update,
        .arguments = kThrottle,
        .complexity = kConstantTime,
        .since = "0.1.0",
        .summary = "Decides a call as the module redis-cell does",
        .details =
            "`RL.TOKENBUCKET key max_burst+1 count period` with `COST quantity`, for clients of redis-cell: the same "
            "arguments, in seconds, and the same reply. Five integers: 0 if the call is granted and 1 if it is "
            "refused, "
            "the limit, what remains, in how many seconds to try again (-1: no need to, or no use), and in how many "
            "seconds the bucket is full. Seconds are rounded up. A `quantity` of 0 asks and takes nothing.\n\n"
            "A key that redis-cell wrote, a string, counts as it stands; the first call that is granted makes it one "
            "of "
            "ours. docs/redis-cell.md has more.\n\n"
            "If another module has the command already, this one loads without it.",
        .yields = true,
    },
    Command{
        .name = "RL._EFFECT",
        .handler = commands::effect,
        .flags = kEffectFlags,
        .audience = Audience::servers,
        .key = KeyUse::update,
        .arguments = kEffect,
        .complexity = "O(N), with N the size of the payload or, for SWEEP, the number of subjects in its range",
        .since = "0.1.0",
        .summary = "Carries the effect of a change to replicas and append-only files; refused from clients",
        .details =
            "The primary has decided what happens; whoever replays the effect decides nothing again. `unix-ms` is "
            "the Unix time in milliseconds at which the key ends; 0 leaves the end of the key alone. docs/format.md "
            "describes the payloads. Only the link to the primary and the loading of a file may use the "
            "command.\n\n"
            "| kind | what it does |\n|---|---|\n"
            "| `STORE` | puts a key, or a subject of its table, as it is now |\n"
            "| `APPLY` | adds what a granted call changed to states that are there; they may be large |\n"
            "| `PERFORM` | repeats an operation, with its instant, on a subject that is there |\n"
            "| `DEFINE` | stores limits in the key, as of an instant |\n"
            "| `SWEEP` | forgets the subjects of a range of hashes that are idle at an instant |\n"
            "| `FILL` | adds a chunk of subjects to the table of the key, in a rewritten append-only file |",
    },
    Command{
        .name = "RL.DEBUG",
        .handler = commands::debug,
        .flags = "admin fast",
        .audience = Audience::debuggers,
        .key = KeyUse::none,
        .arguments = kDebug,
        .complexity = kConstantTime,
        .since = "0.1.0",
        .summary = "Moves the clock of the module by hand, for tests",
        .details = "There only if the module was loaded with the argument `DEBUG`. `SET` stops the clock at a Unix "
                   "time in nanoseconds, `ADVANCE` stops it and moves it forward, `RESUME` lets it run on from the "
                   "real time. Keep it ahead of the real time: the server itself still ends keys by its own clock.",
    },
};

/// Tells the keys of a call of a command whose first argument is their number; none of a call that cannot be.
void tell_keys(const Call& call) {
  Arguments arguments(call.words());
  const std::int64_t keys = arguments.integer(Argument::number_of_keys, std::int64_t{CheckAllRequest::kMostKeys});
  const std::size_t first = 2;
  const std::size_t end = first + static_cast<std::size_t>(keys);
  if (arguments.fault() || end > call.words().size()) return;
  for (std::size_t i = first; i < end; ++i) call.context().tell_key(i);
}

/// What the server calls for command I: errors become replies here, and nowhere else. Nothing throws; noexcept makes
/// sure of it.
template <std::size_t I>
int entry(RedisModuleCtx* context, RedisModuleString** words, int count) noexcept {
  const Call call(context, {words, static_cast<std::size_t>(count)});
  if constexpr (kCommands[I].key == KeyUse::update_many) {
    if (call.context().asks_for_keys()) return tell_keys(call), 0;
  }
  const std::optional<Fault> fault =
      call.is_too_long() ? Fault{Fault::Kind::too_many_arguments} : kCommands[I].handler(call);
  if (fault) call.context().reply_error(message(*fault));
  return 0;
}

template <std::size_t... I>
constexpr std::array<server::CommandFunction, sizeof...(I)> entries(std::index_sequence<I...>) {
  return {entry<I>...};
}
constexpr auto kEntries = entries(std::make_index_sequence<kCommands.size()>{});

std::string syntax_of(std::span<const ArgumentDoc> arguments, const char* separator);

/// A block that repeats is shown by its name; what it is made of is shown apart.
bool is_shown_by_name(const ArgumentDoc& argument) { return argument.type == Type::block && argument.repeats; }

std::string syntax_of(const ArgumentDoc& argument) {
  std::string text;
  if (argument.token != nullptr) text = argument.token;
  if (!argument.parts.empty() && !is_shown_by_name(argument)) {
    text += syntax_of(argument.parts, argument.type == Type::one_of ? " | " : " ");
  } else if (argument.type != Type::token) {
    if (!text.empty()) text += ' ';
    text += argument.name;
  }
  if (argument.type == Type::one_of) text = '<' + text + '>';
  if (argument.repeats) text += " [" + text + " ...]";
  return argument.optional ? '[' + text + ']' : text;
}

std::string syntax_of(std::span<const ArgumentDoc> arguments, const char* separator) {
  std::string text;
  for (const ArgumentDoc& argument : arguments) {
    if (!text.empty()) text += separator;
    text += syntax_of(argument);
  }
  return text;
}

}  // namespace

std::span<const Command> command_table() { return kCommands; }

std::string syntax_of(const Command& command) {
  std::string text = std::string(command.name) + ' ' + syntax_of(command.arguments, " ");
  for (const ArgumentDoc& argument : command.arguments) {
    if (!is_shown_by_name(argument)) continue;
    text += std::string("\n") + argument.name + " := " + syntax_of(argument.parts, " ");
  }
  return text;
}

namespace {

/// Whether the module can do without a command that the server did not accept. Says so in the server's log.
bool can_do_without(server::Context context, const Command& command, server::Registration registration) {
  if (registration != server::Registration::name_taken || !command.yields) return false;
  const std::string text = std::string(command.name) + " is a command of another module: this one loads without it";
  context.log_warning(text.c_str());
  return true;
}

}  // namespace

bool register_commands(server::Context context, bool debug) {
  for (std::size_t i = 0; i < kCommands.size(); ++i) {
    const Command& command = kCommands[i];
    if (command.audience == Audience::debuggers && !debug) continue;
    // The server would refuse a call with too few words in words of its own; ours name the argument that is missing.
    constexpr int kAnyNumber = -1;
    const server::Registration registration = server::register_command(context, {.name = command.name,
                                                                                 .function = kEntries[i],
                                                                                 .flags = command.flags,
                                                                                 .arity = kAnyNumber,
                                                                                 .key = command.key,
                                                                                 .summary = command.summary,
                                                                                 .complexity = command.complexity,
                                                                                 .since = command.since,
                                                                                 .arguments = command.arguments});
    if (registration != server::Registration::done && !can_do_without(context, command, registration)) return false;
  }
  return true;
}

}  // namespace ratelimit
