"""The decode loop: prefill, then a forward pass a token, until something ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from conveyor_cli.backends.base import Delta, Finish, Sampling
from conveyor_cli.backends.detokenize import Detokenizer
from conveyor_cli.backends.kv_cache import PrefixCache
from conveyor_cli.backends.loading import LoadedModel
from conveyor_cli.errors import ModelError


def decode(
    decoder: Decoder,
    prompt: list[int],
    sampling: Sampling,
    emit: Callable[[Delta], None],
    stopped: Callable[[], bool],
) -> Finish:
    """Decode one response to the prompt's tokens: one delta a token, the one that ends it included.

    `stopped` is asked before each forward pass.

    Raises:
        ModelError: the prompt does not fit the context window, or `sampling` is out of range.
    """
    loaded = decoder.loaded
    room = sampling.max_new_tokens
    if loaded.window is not None:
        room = min(room, loaded.window - len(prompt))
        if room <= 0:
            raise ModelError(
                f"the conversation has {len(prompt)} tokens, the model's context window "
                f"{loaded.window}: shorten the prompt or start a new conversation"
            )
    sampler = Sampler(sampling, loaded.device)
    detokenizer = Detokenizer(loaded.chat.tokenizer)
    tokens = list(prompt)
    logits: torch.Tensor | None = None
    for left in range(room - 1, -1, -1):
        if stopped():
            return Finish.STOPPED
        logits = decoder.prefill(prompt) if logits is None else decoder.step(tokens[-1])
        token = sampler.choose(logits, tokens)
        at = time.monotonic()
        tokens.append(token)
        ends = token in loaded.eos_ids
        text = "" if ends else detokenizer.feed(token)
        if ends or left == 0:
            text += detokenizer.flush()
        emit(Delta(text, 1, at))
        if ends:
            return Finish.EOS
    return Finish.LENGTH


class Decoder:
    """A model and the KV cache of the conversation it is in. Used by one thread at a time."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self._kept = PrefixCache(loaded.model.config)
        self._only_last = {"logits_to_keep": 1} if loaded.keeps_last_logits else {}

    def forget(self) -> None:
        """Drop the KV cache: the next prompt is prefilled as a whole."""
        self._kept.clear()

    def prefill(self, prompt: list[int]) -> torch.Tensor:
        """Logits of the token after the prompt: shape `[1, vocabulary]`, float32.

        Only what the cache does not hold yet is fed.
        """
        return self._forward(prompt[self._kept.reuse(prompt) :])

    def step(self, token: int) -> torch.Tensor:
        """Logits of the token after this one, which follows all that was fed before."""
        return self._forward([token])

    @torch.inference_mode()
    def _forward(self, tokens: list[int]) -> torch.Tensor:
        try:
            output = self.loaded.model(
                input_ids=torch.tensor([tokens], device=self.loaded.device),
                past_key_values=self._kept.cache,
                use_cache=True,
                **self._only_last,
            )
        except BaseException:
            self._kept.clear()
            raise
        self._kept.extended(tokens)
        logits: torch.Tensor = output.logits[:, -1, :].float()
        return logits


class Sampler:
    """Chooses tokens as `Sampling` says, with the library's processors in the library's order."""

    def __init__(self, sampling: Sampling, device: str) -> None:
        self._greedy = sampling.temperature == 0
        self._device = device
        try:
            self._processors = LogitsProcessorList(_processors(sampling))
        except ValueError as error:
            raise ModelError(f"sampling: {error}") from error
        self._generator = torch.Generator(device)
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed)

    @torch.inference_mode()
    def choose(self, logits: torch.Tensor, tokens: list[int]) -> int:
        """The next token after `tokens`."""
        if self._processors:
            before: Any = torch.tensor([tokens], device=self._device)
            scores = self._processors(before, logits)
        else:
            scores = logits
        if self._greedy:
            return int(scores.argmax(-1))
        chances = scores.softmax(-1)
        return int(torch.multinomial(chances, 1, generator=self._generator))


def _processors(sampling: Sampling) -> list[LogitsProcessor]:
    chosen: list[LogitsProcessor] = []
    if sampling.repetition_penalty is not None:
        chosen.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.temperature == 0:
        return chosen
    chosen.append(TemperatureLogitsWarper(float(sampling.temperature)))
    if sampling.top_k is not None:
        chosen.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p is not None:
        chosen.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p is not None:
        chosen.append(MinPLogitsWarper(sampling.min_p))
    return chosen
