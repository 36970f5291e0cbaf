# %% syntax error in the last line
a = 1
print("never counts")
b = = 2
# %% syntax error in the first line
b = = 2
a = 1
# %% open bracket at the end
x = 1
y = (1,
z = 2
# %% open string at the end
x = 1
y = """never closed
z = 2
# %% unterminated string
x = 1
y = 'no end
z = 2
# %% unmatched bracket
x = 1
y = )
# %% wrong bracket
x = 1
y = (1]
# %% bad indentation
x = 1
  y = 2
# %% dedent that matches nothing
if True:
        x = 1
    y = 2
# %% else without if
x = 1
else:
    y = 2
# %% late global
x = 1
def f():
    print(x)
    global x
print("end")
# %% return at top level
x = 1
return x
# %% yield at top level
x = 1
yield x
# %% break outside a loop
x = 1
break
# %% continue outside a loop
x = 1
if x:
    continue
# %% misplaced future import
x = 1
from __future__ import annotations
# %% unknown future
from __future__ import no_such_feature
x = 1
# %% assignment to a literal
x = 1
3 = x
# %% assignment to a call
x = 1
f() = x
# %% duplicate argument
x = 1
def f(a, a): pass
# %% keyword as a name
x = 1
class = 2
# %% await outside a function
x = 1
def f():
    await x
# %% invalid f-string
x = 1
y = f"{x!z}"
# %% empty f-string field
x = 1
y = f"{}"
# %% walrus at top level
x = 1
y := 2
# %% missing colon
x = 1
while x
    x = 0
# %% print as a statement
x = 1
print x
# %% star in the wrong place
x = 1
*x
# %% invalid character
x = 1
y = 5 € 3
# %% invalid number
x = 1
y = 012
# %% number followed by letters
x = 1
y = 5abc
# %% invalid escape of a name
x = 1
y = "\N{NO SUCH CHARACTER}"
# %% bytes beyond ASCII
x = 1
y = b"é"
# %% non-default after default
def f(a=1, b): pass
# %% two starred targets
*a, *b = 1, 2
# %% import star in a function
x = 1
def f():
    from os import *
# %% parameter and global
x = 1
def f(x):
    global x
# %% nonlocal without a binding
x = 1
def f():
    nonlocal y
# %% except order
x = 1
try:
    pass
except:
    pass
except ValueError:
    pass
# %% too deep indentation error inside a function
x = 1
def f():
    a = 1
      b = 2
# %% mixed tabs and spaces
x = 1
if x:
        a = 1
	b = 2
# %% backslash and then a character
x = 1
y = 1 + \ 2
# %% dangling operator
x = 1
y = x +
# %% dict with a missing value
x = 1
d = {"a": 1, "b"}
# %% match with a bad pattern
x = 1
match x:
    case 1 + 1: pass
# %% decorator without a function
x = 1
@property
y = 2
# %% lambda with an assignment
x = 1
f = lambda: y = 2
