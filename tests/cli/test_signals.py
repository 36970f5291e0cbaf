"""Handlers for signals, on top of each other."""

from __future__ import annotations

import asyncio
import os
import signal

from conveyor_cli.signals import handling


def test_the_outer_handler_is_back_after_the_inner_one() -> None:
    """Inside, the inner handler is called; afterwards the outer one, without a gap."""

    async def receive() -> list[str]:
        heard: asyncio.Queue[str] = asyncio.Queue()
        got = []

        async def send() -> None:
            os.kill(os.getpid(), signal.SIGUSR1)
            got.append(await asyncio.wait_for(heard.get(), 10))

        with handling({signal.SIGUSR1: lambda: heard.put_nowait("outer")}):
            await send()
            with handling({signal.SIGUSR1: lambda: heard.put_nowait("inner")}):
                await send()
            await send()
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
        return got

    assert asyncio.run(receive()) == ["outer", "inner", "outer"]
