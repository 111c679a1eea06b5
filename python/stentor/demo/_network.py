"""Who is a friend of whom: networks read from an edge list, shipped with the package, or made."""

from __future__ import annotations

import random
from importlib import resources
from typing import TYPE_CHECKING, cast, final

import attrs

import stentor
from stentor.demo import _topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

FRIENDS_IN_A_SMALL_WORLD = 6
"""How many friends a member of a synthetic small world has at first (before some are rewired)."""

REWIRED = 0.05
"""The share of a small world's friendships that are rewired to a random member."""


@final
class EdgeListError(ValueError):
    """An edge list that cannot be read; `str` of it says where and why."""


@final
@attrs.frozen
class Network:
    """Members and their friendships, which are mutual.

    Attributes:
        friends: Each member's friends; members and friends stand in the order of their first mention.

    Example:
        >>> network = Network.of([("ann", "bob"), ("bob", "cid")])
        >>> network.friends["bob"]
        ('ann', 'cid')
    """

    friends: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, friendships: Iterable[tuple[str, str]]) -> Network:
        """Make a network of pairs; a pair that comes again, in either order, is the same friendship."""
        friends: dict[str, dict[str, None]] = {}
        for one, other in friendships:
            friends.setdefault(one, {})[other] = None
            friends.setdefault(other, {})[one] = None
        return cls({member: tuple(theirs) for member, theirs in friends.items()})

    @property
    def members(self) -> tuple[str, ...]:
        """All members, in the order of their first mention."""
        return tuple(self.friends)

    @property
    def friendships(self) -> tuple[tuple[str, str], ...]:
        """Every friendship once."""
        place = {member: index for index, member in enumerate(self.friends)}
        return tuple(
            (member, friend)
            for member, theirs in self.friends.items()
            for friend in theirs
            if place[member] < place[friend]
        )

    def two_most_befriended(self) -> tuple[str, str]:
        """The two members with most friends; of equals, those mentioned first."""
        ranked = sorted(self.friends, key=lambda member: -len(self.friends[member]))
        return ranked[0], ranked[1]


def read_edge_list(path: Path) -> Network:
    """Read a network from a text file: see `parse_edge_list` for its format.

    Raises:
        EdgeListError: The file cannot be read, is not UTF-8, or holds a malformed line; the text names file and line.
    """
    try:
        return parse_edge_list(path.read_text(encoding="utf-8-sig"))
    except EdgeListError as error:
        msg = f"{path}, {error}"
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 text: {error.reason} at byte {error.start}"
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
    raise EdgeListError(msg)


def parse_edge_list(text: str) -> Network:
    r"""Read a network from text: two names a line, separated by white space.

    Blank lines and lines that begin with `#` say nothing. A friendship may be listed twice, as lists do that
    have each one in both directions. A name becomes one segment of a topic and must be valid as one.

    Raises:
        EdgeListError: A malformed line, named by its number; or no friendship at all.

    Example:
        >>> parse_edge_list("# friends\nann bob\n").members
        ('ann', 'bob')
        >>> parse_edge_list("ann bob\ncid\n")
        Traceback (most recent call last):
        ...
        stentor.demo._network.EdgeListError: line 2: expected two names separated by white space, found 1
    """
    network = Network.of(_friendships(text))
    if not network.friends:
        msg = "the edge list holds no friendship"
        raise EdgeListError(msg)
    return network


def rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The columns of each line that says something, with the line's number."""
    for number, line in enumerate(text.split("\n"), start=1):
        columns = line.split()
        if columns and not columns[0].startswith("#"):
            yield number, columns


def _friendships(text: str) -> Iterator[tuple[str, str]]:
    for number, columns in rows(text):
        reason = _what_is_wrong(columns)
        if reason is not None:
            msg = f"line {number}: {reason}"
            raise EdgeListError(msg)
        yield columns[0], columns[1]


def _what_is_wrong(columns: list[str]) -> str | None:
    if len(columns) != 2:  # noqa: PLR2004 - a friendship joins two
        return f"expected two names separated by white space, found {len(columns)}"
    for name in columns:
        if "." in name:
            return f"the name {name!r} is not one segment of a topic: it holds the separator '.'"
        try:
            stentor.validate_topic(_topics.opinion_of(name))
        except stentor.InvalidTopicError as error:
            return f"the name {name!r} is not one segment of a topic: {error.reason}"
    if columns[0] == columns[1]:
        return f"{columns[0]!r} is listed as a friend of itself"
    return None


def shipped(name: str) -> str:
    """The text of a data file that comes with the package."""
    return resources.files("stentor.demo").joinpath("data", name).read_text(encoding="utf-8")


def karate_club() -> Network:
    """Zachary's karate club (1977): 34 members and their 78 friendships."""
    return parse_edge_list(shipped("karate_club.edges"))


def small_world(members: int, *, seed: int) -> Network:
    """A small world after Watts and Strogatz (1998): a ring of neighbours, a few of whose friendships are rewired.

    Raises:
        ValueError: Fewer members than a ring with so many friends each needs.
    """
    import networkx as nx  # noqa: PLC0415 - part of the demo's extra

    if members <= FRIENDS_IN_A_SMALL_WORLD:
        msg = f"members must be >= {FRIENDS_IN_A_SMALL_WORLD + 1}, not {members}"
        raise ValueError(msg)
    chance = random.Random(seed)
    graph = cast("nx.Graph[int]", nx.watts_strogatz_graph(members, FRIENDS_IN_A_SMALL_WORLD, REWIRED, seed=chance))  # pyright: ignore[reportUnknownMemberType]
    return Network.of((str(one + 1), str(other + 1)) for one, other in graph.edges)
