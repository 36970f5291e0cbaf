# %% invalid escape
x = "\d"
y = 2
z = "\w"
print(x, z)
# %% is with a literal
x = 5
if x is 5: print("is")
y = x is not "a"
# %% assert on a tuple
x = 1
assert (x, "message")
print("end")
# %% call of a literal
x = 1
try:
    "a"()
except TypeError as e:
    print(e)
# %% subscript of a set
try: {1, 2}[0]
except TypeError as e: print(e)
# %% return in finally is silent here
def f():
    try: return 1
    finally: return 2
print(f())
