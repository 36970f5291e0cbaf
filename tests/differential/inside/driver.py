"""The first process of the oracle's container: runs each program in an interpreter of its own.

Takes a JSON object a line and answers with one. Given first: the text of `whole.py`.
"""

import importlib.util
import json
import os
import subprocess
import sys

FOLDER = "/oracle"
REPORT = FOLDER + "/report"
WHOLE = json.loads(sys.stdin.readline())


def run(job):
    path = FOLDER + "/job.json"
    with open(path, "w") as file:
        json.dump({**job, "report": REPORT}, file)
    open(REPORT, "w").close()
    command = [sys.executable, "-c", WHOLE, path]
    if job["plain"]:
        path = "/oracle/program.py"
        with open(path, "w", newline="", encoding="utf-8") as file:
            file.write(job["source"])
        command = [sys.executable, path]
    with open(FOLDER + "/out", "wb") as out, open(FOLDER + "/err", "wb") as err:
        done = subprocess.run(
            command, cwd="/workspace", stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=30
        )
    answer = {"code": done.returncode}
    for name in ("out", "err", "report"):
        with open(FOLDER + "/" + name, "rb") as file:
            answer[name] = file.read().decode("utf-8", "replace")
    return answer


def find(name):
    """The source text of a module of the standard library."""
    spec = importlib.util.find_spec(name)
    with open(spec.origin, encoding="utf-8") as file:
        return {"source": file.read()}


for line in sys.stdin:
    request = json.loads(line)
    answer = find(request["module"]) if "module" in request else run(request)
    print(json.dumps(answer), flush=True)
