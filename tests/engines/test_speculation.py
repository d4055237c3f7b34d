"""Guessing ahead changes the time a text takes, and not the text."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest
from support.tiny_gguf import CAN_ROLL_BACK, KINDS

from confspec_cli.core.messages import Message, Prompt, Sampling, Speculation
from confspec_cli.engines.llamacpp.speculation import SIZES, DraftLength, Lookup, Proposer, kind_of_match
from confspec_cli.engines.prompts.prompt_tokenizer import common

SHORT, LONGER, LONG = (kind_of_match(length) for length in (3, 5, 12))
GUESSING = (Speculation.NGRAM, Speculation.DRAFT, Speculation.AUTO)
REPEATING = "Say it again: one two three four five six, one two three four five six, one two three"


def asked(text, **more):
    return Prompt((Message("system", "Reason."), Message("user", text)), **more)


def written(engine, prompt, most=60, **sampling):
    return list(engine.generate(prompt, Sampling(**sampling), most))


def text_of(tokens):
    return "".join(token.text for token in tokens)


def eager(engine):
    """Have an engine propose as many tokens as it may, whatever a batch costs here."""
    engine._decoder._proposer._length.worth_proposing = lambda kind, price=0.0: 7
    return engine


def decodes(engine):
    """Count the batches an engine decodes, in a list that grows."""
    sizes = []
    append = engine._cache._append
    engine._cache._append = lambda tokens, **more: (sizes.append(len(tokens)), append(tokens, **more))[1]
    return sizes


def test_lookup_finds_where_the_last_tokens_stood_before():
    lookup = Lookup()
    assert lookup.find([1, 2, 3, 4, 1, 2]) == (0, 0)
    assert lookup.find([1, 2, 3, 4, 1, 2, 3]) == (3, 3)
    assert lookup.find([0, 1, 2, 3, 9, 0, 1, 2, 3]) == (4, 4)
    assert lookup.find([0, 1, 2, 3, 9, 0, 1, 2, 3, 8, 1, 2, 3]) == (9, 3), "the last place, not the first"
    assert lookup.find([5, 6]) == (0, 0)


def test_lookup_forgets_what_was_rolled_back():
    lookup = Lookup()
    lookup.find([1, 2, 3, 4, 5, 6])
    assert lookup.find([7, 7, 1, 2, 3]) == (0, 0)
    assert lookup.find([7, 7, 1, 2, 3, 8, 1, 2, 3]) == (5, 3)


def test_matches_are_told_apart_by_their_length():
    assert [kind_of_match(length) for length in (3, 4, 5, 11, 12, 40)] == [0, 0, 1, 1, 2, 2]


def measured(costs, accepted, proposed):
    """A length that has seen batches cost so much, and proposals of one kind accepted so often."""
    seen = DraftLength()
    for _ in range(60):
        for size, seconds in costs.items():
            seen.note_batch(size, seconds)
        seen.note_accepted(SHORT, accepted, proposed)
    return seen


FLAT = dict.fromkeys(SIZES, 0.04)
STEEP = {size: 0.04 * size for size in SIZES}


def test_many_are_proposed_where_a_batch_costs_no_more_than_a_token():
    assert measured(FLAT, 15, 15).worth_proposing(SHORT) == SIZES[-1] - 1


def test_none_are_proposed_where_a_batch_costs_as_much_as_its_tokens():
    assert measured(STEEP, 3, 15).worth_proposing(SHORT) == 0


def test_fewer_are_proposed_the_fewer_are_accepted_and_the_more_each_costs():
    costs = {1: 0.04, 2: 0.05, 4: 0.07, 8: 0.11, 16: 0.19}
    good, bad = measured(costs, 15, 15), measured(costs, 1, 15)
    assert good.worth_proposing(SHORT) > bad.worth_proposing(SHORT)
    assert good.worth_proposing(SHORT) > good.worth_proposing(SHORT, price=0.02)
    assert good.worth_proposing(SHORT, price=0.2) == 0


PROMPT = 200
"""Tokens of a prompt that was read."""
DEAR, CHEAP = 2.0, 0.08
"""Seconds it took: on a processor, and on a device that reads nearly for free."""


@pytest.mark.parametrize(("seconds", "sure", "unsure"), [(DEAR, True, False), (CHEAP, True, True)])
def test_what_a_prompt_took_to_read_tells_what_is_worth_proposing_from_the_start(seconds, sure, unsure):
    fresh = DraftLength()
    fresh.note_batch(1, 0.04)
    assert fresh.worth_proposing(LONG) == 0, "a batch may cost as much as its tokens"
    fresh.note_prefill(PROMPT, seconds)
    assert (fresh.worth_proposing(LONG) >= 7, fresh.worth_proposing(SHORT) > 0) == (sure, unsure)


def test_a_size_never_tried_is_held_to_cost_what_lies_between_those_that_were():
    seen = DraftLength()
    seen.note_batch(1, 0.04)
    seen.note_prefill(10, 1.0)
    assert seen._cost(16) == pytest.approx(16 * 0.04), "few tokens tell nothing"
    seen.note_prefill(PROMPT, DEAR)
    assert seen._cost(16) == pytest.approx(0.04 + 15 / 199 * 1.96)
    seen.note_batch(32, 0.32)
    assert seen._cost(16) == pytest.approx(0.04 + 15 / 31 * 0.28)
    assert (seen._cost(1), seen._cost(32)) == (0.04, 0.32)


def test_nothing_is_copied_past_the_end_of_a_turn():
    proposer = Proposer(ends={99})
    proposer.note_batch(0.04)
    proposer.note_prefill(PROMPT, CHEAP)
    text = list(range(1, 13))
    turn = [*text, 13, 14, 99, 50, 51]
    assert proposer.propose([*turn, *text], 100, Speculation.NGRAM) == [13, 14]


def test_left_to_itself_it_proposes_only_where_a_long_stretch_of_what_was_given_is_copied():
    proposer = Proposer(ends={99})
    proposer.note_batch(0.04)
    proposer.note_prefill(PROMPT, CHEAP)
    stretch, others = list(range(1, 20)), list(range(100, 130))
    given = [*stretch, 30, 31, 99]
    again = [*others, 5, *others]

    def proposed(reply, speculation=Speculation.AUTO):
        return proposer.propose([*given, *reply], 100, speculation, given=len(given))

    assert proposed([*others, *stretch[:11]]) == []
    assert proposed([*others, *stretch[:12]]) == [*stretch[12:], 30, 31]
    assert proposed([*others, *stretch]) == [30, 31]
    assert proposed(again) == [], "the reply repeats itself, and not what was given"
    assert proposed(again, Speculation.NGRAM)[:3] == [5, *others[:2]]


def test_what_does_not_pay_is_tried_again_after_a_while():
    refused = measured(STEEP, 0, 15)
    tries = 0
    for _ in range(4000):
        refused.note_batch(1, 0.04)
        tries += refused.worth_proposing(SHORT) > 0
    assert 0 < tries < 4000
    assert refused.worth_proposing(LONGER) >= 0


def test_a_proposal_that_was_not_made_is_learned_from_all_the_same():
    """What stands twice is followed by the same: at first nothing is proposed, and then what was seen to be right."""
    proposer = Proposer()
    proposer.note_batch(0.04)
    text = [1, 2, 3, 4, 5, 6, 7, 8]
    proposals = [proposer.propose((text * 5)[:length], 100, Speculation.NGRAM) for length in range(8, 40)]
    assert proposals[0] == proposals[3] == []
    assert proposals[-1] == (text * 3)[7 : 7 + len(proposals[-1])]
    fresh = Proposer()
    fresh.note_batch(0.04)
    useless = [10 * n + m for n in range(8) for m in (1, 2, 3)]
    mixed = [token for n in range(20) for token in (1, 2, 3, 100 + n)]
    assert not any(fresh.propose(mixed[:length], 100, Speculation.NGRAM) for length in range(8, len(mixed)))
    assert not any(fresh.propose(useless[:length], 100, Speculation.NGRAM) for length in range(8, len(useless)))


def test_the_draft_is_left_alone_where_its_price_is_too_high(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("confspec_cli.engines.llamacpp.speculation.time.perf_counter", lambda: clock[0])
    calls = []

    def slow(tokens, count):
        clock[0] += 1.0 * count
        calls.append(count)
        return [1] * count

    proposer = Proposer()
    proposer.draft, proposer.relative_size = slow, 0.01
    proposer.note_prefill(PROMPT, CHEAP)
    for _ in range(60):
        speculated = proposer.propose([1, 2, 3], 100, Speculation.DRAFT)
        proposer.note_batch(0.04 if not speculated else 0.1, len(speculated), 0)
    assert 1 <= len(calls) <= 6
    assert proposer.propose([1, 2, 3], 100, Speculation.NGRAM) == []
    assert len(calls) <= 6


@pytest.mark.parametrize(("weight", "is_asked"), [(0.05, True), (0.5, False)])
def test_a_draft_nearly_as_big_as_the_model_is_not_even_asked(weight, is_asked):
    proposer = Proposer()
    proposer.draft, proposer.relative_size = lambda tokens, count: [1] * count, weight
    assert proposer.propose([1, 2, 3], 100, Speculation.DRAFT) == [], "nothing is known of this device yet"
    proposer.note_batch(0.04)
    proposer.note_prefill(PROMPT, CHEAP)
    assert bool(proposer.propose([1, 2, 3], 100, Speculation.DRAFT)) == is_asked


def test_nothing_is_proposed_where_the_context_ends():
    proposer = Proposer()
    proposer.note_batch(0.04)
    proposer.note_prefill(PROMPT, CHEAP)
    proposer.draft, proposer.relative_size = lambda tokens, count: [1] * count, 0.01
    repeated = [1, 2, 3, 4] * 5
    assert proposer.propose(repeated, 100, Speculation.DRAFT)
    assert proposer.propose(repeated, SIZES[-1], Speculation.DRAFT) == []


def test_common_counts_what_two_begin_with_alike():
    assert [common([1, 2, 3], other) for other in ([1, 2, 3, 4], [1, 2], [1, 9, 3], [])] == [3, 2, 1, 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("speculation", GUESSING)
def test_greedy_text_is_the_same_whoever_proposes(tiny, load, kind, speculation):
    plain, quick = load(tiny(kind)), eager(load(tiny(kind)))
    quick.speculate_with(load(tiny(kind, seed=7)))
    prompt = asked(REPEATING)
    for _ in range(3):
        single, batched = written(plain, prompt), written(quick, prompt, speculation=speculation)
        same = list(itertools.takewhile(lambda both: both[0].text == both[1].text, zip(single, batched, strict=False)))
        # A batch rounds otherwise than single tokens: where two tokens are as likely as each other, texts may part.
        until = len(same) + (len(same) < len(single))
        assert [token.logprob for token in batched[:until]] == pytest.approx(
            [token.logprob for token in single[:until]], abs=1e-2
        )
        assert [one.ends for one, _ in same] == [other.ends for _, other in same]
        prompt = replace(prompt, reply=(*prompt.reply, text_of(single), "\n\nAnother wrote this. "))


@pytest.mark.parametrize("kind", CAN_ROLL_BACK)
def test_a_model_that_proposes_for_itself_is_always_right(tiny, load, kind):
    quick = eager(load(tiny(kind)))
    quick.speculate_with(load(tiny(kind)))
    batches = decodes(quick)
    tokens = written(quick, asked("Why?"), 60, speculation=Speculation.DRAFT)
    assert sum(token.speculated for token in tokens) >= 0.8 * len(tokens)
    assert len(batches) <= len(tokens) / 4 + 4


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in CAN_ROLL_BACK])
def test_a_model_that_cannot_roll_back_proposes_nothing(tiny, load, kind):
    quick = eager(load(tiny(kind)))
    quick.speculate_with(load(tiny(kind)))
    assert not any(token.speculated for token in written(quick, asked(REPEATING), speculation=Speculation.AUTO))


def test_another_vocabulary_is_not_taken_for_the_same(tiny, load):
    quick, other = eager(load(tiny())), load(tiny(vocab="other"))
    quick.speculate_with(other)
    said = written(quick, asked("Why?"), speculation=Speculation.DRAFT)
    assert text_of(said) == text_of(written(load(tiny()), asked("Why?")))
    assert not any(token.speculated for token in said)
    assert other.tokens_read == 0


@pytest.mark.parametrize("speculation", GUESSING)
def test_a_seed_gives_the_same_text_whoever_proposes(tiny, load, speculation):
    plain, quick = load(tiny()), eager(load(tiny()))
    quick.speculate_with(load(tiny()))
    for seed in range(12):
        how = {"temperature": 0.7, "seed": seed}
        prompt = asked(f"{REPEATING} {seed}")
        assert text_of(written(quick, prompt, speculation=speculation, **how)) == text_of(written(plain, prompt, **how))


def test_under_sampling_the_distribution_stays(tiny, load):
    """800 draws of five tokens with speculation and 800 without: chi-square over the ten commonest texts."""
    quick = eager(load(tiny()))
    quick.speculate_with(load(tiny()))
    prompt = asked("How many?")
    accepted = 0

    def draw(seed, speculation):
        nonlocal accepted
        tokens = written(quick, prompt, 5, temperature=0.35, seed=seed, speculation=speculation)
        accepted += sum(token.speculated for token in tokens)
        return text_of(tokens)

    plain = Counter(draw(seed, Speculation.OFF) for seed in range(800))
    assert not accepted
    speculated = Counter(draw(seed, Speculation.DRAFT) for seed in range(800, 1600))
    assert accepted > 400
    cells = [(count, speculated[text]) for text, count in plain.most_common(10)]
    cells.append((800 - sum(one for one, _ in cells), 800 - sum(other for _, other in cells)))
    assert min(one for one, _ in cells) >= 5
    assert sum((one - other) ** 2 / (one + other) for one, other in cells) < 29.6, cells  # the 99.9th percentile


@pytest.mark.parametrize("kind", CAN_ROLL_BACK)
def test_what_the_target_would_have_written_of_a_rejected_step_is_not_written_again(tiny, load, kind, monkeypatch):
    """Prefix salvage: what the target chose at each place of the step it read stands until the first that differs."""
    plain, salvaging = load(tiny(kind)), load(tiny(kind))
    prompt = asked("How many eggs are left?")
    own = text_of(written(plain, prompt, 20))
    said = plain._cache.tokens[-19:]
    tokenize, step = salvaging.spelling.marks.tokenize, "A step that begins well."
    wrong = 5 if said[10] != 5 else 6
    monkeypatch.setattr(
        salvaging.spelling.marks,
        "tokenize",
        lambda text: [*said[:10], wrong, 7] if text == step else tokenize(text),
    )
    salvaging.score(prompt, step)
    batches = decodes(salvaging)
    tokens = written(salvaging, prompt, 20, speculation=Speculation.NGRAM)
    assert text_of(tokens) == own
    assert sum(token.speculated for token in tokens) >= 10
    assert len(batches) <= len(tokens) - 10


def test_what_was_salvaged_is_forgotten_with_the_text_before_it(tiny, load):
    engine, plain = load(tiny()), load(tiny())
    first, second = asked("How many eggs are left?"), asked("How many hens are left?")
    engine.score(first, text_of(written(plain, first, 12)))
    assert text_of(written(engine, second, 20, speculation=Speculation.NGRAM)) == text_of(written(plain, second, 20))
    assert text_of(written(engine, first, 20, speculation=Speculation.NGRAM)) == text_of(written(plain, first, 20))


@pytest.mark.parametrize("most", [1, 2, 3, 5, 8])
def test_a_generation_left_in_the_middle_of_a_batch_goes_on_as_if_it_had_not(tiny, load, most):
    plain, quick = load(tiny()), eager(load(tiny()))
    quick.speculate_with(load(tiny()))
    prompt = asked("Count to ten.")
    reply = ""
    for _ in range(8):
        generation = quick.generate(replace(prompt, reply=(reply,)), Sampling(speculation=Speculation.DRAFT), 40)
        reply += text_of([next(generation) for _ in range(most)])
        generation.close()
    assert reply == text_of(written(plain, prompt, 8 * most))


@pytest.mark.parametrize("kind", KINDS)
def test_a_draft_that_proposed_still_writes_what_it_would_have_written(tiny, load, kind):
    draft, plain, target = load(tiny(kind, seed=3)), load(tiny(kind, seed=3)), eager(load(tiny()))
    target.speculate_with(draft)
    prompt = asked("Count to ten.")
    for _ in range(4):
        one = text_of(written(target, prompt, 12, speculation=Speculation.DRAFT))
        prompt = replace(prompt, reply=(*prompt.reply, one))
        other = written(draft, prompt, 12)
        assert text_of(other) == text_of(written(plain, prompt, 12))
        prompt = replace(prompt, reply=(*prompt.reply, text_of(other)))
