"""In what form and where a model runs: what a user may ask for."""

from __future__ import annotations

from enum import StrEnum


class Quantization(StrEnum):
    """In what form the linear layers' weights are kept (by bitsandbytes)."""

    NONE = "none"
    INT8 = "int8"
    NF4 = "nf4"
    FP4 = "fp4"


class Dtype(StrEnum):
    """What the model computes in. `auto`: bf16, or fp16 on a device that lacks it."""

    AUTO = "auto"
    BF16 = "bf16"
    FP16 = "fp16"
    FP32 = "fp32"


class Device(StrEnum):
    """Where the model runs. `auto`: the first of cuda, mps, cpu that is there."""

    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"
