"""Where each member stands in the picture: friends near each other, the two leaders left and right."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import networkx as nx
import numpy as np

if TYPE_CHECKING:
    from stentor.demo._network import Network

Floats: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"

SEED = 0
"""Of the layout alone: one network always gets the same picture."""


def nearest_to(leaders: tuple[str, str], network: Network, *, most: int) -> tuple[str, ...]:
    """Up to `most` members, breadth first from both leaders at once; O(members reached and their friendships)."""
    found = dict.fromkeys(leaders)
    waiting = deque(leaders)
    while waiting:
        for friend in network.friends[waiting.popleft()]:
            if len(found) >= most:
                return tuple(found)
            if friend not in found:
                found[friend] = None
                waiting.append(friend)
    return tuple(found)


def places_of(
    members: tuple[str, ...], network: Network, leaders: tuple[str, str], *, apart: float
) -> dict[str, tuple[float, float]]:
    """Places in the square from -1 to 1, nobody nearer to another than about `apart`.

    The layout is ForceAtlas2 (M. Jacomy and others, 2014); it takes O(members²) work, so sample a large network first.
    """
    shown = set(members)
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(members)
    graph.add_edges_from(pair for pair in network.friendships if shown.issuperset(pair))
    found = nx.forceatlas2_layout(graph, max_iter=500, scaling_ratio=5.0, seed=SEED)
    raw = np.array([found[member] for member in members], dtype=np.float64)
    first, second = (members.index(leader) for leader in leaders)
    placed = _push_apart(_fit(_turn(raw, raw[second] - raw[first])), apart)
    return {member: (float(x), float(y)) for member, (x, y) in zip(members, placed, strict=True)}


def _turn(places: Floats, axis: Floats) -> Floats:
    """Turn all so that `axis` points to the right."""
    x, y = axis / (np.hypot(*axis) or 1.0)
    turned: Floats = places @ np.array([[x, -y], [y, x]])
    return turned


def _fit(places: Floats) -> Floats:
    """Fit all into the square from -1 to 1, each direction by itself."""
    low, high = places.min(axis=0), places.max(axis=0)
    fitted: Floats = (places - (low + high) / 2.0) / np.maximum((high - low) / 2.0, 1e-9)
    return fitted


def _push_apart(places: Floats, apart: float) -> Floats:
    """Move those that are too near each other away from each other, a little at a time."""
    chance = np.random.default_rng(SEED)
    for _ in range(100):
        towards = places[:, None, :] - places[None, :, :]
        towards += chance.normal(scale=1e-6, size=towards.shape)  # tells two at one place apart
        distance = np.hypot(towards[..., 0], towards[..., 1])
        np.fill_diagonal(distance, np.inf)
        lack = np.clip(apart - distance, 0.0, None)
        if not lack.any():
            break
        places = places + (towards / distance[..., None] * lack[..., None]).sum(axis=1) / 4.0
    return places
