"""What models and servers write in each dialect. A new dialect joins with a row.

The calls are those that the models' own chat templates write for calls of theirs (Qwen2.5,
Qwen3-Coder, Mistral Nemo, Small 3.2 and Ministral 3, Llama 3.1, functionary 3.1), and variations of
them; Qwen3-Coder's slips are those that its users report of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from conveyor_cli.dialects.base import Dialect
from conveyor_cli.dialects.fences import FenceDialect
from conveyor_cli.dialects.hermes import HermesDialect
from conveyor_cli.dialects.llama import LlamaDialect
from conveyor_cli.dialects.mistral import MistralDialect
from conveyor_cli.dialects.native import NativeDialect
from conveyor_cli.dialects.plan import PlanDialect
from conveyor_cli.dialects.qwen3_coder import Qwen3CoderDialect
from tests.cli.dialects.calls import ARGUMENTS, Part

CODE = 'x = "é </tool_call> [TOOL_CALLS] ]"\nprint(x)'
ARGS = r'{"code": "x = \"é </tool_call> [TOOL_CALLS] ]\"\nprint(x)"}'
LS = '{"command": "ls"}'
ID = ', "id": "t0001c000"'
RAN = ("python", CODE, "closed")
LISTED = ("shell", "ls", "closed")
QUERY = r'{"query": "}é\n",  "limit": [1]}'
SOUGHT = ("search", QUERY, "closed")


@dataclass(frozen=True)
class Example:
    """A response, and what is in it if the model ended it itself."""

    parts: list[Part]
    prose: str
    calls: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Format:
    """A dialect, its examples, and pieces of which mixtures of sense and nonsense are made."""

    make: Callable[[], Dialect]
    examples: dict[str, Example]
    fragments: tuple[str, ...]


def example(text: str, prose: str, *calls: tuple[str, str, str]) -> Example:
    return Example([text], prose, list(calls))


def obj(name: str, arguments: str, key: str = "arguments", more: str = "") -> str:
    return f'{{"name": "{name}", "{key}": {arguments}{more}}}'


ANSWER = "It is < 5 [or {so}]; see `x`: <b>no</b> [TOOL_CALL] <|python <functions <tool_calls>.\n"

FENCES = {
    "answer": example(ANSWER + "```text\nx\n```\n", ANSWER + "```text\nx\n```\n"),
    "call": example(
        f"Now:\n\n```python\n{CODE}\n```\n", "Now:\n\n", ("python", f"{CODE}\n", "closed")
    ),
    "in a string": example(
        "```sh\ns = '''\n```\n'''\n```\nmore", "", ("shell", "s = '''\n```\n'''\n", "closed")
    ),
    "unclosed string": example("~~~py\ns = '''\n~~~\nx", "", ("python", "s = '''\n", "closed")),
    "no end": example("```python\nx = 1", "", ("python", "x = 1", "closed")),
    "in a list": example(
        "1. ```python\n   x = 1\n     y\n   z = 2\n   ```\n",
        "",
        ("python", "x = 1\n  y\nz = 2\n", "closed"),
    ),
    "reasoning": example("<think>\n```python\nno\n```\n</think>\nYes.", "\nYes."),
}

PLAN = {
    "answer": example(f">>> {ANSWER}<<<\n", f">>> {ANSWER}<<<\n"),
    "call": example(f"Now:\n>>>\n{CODE}\n<<<\n", "Now:\n", ("python", f"{CODE}\n", "closed")),
    "fenced": example(f"```python\n{CODE}\n```\n", "", ("python", f"{CODE}\n", "closed")),
    "in a string": example(
        "- >>>\n>>>\ns = '''\n<<<\n'''\n<<< \nmore",
        "- >>>\n",
        ("python", "s = '''\n<<<\n'''\n", "closed"),
    ),
    "unclosed string": example(
        "  >>>\n  s = '''\n  <<<\n  x", "", ("python", "s = '''\n", "closed")
    ),
    "no end": example(">>>\nx = 1", "", ("python", "x = 1", "closed")),
    "reasoning": example("<think>\n>>>\nno\n<<<\n</think>\nYes.", "\nYes."),
}

HERMES = {
    "answer": example(ANSWER, ANSWER),
    "two": example(
        f"Let me see.\n\n<tool_call>\n{obj('python', ARGS)}\n</tool_call>\n"
        f"<tool_call>\n{obj('shell', LS)}\n</tool_call>",
        "Let me see.\n\n\n", RAN, LISTED,
    ),
    "reasoning": example(
        f"<think>\n<tool_call>{{}}\n</think>\n\n<tool_call>\n{obj('python', ARGS)}\n</tool_call>",
        "\n\n", RAN,
    ),
    "name last": example(
        f'<tool_call>\n{{"arguments": {ARGS}, "name": "python"}}\n</tool_call>', "", RAN
    ),
    "all arguments": example(
        f"<tool_call>{obj('search', QUERY)}</tool_call><tool_call>\n"
        f'{{"arguments": {QUERY}, "name": "search"}}</tool_call>',
        "", SOUGHT, SOUGHT,
    ),
    "no brace": example(
        f"<tool_call>\n{obj('python', ARGS)[:-1]}\n</tool_call>", "", (*RAN[:2], "arguments")
    ),
    "truncated": example(
        r'<tool_call>{"name": "python", "arguments": {"code": "a\nb\u00', "",
        ("python", "a\nb", "arguments"),
    ),
}  # fmt: skip

TEXT = {"type": "string"}
SCHEMAS = {
    "python": {"type": "object", "properties": {"code": TEXT}},
    "shell": {"type": "object", "properties": {"command": TEXT}},
    "search": {
        "type": "object",
        "properties": {
            "query": TEXT,
            "limit": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]},
            "exact": {"type": "boolean"},
            "where": {"type": ["string", "null"]},
            "any": {},
        },
        "$defs": {"n": {"type": "array", "items": {"type": "integer"}}},
    },
}
XML_CODE = """s = '''
</parameter>
</function>'''
if 1 </parameter_ or s</p: print("</parameter>")

"""


def tagged(name: str, wrapped: str = "<tool_call>\n%s\n</tool_call>", **parameters: str) -> str:
    """A call as Qwen3-Coder's chat template writes it."""
    inside = "".join(f"<parameter={k}>\n{v}\n</parameter>\n" for k, v in parameters.items())
    return wrapped % f"<function={name}>\n{inside}</function>"


def sought(json: str, how: str = "closed") -> tuple[str, str, str]:
    return ("search", json, how)


QWEN3_CODER = {
    "answer": example(
        ANSWER + "<function=rm> </tool_call> <function=shell> so", ANSWER
        + "<function=rm> </tool_call> <function=shell> so",
    ),
    "two": example(
        f"Let me see.\n\n{tagged('python', code=CODE)}\n{tagged('shell', command='ls')}",
        "Let me see.\n\n\n", RAN, LISTED,
    ),
    "reasoning": example(
        f"<think>\n{tagged('shell', command='no')}\n</think>\n\n{tagged('python', code=CODE)}",
        "\n\n", RAN,
    ),
    "without newlines": example(
        "<tool_call><function=shell><parameter=command>ls</parameter></function></tool_call>", "",
        LISTED,
    ),
    "newlines of the value": example(
        tagged("shell", command="\n ls\n\n") + " more", " more", ("shell", "\n ls\n\n", "closed")
    ),
    "values by their types": example(
        tagged("search", query='5 "é"\n\t', limit="[1,\n 2]", exact="True"), "",
        sought('{"query": "5 \\"é\\"\\n\\t", "limit": [1,\n 2], "exact": true}'),
    ),
    "texts that may be null": example(
        tagged("search", where="None") + tagged("search", where="no", any="-1.5e3"), "",
        sought('{"where": null}'), sought('{"where": "no", "any": -1.5e3}'),
    ),
    "values of no type": example(
        tagged("search", limit='[1], "any": 2', exact="yes", more="[2]"), "",
        sought(r'{"limit": "[1], \"any\": 2", "exact": "yes", "more": [2]}'),
    ),
    "nothing in it": example(tagged("search", query=""), "", sought('{"query": ""}')),
    "no arguments": example(tagged("search"), "", sought("{}")),
    "again": example(
        tagged("python", code="1\n</parameter>\n<parameter=code>\n2"), "",
        ("python", "1", "arguments"),
    ),
    "no opening tag": example(
        f"Now\n\n{tagged('python', '%s', code=CODE)}\n</tool_call>", "Now\n\n", RAN
    ),
    "two behind one tag": example(
        f"<tool_call>{tagged('shell', '%s', command='ls')}{tagged('shell', '%s', command='ls')}"
        "</tool_call>",
        "", LISTED, LISTED,
    ),
    "only its name": example("<function=shell>\n<b>", "<function=shell>\n<b>"),
    "no end of a parameter": example(
        "<tool_call>\n<function=search>\n<parameter=query>\na\n<parameter=any>\nb\n</function>\n"
        "</tool_call>",
        "", sought('{"query": "a", "any": "b"}'),
    ),
    "no end of the function": example(
        "<tool_call><function=search><parameter=query>a</parameter></tool_call>!", "!",
        sought('{"query": "a"}'),
    ),
    "no end": example(
        "<tool_call>\n<function=search>\n<parameter=query>\na\n</parameter>\n", "",
        sought('{"query": "a"}'),
    ),
    "no bracket": example(
        "<tool_call>\n<function=search>\n<parameter=query\na\n</parameter>\n</function>", "",
        sought('{"query": "a"}'),
    ),
    "tags in code": example(tagged("python", code=XML_CODE), "", ("python", XML_CODE, "closed")),
    "tags in a text": example(
        tagged("search", query=tagged("shell", command="ls")), "",
        sought(json.dumps({"query": tagged("shell", command="ls")})),
    ),
    "half a tag in a text": example(
        tagged("search", query="<parameter=a></parameter> </parameter\n</function></param"), "",
        sought(r'{"query": "<parameter=a></parameter> </parameter\n</function></param"}'),
    ),
    "unclosed string": example(
        f"{tagged('python', code=chr(34) * 3)}\n{tagged('shell', command='ls')}", "",
        ("python", chr(34) * 3, "closed"),
    ),
    "unknown": example(tagged("rm", command="ls"), "", ("rm", "", "unknown_tool")),
    "no parameter": example(tagged("shell", other="ls"), "", ("shell", "", "arguments")),
    "another parameter, too": example(tagged("shell", other="a", command="ls"), "", LISTED),
    "code without a tag": example(
        "<tool_call>\n<function=shell>\nls\n</function>", "", ("shell", "", "arguments")
    ),
    "JSON": example(
        f"<tool_call>\n{obj('shell', LS)}\n</tool_call>", "", ("", "", "arguments")
    ),
    "no name": example("<tool_call><function= ></function>", "", ("", "", "arguments")),
    "nothing": example("<tool_call>\n", "", ("", "", "arguments")),
    "words between": example(
        "<function=search><parameter=query>a</parameter></function> <function=search>\n"
        "<parameter=query>a</parameter></tool_call>",
        " ", sought('{"query": "a"}'), sought('{"query": "a"}'),
    ),
    "truncated": example(
        "<tool_call>\n<function=python>\n<parameter=code>\na\nb\n</para", "",
        ("python", "a\nb\n</para", "arguments"),
    ),
    "truncated before": example(
        "<tool_call>\n<function=python>\n<parameter=co", "", ("python", "", "arguments")
    ),
}  # fmt: skip

MISTRAL = {
    "answer": example(ANSWER, ANSWER),
    "array": example(
        f"[TOOL_CALLS] [{obj('python', ARGS)}, {obj('shell', LS)}]", "", RAN, LISTED
    ),
    "array with ids": example(
        f"[TOOL_CALLS][{obj('python', ARGS, more=ID)}]", "", RAN
    ),
    "one object": example(f"Now[TOOL_CALLS]{obj('shell', LS)}", "Now", LISTED),
    "by name": example(
        f"Now[TOOL_CALLS]python[ARGS]{ARGS}[TOOL_CALLS]shell[ARGS]{LS}", "Now", RAN, LISTED
    ),
    "by name with ids": example(
        f"[TOOL_CALLS]python[CALL_ID]t0001c000[ARGS]{ARGS}[TOOL_CALLS]shell[CALL_ID]t0001c001[ARGS]{LS}",
        "", RAN, LISTED,
    ),
    "all arguments": example(f"[TOOL_CALLS]search[ARGS]{QUERY}", "", SOUGHT),
    "all arguments in an array": example(
        f"[TOOL_CALLS][{obj('search', QUERY)}, {obj('search', '{')}", "", SOUGHT,
        ("search", "{}", "arguments"),
    ),
    "without its marks": example(f"[TOOL_CALLS]shell{LS}", "", LISTED),
    "reasoning": example(
        f"[THINK]I call [TOOL_CALLS] it[/THINK]Now[TOOL_CALLS]shell[ARGS]{LS}", "Now", LISTED
    ),
    "unknown": example(
        f"[TOOL_CALLS]rm[ARGS]{LS}[TOOL_CALLS]shell[ARGS]{LS}", "", ("rm", "", "unknown_tool")
    ),
    "unknown in an array": example(
        f"[TOOL_CALLS][{obj('rm', LS)}, {obj('shell', LS)}]", "", ("r", "", "unknown_tool")
    ),
    "again": example(
        '[TOOL_CALLS]shell[ARGS]{"command": "a", "command": "b"}', "",
        ("shell", "a", "withdrawn"), ("shell", "b", "closed"),
    ),
    "no comma": example(
        f"[TOOL_CALLS][{obj('shell', LS)} {obj('shell', LS)}]", "", LISTED, ("", "", "arguments")
    ),
    "comma at the end": example(
        f"[TOOL_CALLS][{obj('shell', LS)}, ]", "", LISTED, ("", "", "arguments")
    ),
    "nothing": example("[TOOL_CALLS]", "", ("", "", "arguments")),
    "no name": example("[TOOL_CALLS] call [it] {", "", ("", "", "arguments")),
    "no arguments": example(f"[TOOL_CALLS]shell{'x' * 300}", "", ("", "", "arguments")),
    "truncated": example(
        r'[TOOL_CALLS]python[ARGS]{"code": "a\nb\u00', "", ("python", "a\nb", "arguments")
    ),
    "no end of the array": example(f"[TOOL_CALLS][{obj('shell', LS)}", "", LISTED),
}  # fmt: skip

LLAMA = {
    "answer": example(ANSWER, ANSWER),
    "an answer in JSON": example('{"name": "Ada", "age": 36}\n', '{"name": "Ada", "age": 36}\n'),
    "a set": example("{1, 2} is a set", "{1, 2} is a set"),
    "bare": example(obj("python", ARGS, "parameters"), "", RAN),
    "after blanks": example("\n\n" + obj("python", ARGS, "parameters"), "\n\n", RAN),
    "typed": example(
        f'{{"type": "function", "name": "python", "parameters": {ARGS}}}', "", RAN
    ),
    "behind the tag": example(f"<|python_tag|>{obj('python', ARGS, 'parameters')}", "", RAN),
    "several": example(
        f"<|python_tag|>{obj('python', ARGS, 'parameters')}; {obj('shell', LS, 'parameters')}",
        "", RAN, LISTED,
    ),
    "arguments": example(obj("shell", LS) + ";" + obj("shell", LS), "", LISTED, LISTED),
    "all arguments": example(
        f"{obj('search', QUERY, 'parameters')};{obj('search', QUERY, 'parameters')}",
        "", SOUGHT, SOUGHT,
    ),
    "all arguments of a function": example(f"<function=search>{QUERY}</function>", "", SOUGHT),
    "code": example(f"Now\n<|python_tag|>{CODE}", "Now\n", RAN),
    "function": example(f"<function=python>{ARGS}</function>", "", RAN),
    "functions": example(
        f"Now <function=python>{ARGS}</function>\n<function=shell>{LS}</function>",
        "Now \n", RAN, LISTED,
    ),
    "words behind": example(obj("shell", LS, "parameters") + "; done", "; done", LISTED),
    "unknown": example(obj("rm", LS, "parameters"), "", ("r", "", "unknown_tool")),
    "unknown function": example(f"<function=rm>{LS}</function>", "", ("rm", "", "unknown_tool")),
    "no function": example("<function=rm -rf>", "", ("", "", "arguments")),
    "name last": example(
        f'<|python_tag|>{{"parameters": {ARGS}, "name": "python"}}', "", RAN
    ),
    "truncated": example(
        r'{"name": "python", "parameters": {"code": "a\nb\u00', "", ("python", "a\nb", "arguments")
    ),
    "truncated before": example('{"name": "python", "para', '{"name": "python", "para'),
    "truncated behind the tag": example('<|python_tag|>{"name": "pyt', "", ("", "", "arguments")),
    "nested": example(
        '{"name": "shell", "parameters": {"a": [{"command": 1}], "command": "ls"}}', "", LISTED
    ),
}  # fmt: skip

NATIVE = {
    "answer": example(ANSWER, ANSWER),
    "reasoning": example("<think>\nno\n</think>\n\nYes.", "\n\nYes."),
    "one": Example(["Now", (0, ARGS)], "Now", [RAN]),
    "two": Example([(0, ARGS), (1, LS)], "", [RAN, LISTED]),
    "interleaved": Example(
        [(0, ARGS[:12]), (1, LS[:14]), (0, ARGS[12:]), "so", (1, LS[14:])], "so", [RAN, LISTED]
    ),
    "all arguments": Example([(2, QUERY[:5]), (0, ARGS), (2, QUERY[5:])], "", [SOUGHT, RAN]),
    "the second first": Example([(0, ARGS[:12]), (1, LS), (0, ARGS[12:])], "", [RAN, LISTED]),
    "invalid behind an open one": Example(
        [(0, ARGS[:12]), (1, "[]"), (0, ARGS[12:])], "", [RAN, ("shell", "", "arguments")]
    ),
    "both invalid": Example(
        [(0, ARGS[:14]), (1, "[]"), (0, '"]')], "", [("python", "x = ", "arguments")]
    ),
    "again": Example(
        [(1, '{"command": "a", "command": "b"}')], "",
        [("shell", "a", "withdrawn"), ("shell", "b", "closed")],
    ),
    "no arguments": Example([(1, "")], "", [("shell", "", "arguments")]),
    "more behind": Example([(1, LS + " {}")], "", [LISTED]),
    "truncated": Example([(0, r'{"code": "a\nb\u00')], "", [("python", "a\nb", "arguments")]),
}  # fmt: skip

_PARTS = (
    '{"name": "shell", ',
    '"arguments": {',
    '"parameters": {',
    '"command": "ls',
    '"}}',
    '"',
    "}",
)
_CHARS = (
    "\n",
    "\\",
    ",",
    "[",
    "]",
    "{",
    ":",
    "a",
    " ",
    "<",
    ";",
    "\\ud83d",
    "\\ude00",
    LS,
    "python",
)

FORMATS = {
    "fences": Format(
        lambda: FenceDialect({"python": "python", "py": "python", "sh": "shell"}, None),
        FENCES,
        ("```", "```python\n", "~~~sh\n", "'''", "<think>", "</think>", *_CHARS),
    ),
    "plan": Format(
        lambda: PlanDialect({"python": "python", "sh": "shell"}, None, (), "python"),
        PLAN,
        (">>>", ">>>\n", "<<<", "<<<\n", "```sh\n", "```", "'''", "<think>", "</think>", *_CHARS),
    ),
    "hermes": Format(
        lambda: HermesDialect(ARGUMENTS),
        HERMES,
        ("<tool_call>", "</tool_call>", "<think>", "</think>", *_PARTS, *_CHARS),
    ),
    "qwen3-coder": Format(
        lambda: Qwen3CoderDialect(ARGUMENTS, SCHEMAS),
        QWEN3_CODER,
        (
            "<tool_call>",
            "</tool_call>",
            "<function=shell>",
            "<function=search>",
            "</function>",
            "<parameter=command>",
            "<parameter=query>",
            "</parameter>",
            "</param",
            '"""',
            "<think>",
            "</think>",
            *_CHARS,
        ),
    ),
    "mistral": Format(
        lambda: MistralDialect(ARGUMENTS),
        MISTRAL,
        ("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]", *_PARTS, *_CHARS),
    ),
    "llama": Format(
        lambda: LlamaDialect(ARGUMENTS),
        LLAMA,
        ("<|python_tag|>", "<function=", "shell>", "</function>", "<think>", *_PARTS, *_CHARS),
    ),
    "native": Format(
        lambda: NativeDialect(ARGUMENTS), NATIVE, ("<think>", "</think>", *_PARTS, *_CHARS)
    ),
}
