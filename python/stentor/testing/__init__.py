"""What tests of programs on the bus stand on: generated topics and patterns.

`stentor.testing.generators` draws them from a seed and needs nothing else; `stentor.testing.strategies` offers the
same to Hypothesis, which must then be installed.
"""
