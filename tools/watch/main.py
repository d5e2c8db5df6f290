# SPDX-License-Identifier: MIT
"""One frame, or the view, or frame after frame where there is no terminal that could show a view."""

from __future__ import annotations

import asyncio
import codecs
import html
import io
import re
import sys
from datetime import datetime

import rich.console
from rich.console import CONSOLE_SVG_FORMAT, Console

from . import drawing, rows, words
from .drawing import Paper
from .live import View, ended_by_signals, is_ascii
from .options import Options, parse
from .rows import Watched
from .servers import RedisLink, Refused, Servers, Wanted
from .state import State


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        codecs.register_error("look-alike", words.look_alike)
        sys.stdout.reconfigure(errors="look-alike")
    try:
        return asyncio.run(run(options, Console(highlight=False, emoji=False, markup=False)))
    except Refused as refused:
        print(f"watch: the server refuses the login: {words.printable(str(refused))}", file=sys.stderr)
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads on; else Python would complain of its own
    return 1


async def run(options: Options, console: Console) -> int:
    def link_to(host: str, port: int) -> RedisLink:
        address = {} if "unix_socket_path" in options.connection else {"host": host, "port": port}
        return RedisLink(options.timeout_s, **options.connection, **address)

    servers = Servers(options.host, options.port, link_to, Wanted(options.match, options.most))
    try:
        if options.once:
            return await one_frame(servers, options, console)
        if not console.is_terminal or console.is_dumb_terminal:
            return await frames(servers, options, console)
        return await View(servers, options, console).run()
    finally:
        await servers.close()


async def one_frame(servers: Servers, options: Options, console: Console) -> int:
    """Of two looks, since a rate needs two."""
    await servers.look(is_thorough=True)
    await asyncio.sleep(options.interval_s)
    watched = await servers.look(is_thorough=True)
    show(watched, options, console)
    if options.picture:
        try:
            options.picture.write_text(picture(watched, options, console.width))
        except OSError as error:
            print(f"watch: --svg: {error.strerror}", file=sys.stderr)
            return 1
    return 0 if any(each.now for each in watched) else 1


async def frames(servers: Servers, options: Options, console: Console) -> int:
    ended = asyncio.Event()
    code = 0

    def end(number: int) -> None:
        nonlocal code
        code = 128 + number
        ended.set()

    with ended_by_signals(end):
        while not ended.is_set():
            show(await servers.look(), options, console)
            console.print()
            await asyncio.wait([asyncio.ensure_future(ended.wait())], timeout=options.interval_s)
    return code


def show(watched: list[Watched], options: Options, console: Console) -> None:
    paper = Paper(console.width, None, datetime.now().astimezone(), options.interval_s, is_ascii(console))
    console.print(drawing.overview(paper, rows.overview(watched), State()))


def picture(watched: list[Watched], options: Options, width: int) -> str:
    """An SVG that needs nothing from elsewhere: its letters are those of the reader's machine."""
    console = Console(
        record=True,
        width=width,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    show(watched, options, console)
    own_letters = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    drawn = console.export_svg(title="scripts/watch", code_format=own_letters, theme=rich.console.SVG_EXPORT_THEME)
    return INDENTED.sub(_begun_later, drawn)


INDENTED = re.compile(r'x="([0-9.]+)"( y="[0-9.]+") textLength="([0-9.]+)"([^>]*)>((?:&#160;)+)([^<]+)<')


def _begun_later(text: re.Match) -> str:
    """A text that begins with spaces, without them and further to the right: some programs leave such spaces out."""
    x, y, length, more, spaces, words_then = text.groups()
    cell = float(length) / (spaces.count("&#160;") + len(html.unescape(words_then)))
    indent = spaces.count("&#160;") * cell
    return f'x="{float(x) + indent:g}"{y} textLength="{float(length) - indent:g}"{more}>{words_then}<'
