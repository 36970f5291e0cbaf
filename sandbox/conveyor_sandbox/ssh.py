"""Streams to a Docker engine on another machine, by the `ssh` command and the engine's own there.

As the `docker` command does it: each stream is a process `ssh HOST docker system dial-stdio`. So
the user's keys, agent and configuration of ssh hold. Nothing is asked on the terminal.
"""

from __future__ import annotations

import shlex
import socket
import subprocess
from urllib.parse import urlsplit

_PATIENCE = 2.0
"""Seconds that a process has to end when its stream has been closed."""
_OPTIONS = ("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30")


class Ssh:
    """The processes that carry streams to one engine."""

    def __init__(self, url: str) -> None:
        """`url`: `ssh://[USER@]HOST[:PORT][/SOCKET]`; the socket is a path there."""
        parts = urlsplit(url)
        login = ["-l", parts.username] if parts.username else []
        port = ["-p", str(parts.port)] if parts.port else []
        engine = ["--host", f"unix://{parts.path}"] if parts.path.strip("/") else []
        remote = shlex.join(["docker", *engine, "system", "dial-stdio"])
        self._command = ["ssh", *_OPTIONS, *login, *port, "--", parts.hostname or "", remote]
        self._processes: list[subprocess.Popen[bytes]] = []
        self.complaint = ""
        """The last words of one that failed, once it has been closed."""

    def dial(self) -> socket.socket:
        """A new stream, not yet known to be answered. Raises OSError if there is no `ssh`."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = subprocess.Popen(
                    self._command,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C is for us alone
                )
            except OSError:
                ours.close()
                raise
        self._processes.append(process)
        return ours

    def close(self) -> None:
        """Wait until all have ended, whose streams have been closed; end those that do not."""
        processes, self._processes = self._processes, []
        for process in processes:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stderr is not None
            with process.stderr:
                words = process.stderr.read().decode(errors="replace").strip()
            if process.returncode and words:
                self.complaint = " ".join(words.splitlines()[-1].split())
