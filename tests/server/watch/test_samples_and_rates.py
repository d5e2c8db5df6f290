# SPDX-License-Identifier: MIT
"""What scripts/watch reads in the replies of a server, and what it makes of two of them."""

from __future__ import annotations

from replies import COUNTED, info_of, limiter_reply

from watch import rates, samples
from watch.rates import Rates
from watch.samples import Command, Counts, LogEntry, Sample, Top

# --- samples ----------------------------------------------------------------------------------------


def test_a_limiter_has_counts_of_its_own_and_of_each_label():
    limiter = samples.limiter(b"api", limiter_reply({b"burst": (90, 10, 5, 0), b"daily": (0, 3, 0, 0)}, shadow=1))
    assert (limiter.key, limiter.is_on_trial, limiter.subjects) == (b"api", True, 7)
    assert limiter.labels == {
        b"burst": Counts(granted=90, denied=10, near=5, would_deny=0, since_ms=COUNTED),
        b"daily": Counts(granted=0, denied=3, near=0, would_deny=0, since_ms=COUNTED),
    }
    assert limiter.limits == (b"TOKENBUCKET 10 1 1s AS burst", b"TOKENBUCKET 10 1 1s AS daily")


def test_a_block_denies_and_grants_nothing():
    limiter = samples.limiter(b"api", limiter_reply({b"burst": (90, 0, 0, 0), b"blocked": (90, 3, 0, 0)}))
    assert limiter.labels[b"blocked"] == Counts(denied=3, since_ms=COUNTED)


def test_a_key_without_counters_for_each_label_has_granted_and_denied():
    limiter = samples.limiter(b"api", [b"form", b"single", b"granted", b"1048575+", b"denied", 4])
    assert limiter.labels == {}
    assert limiter.counts == Counts(granted=1048575, denied=4, is_stopped=True)


def test_what_is_no_limiter_any_more_is_left_out():
    assert samples.limiter(b"api", None) is None
    assert samples.limiter(b"api", Exception("MOVED 1 127.0.0.1:7000")) is None


def test_tops_and_logs_are_lists_of_lists():
    assert samples.top([[b"mallory", 12, 3], [b"", 1, 0]]) == (Top(b"mallory", 12, 3), Top(b"", 1, 0))
    entry = [b"mallory", b"daily", 1000, 2000, 12, -1]
    assert samples.log([entry]) == (LogEntry(b"mallory", b"daily", 1000, 2000, 12, -1),)
    assert samples.top(Exception("ERR syntax error")) == samples.log(None) == ()


def test_commands_are_those_of_the_module_with_their_times():
    about = samples.info(info_of("cmdstat_RL.CHECK:calls=10,usec=25,usec_per_call=2.50", "cmdstat_get:calls=9,usec=9"))
    histogram = [b"RL.CHECK", [b"calls", 10, b"histogram_usec", [1, 4, 2, 9, 16, 10]]]
    assert samples.commands(about, histogram) == {"rl.check": Command(10, 25, {1: 4, 2: 5, 16: 1})}


def test_commands_are_there_if_only_histograms_may_be_asked_for():
    histogram = [b"rl.check", [b"calls", 3, b"histogram_usec", [2, 3]]]
    assert samples.commands({}, histogram) == {"rl.check": Command(3, 0, {2: 3})}


def test_a_field_of_info_that_is_no_number_is_none():
    sample = Sample(0, info=samples.info(info_of("maxmemory:100", "ratelimit_version:0.1.0", "minus:-1")))
    assert [sample.number(name) for name in ("maxmemory", "ratelimit_version", "minus", "absent")] == [
        100,
        None,
        None,
        None,
    ]


# --- rates ------------------------------------------------------------------------------------------


def limiter(granted: int, denied: int = 0, since: int = COUNTED, label: bytes = b"burst"):
    return samples.limiter(b"api", limiter_reply({label: (granted, denied, 0, 0)}, since=since))


def test_a_rate_is_the_difference_a_second():
    found = rates.of_label(limiter(100, 7), limiter(130, 12), b"burst", 10)
    assert found == Rates(granted=3, denied=0.5, near=0, would_deny=0)


def test_a_counter_that_went_back_has_no_rate_for_once():
    assert rates.of_label(limiter(100), limiter(90), b"burst", 1).granted is None
    assert rates.of_label(limiter(90), limiter(95), b"burst", 1).granted == 5


def test_counters_that_began_anew_have_no_rate_even_if_they_are_larger():
    assert rates.of_label(limiter(100), limiter(150, since=COUNTED + 1), b"burst", 1) == Rates()


def test_a_label_that_was_not_there_before_began_with_nothing():
    now = samples.limiter(b"api", limiter_reply({b"burst": (1, 0, 0, 0), b"blocked": (0, 4, 0, 0)}))
    assert rates.of_label(limiter(1), now, b"blocked", 2).denied == 2


def test_a_limiter_that_was_not_seen_before_has_no_rate():
    assert rates.of_label(None, limiter(100), b"burst", 1) == Rates()


def test_a_counter_that_has_stopped_has_no_rate():
    stopped = samples.limiter(b"api", [b"granted", b"1048575+", b"denied", 4])
    assert rates.of_key(stopped, stopped, 1) == Rates()


def test_no_time_between_two_samples_makes_no_rate():
    assert rates.rate(1, 5, 0) is None


def test_a_sum_is_of_what_is_known():
    assert rates.total([1.5, None, 2]) == 3.5
    assert rates.total([None]) is None


def test_a_command_is_what_was_called_between_two_samples():
    before, now = Command(10, 30, {1: 8, 4: 2}), Command(14, 60, {1: 9, 4: 2, 8: 3})
    assert rates.of_command(before, now) == Command(4, 30, {1: 1, 4: 0, 8: 3})
    assert rates.of_command(now, before) == before  # CONFIG RESETSTAT


def test_a_percentile_is_the_bound_below_which_so_many_calls_were():
    histogram = {1: 50, 2: 48, 64: 1, 1024: 1}
    assert [rates.percentile(histogram, percent) for percent in (50, 51, 98, 99, 100)] == [1, 2, 2, 64, 1024]
    assert rates.percentile({}, 50) is None
