# SPDX-License-Identifier: MIT
"""The view that goes on until somebody ends it: looks at the servers from time to time, and draws when something has
changed: a sample, a key, the size of the terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime

from rich.console import Console, RenderableType
from rich.live import Live

from . import drawing, rows, samples
from .drawing import Paper
from .keyboard import keys, one_key_at_a_time
from .options import Options
from .rows import Group, Overview, Watched
from .samples import LogEntry, Reply, Top
from .servers import LOG_ENTRIES, NAMES_A_TOP, Servers
from .state import Page, State, press

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Details:
    """What was asked for the page of a limiter or of a subject; of each part of a limiter."""

    page: tuple = ()
    logs: tuple[tuple[LogEntry, ...], ...] = ()
    tops: tuple[tuple[Top, ...], ...] = ()
    near_tops: tuple[tuple[Top, ...], ...] = ()
    subject: tuple[Reply, ...] = ()
    faults: tuple[str, ...] = ()  # what was answered instead, each once


class View:
    def __init__(self, servers: Servers, options: Options, console: Console) -> None:
        self._servers = servers
        self._options = options
        self._console = console
        self._state = State()
        self._watched: list[Watched] = []
        self._details = Details()
        self._asking: set[asyncio.Future] = set()
        self._changed = asyncio.Event()

    async def run(self) -> int:
        """Until it is ended; the exit code: 0, or as a shell says of a signal."""
        with ended_by_signals(self._end), resized_by_signal(self._changed.set):
            looking = asyncio.ensure_future(self._look_again_and_again())
            try:
                await self._draw_until(looking)
            finally:
                tasks = [looking, *self._asking]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        return self._exit_code

    _exit_code = 0

    def _end(self, number: int) -> None:
        self._exit_code = 128 + number
        self._state = State(has_ended=True)
        self._changed.set()

    async def _draw_until(self, looking: asyncio.Future) -> None:
        looking.add_done_callback(lambda _: self._changed.set())
        with self._heard_keys(), Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        ) as live:  # fmt: skip
            while not self._state.has_ended and not looking.done():
                live.update(self._page(), refresh=True)
                await self._changed.wait()
                self._changed.clear()
        if looking.done():
            looking.result()  # raises what has ended it

    @contextmanager
    def _heard_keys(self):
        terminal = sys.stdin.fileno()
        with one_key_at_a_time(terminal):
            if not os.isatty(terminal):
                yield
                return
            loop = asyncio.get_running_loop()
            loop.add_reader(terminal, self._hear, terminal)
            try:
                yield
            finally:
                loop.remove_reader(terminal)

    def _hear(self, terminal: int) -> None:
        pressed = os.read(terminal, 1024)
        if not pressed:  # the terminal is gone
            self._end(signal.SIGHUP)
        for key in keys(pressed):
            before = self._state
            self._state = press(before, key, self._names())
            if of_page(self._state) != of_page(before):
                task = asyncio.ensure_future(self._ask_details())
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
        self._changed.set()

    # --- looking ------------------------------------------------------------------------------------

    async def _look_again_and_again(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._options.interval_s
            if not self._state.is_paused:
                self._watched = await self._servers.look()
                await self._ask_details()
                self._changed.set()
            await asyncio.sleep(max(due - loop.time(), 0.05))

    async def _ask_details(self) -> None:
        """Of the page that is shown; an answer to a page that was left meanwhile is dropped."""
        page, group = of_page(self._state), self._group(self._seen())
        if group is None:
            return
        about = ("FOR", self._state.subject) if self._state.subject else ()
        ask, places = self._servers.ask, group.places  # one after another: they share a connection
        logs = await ask(places, lambda key: ("RL.LOG", key, LOG_ENTRIES))
        tops = await ask(places, lambda key: ("RL.TOP", key, NAMES_A_TOP))
        near_tops = await ask(places, lambda key: ("RL.TOP", key, NAMES_A_TOP, "NEAR"))
        subject = await ask(places, lambda key: ("RL.INFO", key, *about))
        if page == of_page(self._state):
            each = (tuple(map(samples.log, logs)), tuple(map(samples.top, tops)), tuple(map(samples.top, near_tops)))
            faults = dict.fromkeys(str(reply) for reply in (*logs, *subject) if isinstance(reply, Exception))
            self._details = Details(page, *each, tuple(subject), tuple(faults))
            self._changed.set()

    # --- drawing ------------------------------------------------------------------------------------

    def _seen(self) -> Overview:
        return rows.overview(self._watched, self._state.sort)

    def _group(self, seen: Overview) -> Group | None:
        """The limiter whose page is shown, unless it is gone."""
        return next((group for group in seen.groups if group.name == self._state.limiter), None)

    def _shown_details(self) -> Details:
        return self._details if self._details.page == of_page(self._state) else Details()

    def _names(self) -> list[bytes]:
        """What can be marked on the page."""
        if self._state.page is Page.OVERVIEW:
            return [group.name for group in self._seen().groups]
        group = self._group(self._seen())
        return drawing.subjects_of(rows.limiter_page(group, self._shown_details().logs).log) if group else []

    def _page(self) -> RenderableType:
        width, height = self._console.size
        paper = Paper(width, height, datetime.now().astimezone(), self._options.interval_s, is_ascii(self._console))
        state, details = self._state, self._shown_details()
        seen = self._seen()
        seen = replace(seen, complaints=seen.complaints + details.faults)
        group = self._group(seen)
        if state.page is Page.OVERVIEW:
            return drawing.overview(paper, seen, state)
        if group is None:
            return drawing.gone(paper, seen, state)
        if state.page is Page.LIMITER:
            page = rows.limiter_page(group, details.logs, details.tops, details.near_tops)
            return drawing.limiter(paper, page, seen, state)
        subject = rows.subject_page(group.name, state.subject or b"", details.subject, details.logs)
        return drawing.why(paper, subject, seen, state)


def of_page(state: State) -> tuple:
    return state.page, state.limiter, state.subject


def is_ascii(console: Console) -> bool:
    return not console.encoding.lower().startswith("utf")


@contextmanager
def ended_by_signals(end):
    loop = asyncio.get_running_loop()
    for number in ENDINGS:
        loop.add_signal_handler(number, end, number)
    try:
        yield
    finally:
        for number in ENDINGS:
            loop.remove_signal_handler(number)


@contextmanager
def resized_by_signal(tell):
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        with suppress(ValueError):
            loop.remove_signal_handler(signal.SIGWINCH)
