"""Where the `http` tool goes after a redirect, and where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from conveyor_tools.errors import ToolError
from conveyor_tools.http_hosts import Hosts, Standing, port_of, shown_host
from conveyor_tools.http_request import Body, for_another_host

_MOVED, _FOUND, _SEE_OTHER = 301, 302, 303
_REDIRECTS = (_MOVED, _FOUND, _SEE_OTHER, 307, 308)
_READS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Step:
    """A request to be sent. `headers` are the model's."""

    url: httpx.URL
    method: str
    headers: Mapping[str, str]
    body: Body


@dataclass(frozen=True, slots=True)
class Stay:
    """The redirect is the answer: it is not followed, and why."""

    reason: str


def after(step: Step, response: httpx.Response, hosts: Hosts) -> Step | Stay | None:
    """What comes after an answer: another step if it is a redirect that may be followed.

    Elsewhere than to the same host, only reads are sent on, and only to hosts that the task names:
    a server must not choose where a model's request goes.
    """
    location = response.headers.get("location")
    if response.status_code not in _REDIRECTS or location is None:
        return None
    try:
        target = hosts.checked(step.url.join(location))
    except (ToolError, httpx.InvalidURL, ValueError) as error:
        return Stay(str(error)[:300])
    if step.url.scheme == "https" and target.scheme != "https":
        return Stay("it leads from https to http")
    method = _method(step.method, response.status_code)
    body = step.body if method == step.method else None
    if _origin(target) == _origin(step.url):
        return Step(target, method, step.headers, body)
    return _elsewhere(Step(target, method, step.headers, body), hosts)


def _elsewhere(step: Step, hosts: Hosts) -> Step | Stay:
    """The step as it may be sent to another host."""
    if hosts.standing(step.url) is Standing.ANY:
        return Stay(f"the task does not name {shown_host(step.url)}")
    if step.method not in _READS or step.body is not None:
        return Stay(f"a {step.method} is not sent on to another host")
    return Step(step.url, step.method, for_another_host(step.headers), None)


def _method(method: str, status: int) -> str:
    """As browsers do."""
    if status == _SEE_OTHER:
        return method if method == "HEAD" else "GET"
    return "GET" if status in (_MOVED, _FOUND) and method == "POST" else method


def _origin(url: httpx.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, port_of(url)
