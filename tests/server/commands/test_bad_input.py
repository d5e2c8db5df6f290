# SPDX-License-Identifier: MIT
"""Bad input: one clear error that names the argument and never repeats it; nothing changed; the server lives."""

from __future__ import annotations

from itertools import chain, product

import pytest
import redis

from oracle_limits import MOST, MOST_32
from vocabulary import (
    BAD_BUDGETS,
    BAD_COSTS,
    BAD_DURATIONS,
    BAD_RATES,
    BAD_SIZES,
    NO_DURATIONS,
    NO_NUMBERS,
    TOO_SHORT,
    refused,
    unchanged,
)

BAD_UNITS = ["", "xyzzy", "1d", "DAYS", "MINUTE", "day\0", " DAY", "DAY ", "5", "H", "x" * 2**20]
BAD_IDS = ["", "x" * 65, "x" * 2**20]
BAD = {
    "size": BAD_SIZES,
    "budget": BAD_BUDGETS,
    "rate": BAD_RATES,
    "duration": BAD_DURATIONS,
    "unit": BAD_UNITS,
}
RIGHT = {
    "size": f"must be an integer from 0 to {MOST_32}",
    "budget": f"must be an integer from 0 to {MOST}",
    "rate": f"must be an integer from 1 to {MOST_32}",
    "duration": "must be a duration from 1ms to 3650d",
    "unit": "must be HOUR, DAY, WEEK, MONTH, QUARTER or YEAR",
}

# An algorithm's numbers: the name that errors give to each, what it is, and a good value.
NUMBERS = {
    "TOKENBUCKET": [("capacity", "size", "20"), ("refill", "rate", "10"), ("period", "duration", "1s")],
    "FIXED": [("limit", "budget", "20"), ("window", "duration", "60s")],
    "SLIDING": [("limit", "size", "20"), ("window", "duration", "60s")],
    "LEAKYBUCKET": [("capacity", "size", "20"), ("leak", "rate", "10"), ("period", "duration", "1s")],
    "QUOTA": [("limit", "budget", "20"), ("unit", "unit", "DAY")],
    "CONCURRENT": [("limit", "size", "20"), ("lease", "duration", "60s")],
}


def forms(algorithm: str) -> list[list[str]]:
    """The ways to say a limit of this algorithm on the key k, up to its numbers."""
    return [[f"RL.{algorithm}", "k"], *([name, "k", algorithm] for name in ("RL.CHECK", "RL.PEEK"))]


def good(algorithm: str) -> list[str]:
    return [value for _, _, value in NUMBERS[algorithm]]


# Every way to say one good limit.
WHOLE = [form + good(algorithm) for algorithm in NUMBERS for form in forms(algorithm)]


def shown(argv: list[str]) -> str:
    """A short name for a test case."""
    return " ".join(word if len(word) < 30 else f"{word[:6]}..." for word in argv).replace("\0", "\\0")


def cases(argvs):
    return [pytest.param(*case, id=shown(case[0])) for case in argvs]


def with_bad_number():
    for algorithm, numbers in NUMBERS.items():
        for form in forms(algorithm):
            for index, (name, kind, _) in enumerate(numbers):
                for bad in BAD[kind]:
                    values = good(algorithm)
                    values[index] = bad
                    yield form + values, f"{name} {RIGHT[kind]}"


@pytest.mark.parametrize(("argv", "text"), cases(with_bad_number()))
def test_a_bad_number_is_refused_by_its_name(db, clock, argv, text):
    assert refused(db, argv).startswith(text)


def with_missing_number():
    for algorithm, numbers in NUMBERS.items():
        for form in forms(algorithm):
            for index, (name, _, _) in enumerate(numbers):
                is_too_short = form[0] == f"RL.{algorithm}"
                yield form + good(algorithm)[:index], TOO_SHORT if is_too_short else f"{name} is missing"


@pytest.mark.parametrize(("argv", "text"), cases(with_missing_number()))
def test_a_missing_number_is_named_unless_the_call_is_too_short_for_the_server(db, clock, argv, text):
    assert refused(db, argv).startswith(text)


@pytest.mark.parametrize("algorithm", NUMBERS)
def test_a_missing_number_says_how_the_limit_is_written(db, clock, algorithm):
    for given in range(len(NUMBERS[algorithm])):
        text, _, example = refused(db, ["RL.CHECK", "k", algorithm, *good(algorithm)[:given]]).rpartition(", such as ")
        assert text.endswith("; write " + " ".join([algorithm, *(name for name, _, _ in NUMBERS[algorithm])]))
        assert db.ask(f"RL.CHECK k {example}").granted == 1
        db.delete("k")


@pytest.mark.parametrize("command", ["RL.CHECK", "RL.PEEK", "RL.DEFINE"])
def test_a_limit_in_the_place_of_the_key_is_told_from_an_unknown_word(db, clock, command):
    text = "key is missing: it comes first, and then the limits, such as user:42 TOKENBUCKET 20 10 1s"
    assert refused(db, [command, "fixed", "10", "1m"]) == text
    assert refused(db, [command, "other", "10", "1m"]).startswith("syntax error at argument 2")
    db.do("RL.CHECK fixed FIXED 10 1m")  # a key may have any name


COMMANDS = [
    f"RL.{name}"
    for name in ("CHECK", "PEEK", "INFO", "REFUND", "RESERVE", "SETTLE", "RELEASE", "DEFINE", "TOP", *NUMBERS)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_call_without_a_key_is_refused_also_in_a_transaction(db, clock, command):
    assert refused(db, [command]).startswith(TOO_SHORT)
    with db.pipeline(transaction=True) as pipe:
        pipe.execute_command("SET", "other", "value")
        pipe.execute_command(command)
        with pytest.raises(redis.ResponseError, match=TOO_SHORT):
            pipe.execute()
    assert not db.exists("other"), "nothing of the transaction was done"


@pytest.mark.parametrize(("argv", "bad"), [pytest.param(a, b, id=shown([*a, b])) for a in WHOLE for b in BAD_BUDGETS])
def test_a_bad_cost_is_refused(db, clock, argv, bad):
    assert refused(db, [*argv, "COST", bad]).startswith(f"COST must be an integer from 0 to {MOST}")


@pytest.mark.parametrize("argv", WHOLE, ids=shown)
def test_a_cost_without_its_number_is_missing(db, clock, argv):
    assert "COST" in (text := refused(db, [*argv, "COST"]))
    assert "missing" in text


BAD_LABELS = [
    *("", " ", "two words", 'quo"te', "back\\slash", "tab\t", "line\n", "\0", "nul\0nul", "café", "\x7f"),
    *("x" * 65, "x" * 2**20),
]


@pytest.mark.parametrize("argv", WHOLE, ids=shown)
@pytest.mark.parametrize("label", BAD_LABELS, ids=lambda label: ascii(label[:10]))
def test_a_bad_label_is_refused(db, clock, argv, label):
    assert refused(db, [*argv, "AS", label]).startswith("label must be ")


@pytest.mark.parametrize("argv", WHOLE, ids=shown)
def test_a_missing_label_is_named(db, clock, argv):
    assert refused(db, [*argv, "AS"]).startswith("label is missing")


UNKNOWN_OPTIONS = [
    *(["xyzzy"], [""], ["\0"], ["x" * 2**20], ["COS", "1"], ["COSTS", "1"], ["COST\0", "1"], ["A", "mine"], ["5"]),
    *(["REQUEST"], ["PERREQUEST"], ["PER REQUEST"]),
    *(["ALIGN"], ["FORE", "xyzzy"], ["PART"], ["FORCED"], ["MAX", "5s"], ["HEADER"], ["APPROXIMATE"], ["ZONE", "UTC"]),
    *(["LEAKY", "5", "5", "1s"], ["DAY"], ["JITTERS", "5s"], ["partial\0"], ["FOR\0", "xyzzy"], ["SHADOW"]),
]


@pytest.mark.parametrize("argv", WHOLE, ids=shown)
@pytest.mark.parametrize("option", UNKNOWN_OPTIONS, ids=shown)
def test_an_unknown_option_is_a_syntax_error(db, clock, argv, option):
    assert refused(db, argv + option).startswith("syntax error")


@pytest.mark.parametrize("argv", WHOLE, ids=shown)
@pytest.mark.parametrize("rest", [[], ["xyzzy"], ["REQUESTS"], ["COST", "1"]], ids=shown)
def test_per_without_request_is_refused(db, clock, argv, rest):
    assert "REQUEST" in refused(db, [*argv, "PER", *rest])


@pytest.mark.parametrize("argv", WHOLE, ids=shown)
@pytest.mark.parametrize(
    ("option", "owner"),
    [("ALIGNED", "FIXED"), ("APPROX", "SLIDING"), ("TZ UTC", "QUOTA"), ("ANCHOR 2026-01-31", "QUOTA")],
)
def test_an_option_of_one_algorithm_is_none_of_the_others(db, clock, argv, option, owner):
    if owner not in " ".join(argv):
        assert refused(db, [*argv, *option.split()]).startswith("syntax error")


@pytest.mark.parametrize("argv", [argv for argv in WHOLE if argv[0] == "RL.PEEK"], ids=shown)
@pytest.mark.parametrize("option", ["PARTIAL", "FORCE", "MAXWAIT 5s", "ID xyzzy", "JITTER 5s"])
def test_a_peek_has_no_modes_no_id_and_no_jitter(db, clock, argv, option):
    assert refused(db, [*argv, *option.split()]).startswith("syntax error")


@pytest.mark.parametrize("argv", [argv for argv in WHOLE if argv[0] != "RL.PEEK"], ids=shown)
@pytest.mark.parametrize("bad", NO_DURATIONS, ids=lambda bad: ascii(bad[:10]))
def test_a_bad_maxwait_is_refused(db, clock, argv, bad):
    assert refused(db, [*argv, "MAXWAIT", bad]).startswith("MAXWAIT must be 0 or a duration from 1ms to 3650d")


@pytest.mark.parametrize("argv", [WHOLE[0], WHOLE[1]], ids=shown)
@pytest.mark.parametrize("bad", NO_DURATIONS, ids=lambda bad: ascii(bad[:10]))
def test_a_bad_jitter_is_refused(db, clock, argv, bad):
    assert refused(db, [*argv, "JITTER", bad]).startswith("JITTER must be 0 or a duration from 1ms to 3650d")


# Every command that may be about a subject of a key.
FOR_SOMEBODY = [
    *(argv for argv in WHOLE if "FIXED" in " ".join(argv)),
    *(line.split() for line in ("RL.REFUND k 1", "RL.RELEASE k a", "RL.INFO k", "RL.CHECK k", "RL.PEEK k")),
    *(line.split() for line in ("RL.BLOCK k 60s", "RL.RESET k", "RL.TRANSFER k l")),
    *(line.split() for line in ("RL.RESERVE k 1m", "RL.RESERVE k 1m FIXED 10 60s")),
    *(line.split() for line in ("RL.SETTLE k a 1", "RL.SETTLE k a 1 FIXED 10 60s")),
]


@pytest.mark.parametrize("argv", FOR_SOMEBODY, ids=shown)
def test_a_subject_has_a_name_of_1_to_1024_bytes(db, clock, argv):
    for bad in ("", "x" * 1025, "x" * 2**20):
        assert refused(db, [*argv, "FOR", bad]) == "FOR must be the name of a subject, of 1 to 1024 bytes"
    assert refused(db, [*argv, "FOR"]).startswith("FOR is missing")


@pytest.mark.parametrize("argv", FOR_SOMEBODY, ids=shown)
def test_a_call_is_for_one_subject(db, clock, argv):
    text = refused(db, [*argv, "FOR", "xyzzy", "FOR", "xyzzy"])
    assert text.startswith(("FOR is given twice", "FOR must be the last argument"))


# The words before it, the name of the argument, what is wrong, what would be right.
DEFINITIONS = [
    (["RL.DEFINE", "k"], TOO_SHORT),
    (["RL.DEFINE", "k", "FIXED", "10"], "window is missing"),
    (["RL.DEFINE", "k", "SHADOW"], TOO_SHORT),
    (["RL.DEFINE", "k", "SHADOW", "SHADOW", "SHADOW"], "SHADOW is given twice"),
    (["RL.DEFINE", "k", "FIXED", "10", "60s", "SHADOW", "SHADOW"], "SHADOW is given twice"),
    (["RL.DEFINE", "k", "SHADOW", "FIXED", "10"], "window is missing"),
    (["RL.DEFINE", "k", "FIXED", "-1", "60s"], "limit must be an integer"),
    (["RL.DEFINE", "k", "FIXED", "10", "60s", "AS", ""], "label must be"),
    (["RL.DEFINE", "k", *["FIXED", "10", "60s"] * 9], "limits must be at most 8"),
    (["RL.DEFINE", "k", *["FIXED", "10", "60s", "AS", "a"] * 2], "label must be different for each limit of a call"),
    (["RL.DEFINE", "k", "TOKENBUCKET", "2", "1", "3650d"], "refill must be large enough"),
    *(
        (["RL.DEFINE", "k", "FIXED", "10", "60s", *option.split()], "syntax error at argument 5: expected ")
        for option in ("xyzzy", "COST 1", "PARTIAL", "ID a", "HEADERS", "JITTER 1s", "SHADOWS")
    ),
]


@pytest.mark.parametrize(("argv", "text"), cases(DEFINITIONS))
def test_a_bad_definition_is_refused(db, clock, argv, text):
    assert refused(db, argv).startswith(text)


@pytest.mark.parametrize("bad", [*NO_NUMBERS, "0", "1025", "-0", "9" * 20], ids=lambda bad: ascii(bad[:10]))
def test_no_more_than_1024_subjects_are_named(db, clock, bad):
    assert refused(db, ["RL.TOP", "k", bad]).startswith("count must be an integer from 1 to 1024")


def test_top_takes_nothing_but_a_key_a_count_and_near(db, clock):
    assert refused(db, ["RL.TOP", "k", "10", "xyzzy"]) == "syntax error at argument 3: expected NEAR"
    assert refused(db, ["RL.TOP", "k", "NEAR", "10", "NEAR"]) == "NEAR is given twice"
    assert refused(db, ["RL.TOP", "k", "FOR", "xyzzy"]).startswith("count must be an integer")


@pytest.mark.parametrize("bad", [*NO_NUMBERS, "0", "5001", "-0", "9" * 20], ids=lambda bad: ascii(bad[:10]))
def test_no_more_than_5000_entries_of_the_log_are_shown(db, clock, bad):
    assert refused(db, ["RL.LOG", "k", bad]).startswith("count must be an integer from 1 to 5000")


def test_log_takes_nothing_but_a_key_and_a_count(db, clock):
    assert refused(db, ["RL.LOG", "k", "10", "xyzzy"]).startswith("count must be the last argument")
    assert refused(db, ["RL.LOG", "k", "FOR", "xyzzy"]).startswith("count must be an integer")


@pytest.mark.parametrize("argv", [argv for argv in WHOLE if argv[0] != "RL.PEEK"], ids=shown)
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("PARTIAL PARTIAL", "PARTIAL is given twice"),
        ("FORCE PARTIAL", "only one of PARTIAL, FORCE and MAXWAIT"),
        ("MAXWAIT 1s FORCE", "only one of PARTIAL, FORCE and MAXWAIT"),
        ("ID a ID b", "id is given twice"),
        ("ID", "id is missing"),
        ("MAXWAIT", "MAXWAIT is missing"),
        ("JITTER 1s JITTER 1s", "JITTER is given twice"),
        ("JITTER", "JITTER is missing"),
        ("HEADERS HEADERS", "HEADERS is given twice"),
    ],
)
def test_modes_ids_and_forms_of_the_answer_are_given_once_and_whole(db, clock, argv, options, text):
    assert refused(db, [*argv, *options.split()]).startswith(text)


@pytest.mark.parametrize("argv", [argv for argv in WHOLE if argv[0] != "RL.PEEK"], ids=shown)
@pytest.mark.parametrize("call_id", BAD_IDS, ids=len)
def test_an_id_that_is_empty_or_too_long_is_refused(db, clock, argv, call_id):
    assert refused(db, [*argv, "ID", call_id]).startswith("id must be 1 to 64 bytes")


# What else takes arguments of its own: the words before it, its name, what is wrong, and what would be right.
ACCOUNTS = [
    (["RL.REFUND", "k"], "n", BAD_COSTS, f"must be an integer from 1 to {MOST}"),
    (["RL.RESERVE", "k"], "ttl", BAD_DURATIONS, "must be a duration from 1ms to 3650d"),
    (["RL.SETTLE", "k", "a"], "actual", BAD_BUDGETS, f"must be an integer from 0 to {MOST}"),
    (["RL.SETTLE", "k"], "id", BAD_IDS, "must be 1 to 64 bytes"),
    (["RL.RELEASE", "k"], "id", BAD_IDS, "must be 1 to 64 bytes"),
    (["RL.BLOCK", "k"], "d", NO_DURATIONS, "must be 0 or a duration from 1ms to 3650d"),
]


def with_bad_argument():
    for argv, name, all_bad, right in ACCOUNTS:
        for bad in all_bad:
            yield [*argv, bad, *(["1"] if argv == ["RL.SETTLE", "k"] else [])], f"{name} {right}"


@pytest.mark.parametrize(("argv", "text"), cases(with_bad_argument()))
def test_a_bad_argument_of_an_operation_is_refused_by_its_name(db, clock, argv, text):
    assert refused(db, argv).startswith(text)


@pytest.mark.parametrize("argv", [argv for argv, _, _, _ in ACCOUNTS], ids=shown)
def test_an_operation_that_lacks_an_argument_is_too_short(db, clock, argv):
    assert refused(db, argv).startswith(TOO_SHORT)


@pytest.mark.parametrize(
    ("line", "rest"),
    product(
        ["RL.REFUND k 1", "RL.RELEASE k a", "RL.BLOCK k 60s", "RL.RESET k", "RL.INFO k", "RL.TRANSFER k l"],
        ["xyzzy", "FIXED 10 60s", "COST 1", "HEADERS", "FO xyzzy", "SHADOW"],
    ),
)
def test_what_goes_by_no_limits_takes_a_subject_and_nothing_more(db, clock, line, rest):
    text = f"syntax error at argument {len(line.split())}: expected FOR subject"
    assert refused(db, [*line.split(), *rest.split()]) == text
    assert refused(db, [*line.split(), "FOR", "s", *rest.split()]).endswith(" must be the last argument")


@pytest.mark.parametrize("form", [["RL.RESERVE", "k", "1m"], ["RL.SETTLE", "k", "a", "1"]], ids=shown)
@pytest.mark.parametrize("algorithm", NUMBERS)
def test_the_limits_of_a_reservation_are_checked_like_any(db, clock, form, algorithm):
    """A number of the limit that is bad, an option that is unknown, a limit too many."""
    for index, (name, kind, _) in enumerate(NUMBERS[algorithm]):
        values = good(algorithm)
        values[index] = "xyzzy"
        assert refused(db, [*form, algorithm, *values]).startswith(f"{name} {RIGHT[kind]}")
    assert refused(db, [*form, algorithm, *good(algorithm), "xyzzy"]).startswith("syntax error")
    assert refused(db, [*form, algorithm, *good(algorithm), "FORCE"]).startswith("syntax error")
    assert refused(db, form + ["FIXED", "10", "60s"] * 9) == "limits must be at most 8"


NO_ZONES = [
    *("", " ", "xyzzy", "Europe/xyzzy", "Europe", "Europe/", "/Europe/Berlin", "europe/berlin", "EUROPE/BERLIN", "utc"),
    *("Europe//Berlin", "Europe/../Europe/Berlin", "./Europe/Berlin", "../../etc/passwd", "../../../../../etc/passwd"),
    *("/etc/localtime", "/etc/passwd", "localtime", "posix/Europe/Berlin", "right/UTC", "right/Europe/Berlin"),
    *("posixrules", "zone.tab", "tzdata.zi", "leapseconds", "UTC\0", "Europe/Berlin\0", "Europe/Berlin\0.txt", "\0"),
    *("file:///etc/passwd", "file:Europe/Berlin", "libc:Europe/Berlin", "libc:localtime", ":Europe/Berlin", "~/x"),
    *("Fixed/UTC+01:00:00", "Fixed/UTC+01:00", "UTC+1", "UTC0", "+01:00", "CET-1CEST", "Europe/Berlin ", "%s%n"),
    *("Europe\\Berlin", "Europe/Berl\u0131n", "x" * 65, "E" * 64, "A/" * 32, "E" * 2**20),
]


@pytest.mark.parametrize("form", [["RL.QUOTA", "k"], ["RL.PEEK", "k", "QUOTA"], ["RL.SETTLE", "k", "a", "1", "QUOTA"]])
@pytest.mark.parametrize("zone", NO_ZONES, ids=lambda zone: ascii(zone[:24]))
def test_a_zone_that_is_none_is_refused(db, clock, form, zone):
    """None of these opens a file elsewhere, or means what the machine's own rules say."""
    assert refused(db, [*form, "20", "DAY", "TZ", zone]).startswith("TZ must be a time zone that is known here")


@pytest.mark.parametrize("form", forms("QUOTA"), ids=shown)
def test_a_missing_or_a_doubled_zone_is_named(db, clock, form):
    whole = [*form, *good("QUOTA")]
    assert refused(db, [*whole, "TZ"]).startswith("TZ is missing")
    for first, second in product(["UTC", "Europe/Berlin"], repeat=2):
        assert refused(db, [*whole, "TZ", first, "TZ", second]).startswith("TZ is given twice")


@pytest.mark.parametrize("command", ["RL.CHECK", "RL.PEEK"])
@pytest.mark.parametrize("word", ["xyzzy", "", "TOKEN", "FIXEDWINDOW", "fixed\0", "20"])
def test_an_unknown_algorithm_is_a_syntax_error(db, clock, command, word):
    assert refused(db, [command, "k", word, "20", "60s"]).startswith("syntax error")


@pytest.mark.parametrize("algorithm", NUMBERS)
def test_a_shorthand_takes_no_second_limit(db, clock, algorithm):
    assert refused(db, ["RL.FIXED", "k", "10", "60s", algorithm, *good(algorithm)]).startswith("syntax error")


@pytest.mark.parametrize("argv", WHOLE, ids=shown)
@pytest.mark.parametrize(("option", "name"), [("COST 1", "COST"), ("AS mine", "label"), ("PER REQUEST", "PER REQUEST")])
def test_a_doubled_option_is_refused_by_its_name(db, clock, argv, option, name):
    assert refused(db, argv + option.split() * 2).startswith(name)


@pytest.mark.parametrize("form", forms("FIXED"), ids=shown)
def test_a_doubled_aligned_is_refused(db, clock, form):
    assert "ALIGNED" in refused(db, [*form, "20", "60s", "ALIGNED", "ALIGNED"])


@pytest.mark.parametrize("form", forms("SLIDING"), ids=shown)
def test_a_doubled_approx_is_refused(db, clock, form):
    assert refused(db, [*form, "20", "60s", "APPROX", "APPROX"]).startswith("APPROX is given twice")


@pytest.mark.parametrize("option", ["ALIGNED", "APPROX", "TZ UTC"])
def test_an_option_of_a_limit_belongs_to_the_last_one(db, clock, option):
    limits = f"FIXED 20 60s SLIDING 20 60s QUOTA 20 DAY TOKENBUCKET 5 5 1s {option}"
    assert refused(db, ["RL.CHECK", "k", *limits.split()]).startswith("syntax error at argument 15:")


@pytest.mark.parametrize("option", ["FORCE", "MAXWAIT 1s", "ID a"])
def test_an_option_of_the_call_may_not_be_given_to_each_limit(db, clock, option):
    assert "twice" in refused(db, f"RL.CHECK k FIXED 10 60s {option} CONCURRENT 10 1h {option}".split())


# What a command does not have is not offered either.
ANSWERS = ("JITTER 1s", "HEADERS")
NOT_THERE = [
    *(("RL.PEEK k FIXED 20 60s", option) for option in ("PARTIAL", "FORCE", "MAXWAIT 1s", "ID a", "JITTER 1s")),
    *(("RL.RESERVE k 10s FIXED 20 60s", option) for option in ("PARTIAL", "FORCE", "MAXWAIT 1s", "EACH")),
    *(("RL.SETTLE k a 3 FIXED 20 60s", option) for option in ("PARTIAL", "FORCE", "MAXWAIT 1s", "ID a", "COST 1")),
    *(("RL.SETTLE k a 3 FIXED 20 60s", option) for option in ANSWERS),
    *(("RL.DEFINE k FIXED 20 60s", option) for option in ("PARTIAL", "FORCE", "MAXWAIT 1s", "ID a", "COST 1")),
    *(("RL.DEFINE k FIXED 20 60s", option) for option in ANSWERS),
    *(("RL.CHECK k FIXED 20 60s", option) for option in ("SHADOW",)),
]


@pytest.mark.parametrize(("line", "option"), NOT_THERE)
def test_an_option_that_a_command_does_not_have_is_a_syntax_error_that_does_not_offer_it(db, clock, line, option):
    text = refused(db, f"{line} {option}".split())
    assert text.startswith(f"syntax error at argument {len(line.split())}: expected ")
    assert option.split()[0] not in text.replace(",", " ").split()


@pytest.mark.parametrize(
    "line", ["RL.RESERVE k 10s", "RL.RESERVE k 10s COST 3 ID a", "RL.CHECK k", "RL.CHECK k FORCE ID a COST 3"]
)
def test_a_call_that_names_no_limits_where_there_are_none_is_an_error(db, clock, line):
    assert unchanged(db, line.split()).startswith("NOLIMITS ")


@pytest.mark.parametrize("command", ["RL.CHECK", "RL.PEEK"])
def test_cost_may_not_be_given_to_each_limit(db, clock, command):
    assert "COST" in refused(db, f"{command} k FIXED 10 60s COST 1 FIXED 10 1h COST 1".split())


@pytest.mark.parametrize("command", ["RL.CHECK", "RL.PEEK"])
@pytest.mark.parametrize(
    "limits", ["FIXED 10 60s AS mine FIXED 10 1h AS mine", "FIXED 10 60s AS fixed-2 FIXED 5 1s FIXED 5 1s"]
)
def test_two_limits_may_not_have_one_label(db, clock, command, limits):
    assert "label" in refused(db, f"{command} k {limits}".split())


@pytest.mark.parametrize("command", ["RL.CHECK", "RL.PEEK"])
@pytest.mark.parametrize(("count", "text"), [(9, "limits must be at most 8"), (1000, "too many arguments")])
def test_more_than_eight_limits_are_refused(db, clock, command, count, text):
    limits = [word for number in range(count) for word in ("FIXED", "10", "60s", "AS", f"label{number}")]
    assert refused(db, [command, "k", *limits]) == text


SLOW = ["4294967295 1 3650d", "2 1 3650d", "11 1 365d", "10 1 366d", "3650000 999 1d", "4294967295 1 74ms"]


BUCKETS = forms("TOKENBUCKET") + forms("LEAKYBUCKET")


@pytest.mark.parametrize(("argv", "numbers"), cases((form, slow) for form in BUCKETS for slow in SLOW))
def test_a_bucket_that_would_refill_too_slowly_is_refused(db, clock, argv, numbers):
    text = refused(db, argv + numbers.split())
    assert "3650" in text
    assert text.startswith("leak" if "LEAKYBUCKET" in " ".join(argv) else "refill")


def test_a_bucket_may_take_exactly_3650_days_to_refill(db, clock):
    assert db.ask("RL.TOKENBUCKET k 10 1 365d COST 10").reset_ms == 3650 * 86_400_000
    assert db.ask("RL.TOKENBUCKET l 1 1 3650d").reset_ms == 3650 * 86_400_000


def test_a_fault_behind_a_good_limit_is_found_before_anything_is_charged(db, clock):
    text = refused(db, "RL.CHECK k FIXED 10 60s TOKENBUCKET 20 0 1s".split())
    assert text.startswith("refill must be")


def test_the_first_fault_is_the_one_reported(db, clock):
    assert refused(db, "RL.CHECK k FIXED -1 xyzzy COST 0".split()).startswith("limit must be")
    assert refused(db, "RL.RESERVE k xyzzy FIXED -1 1s ID".split()).startswith("ttl must be")
    assert refused(db, "RL.SETTLE k a -1 FIXED -1 1s".split()).startswith("actual must be")
    assert refused(db, "RL.QUOTA k 10 CENTURY TZ xyzzy PARTIAL FORCE".split()).startswith("unit must be")


def test_a_bad_command_on_a_key_of_another_type_is_still_bad(db, clock):
    db.set("k", "string")
    assert db.error(*"RL.FIXED k -1 60s".split()).startswith("limit must be")
    assert db.error(*"RL.REFUND k 0".split()).startswith("n must be")
    assert db.error(*"RL.SETTLE k a xyzzy".split()).startswith("actual must be")


KEYS = [b"\0", b"a\0b", b"\xff\xfe", "ключ".encode(), b"", b"with space", b"new\nline", b"k" * 2**20]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key[:10]))
def test_a_key_may_be_any_bytes(db, clock, key):
    assert db.execute_command("RL.FIXED", key, "10", "60s")[:3] == [1, 10, 9]
    assert db.execute_command("RL.CHECK", key, "FIXED", "10", "60s")[:3] == [1, 10, 8]
    assert db.execute_command("RL.PEEK", key)[:3] == [1, 10, 8]
    assert db.type(key) == "ratelimit"


def test_a_line_of_many_words_is_refused_and_survived(db, clock):
    for line in ("RL.CHECK k", "RL.REFUND k 1", "RL.RESERVE k 1s", "RL.SETTLE k a 1", "RL.RELEASE k a", "RL.RESET k"):
        assert refused(db, [*line.split(), *["COST", "1"] * 50_000])
    assert refused(db, ["RL.CHECK", "k", *chain.from_iterable(["FIXED", "10", "60s"] for _ in range(50_000))])
