"""Does a mailbox store keep what `stentor.MailboxStore` promises? Tests for those who write one.

Subclass `StoreTests`, say how a store is made, and let a test runner find the class:

    class TestMyStore(StoreTests):
        def make(self, *, capacity, retention):
            return MyStore(capacity=capacity, retention=retention)

Every case is a plain method that runs trio by itself, so pytest and unittest both do, without a plugin. What they
cannot test for you: that what was accepted survives the process.
"""

from __future__ import annotations

from stentor.testing._store_kept import KeptTests
from stentor.testing._store_life import LifeTests
from stentor.testing._store_mail import MailTests


class StoreTests(MailTests, KeptTests, LifeTests):
    """All cases. `make` must be overridden; `pass_time` too where the store cannot be told its clock.

    The runs have a `trio.testing.MockClock` that stands still until `pass_time` moves it. A store with a clock of its
    own should have it told, say, as `clock=lambda: 1e9 + trio.current_time()`.
    """


StoreTests.__module__ = "stentor.testing.stores"
