"""What drafting comes to on plain questions, which have no answer to tune a gate on: tokens, and no seconds.

    python -m benchmarks.plain_questions [PAIR]

Every step is drafted, with the gate the pair has where none was measured.
"""

from __future__ import annotations

import argparse

import confspec_cli as confspec
from confspec_cli.core.stats import fold
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author
from confspec_cli.runtime.options import RunOptions

_QUESTIONS = (
    "Why is the sky blue?",
    "Write a short note inviting a friend to dinner.",
    "What are three good habits for learning a language?",
    "Explain what a hash table is to a beginner.",
    "Name ten rivers, with a sentence about each.",
    "How does a refrigerator work?",
    "Suggest a name for a small bakery, and say why.",
    "What should I pack for a week in the mountains?",
)
_MOST = 160  # tokens of a reply


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair", nargs="?", default="starter")
    name = parser.parse_args().pair
    options = RunOptions(task=TaskName.PLAIN, always_draft=True, max_tokens=_MOST)
    with confspec.open_pair(name, options) as pair:
        stats = [fold(pair.reason(question)) for question in _QUESTIONS]
    drafted, kept, written = (
        sum(tokens)
        for tokens in zip(
            *((one.written[Author.DRAFT], one.tokens[Author.DRAFT], one.written[Author.TARGET]) for one in stats),
            strict=True,
        )
    )
    print("| pair | replies | tokens drafted | kept | written by the target |")
    print("|---|--:|--:|--:|--:|")
    print(f"| {name} | {len(stats)} | {drafted} | {kept} | {written} |")


if __name__ == "__main__":
    main()
