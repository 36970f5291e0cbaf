"""The program given to `python3 -c` in a sandbox: takes the guest's modules from standard input.

Standard input begins with eight decimal digits, the size in bytes of what follows, as JSON: the
modules' source texts, and the same modules compiled by the host's Python, for a guest whose byte
code is the same. Nothing is written to disk, so a read-only root will do.
"""

import sys

if sys.version_info < (3, 8):
    sys.stderr.write("python3 is %d.%d there; 3.8 or later is needed\n" % sys.version_info[:2])
    sys.exit(78)

import json
import marshal
import os

# Not `importlib.abc` and `importlib.util`: they import a hundred others, for longer than ours take.
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER
from binascii import a2b_base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Dict, Optional


def take(size: int) -> bytes:
    chunks = []
    while size:
        chunk = os.read(0, size)
        if not chunk:
            sys.exit(0)
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


class Sent:
    """Imports modules from what the host sent."""

    def __init__(self, texts: "Dict[str, str]", compiled: "Dict[str, str]") -> None:
        self.texts = texts
        self.compiled = compiled

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":  # noqa: ARG002
        if name not in self.texts:
            return None
        return ModuleSpec(name, self, is_package="." not in name)  # type: ignore[arg-type]

    def create_module(self, spec: "Any") -> "Optional[ModuleType]":
        """Python makes it."""

    def exec_module(self, module: "ModuleType") -> None:
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102 - what a loader does

    def get_code(self, name: str) -> "Any":
        if name in self.compiled:
            return marshal.loads(a2b_base64(self.compiled[name]))  # noqa: S302 - the host's word
        return compile(self.texts[name], "<%s>" % name, "exec", dont_inherit=True)

    def get_source(self, name: str) -> str:
        return self.texts[name]


def receive() -> Sent:
    sent = json.loads(take(int(take(8))).decode())
    same = sent["magic"] == MAGIC_NUMBER.hex()
    return Sent(sent["texts"], sent["compiled"] if same else {})


sys.path.remove("")  # the workspace: nothing in it is for the supervisor to import
sys.meta_path.insert(0, receive())

from conveyor_guest.supervisor import main  # type: ignore[import-not-found] # noqa: E402 - sent

main()
