# %% much output
for i in range(2000):
    print(i, "x" * 40)
# %% no newline at the end
print("a", end="")
print("b", end="")
# %% carriage returns and control characters
print("50%\r100%\n\x1b[31mred\x1b[0m\a\x00\x7f")
# %% binary
import sys
sys.stdout.buffer.write(bytes(range(256)))
sys.stdout.buffer.flush()
# %% half a character
import os
os.write(1, b"\xc3")
os.write(1, b"\xa9\n")
os.write(1, b"\xff\xfe\n")
# %% child process
import os, subprocess
print("before", flush=True)
os.system("echo child; echo problem >&2")
print("after")
print(subprocess.run(["echo", "captured"], capture_output=True, text=True).stdout)
subprocess.run(["sh", "-c", "exit 3"]).returncode
# %% child process fails
import subprocess
subprocess.run(["false"], check=True)
# %% popen and pipes
import subprocess
with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
    out, _ = p.communicate("through a pipe\n")
print(out, p.returncode)
del p
# %% redirect_stdout
import contextlib, io
buffer = io.StringIO()
with contextlib.redirect_stdout(buffer):
    print("hidden")
print("shown", repr(buffer.getvalue()))
# %% stdout replaced and put back over statements
import io, sys
old = sys.stdout
sys.stdout = io.StringIO()
print("into the buffer")
text = sys.stdout.getvalue()
sys.stdout = old
print("got", repr(text))
del old
# %% print with flush and to both
import sys
for i in range(3):
    print(i, end=" ", flush=True)
    print(-i, file=sys.stderr)
print()
# %% writelines and print separators
import sys
sys.stdout.writelines(["a\n", "b\n"])
print(1, 2, 3, sep=", ", end=".\n")
print(*[4, 5], sep="\n")
# %% pprint and json
import json, pprint
d = {"b": [1, 2, {"c": None}], "a": "é", "n": float("inf")}
pprint.pprint(d)
print(json.dumps(d, indent=2, sort_keys=True))
# %% unicode of every width
print("é ü ß 变量 🐍 e\u0301 \u202e \u2028|")
# %% csv to stdout
import csv, sys
w = csv.writer(sys.stdout)
w.writerow(["a", "b c", 'q"'])
# %% os.write and print in turn
import os
print("one")
os.write(1, b"two\n")
print("three")
os.write(2, b"err\n")
# %% dup of standard output
import os
copy = os.dup(1)
os.write(copy, b"through a copy\n")
os.close(copy)
# %% output in a finally after an error
try:
    1 / 0
finally:
    print("still said")
