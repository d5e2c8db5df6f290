# SPDX-License-Identifier: MIT
"""A live view of the limiters of a server, or of all nodes of a cluster. scripts/watch starts it.

    words     → how names, counts and times are written
    samples   → what a server said at one instant, from its plain replies
    rates     → two samples of a server: what happened between them, a second
    rows      → the rates of all servers: the lines of a page, summed, sorted
    state     → which page is shown, what a key of the keyboard changes

These five are pure: no server, no terminal, no clock. Around them:

    servers   → asks servers, and finds the nodes of a cluster
    drawing   → a page as tables, by the library `rich`
    keyboard  → keys of the terminal, which is as it was when the view ends
    live      → the view that goes on until somebody ends it
    options   → the arguments of the command line
    main      → one frame, or the view

`rich` and not curses, urwid or textual: it draws a table into a terminal, a pipe and a picture alike, knows NO_COLOR
and dumb terminals, and Debian 12 has a version of it that is alive. It reads no keys; keyboard.py does that.
"""
