# SPDX-License-Identifier: MIT
"""Which page is shown and where the mark is; what each key of the keyboard changes. Nothing else knows the keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from .rows import SORTS


class Page(Enum):
    OVERVIEW = "overview"
    LIMITER = "limiter"
    SUBJECT = "subject"


@dataclass(frozen=True)
class State:
    page: Page = Page.OVERVIEW
    sort: str = SORTS[0]
    marked: bytes | None = None  # a limiter of the overview, a subject of a limiter; None: the first line
    limiter: bytes | None = None  # whose page is shown
    subject: bytes | None = None
    typed: str | None = None  # a subject that is being typed; None: nobody types
    is_paused: bool = False
    has_ended: bool = False


# Names of keys are those of keyboard.py; a character stands for itself.
HELP = {
    Page.OVERVIEW: "q quit   ↑ ↓ choose   enter open   s sort   p pause",
    Page.LIMITER: "q quit   ↑ ↓ choose   enter why   / type a subject   esc back   p pause",
    Page.SUBJECT: "q quit   / type a subject   esc back   p pause",
}


def press(state: State, key: str, names: Sequence[bytes]) -> State:
    """`names` are what can be marked on the page, from top to bottom."""
    if state.typed is not None:
        return _type(state, key)
    if key == "q":
        return replace(state, has_ended=True)
    if key == "p":
        return replace(state, is_paused=not state.is_paused)
    if key in ("up", "down", "page-up", "page-down", "home", "end", "j", "k"):
        return replace(state, marked=_moved(state.marked, key, names))
    if key in ("escape", "backspace", "left"):
        return _back(state)
    return _on_page(state, key, names)


def _on_page(state: State, key: str, names: Sequence[bytes]) -> State:
    if key == "s" and state.page is Page.OVERVIEW:
        return replace(state, sort=SORTS[(SORTS.index(state.sort) + 1) % len(SORTS)])
    if key == "/" and state.page is not Page.OVERVIEW:
        return replace(state, typed="")
    if key in ("enter", "right") and names and state.page is not Page.SUBJECT:
        marked = names[place_of(state.marked, names)]
        if state.page is Page.OVERVIEW:
            return replace(state, page=Page.LIMITER, limiter=marked, marked=None)
        return replace(state, page=Page.SUBJECT, subject=marked, marked=marked)
    return state


def _back(state: State) -> State:
    if state.page is Page.SUBJECT:
        return replace(state, page=Page.LIMITER, marked=state.subject, subject=None)
    return replace(state, page=Page.OVERVIEW, marked=state.limiter or state.marked, limiter=None)


def _type(state: State, key: str) -> State:
    if key == "escape":
        return replace(state, typed=None)
    if key == "backspace":
        return replace(state, typed=state.typed[:-1])
    if key == "enter":
        subject = state.typed.encode("utf-8", "surrogateescape")
        return replace(state, page=Page.SUBJECT, subject=subject, typed=None) if subject else replace(state, typed=None)
    return replace(state, typed=state.typed + key) if len(key) == 1 else state


def place_of(marked: bytes | None, names: Sequence[bytes]) -> int:
    """The first line if what was marked is gone."""
    return names.index(marked) if marked in names else 0


def _moved(marked: bytes | None, key: str, names: Sequence[bytes]) -> bytes | None:
    if not names:
        return marked
    steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page-up": -10, "page-down": 10}
    last = len(names) - 1
    place = {"home": 0, "end": last}.get(key, place_of(marked, names) + steps.get(key, 0))
    return names[min(max(place, 0), last)]


def window(heights: Sequence[int], chosen: int, room: int) -> range:
    """Which of some items of these heights are shown in `room` lines, so that the chosen one is seen: from the first on
    if that is possible."""
    first = last = min(chosen, len(heights) - 1) if heights else 0
    used = heights[first] if heights else 0
    while first > 0 and used + heights[first - 1] <= room:
        first -= 1
        used += heights[first]
    while last + 1 < len(heights) and used + heights[last + 1] <= room:
        last += 1
        used += heights[last]
    return range(first, last + 1 if heights else 0)
