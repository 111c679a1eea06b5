"""What topics and patterns mean, said as plainly as possible: the judge of the compiled matcher, slow and obvious.

Every dialect with segments is a `Rules`; ``redis`` has none and is read byte by byte. `pattern_flaw` and
`topic_flaw` name the leftmost offence in a text, `matches` says whether a valid pattern matches a valid topic,
and `ModelMatcher` is a list of subscriptions that is asked one by one.
"""

from tests.oracles.matching import matches
from tests.oracles.model import ModelMatcher
from tests.oracles.rules import DIALECTS, RULES, Rules
from tests.oracles.validity import Flaw, Reason, pattern_flaw, topic_flaw

__all__ = [
    "DIALECTS",
    "RULES",
    "Flaw",
    "ModelMatcher",
    "Reason",
    "Rules",
    "matches",
    "pattern_flaw",
    "topic_flaw",
]
