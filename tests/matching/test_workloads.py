"""The workloads of the benchmarks are what they say, and the peers answer what they are said to answer."""

from __future__ import annotations

import collections

import pytest

import stentor
from benches import peers, workloads


def _shares(patterns: list[str]) -> dict[str, float]:
    kinds = collections.Counter("**" if "**" in text else "*" if "*" in text else "exact" for text in patterns)
    return {kind: count / len(patterns) for kind, count in kinds.items()}


def test_mixed_is_70_percent_exact_20_single_10_multi_and_half_subscribed() -> None:
    work = workloads.mixed(10_000, topics=4_000)
    assert _shares(work.patterns) == {"exact": 0.7, "*": 0.2, "**": 0.1}
    exact = set(work.patterns)
    assert 0.5 <= sum(topic in exact for topic in work.topics) / len(work.topics) < 0.51
    assert {len(pattern.split(".")) for pattern in exact if "**" not in pattern} == {5}


def test_all_wildcards_has_no_exact_pattern() -> None:
    assert _shares(workloads.all_wildcards(10_000, topics=10).patterns) == {"*": 0.8, "**": 0.2}


def test_wide_holds_every_path_and_topics_that_miss() -> None:
    work = workloads.wide()
    assert len([pattern for pattern in work.patterns if "*" not in pattern]) == 37_448
    assert len([pattern for pattern in work.patterns if "*" in pattern]) == 8 + 512 + 64
    assert sum(topic.endswith(".nobody") for topic in work.topics) == 2_000


def test_a_device_topic_has_one_subscriber() -> None:
    work = workloads.devices(agents=5, patterns_each=20, topics=300)
    matcher: stentor.Matcher[str] = stentor.Matcher()
    for pattern in work.patterns:
        matcher.add(pattern, pattern)
    assert {len(found) for found in matcher.match_many(work.topics)} == {1}
    assert {topic.count(".") for topic in work.topics} == {9}


def test_zipf_topics_are_led_by_the_first() -> None:
    work = workloads.mixed(1_000, topics=2_000)
    counts = collections.Counter(work.zipf_topics(10_000))
    assert counts.most_common(1)[0][0] == work.topics[0]
    assert len(counts) > 500
    assert set(work.hot_topics(1000)) == set(work.topics[:100])


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
def test_a_peer_answers_what_it_is_said_to_answer(peer: peers.Peer) -> None:
    if not peer.is_installed:
        pytest.skip(f"{peer.module} is not installed")
    mixed = workloads.mixed(400, topics=200, tails_only=peer.tails_only)
    wild = workloads.all_wildcards(400, topics=200, tails_only=peer.tails_only)
    for work, patterns in ((mixed, [*mixed.patterns, "world1.**"]), (wild, [*wild.patterns, "*"])):
        matcher: stentor.Matcher[int] = stentor.Matcher()
        for place, pattern in enumerate(patterns):
            matcher.add(pattern, place)
        lookup = peer.open(patterns)
        for topic in work.topics:
            ours, theirs = len(matcher.match(topic)), lookup.match(topic)
            assert {"all": theirs == ours, "any": bool(theirs) == bool(ours), "more": theirs >= ours}[peer.answers]
