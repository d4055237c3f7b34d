"""Which weights a processor gets in an order of its own, and how llama.cpp is asked for that by their names.

Source: llama.cpp, ggml/src/ggml-cpu/repack.cpp, and src/llama-model-loader.cpp for the names. Text and numbers alone;
refuses to know llama.cpp at work.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from confspec_cli.models.gguf import Tensor

_KINDS = {  # types of tensors, as `gguf.BLOCKS` has them, by what a build must use of the processor
    "AVX2": {2, 12, 20, 39},  # Q4_0, Q4_K, IQ4_NL, MXFP4
    "AVX512": {10},  # Q2_K
    "DOTPROD": {2, 8, 12, 13, 14, 20, 39},  # and Q8_0, Q5_K, Q6_K
}
_ROWS = 8  # are interleaved
_NAMED = re.compile(
    r"blk\.(0|[1-9][0-9]*)\.(attn_q|attn_k|attn_v|attn_qkv|attn_output|ffn_gate|ffn_up|ffn_down)\.weight"
)
"""Weights that are multiplied with in every architecture that has them, and that is all that is done with them."""


@dataclass(frozen=True, slots=True)
class Repacking:
    """The types of weights that are repacked, none by default: all of them, or, `by_name`, those it is safe to name."""

    kinds: frozenset[int] = frozenset()
    by_name: bool = False

    @classmethod
    def of(cls, features: Collection[str], by_name: bool) -> Repacking:
        """What a build does that uses these features of the processor, in llama.cpp's words."""
        if "REPACK" not in features:
            return cls(by_name=by_name)
        return cls(frozenset().union(*(kinds for name, kinds in _KINDS.items() if name in features)), by_name)

    def takes(self, tensor: Tensor) -> bool:
        """Whether this weight is repacked. llama.cpp dies of a weight that is named and cannot be."""
        if tensor.kind not in self.kinds or len(tensor.shape) != 2 or tensor.shape[1] % _ROWS:
            return False
        return bool(_NAMED.fullmatch(tensor.name)) if self.by_name else not tensor.name.startswith("token_embd")

    def patterns(self, tensors: Iterable[Tensor]) -> list[str]:
        """Regular expressions for the names of just these weights, where they are to be named; else none.

        llama.cpp compiles each for every tensor it loads, so weights of the same layers share one.
        """
        layers = defaultdict(list)
        for tensor in tensors:
            name = _NAMED.fullmatch(tensor.name)
            if name and self.by_name and self.takes(tensor):
                layers[name[2]].append(name[1])
        alike = defaultdict(list)
        for what, where in layers.items():
            alike[tuple(sorted(where, key=int))].append(what)
        return [rf"^blk\.({'|'.join(where)})\.({'|'.join(what)})\.weight$" for where, what in alike.items()]
