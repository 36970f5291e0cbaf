# %% print rebound
print = lambda *a: __import__("sys").stdout.write("mine " + str(a) + "\n")
print(1)
print(2, 3)
# %% builtins print rebound
import builtins
old = builtins.print
builtins.print = lambda *a, **k: old("<", *a, ">", **k)
print("x")
print("y")
# %% stdout set to None [unseen]
import sys
sys.stdout = None
print("nowhere")
sys.stderr.write("to stderr\n")
# %% stdout closed
import sys
print("before")
sys.stdout.close()
try:
    print("after")
except ValueError as e:
    sys.stderr.write(f"{e}\n")
# %% descriptor 1 closed [unseen]
import os
print("before", flush=True)
os.close(1)
os.write(2, b"err\n")
x = 1
# %% recursion limit
import sys
sys.setrecursionlimit(150)
def f(n): return 0 if n == 0 else 1 + f(n - 1)
print(f(80))
f(200)
# %% signal handlers
import os, signal
def handler(n, frame): print("signal", n)
signal.signal(signal.SIGUSR1, handler)
os.kill(os.getpid(), signal.SIGUSR1)
print("after")
signal.raise_signal(signal.SIGUSR1)
signal.getsignal(signal.SIGUSR1) is handler
# %% signal ignored
import signal
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
signal.raise_signal(signal.SIGUSR2)
print("alive")
# %% own handler of SIGINT
import signal
def stop(n, f): raise RuntimeError("interrupted")
signal.signal(signal.SIGINT, stop)
try:
    signal.raise_signal(signal.SIGINT)
except RuntimeError as e:
    print(e)
# %% alarm inside one statement
import signal, time
def late(n, f): raise TimeoutError("late")
signal.signal(signal.SIGALRM, late)
try:
    signal.setitimer(signal.ITIMER_REAL, 0.05); time.sleep(5)
except TimeoutError as e:
    print(e)
# %% sys.modules changed
import sys, types
fake = types.ModuleType("fake")
fake.x = 5
sys.modules["fake"] = fake
import fake as again
print(again.x)
sys.modules.pop("fake")
# %% names of builtins shadowed
list = [1, 2]
str = "s"
len = 5
open = None
print(list, str, len, open)
# %% dunder names set
__name__ = "other"
print(__name__)
__doc__ = "set"
__doc__
# %% builtins deleted name
import builtins
builtins.added = 7
print(added)
del builtins.added
# %% environment emptied
import os
os.environ.clear()
print(dict(os.environ))
# %% path emptied
import sys
sys.path.clear()
try:
    import wave_that_is_not_there
except ImportError as e:
    print(e)
# %% trace function
import sys
calls = []
def trace(frame, event, arg):
    if event == "call" and frame.f_code.co_name in ("f", "g"): calls.append(frame.f_code.co_name)
def f(): pass
def g(): f()
sys.settrace(trace)
g()
sys.settrace(None)
calls
# %% profile function over statements
import sys
seen = []
def f(): return 1
sys.setprofile(lambda frame, event, arg: seen.append(event) if frame.f_code.co_name == "f" else None)
f()
f()
sys.setprofile(None)
seen
# %% gc turned off
import gc
gc.disable()
gc.set_threshold(500, 5, 5)
print(gc.isenabled())
# %% folder removed under it
import os
os.mkdir("d")
os.chdir("d")
os.rmdir("../d")
try:
    os.getcwd()
except FileNotFoundError as e:
    print("no folder")
# %% stdin replaced
import io, sys
sys.stdin = io.StringIO("typed\n")
print(input("? "))
# %% linecache emptied, then an error
import linecache
linecache.clearcache()
x = 1
# %% warnings filter and showwarning
import warnings
warnings.simplefilter("always")
warnings.showwarning = lambda m, c, f, l, *a: print("W", m, l)
warnings.warn("one")
warnings.warn("two")
# %% code objects and frames
import sys
print(sys._getframe().f_code.co_name, sys._getframe().f_lineno)
def caller():
    return sys._getframe(1).f_globals is globals()
caller()
# %% type and object games
class T(type):
    def __call__(cls, *a):
        return super().__call__(*a) if a else "no instance"
class A(metaclass=T):
    def __new__(cls, *a): return object.__new__(cls)
    def __init__(self, *a): pass
print(A(), type(A(1)).__name__)
# %% setattr on main module
import sys, __main__
__main__.x = 5
print(x, sys.modules["__main__"] is __main__)
# %% audit hook
import sys
sys.addaudithook(lambda event, args: print("audit", event) if event == "mine" else None)
sys.audit("mine")
# %% displayhook set
import sys
sys.displayhook = lambda v: print("hooked")
1
2
# %% float and int limits
import sys
sys.set_int_max_str_digits(1000)
try:
    str(10 ** 2000)
except ValueError as e:
    print("too long")
x = 10 ** 3000
# %% self-referring data
a = [1]
a.append(a)
d = {"self": None}
d["self"] = d
t = (a, d)
print(a, d)
