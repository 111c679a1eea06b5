"""Watching a bus that runs from another terminal: `serve` tells how it is, and `stentor top` shows that.

`_snapshot` says what is told, `_serving` tells it to whoever connects to a socket, `_screen` draws it (it needs rich),
and `command` is `stentor top`.
"""

from __future__ import annotations

from stentor.watching._serving import serve as serve

serve.__module__ = "stentor.watching"
