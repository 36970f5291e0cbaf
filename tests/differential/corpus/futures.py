# %% annotations future
from __future__ import annotations
def f(a: no_such_name, b: "x" = 1) -> also_not_there: pass
print(f.__annotations__)
x: undefined = 1
print(__annotations__)
# %% annotations future after a docstring and comments
"""Doc."""
# comment
from __future__ import annotations
from __future__ import division, print_function
class C:
    x: missing
    def m(self: Self) -> C: ...
print(C.__annotations__, C.m.__annotations__, __doc__)
# %% no future: annotations are evaluated
def f(a: int) -> str: pass
print(f.__annotations__)
# %% generator_stop and others
from __future__ import generator_stop
from __future__ import unicode_literals
x = type("")
x
# %% barry
from __future__ import barry_as_FLUFL
print(1 <> 2)
# %% dataclass with the future
from __future__ import annotations
from dataclasses import dataclass, field, fields
@dataclass(order=True)
class P:
    x: int
    y: list[int] = field(default_factory=list)
print(P(1), P(1) < P(2), [f.type for f in fields(P)])
# %% get_type_hints with the future
from __future__ import annotations
import typing
class Node:
    next: Node | None = None
    def link(self, other: Node) -> list[Node]:
        return [other]
print(typing.get_type_hints(Node), typing.get_type_hints(Node.link))
# %% future in exec and eval of the program
from __future__ import annotations
ns = {}
exec("def f(a: nope): pass", ns)
print(ns["f"].__annotations__)
exec(compile("def g(a: nope): pass", "s", "exec"), ns)
print(ns["g"].__annotations__)
# %% future in an expression of the last line
from __future__ import annotations
(lambda a: a).__code__.co_flags & 0x1000000
# %% future in one line with others
from __future__ import annotations; x: nope = 1
print(__annotations__)
