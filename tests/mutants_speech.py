"""Mutants of how models and servers write calls."""

from __future__ import annotations

from tests.mutants_mutant import Mutant

_DIALECTS = "conveyor_cli/dialects"
_BACKENDS = "conveyor_cli/backends"
_EVERY = "tests/cli/dialects/test_every_dialect.py"
_SPLITS = (_EVERY, "-k", "every_split and (llama or mistral)")
_FOUND = (_EVERY, "-k", "found and native")
_SHOWN = ("tests/cli/views/test_panes_dialects.py",)
_TAGGED = (_EVERY, "-k", "found and qwen3")
_SERVERS = ("tests/cli/backends/test_openai.py",)

SPEECH = [
    Mutant(
        "dialects: the end of reasoning may come in pieces",
        f"{_DIALECTS}/marked.py",
        "self._hold(text, pos, self._settled(text, pos, (self._thought,)))",
        "self._hold(text, pos, len(text))",
        _SPLITS,
    ),
    Mutant(
        "dialects: a mark may come in pieces",
        f"{_DIALECTS}/marked.py",
        "end = tag.start() if tag else self._settled(text, pos, self._tags)",
        "end = tag.start() if tag else len(text)",
        _SPLITS,
    ),
    Mutant(
        "llama: an object is judged when enough of it is there",
        f"{_DIALECTS}/llama.py",
        "        elif found.partial:\n            self._held = text[pos:]\n"
        "        else:\n            yield from self._begin_object(found[1], text, pos)",
        "        elif found.partial:\n            self._step = self._outside\n"
        "        else:\n            yield from self._begin_object(found[1], text, pos)",
        _SPLITS,
    ),
    Mutant(
        "mistral: a name may come in pieces",
        f"{_DIALECTS}/mistral.py",
        "if brace < 0 and len(text) - pos < _LONGEST_HEAD:",
        "if False:",
        _SPLITS,
    ),
    Mutant(
        "qwen3-coder: a tag in a value ends it only where another one follows",
        f"{_DIALECTS}/tagged_end.py",
        "(</parameter>)~(?:<parameter=|</function>|</tool_call>)|",
        "(</parameter>)|",
        _TAGGED,
    ),
    Mutant(
        "qwen3-coder: what is to run is shown where it stands",
        f"{_DIALECTS}/tagged_call.py",
        "return self._place(response, length)[0]",
        "return self.start + length",
        _SHOWN,
    ),
    Mutant(
        "fences: what is to run is shown where it stands",
        f"{_DIALECTS}/fences.py",
        "self._kept(length)[0] if self._margin else self._start + length",
        "self._start + length",
        _SHOWN,
    ),
    Mutant(
        "qwen3-coder: a tag inside a string of code is code",
        f"{_DIALECTS}/qwen3_coder.py",
        "if not self._check.may_end():",
        "if False:",
        _TAGGED,
    ),
    Mutant(
        "qwen3-coder: a call inside a value does not end it",
        f"{_DIALECTS}/tagged_end.py",
        "self._depth += 1",
        "self._depth += 0",
        _TAGGED,
    ),
    Mutant(
        "qwen3-coder: what may become a tag waits",
        f"{_DIALECTS}/tagged_end.py",
        "if any(it is not None and it.partial for it in found):",
        "if False:",
        ("tests/cli/dialects/test_every_dialect.py", "-k", "beginning and qwen3"),
    ),
    Mutant(
        "native: an invalid call waits for those before it",
        f"{_DIALECTS}/native.py",
        "if all(it.over and it.invalid is None for it in before):",
        "if True:",
        _FOUND,
    ),
    Mutant(
        "native: which call goes on is said",
        f"{_DIALECTS}/native.py",
        "            yield Resumed(call.place)",
        "            pass",
        _FOUND,
    ),
    Mutant(
        "openai: the key is in no message",
        f"{_BACKENDS}/chat_server.py",
        'text = text.replace(self._key, "…")',
        "pass",
        _SERVERS,
    ),
    Mutant(
        "openai: a stream that drops is cut off",
        f"{_BACKENDS}/chat_stream.py",
        "if self.done else Finish.DROPPED",
        "if self.done else Finish.EOS",
        _SERVERS,
    ),
    Mutant(
        "openai: another id is another call",
        f"{_BACKENDS}/chat_stream.py",
        "(name and id_ and id_ != call.id)",
        "False",
        _SERVERS,
    ),
    Mutant(
        "openai: tokens that no chunk counted",
        f"{_BACKENDS}/chat_stream.py",
        "self._usage - self._counted - len(deltas), at",
        "self._usage, at",
        _SERVERS,
    ),
    Mutant(
        "openai: who knows no tools is told none",
        f"{_BACKENDS}/chat_request.py",
        "messages = with_users_for_tools(messages)",
        "pass",
        _SERVERS,
    ),
]
