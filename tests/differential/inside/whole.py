"""The oracle: one program, compiled and executed whole, in a plain interpreter.

Knows nothing of units, splitters or our guest. `driver.py` executes it in an interpreter of its
own; the file that `sys.argv[1]` names holds the program, and says where to write what came of it.
Standard output is line buffered, as on a terminal.
"""

import ast
import json
import linecache
import os
import re
import sys
import traceback
import types
import warnings  # noqa: F401 - a warning of the compiler then shows its line, as in a script

NAME = "<program>"
PID = os.getpid()
VALUE = "__value_of_the_last_expression__"

with open(sys.argv[1]) as file:
    JOB = json.load(file)
SCRIPT = os.getcwd() + "/__main__.py"
sys.argv[:] = [SCRIPT]
sys.path[0] = os.getcwd()
sys.stdout.reconfigure(encoding="utf-8", errors="strict", line_buffering=True)
sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
MAIN = types.ModuleType("__main__")
MAIN.__dict__["__builtins__"] = sys.modules["builtins"]
MAIN.__dict__["__file__"] = SCRIPT
if sys.version_info < (3, 14):
    MAIN.__annotations__ = {}  # as `python3` itself does
sys.modules["__main__"] = MAIN
exec(compile(JOB["observer"], "<observer>", "exec"), {"__name__": "observer"})
with open(JOB["report"], "w") as file:
    os.dup2(file.fileno(), 600)
observe, leave, encode, write = sys._observe, os._exit, json.JSONEncoder().encode, os.write


def compile_whole(source):
    """The program as one code object, in which the last expression's value is assigned."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if JOB["awaits"] else 0
    tree = compile(source, NAME, "exec", ast.PyCF_ONLY_AST | flags, dont_inherit=True)
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = tree.body[-1]
        shown = ast.Assign([ast.Name(VALUE, ast.Store())], last.value)
        docstring = len(tree.body) == 1 and isinstance(getattr(last.value, "value", None), str)
        tree.body[len(tree.body) if docstring else -1 :] = [ast.copy_location(shown, last)]
    return compile(ast.fix_missing_locations(tree), NAME, "exec", flags, dont_inherit=True)


def execute(code):
    if not JOB["awaits"]:
        exec(code, MAIN.__dict__)
        return
    from asyncio import run  # noqa: PLC0415 - slow to import

    run(execute_in_loop(code))


async def execute_in_loop(code):
    result = eval(code, MAIN.__dict__)
    if isinstance(result, types.CoroutineType):
        await result


def describe(problem):
    trace = problem.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != NAME:
        trace = trace.tb_next
    try:
        message = str(problem)
    except BaseException:
        message = "<not printable>"
    if isinstance(problem, SyntaxError) and problem.text is None and problem.lineno:
        problem.text = re.split("\r\n|\r|\n", JOB["source"])[problem.lineno - 1]  # as of a file
    printed = "".join(traceback.format_exception(type(problem), problem, trace))
    if isinstance(problem, SystemExit):
        if problem.code is None or problem.code == 0:
            return None
        printed = "" if isinstance(problem.code, int) else message + "\n"
    return {"type": type(problem).__qualname__, "message": message, "traceback": printed}


def main():
    source = JOB["source"]
    lines = [line + "\n" for line in re.split("\r\n|\r|\n", source)]
    for name in (NAME, SCRIPT):  # `inspect` looks for classes in the module's file
        linecache.cache[name] = (len(lines), None, lines, name)
    report = {"error": None, "result": None, "invalid": False}
    try:
        code = compile_whole(source)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as problem:
        report["invalid"] = True
        report["error"] = describe(problem)
    else:
        try:
            execute(code)
            value = MAIN.__dict__.pop(VALUE, None)
            report["result"] = None if value is None else repr(value)
        except BaseException as problem:
            report["error"] = describe(problem)
    if os.getpid() != PID:
        os._exit(1 if report["error"] else 0)  # a child that the program forked
    write(600, encode(report).encode() + b"\n")
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except BaseException:
            pass
    try:
        observe(lambda _fd, octets: write(600, octets))
    finally:
        leave(0)


main()
