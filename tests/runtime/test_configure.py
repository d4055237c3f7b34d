"""Where the configuration of a run is decided: what goes before what."""

from dataclasses import replace

import pytest

from confspec_cli.core.prompts import QUESTIONS, SYSTEM
from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TASKS, TaskName
from confspec_cli.models.registry import Pair, load
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.resolve import resolve_pair


def chosen(task=None, **pair):
    return build_config(Pair("p", "d", "t", **pair), RunOptions(task=task))


def test_the_default_is_mathematics_as_it_always_was():
    config = chosen()
    assert config.task is TASKS[TaskName.MATH]
    assert (config.task.system, config.task.system_thinking) == (SYSTEM, "")
    assert config.question is QUESTIONS["correct"]


def test_a_flag_goes_before_the_pair_s_own_task():
    assert chosen(task=TaskName.QA).task.name is TaskName.QA
    for flag, name in ((None, TaskName.CODE), (TaskName.QA, TaskName.QA)):
        config = build_config(Pair("p", "d", "t", task=TaskName.CODE), RunOptions(task=flag))
        assert config.task.name is name


@pytest.mark.parametrize(
    ("flag", "own", "question"),
    [(None, None, "careful"), ("math", None, "careful"), ("code", None, "works"), ("code", "code", "careful")],
)
def test_a_pair_s_question_is_for_its_own_kind_of_work(flag, own, question):
    pair = Pair("p", "d", "t", question="careful", task=own and TaskName(own))
    assert build_config(pair, RunOptions(task=flag and TaskName(flag))).question is QUESTIONS[question]


def test_a_step_of_specreason_is_as_long_as_its_authors_have_it_unless_told():
    pair = Pair("p", "d", "t", max_step_tokens=100)
    assert build_config(pair, RunOptions(mode=Mode.SPECREASON)).max_step_tokens == 512
    assert build_config(pair, RunOptions(mode=Mode.SPECREASON, max_step_tokens=50)).max_step_tokens == 50
    assert build_config(pair, RunOptions()).max_step_tokens == 100


@pytest.mark.parametrize("pair", ["starter", "tiny"])
@pytest.mark.parametrize("task", [TaskName.PLAIN, TaskName.QA])
def test_a_small_pair_drafts_only_where_it_was_measured_or_a_gate_is_asked_for(pair, task):
    registry = load(None)
    usual = RunOptions(pair=pair, task=task)
    alone = build_config(registry.pair(pair), usual)
    assert alone.adaptive and not alone.gate.worth_drafting
    assert resolve_pair(registry, usual).warnings(alone) == ()
    for asked in (replace(usual, accept=0.5), replace(usual, min_token_prob=0.0), replace(usual, reject=0.1)):
        assert build_config(registry.pair(pair), asked).gate.worth_drafting
    drafting = build_config(registry.pair(pair), replace(usual, always_draft=True))
    assert not drafting.adaptive
    assert bool(resolve_pair(registry, usual).warnings(drafting)) is (task is TaskName.QA)
