"""The demo's networks: the karate club, edge lists and small worlds."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from stentor.demo._layout import nearest_to, places_of
from stentor.demo._network import EdgeListError, Network, karate_club, parse_edge_list, read_edge_list, small_world
from stentor.demo._score import real_sides

if TYPE_CHECKING:
    from pathlib import Path


def test_the_karate_club_is_the_one_of_1977() -> None:
    club = karate_club()
    assert sorted(club.members, key=int) == [str(number) for number in range(1, 35)]
    assert len(club.friendships) == 78
    assert {member: len(club.friends[member]) for member in ("1", "34", "33", "3", "12")} == {
        "1": 16,
        "34": 17,
        "33": 12,
        "3": 10,
        "12": 1,
    }
    sides = real_sides()
    assert sides.keys() == set(club.members)
    assert sorted(sides.values()).count("1") == 17
    assert {member: sides[member] for member in ("1", "34", "9", "10")} == {"1": "1", "34": "34", "9": "1", "10": "34"}


def test_friendship_is_mutual_and_counts_once() -> None:
    network = parse_edge_list("# who knows whom\n\nann bob\r\n\tbob   ann\n  # again\nbob cid")
    assert network.friends == {"ann": ("bob",), "bob": ("ann", "cid"), "cid": ("bob",)}
    assert network.friendships == (("ann", "bob"), ("bob", "cid"))
    assert network.two_most_befriended() == ("bob", "ann")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "the edge list holds no friendship"),
        ("# nothing\n\n", "the edge list holds no friendship"),
        ("a b\nc\n", "line 2: expected two names separated by white space, found 1"),
        ("a b\n\n# c\na b 3\n", "line 4: expected two names separated by white space, found 3"),
        ("a,b\n", "line 1: expected two names separated by white space, found 1"),
        ("a b\nc c\n", "line 2: 'c' is listed as a friend of itself"),
        ("a b.c\n", "line 1: the name 'b.c' is not one segment of a topic: it holds the separator '.'"),
    ],
)
def test_a_malformed_edge_list_is_refused_by_line(text: str, error: str) -> None:
    with pytest.raises(EdgeListError, match=f"^{re.escape(error)}$"):
        parse_edge_list(text)


@pytest.mark.parametrize("name", ["*", "a*", "wh?", "[ab]", "a]", "n" * 5000])
def test_a_name_must_be_one_segment_of_a_topic(name: str) -> None:
    with pytest.raises(EdgeListError, match=r"^line 2: the name '.*' is not one segment of a topic: .+$"):
        parse_edge_list(f"ann bob\nann {name}\n")


def test_an_edge_list_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "missing.txt"
    with pytest.raises(EdgeListError, match=f"^{re.escape(str(missing))} cannot be read: No such file or directory$"):
        read_edge_list(missing)
    latin = tmp_path / "latin.txt"
    latin.write_bytes("ann bj\u00f6rn\n".encode("latin-1"))
    with pytest.raises(EdgeListError, match=f"^{re.escape(str(latin))} is not UTF-8 text: .* at byte 6$"):
        read_edge_list(latin)
    short = tmp_path / "short.txt"
    short.write_text("ann bob\ncid\n", encoding="utf-8")
    error = f"{short}, line 2: expected two names separated by white space, found 1"
    with pytest.raises(EdgeListError, match=f"^{re.escape(error)}$"):
        read_edge_list(short)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "marked.txt"
    path.write_text("ann bob\n", encoding="utf-8-sig")
    assert read_edge_list(path).members == ("ann", "bob")


def test_a_small_world_is_a_function_of_its_seed() -> None:
    world = small_world(200, seed=3)
    assert len(world.members) == 200
    assert len(world.friendships) == 600
    assert world == small_world(200, seed=3)
    assert world != small_world(200, seed=4)


def test_a_small_world_needs_members() -> None:
    with pytest.raises(ValueError, match=r"^members must be >= 7, not 6$"):
        small_world(6, seed=0)
    assert len(small_world(7, seed=0).friendships) == 21


def test_only_those_nearest_to_the_leaders_are_drawn() -> None:
    chain = Network.of(pairwise("abcdefgh"))
    assert nearest_to(("a", "h"), chain, most=4) == ("a", "h", "b", "g")
    assert sorted(nearest_to(("a", "h"), chain, most=100)) == list("abcdefgh")


def test_a_layout_keeps_members_apart_and_the_leaders_left_and_right() -> None:
    club = karate_club()
    places = places_of(club.members, club, ("1", "34"), apart=0.1)
    assert places == places_of(club.members, club, ("1", "34"), apart=0.1)
    assert places["1"][0] < places["34"][0]
    members = list(places.values())
    gaps = [abs(complex(*one) - complex(*other)) for i, one in enumerate(members) for other in members[:i]]
    assert min(gaps) > 0.09


def test_two_members_have_a_layout() -> None:
    pair = Network.of([("a", "b")])
    places = places_of(pair.members, pair, ("a", "b"), apart=0.1)
    assert places["a"][0] < places["b"][0]
