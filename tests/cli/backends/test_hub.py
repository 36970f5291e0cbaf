"""Fetching from a hub: a real server on the loopback that speaks the hub's protocol."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PROGRAM = """
import sys
from conveyor_cli.backends.models import ModelStore
from conveyor_cli.errors import ModelError

told = []
try:
    print(ModelStore().locate(sys.argv[1], lambda _, fraction: told.append(fraction)))
except ModelError as error:
    sys.exit(str(error))
print(told[-1])
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b"{}",
    "model.safetensors": b"w" * 100_000,
    "pytorch_model.bin": b"pickle",
    "modeling_evil.py": b"code",
    "onnx/model.safetensors": b"another format",
}


class Hub(BaseHTTPRequestHandler):
    """Serves the files of `owner/tiny` at one commit."""

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self.wfile.write(self._answer())

    def _answer(self) -> bytes:
        if self.path.startswith("/api/models/owner/tiny/revision/"):
            siblings = [{"rfilename": name} for name in FILES]
            return self._send(
                json.dumps({"id": "owner/tiny", "sha": COMMIT, "siblings": siblings}).encode()
            )
        if self.path.startswith(f"/api/models/owner/tiny/tree/{COMMIT}"):
            entries = [
                {"type": "file", "path": name, "size": len(content), "oid": COMMIT}
                for name, content in FILES.items()
            ]
            return self._send(json.dumps(entries).encode())
        content = FILES.get(self.path.removeprefix(f"/owner/tiny/resolve/{COMMIT}/"))
        if content is None:
            return self._send(b"", 404, {"X-Error-Code": "RepoNotFound"})
        etag = hashlib.sha256(content).hexdigest()
        return self._send(content, headers={"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    def _send(
        self, content: bytes, status: int = 200, headers: dict[str, str] | None = None
    ) -> bytes:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        return content


@pytest.fixture
def hub() -> Iterator[str]:
    """The hub's address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def locate(model: str, endpoint: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """Locate a model in a process of its own: the library reads the hub's address once."""
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(cache)}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, model],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_weights_are_fetched_and_code_and_pickles_are_not(hub: str, tmp_path: Path) -> None:
    """Safetensors and JSON of the top folder only; the bytes told as they come, and quietly."""
    located = locate("owner/tiny", hub, tmp_path)
    assert located.stderr == ""
    folder, told = located.stdout.splitlines()
    assert sorted(path.name for path in Path(folder).rglob("*")) == [
        "config.json",
        "model.safetensors",
    ]
    assert float(told) == 1


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("owner/other", "there is no model 'owner/other'"),
        ("no such model!", "there is no model 'no such model!'"),
    ],
)
def test_unknown_model_is_one_line(hub: str, tmp_path: Path, model: str, reason: str) -> None:
    """It names the models known here."""
    located = locate(model, hub, tmp_path)
    assert located.stderr.startswith(f"model {model!r}: {reason}; known here: smollm2-135m")
    assert "conveyor models list" in located.stderr
    assert len(located.stderr.splitlines()) == 1


def test_hub_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    """No network."""
    located = locate("owner/tiny", "http://127.0.0.1:9", tmp_path)
    assert located.stderr.startswith(
        "model 'owner/tiny': the Hugging Face hub cannot be reached; known here: smollm2-135m"
    )
    assert len(located.stderr.splitlines()) == 1
