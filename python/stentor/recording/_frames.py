"""Deliveries as frames of pandas and polars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    import polars as pl

    from stentor.recording._records import RecordedDelivery, RecordedMessage

_PLAIN: Any = {
    "accepted": float,
    "begun": float,
    "ended": float,
    "waited": float,
    "latency": float,
    "attempts": int,
}
"""The columns that are numbers; all others are texts."""


def to_pandas(deliveries: Iterable[RecordedDelivery]) -> pd.DataFrame:
    """Return the deliveries as a frame of pandas."""
    import pandas as pd  # noqa: PLC0415 - only who asks for a frame needs it

    return pd.DataFrame(_columns(deliveries)).astype({name: kind for name, kind in _PLAIN.items() if kind is float})


def to_polars(deliveries: Iterable[RecordedDelivery]) -> pl.DataFrame:
    """Return the deliveries as a frame of polars."""
    import polars as pl  # noqa: PLC0415 - only who asks for a frame needs it

    kinds = {float: pl.Float64, int: pl.Int64}
    columns = _columns(deliveries)
    return pl.DataFrame(columns, schema={name: kinds.get(_PLAIN.get(name), pl.String) for name in columns})


def _columns(deliveries: Iterable[RecordedDelivery]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in _NAMES}
    for delivery in deliveries:
        for column, value in zip(columns.values(), _row(delivery), strict=True):
            column.append(value)
    return columns


_NAMES = (
    "message",
    "topic",
    "sender",
    "agent",
    "accepted",
    "begun",
    "ended",
    "waited",
    "latency",
    "outcome",
    "attempts",
    "error",
    "cause",
    "in_reply_to",
    "inside",
    "priority",
    "addressing",
    "payload",
)


def _row(delivery: RecordedDelivery) -> tuple[Any, ...]:
    message = delivery.message
    return (
        message.id,
        message.topic,
        message.sender,
        delivery.agent,
        delivery.accepted,
        delivery.begun[0] if delivery.begun else None,
        delivery.ended,
        delivery.waited,
        delivery.latency,
        None if delivery.outcome is None else delivery.outcome.value,
        delivery.attempts,
        str(delivery.errors[-1]) if delivery.errors else None,
        message.cause,
        message.in_reply_to,
        None if message.inside is None else message.inside.agent,
        message.priority.name.lower(),
        message.addressing.value,
        payload_text(message),
    )


def payload_text(message: RecordedMessage) -> str:
    """Return a payload as JSON, or as its repr where that was recorded or JSON has no word for it."""
    if message.payload_is_repr:
        return str(message.payload)
    try:
        return msgspec.json.encode(message.payload).decode()
    except (TypeError, ValueError, OverflowError):
        return repr(message.payload)
