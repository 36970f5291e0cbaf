"""The supervisor's wait for descriptors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

import pytest

from conveyor_sandbox.guest.polling import Poller


@pytest.fixture
def pipes() -> Iterator[list[int]]:
    """Three that can be read from."""
    opened = [os.pipe() for _ in range(3)]
    for _, write in opened:
        os.write(write, b"x")
    yield [read for read, _ in opened]
    for end in (end for ends in opened for end in ends):
        os.close(end)


def test_what_is_to_come_last_does(pipes: list[int]) -> None:
    """As what code writes comes after the word that it began, whichever is found first."""
    for last in pipes:
        poller = Poller()
        heard: list[int] = []
        for fd in pipes:
            poller.watch(fd, partial(heard.append, fd), last=fd == last)
        poller.wait(0)
        assert sorted(heard) == sorted(pipes)
        assert heard[-1] == last


def test_a_number_that_is_used_again_has_its_new_place(pipes: list[int]) -> None:
    poller = Poller()
    heard: list[int] = []
    for last in (pipes[0], pipes[1]):
        for fd in pipes:
            poller.unwatch(fd)
            poller.watch(fd, partial(heard.append, fd), last=fd == last)
        poller.wait(0)
    assert heard[-1] == pipes[1]
