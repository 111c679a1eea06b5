"""Tests of mailbox stores."""
