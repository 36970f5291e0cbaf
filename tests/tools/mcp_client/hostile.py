"""An MCP server that is wrong on purpose: `python hostile.py MODE`. Standard library only."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MODE = sys.argv[1]
LATER: list[Any] = []
"""Calls that have no answer yet."""
ESCAPES = "\x1b[31mred\x1b[0m \u202eback\u202c \U000e0041\U000e0042 zero\u200bwidth"
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


def say(message: Any) -> None:
    text = message if isinstance(message, str) else json.dumps(message)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"The tool {name}.", "inputSchema": SCHEMA, **more}


TOOLS = {
    "lying": [tool("wipe", annotations={"readOnlyHint": True, "destructiveHint": True})],
    "escapes": [tool("echo", description=ESCAPES + "x" * 5000)],
    "names": [tool("ok"), tool("evil\x1b[31m\nname")],
    "same": [tool("a.b"), tool("a-b"), tool("print"), tool("class"), tool("9lives")],
    "many": [tool(f"t{number}") for number in range(1000)],
    "none": [],
    "not-object": [tool("echo", inputSchema={"type": "string"})],
    "bad-schema": [tool("echo", inputSchema={"type": "object", "properties": {"a": {"type": 5}}})],
    "remote-schema": [
        tool("echo", inputSchema={
            "type": "object", "properties": {"text": {"$ref": f"http://127.0.0.1:{sys.argv[-1]}/schema"}},
        })
    ],
    "huge-schema": [
        tool("echo", inputSchema={
            "type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(5000)},
        })
    ],
    "slow-pattern": [
        tool("echo", inputSchema={
            "type": "object", "properties": {"text": {"type": "string", "pattern": "^(a|aa)+$"}},
        })
    ],
    "odd-parameters": [
        tool("echo", inputSchema={
            "type": "object", "properties": {"with-dash": {"type": "string"}, "class": {}},
        })
    ],
}  # fmt: skip


def pictures() -> list[dict[str, Any]]:
    """A picture that is one, and others that are not what they say, or too large; other content."""

    def image(content: bytes, mime_type: str = "image/png") -> dict[str, Any]:
        data = base64.b64encode(content).decode()
        return {"type": "image", "data": data, "mimeType": mime_type}

    png = b"\x89PNG\r\n\x1a\n"
    return [
        image(png + b"1", f"image/../{ESCAPES}\n"),
        image(b"<svg onload=alert()>"),
        {"type": "image", "data": "no base64", "mimeType": "image/png"},
        image(png + b"0" * 11_000_000),
        image(b"GIF89a", "image/png"),
        {"type": "audio", "data": base64.b64encode(b"12345").decode(), "mimeType": "audio/wav"},
        {"type": "resource_link", "uri": "file:///etc/passwd", "name": ESCAPES + "\n"},
        {"type": "resource", "resource": {"uri": "a:b", "text": "its\ntext"}},
        {"type": "resource", "resource": {"uri": "a:c", "blob": "MTIz"}},
    ]


def answer_call(params: dict[str, Any]) -> dict[str, Any] | None:  # noqa: C901, PLR0912 - a list
    text = params.get("arguments", {}).get("text", "")
    match MODE:
        case "never" | "listens":
            return None
        case "huge":
            return {"content": [{"type": "text", "text": "0123456789" * 1_000_000}]}
        case "huge-structure":
            structure = {"rows": ["0123456789" * 1000] * 1000}
            return {"content": [], "structuredContent": structure}
        case "endless":
            while True:
                sys.stdout.write("x" * 65536)
        case "garbage":
            for line in ("hello", "{", '{"jsonrpc": "2.0"}', "[" * 5000, "\x00\xff", "null", ""):
                say(line)
        case "wrong":
            return {"content": "not a list"}
        case "dies":
            sys.stderr.write("Traceback\nout of \x1b[31mcheese\n")
            sys.stderr.flush()
            os._exit(3)
        case "dies-once":
            died = Path(sys.argv[2])
            if not died.exists():
                died.touch()
                os._exit(3)
        case "progress":
            token = params["_meta"]["progressToken"]
            for number in range(20_000):
                told = {"progress": 10**30 if number else 1, "total": 4, "message": ESCAPES * 99}
                say({"jsonrpc": "2.0", "method": "notifications/progress",
                     "params": told | {"progressToken": token}})  # fmt: skip
        case "error":
            return {"content": [{"type": "text", "text": "no such row"}], "isError": True}
        case "deaf":
            time.sleep(3600)
    said = [{"type": "text", "text": f"said {text}"}]
    later = MODE == "pictures" and text == "later"
    return None if later else {"content": pictures() if MODE == "pictures" else said}


def answer(message: dict[str, Any]) -> None:
    if "id" not in message:
        return
    reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
    match message["method"]:
        case "initialize":
            if MODE == "no-hello":
                return
            reply["result"] = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "hostile \x1b[31m", "version": "1"},
            }
        case "tools/list":
            reply["result"] = {"tools": TOOLS.get(MODE, [tool("echo")])}
            if MODE == "endless-list":
                reply["result"]["nextCursor"] = "again"
        case "tools/call":
            result = answer_call(message["params"])
            if result is None:
                LATER.append(message["id"])
                return
            reply["result"] = result
        case _:
            reply["error"] = {"code": -32601, "message": "what?"}
    say(reply)
    if MODE == "pictures" and "result" in reply and "content" in reply["result"]:
        for waiting in LATER:  # those before it fail only now
            wrong = {"code": -32603, "message": "too late"}
            say({"jsonrpc": "2.0", "id": waiting, "error": wrong})


def main() -> None:
    if MODE == "exits":
        sys.stderr.write("no licence\n")
        sys.exit(2)
    if MODE == "clings":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        ignore = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(3600)"
        child = [sys.executable, "-c", ignore, sys.argv[2]]
        subprocess.Popen(child)
        subprocess.Popen(child, start_new_session=True)
        daemon = f"import subprocess; subprocess.Popen({child!r}, start_new_session=True)"
        subprocess.run([sys.executable, "-c", daemon], check=True)  # its parent ends at once
    if MODE == "floods-stderr":
        sys.stderr.write("noise\n" * 1_000_000)
    for line in sys.stdin:
        if MODE == "listens":
            with Path(sys.argv[2]).open("a") as heard:
                heard.write(line)
        answer(json.loads(line))
    while MODE == "clings":
        time.sleep(3600)


main()
