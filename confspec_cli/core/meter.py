"""What a run is charged by models on paid servers, and about what the target alone would have been."""

from __future__ import annotations

from collections.abc import Mapping

from confspec_cli.core.engine import Engine, Metered
from confspec_cli.core.messages import Prompt
from confspec_cli.core.price import Bill, Usage, billed
from confspec_cli.core.trace import Author


class Meter:
    """Reads the models' usage at the beginning of a run and at its end; models without a price are left out."""

    def __init__(self, models: Mapping[Author, Engine]) -> None:
        self._models = {author: model for author, model in models.items() if model.card.price}
        self._before: dict[Author, Usage] = {}
        self._prompt_tokens = 0

    def begin(self, prompt: Prompt) -> None:
        """A run of this prompt begins. Raises EngineError where the target cannot be asked how long it is."""
        self._before = {author: _usage(model) for author, model in self._models.items()}
        if target := self._models.get(Author.TARGET):
            self._prompt_tokens = target.count(prompt)

    def bills(self) -> dict[str, Bill]:
        """What was used since, by author, and its cost."""
        return {
            author.value: billed(price, _usage(model).less(self._before[author]))
            for author, model in self._models.items()
            if (price := model.card.price) and author in self._before
        }

    def target_alone(self, tokens: int) -> Bill | None:
        """About what the target would have cost, had it read the prompt once and written the `tokens` of the reply."""
        target = self._models.get(Author.TARGET)
        price = target.card.price if target and self._before else None
        return billed(price, Usage(self._prompt_tokens, tokens)) if price else None


def _usage(model: Engine) -> Usage:
    return model.usage if isinstance(model, Metered) else Usage()
