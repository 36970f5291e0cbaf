"""From a GGUF file to the folder that transformers loads: done once, because reading GGUF is slow.

Read by hand with the `gguf` package: transformers' own loader gives the same weights and tokens,
but takes three times as long.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf.quants import dequantize
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from conveyor_cli.backends.base import Progress
from conveyor_cli.errors import ModelError

WEIGHTS = "model.safetensors"

_TOP = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_PRE_TOKENIZERS = {
    # Digits one by one, then GPT-2's pattern: what llama.cpp does under this name.
    "smollm": lambda: pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    ),
}


def convert(source: Path, folder: Path, progress: Progress) -> None:
    """Write the model in the GGUF file `source` to `folder`, weights in bf16.

    Not covered: architectures other than llama without biases, and tokenizers other than SmolLM's.

    Raises:
        ModelError: the file is not such a model.
        OSError, SafetensorError: a file could not be written.
    """
    progress("reading the model", None)
    try:
        reader = gguf.GGUFReader(source)
    except (ValueError, IndexError, KeyError) as error:
        raise ModelError(f"{source.name} is not a GGUF file that can be read: {error}") from error
    fields = {name: field.contents() for name, field in reader.fields.items()}
    architecture = fields.get("general.architecture")
    if architecture != "llama":
        raise ModelError(f"{source.name} has architecture {architecture!r}; only llama is known")
    config = _config(fields, tied=all(tensor.name != "output.weight" for tensor in reader.tensors))
    save_file(
        dict(_weights(reader.tensors, config, progress)),
        folder / WEIGHTS,
        metadata={"format": "pt"},
    )
    progress("writing the tokenizer", None)
    _write(folder / "config.json", config)
    _write(folder / "generation_config.json", _special_ids(fields))
    _write_tokenizer(fields, folder)


def _config(fields: dict[str, Any], *, tied: bool) -> dict[str, Any]:
    heads = fields["llama.attention.head_count"]
    width = fields["llama.embedding_length"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": fields.get("llama.attention.head_count_kv", heads),
        "head_dim": fields.get("llama.rope.dimension_count", width // heads),
        "max_position_embeddings": fields["llama.context_length"],
        "rms_norm_eps": fields["llama.attention.layer_norm_rms_epsilon"],
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": fields.get("llama.rope.freq_base", 10000.0),
        },
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "tie_word_embeddings": tied,
        "dtype": "bfloat16",
        **_special_ids(fields),
    }


def _special_ids(fields: dict[str, Any]) -> dict[str, int]:
    keys = {"bos": "bos", "eos": "eos", "pad": "padding"}
    return {
        f"{name}_token_id": fields[key]
        for name, word in keys.items()
        if (key := f"tokenizer.ggml.{word}_token_id") in fields
    }


def _weights(
    tensors: list[Any], config: dict[str, Any], progress: Progress
) -> Iterator[tuple[str, torch.Tensor]]:
    total = sum(int(tensor.n_elements) for tensor in tensors)
    done = 0
    for tensor in tensors:
        name = _parameter(tensor.name)
        values = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), np.float32)
        if name.endswith("q_proj.weight"):
            values = _unpermute(values, config["num_attention_heads"])
        elif name.endswith("k_proj.weight"):
            values = _unpermute(values, config["num_key_value_heads"])
        yield name, torch.tensor(values, dtype=torch.bfloat16)
        done += int(tensor.n_elements)
        progress("converting the weights to bf16", done / total)


def _parameter(name: str) -> str:
    """The name in transformers of the tensor called `name` in GGUF."""
    stem, _, kind = name.rpartition(".")
    if kind == "weight" and stem in _TOP:
        return f"{_TOP[stem]}.weight"
    block, _, part = stem.removeprefix("blk.").partition(".")
    if kind == "weight" and block.isdigit() and part in _LAYER:
        return f"model.layers.{block}.{_LAYER[part]}.weight"
    raise ModelError(f"the GGUF file holds a tensor that is not known here: {name}")


def _unpermute(values: np.ndarray, heads: int) -> np.ndarray:
    """Undo the order in which llama.cpp keeps query and key rows.

    It interleaves the two halves that the rotary embedding turns against each other.
    """
    rows, columns = values.shape
    pairs = values.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def _write_tokenizer(fields: dict[str, Any], folder: Path) -> None:
    kind = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre")
    if kind[0] != "gpt2" or kind[1] not in _PRE_TOKENIZERS:
        raise ModelError(f"the GGUF file has a tokenizer that is not known here: {kind}")
    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = _PRE_TOKENIZERS[kind[1]]()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, token_type in zip(tokens, fields["tokenizer.ggml.token_type"], strict=True)
            if token_type == gguf.TokenType.CONTROL
        ]
    )
    _write_text(folder / "tokenizer.json", tokenizer.to_str())
    special = {
        name.removesuffix("_id"): tokens[token_id]
        for name, token_id in _special_ids(fields).items()
    }
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": fields["llama.context_length"],
            "clean_up_tokenization_spaces": False,
            **special,
        },
    )
    if template := fields.get("tokenizer.chat_template"):
        _write_text(folder / "chat_template.jinja", template)


def _write(path: Path, content: dict[str, Any]) -> None:
    _write_text(path, json.dumps(content, indent=2) + "\n")


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")
