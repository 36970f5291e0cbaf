"""Cut-off points, and the state that a call must leave as it found it."""

from __future__ import annotations

import random

from conveyor_tools.splitters.python import PythonSplitter
from tests.differential.arms import in_fences
from tests.differential.programs import Program

BEFORE = """
import decimal, os, random, signal, sys
numbers = [1, 2, {"deep": [3]}]
alias = numbers[2]
def function(a, b=numbers):
    return a
class Thing:
    shared = []
    def __init__(self):
        self.x = numbers
thing = Thing()
iterator = iter([1, 2, 3, 4])
used = next(iterator)
def generate():
    for n in range(10):
        yield n
generator = generate()
used += next(generator) + next(generator)
SEEDED = True
random.seed(5)
os.environ["BEFORE"] = "1"
os.makedirs("folder/inner")
for path in ("kept.txt", "f0.txt", "f1.txt", "folder/kept.txt"):
    with open(path, "w") as file:
        _ = file.write("kept\\n")
file = open("open.txt", "w+")
_ = file.write("written before")
file.flush()
os.symlink("kept.txt", "link")
os.chmod("f0.txt", 0o600)
os.chdir("folder")
sys.path.append("/before")
sys.setrecursionlimit(1234)
decimal.getcontext().prec = 11
x = y = n = a = "before"
""".lstrip()
"""Runs first: variables, files and settings that the call after it will change."""

SPOIL = """
numbers.append(9); alias["deep"] = None; numbers = "new"
function.__defaults__ = (1,); function.note = 1
Thing.shared.append(1); thing.x = thing; Thing.more = 2
used = next(iterator), next(generator), random.random()
os.environ["BEFORE"] = "2"; os.environ["NEW"] = "3"; del os.environ["HOME"]
os.remove("kept.txt"); os.rename("inner", "renamed"); open("new", "w").close()
os.chdir(".."); import shutil; shutil.rmtree("folder")
open("kept.txt", "a").write("spoilt"); os.chmod("f0.txt", 0o644)
os.remove("link"); os.symlink("f1.txt", "link"); os.mkdir("made")
_ = file.write(" and after"); file.flush()
sys.path.insert(0, "/new"); sys.setrecursionlimit(2000); os.umask(0o077)
decimal.getcontext().prec = 3
sys.stdout = sys.stderr; signal.signal(signal.SIGUSR1, lambda *_: None)
import builtins; builtins.print = None; builtins.mine = 1
del thing, x
""".lstrip()
"""Changes all of that, a statement a line."""

LOOK = """
(next(iterator), next(generator), random.random(), file.tell(), file.read(), numbers[2] is alias,
 function.__defaults__[0] is numbers, thing.x is numbers, os.getcwd(), print.__name__)
""".lstrip()
"""Shows what is left of the hidden state: positions, identities. It moves them."""


def cut_somewhere(program: Program, seed: int, version: tuple[int, ...]) -> str | None:
    """The response to the program, cut off within its text, once something of it has been released.

    None where nothing of it is before its end: nothing of such a program ever starts early.
    """
    splitter = PythonSplitter(version)
    text = program.text
    places = (
        n for n, char in enumerate(text, 1) if any(not it.blank for it in splitter.feed(char))
    )
    released = next(places, None)
    if released is None:
        return None
    end = random.Random(seed).randint(released, len(text))
    opening, _, _ = in_fences(program.text).partition(program.text)
    return opening + program.text[:end]
