"""The program given to `python3 -c` in a sandbox: takes the guest's modules from standard input.

Standard input begins with eight decimal digits, the size in bytes of what follows: a JSON object
of module names and their source texts. Nothing is written to disk, so a read-only root will do.
"""

import sys

if sys.version_info < (3, 8):
    sys.stderr.write("python3 is %d.%d there; 3.8 or later is needed\n" % sys.version_info[:2])
    sys.exit(78)

import importlib.abc
import importlib.util
import json
import os

TYPE_CHECKING = False  # importing `typing` takes as long as all of our own modules
if TYPE_CHECKING:
    from typing import Any, Dict


def take(size: int) -> bytes:
    chunks = []
    while size:
        chunk = os.read(0, size)
        if not chunk:
            sys.exit(0)
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


class Sent(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports modules from the texts that the host sent."""

    def __init__(self, texts: "Dict[str, str]") -> None:
        self.texts = texts

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":  # noqa: ARG002
        if name not in self.texts:
            return None
        return importlib.util.spec_from_loader(name, self, is_package="." not in name)

    def get_source(self, name: str) -> str:
        return self.texts[name]


sys.path.remove("")  # the workspace: nothing in it is for the supervisor to import
sys.meta_path.insert(0, Sent(json.loads(take(int(take(8))).decode())))

from conveyor_guest.supervisor import main  # type: ignore[import-not-found] # noqa: E402 - sent

main()
