"""Mutants of the tools that talk to servers."""

from __future__ import annotations

from tests.mutants_mutant import Mutant

_HTTP = "tools/conveyor_tools/http"
_MCP = "tools/conveyor_tools/mcp"
_GUARDED = ("tests/tools/web/test_http_guard.py",)
_WEB = ("tests/tools/web/test_http.py",)
_HOSTILE = ("tests/tools/mcp_client/test_hostile.py",)
_RUNS = ("tests/cli/test_mcp_runs.py",)
_PUBLISHED = ("tests/tools/mcp_client/test_published.py",)

NET = [
    Mutant(
        "http: addresses are checked",
        f"{_HTTP}_network.py",
        " if why_not(it, private=private) is None]",
        "]",
        _GUARDED,
    ),
    Mutant(
        "http: private is for named hosts",
        f"{_HTTP}.py",
        "return self._private and self._hosts.names(",
        "return self._private or self._hosts.names(",
        _GUARDED,
    ),
    Mutant(
        "http: credentials of clouds are never read",
        f"{_HTTP}_address.py",
        "    if address in _METADATA:\n",
        "    if not address:\n",
        _GUARDED,
    ),
    Mutant(
        "http: addresses within addresses are seen",
        f"{_HTTP}_address.py",
        "    if address.ipv4_mapped is not None:\n",
        "    if not address:\n",
        _GUARDED,
    ),
    Mutant(
        "http: a server does not choose the next host",
        f"{_HTTP}_redirect.py",
        "    if hosts.standing(step.url) is Standing.ANY:\n",
        "    if not hosts:\n",
        _GUARDED,
    ),
    Mutant(
        "http: what is sent is not sent on",
        f"{_HTTP}_redirect.py",
        "    if step.method not in _READS or step.body is not None:\n",
        "    if not hosts:\n",
        _WEB,
    ),
    Mutant(
        "http: the model's headers stay at their host",
        f"{_HTTP}_redirect.py",
        "for_another_host(step.headers), None)",
        "step.headers, None)",
        _WEB,
    ),
    Mutant(
        "http: a task's headers stay at their host",
        f"{_HTTP}_request.py",
        " if host.covers(url.scheme, name, port))",
        ")",
        _WEB,
    ),
    Mutant(
        "http: secrets are hidden",
        f"{_HTTP}_request.py",
        "return self._spelled.sub(_HIDDEN, text)",
        "return text",
        _WEB,
    ),
    Mutant(
        "http: bombs are not unpacked",
        f"{_HTTP}_answer.py",
        "unpacker.decompress(packed, limit + 1)",
        "unpacker.decompress(packed)",
        _WEB,
    ),
    Mutant(
        "http: no early connections to hosts that the model chose",
        f"{_HTTP}.py",
        "if self._hosts.standing(url) is Standing.NAMED:\n",
        "if self._hosts.standing(url) is not Standing.NONE:\n",
        _WEB,
    ),
    Mutant(
        "http: the early connection is used",
        f"{_HTTP}_network.py",
        "early = self._early.pop((host, port), None)",
        "early = None",
        _WEB,
    ),
    Mutant(
        "http: a GET that is a DELETE has effects",
        f"{_HTTP}_request.py",
        "    return not any(_OVERRIDES",
        "    return True or any(_OVERRIDES",
        _WEB,
    ),
    Mutant(
        "mcp: a server's children end with it",
        f"{_MCP}_guard.py",
        "    _end_descendants()\n",
        "    _code(child)\n",
        (*_HOSTILE, "-k", "clings"),
    ),
    Mutant(
        "mcp: daemons end with it, too",
        f"{_MCP}_guard.py",
        "    _control(_SUBREAPER, 1)\n",
        "",
        (*_HOSTILE, "-k", "clings"),
    ),
    Mutant(
        "mcp: nothing outlives us",
        f"{_MCP}_guard.py",
        "    poll.register(0, 0) ",
        "    poll.register(woken, 0) ",
        (*_HOSTILE, "-k", "outlives"),
    ),
    Mutant(
        "mcp: a server dies with its guard",
        f"{_MCP}_guard.py",
        "        _control(_PDEATHSIG, signal.SIGKILL)\n",
        "",
        (*_HOSTILE, "-k", "guard"),
    ),
    Mutant(
        "mcp: texts are cleaned",
        f"{_MCP}_tools.py",
        'if char in "\\n\\t" or unicodedata.category(char) not in _INVISIBLE',
        "if char",
        (*_HOSTILE, "-k", "cleaned"),
    ),
    Mutant(
        "mcp: a dead server is started again",
        f"{_MCP}_server.py",
        "if self._connection is not None and self._connection.ended:\n",
        "if self._connection is None:\n",
        (*_HOSTILE, "-k", "next_call"),
    ),
    Mutant(
        "mcp: one that does not answer is not waited for",
        f"{_MCP}_server.py",
        "        if not self._ready.done():  # it has not answered yet, and may never do so\n",
        "        if False:\n",
        (*_HOSTILE, "-k", "never_says_hello"),
    ),
    Mutant(
        "mcp: progress is thinned",
        "tools/conveyor_tools/hearing.py",
        "if self._over or now - self._heard_at < _APART_S or",
        "if self._over or",
        (*_PUBLISHED, "-k", "flood"),
    ),
    Mutant(
        "mcp: pictures are kept only where the task saves files",
        "tools/conveyor_tools/hearing.py",
        "if self._over or not self._kept:",
        "if self._over:",
        (*_PUBLISHED, "-k", "kept_for"),
    ),
    Mutant(
        "mcp: pictures of a call that fails are none",
        "tools/conveyor_tools/host_call.py",
        "if self._outcome.status is Status.OK else ()",
        "",
        (*_RUNS, "-k", "failed_call_made"),
    ),
    Mutant(
        "mcp: pictures of steps are kept",
        "tools/conveyor_tools/plan_run.py",
        "            self._report(file)\n",
        "            pass\n",
        (*_RUNS, "-k", "pictures_of_steps"),
    ),
    Mutant(
        "mcp: a picture is one by its content",
        f"{_MCP}_content.py",
        "if suffix is None:\n",
        'if suffix is None and not (suffix := ".png"):\n',
        (*_PUBLISHED, "-k", "no_picture"),
    ),
    Mutant(
        "mcp: large pictures are not kept",
        f"{_MCP}_content.py",
        "if len(content) > _LARGEST_PICTURE or",
        "if",
        (*_PUBLISHED, "-k", "no_picture"),
    ),
    Mutant(
        "files of calls that do not count are not saved",
        "conveyor_cli/engine/turn.py",
        " and call.counts:",
        ":",
        ("tests/cli/test_mcp_runs.py", "-k", "failed"),
    ),
]
