"""The compiled half of the bridge: commands, and ordinary envelopes with their bodies, made and opened many at a time.

What it makes and opens, `_body.py` and `_envelope.py` make and open to the same; what it declines, they decide.
"""

from __future__ import annotations

from stentor._native import Entry as Entry
from stentor._native import Frames as Frames
from stentor._native import Opened as Opened
from stentor._native import pack_commands as pack_commands
