# %% write and read
with open("a.txt", "w") as f:
    f.write("hello\nworld\n")
print(open("a.txt").read())
import os
os.listdir()
# %% folders, links, modes
import os
os.makedirs("d/e/f")
open("d/e/f/x", "w").close()
os.symlink("d/e", "link")
os.chmod("d/e/f/x", 0o600)
os.rename("d/e/f/x", "d/y")
sorted(os.listdir("link"))
# %% append over statements
f = open("log.txt", "w")
f.write("one\n")
f.write("two\n")
f.flush()
print(os.path.getsize("log.txt") if "os" in globals() else "no os")
f.close()
open("log.txt", "a").write("three\n")
# %% change directory
import os
os.mkdir("sub")
os.chdir("sub")
open("inside.txt", "w").write("x")
print(os.path.basename(os.getcwd()), os.listdir())
os.chdir("..")
os.listdir("sub")
# %% change directory and stay there
import os
os.makedirs("a/b")
os.chdir("a/b")
open("here", "w").write("1")
# %% remove what was made
import os, shutil
os.mkdir("gone")
open("gone/x", "w").write("1")
shutil.rmtree("gone")
open("keep", "w").write("2")
os.listdir()
# %% pathlib
from pathlib import Path
p = Path("x") / "y.txt"
p.parent.mkdir()
p.write_text("text é", encoding="utf-8")
print(p.read_bytes(), p.suffix, sorted(map(str, Path().rglob("*"))))
# %% csv and json files
import csv, json
with open("t.csv", "w", newline="") as f:
    csv.writer(f).writerows([["a", "b"], [1, 2]])
json.dump({"k": [1, 2]}, open("t.json", "w"))
print(list(csv.DictReader(open("t.csv"))), json.load(open("t.json")))
# %% sqlite in the workspace
import sqlite3
db = sqlite3.connect("x.db")
db.execute("create table t (a, b)")
db.executemany("insert into t values (?, ?)", [(1, "x"), (2, "y")])
db.commit()
print(db.execute("select sum(a), group_concat(b) from t").fetchall())
db.close()
del db
import os; os.remove("x.db")
# %% sqlite in memory over statements
import sqlite3
db = sqlite3.connect(":memory:")
db.execute("create table t (a)")
for i in range(3): db.execute("insert into t values (?)", (i,))
print([row for row in db.execute("select * from t")])
del db
# %% tempfile
import tempfile, os
with tempfile.NamedTemporaryFile("w", delete=False) as f:
    f.write("x")
print(os.path.exists(f.name), os.path.dirname(f.name))
os.unlink(f.name)
del f
# %% zip and gzip
import gzip, io, zipfile
with zipfile.ZipFile("z.zip", "w") as z:
    z.writestr(zipfile.ZipInfo("a.txt"), "inside")
print(zipfile.ZipFile("z.zip").read("a.txt"))
data = gzip.compress(b"x" * 1000, mtime=0)
print(len(gzip.decompress(data)))
del z
# %% environment variables
import os
os.environ["MINE"] = "1"
os.environ.pop("LANG", None)
os.system("echo $MINE")
os.environ["MINE"] += "2"
# %% sys.path
import sys
sys.path.append("/workspace/lib")
sys.path.insert(0, "/first")
sys.path[:2]
# %% umask
import os
old = os.umask(0o077)
open("private", "w").close()
oct(old)
# %% mmap and struct
import mmap, struct
open("m.bin", "wb").write(bytes(16))
with open("m.bin", "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
    m[:4] = struct.pack("<I", 258)
del f, m
print(open("m.bin", "rb").read()[:4])
# %% shelve and pickle files
import pickle
with open("p.pkl", "wb") as f: pickle.dump({"a": (1, 2)}, f)
with open("p.pkl", "rb") as f: back = pickle.load(f)
back
# %% open file left open
f = open("open.txt", "w")
f.write("buffered")
f.flush()
del f
