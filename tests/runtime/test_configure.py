"""Where the configuration of a run is decided: what goes before what."""

import pytest

from confspec_cli.core.prompts import QUESTIONS, SYSTEM
from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TASKS, TaskName
from confspec_cli.models.registry import Pair
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.options import RunOptions


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
