"""The tests of stentor, run against the installed package."""
