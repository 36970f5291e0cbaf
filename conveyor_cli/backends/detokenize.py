"""From token ids to text, one token at a time."""

from __future__ import annotations

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


class Detokenizer:
    """Text of a growing sequence of tokens; never half a character.

    All that `feed` and `flush` return, put together, is the text of the whole sequence, where a
    character that the end cut off is one U+FFFD. Special tokens are written as their names.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=False)
        self._complete: list[int] = []  # the tokens of the last text returned
        self._held: list[int] = []  # those since, which complete no character yet

    def feed(self, token: int) -> str:
        """The characters that this token completes; may be none."""
        self._held.append(token)
        text = self._stream.step(self._tokenizer, token)
        if text is None:
            return ""
        self._complete, self._held = self._held, []
        return text

    def flush(self) -> str:
        """What is still held back, at the end of the sequence."""
        if not self._held:
            return ""
        # Decoded after its predecessors: some decoders strip the space that begins a text.
        before = self._text(self._complete)
        rest = self._text(self._complete + self._held)[len(before) :]
        self._held = []
        whole = rest.rstrip(_UNFINISHED)
        return whole if whole == rest else whole + _UNFINISHED

    def _text(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=False)
