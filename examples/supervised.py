"""Agents that fail: tried again, given up on, put into quarantine, repaired.

It prints:

    0.0 s: fetcher tries page1, attempt 1
    1.0 s: fetcher tries page1, attempt 2
    1.0 s: fetcher has page1
    1.0 s: fetcher tries page2, attempt 1
    2.0 s: fetcher tries page2, attempt 2
    4.0 s: fetcher tries page2, attempt 3
    log: fetcher failed for good on fetch.page2 (attempt 3)
    4.0 s: fetcher tries page3, attempt 1
    9.0 s: fetcher tries page3, attempt 2
    9.0 s: fetcher has page3
    the indexer is in quarantine after: word1, word2; 1 more waits
    repaired: word3, word1, word2
    page2 stays dead: OSError('no route to page2')
"""

from __future__ import annotations

import logging
from typing import final

import trio
from trio.testing import MockClock

import stentor


async def fetcher(message: stentor.Message, delivery: stentor.Delivery) -> None:
    """Fetch a page: at the second attempt, never, or not before its timeout."""
    page = str(message.payload)
    print(f"{trio.current_time():.1f} s: fetcher tries {page}, attempt {delivery.attempt}")
    if page == "page2":
        msg = f"no route to {page}"
        raise OSError(msg)
    if delivery.attempt == 1:
        if page == "page3":
            await trio.sleep_forever()  # the timeout ends this
        msg = "try again"
        raise OSError(msg)
    print(f"{trio.current_time():.1f} s: fetcher has {page}")


@final
class Indexer:
    """Fails until it is repaired."""

    def __init__(self) -> None:
        self.repaired = False
        self.words: list[str] = []

    async def __call__(self, message: stentor.Message) -> None:
        """Index a word."""
        if not self.repaired:
            msg = "the index is locked"
            raise RuntimeError(msg)
        self.words.append(str(message.payload))


@final
class Lines(logging.Handler):
    """Prints what failed for good, from the extras of the record."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        facts = vars(record)
        if facts.get("stentor_topic", "").startswith("fetch."):
            told = f"{facts['stentor_agent']} failed for good on {facts['stentor_topic']}"
            print(f"log: {told} (attempt {facts['stentor_attempt']})")


async def fetch(bus: stentor.Bus) -> None:
    """Let three pages be fetched."""
    retry = stentor.RetryPolicy(attempts=3, first_delay=1.0, factor=2.0, jitter=0.0, retry_on=(OSError, TimeoutError))
    bus.register("fetcher", fetcher, timeout=4.0, retry=retry).subscribe("fetch.*")
    for page in ("page1", "page2", "page3"):
        await bus.publish(f"fetch.{page}", page)
    await bus.settled()


async def index(bus: stentor.Bus) -> None:
    """Let three words be indexed, repair the indexer, and send what it failed on again."""
    indexer = Indexer()
    agent = bus.register("indexer", indexer, on_error="quarantine", quarantine_after=2)
    agent.subscribe("index")
    for word in ("word1", "word2", "word3"):
        await bus.publish("index", word)
    await bus.settled()
    failed = [str(letter.message.payload) for letter in bus.dead_letters.select(agent="indexer")]
    waiting = agent.statistics().waiting
    print(f"the indexer is in quarantine after: {', '.join(failed)}; {waiting} more waits")

    indexer.repaired = True
    agent.rejoin()
    for letter in bus.dead_letters.select(agent="indexer"):
        await bus.resubmit(letter)
    await bus.settled()
    print(f"repaired: {', '.join(indexer.words)}")


async def main() -> None:
    """Supervise two agents."""
    async with stentor.open_bus() as bus:
        await fetch(bus)
        await index(bus)
        for letter in bus.dead_letters:
            print(f"{letter.message.payload} stays dead: {letter.cause!r}")


logger = logging.getLogger("stentor")
logger.addHandler(Lines())
logger.propagate = False
trio.run(main, clock=MockClock(autojump_threshold=0))  # virtual time: nobody really waits
