"""The KV cache, kept from turn to turn."""

from __future__ import annotations

from itertools import takewhile
from operator import eq

from transformers import DynamicCache, PreTrainedConfig


class PrefixCache:
    """Keys and values of a sequence of tokens, of which a new prompt reuses the common beginning.

    The caller runs the model's forward on `cache` and then says, with `extended`, what it fed; if
    the forward failed, `clear` must be called, because some layers may hold more than others.
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        self._config = config
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.cache = DynamicCache(config=self._config)
        self._tokens: list[int] = []

    def extended(self, tokens: list[int]) -> None:
        """These tokens were fed to the model."""
        self._tokens += tokens

    def reuse(self, prompt: list[int]) -> int:
        """Keep the longest common beginning of the cache and the prompt; its length in tokens.

        It is shorter than the prompt, whose last token must be fed for the next one's logits.
        """
        common = sum(1 for _ in takewhile(bool, map(eq, self._tokens, prompt[:-1])))
        surplus = len(self._tokens) - common
        if surplus:
            try:
                self.cache.crop(-surplus)
            except (RuntimeError, ValueError):
                # Layers that do not keep the past (sliding window, recurrent) cannot go back.
                self.clear()
                return 0
            del self._tokens[common:]
        return common
