"""A PostgreSQL server of our own, on a Unix socket in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

_PATIENCE = 60.0


def find_programs() -> Path | None:
    """The folder of the newest server that is installed here."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    found = sorted(versions, key=lambda it: int(it.parent.parent.name))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class PostgresServer:
    """A server with two roles: `boss`, a superuser, and `clerk`, who owns the database `shop`."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._data = folder / "pg"
        self._server: subprocess.Popen[bytes] | None = None
        self._user: dict[str, object] = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        command = ["initdb", "-D", self._data, "-U", "boss", "-A", "trust", "--no-sync"]
        self._run(*command, "--locale=C.UTF-8", "-E", "UTF8")

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self._user,  # type: ignore[call-overload]
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", str(self.folder)]
        self._server = subprocess.Popen(
            [self._programs / "postgres", "-D", self._data, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **self._user,  # type: ignore[call-overload]
        )
        ready = [self._programs / "pg_isready", "-q", "-h", self.folder]
        until = time.monotonic() + _PATIENCE
        while subprocess.run(ready, check=False).returncode:
            assert time.monotonic() < until, "PostgreSQL did not start"
            time.sleep(0.1)

    def sql(self, *texts: str, database: str = "shop") -> str:
        """What a superuser's psql prints."""
        commands = [part for text in texts for part in ("-c", text)]
        return subprocess.run(
            [self._programs / "psql", "-h", self.folder, "-U", "boss", "-d", database, "-qAtX",
             "-v", "ON_ERROR_STOP=1", *commands],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    def create(self) -> None:
        """Make the role and the database of the tests."""
        self.sql("CREATE ROLE clerk LOGIN", "CREATE DATABASE shop OWNER clerk", database="postgres")

    def url(self, user: str = "clerk", password: str = "") -> str:
        """Where it is."""
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@/shop?host={self.folder}"

    @property
    def running(self) -> bool:
        """Whether it was started and not ended."""
        return self._server is not None

    def signal_all(self, how: signal.Signals) -> None:
        """Send a signal to the server and the processes that serve connections."""
        assert self._server is not None
        number = self._server.pid
        children = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii")
        for each in (number, *map(int, children.split())):
            os.kill(each, how)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self.stop(signal.SIGQUIT)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it."""
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait()
            self._server = None
