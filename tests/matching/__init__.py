"""The pattern language and the matcher against the oracle."""
