"""Bad input: one clear error that names the argument and never repeats it; nothing changed; the server lives."""

from __future__ import annotations

from itertools import chain

import pytest

from harness import Client

MOST = 4294967295
NO_NUMBERS = [
    *("", "-1", "1.5", "1e3", " 5", "5 ", "+5", "05", "0x10", "xyzzy", "nan", "inf"),
    *("5\0", "\0", "٣", "5" * 2**20),
]
BAD_COUNTS = [*NO_NUMBERS, "0", "00", "-0", str(MOST + 1), "18446744073709551617", "99999999999999999999", "5s"]
BAD_DURATIONS = [
    *NO_NUMBERS,
    *("0", "0ms", "0d", "-1s", "1.5s", "+5s", "05s", " 5s", "5s ", "5 s", "5\0s", "5s\0"),
    *("1x", "1ns", "1us", "s", "ms", "1S", "1MS", "1M", "1sec", "1min", "1w", "1y", "1mss", "1sm", "s1"),
    *("3651d", "87601h", "315360001", "315360000001ms", "18446744073709551617ms", "99999999999999999999d"),
]
BAD = {"count": BAD_COUNTS, "duration": BAD_DURATIONS}
RIGHT = {"count": f"must be an integer from 1 to {MOST}", "duration": "must be "}

# An algorithm's numbers: the name that errors give to each, what it is, and a good value.
NUMBERS = {
    "TOKENBUCKET": [("capacity", "count", "20"), ("refill", "count", "10"), ("period", "duration", "1s")],
    "FIXED": [("limit", "count", "20"), ("window", "duration", "60s")],
    "SLIDING": [("limit", "count", "20"), ("window", "duration", "60s")],
}


def forms(algorithm: str) -> list[list[str]]:
    """The ways to say a limit of this algorithm on the key k, up to its numbers."""
    return [[f"RL.{algorithm}", "k"], ["RL.CHECK", "k", algorithm], ["RL.PEEK", "k", algorithm]]


def good(algorithm: str) -> list[str]:
    return [value for _, _, value in NUMBERS[algorithm]]


# Every way to say one good limit.
WHOLE = [form + good(algorithm) for algorithm in NUMBERS for form in forms(algorithm)]


def shown(argv: list[str]) -> str:
    """A short name for a test case."""
    return " ".join(word if len(word) < 30 else f"{word[:6]}..." for word in argv).replace("\0", "\\0")


def cases(argvs):
    return [pytest.param(*case, id=shown(case[0])) for case in argvs]


def refused(db: Client, argv: list[str]) -> str:
    """The error of a command that is wrong on the key k, with that key absent and present."""
    db.delete("k")
    first = unchanged(db, argv)
    db.ask("RL.CHECK k FIXED 7 1h COST 3")
    assert unchanged(db, argv) == first
    assert len(first) < 300
    assert "xyzzy" not in first
    return first


def unchanged(db: Client, argv: list[str]) -> str:
    before = db.digest("k"), db.do("PEXPIRETIME k"), db.dbsize(), db.changes()
    text = db.error(*argv)
    assert (db.digest("k"), db.do("PEXPIRETIME k"), db.dbsize(), db.changes()) == before
    return text


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
                yield form + good(algorithm)[:index], name


@pytest.mark.parametrize(("argv", "name"), cases(with_missing_number()))
def test_a_missing_number_is_named(db, clock, argv, name):
    assert refused(db, argv).startswith(f"{name} is missing")


@pytest.mark.parametrize("command", ["RL.CHECK", "RL.TOKENBUCKET", "RL.FIXED", "RL.SLIDING", "RL.PEEK", "RL.INFO"])
def test_a_missing_key_is_named(db, clock, command):
    assert refused(db, [command]).startswith("key is missing")


@pytest.mark.parametrize(("argv", "bad"), [pytest.param(a, b, id=shown([*a, b])) for a in WHOLE for b in BAD_COUNTS])
def test_a_bad_cost_is_refused(db, clock, argv, bad):
    assert refused(db, [*argv, "COST", bad]).startswith(f"COST must be an integer from 1 to {MOST}")


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
    *(["ALIGN"], ["FOR", "xyzzy"], ["PARTIAL"], ["FORCE"], ["HEADERS"], ["ID", "xyzzy"], ["APPROX"]),
    ["LEAKYBUCKET", "5", "5", "1s"],
]


@pytest.mark.parametrize("argv", WHOLE, ids=shown)
@pytest.mark.parametrize("option", UNKNOWN_OPTIONS, ids=shown)
def test_an_unknown_option_is_a_syntax_error(db, clock, argv, option):
    assert refused(db, argv + option).startswith("syntax error")


@pytest.mark.parametrize("argv", WHOLE, ids=shown)
@pytest.mark.parametrize("rest", [[], ["xyzzy"], ["REQUESTS"], ["COST", "1"]], ids=shown)
def test_per_without_request_is_refused(db, clock, argv, rest):
    assert "REQUEST" in refused(db, [*argv, "PER", *rest])


@pytest.mark.parametrize("argv", [argv for argv in WHOLE if "FIXED" not in " ".join(argv)], ids=shown)
def test_only_fixed_windows_are_aligned(db, clock, argv):
    assert refused(db, [*argv, "ALIGNED"]).startswith("syntax error")


@pytest.mark.parametrize("command", ["RL.CHECK", "RL.PEEK"])
@pytest.mark.parametrize("word", ["xyzzy", "", "TOKEN", "FIXEDWINDOW", "fixed\0", "20"])
def test_an_unknown_algorithm_is_a_syntax_error(db, clock, command, word):
    assert refused(db, [command, "k", word, "20", "60s"]).startswith("syntax error")


def test_a_shorthand_takes_no_second_limit(db, clock):
    assert refused(db, "RL.FIXED k 10 60s SLIDING 5 1s".split()).startswith("syntax error")


@pytest.mark.parametrize("argv", WHOLE, ids=shown)
@pytest.mark.parametrize(
    ("option", "name"), [("COST 1", "COST"), ("AS mine", "label"), ("PER REQUEST", "PER REQUEST")]
)
def test_a_doubled_option_is_refused_by_its_name(db, clock, argv, option, name):
    assert refused(db, argv + option.split() * 2).startswith(name)


@pytest.mark.parametrize("form", forms("FIXED"), ids=shown)
def test_a_doubled_aligned_is_refused(db, clock, form):
    assert "ALIGNED" in refused(db, [*form, "20", "60s", "ALIGNED", "ALIGNED"])


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


@pytest.mark.parametrize(("argv", "numbers"), cases((form, slow) for form in forms("TOKENBUCKET") for slow in SLOW))
def test_a_bucket_that_would_refill_too_slowly_is_refused(db, clock, argv, numbers):
    text = refused(db, argv + numbers.split())
    assert "3650" in text
    assert "capacity" in text or "refill" in text


def test_a_bucket_may_take_exactly_3650_days_to_refill(db, clock):
    assert db.ask("RL.TOKENBUCKET k 10 1 365d COST 10").reset_ms == 3650 * 86_400_000
    assert db.ask("RL.TOKENBUCKET l 1 1 3650d").reset_ms == 3650 * 86_400_000


@pytest.mark.parametrize("argv", [["RL.INFO", "k", "xyzzy"], ["RL.INFO", "k", "FOR", "xyzzy"]], ids=shown)
def test_info_takes_nothing_but_a_key(db, clock, argv):
    assert refused(db, argv)


def test_a_fault_behind_a_good_limit_is_found_before_anything_is_charged(db, clock):
    text = refused(db, "RL.CHECK k FIXED 10 60s TOKENBUCKET 20 0 1s".split())
    assert text.startswith("refill must be")


def test_the_first_fault_is_the_one_reported(db, clock):
    assert refused(db, "RL.CHECK k FIXED 0 xyzzy COST 0".split()).startswith("limit must be")


def test_a_bad_command_on_a_key_of_another_type_is_still_bad(db, clock):
    db.set("k", "string")
    assert db.error(*"RL.FIXED k 0 60s".split()).startswith("limit must be")


KEYS = [b"\0", b"a\0b", b"\xff\xfe", "ключ".encode(), b"", b"with space", b"new\nline", b"k" * 2**20]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key[:10]))
def test_a_key_may_be_any_bytes(db, clock, key):
    assert db.execute_command("RL.FIXED", key, "10", "60s")[:3] == [1, 10, 9]
    assert db.execute_command("RL.CHECK", key, "FIXED", "10", "60s")[:3] == [1, 10, 8]
    assert db.execute_command("RL.PEEK", key)[:3] == [1, 10, 7]
    assert db.type(key) == "ratelimit"


def test_a_line_of_many_words_is_refused_and_survived(db, clock):
    assert refused(db, ["RL.CHECK", "k", *["COST", "1"] * 50_000])
    assert refused(db, ["RL.CHECK", "k", *chain.from_iterable(["FIXED", "10", "60s"] for _ in range(50_000))])
