"""Tests of looking at a bus that runs."""
