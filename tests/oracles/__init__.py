"""What topics and patterns mean, said as plainly as possible: the judge of the compiled matcher, slow and obvious.

Every dialect with segments is a `Rules`; ``redis`` has none and is read byte by byte. `pattern_flaw` and
`topic_flaw` name the leftmost offence in a text, `matches` says whether a valid pattern matches a valid topic,
and `ModelMatcher` is a list of subscriptions that is asked one by one.
"""

from tests.oracles.matching import matches as matches
from tests.oracles.model import ModelMatcher as ModelMatcher
from tests.oracles.rules import DIALECTS as DIALECTS, RULES as RULES, Rules as Rules
from tests.oracles.validity import (
    Flaw as Flaw,
    Reason as Reason,
    pattern_flaw as pattern_flaw,
    topic_flaw as topic_flaw,
)
