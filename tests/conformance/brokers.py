"""The broker of each dialect: how it is started, and how it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import services
from tests.conformance.amqp import AmqpBroker
from tests.conformance.mqtt import MqttBroker
from tests.conformance.nats import NatsBroker
from tests.conformance.redis import RedisBroker

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.conformance.facts import Broker

BROKERS: dict[
    str, tuple[Callable[[], AbstractContextManager[services.Service]], Callable[[services.Service], Broker]]
] = {
    "mqtt": (services.mosquitto, MqttBroker),
    "nats": (services.nats, NatsBroker),
    "amqp": (services.rabbitmq, AmqpBroker),
    "redis": (services.redis, RedisBroker),
}
