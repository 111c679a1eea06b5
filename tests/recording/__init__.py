"""Tests of recordings: what is written, what is read of whatever is left of it, and where two of them part."""
