"""What the second turn of a conversation costs: time to its first token against the first turn's, which is long.

python -m benchmarks.second_turn [PAIR]   # the default pair's; 1,000 tokens in the first turn
"""

from __future__ import annotations

import sys
import time

from confspec_cli.core.conversation import Conversation
from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.events import TextWritten
from confspec_cli.core.messages import Prompt
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import RunConfig
from confspec_cli.core.trace import Author
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.load import engines
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry

FIRST = "A hen lays five eggs a week, and a hen of another kind lays four; the third kind lays none at all. "
LAST = "How many eggs do ten hens of the first kind lay in a week?"
SECOND = "And how many in a year?"
TOKENS = 1000  # in the first turn, by the target's tokenizer
REPLY = 64  # tokens; the reply is read again by whoever did not write it


def main(pair: str | None) -> None:
    """Have a conversation of two turns and print what each read, and when its first token came."""
    options = RunOptions(pair=pair, max_tokens=REPLY)
    resolved = resolve_pair(user_registry(), options)
    config = build_config(resolved.pair, options)
    with engines(resolved, local_files(resolved), HardwareOptions(), Interrupt()) as models:
        talk = Conversation()
        times: list[float] = []
        for question in (_long(models), SECOND):
            before = {author: engine.tokens_read for author, engine in models.items()}
            seconds = _first_token(prompt_of(question, None, models, talk.messages()), models, config, talk)
            read = ", ".join(
                f"{author.value} {engine.tokens_read - before[author]}" for author, engine in models.items()
            )
            print(f"turn {len(times) + 1}: first token after {seconds:.3f} s; tokens read by its end: {read}")
            times.append(seconds)
    print(f"{resolved.pair.name}: the second turn's first token took {times[1] / times[0]:.3f} of the first's time")


def _long(models: dict[Author, Engine]) -> str:
    """A question of TOKENS tokens or a few more."""
    text = LAST
    while models[Author.TARGET].count(prompt_of(text, "", models)) < TOKENS:
        text = FIRST + text
    return text


def _first_token(prompt: Prompt, models: dict[Author, Engine], config: RunConfig, talk: Conversation) -> float:
    """Seconds from asking to the first text; the run goes on to its end."""
    began, first = time.perf_counter(), 0.0
    for event in ReasoningRun(prompt, models, config, time.perf_counter).events():
        if isinstance(event, TextWritten) and not first:
            first = time.perf_counter()
        talk.add(event)
    return first - began


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
