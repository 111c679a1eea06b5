"""The club on the bus: what it says, who hears it, and how well it foretells what happened in 1977."""

from __future__ import annotations

import math
import random
from functools import partial
from pathlib import Path

import pytest
import trio

import stentor
import stentor.demo
from stentor.demo import _score
from stentor.demo._club import Poll, Run, run_club
from stentor.demo._network import Network, karate_club, small_world
from stentor.demo._opinions import FIRST_DOUBTS, OPENNESS, Mind, first_minds, side_of

DATA = Path(stentor.demo.__path__[0]) / "data"
LEADERS = ("1", "34")


def run(network: Network, leaders: tuple[str, str], *, seed: int = 0, rounds: int = 30) -> Run:
    return trio.run(partial(run_club, network, leaders, seed=seed, rounds=rounds))


def friendships_in(path: Path) -> set[tuple[str, ...]]:
    """The friendships of an edge list, read apart from the demo."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {tuple(sorted(line.split())) for line in lines if line.strip() and not line.startswith("#")}


@pytest.mark.parametrize("seed", range(20))
def test_at_least_32_of_34_are_foretold(seed: int) -> None:
    sides = run(karate_club(), LEADERS, seed=seed).sides
    assert len(sides) == 34
    assert len(_score.agreeing(sides, _score.real_sides())) >= 32


@pytest.mark.parametrize("rounds", [1, 7])
def test_the_bus_has_carried_what_the_model_must_send(rounds: int) -> None:
    friendships = friendships_in(DATA / "karate_club.edges")
    members = {member for pair in friendships for member in pair}
    counted = run(karate_club(), LEADERS, rounds=rounds).statistics
    # In a round the secretary calls once and each member speaks once.
    assert counted.messages == rounds * (1 + len(members))
    # Each call reaches all members; each opinion all friends; the historian hears all, the pollster the opinions.
    to_members = len(members) + 2 * len(friendships)
    to_observers = (1 + len(members)) + len(members)
    assert counted.handled == rounds * (to_members + to_observers)


def test_the_opinions_on_the_bus_are_those_of_the_model() -> None:
    """The model worked out apart, over a matrix of friends and in step, comes to the very same opinions."""
    club = karate_club()
    place = {member: number for number, member in enumerate(club.members)}
    friends = [[place[friend] for friend in club.friends[member]] for member in club.members]
    minds = list(first_minds(club, LEADERS, seed=5).values())
    opinions = [mind.opinion for mind in minds]
    expected = [list(opinions)]
    for _ in range(11):
        averages = [math.fsum(opinions[friend] for friend in mine) / len(mine) for mine in friends]
        opinions = [
            opinion + mind.openness * (math.tanh(2.0 * average) - opinion)
            for opinion, mind, average in zip(opinions, minds, averages, strict=True)
        ]
        expected.append(opinions)
    said = run(club, LEADERS, seed=5, rounds=12).opinions
    assert [[said[member][number] for member in club.members] for number in range(12)] == expected


def test_a_run_is_a_function_of_its_seed() -> None:
    one, same, other = (run(karate_club(), LEADERS, seed=seed) for seed in (4, 4, 5))
    assert (one.opinions, one.sides) == (same.opinions, same.sides)
    assert one.opinions != other.opinions


def test_the_real_sides_are_read_for_the_score_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = _score.real_sides()
    before = run(karate_club(), LEADERS)
    names = sorted(real)
    sides = [real[name] for name in names]
    random.Random(1).shuffle(sides)
    permuted = "".join(f"{name} {side}\n" for name, side in zip(names, sides, strict=True))
    monkeypatch.setattr(_score, "shipped", {"karate_club.sides": permuted}.__getitem__)
    after = run(karate_club(), LEADERS)
    assert (after.opinions, after.sides) == (before.opinions, before.sides)
    wrong = _score.real_sides()
    assert sorted(wrong.values()) == sorted(real.values())
    assert len(_score.agreeing(after.sides, wrong)) < len(_score.agreeing(before.sides, real)) - 8


def test_the_pollster_reports_every_round() -> None:
    polls: list[Poll] = []
    trio.run(partial(run_club, small_world(600, seed=1), ("1", "300"), seed=1, rounds=3, report=polls.append))
    assert [(poll.round, poll.heard) for poll in polls] == [(n, heard) for n in (1, 2, 3) for heard in (500, 600)]
    assert all(poll.first + poll.second == poll.heard for poll in polls)


def test_a_larger_world_is_counted_as_well() -> None:
    network = small_world(1500, seed=2)
    done = run(network, network.two_most_befriended(), rounds=3)
    assert done.statistics.messages == 3 * 1501
    assert done.statistics.handled == 3 * (1500 + 2 * len(network.friendships) + 1501 + 1500)
    assert {len(said) for said in done.opinions.values()} == {3}
    assert len(done.opinions) == len(done.sides) == 1500


def test_a_star_whose_hub_has_more_friends_than_a_mailbox_has_room() -> None:
    star = Network.of(("hub", f"leaf{number}") for number in range(3000))
    done = run(star, ("hub", "leaf0"), rounds=4)
    assert done.statistics.handled == 4 * (3001 + 2 * 3000 + 3002 + 3001)
    assert done.sides == {member: "leaf0" if member == "leaf0" else "hub" for member in star.members}


def test_members_may_be_called_like_anything_else_in_the_club() -> None:
    names = ("historian", "pollster", "secretary", "round", "opinion", "club", "_stentor", "Jürgen", "李")
    done = run(Network.of((names[0], name) for name in names[1:]), ("historian", "round"), rounds=2)
    assert set(done.sides) == set(names)


def test_minds_begin_near_neutral_but_for_the_leaders() -> None:
    world = small_world(2000, seed=0)
    minds = first_minds(world, ("10", "20"), seed=0)
    assert (minds["10"].opinion, minds["20"].opinion) == (-1.0, 1.0)
    others = [mind for member, mind in minds.items() if member not in {"10", "20"}]
    assert all(abs(mind.opinion) < 5 * FIRST_DOUBTS for mind in others)
    assert all(OPENNESS[0] <= mind.openness <= OPENNESS[1] for mind in others)


def test_a_leader_never_moves_and_one_who_heard_nothing_stays() -> None:
    leader = Mind(opinion=1.0, openness=0.0, heard={"a": -1.0})
    silent = Mind(opinion=0.25, openness=0.5)
    leader.reconsider()
    silent.reconsider()
    assert (leader.opinion, silent.opinion) == (1.0, 0.25)


def test_the_order_of_hearing_makes_no_difference() -> None:
    words = {f"m{number}": random.Random(number).uniform(-1.0, 1.0) for number in range(50)}
    one = Mind(opinion=0.0, openness=0.3, heard=dict(words))
    other = Mind(opinion=0.0, openness=0.3, heard=dict(reversed(words.items())))
    one.reconsider()
    other.reconsider()
    assert one.opinion == other.opinion != 0.0


def test_sides() -> None:
    assert [side_of(opinion, ("a", "b")) for opinion in (-0.1, 0.0, 0.1)] == ["a", None, "b"]
