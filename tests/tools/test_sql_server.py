"""The `sql` tool on a database server: what only that can do."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

from conveyor_sandbox.reports import Outcome, Status
from conveyor_tools.registry import find_tool
from conveyor_tools.sql import SqlTool
from tests.tools.postgres import PostgresServer
from tests.tools.shops import Shop, run, talk


def test_the_server_dies_in_mid_statement(postgres: PostgresServer, tmp_path: Path) -> None:
    """The call fails; when the server is back, so is the tool."""
    shop = Shop("postgresql", tmp_path, lambda: postgres)

    async def do() -> None:
        async with talk(shop.tool(write=True)) as conversation:
            conversation.write(1, "DELETE FROM orders; SELECT pg_sleep(1000); SELECT 3;")
            await conversation.started(1, 1)
            await asyncio.to_thread(postgres.kill)
            outcome = await conversation.ended(1)
            assert outcome.failure is not None
            assert outcome.failure.kind == "connection"
            conversation.session.commit()
            outcome = await conversation.call(2, "SELECT 1")
            assert outcome.failure is not None
            assert outcome.failure.kind == "connection"
            await asyncio.to_thread(postgres.start)
            assert (await conversation.call(3, "SELECT 1")).status is Status.OK

    asyncio.run(do())
    assert shop.names() == ["ann", "bob"]


def test_a_server_that_was_restarted_between_calls(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """A connection that was lost while it was not used is made again, unseen."""
    shop = Shop("postgresql", tmp_path, lambda: postgres)

    async def do() -> None:
        async with talk(shop.tool()) as conversation:
            await conversation.call(1, "SELECT 1")
            await asyncio.to_thread(postgres.kill)
            await asyncio.to_thread(postgres.start)
            assert (await conversation.call(2, "SELECT 1")).status is Status.OK

    asyncio.run(do())


def test_the_server_dies_before_the_commit(postgres: PostgresServer, tmp_path: Path) -> None:
    """The model was told that its call ended well: what became of it is told, too."""
    shop = Shop("postgresql", tmp_path, lambda: postgres)

    async def do() -> list[str]:
        async with talk(shop.tool(write=True)) as conversation:
            conversation.write(1, "DELETE FROM orders;")
            await conversation.ended(1)
            await asyncio.to_thread(postgres.kill)
            conversation.session.commit()
            await asyncio.to_thread(postgres.start)
            outcome = await conversation.call(2, "SELECT 1")
            assert outcome.failure is not None
            assert outcome.failure.message.startswith("what call 1 changed in the database")
            assert (await conversation.call(3, "SELECT 1")).status is Status.OK
            return conversation.lost

    (lost,) = asyncio.run(do())
    # It might have died after it had committed: neither can be told from here.
    assert lost.startswith("what call 1 changed in the database may not have been kept (look")
    assert shop.names() == ["ann", "bob"]


def test_a_server_that_does_not_answer(postgres: PostgresServer, tmp_path: Path) -> None:
    """It is given up: neither the statement nor the end of the call waits for ever."""
    shop = Shop("postgresql", tmp_path, lambda: postgres)

    async def do() -> None:
        async with talk(shop.tool(timeout=0.5)) as conversation:
            await conversation.call(1, "SELECT 1")
            postgres.signal_all(signal.SIGSTOP)
            try:
                outcome = await conversation.call(2, "SELECT 2")
            finally:
                postgres.signal_all(signal.SIGCONT)
            assert outcome.failure is not None
            assert outcome.failure.kind in ("timeout", "connection")
            assert (await conversation.call(3, "SELECT 3")).status is Status.OK

    asyncio.run(do())


def test_stopped_while_it_connects() -> None:
    """Nobody waits for the connection any more, and it is closed if it is made after all."""

    async def do() -> None:
        came, gone = asyncio.Event(), asyncio.Event()

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            came.set()
            await gone.wait()
            writer.close()

        async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"postgresql://nobody@127.0.0.1:{port}/x?connect_timeout=1000"
            tool = find_tool("sql", {"url": url})
            assert isinstance(tool, SqlTool)
            try:
                async with talk(tool) as conversation:
                    conversation.write(1, "SELECT 1;")
                    await came.wait()
                    conversation.session.cancel(1)
                    await conversation.ended(1)
                    came.clear()
                    conversation.write(2, "SELECT 2;")
                    await came.wait()
            finally:
                gone.set()
            assert conversation.ends(1) == ["skipped"]

    asyncio.run(do())


def test_no_statement_outlives_its_connection(postgres: PostgresServer, tmp_path: Path) -> None:
    """When the program is killed, the server ends what it was doing for it."""
    shop = Shop("postgresql", tmp_path, lambda: postgres)
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = 'clerk'"

    async def until(count: str) -> None:
        while postgres.sql(running).strip() != count:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.1)

    async def do() -> None:
        tool = shop.tool(timeout=1000)
        async with talk(tool) as conversation:
            conversation.write(1, "SELECT pg_sleep(1000);")
            await conversation.started(1, 0)
            await until("1")
            conversation.session._database.abort()  # type: ignore[attr-defined] # no goodbye
            outcome = await conversation.ended(1)
            assert outcome.failure is not None
            assert outcome.failure.kind == "connection"
            await until("0")

    asyncio.run(do())


def test_a_superuser_is_refused(postgres: PostgresServer, tmp_path: Path) -> None:
    """Such a role can run programs on the server, which a transaction does not undo."""
    shop = Shop("postgresql", tmp_path, lambda: postgres)
    shop.url = postgres.url("boss")
    done = run(shop, "SELECT 1")
    assert done.ends(1) == ["error"]
    assert run(shop, "SELECT 1", superuser=True).ends(1) == ["ok"]


def test_deferred_constraints_fail_the_call_itself(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    shop = Shop("postgresql", tmp_path, lambda: postgres)
    shop.look("CREATE TABLE later (o INT REFERENCES orders(id) DEFERRABLE INITIALLY DEFERRED)")

    async def do() -> None:
        async with talk(shop.tool(write=True)) as conversation:
            outcome = await conversation.call(1, "INSERT INTO later VALUES (9)")
            assert outcome.failure is not None
            assert outcome.failure.type == "ForeignKeyViolation"
            assert not conversation.lost

    asyncio.run(do())


def test_something_else_is_there(tmp_path: Path) -> None:
    """What accepts connections and says nothing: it is told which server that is.

    It is waited for once, though the connection is wanted on the tool's name already.
    """
    connected = 0

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1
        with contextlib.closing(writer):
            await asyncio.sleep(60)

    async def do() -> tuple[Outcome, int]:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql://someone@127.0.0.1:{port}/shop"
        tool = find_tool("sql", {"url": url, "timeout": 2}, tmp_path)
        assert isinstance(tool, SqlTool)
        with contextlib.closing(server):
            async with talk(tool) as conversation:
                return await conversation.call(1, "SELECT 1"), port

    outcome, port = asyncio.run(do())
    assert outcome.failure is not None
    assert outcome.failure.message == f"127.0.0.1:{port}: no answer within 2 s"
    assert connected == 1


def test_the_password_is_told_to_nobody(postgres: PostgresServer, tmp_path: Path) -> None:
    """Not by the tool, and not by what the server says of it."""
    shop = Shop("postgresql", tmp_path, lambda: postgres)
    shop.url = postgres.url(password="hunter2")
    tool = shop.tool()
    assert "hunter2" not in tool.lane + tool.description + tool.instructions + repr(tool)
    done = run(shop, "SELECT 'hunter2'::int;")
    assert done.ends(1) == ["error"]
    assert "hunter2" not in repr(done.reports)
