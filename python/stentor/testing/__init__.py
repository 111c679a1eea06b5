"""What tests of programs on the bus stand on: expectations, and generated topics and patterns.

`expect` waits for a message that shall come, `assert_no_failures` says that no handler failed. The package
`pytest_stentor`, which pytest finds by itself, has the fixture `bus`. `stentor.testing.generators` draws topics and
patterns from a seed and needs nothing else; `stentor.testing.strategies` offers the same to Hypothesis, which must then
be installed.
"""

from __future__ import annotations

from stentor.testing.expecting import Expectation as Expectation
from stentor.testing.expecting import assert_no_failures as assert_no_failures
from stentor.testing.expecting import expect as expect

for _value in (Expectation, assert_no_failures, expect):
    _value.__module__ = "stentor.testing"
del _value
