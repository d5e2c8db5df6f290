# SPDX-License-Identifier: MIT
"""Keep what was used when a customer changes plans.

Asked of gateways whose plans are limiters of their own: after an upgrade the month began anew, or an operator wrote the
old counter into the new key by hand while calls came in.
"""


def test_a_month_that_was_begun_on_the_free_plan_goes_on_on_the_paid_one(db, clock):
    db.do("RL.DEFINE {api}:free QUOTA 1000 MONTH AS month TOKENBUCKET 5 1 1s AS burst")
    db.do("RL.DEFINE {api}:paid QUOTA 100000 MONTH AS month TOKENBUCKET 50 10 1s AS burst")
    db.ask("RL.CHECK {api}:free FOR bob CHARGE month 900 CHARGE burst 5")
    assert db.do("RL.TRANSFER {api}:free {api}:paid FOR bob") == 1
    used = {limit["label"]: limit["used"] for limit in db.rl_info("{api}:paid", "bob")["limits"]}
    assert used == {"month": 900, "burst": 5}
    assert db.ask("RL.CHECK {api}:free FOR bob CHARGE month 1000 CHARGE burst 5").granted == 1000, "forgotten there"


def test_and_so_does_one_that_was_begun_on_both(db, clock):
    """Who comes back to a plan finds what was used there, too."""
    for plan, size in (("free", 1000), ("paid", 100_000)):
        db.do(f"RL.DEFINE {{api}}:{plan} QUOTA {size} MONTH AS month")
    db.ask("RL.CHECK {api}:free FOR bob COST 600")
    db.ask("RL.CHECK {api}:paid FOR bob COST 5000")
    assert db.do("RL.TRANSFER {api}:paid {api}:free FOR bob") == 1
    assert db.ask("RL.CHECK {api}:free FOR bob").granted == 0
    assert db.do("RL.TRANSFER {api}:free {api}:paid FOR bob") == 1
    assert db.ask("RL.PEEK {api}:paid FOR bob").remaining == 100_000 - 5600
