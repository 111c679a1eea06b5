"""What tests of programs on the bus stand on: generated topics and patterns, and the tests of mailbox stores.

`stentor.testing.generators` draws topics and patterns from a seed and needs nothing else; `stentor.testing.strategies`
offers the same to Hypothesis, which must then be installed. `stentor.testing.stores` has the tests that every mailbox
store must pass, yours too.
"""
