"""Random globs inside one segment, each with a way to make segments that it matches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Sample = Callable[[Random], str]

_LETTERS = "abcé日"
_BRACKETS = (
    ("[ab]", "ab"),
    ("[a-c]", "abc"),
    ("[!a]", "bcé日"),
    ("[!a-c]", "é日"),
    ("[aé-日]", "aé日"),
    ("[é]", "é"),
    ("[!é日]", "abc"),
    ("[a^]", "a^"),
)


def random_glob(rng: Random) -> tuple[str, Sample]:
    """Return a glob that is more than a lone star, and what makes segments that it matches."""
    atoms = [_random_atom(rng) for _ in range(rng.choice((1, 2, 2, 3, 4)))]
    text = "".join(text for text, _ in atoms)
    if "**" in text or text == "*":
        return "gpt*", lambda rng: "gpt" + _random_letters(rng)
    return text, lambda rng: "".join(sample(rng) for _, sample in atoms) or "a"


def _random_atom(rng: Random) -> tuple[str, Sample]:
    kind = rng.randrange(5)
    if kind == 0:
        letter = rng.choice(_LETTERS)
        return letter, lambda _rng: letter
    if kind == 1:
        return "*", _random_letters
    if kind == 2:
        return "?", lambda rng: rng.choice(_LETTERS)
    text, members = rng.choice(_BRACKETS)
    return text, lambda rng: rng.choice(members)


def _random_letters(rng: Random) -> str:
    return "".join(rng.choice(_LETTERS) for _ in range(rng.randrange(4)))
