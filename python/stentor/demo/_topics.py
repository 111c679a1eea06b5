"""The topics of the club, in one place: what is published where."""

from __future__ import annotations

ROUND = "club.round"
"""Where the secretary calls each round; the payload is its number, from 1."""

OPINIONS = "club.*.opinion"
"""The pattern of every member's opinion."""

EVERYTHING = "club.**"
"""The pattern of all that is said in the club."""


def opinion_of(member: str) -> str:
    """Where a member publishes its opinion."""
    return f"club.{member}.opinion"
