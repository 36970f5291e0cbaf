# %% runtime error in the middle
a = 1
print("before")
b = 1 / 0
print("after")
c = 3
# %% error in the first line
undefined
print("never")
# %% error in the last line
x = [1, 2]
x[5]
# %% error in a function of an earlier statement
def f(n):
    if n == 0:
        return 1 // n
    return f(n - 1)

x = 1
print("calling")
f(3)
# %% error in a loop, after some output
for i in range(5):
    print(i)
    if i == 3:
        raise RuntimeError(f"at {i}")
print("never")
# %% chained errors
def inner():
    {}["missing"]
def outer():
    try:
        inner()
    except KeyError as e:
        raise ValueError("outer") from e
outer()
# %% error while handling an error
try:
    1 / 0
except ZeroDivisionError:
    undefined_name
# %% error suppressed from the context
try:
    1 / 0
except ZeroDivisionError:
    raise ValueError("clean") from None
# %% exception group
raise ExceptionGroup("many", [ValueError("a"), ExceptionGroup("in", [TypeError("b")])])
# %% exception with notes
e = ValueError("noted")
e.add_note("first note")
e.add_note("second\nnote")
raise e
# %% class of an own exception
class Problem(Exception):
    def __str__(self):
        return "my own text"
class Sub(Problem): pass
raise Sub(1, 2)
# %% exception whose str fails
class Bad(Exception):
    def __str__(self):
        raise RuntimeError("str")
raise Bad
# %% error across a multi-line call
def f(**kw):
    return kw["a"] + kw["b"]
f(
    a=1,
    b="2",
)
# %% error inside a comprehension
[1 / n for n in (2, 1, 0)]
# %% error inside a lambda on several lines
f = (lambda x:
     x +
     None)
f(1)
# %% recursion error
def f(n):
    return f(n + 1)
try:
    f(0)
except RecursionError as e:
    print(type(e).__name__)
# %% sys.exit zero
import sys
print("before")
sys.exit(0)
print("never")
# %% sys.exit without a code
import sys
x = 1
sys.exit()
x = 2
# %% sys.exit three
import sys
print("before")
sys.exit(3)
print("never")
# %% sys.exit with a text
import sys
sys.exit("a message")
# %% exit and quit
print("a")
exit(2)
# %% raise SystemExit in a function
def leave():
    raise SystemExit(7)
leave()
# %% SystemExit caught
try:
    raise SystemExit(1)
except SystemExit as e:
    print("caught", e.code)
print("goes on")
# %% KeyboardInterrupt raised
print("x")
raise KeyboardInterrupt
# %% generator exit and stop iteration
it = iter([1])
print(next(it))
next(it)
# %% assertion with a message
x = 3
assert x == 4, f"x is {x}"
# %% os._exit
import os
print("said", flush=True)
os._exit(3)
print("never")
# %% abort
import os
print("said", flush=True)
os.abort()
# %% killed by a signal to itself
import os, signal
print("said", flush=True)
os.kill(os.getpid(), signal.SIGTERM)
# %% input
print("asking")
name = input("name? ")
print("never")
# %% reading standard input
import sys
print(repr(sys.stdin.read()), repr(sys.stdin.readline()))
# %% memory error
x = bytearray(1 << 62)
print("never")
# %% unicode error
print("\ud800")
# %% bytes to str
"a" + b"b"
# %% wrong number of arguments
def f(a, b): pass
f(1)
# %% import error
import no_such_module
# %% from import error
from os import no_such_name
# %% error in a class body
class C:
    x = 1
    y = x / 0
    z = 3
print("never")
# %% error in a default argument
def f(a=1 // 0): pass
# %% error in a with statement's exit
class C:
    def __enter__(self): return self
    def __exit__(self, *a):
        print("exit", a[0].__name__)
        return False
with C():
    raise ValueError("inside")
# %% error swallowed by with
import contextlib
with contextlib.suppress(ValueError):
    raise ValueError("gone")
print("goes on")
# %% error in a repr'd f-string
class C:
    def __repr__(self): return 1 / 0
f"{C()!r}"
# %% traceback printed by the program
import traceback
def f():
    raise ValueError("printed")
try:
    f()
except ValueError:
    traceback.print_exc()
print("goes on")
# %% format_stack and line numbers
import sys
def here():
    return sys._getframe(1).f_lineno


print(here())
# comment
print(
    here(),
    here())
# %% excepthook set
import sys
sys.excepthook = lambda *a: print("hook")
x = 1
# %% warnings of the program
import warnings
warnings.warn("careful")
warnings.warn("old", DeprecationWarning)
for _ in range(3):
    warnings.warn("in a loop")
print("done")
# %% warnings as errors
import warnings
warnings.simplefilter("error")
print("before")
warnings.warn("now an error")
print("never")
# %% logging
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s %(lineno)d %(message)s")
log = logging.getLogger("x")
log.warning("watch %s", "out")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
# %% files written before an error stay
with open("kept.txt", "w") as f:
    f.write("kept")
import os
os.mkdir("folder")
raise ValueError("after the files")
