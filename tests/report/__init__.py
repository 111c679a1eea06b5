"""Tests of reports: what the page holds, and what it does in a browser."""
