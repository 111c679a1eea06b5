"""Ask the real brokers again and rewrite the files of facts: ``python -m tests.conformance.record [DIALECT...]``."""

from __future__ import annotations

import argparse
import sys

from tests.conformance.brokers import BROKERS
from tests.conformance.facts import ask, write_facts
from tests.conformance.questions import corner_question, generated_questions

QUESTIONS = 400
SEED = 1977


def main() -> None:
    """Record the facts of the dialects named on the command line, of all where none is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dialects", nargs="*", metavar="DIALECT", help=f"one of {', '.join(BROKERS)}")
    for dialect in parser.parse_args().dialects or BROKERS:
        service, client = BROKERS[dialect]
        with service() as running:
            broker = client(running)
            questions = [corner_question(dialect), *generated_questions(dialect, QUESTIONS, SEED)]
            blocks = [ask(broker, question) for question in questions]
            write_facts(dialect, broker.version, blocks)
        sys.stdout.write(f"{dialect}: {sum(1 for block in blocks for _ in block.pairs)} pairs\n")


if __name__ == "__main__":
    main()
