# SPDX-License-Identifier: MIT
"""The arguments of the command line. Those about the connection have the names that redis-cli gives them."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

HELP = """Shows what the limiters of a server do, or those of all nodes of a cluster: who is denied, by which limit, how
many calls are near a limit, how long commands take. It only reads, and works as the viewer of docs/access-control.md.

  scripts/watch                          the server on this machine, until q is pressed
  scripts/watch --host node1 --port 7000 any node of a cluster: all primaries are shown
  scripts/watch --once                   one frame, printed; then it ends (0, or 1 if no server answered)

The password comes from --password-file, else from the variable REDISCLI_AUTH, else from --password, which other users
of the machine can see. NO_COLOR switches colours off. Without a terminal, or with TERM=dumb, frame follows frame.
"""


@dataclass(frozen=True)
class Options:
    host: str
    port: int
    connection: dict[str, object]  # for redis-py
    interval_s: float
    timeout_s: float
    match: str
    most: int
    once: bool
    picture: Path | None


def parse(words: list[str] | None = None) -> Options:
    parser = _parser()
    given = parser.parse_args(words)
    if given.svg and not given.once:
        parser.error("--svg needs --once")
    connection = {
        "db": given.db,
        "username": given.user,
        "password": _password(given, parser),
        "socket_connect_timeout": given.timeout,
    }
    if given.socket:
        connection["unix_socket_path"] = given.socket
    if given.tls:
        connection |= _tls(given)
    return Options(
        host=given.socket or given.host,
        port=0 if given.socket else given.port,
        connection={name: value for name, value in connection.items() if value is not None},
        interval_s=given.interval,
        timeout_s=given.timeout,
        match=given.match,
        most=given.most,
        once=given.once,
        picture=given.svg,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="watch", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--host", "-H", default="127.0.0.1", help="a server, or any node of a cluster (127.0.0.1)")
    add("--port", "-p", type=_whole("port", 1, 65535), default=6379, help="its port (6379)")
    add("--socket", "-s", metavar="FILE", help="a socket file instead of a host and a port")
    add("--user", metavar="NAME", help="a user of the server's access control list")
    add("--password", metavar="WORD", help="better in a file or in REDISCLI_AUTH")
    add("--password-file", metavar="FILE", type=Path, help="its first line is the password")
    add("--db", "-n", type=_whole("db", 0, 2**31 - 1), default=0, help="the number of the database (0)")
    add("--tls", action="store_true", help="by TLS; the certificate of the server is verified")
    add("--cacert", metavar="FILE", help="certificates of authorities to trust, instead of the system's")
    add("--cert", metavar="FILE", help="a certificate of our own")
    add("--key", metavar="FILE", help="its private key")
    add("--insecure", action="store_true", help="do not verify the server's certificate")
    add("--interval", type=_seconds("interval", 0.1, 3600), default=1.0, help="seconds between two looks (1)")
    add("--timeout", type=_seconds("timeout", 0.1, 60), default=2.0, help="a server is gone after so many seconds (2)")
    add("--match", metavar="PATTERN", default="", help="only limiters whose names match, as with KEYS: 'api:*'")
    add("--most", type=_whole("most", 1, 100_000), default=500, help="so many limiters of a server at most (500)")
    add("--once", action="store_true", help="print one frame, of the time of one interval, and end")
    add("--svg", metavar="FILE", type=Path, help="with --once: write the frame into a picture, too")
    return parser


def _whole(name: str, least: int, most: int):
    def parse(word: str) -> int:
        if not word.isascii() or not word.isdigit() or not least <= int(word) <= most:
            raise argparse.ArgumentTypeError(f"{name} must be a whole number from {least} to {most}")
        return int(word)

    return parse


def _seconds(name: str, least: float, most: float):
    def parse(word: str) -> float:
        try:
            seconds = float(word)
        except ValueError:
            seconds = float("nan")
        if not least <= seconds <= most:
            raise argparse.ArgumentTypeError(f"{name} must be a number of seconds from {least:g} to {most:g}")
        return seconds

    return parse


def _password(given: argparse.Namespace, parser: argparse.ArgumentParser) -> str | None:
    if given.password_file:
        try:
            return given.password_file.read_text().partition("\n")[0].rstrip("\r")
        except OSError as error:
            parser.error(f"--password-file: {error.strerror}")
        except UnicodeDecodeError:
            parser.error("--password-file: it is no text in UTF-8")
    return os.environ.get("REDISCLI_AUTH") or given.password


def _tls(given: argparse.Namespace) -> dict[str, object]:
    return {
        "ssl": True,
        "ssl_ca_certs": given.cacert,
        "ssl_certfile": given.cert,
        "ssl_keyfile": given.key,
        "ssl_cert_reqs": "none" if given.insecure else "required",
        "ssl_check_hostname": not given.insecure,
    }
