# %% main guard
def main():
    print("main")
if __name__ == "__main__":
    main()
# %% names of the module
print(__name__, __doc__)
print(globals() is locals(), "main" in globals())
print(sorted(name for name in globals() if not name.startswith("__")))
# %% pickle a class of the program
import pickle
class Point:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return self.x == other.x
p = Point([1, 2])
q = pickle.loads(pickle.dumps(p))
print(q == p, type(q) is Point, type(q).__module__)
# %% copy and deepcopy
import copy
class Box: pass
b = Box(); b.items = [b, 1]
c = copy.deepcopy(b)
print(c.items[0] is c, c.items is b.items)
# %% dataclasses
from dataclasses import dataclass, field, asdict, replace
@dataclass(frozen=True)
class Item:
    name: str
    price: float = 1.0
    tags: list = field(default_factory=list)
i = Item("a", tags=["x"])
print(i, asdict(i), replace(i, price=2.0))
hash(Item("b", 1.0, ()))
# %% enum
import enum
class Color(enum.Enum):
    RED = 1
    GREEN = enum.auto()
    @property
    def nice(self): return self.name.title()
class Flag(enum.Flag):
    A = enum.auto()
    B = enum.auto()
print(list(Color), Color(2).nice, Flag.A | Flag.B, Color["RED"])
# %% namedtuple and typing
from collections import namedtuple
from typing import NamedTuple, TypedDict, Generic, TypeVar, get_type_hints
P = namedtuple("P", "x y")
class Q(NamedTuple):
    x: int
    y: str = "d"
class T(TypedDict):
    k: int
V = TypeVar("V")
class G(Generic[V]):
    item: V
print(P(1, 2), Q(1), get_type_hints(Q), T(k=1), G[int])
# %% protocol and abstract classes
import abc
from typing import Protocol, runtime_checkable
class A(abc.ABC):
    @abc.abstractmethod
    def f(self): ...
class B(A):
    def f(self): return "f"
@runtime_checkable
class Has(Protocol):
    def f(self): ...
print(B().f(), isinstance(B(), Has))
A()
# %% metaclass and init_subclass
class Meta(type):
    def __new__(m, name, bases, ns, **kw):
        print("new", name, kw)
        return super().__new__(m, name, bases, ns)
    def __init__(self, *a, **kw): pass
class A(metaclass=Meta, k=1):
    def __init_subclass__(cls, **kw):
        print("sub", cls.__name__)
class B(A): pass
# %% slots, descriptors, getattr
class D:
    def __set_name__(self, owner, name): self.name = name
    def __get__(self, obj, cls=None): return (self.name, obj is None)
class S:
    __slots__ = ("a", "b")
    d = D()
    def __getattr__(self, name): return f"no {name}"
s = S(); s.a = 1
print(s.a, s.b, s.zzz, S.d, s.d)
# %% super and mro
class A:
    def f(self): return ["A"]
class B(A):
    def f(self): return ["B"] + super().f()
class C(A):
    def f(self): return ["C"] + super().f()
class D(B, C):
    def f(self): return ["D"] + super().f()
print(D().f(), [c.__name__ for c in D.__mro__])
# %% generators that go on over statements
def count():
    n = 0
    while True:
        sent = yield n
        n = sent if sent is not None else n + 1
g = count()
print(next(g))
print(next(g))
print(g.send(10))
print(next(g))
g.close()
# %% iterators and itertools
import itertools
it = iter(range(10))
print(next(it))
print(list(itertools.islice(it, 3)))
for x in it:
    print(x)
    break
print(list(it))
# %% closures
def counter():
    n = 0
    def step():
        nonlocal n
        n += 1
        return n
    return step
c = counter()
c()
c()
d = counter()
print(c(), d())
# %% weakref and gc
import weakref, gc
class Thing: pass
t = Thing()
r = weakref.ref(t, lambda _: print("gone"))
print(r() is t)
del t
gc.collect()
print(r())
# %% del method called at once
class Loud:
    def __init__(self, name): self.name = name
    def __del__(self): print("del", self.name)
a = Loud("a")
a = Loud("b")
del a
print("end")
# %% a loop variable keeps its object until the next statement
class Loud:
    def __init__(self, n): self.n = n
    def __del__(self): print("del", self.n)
for x in map(Loud, range(3)):
    print(x.n)
del x
print("end")
# %% threads joined
import threading
results = []
lock = threading.Lock()
def work(n):
    with lock:
        results.append(n * n)
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
del t, threads, lock
sorted(results)
# %% thread over statements, by events
import threading
go, done = threading.Event(), threading.Event()
def work():
    go.wait()
    print("in the thread")
    done.set()
t = threading.Thread(target=work)
t.start()
print("before")
go.set()
done.wait()
t.join()
print("after")
del go, done, t
# %% thread that fails
import threading
def bad():
    raise ValueError("in a thread")
t = threading.Thread(target=bad, name="worker")
t.start()
t.join()
print("goes on")
del t
# %% queue and executor
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(2) as pool:
    squares = list(pool.map(lambda n: n * n, range(5)))
del pool
squares
# %% multiprocessing by fork
import multiprocessing as mp
def double(x): return 2 * x
with mp.get_context("fork").Pool(2) as pool:
    r = pool.map(double, range(4))
del pool
print(r)
# %% contextvars
import contextvars
v = contextvars.ContextVar("v", default=0)
token = v.set(1)
print(v.get())
v.reset(token)
print(v.get())
del token, v
# %% random with a seed
import random
SEEDED = True
random.seed(7)
print(random.random())
print(random.choice("abc"))
x = [1, 2, 3, 4]
random.shuffle(x)
x
# %% decimal context over statements
import decimal
decimal.getcontext().prec = 5
x = decimal.Decimal(1) / 3
print(x)
with decimal.localcontext() as ctx:
    ctx.prec = 2
    print(decimal.Decimal(1) / 3)
del ctx
decimal.Decimal(2) / 3
# %% locale and time zone stay
import os, time
os.environ["TZ"] = "UTC"
time.tzset()
print(time.strftime("%Y-%m-%d", time.gmtime(0)), time.tzname[0])
# %% exec and eval by the program
x = 1
exec("y = x + 1\nprint(y)")
print(eval("x + y"))
ns = {}
exec("def f(): return 5", ns)
ns["f"]()
# %% compile and run code with an error in it
code = compile("a = 1\nb = a / 0\n", "made.py", "exec")
exec(code)
# %% globals written to
globals()["made"] = 5
print(made)
locals()["also"] = 6
print(also)
del globals()["made"]
vars()["x"] = 1
x
# %% import of a module of the workspace
with open("mymod.py", "w") as f:
    f.write("VALUE = 5\ndef f():\n    return VALUE\n")
import importlib
importlib.invalidate_caches()
import mymod
print(mymod.f(), mymod.__name__)
# %% inspect a function and a class
import inspect
def f(a, *, b: int = 2) -> str:
    """Doc of f."""
    return "x"  # end

class C(object):
    """Doc of C."""
    def m(self):
        return 1
print(inspect.signature(f), inspect.getdoc(f))
print(inspect.getsource(f))
print(inspect.getsource(C.m))
print(inspect.getsourcelines(C)[1])
# %% linecache and findsource of a lambda
import inspect
f = lambda x: (
    x + 1
)
print(inspect.getsource(f))
# %% isinstance over redefinition
class A: pass
a = A()
class A: pass
print(isinstance(a, A), type(a).__name__)
# %% operators
class V:
    def __init__(self, *x): self.x = x
    def __add__(self, o): return V(*(a + b for a, b in zip(self.x, o.x)))
    def __matmul__(self, o): return sum(a * b for a, b in zip(self.x, o.x))
    def __getitem__(self, i): return self.x[i]
    def __repr__(self): return f"V{self.x}"
v = V(1, 2)
v += V(3, 4)
print(v, v @ V(1, 1), v[1], v[:1])
# %% argparse with no arguments
import argparse
parser = argparse.ArgumentParser(prog="x")
parser.add_argument("--n", type=int, default=3)
args = parser.parse_args([])
print(args.n)
parser.parse_args(["--n", "bad"])
# %% argv and script names
import sys
print(sys.argv, sys.path[0])
# %% unittest in the program
import sys, unittest
class T(unittest.TestCase):
    def test_ok(self): self.assertEqual(1, 1)
    def test_bad(self): self.assertEqual([1], [2])
unittest.main(argv=["x"], exit=False)
del T
# %% doctest in the program
import doctest
def f(x):
    """
    >>> f(2)
    4
    >>> f(3)
    5
    """
    return x * 2
print(doctest.testmod())
# %% file of the program
import os, sys
print(os.path.dirname(__file__) == os.getcwd(), sys.argv == [__file__], os.path.exists(__file__))
# %% a value is let go before the next statement
class Loud:
    def __del__(self): print("del")
Loud()
print("next")
[Loud()]
print("end")
