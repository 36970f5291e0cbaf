"""`conveyor repl`: typed on a real terminal, and piped."""

from __future__ import annotations

import signal
import termios

import pytest

from tests.cli.command import Command, Typed, finish, named, read_until, records

SET = "```python\nx = 41\nprint('set')\n```"
SHOW = "```python\nprint('x is', globals().get('x'))\n```"
BUSY = "```python\nprint('begun', flush=True)\nimport time\ntime.sleep(60)\n```"


def talk(conveyor: Command, *responses: str, size: tuple[int, int] = (80, 40)) -> Typed:
    """A talk on a terminal, at its first prompt."""
    script = conveyor.script(*responses)
    typed = conveyor.terminal("repl", "--script", script, "--rate", "400", "--sandbox", "local",
                              size=size)  # fmt: skip
    typed.until("\n>")
    return typed


def leave(typed: Typed) -> None:
    typed.type("/quit\r")
    assert typed.wait() == 0


def test_variables_stay_from_prompt_to_prompt(conveyor: Command) -> None:
    """And so do the conversation and the sandbox; each prompt has its own journal."""
    typed = talk(conveyor, SET, "It is set.", SHOW, "It is shown.")
    typed.type("first\r")
    typed.until("It is set.")
    typed.type("second\r")
    typed.until("It is shown.")
    assert "x is 41" in typed.terminal.text
    leave(typed)
    assert len(conveyor.journals()) == 2
    for path in conveyor.journals():
        (ended,) = named(records(path.read_text()), "run_ended")
        assert ended["status"] == "done"


def test_commands(conveyor: Command) -> None:
    """/help, /mode, /clear and an unknown one; none of them asks the model."""
    typed = talk(conveyor, "unused")
    for line, answer in {
        "/help": "/clear",
        "/mode": "mode: partial",
        "/mode sequential": "mode: sequential",
        "/mode fast": "unknown: /mode fast",
        "/clear": "the conversation is forgotten",
        "/nope": "unknown: /nope",
        "  ": "\n>",
    }.items():
        typed.type(f"{line}\r")
        typed.until(answer)
    leave(typed)
    assert conveyor.journals() == []


def test_the_mode_changes_the_next_runs(conveyor: Command) -> None:
    """The journal says in which mode a prompt was answered."""
    done = conveyor("repl", "--script", conveyor.script(SET, "a", SHOW, "b"), "--sandbox", "local",
                    stdin="one\n/mode sequential\ntwo\n")  # fmt: skip
    assert done.code == 0
    modes = [records(path.read_text())[0]["mode"] for path in conveyor.journals()]
    assert modes == ["partial", "sequential"]


def test_reset_empties_the_interpreter(conveyor: Command) -> None:
    """Variables are gone, files stay, and what comes then can be undone again."""
    script = conveyor.script(
        "```python\nx = 41\nopen('f', 'w').write('kept')\n```", "a",
        "```python\nprint('x' in globals(), open('f').read()); y = 1\n```", "b",
        "```python\ny = 2\nz = = 3\n```", "c",
        "```python\nprint('y is', y)\n```", "d",
    )  # fmt: skip
    done = conveyor("repl", "--script", script, "--sandbox", "local",
                    stdin="/reset\none\n/reset\ntwo\nthree\nfour\n")  # fmt: skip
    assert (done.code, done.out.splitlines()[1:]) == (0, ["a", done.out.splitlines()[0], *"bcd"])
    assert "False kept" in done.err
    assert "y is 1" in done.err


def test_piped_prompts(conveyor: Command) -> None:
    """Answers alone on stdout; a last line without its newline counts; the end of input ends."""
    script = conveyor.script(SET, "first", SHOW, "second")
    done = conveyor("repl", "--script", script, "--sandbox", "local", stdin="one\n\ntwo")
    assert (done.code, done.out) == (0, "first\nsecond\n")
    assert "x is 41" in done.err


def test_piped_bytes_that_are_no_text(conveyor: Command) -> None:
    """They are replaced, and the talk goes on."""
    done = conveyor("repl", "--script", conveyor.script("a"), "--sandbox", "local",
                    stdin=b"\xff\xfe\n")  # fmt: skip
    assert (done.code, done.out) == (0, "a\n")


def test_an_error_ends_a_piped_talk(conveyor: Command) -> None:
    """One line, and the exit code of the error."""
    done = conveyor("repl", "--script", conveyor.script("a"), "--sandbox", "local",
                    stdin="one\ntwo\nthree\n")  # fmt: skip
    assert (done.code, done.out) == (4, "a\n")
    assert "the script ended" in done.complaint


def test_an_error_leaves_a_typed_talk_alive(conveyor: Command) -> None:
    """One line, then the prompt again."""
    typed = talk(conveyor, "only answer")
    typed.type("one\r")
    typed.until("only answer")
    for _ in range(2):
        typed.type("two\r")
        typed.until("conveyor: the script ended")
        typed.type("/clear\r")
        typed.until("the conversation is forgotten")
    leave(typed)


def test_ctrl_c_at_the_prompt_keeps_it(conveyor: Command) -> None:
    """What was typed is dropped; Ctrl-D leaves, with 0 and the terminal as it was."""
    typed = talk(conveyor, "the answer")
    before = termios.tcgetattr(typed.child.child_fd)
    typed.type("half a quest\x03")
    typed.type("whole\r")
    typed.until("the answer")
    typed.type("\x04")
    assert typed.wait() == 0
    assert before


def test_ctrl_c_stops_an_answer_and_returns_to_the_prompt(conveyor: Command) -> None:
    """The call is taken back; variables of earlier answers stay."""
    typed = talk(conveyor, SET, "It is set.", BUSY, SHOW, "Shown.")
    typed.type("one\r")
    typed.until("It is set.")
    typed.type("two\r")
    typed.until("│ begun")
    typed.type("\x03")
    typed.until("interrupted")
    typed.type("three\r")
    typed.until("Shown.")
    assert "x is 41" in typed.terminal.text
    leave(typed)


def test_ctrl_c_twice_ends_the_answer_and_not_the_talk(conveyor: Command) -> None:
    """The sandbox goes with it; the next prompt gets a fresh one."""
    stubborn = (
        "```python\nimport signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('begun', flush=True)\nwhile True:\n    time.sleep(1)\ns = 1\n"
        + "# more\n" * 3000
        + "```"
    )
    typed = talk(conveyor, stubborn, SHOW, "Shown.")
    typed.type("one\r")
    typed.until("│ begun")
    typed.type("\x03")  # two at once would be one signal
    conveyor.wait_for("decode_stopped")
    typed.type("\x03")
    typed.until("variables and files are gone")
    typed.type("two\r")
    typed.until("Shown.")
    assert "x is None" in typed.terminal.text
    leave(typed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_at_the_prompt(conveyor: Command, number: signal.Signals) -> None:
    """143, and the terminal is no longer in raw mode."""
    typed = talk(conveyor, SET, "It is set.")
    typed.type("one\r")
    typed.until("It is set.")
    typed.until("\n>")
    typed.child.kill(number)
    assert typed.wait() == 143


def test_termination_during_an_answer(conveyor: Command) -> None:
    """It ends the talk, not only the answer."""
    script = conveyor.script(BUSY, "never")
    process = conveyor.start("repl", "--script", script, "--sandbox", "local", "--plain")
    process.stdin.write(b"one\ntwo\n")
    process.stdin.flush()
    read_until(process, "│ begun")
    process.send_signal(signal.SIGTERM)
    done = finish(process)
    assert done.code == 143


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_a_silent_pipe_is_read(
    conveyor: Command, number: signal.Signals, code: int
) -> None:
    """The command does not wait for a line that never comes."""
    script = conveyor.script("first")
    process = conveyor.start("repl", "--script", script, "--sandbox", "local", "--plain")
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"first\n"
    process.send_signal(number)
    # Between the answer and the next line, the signal has its default effect: the same 143.
    assert process.wait(timeout=20) in (code, -number)


def test_the_history_stays(conveyor: Command) -> None:
    """What was typed in one talk is offered in the next, and only its owner can read it."""
    typed = talk(conveyor, "first answer")
    typed.type("an old question\r")
    typed.until("first answer")
    leave(typed)
    history = conveyor.home / ".local/state/conveyor/repl_history"
    assert "an old question" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0
    typed = talk(conveyor, "second answer")
    typed.type("\x1b[A\x1b[A")
    typed.until("an old question")
    typed.type("\r")
    typed.until("second answer")
    leave(typed)


def test_a_history_that_cannot_be_kept(conveyor: Command) -> None:
    """The talk works without."""
    (conveyor.home / ".local").write_text("in the way")
    typed = talk(conveyor, "the answer")
    typed.type("one\r")
    typed.until("the answer")
    leave(typed)


def test_bad_settings_are_said_before_the_first_prompt(conveyor: Command) -> None:
    """A wrong mode, a script that is missing: exit code 2."""
    for args in (["--mode", "fast"], ["--script", "missing.txt"]):
        done = conveyor("repl", *args, stdin="hi\n")
        assert done.code == 2
        assert done.only_complaint
