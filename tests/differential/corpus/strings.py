# %% triple quotes with code-like lines in column 0
text = """
if x:
    y
else:
    z
def f(): return
"""
print(len(text.splitlines()), text)
# %% single triple quotes with quotes inside
a = '''it''s "quoted" \'''really'''
b = """a ""quote"" b"""
print(a, b)
# %% brackets over lines
data = [
    1,
    2,  # a comment ) ]
    (3,
     4),

    {"k": [5,
           6]},
]
print(data)
# %% a string with brackets
s = ")]}" + "([{"
t = (
    "(" + ")"
)
print(s, t)
# %% backslash continuation
total = 1 + \
    2 + \
    3
if total == 6 and \
        total > 5:
    print(total)
assert total == 6, \
    "no"
# %% joined strings over lines
s = 'a\
b'
t = ("x"
     'y'
     """z""")
print(s, t)
# %% prefixes
r = r"\n" + R'\t'
b = b"\x00" + rb"\d" + bR'\w'
u = u"u"
f = f"{r}{u!r}" rf"\{u}"
print(r, b, u, f)
# %% f-strings
w, v = 10, 3.14159
print(f"{v:>{w}.2f}|{v!r:<12}|{v=}|{{}}|{'a' if w else 'b'}")
print(f"{w:#x} {w!s:^7} {[i for i in range(3)]} { {1: 2}[1] }")
s = f'''{
w
}
'''
print(s)
# %% named characters and escapes
s = "\N{GREEK SMALL LETTER ALPHA}\u00e9\x41\101\U0001F600\a\\"
f = f"\N{BULLET} {len(s)}"
print(ascii(s), f)
# %% hash signs in strings
a = "# no comment"  # a comment
b = '''
# no comment
'''  # a comment ''' """
print(a, b)
# %% fences in a string
text = """
```python
print("inside")
```
</tool_call>
# else:
"""
print(text.count("`"))
# %% fence with blanks before it, in a string
s = '''
   ```
```
'''
print(len(s))
# %% fence in an f-string
x = 1
s = f"""
```
{x}
```
"""
print(s)
# %% tool call tags in strings
s = "<tool_call>{}</tool_call>" + '''
</tool_call>
<|im_end|>
'''
print(s)
# %% think tags in code
s = "<think>" + '''
</think>
'''
print(s)
# %% docstrings
"""The module's docstring."""
def f():
    '''Its own
docstring in column 0.
'''
class C:
    """Class doc."""
print(__doc__, f.__doc__, C.__doc__)
# %% no docstring after a statement
x = 1
"""Not a docstring."""
print(__doc__)
# %% comment before a docstring
# A comment.

"""Doc after a comment."""
print(__doc__)
# %% bytes and escapes shown
b"\x00\xff" + b'"' + b"'"
# %% long literal table
rows = [
    ("alpha", 1, 1.5),
    ("beta", 2, 2.5),
    ("gamma", 3, 3.5),
    ("delta", 4, 4.5),
]
for name, number, half in rows:
    print(f"{name:<8}{number:>3}{half:>6}")
# %% percent and format
print("%s has %d%% %r" % ("x", 5, "y"), "{0}{a[0]}".format(1, a=[2]))
# %% implicit concatenation in a call over lines
print("a"
      "b",  # here
      "c"
      "d", sep="-",
      end="!\n")
# %% dictionary over lines with comments and blank lines
config = {
    "name": "x",  # trailing

    # a whole line
    "nested": {
        "list": [1, 2,
                 3],
    },
    "s": """multi
line""",
}
print(config)
# %% lambda and colon lines
f = lambda a, b=":": (a,
                      b)
d = {"a": lambda: 1, "b": (lambda x: x)}
x: int = 3
y: "list[int]" = [1,
  2]
print(f(1), d["a"](), x, y, sorted(__annotations__))
# %% unterminated looking but fine
a = "\""
b = '\''
c = "\\"
d = """\""""
print(a, b, c, d)
# %% empty strings of every kind
a = ""; b = ''; c = """"""; d = ''''''; e = f""; g = b""
[a, b, c, d, e, g]
