"""What stands below a run that is over."""

import pytest
from rich.cells import cell_len
from support.recorded_runs import Recorder, sample

from confspec_cli.core.events import RunFinished, RunStarted
from confspec_cli.core.trace import Author, Cause, Origin, Step
from confspec_cli.render import wording
from confspec_cli.render.closing import Closing
from confspec_cli.render.explain import decision
from confspec_cli.render.layout import Page
from confspec_cli.render.symbols import ASCII, UNICODE


def closed(events, width=80, marks=UNICODE, coloured=False, stats=False):
    closing = Closing(marks, coloured)
    for event in events:
        closing.add(event)
    return closing.lines(Page(width, marks.width), stats)


def plain(*args, **kwargs):
    return [line.plain for line in closed(*args, **kwargs)]


def runs(line):
    """The pieces of a bar, as their style and width."""
    return [(str(span.style), span.end - span.start) for span in line.spans]


def mixed():
    run = Recorder()
    run.draft("One.\n\n")
    run.salvaged("Two and", " five.", " three are five.\n\n")
    run.sole(Author.TARGET, "Three.\n\n")
    return run.finish()


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_bar_is_time_and_its_colours_are_the_authors(width):
    bar = closed(sample(), width, coloured=True)[0]
    cells = min(width - 1, 64)
    assert cell_len(bar.plain) == cells
    assert [style for style, _ in runs(bar)] == ["green", "yellow", "magenta", "green"]
    for (_, wide), seconds in zip(runs(bar), (1.125, 1.25, 3.25, 1.125), strict=True):
        assert abs(wide - seconds / 6.75 * cells) <= 1


def test_without_colour_the_bar_is_made_of_the_marks():
    assert set(plain(sample())[0]) == set("✓▲↻")
    assert set(plain(sample(), marks=ASCII)[0]) == set("DET")


def test_the_bar_of_a_salvaged_step_is_divided_between_its_authors():
    bar = closed(mixed(), coloured=True)[0]
    assert [style for style, _ in runs(bar)] == ["green", "yellow", "magenta", "magenta"]
    assert runs(bar)[1][1] < runs(bar)[2][1]


def test_time_that_belongs_to_no_step_is_in_the_bar_too():
    *events, finished = sample()
    assert isinstance(finished, RunFinished)
    late = RunFinished(finished.reason, finished.reply, "", None, 2 * finished.seconds)
    assert plain([*events, late])[0].endswith("…" * 32)


def test_a_reply_in_one_step_has_no_bar():
    run = Recorder(mode="target")
    run.sole(Author.TARGET, "It is 42.")
    assert plain(run.finish()) == ["· 1 target · 3 tokens · 2.0 s · 1.5 tokens/s"]


def test_the_legend_counts_every_kind_of_step_by_its_mark():
    assert plain(mixed(), 200)[1].startswith("✓ 1 draft  · 1 target  ▲↻ 1 salvaged · 11 tokens · ")
    assert plain(mixed(), 200, ASCII)[1].startswith("[D] 1 draft  [-] 1 target  [E][T] 1 salvaged; 11 tokens; ")


def test_how_much_faster_it_was_is_told_only_where_it_is_known():
    assert "about 1.1x the target alone" in plain(sample(), 200)[-1]
    run = Recorder()
    run.draft("One.\n\n")
    run.draft("Two.")
    assert "the target alone" not in plain(run.finish(), 200)[-1]


@pytest.mark.parametrize("width", [40, 80])
def test_nothing_is_wider_than_the_window(width):
    assert all(cell_len(line) < width for line in plain(mixed(), width, stats=True))


def test_every_phase_is_counted_once_and_the_bar_has_them_all():
    lines = plain(sample(), stats=True)
    rows = [line for line in lines if line.endswith("%") and " s " in line]
    assert [row.split("  ")[0] for row in rows] == [
        "D draft decode",
        "d draft prefill",
        "v draft verification",
        "V target verification",
        "t target prefill",
        "T target decode",
    ]
    assert sum(int(row.split()[-1].rstrip("%")) for row in rows) == 100
    assert any(set(line) == set("DdvVtT") for line in lines)


def test_a_phase_that_took_no_time_has_no_row():
    run = Recorder(mode="target")
    run.sole(Author.TARGET, "It is 42.")
    lines = plain(run.finish(), stats=True)
    assert not any("draft" in line or "everything" in line or " 0.0 s" in line for line in lines)


def test_in_colour_each_phase_has_its_own():
    lines = closed(sample(), coloured=True, stats=True)
    bar = next(line for line in lines if len(runs(line)) == 6)
    assert len({style for style, _ in runs(bar)}) == 6


@pytest.mark.parametrize(
    ("worth_drafting", "says"),
    [
        (False, "Drafting was off: it measured slower than the target alone on this kind of work."),
        (True, "Drafting was slower than the target alone, so the target wrote this step."),
    ],
)
def test_why_nothing_was_drafted_tells_a_pair_known_to_be_slow_from_one_found_slow(worth_drafting, says):
    step = Step(1, Origin.TARGET, "It is 42.", 4, False, 1.0, cause=Cause.NOT_PAYING)
    assert decision(step, {"worth_drafting": worth_drafting}) == says


def test_what_to_type_next_is_of_the_place_it_is_typed_in():
    started, finished = Recorder().finish("length")
    assert isinstance(started, RunStarted)
    assert isinstance(finished, RunFinished)
    assert wording.ending(finished, started, 1).endswith("Raise it with -n 1024.")
    assert wording.ending(finished, started, 1, is_chat=True).endswith("Raise it with /set max_tokens 1024.")
