# SPDX-License-Identifier: MIT
"""A client paid, or was locked out by mistake: forget what this one used, and nobody else.

Asked of many limiters; here, `DEL api FOR bob` would delete the limiter, and keys named FOR and bob.
"""


def test_one_client_of_a_limiter_begins_anew(db, clock):
    db.do("RL.DEFINE api TOKENBUCKET 100 10 1m AS burst QUOTA 1000 MONTH AS month")
    for name, cost in (("bob", 100), ("alice", 60)):
        db.ask(f"RL.CHECK api FOR {name} COST {cost}")
    db.do("RL.BLOCK api 1d FOR bob")
    assert db.ask("RL.CHECK api FOR bob").label == "blocked"
    assert db.do("RL.RESET api FOR bob") == 1
    assert db.ask("RL.CHECK api FOR bob COST 100")[:3] == (100, 100, 0)
    assert db.ask("RL.PEEK api FOR alice")[:3] == (1, 100, 40)
    assert db.do("RL.RESET api FOR nobody") == 0
    assert db.rl_info("api")["stored"] == 1
