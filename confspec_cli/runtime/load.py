"""Files and addresses become engines: files loaded at the same time under one bar, as the plan lays them out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.thinking_styles import UNKNOWN
from confspec_cli.core.trace import Author
from confspec_cli.errors import EngineError
from confspec_cli.models.checked import Checked
from confspec_cli.models.registry import Model, is_shipped
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.runtime.folders import loaded_folder, models_folder
from confspec_cli.runtime.offload import plan_offload
from confspec_cli.runtime.options import HardwareOptions, check_kv_type
from confspec_cli.runtime.remote import open_remotes
from confspec_cli.runtime.reporter import SILENT, Reporter
from confspec_cli.runtime.resolve import Place, ResolvedPair

_LOOK = 0.1  # seconds between two looks at whether loads that were told to stop have


@contextmanager
def engines(
    resolved: ResolvedPair,
    paths: Mapping[Author, Path],
    hardware: HardwareOptions,
    interrupt: Interrupt,
    reporter: Reporter = SILENT,
) -> Iterator[dict[Author, Engine]]:
    """The models of a pair, those on servers among them, opened with progress and closed at the end.

    `paths` are the files of those that run here. One file in both roles is still loaded twice.
    """
    loaded = load_engines(resolved, resolved.places(paths), hardware, interrupt, reporter)
    try:
        acquaint(loaded)
        yield loaded
    finally:
        for engine in loaded.values():
            engine.close()


def load_engines(
    resolved: ResolvedPair,
    places: Mapping[Author, Place],
    hardware: HardwareOptions,
    interrupt: Interrupt,
    reporter: Reporter = SILENT,
) -> dict[Author, Engine]:
    """Connect to the models on servers, then load the others at the same time; the caller closes them.

    Raises what opening one of them raises, with none of them left open.
    """
    remote = {author: place for author, place in places.items() if isinstance(place, RemoteModel)}
    files = {author: place for author, place in places.items() if not isinstance(place, RemoteModel)}
    opened = open_remotes(remote, interrupt, reporter)
    try:
        opened |= _load_files(resolved, files, hardware, interrupt, reporter)
    except BaseException:
        for engine in opened.values():
            engine.close()
        raise
    for name in sorted({engine.card.name for engine in opened.values() if engine.card.thinking == UNKNOWN}):
        reporter.note(
            f"warning: {name} may think in a style confspec does not know, and thoughts would stand in the reply"
        )
    return {author: opened[author] for author in places}


def _load_files(
    resolved: ResolvedPair,
    paths: Mapping[Author, Path],
    hardware: HardwareOptions,
    interrupt: Interrupt,
    reporter: Reporter,
) -> dict[Author, Engine]:
    """Load these models at the same time, and say what does not fit on a GPU."""
    check_kv_type(hardware.kv_type)
    hardware = replace(hardware, context=hardware.context or resolved.pair.context)
    advice = f"confspec fit {resolved.pair.name}" if resolved.measured else "try --kv-type q8_0, --context 4096"
    layout, notes = plan_offload(paths, hardware, advice)
    for note in notes:
        reporter.note(f"note: {note}")
    if not paths:
        return {}
    sizes = {author: path.stat().st_size if path.is_file() else 1 for author, path in paths.items()}
    done = dict.fromkeys(paths, 0.0)
    what = ", ".join(f"{author.value} {path.name}" for author, path in paths.items())
    with reporter.loading(f"loading {what}") as progress:

        def report(author: Author, fraction: float) -> None:
            done[author] = fraction * sizes[author]
            progress(sum(done.values()) / sum(sizes.values()))

        def one(author: Author) -> Engine:
            return _engine(
                resolved, author, paths[author], layout[author], interrupt, lambda part: report(author, part)
            )

        try:
            loaded = _together(one, list(paths), interrupt)
        except EngineError:
            if len(paths) == 1:
                raise
            loaded = _in_turn(one, list(paths))
    return loaded


def acquaint(loaded: Mapping[Author, Engine]) -> None:
    """Have the draft propose tokens for the target, if both are loaded."""
    for author, one in loaded.items():
        one.speculate_with(loaded.get(Author.DRAFT) if author is Author.TARGET else None)


def _together(one: Callable[[Author], Engine], authors: list[Author], interrupt: Interrupt) -> dict[Author, Engine]:
    with ThreadPoolExecutor(len(authors), "loading") as threads:
        futures = {author: threads.submit(one, author) for author in authors}
        try:
            return {author: future.result() for author, future in futures.items()}
        except BaseException:
            while wait(futures.values(), _LOOK).not_done:
                interrupt.set()
            interrupt.clear()
            for future in futures.values():
                if not future.exception():
                    future.result().close()
            raise


def _in_turn(one: Callable[[Author], Engine], authors: list[Author]) -> dict[Author, Engine]:
    """One after the other: llama.cpp has one log, and what it complains of is now of the model being loaded."""
    loaded: dict[Author, Engine] = {}
    try:
        for author in authors:
            loaded[author] = one(author)
    except BaseException:
        for engine in loaded.values():
            engine.close()
        raise
    return loaded


def _engine(
    resolved: ResolvedPair,
    author: Author,
    path: Path,
    options: HardwareOptions,
    interrupt: Interrupt,
    progress: Callable[[float], None],
) -> Engine:
    from confspec_cli.engines.llamacpp.llama_engine import LlamaCppEngine  # noqa: PLC0415 - keeps llama_cpp out of --help
    from confspec_cli.engines.llamacpp.native import log  # noqa: PLC0415
    from confspec_cli.engines.llamacpp.open_model import Hardware  # noqa: PLC0415
    from confspec_cli.engines.llamacpp.trial_load import trial_load  # noqa: PLC0415

    log.verbose = options.verbose > 1
    role = resolved.roles[author]
    sha256 = Checked(models_folder(os.environ)).sha256(path)  # of these very bytes; empty if nobody computed it
    is_known = isinstance(role, Model) and sha256 == role.files[0].sha256 and is_shipped(role)
    if not is_known:
        trial_load(path, loaded_folder(os.environ), interrupt)
    hardware = Hardware(options.context, options.gpu_layers, options.threads, options.kv_type)
    loaded = LlamaCppEngine(path, hardware, interrupt, progress)
    loaded.card = replace(loaded.card, name=role.name if isinstance(role, Model) else loaded.card.name, sha256=sha256)
    return loaded
