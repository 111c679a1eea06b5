"""Grammars, patterns and the validation of topics, from the native module."""

from __future__ import annotations

from stentor._native import Grammar as Grammar
from stentor._native import Pattern as Pattern
from stentor._native import validate_topic as validate_topic
