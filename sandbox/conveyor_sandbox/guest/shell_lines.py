r"""What a shell is told besides the model's commands, and what it says to that.

It reads one script that never ends: a unit, then a line of ours that reports how the unit ended. So
`$?`, `PIPESTATUS` and `$_` have to be then what they were: the report passes on `$_`, and
leaves the others as after a command that went well; where they were not that, they are set again
before the next unit. What traces and traps write of our lines goes nowhere (`2>/dev/null`).

Names are written with a backslash, so that no alias of the code's is meant. A function of its own
called `builtin` would break the report: that unit is then out of time.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple

SCRIPT, REPORT = 500, 501
"""The shell's descriptors: of its script, until that is open, and of what it reports."""

# The empty line: after an error in an `eval`, bash 5.2 misreads what follows on the next one.
_BASH_REPORT = (
    b"\n{ \\builtin printf '\\nend %s %s %s\\n%.0s' KEY "
    b'"$?" "${PIPESTATUS[*]}" "$_"; } >&501 2>/dev/null\n'
)
_SH_REPORT = b"{ printf '\\nend %s %s %s\\n' KEY $? $?; } >/dev/fd/501 2>/dev/null\n"

_SAVE = (
    b"{ \\builtin printf '\\nsave %s\\n' KEY; "
    b"\\builtin printf '\\\\builtin cd -- %q\\n' \"$PWD\"; \\builtin umask -p; "
    b"\\builtin printf '\\0'; \\builtin shopt -p; \\builtin printf '\\0'; "
    b"\\builtin declare -p; \\builtin printf '\\0'; "
    b"\\builtin declare -f; \\builtin printf '\\0'; \\builtin declare -F; "
    b"\\builtin printf '\\0set --'; \\builtin printf ' %q' \"$@\"; \\builtin printf '\\n'; "
    b"\\builtin printf '\\0'; \\builtin alias -p; "
    b"\\builtin printf '\\0'; \\builtin trap -p; \\builtin set +o; "
    b"\\builtin printf '\\nsaved %s\\n' KEY; } >&501 2>/dev/null\n"
)
"""Its folder, options, variables, functions, arguments, aliases, traps: as commands, in parts."""

_LONGEST_STATE = 4 << 20
"""Bytes of what is saved."""
_KEPT = 4096
"""Bytes that are kept of what is no report, which may yet become one."""


def quote(text: bytes) -> bytes:
    """As one word of a shell."""
    return b"'" + text.replace(b"'", b"'\\''") + b"'"


class Lines:
    """The lines for one shell process, which is `bash` or a plain `sh`."""

    def __init__(self, key: bytes, *, is_bash: bool) -> None:
        """`key` is a word that stands in its reports, so that old ones are not taken for new."""
        self._is_bash = is_bash
        self._report = (_BASH_REPORT if is_bash else _SH_REPORT).replace(b"KEY", key)
        self.save = _SAVE.replace(b"KEY", key)
        self._pattern = re.compile(rb"\nend %s (\d+) ([^\n]*)\n" % key)
        self._saved = re.compile(rb"\nsave %s\n(.*)\nsaved %s\n" % (key, key), re.DOTALL)
        self._heard = b""
        self._status = 0
        self._pipes: List[bytes] = []
        self._wants_pipes = False

    @property
    def reads_bytewise(self) -> bool:
        """Whether it takes no more of its script than it has come to."""
        return self._is_bash

    @property
    def can_save(self) -> bool:
        """Whether it can tell its state."""
        return self._is_bash

    def unit(self, text: str, *, is_open: bool) -> bytes:
        """A unit, and the report of its end. `is_open`: it may not be complete."""
        command = text.replace("\0", "").encode("utf-8", "replace")
        # Setting it costs processes, and is seen only by code that names it.
        self._wants_pipes = self._wants_pipes or b"PIPESTATUS" in command
        if is_open or not self._is_bash:
            command = b"\\eval " + quote(command)
        if not command.endswith(b"\n"):
            command += b"\n"
        return self._restoring() + command + self._report

    def preparation(self, root: bytes, saved: Optional[List[bytes]]) -> bytes:
        """The first lines of a shell, which make it what it was when that was saved."""
        if not self._is_bash:
            return self._report
        first = b"exec 500<&-; \\builtin cd -- %s; \\builtin unset OLDPWD\n" % quote(root)
        state = [b"\\builtin eval %s >/dev/null 2>&1\n" % quote(part) for part in saved or ()]
        return b"".join([first, *state, b"\\builtin :\n", self._report])

    def hear(self, data: bytes) -> Optional[int]:
        """More of what it says. Returns the exit status of the unit that ended, if one did."""
        self._heard += data
        found = self._pattern.search(self._heard)
        if found is None:
            self._heard = self._heard[-_KEPT:]
            return None
        self._heard = self._heard[found.end() :]
        self._status, self._pipes = int(found.group(1)), re.findall(rb"\d+", found.group(2))
        return self._status

    def hear_state(self, data: bytes) -> Tuple[bool, Optional[List[bytes]]]:
        """More of what it says when it saves its state: whether that is all, and the state."""
        self._heard += data
        if len(self._heard) > _LONGEST_STATE:
            return True, None
        found = self._saved.search(self._heard)
        if found is None:
            return False, None
        self._heard = b""
        return True, found.group(1).split(b"\0")

    def _restoring(self) -> bytes:
        """A line that makes `$?` and `PIPESTATUS` what they were; none where they are that."""
        pipes = self._pipes if self._wants_pipes else []
        if len(pipes) < 2:  # noqa: PLR2004 - a pipe has two ends
            pipes = [b"%d" % self._status]
        if pipes == [b"0"]:
            return b""
        exits = b" | ".join(b"(exit %s)" % number for number in pipes)
        if self._status:
            exits += b" && \\builtin :"  # it does not fail for `set -e`
        return b"{ %s; } >/dev/null 2>&1\n" % exits
