"""Loading a model's folder with transformers, quietly, and with errors a user can act on."""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from conveyor_cli.backends.base import Progress
from conveyor_cli.backends.chat import ChatTokenizer, load_chat
from conveyor_cli.backends.precision import Device, Dtype, Quantization
from conveyor_cli.errors import ModelError

_TORCH_DTYPES = {
    Dtype.BF16: torch.bfloat16,
    Dtype.FP16: torch.float16,
    Dtype.FP32: torch.float32,
}


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to decode. `window` is its context, in tokens; None where it has no limit."""

    model: PreTrainedModel
    chat: ChatTokenizer
    device: str
    dtype: Dtype
    eos_ids: frozenset[int]
    window: int | None
    keeps_last_logits: bool


def load_model(
    folder: Path, quantization: Quantization, dtype: Dtype, device: Device, progress: Progress
) -> LoadedModel:
    """Load the model in a folder: safetensors or GGUF, never code of its own.

    Raises:
        ModelError: it cannot be loaded, lacks weights, or does not fit in memory.
    """
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # int8 warns a layer a token
    progress("loading the tokenizer", None)
    chat = load_chat(folder)
    place = _device(device)
    number = _dtype(dtype, place)
    progress("loading the weights", None)
    try:
        model = _from_pretrained(folder, quantization, number, place)
    except torch.OutOfMemoryError as error:
        raise out_of_memory(place) from error
    except Exception as error:  # transformers raises whatever its parts raise
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"cannot load {folder}: {' '.join(str(error).split())}") from error
    text_config = model.config.get_text_config()
    return LoadedModel(
        model=model,
        chat=chat,
        device=place.value,
        dtype=number,
        eos_ids=_eos_ids(model, chat),
        window=getattr(text_config, "max_position_embeddings", None),
        keeps_last_logits="logits_to_keep" in inspect.signature(model.forward).parameters,
    )


def out_of_memory(device: str) -> ModelError:
    """The error for a model or a conversation that does not fit."""
    return ModelError(
        f"not enough memory on {device}: take a smaller model, a shorter conversation, or "
        "quantization (nf4)"
    )


def _from_pretrained(
    folder: Path, quantization: Quantization, dtype: Dtype, device: Device
) -> PreTrainedModel:
    options: dict[str, Any] = {}
    if not any(folder.glob("*.safetensors")):
        options["gguf_file"] = next(folder.glob("*.gguf")).name
    if quantization is not Quantization.NONE:
        options["quantization_config"] = _bitsandbytes(quantization, dtype)
    if device is not Device.CPU or quantization is not Quantization.NONE:
        options["device_map"] = {"": device.value}
    # Annotated as the model alone.
    result: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=_TORCH_DTYPES[dtype],
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
        **options,
    )
    model, info = result
    if missing := sorted(info["missing_keys"]):
        # They would be random numbers.
        raise ModelError(f"{folder} lacks {len(missing)} weights, e.g. {missing[0]}")
    loaded: PreTrainedModel = model.eval()
    return loaded


def _bitsandbytes(quantization: Quantization, dtype: Dtype) -> BitsAndBytesConfig:
    if quantization is Quantization.INT8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quantization.value,
        bnb_4bit_compute_dtype=_TORCH_DTYPES[dtype],
    )


def _device(wanted: Device) -> Device:
    there = {
        Device.CUDA: torch.cuda.is_available(),
        Device.MPS: torch.backends.mps.is_available(),
        Device.CPU: True,
    }
    if wanted is Device.AUTO:
        return next(device for device, available in there.items() if available)
    if not there[wanted]:
        raise ModelError(f"there is no {wanted.value} device here: take device auto or cpu")
    return wanted


def _dtype(wanted: Dtype, device: Device) -> Dtype:
    if wanted is not Dtype.AUTO:
        return wanted
    if device is Device.MPS or (device is Device.CUDA and not torch.cuda.is_bf16_supported()):
        return Dtype.FP16
    return Dtype.BF16


_END_OF_CALL = "<|eom_id|>"
"""Ends a message of Llama's that is a call. Converted models do not always list it as an end."""


def _eos_ids(model: PreTrainedModel, chat: ChatTokenizer) -> frozenset[int]:
    generation = model.generation_config
    ids = generation.eos_token_id if generation is not None else None
    if ids is None:
        name = chat.names.get("eos_token")
        ids = chat.tokenizer.token_to_id(name) if name else None
    ends = [] if ids is None else ids if isinstance(ids, list) else [ids]
    return frozenset([*ends, *filter(None, [chat.tokenizer.token_to_id(_END_OF_CALL)])])
