"""The vocabulary and the chat template of a GGUF file, without its weights: loaded in a fraction of a second."""

from __future__ import annotations

from pathlib import Path

from confspec_cli.engines.llamacpp.native import lib, log
from confspec_cli.engines.llamacpp.open_model import metadata
from confspec_cli.engines.llamacpp.vocab import Vocab
from confspec_cli.errors import EngineError
from confspec_cli.models import gguf


class VocabularyFile:
    """Raises EngineError where the file is damaged or has no vocabulary."""

    def __init__(self, path: Path) -> None:
        gguf.check(gguf.read(path))
        lib.llama_backend_init()
        parameters = lib.llama_model_default_params()
        parameters.vocab_only = True
        log.complaints.clear()
        self._model: object = lib.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            raise EngineError(f"The vocabulary of {path.name} cannot be loaded: {log.cause() or 'no reason given'}.")
        self.vocab = Vocab(self._model)
        self.template = metadata(self._model, "tokenizer.chat_template")

    def close(self) -> None:
        """Free it; calling it twice is fine."""
        if self._model:
            lib.llama_model_free(self._model)
            self._model = None
