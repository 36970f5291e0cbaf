"""A host process for tests: starts a local sandbox for each program it is given.

A line of JSON in (`code`, `limits`, `files`), a line of JSON out. With `"hold": true` the program
is left running, so that the test can kill this process.
"""

from __future__ import annotations

import asyncio
import json
import sys

from conveyor_sandbox.errors import SandboxError
from conveyor_sandbox.local import LocalSandbox
from conveyor_sandbox.reports import Died, Ended, Finished, Output, Report, UnitKey
from conveyor_sandbox.sandbox import Limits, SandboxSpec


async def answer(request: dict) -> dict:
    files = {path: text.encode() for path, text in request.get("files", {}).items()}
    limits, strict = Limits(**request.get("limits", {})), request.get("strict", False)
    sandbox = LocalSandbox(SandboxSpec(limits=limits, files=files, strict=strict))
    try:
        guest = await sandbox.start(lambda *_: None)
    except SandboxError as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    reports: asyncio.Queue[Report] = asyncio.Queue()
    guest.listen(reports.put_nowait)
    guest.run(UnitKey(1, 0), request["code"], 1)
    guest.end(1)
    result = {"stdout": "", "stderr": "", "status": "", "kind": "", "message": ""}
    result["weaker"] = "; ".join(sandbox.weaknesses)
    while True:
        report = await reports.get()
        if isinstance(report, Output):
            result[report.stream.value] += report.text
            if request.get("hold"):
                return result  # the sandbox lives on
        elif isinstance(report, Finished):
            result["status"] = report.outcome.status.value
            if report.outcome.failure is not None:
                result["kind"] = report.outcome.failure.kind
                result["message"] = report.outcome.failure.traceback
        elif isinstance(report, Ended | Died):
            await sandbox.stop()
            return result


async def serve() -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        sys.stdout.write(json.dumps(await answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve())
