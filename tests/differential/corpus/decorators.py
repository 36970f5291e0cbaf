# %% stacked decorators
def times(n):
    def wrap(f):
        return lambda *a: f(*a) * n
    return wrap
@times(2)
@times(3)
def one(): return 1
print(one())
# %% decorators with comments and blank lines between
def mark(f):
    f.marked = True
    return f
@mark
# why

@mark
def f():
    """Doc."""
    return f.marked
print(f(), f.__doc__)
# %% decorator whose call spans lines
def tag(*names):
    def wrap(c):
        c.names = names
        return c
    return wrap
@tag(
    "a",
    # in between
    "b",
)
class C:
    pass
C.names
# %% class decorators and one-line class
def twice(c):
    c.n = getattr(c, "n", 1) * 2
    return c
@twice
@twice
class D: n = 5
print(D.n)
# %% property, staticmethod, classmethod
class P:
    _x = 1
    @property
    def x(self):
        return self._x
    @x.setter
    def x(self, value):
        self._x = value
    @staticmethod
    def s(): return "s"
    @classmethod
    def c(cls): return cls.__name__
p = P()
p.x = 5
print(p.x, P.s(), p.c())
# %% functools decorators
import functools
@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
@functools.singledispatch
def show(x):
    return "any"
@show.register
def _(x: int):
    return "int"
print(fib(50), show(1), show("a"))
print(fib.cache_info())
# %% lines in a traceback through a decorator
def bad(f):
    raise ValueError("decorator")

# comment
@bad
def g():
    pass
print("never")
# %% getsource of decorated things
import inspect
def same(f): return f
@same
@same
def decorated(a,
              b=2):
    # inside
    return a + b
@same
class Decorated:
    x = 1
print(inspect.getsource(decorated))
print(inspect.getsource(Decorated))
# %% decorated async function
def same(f): return f
@same
async def f():
    return 1
import asyncio
print(asyncio.run(f()))
# %% decorator that replaces the name
registry = {}
def register(f):
    registry[f.__name__] = f
@register
def a(): return 1
@register
def b(): return 2
print(a, b, sorted(registry), registry["a"]())
