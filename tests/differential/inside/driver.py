"""The first process of the oracle's container: runs each program in an interpreter of its own.

Takes a JSON object a line and answers with one. Given first is the text of `whole.py`; the answer
to that is the version of Python. An interpreter is a fork of this one, which has imported what
`whole.py` needs and never runs a program itself: starting one anew takes five times as long.
"""

import ast  # noqa: F401 - as are the others, for the programs' interpreters
import dis  # noqa: F401
import glob
import hashlib  # noqa: F401
import importlib.util
import json
import linecache  # noqa: F401
import os
import shutil
import signal
import sys
import time
import traceback  # noqa: F401
import warnings  # noqa: F401

FOLDER = "/oracle/"
LONGEST = 30
"""Seconds that a program may take."""


def become_whole(path):
    """In the child: an interpreter that runs the program of this job."""
    sys.argv[:] = ["-c", path]
    exec(WHOLE, {"__name__": "whole"})


def become_script(path):
    """In the child: `python3 program.py`."""
    os.execv(sys.executable, [sys.executable, path])


def start(become, path):
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        for number, name in ((1, "out"), (2, "err")):
            file = os.open(FOLDER + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
            os.close(file)
        os.close(null)
        os.close(JOBS.fileno())
        os.chdir("/workspace")
        become(path)
    finally:
        os._exit(99)


def wait(pid):
    """Its exit code, or minus the signal that ended it."""
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -signal.SIGKILL


def run(job):
    report, program = FOLDER + "report", FOLDER + "program.py"
    open(report, "w").close()
    if job["plain"]:
        for path in glob.glob("/workspace/*"):
            (shutil.rmtree if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)
        with open(program, "w", newline="", encoding="utf-8") as file:
            file.write(job["source"])
        code = wait(start(become_script, program))
    else:
        with open(FOLDER + "job.json", "w") as file:
            json.dump({**job, "report": report}, file)
        code = wait(start(become_whole, FOLDER + "job.json"))
    answer = {"code": code}
    for name in ("out", "err", "report"):
        with open(FOLDER + name, "rb") as file:
            answer[name] = file.read().decode("utf-8", "replace")
    return answer


def find(name):
    """The source text of a module of the standard library, if it is there."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin.endswith(".py"):
        return {"source": None}
    with open(spec.origin, encoding="utf-8") as file:
        return {"source": file.read()}


JOBS = os.fdopen(os.dup(0))  # `sys.stdin` itself is for the programs, and has read nothing
WHOLE = compile(json.loads(JOBS.readline()), "<whole>", "exec")
print(json.dumps(sys.version_info[:2]), flush=True)
for line in JOBS:
    request = json.loads(line)
    answer = find(request["module"]) if "module" in request else run(request)
    print(json.dumps(answer), flush=True)
