"""The models of a conversation, loaded when they are asked for and kept while they are of use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import typer

from confspec_cli.commands._options import GateOptions, HardwareOptions, ModelOptions, SamplingOptions, WorkOptions
from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.messages import Message, Prompt
from confspec_cli.core.run_config import Mode, RunConfig, authors
from confspec_cli.core.trace import Author
from confspec_cli.errors import ConfspecError, EngineError, Interrupted, ModelMissing
from confspec_cli.models.registry import load
from confspec_cli.render.console import put
from confspec_cli.repl.pool_protocol import RunOptions
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.runtime.folders import config_folder
from confspec_cli.runtime.load import acquaint, load_engines
from confspec_cli.runtime.resolve import ResolvedPair, build_config, files, resolve_pair, thinks
from confspec_cli.runtime.signals import stopping

_Part = tuple[Path, int | None]
"""What an engine was made of: its file, and the context asked for in tokens."""


class LoadedModelPool:
    """A Company of real models. `models` and `hardware` hold what cannot be changed by a wish."""

    def __init__(self, models: ModelOptions, hardware: HardwareOptions) -> None:
        self._models = models
        self._hardware = hardware
        self._interrupt = Interrupt()
        self._cast: ResolvedPair | None = None
        self._wishes = RunOptions()
        self._engines: dict[Author, Engine] = {}
        self._parts: dict[Author, _Part] = {}
        self._doubted: set[str] = set()

    @property
    def pair(self) -> str:
        """The name of the pair, or of what stands in its models' places."""
        name = self._cast.pair.name if self._cast else ""
        given = [Path(one).stem for one in (self._wishes.draft, self._wishes.target) if one]
        if len(given) == 2:
            return " + ".join(given)
        return f"{name} with {given[0]}" if given else name

    @property
    def engines(self) -> Mapping[Author, Engine]:
        """The engines the mode needs, the target last. Raises EngineError where one could not be loaded."""
        needed = authors(self._wishes.mode)
        if any(author not in self._engines for author in needed):
            raise EngineError("The models of this conversation are not loaded.", "/pair NAME")
        return {author: self._engines[author] for author in needed}

    def recast(self, run_options: RunOptions) -> None:
        """Load what is wished for and not loaded; on an error the models are those of before."""
        resolved = resolve_pair(self._options(run_options))
        try:
            paths = files(resolved, self._models.yes)
        except typer.Abort:
            raise ModelMissing("Nothing was pulled.", "confspec pull PAIR") from None
        context = self._hardware.context or resolved.pair.context
        wanted: dict[Author, _Part] = {author: (path, context) for author, path in paths.items()}
        if _models_of(run_options) == _models_of(
            self._wishes
        ):  # the mode alone: what it does not need now, it may again
            wanted = {**self._parts, **wanted}
        before = self._cast, self._wishes, dict(self._parts)
        try:
            self._load(resolved, wanted)
            thinks(_work(run_options), {author: self._engines[author] for author in authors(run_options.mode)})
        except (ConfspecError, Interrupted):
            if before[0]:
                self._load(before[0], before[2])
            raise
        self._cast, self._wishes = resolved, run_options
        for doubt in set(resolved.warnings(self.config(run_options))) - self._doubted:
            self._doubted.add(doubt)
            put(sys.stderr, f"warning: {doubt}\n")

    def config(self, run_options: RunOptions) -> RunConfig:
        """The rules of the next run. Raises UsageError for wishes that cannot be."""
        bounds = (
            (run_options.accept, run_options.reject, run_options.min_token_prob)
            if run_options.mode is Mode.CONFSPEC
            else (None, None, None)
        )
        gate = GateOptions(*bounds, run_options.always_draft, run_options.max_tokens, run_options.max_step_tokens)
        sampling = SamplingOptions(
            run_options.temperature,
            run_options.top_k,
            run_options.top_p,
            run_options.min_p,
            run_options.seed,
            run_options.speculate,
        )
        return build_config(
            resolve_pair(self._options(run_options)), run_options.mode, gate, sampling, _work(run_options)
        )

    def prompt(self, question: str, system: str | None, before: tuple[Message, ...]) -> Prompt:
        """What the models read. Raises ContextFull where it does not fit."""
        engines = self.engines
        think = thinks(_work(self._wishes), engines)
        return prompt_of(question, system, engines, before, self.config(self._wishes), think)

    @contextmanager
    def stopping(self) -> Iterator[list[int]]:
        """While this holds, Ctrl-C and TERM stop the models instead of raising. Yields the signals that came."""
        try:
            with stopping(self._interrupt) as signals:
                yield signals
        finally:
            self._interrupt.clear()

    def names(self, kind: str) -> Sequence[str]:
        """What can be asked for by name: every `pair`, every `model`."""
        registry = load(config_folder(os.environ) / "models.yaml")
        return list(registry.pairs if kind == "pair" else registry.models)

    def close(self) -> None:
        """Free the models."""
        for one in self._engines.values():
            one.close()
        self._engines, self._parts = {}, {}

    def _options(self, run_options: RunOptions) -> ModelOptions:
        return ModelOptions(run_options.pair, run_options.draft, run_options.target, self._models.yes, run_options.mode)

    def _load(self, resolved: ResolvedPair, wanted: Mapping[Author, _Part]) -> None:
        """Have exactly the wanted engines. What is loaded already is kept, in another role too; the rest goes first."""
        spare = [(part, self._engines[author]) for author, part in self._parts.items()]
        self._engines, self._parts = {}, {}
        for author, part in wanted.items():
            found = next((one for one in spare if one[0] == part), None)
            if found:
                spare.remove(found)
                self._parts[author], self._engines[author] = found
        for _, unwanted in spare:
            unwanted.close()
        missing = {author: part for author, part in wanted.items() if author not in self._engines}
        contexts = {context for _, context in missing.values()}
        for context in contexts:
            paths = {author: path for author, (path, wants) in missing.items() if wants == context}
            self._engines |= load_engines(resolved, paths, replace(self._hardware, context=context), self._interrupt)
            self._parts |= {author: missing[author] for author in paths}
        acquaint(self._engines)


def _work(run_options: RunOptions) -> WorkOptions:
    return WorkOptions(run_options.task, run_options.think, run_options.think_budget)


def _models_of(run_options: RunOptions) -> tuple[str | None, ...]:
    return run_options.pair, run_options.draft, run_options.target
