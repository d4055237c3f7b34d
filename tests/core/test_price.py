"""What models on paid servers cost: arithmetic, and what a run says of it."""

import math
from dataclasses import replace

import pytest
from support.small_runs import PROMPT, config

from confspec_cli.core.events import RunFinished, from_dict, to_dict
from confspec_cli.core.gate import Signal
from confspec_cli.core.price import Bill, Price, Usage, billed
from confspec_cli.core.real import Real
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.stats import fold
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.render.wording import money, pace

STEPS = ("The first step is this.\n\n", "The second one is the last.")


class Paid(ScriptedEngine):
    """An engine that charges: two tokens in and one out for each call."""

    usage = Usage(1000, 1000)

    def generate(self, prompt, sampling, max_tokens):
        self.usage = self.usage.plus(2, 1)
        return super().generate(prompt, sampling, max_tokens)


def price(given, written, currency="USD"):
    return Price(Real(given), Real(written), currency)


def run(draft_currency=""):
    target, draft = (Paid(STEPS, lambda _: {"Yes": 0.5, "No": 0.5}) for _ in range(2))
    target.card = replace(target.card, price=price(1, 10))
    if draft_currency:
        draft.card = replace(draft.card, price=price(0.5, 0.5, draft_currency))
    models = {Author.DRAFT: draft, Author.TARGET: target}
    settings = config(signal=Signal.VERDICT, accept=1.0, target=0.9)
    return list(ReasoningRun(PROMPT, models, settings, lambda: 0.0).events()), target


def test_a_bill_is_tokens_times_price():
    assert billed(price(2, 10), Usage(1_000_000, 500_000)) == Bill(1_000_000, 500_000, 7.0, "USD")
    usage = Usage(1_000_000, 500_000, cached=750_000)
    assert billed(price(2, 10), usage).cost == 7.0  # without a price of its own, cached input costs what other does
    assert billed(replace(price(2, 10), cached=Real(0.2)), usage) == Bill(1_000_000, 500_000, 5.65, "USD", 750_000)
    with pytest.raises(ValueError, match="less than nothing"):
        price(-1, 1)
    with pytest.raises(ValueError, match="less than nothing"):
        replace(price(1, 1), cached=Real(-1))
    with pytest.raises(ValueError, match="a word, like USD"):
        price(1, 1, "$")


def test_a_run_bills_what_it_used_and_says_what_the_target_alone_would_have_cost():
    events, target = run()
    finished = events[-1]
    rewritten = 2  # each a call of two tokens in and one out; what had been used before the run is not billed
    assert finished.bills == {"target": billed(target.card.price, Usage(2 * rewritten, rewritten))}
    tokens = sum(len(step.split()) for step in STEPS)
    assert finished.target_alone.input == target.count(PROMPT)
    assert finished.target_alone.output == pytest.approx(tokens, abs=2)
    assert from_dict(to_dict(finished)) == finished
    assert from_dict(to_dict(events[0])) == events[0]


def test_without_a_price_there_is_no_bill_and_old_records_have_none():
    models = {author: ScriptedEngine(STEPS) for author in Author}
    events = list(ReasoningRun(PROMPT, models, config(), lambda: 0.0).events())
    assert (events[-1].bills, events[-1].target_alone) == ({}, None)
    assert fold(events).to_dict()["cost"] is None
    record = to_dict(events[-1])
    del record["bills"], record["target_alone"]
    assert isinstance(from_dict(record), RunFinished)


def test_the_statistics_add_what_has_one_currency_and_keep_others_apart():
    one, other = fold(run("USD")[0]), fold(run("EUR")[0])
    assert list(one.costs) == ["USD"]
    assert other.costs == pytest.approx({"EUR": other.costs["EUR"], "USD": 24e-6})
    assert one.costs["USD"] == pytest.approx(sum(other.costs.values()))
    assert one.to_dict()["cost"] == {"total": one.costs, "target_alone": one.target_alone}
    assert any("target alone about" in item for item in pace(one))


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 USD"), (0.000123, "0.00012 USD"), (0.0213, "0.021 USD"), (0.5, "0.50 USD"), (12.345, "12.35 USD")],
)
def test_money_has_two_digits_at_least(amount, text):
    assert money({"USD": amount}) == text
    assert math.isclose(float(text.split()[0]), amount, rel_tol=0.05, abs_tol=1e-9)
