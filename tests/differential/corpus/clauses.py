# %% if then nothing
x = 3
if x > 2:
    print("big")
y = x
# %% if else
x = 1
if x > 2:
    print("big")
else:
    print("small")
print("after")
# %% if elif else with comments in column 0
for x in (1, 2, 3):
    if x == 1:
        print("one")
# a comment
    elif x == 2:

# another
        print("two")

    else:
        print("more")
if x == 1:
    r = "a"
# comment before elif

elif x == 3:
    r = "b"
# comment before else
else:
    r = "c"
print(r)
# %% one-line if else
x = 0
if x: print("yes")
else: print("no")
if not x: print("again")
# %% one-line if elif else chain
x = 2
if x == 1: r = 1
elif x == 2: r = 22
elif x == 3: r = 3
else: r = 4
r
# %% one-line if, block else
if []: print("a")
else:
    print("b")
    print("c")
# %% for else without break
for i in range(3):
    print(i)
else:
    print("done")
print(i)
# %% for else with break
for i in range(10):
    if i == 2:
        break
else:
    print("never")
print(i)
# %% for with no else, then a name that begins with f and e
for i in range(2):
    print(i)
first = i
for e in "ab": print(e)
else_ = e
# %% while else
n = 3
while n:
    n -= 1
else:
    print("n is", n)
# %% while else broken out of
n = 3
while True:
    n -= 1
    if n == 1: break
else:
    print("never")
n
# %% one-line while, one-line else
n = 4
while n > 2: n -= 1
else: print("else", n)
print(n)
# %% try except
try:
    1 / 0
except ZeroDivisionError as e:
    print("caught", e)
print("e" in globals())
# %% try except else finally
def go(x):
    try:
        r = 10 / x
    except ZeroDivisionError:
        return "zero"
    else:
        return r
    finally:
        print("finally", x)
print(go(0), go(5))
try:
    pass
except ValueError:
    print("no")
else:
    print("else")
finally:
    print("finally")
# %% try with several excepts and comments between
try:
    {}["k"]

except (ValueError,
        TypeError):
    print("no")

# here it comes
except KeyError as problem:
    print(repr(problem))
# finally is next
finally:
    print("f")
# %% one-line try
try: int("x")
except ValueError: r = "bad"
else: r = "good"
finally: print("end")
r
# %% try finally with an error that goes through
try:
    raise ValueError("through")
finally:
    print("cleanup")
print("never")
# %% except star
try:
    raise ExceptionGroup("g", [ValueError(1), TypeError(2), ValueError(3)])
except* ValueError as group:
    print(group.exceptions)
except* TypeError as group:
    print(group.exceptions)
finally:
    print("end")
# %% except star lets the rest through
try:
    raise ExceptionGroup("g", [ValueError(1), KeyError(2)])
except* ValueError:
    print("part")
print("never")
# %% match
def name(p):
    match p:
        case 0: return "zero"
        case [x, *rest] if rest: return ("list", x, rest)
        case {"k": v}:
            return ("map", v)
        case str() as s: return ("str", s)
        case _:
            return "other"
for p in (0, [1, 2], [1], {"k": 3}, "s", 1.5):
    print(name(p))
# %% match at top level
command = ["go", "north"]
match command:
    case ["go", direction]:
        print(direction)

# in between
    case _:
        print("no")
match = 3
case = match + 1
print(match, case)
# %% with
import contextlib
@contextlib.contextmanager
def noted(name):
    print("enter", name)
    yield name.upper()
    print("leave", name)
with noted("a") as a, noted("b") as b:
    print(a, b)
with noted("c"): print("one line")
print(a + b)
# %% with in parentheses over lines
import io
with (
    io.StringIO("one") as one,
    io.StringIO("two") as two,
):
    text = one.read() + two.read()
print(text)
# %% def and class one after another
def f():
    return 1
class A:
    x = f()
    def g(self):
        return self.x + 1
def h(): return A().g()
class B(A): x = 5
print(f(), h(), B().g())
# %% nested blocks and blank lines
def outer(n):

    def inner(m):

        if m:

            return m * 2

        return 0


    total = 0
    for i in range(n):

        total += inner(i)

    return total


print(outer(5))
# %% names that begin like clauses
if True:
    x = 1
els = 2
try:
    x = 2
finally:
    x = 3
finally_ = 4
for x in "ab":
    pass
e = x
while False:
    pass
ex = e
print(els, finally_, e, ex)
# %% async def without a loop
async def f():
    return 1
c = f()
print(type(c).__name__)
c.close()
# %% deep nesting
for a in range(2):
    for b in range(2):
        if a:
            while b:
                try:
                    print(a, b)
                finally:
                    b = 0
            else:
                print("b", b)
        else:
            print("not a", a)
# %% tabs and spaces
if True:
	x = 1
	if x:
		y = 2
for i in range(2):
  print(i)
print(x, y)
# %% global in functions and del
count = 0
def bump():
    global count
    count += 1
    return count
bump(); bump()
del bump
count
# %% comprehension, generator, lambda
squares = {n: n ** 2 for n in range(5) if n % 2}
total = sum(n for n in squares.values())
key = lambda pair: -pair[1]
sorted(squares.items(), key=key)
# %% walrus and conditional
if (n := len("abc")) > 2: print(n)
while (n := n - 1): print(n)
n
# %% block at the very end without a newline after it
for i in range(3):
    print(i)
    total = i
# %% if false runs no body but the rest
if False:
    print("no")
    raise SystemExit
print("rest")
# %% assert and raise from
try:
    try:
        assert 1 == 2, "one is not two"
    except AssertionError as e:
        raise RuntimeError("outer") from e
except RuntimeError as e:
    print(e, "<-", e.__cause__)
