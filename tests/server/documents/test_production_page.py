# SPDX-License-Identifier: MIT
"""What docs/production.md says is true: its configuration loads; users, eviction, crashes, backups and the log are as
it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import MODULE, REPOSITORY, Client, Server, ServerDied, eventually, output_of

PAGE = REPOSITORY / "docs" / "production.md"
LIMITER = "RL.DEFINE limiter FIXED 10 1h"


def section(title: str) -> str:
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]


# --- redis.conf -------------------------------------------------------------------------------------


def configuration() -> str:
    return re.search(r"^```conf\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]


def lines_of(text: str) -> list[list[str]]:
    return [shlex.split(line) for line in text.splitlines() if line and not line.startswith("#")]


def with_this_module(text: str) -> str:
    return re.sub(r"^loadmodule .*", f"loadmodule {MODULE}", text, flags=re.MULTILINE)


def started_with(start_server: Callable[..., Server], text: str, tmp_path: Path) -> Server:
    """A server that reads this behind the options that all tests have."""
    file = tmp_path / "redis.conf"
    file.write_text(with_this_module(text))
    return start_server("--include", str(file), module=None)


def test_a_server_starts_with_the_configuration_and_has_each_line_of_it(start_server, tmp_path):
    with started_with(start_server, configuration(), tmp_path).client() as db:
        assert db.do("RL.FIXED k 10 60s") == [1, 10, 9, 0, 60000]
        for name, *value in lines_of(configuration()):
            if name != "loadmodule":
                assert in_bytes(value) in db.config_get(name)[name], name


def in_bytes(words: list[str]) -> str:
    """A value as the server writes it, without the class of clients that it may begin with."""
    sizes = {"mb": 2**20, "gb": 2**30}
    words = words[1:] if words[0] == "replica" else words
    return " ".join(str(int(word[:-2]) * sizes[word[-2:]]) if word[-2:] in sizes else word for word in words)


def test_the_lines_that_are_commented_out_load_too(start_server, tmp_path):
    text = re.sub(r"^# (?=[a-z-]+ [^ ]+$)", "", configuration(), flags=re.MULTILINE).replace(
        "/etc/redis", str(tmp_path)
    )
    assert "\nmin-replicas-to-write 1\n" in text and "\naclfile " in text
    (tmp_path / "users.acl").write_text("user default on nopass ~* &* +@all\n")
    with started_with(start_server, text, tmp_path).client() as db:
        assert db.error("RL.FIXED", "k", 10, "60s").startswith("NOREPLICAS")
        assert db.do("RL.PEEK k FIXED 10 60s")[0] == 1


# --- users ------------------------------------------------------------------------------------------

EXPORTER = "ACL SETUSER exporter on >secret %R~api:* +rl.info"


def users(db: Client) -> list[str]:
    return sorted(db.acl_users())


def test_with_an_aclfile_acl_save_keeps_users_and_the_file_must_exist(start_server, tmp_path):
    file = tmp_path / "users.acl"
    refused = Server("--aclfile", str(file))
    try:
        with pytest.raises(ServerDied, match="No such file"):
            refused.start()
    finally:
        refused.stop()
    file.touch()
    server = start_server("--aclfile", str(file))
    with server.client() as db:
        db.do(EXPORTER)
        db.do("ACL SAVE")
    server.restart()
    with server.client() as db:
        assert users(db) == ["default", "exporter"]


def test_without_an_aclfile_config_rewrite_keeps_users(start_server, tmp_path):
    file = tmp_path / "redis.conf"
    file.touch()
    server = start_server(file=file, module=None)
    with server.client() as db:
        db.do(EXPORTER.replace("+rl.info", "+get"))
        assert "not configured to use an ACL file" in db.error("ACL", "SAVE")
        db.do("CONFIG REWRITE")
    assert re.search(r"^user exporter ", file.read_text(), re.MULTILINE)
    server.restart()
    with server.client() as db:
        assert users(db) == ["default", "exporter"]


# --- eviction ---------------------------------------------------------------------------------------

KINDS = {"single": "RL.FIXED single 10 1h COST 10", "table": "RL.FIXED table 10 1h FOR bob COST 10"}


@pytest.fixture
def filled(start_server) -> Callable[[str], Client]:
    def fill(policy: str) -> Client:
        db = start_server("--maxmemory-samples", "10").client()
        for line in (LIMITER, "RL.CHECK limiter FOR bob COST 10", *KINDS.values()):
            db.do(line)
        db.config_set("maxmemory-policy", policy)
        db.config_set("maxmemory", db.info("memory")["used_memory"] + 2**19)
        return db

    return fill


def press(db: Client, *, until: Callable[[], bool]) -> None:
    """Sets strings that live long until that has happened."""
    batches = iter(range(10_000))

    def happened() -> bool:
        batch = next(batches)
        pipe = db.pipeline(transaction=False)
        for number in range(500):
            pipe.set(f"string:{batch}:{number}", "x" * 200, ex=86400 * 30)
        pipe.execute(raise_on_error=False)
        return until()

    eventually(happened, "the server to evict")


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
def test_an_evicted_limiter_is_nolimits_and_lets_nobody_through(filled, policy: str):
    db = filled(policy)
    press(db, until=lambda: db.exists("limiter") == 0)
    assert db.error("RL.CHECK", "limiter", "FOR", "bob").startswith("NOLIMITS")
    press(db, until=lambda: db.exists("single", "table") == 0)
    assert db.ask("RL.FIXED single 10 1h").granted == 1
    db.do(LIMITER)
    assert db.ask("RL.CHECK limiter FOR bob").granted == 1


@pytest.mark.parametrize("policy", ["volatile-ttl", "volatile-lru", "volatile-random"])
def test_volatile_policies_evict_keys_of_one_subject_and_nothing_else_of_ours(filled, policy: str):
    db = filled(policy)
    press(db, until=lambda: db.exists("single") == 0)
    assert db.ask("RL.CHECK limiter FOR bob").granted == 0
    assert db.ask("RL.FIXED table 10 1h FOR bob").granted == 0


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru"])
def test_where_nothing_can_be_evicted_checks_are_refused_and_give_back_what_they_can(filled, policy: str):
    db = filled(policy)
    db.delete("single")
    db.config_set("maxmemory", 1)
    assert db.error("RL.CHECK", "limiter", "FOR", "carol").startswith("OOM")
    assert db.do("RL.REFUND limiter 4 FOR bob") == 4
    assert db.ask("RL.PEEK limiter FOR bob").remaining == 4


# --- files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "limiter_is_there", "used"),
    [
        ((), False, None),
        (("--save", "3600 1"), True, 1),
        (("--appendonly", "yes", "--appendfsync", "always"), True, 3),
    ],
    ids=["no file", "snapshots", "append-only file, always"],
)
def test_a_crash_loses_what_the_table_of_files_says(node, options: tuple[str, ...], limiter_is_there: bool, used: int):
    killed = node(*options)
    with killed.client() as db:
        db.do(LIMITER)
        db.do("RL.CHECK limiter FOR bob")
        if "--save" in options:
            db.save()
        db.do("RL.CHECK limiter FOR bob COST 2")
    killed.kill()
    killed.start()
    with killed.client() as db:
        assert (db.exists("limiter") == 1) == limiter_is_there
        if limiter_is_there:
            assert db.ask("RL.PEEK limiter FOR bob").remaining == 10 - used
        else:
            assert db.error("RL.CHECK", "limiter", "FOR", "bob").startswith("NOLIMITS")


def denied(db: Client) -> int:
    return db.rl_info("limiter")["denied"]


def test_counters_and_the_log_of_an_append_only_file_are_those_of_its_last_rewrite(start_server):
    server = start_server("--appendonly", "yes", "--auto-aof-rewrite-percentage", "0")
    with server.client() as db:
        db.do(LIMITER)
        db.ask_times(12, "RL.CHECK limiter FOR bob")
        db.do("BGREWRITEAOF")
        eventually(lambda: not db.info("persistence")["aof_rewrite_in_progress"], "the rewrite to end")
        db.ask_times(3, "RL.CHECK limiter FOR bob")
        assert denied(db) == 5
    server.restart()
    with server.client() as db:
        assert denied(db) == 2
        ((subject, label, _, _, times, _),) = db.do("RL.LOG limiter")
        assert (subject, label, times) == ("bob", "fixed", 2)
        assert db.ask("RL.PEEK limiter FOR bob").remaining == 0


@pytest.mark.parametrize("is_written_back", [True, False])
def test_a_backup_is_restored_as_the_page_says(start_server, tmp_path, is_written_back: bool):
    server = start_server("--appendonly", "yes")
    with server.client() as db:
        db.do(LIMITER)
        db.ask_times(12, "RL.CHECK limiter FOR bob")
        output_of("redis-cli", "-s", str(server.socket), "--rdb", str(tmp_path / "dump.rdb"))
        db.do("RL.RESET limiter FOR bob")
    file = tmp_path / "redis.conf"
    file.write_text(f"appendonly no\ndir {tmp_path}\n")
    restored = start_server("--include", str(file))
    with restored.client() as db:
        assert db.ask("RL.PEEK limiter FOR bob").remaining == 0
        assert denied(db) == 2
        turn_the_file_on(db)
        assert (tmp_path / "appendonlydir").exists()
        db.do("RL.REFUND limiter 4 FOR bob")
    if is_written_back:
        file.write_text(file.read_text().replace("appendonly no", "appendonly yes"))
    restored.restart()
    with restored.client() as db:
        assert db.ask("RL.PEEK limiter FOR bob").remaining == (4 if is_written_back else 0)


def turn_the_file_on(db: Client) -> None:
    def is_written() -> bool:
        state = db.info("persistence")
        return not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]

    db.config_set("appendonly", "yes")
    eventually(is_written, "the file to be written")


def test_dump_and_restore_take_a_limiter_along_with_its_log(server: Server, db: Client, clock):
    db.do(LIMITER)
    db.ask_times(12, "RL.CHECK limiter FOR bob")
    with server.client(decode_responses=False) as plain:
        payload = plain.dump("limiter")
        plain.delete("limiter")
        plain.restore("limiter", 0, payload)
    assert db.ask("RL.PEEK limiter FOR bob").remaining == 0
    assert len(db.do("RL.LOG limiter")) == 1


# --- the module and its log -------------------------------------------------------------------------


def test_a_module_cannot_be_unloaded_and_nothing_changes(db: Client, clock):
    db.do(LIMITER)
    db.do("RL.CHECK limiter FOR bob")
    assert "data type" in db.error("MODULE UNLOAD", "ratelimit")
    assert db.ask("RL.PEEK limiter FOR bob").remaining == 9


SOURCES = sorted((REPOSITORY / "module").rglob("*.cpp"))
CALL = re.compile(
    r"\b(?:log_warning|log_notice|refuse)\((?!RedisModuleIO|server::Context|const)((?:[^;])*?)\);", re.DOTALL
)
CHARACTER = re.compile(r"'(?:[^'\\]|\\.)'")  # which may be a quotation mark
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
# What a logged variable holds is made elsewhere: its literals are those of that function.
MADE_BY = {
    "warning": r"std::string MissingZones::note\(.*?^}",
    "kInvalid": r"kInvalid = .*?;",
    "text": None,  # made in the same function
}


def source_of(path: Path) -> str:
    return CHARACTER.sub("0", path.read_text())


def logged_texts() -> dict[str, list[str]]:
    """Of each call that logs: the words that it writes, in their order."""
    everything = "\n".join(map(source_of, SOURCES))
    found: dict[str, list[str]] = {}
    for path in SOURCES:
        source = source_of(path)
        for call in CALL.finditer(source):
            if call[1] == "io, reason":  # in refuse() itself; its callers are found
                continue
            where = f"{path.relative_to(REPOSITORY)}:{source.count(chr(10), 0, call.start()) + 1}"
            found[where] = words_of(call, source, everything)
    return found


def words_of(call: re.Match, source: str, everything: str) -> list[str]:
    words = LITERAL.findall(call[1])
    for name, maker in MADE_BY.items():
        if re.search(rf"\b{name}\b", call[1]):
            made = function_before(source, call.start()) if maker is None else "\n".join(
                re.findall(maker, everything, re.MULTILINE | re.DOTALL))  # fmt: skip
            words += LITERAL.findall(made)
    return words


def function_before(source: str, place: int) -> str:
    """From the begin of the function up to there."""
    return source[source.rfind("\n}\n", 0, place) + 1 : place]


def rows_of_the_log() -> list[str]:
    """What stands for something variable, and what `RL.…` calls a command, is `…`."""
    return re.findall(r"^\| `(.*?)` \| (?:notice|warning) \|", section("The log"), re.MULTILINE)


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace('\\"', '"')).strip(" :,")


def test_each_text_that_the_module_logs_is_in_the_table():
    rows = rows_of_the_log()
    texts = logged_texts()
    assert len(texts) >= 8
    for where, words in texts.items():
        long = [plain(word) for word in words if len(word.split()) >= 2]
        assert long, f"{where} logs something that MADE_BY does not know"
        assert any(all(word in row for word in long) for row in rows), f"{where} logs {long}"


def test_each_row_of_the_table_is_logged_by_the_module():
    source = " ".join(plain(word) for path in SOURCES for word in LITERAL.findall(source_of(path)))
    for row in rows_of_the_log():
        for part in re.split(r"\s*…\s*|\"…\"", row):
            for words in filter(lambda words: len(words.split()) > 2, re.split(r"[:,]", part)):
                assert plain(words) in source, row


def test_what_the_log_says_at_the_start_is_as_in_the_table(start_server):
    server = start_server()
    (row,) = [row for row in rows_of_the_log() if " is loaded" in row]
    pattern = re.escape(row).replace("…", ".+")
    assert re.search(pattern, server.log())
    assert "Module 'ratelimit' loaded from " in server.log()
