"""An in-process message bus for multi-agent simulations: wildcard topics, a compiled matcher, a trio dispatcher.

The layers, each importing only from those above it in this list:

1. `_values`: errors, dialects, topics and patterns, messages, options, modes, results. No trio, no clock, no I/O.
2. `_mechanisms`: matching, subscriptions, mailboxes, deliveries, statistics. They decide, and never wait.
3. `_machine`: the dispatcher, its workers, the router, and the door through which messages are published.
4. `_bus`: agents, feeds and the bus, and its life in an `async with` block.
5. everything else stands on the names of this file alone: `storage`, `testing`, `demo`, the command line.

A message goes `Bus.publish` -> `Publishing` -> `SubscriptionTable.route` -> `Dispatcher.accept` -> `Lane` ->
`Workers` -> `Dispatcher.step` -> `Calls.begin` -> the handler -> `Calls.finish` -> `Ledger`; an ordinary one takes a
short way through the native `Door` and `Pump`. docs/layout.md follows both.
"""

from __future__ import annotations

from stentor._bus.agent import Agent as Agent
from stentor._bus.agent import Feed as Feed
from stentor._bus.bus import Bus as Bus
from stentor._bus.checkpoints import BusCheckpoint as BusCheckpoint
from stentor._bus.defaults import bus_defaults as bus_defaults
from stentor._bus.extension import Extension as Extension
from stentor._bus.opening import open_bus as open_bus
from stentor._bus.portal import Portal as Portal
from stentor._machine.store import MemoryStore as MemoryStore
from stentor._mechanisms.dead_letters import DeadLetter as DeadLetter
from stentor._mechanisms.dead_letters import DeadLetterBox as DeadLetterBox
from stentor._mechanisms.dead_letters import DeadLetterStatistics as DeadLetterStatistics
from stentor._mechanisms.deliveries import Delivery as Delivery
from stentor._mechanisms.health import Health as Health
from stentor._mechanisms.health import Problem as Problem
from stentor._mechanisms.health import Trouble as Trouble
from stentor._mechanisms.matching import Explanation as Explanation
from stentor._mechanisms.matching import Matcher as Matcher
from stentor._mechanisms.matching import MatchStatistics as MatchStatistics
from stentor._mechanisms.observing import Journal as Journal
from stentor._mechanisms.observing import Middleware as Middleware
from stentor._mechanisms.observing import Observer as Observer
from stentor._mechanisms.observing import Transit as Transit
from stentor._mechanisms.permissions import AgentPermissions as AgentPermissions
from stentor._mechanisms.permissions import Permissions as Permissions
from stentor._mechanisms.permissions import PermissionStatistics as PermissionStatistics
from stentor._mechanisms.retained import RetainedMessages as RetainedMessages
from stentor._mechanisms.retained import RetainedStatistics as RetainedStatistics
from stentor._mechanisms.statistics import AgentStatistics as AgentStatistics
from stentor._mechanisms.statistics import BusStatistics as BusStatistics
from stentor._mechanisms.statistics import LatencyStatistics as LatencyStatistics
from stentor._mechanisms.statistics import PatternStatistics as PatternStatistics
from stentor._mechanisms.statistics import SubscriptionStatistics as SubscriptionStatistics
from stentor._mechanisms.subscriptions import Subscription as Subscription
from stentor._native import VERSION as _VERSION
from stentor._values.content import ContentType as ContentType
from stentor._values.content import MessageLimits as MessageLimits
from stentor._values.dialects import Dialect as Dialect
from stentor._values.errors import AbandonedError as AbandonedError
from stentor._values.errors import AlreadyRegisteredError as AlreadyRegisteredError
from stentor._values.errors import DeadlockError as DeadlockError
from stentor._values.errors import ExpiredError as ExpiredError
from stentor._values.errors import InvalidPatternError as InvalidPatternError
from stentor._values.errors import InvalidTopicError as InvalidTopicError
from stentor._values.errors import LimitError as LimitError
from stentor._values.errors import MailboxFullError as MailboxFullError
from stentor._values.errors import NoResponderError as NoResponderError
from stentor._values.errors import NotSettledError as NotSettledError
from stentor._values.errors import PermissionDeniedError as PermissionDeniedError
from stentor._values.errors import RequestFailedError as RequestFailedError
from stentor._values.errors import UnknownAgentError as UnknownAgentError
from stentor._values.filters import MessageFilter as MessageFilter
from stentor._values.messages import AddressingMode as AddressingMode
from stentor._values.messages import Message as Message
from stentor._values.messages import Priority as Priority
from stentor._values.modes import Mode as Mode
from stentor._values.options import DeliveryMode as DeliveryMode
from stentor._values.options import Overflow as Overflow
from stentor._values.options import SubscriptionOptions as SubscriptionOptions
from stentor._values.patterns import Grammar as Grammar
from stentor._values.patterns import Pattern as Pattern
from stentor._values.patterns import validate_topic as validate_topic
from stentor._values.policies import HandlerPolicy as HandlerPolicy
from stentor._values.policies import OnError as OnError
from stentor._values.protocols import MailboxStore as MailboxStore
from stentor._values.results import BroadcastResult as BroadcastResult
from stentor._values.results import LeftDelivery as LeftDelivery
from stentor._values.results import Receipt as Receipt
from stentor._values.results import Replies as Replies
from stentor._values.results import Routed as Routed
from stentor._values.results import RouteResult as RouteResult
from stentor._values.retrying import RetryPolicy as RetryPolicy
from stentor._values.store_errors import StoreError as StoreError
from stentor._values.store_errors import StoreFullError as StoreFullError
from stentor._values.store_errors import UnstorableError as UnstorableError
from stentor._values.stored import EntryKind as EntryKind
from stentor._values.stored import MailboxEntry as MailboxEntry
from stentor._values.stored import MailboxPage as MailboxPage
from stentor._values.stored import MailboxQuery as MailboxQuery
from stentor._values.stored import MailboxSummary as MailboxSummary
from stentor._values.stored import ReadState as ReadState
from stentor._values.stored import Retention as Retention
from stentor._values.stored import StoredMessage as StoredMessage

__version__: str = _VERSION

for _name, _value in list(globals().items()):
    if not _name.startswith("_") and getattr(_value, "__module__", "").startswith("stentor."):
        _value.__module__ = "stentor"
del _name, _value  # pyright: ignore[reportPossiblyUnboundVariable] - there are names
