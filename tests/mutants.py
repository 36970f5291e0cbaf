"""Breaks one thing at a time, in a copy of the tree, and fails if no test notices.

    python tests/mutants.py [--jobs N] [--fresh] [WORD…]

Words choose the mutants whose name, file or tests hold them all. What has been found is kept in
`.mutants.json` and counts as long as no tracked file changes, so an interrupted run goes on. The
working tree is never touched. First, all the tests that are named must pass on the unbroken copy.

Not covered: mutants that nobody thought of. The table is `mutants_table.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.mutants_mutant import Mutant  # noqa: E402 - found from the root
from tests.mutants_table import MUTANTS  # noqa: E402

FOUND = ROOT / ".mutants.json"
LONGEST = 600
"""Seconds that the tests of a mutant may take: one that hangs has been noticed."""
_PASSED, _FAILED = 0, 1


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    MISFIT = "MISFIT"
    """It is not a mutant of this tree, or its tests cannot be run."""


class Copies:
    """Copies of the tracked and new files, one a worker; each is in use by one mutant at a time."""

    def __init__(self, folder: Path, count: int) -> None:
        self._free: queue.Queue[Path] = queue.Queue()
        files = _tracked()
        for number in range(count):
            copy = folder / str(number)
            for name in files:
                target = copy / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target, follow_symlinks=False)
            self._free.put(copy)

    def judge(self, mutant: Mutant) -> tuple[Fate, str]:
        """Break a copy, run the tests, mend it."""
        copy = self._free.get()
        try:
            path = copy / mutant.file
            text = path.read_text() if path.exists() else ""
            if text.count(mutant.old) != 1 or mutant.old == mutant.new:
                return Fate.MISFIT, f"its text stands {text.count(mutant.old)} times in the file"
            path.write_text(text.replace(mutant.old, mutant.new))
            try:
                return _verdict(copy, mutant.tests)
            finally:
                path.write_text(text)
        finally:
            self._free.put(copy)

    def passes(self, tests: tuple[str, ...]) -> tuple[Fate, str]:
        """Whether the tests pass on an unbroken copy: then this mutant would survive."""
        copy = self._free.get()
        try:
            return _verdict(copy, tests)
        finally:
            self._free.put(copy)


def _tracked() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    names = [name for name in done.stdout.decode().split("\0") if name]
    return [name for name in names if (ROOT / name).is_symlink() or (ROOT / name).is_file()]


def _verdict(copy: Path, tests: tuple[str, ...]) -> tuple[Fate, str]:
    paths = [str(copy), str(copy / "tools"), str(copy / "sandbox")]
    environment = {
        "MCP_SERVERS_FOLDER": str(ROOT / ".mcp-servers"),
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    options = [
        "-q",
        "-x",
        "-m",
        "not full",
        "-p",
        "no:cacheprovider",
        "--no-header",
        "-W",
        "ignore",
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=copy,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Fate.KILLED, "its tests did not end"
    lines = done.stdout.strip().splitlines() or [done.stderr.strip()[-200:]]
    if done.returncode == _PASSED:
        return Fate.SURVIVED, lines[-1]
    failed = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
    if done.returncode == _FAILED:
        return Fate.KILLED, (failed or lines)[0].partition(" - ")[0].partition("::")[2]
    return Fate.MISFIT, lines[-1]


def _digest() -> str:
    """Of all that a finding depends on."""
    digest = hashlib.sha256()
    for name in sorted(_tracked()):
        if not name.startswith("docs/"):
            digest.update(name.encode())
            path = ROOT / name
            digest.update(str(path.readlink()).encode() if path.is_symlink() else path.read_bytes())
    return digest.hexdigest()


class Findings:
    """What has been found about this very tree, on disk."""

    def __init__(self, *, fresh: bool) -> None:
        self._lock = threading.Lock()
        self._tree = _digest()
        self._found: dict[str, list[str]] = {}
        if FOUND.exists() and not fresh:
            kept = json.loads(FOUND.read_text())
            self._found = kept["found"] if kept["tree"] == self._tree else {}

    def get(self, name: str) -> tuple[Fate, str] | None:
        """What was found about a mutant, if anything."""
        found = self._found.get(name)
        return (Fate(found[0]), found[1]) if found else None

    def note(self, name: str, fate: Fate, why: str) -> None:
        """Keep it."""
        with self._lock:
            self._found[name] = [fate.value, why]
            FOUND.write_text(json.dumps({"tree": self._tree, "found": self._found}, indent=1))


def run(mutants: Sequence[Mutant], jobs: int, *, fresh: bool) -> int:
    """Judge them all and print a table; returns how many were not killed."""
    findings = Findings(fresh=fresh)
    alive = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = Copies(Path(folder), jobs)

        def find(mutant: Mutant) -> tuple[Fate, str]:
            found = findings.get(mutant.breaks)
            if found is None or found[0] is not Fate.KILLED:
                found = copies.judge(mutant)
                findings.note(mutant.breaks, *found)
            return found

        with ThreadPoolExecutor(jobs) as pool:
            selections = list(dict.fromkeys(mutant.tests for mutant in mutants))
            for tests, (fate, why) in zip(
                selections, pool.map(copies.passes, selections), strict=True
            ):
                if fate is not Fate.SURVIVED:
                    _say(f"unbroken  {' '.join(tests)}: {why}")
                    return len(mutants)
            for mutant, (fate, why) in zip(mutants, pool.map(find, mutants), strict=True):
                alive += fate is not Fate.KILLED
                _say(f"{fate:9} {mutant.breaks:45} {Path(mutant.file).name:16} {why}")
    _say(f"{len(mutants)} mutants, {len(mutants) - alive} killed, {alive} not")
    return alive


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Break one thing at a time; fail if no test notices."
    )
    parser.add_argument("words", nargs="*", help="only mutants that hold all of these words")
    parser.add_argument("--jobs", type=int, default=2, help="copies that are tested side by side")
    parser.add_argument("--fresh", action="store_true", help="forget what was found before")
    options = parser.parse_args()
    chosen = [
        mutant
        for mutant in MUTANTS
        if all(word in f"{mutant.breaks} {mutant.file} {mutant.tests}" for word in options.words)
    ]
    if len({mutant.breaks for mutant in MUTANTS}) < len(MUTANTS):
        sys.exit("two mutants of one name")
    sys.exit(1 if run(chosen, options.jobs, fresh=options.fresh) or not chosen else 0)


if __name__ == "__main__":
    main()
