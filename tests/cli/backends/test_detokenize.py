"""The text of a stream of tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from conveyor_cli.backends.detokenize import Detokenizer


def byte_tokenizer() -> Tokenizer:
    """A tokenizer whose tokens are single bytes, so that every character may be cut."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def pieces(tokenizer: Tokenizer, tokens: list[int]) -> list[str]:
    detokenizer = Detokenizer(tokenizer)
    return [*map(detokenizer.feed, tokens), detokenizer.flush()]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd")))
def test_characters_are_never_broken(text: str) -> None:
    """Byte by byte, each piece is whole characters, and together they are the text."""
    tokenizer = byte_tokenizer()
    parts = pieces(tokenizer, tokenizer.encode(text).ids)
    assert "".join(parts) == text
    assert not any("\ufffd" in part for part in parts)


@given(st.text("aé🎉", min_size=1), st.integers(1, 3))
def test_a_cut_off_character_is_one_replacement_character(text: str, missing: int) -> None:
    """What the end cut off is U+FFFD once, after all that is whole."""
    tokenizer = byte_tokenizer()
    tokens = tokenizer.encode(text + "🎉").ids[:-missing]
    assert "".join(pieces(tokenizer, tokens)) == text + "\ufffd"


@given(st.lists(st.integers(0, 255)))
def test_any_bytes_give_the_text_of_the_whole(tokens: list[int]) -> None:
    """Also for bytes that are no text: only replacement characters at the end are made one."""
    tokenizer = byte_tokenizer()
    whole = tokenizer.decode(tokens, skip_special_tokens=False)
    text = "".join(pieces(tokenizer, tokens))
    assert text.rstrip("\ufffd") == whole.rstrip("\ufffd")
    assert text.endswith("\ufffd") == whole.endswith("\ufffd")


def test_bytes_that_are_tokens_of_their_own_end_as_one_replacement_character() -> None:
    """SentencePiece's byte tokens decode to one U+FFFD each; the cut-off character is still one."""
    names = ["<0xF0>", "<0x9F>", "<0x8E>", "a"]
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, []))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    assert "".join(pieces(tokenizer, [3, 0, 1, 2])) == "a\ufffd"


def test_text_before_an_unfinished_character_in_one_token_is_kept() -> None:
    """A token that holds a space and half a character loses only the half."""
    tokenizer = byte_tokenizer()
    alphabet = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(" 🎉")[0][0]
    vocabulary = {**tokenizer.get_vocab(), alphabet[:2]: 256, alphabet[:3]: 257}
    merges = [(alphabet[0], alphabet[1]), (alphabet[:2], alphabet[2])]
    tokenizer.model = models.BPE(vocabulary, merges)
    assert "".join(pieces(tokenizer, [257])) == " \ufffd"


@pytest.mark.model
def test_the_default_models_tokens_are_put_together(model_folder: Path) -> None:
    """Emoji and accents of the real tokenizer, whose tokens cut them, arrive whole."""
    tokenizer = Tokenizer.from_file(str(model_folder / "tokenizer.json"))
    text = "naïve 👩‍🔬 日本語 𒀀𒀁 🎉🎉"
    parts = pieces(tokenizer, tokenizer.encode(text).ids)
    assert "".join(parts) == text
    assert not any("\ufffd" in part for part in parts)
