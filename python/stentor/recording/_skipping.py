"""Where items of MessagePack end, for a text of items that is cut somewhere.

msgspec decodes one whole item at a time and does not say where it ends, so here is what finds that out: a walk over
the format's length fields (https://github.com/msgpack/msgpack/blob/master/spec.md). It does not recurse, takes O(bytes)
and is only needed for the last block of a recording that was cut.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class _Shape(NamedTuple):
    """What follows the first byte of an item."""

    items: int = 0
    """Items that it holds."""
    size: int = 0
    """Bytes of its own."""
    width: int = 0
    """Bytes of a number, which comes first and tells of more of both."""
    items_each: int = 0
    size_each: int = 0


_SHAPES: Final = {
    **{number: _Shape() for number in (*range(0x80), *range(0xE0, 0x100), 0xC0, 0xC2, 0xC3)},
    **{0x80 + number: _Shape(items=2 * number) for number in range(16)},  # small maps
    **{0x90 + number: _Shape(items=number) for number in range(16)},  # small arrays
    **{0xA0 + number: _Shape(size=number) for number in range(32)},  # short texts
    **{first + power: _Shape(size=2**power) for first in (0xCC, 0xD0) for power in range(4)},  # integers
    **{0xCA + power: _Shape(size=4 + 4 * power) for power in range(2)},  # floats
    **{first + power: _Shape(width=2**power, size_each=1) for first in (0xC4, 0xD9) for power in range(3)},
    **{0xC7 + power: _Shape(width=2**power, size=1, size_each=1) for power in range(3)},  # extensions
    **{0xD4 + power: _Shape(size=1 + 2**power) for power in range(5)},
    **{0xDC + power: _Shape(width=2 + 2 * power, items_each=1) for power in range(2)},  # arrays
    **{0xDE + power: _Shape(width=2 + 2 * power, items_each=2) for power in range(2)},  # maps
}


def whole_items(data: bytes) -> tuple[int, int]:
    """Return how many items `data` begins with that are there whole, and where the last of these ends."""
    count = end = 0
    while (after := _end_of_item(data, end)) is not None:
        count, end = count + 1, after
    return count, end


def _end_of_item(data: bytes, position: int) -> int | None:
    """Return where the item at `position` ends, or None if that is beyond the end of `data` or no item begins there."""
    items = 1
    while items:
        shape = _SHAPES.get(data[position]) if position < len(data) else None
        if shape is None:
            return None
        start = position + 1 + shape.width
        number = int.from_bytes(data[position + 1 : start], "big")
        items += shape.items + shape.items_each * number - 1
        position = start + shape.size + shape.size_each * number
    return position if position <= len(data) else None
