# %% semicolons
a = 1; b = 2; print(a + b)
print("x"); print("y");
c = 3;
# %% semicolons with an error in the middle
print("before"); 1 / 0; print("never")
print("never")
# %% semicolons and a value
a = 1; a + 1
# %% semicolon after a bare string
"first"; x = __doc__
print(x)
# %% later lines are not held up by a semicolon
n = 0
n += 1; n += 1
n += 1
n
# %% only a comment
# nothing
# %% comments around
# before
x = 1  # beside

    # indented comment
y = 2
# after
# %% pass and ellipsis
pass
...
# %% values
1
2
"three"
# %% None is not shown
print("x")
None
# %% value of a call that returns None
[3, 1, 2].sort()
# %% last expression with a semicolon
x = 5
x;
# %% last is an assignment
1
x = 2
# %% shown value's repr fails
class R:
    def __repr__(self):
        raise ValueError("no repr")
R()
# %% shown value's repr prints
class R:
    def __repr__(self):
        print("in repr")
        return "<R>"
print("start")
R()
# %% shown is a long list
list(range(300))
# %% shown is a string with newlines
"a\nb\tc'd\""
# %% shown in a block is nothing
if True:
    5
# %% shown value is changed by nothing later
x = [1]
x
# %% underscore is a name like others
_ = 3
_ + 1
# %% an expression over lines
(1 +
 2 +
 3)
# %% expression with a trailing comment
6 * 7  # the answer
# comment at the end

# %% bare string at the end
x = 1
"shown, but no docstring"
# %% yield of a conditional expression
x = 5
"big" if x > 3 else "small"
# %% a lambda is called
(lambda: "called")()
# %% chained comparison and unpacking
first, *rest = range(5)
a = b = c = first
0 <= a < 5 and rest
# %% augmented everything
x = 10
x += 1
x -= 2
x *= 3
x //= 2
x **= 2
x %= 50
x |= 64
x ^= 3
x <<= 1
x >>= 2
x
# %% delete names
a = 1
b = 2
del a
try:
    a
except NameError as e:
    print(e)
# %% attribute access on a missing name suggests
value = 1
valu
# %% attribute error suggests
class A:
    blech = 1
A().bluch
# %% star imports and aliases
from math import *
import os.path as p, sys
from collections import (
    OrderedDict as OD,
    defaultdict,
)
print(floor(pi), p.basename("/a/b"), OD([(1, 2)]), defaultdict(int))
# %% one statement of many physical lines with an error at its end
x = (
    1 +
    2 +
    None
)
# %% print to stderr and stdout
import sys
print("out")
print("err", file=sys.stderr)
sys.stdout.write("no newline")
sys.stderr.write("e\n")
# %% empty lines only between

x = 1



y = 2


# %% huge line
x = "a" * 5 + "".join(["b" for i in range(10)]) + str(sum(range(1000))) + "c" * 2 + repr({"k": [1, 2, {"n": (3, 4)}]}) + f"{1:>10}" + "d" * 3 + "e" * 4 + str([i ** 2 for i in range(20)]) + "end of the line"
print(x)
