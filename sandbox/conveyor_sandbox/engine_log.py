"""What an engine says while it pulls or builds, read so that silence can be noticed."""

from __future__ import annotations

import re
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Message = dict[str, Any]
"""One line of an engine's answer, as the engine API defines it."""

_BEAT = 0.5
"""Seconds of silence after which the reader gets a turn."""


_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def plain(text: str) -> str:
    """Text without escape sequences and control characters: it is what programs in a build say."""
    visible = (it if it.isprintable() else " " for it in _ESCAPE.sub("", text))
    return " ".join("".join(visible).split())


def messages(request: Callable[[], Iterable[Message]]) -> Iterator[Message | None]:
    """What the engine answers to `request`, and None after each half second of silence.

    The reader may leave at any time. The request then ends with the engine's next word, or with
    this process: the client has no way to break off a read.

    Raises what the request raises.
    """
    heard: SimpleQueue[Message | Exception | None] = SimpleQueue()
    left = threading.Event()

    def listen() -> None:
        try:
            for message in request():
                heard.put(message)
                if left.is_set():
                    return
            heard.put(None)
        except Exception as error:  # noqa: BLE001 - handed to the reader, who raises it
            heard.put(error)

    threading.Thread(target=listen, name="engine-log", daemon=True).start()
    try:
        while True:
            try:
                message = heard.get(timeout=_BEAT)
            except Empty:
                yield None
                continue
            if message is None:
                return
            if isinstance(message, Exception):
                raise message
            yield message
    finally:
        left.set()


class PullLog:
    """How far a pull is: bytes of all the layers heard of so far."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}

    def feed(self, message: Message) -> float | None:
        """Take one message; the fraction downloaded (0 to 1), where it is known."""
        detail = message.get("progressDetail") or {}
        layer = message.get("id", "")
        if message.get("status") == "Downloading" and "total" in detail:
            self._layers[layer] = (detail["current"], detail["total"])
        elif message.get("status") == "Download complete" and layer in self._layers:
            _, total = self._layers[layer]
            self._layers[layer] = (total, total)
        total = sum(total for _, total in self._layers.values())
        return sum(current for current, _ in self._layers.values()) / total if total else None


class BuildLog:
    """How far a build is, and what its last command said."""

    _STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
    _BY_ENGINE = ("--->", "Removing intermediate container")

    def __init__(self) -> None:
        self.fraction = 0.0
        self.step = ""
        self.last_line = ""

    def feed(self, message: Message) -> None:
        """Take one message."""
        text = plain(str(message.get("stream", "")))
        if step := self._STEP.match(text):
            self.fraction = (int(step[1]) - 1) / int(step[2])
            self.step = step[3]
        elif text and not text.startswith(self._BY_ENGINE):
            self.last_line = text
