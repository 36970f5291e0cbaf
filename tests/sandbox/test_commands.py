"""The shell of a sandbox: commands one by one, as in one script, and what is undone of them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import docker
import pytest

from conveyor_sandbox.docker import DockerSandbox
from conveyor_sandbox.image import DEFAULT_IMAGE
from conveyor_sandbox.reports import Ended, Restarted, Started, Status, UnitKey
from conveyor_sandbox.sandbox import SandboxSpec
from tests.sandbox.conftest import Call, Lab, LabMaker, open_lab
from tests.sandbox.undoing import is_whole


def send(lab: Lab, *units: str, is_open: bool = False) -> int:
    """Begin a call of commands; returns its number."""
    lab.calls += 1

    async def begin() -> None:
        for index, text in enumerate(units):
            lab.guest.run_command(UnitKey(lab.calls, index), text, is_open=is_open)
        lab.guest.end(lab.calls, "shell")

    lab.do(begin())
    return lab.calls


def run(lab: Lab, *units: str, is_open: bool = False) -> Call:
    """A call of commands, to its end."""
    send(lab, *units, is_open=is_open)
    return Call(lab.until(Ended))


def commands(lab: Lab, text: str) -> Call:
    """The same, a unit a line."""
    return run(lab, *text.splitlines(keepends=True))


def unnumbered(call: Call) -> str:
    """What the shell said, but for the lines: it counts them from its start."""
    return re.sub(r"line \d+: ", "", call.stderr)


def test_units_are_one_script(lab: Lab) -> None:
    """Variables, folder, functions, options and statuses go from command to command."""
    call = commands(
        lab,
        "x=5\nf() { echo f $1; }\nmkdir a; cd a\necho $x $PWD; f 1\n"
        "false\necho $?\n(exit 7)\necho $?\necho a b\necho $_\ntrue | (exit 4) | true\n"
        "echo ${PIPESTATUS[*]}\nset -- p q\necho $2 $#\n",
    )
    assert call.outcome.status is Status.OK
    assert call.stdout == "5 /workspace/a\nf 1\n1\n7\na b\nb\n0 4 0\nq 2\n"
    assert call.stderr == ""
    assert commands(lab, "echo $x\nf 2\npwd\n").stdout == "5\nf 2\n/workspace/a\n"


def test_streams_belong_to_units(lab: Lab) -> None:
    """What a command writes is its unit's, on either stream; standard input is empty."""
    call = commands(lab, "echo out; echo err >&2\ncat\necho two\n")
    assert (call.stdout, call.stderr) == ("out\ntwo\n", "err\n")
    assert [report.unit.index for report in call.reports if hasattr(report, "text")] == [0, 0, 2]


def test_failing_commands_go_on(lab: Lab) -> None:
    """A command that fails ends nothing, as in any shell; the last one's status is the call's."""
    call = commands(lab, "false\nnosuch\necho on\nls nosuchfile\n")
    assert call.stdout == "on\n"
    assert "nosuch: command not found" in call.stderr
    assert call.kinds == ["ok"] * 4
    assert call.outcome.failure is not None
    assert (call.outcome.failure.type, call.outcome.failure.message) == ("exit status", "2")
    assert commands(lab, "echo $?\n").stdout == "2\n"


ENDS = {
    "exit": ("exit\n", "ok", None),
    "exit 0": ("exit 0\n", "ok", None),
    "exit 3": ("exit 3\n", "exit", "3"),
    "exit in a function": ("f() { exit 4; }; f\n", "exit", "4"),
    "errexit": ("set -e; false\n", "exit", "1"),
    "unbound": ("set -u; echo $nosuch\n", "exit", "1"),
    "exec": ("exec sh -c 'exit 5'\n", "exit", "5"),
    "killed": ("kill -9 $$\n", "crash", "the shell was killed by SIGKILL"),
    "syntax": ("fi\n", "exit", "2"),
    "closed report": ("exec 501>&-\n", "exit", "the command is not complete"),
    "never complete": ("if true; then\n", "exit", "the command is not complete"),
    "open quote": ("echo 'a\n", "exit", "the command is not complete"),
}


@pytest.mark.parametrize("name", ENDS)
def test_ends_of_the_shell(lab: Lab, name: str) -> None:
    """What ends it ends the call; the next call's shell is what it was before that one."""
    command, kind, message = ENDS[name]
    commands(lab, "x=1; cd /\n")
    assert lab.checkpoint().why_not == ""
    call = run(lab, "x=2; cd /tmp\n", command, "echo never\n")
    assert call.kinds == ["ok", kind, "skipped"]
    assert "never" not in call.stdout
    failure = call.units[1].failure
    assert (failure.message if failure else None) == message
    assert call.units[1].exited == (message is None)
    assert lab.checkpoint().why_not == ""
    assert commands(lab, "echo $x $PWD\n").stdout == "1 /\n"
    assert [report.reason for report in call.of(Restarted)] == ["shell"]


def test_open_command(lab: Lab) -> None:
    """Where the text ends within a command, it is for the shell to judge."""
    call = run(lab, "cat <<EOF\nabc\n", is_open=True)
    assert call.stdout == "abc\n"
    call = run(lab, "if true; then echo a\n", is_open=True)
    assert "unexpected end of file" in call.stderr
    assert call.outcome.failure is not None
    assert commands(lab, "echo on\n").stdout == "on\n"


STATES = {
    "variable": ("x='a b\n'\"'\"", "x=2; y=3", 'echo "[$x]" "${y-none}"'),
    "exported": ("export A=1", "A=2; export B=1", "env | grep '^[AB]='"),
    "unset of the environment": ("unset HOME", "HOME=/a", "echo ${HOME-none}"),
    "array": ("a=(1 'b c' [5]=d)", "a=()", 'echo "${!a[@]}" "${a[1]}"'),
    "map": ("declare -A m=([k v]=1)", "m[x]=2", 'echo "${!m[@]}"'),
    "integer, read-only": ("declare -i n=4; readonly r=1", "n+=1", "n+=2; echo $n; r=2"),
    "function": ("f() { cat <<E\n$1 ${x:-'y'}\nE\n}; shopt -s extglob", "f() { :; }", "f 1"),
    "exported function": ("f() { echo f; }; export -f f", "unset -f f", "bash -c f"),
    "pattern in a function": (
        "shopt -s extglob\nf() { case $1 in @(a|b)) echo yes;; esac; }",
        "unset -f f; shopt -u extglob",
        "f b",
    ),
    "folder": ("mkdir 'a b'; cd 'a b'; cd ..; cd 'a b'", "cd /", "pwd; echo $OLDPWD"),
    "option": ("set -f; shopt -s nullglob", "set +f; shopt -u nullglob", "echo $-; shopt nullglob"),
    "arguments": ("set -- 'a b' c", "shift", 'echo "$1" $#'),
    "alias": ("shopt -s expand_aliases; alias ll='echo l'", "unalias ll", "ll"),
    "trap": ("trap 'echo bye' EXIT; trap '' TERM", "trap - EXIT TERM", "trap -p"),
    "umask": ("umask 077", "umask 0", "umask"),
    "file": ("echo 1 > f", "echo 2 > f; touch g", "cat f; ls"),
}


@pytest.mark.parametrize("name", STATES)
def test_state_after_rollback(lab: Lab, name: str) -> None:
    """A call that is taken back leaves the shell as the calls before it had left it."""
    before, code, look = STATES[name]
    run(lab, before + "\n")
    assert lab.checkpoint().why_not == ""
    expected = run(lab, look + "\n")
    lab.roll_back()
    lab.checkpoint()
    run(lab, code + "\n")
    assert is_whole(lab.roll_back())
    lab.checkpoint()
    found = run(lab, look + "\n")
    assert (found.stdout, unnumbered(found)) == (expected.stdout, unnumbered(expected))
    assert found.outcome == expected.outcome
    assert expected.stdout


def test_files_are_shared_with_python(lab: Lab) -> None:
    """Both work on the same files, in order; folder and environment are each one's own."""
    lab.call("open('f', 'w').write('1'); import os; os.environ['A'] = 'p'\n")
    assert commands(lab, "cat f; echo ${A-none}; mkdir d; cd d\n").stdout == "1none\n"
    listed = lab.call("sorted(os.listdir()), os.getcwd()\n").outcome.result
    assert listed == "(['d', 'f'], '/workspace')"


def test_cancel(lab: Lab) -> None:
    """A call that is stopped ends at once, and its commands with it; Python goes on."""
    lab.call("x = 1\n")
    lab.checkpoint()
    call = send(lab, "sleep 1000; echo never\n", "echo never\n")
    lab.until_report(lambda it: isinstance(it, Started))
    lab.guest.cancel(call)
    done = Call(lab.until(Ended))
    assert done.outcome.status is Status.CANCELLED
    assert done.stdout == ""
    assert is_whole(lab.roll_back())
    assert lab.call("x\n").outcome.result == "1"
    assert commands(lab, "ps -e -o comm= 2>/dev/null | grep sleep\n").stdout == ""


@pytest.mark.parametrize(
    "command", ["sleep 1000", "trap '' INT; sleep 1000", "while :; do :; done"]
)
def test_timeout(make_lab: LabMaker, command: str) -> None:
    """A command that takes too long is stopped, and no more of its call runs."""
    with make_lab(unit_timeout=0.5) as lab:
        commands(lab, "x=1\n")
        lab.checkpoint()
        call = run(lab, f"x=2; {command}; echo never\n", "echo never\n")
        assert call.kinds == ["timeout", "skipped"]
        assert call.stdout == ""
        lab.checkpoint()
        assert commands(lab, "echo $x\n").stdout == "1\n"


def test_background_job(lab: Lab) -> None:
    """One that was left running is there in the next command, and can be waited for."""
    call = commands(lab, "sleep 0.2 && echo job &\necho first\nwait\necho last\n")
    assert call.stdout == "first\njob\nlast\n"


def test_tracing_shows_only_the_code(lab: Lab) -> None:
    """Traces and traps see the model's commands, none of ours."""
    call = commands(lab, "set -x\necho a\nfalse\necho $?\nset +x\n")
    assert call.stderr == "+ echo a\n+ false\n+ echo 1\n+ set +x\n"
    call = commands(lab, "trap 'echo debug $BASH_COMMAND' DEBUG\nfalse\necho $?\ntrap - DEBUG\n")
    assert call.stdout == "debug false\ndebug echo $?\n1\ndebug trap - DEBUG\n"


def test_large_units(lab: Lab) -> None:
    """A command that is larger than any pipe, and an output that is."""
    body = "".join(f"line {number}\n" for number in range(20_000))
    call = run(lab, f"cat > f <<'EOF'\n{body}EOF\n", "wc -c < f; tail -1 f\n")
    assert call.stdout == f"{len(body)}\nline 19999\n"


def test_signals_are_as_usual(lab: Lab) -> None:
    """A pipe that is closed ends its writer, quietly; SIGINT can be trapped."""
    call = commands(lab, "yes | head -1\ntrap 'echo int' INT; kill -INT $$\necho on\n")
    assert (call.stdout, call.stderr) == ("y\nint\non\n", "")


def test_supervisor_is_out_of_reach(lab: Lab) -> None:
    """The shell and what it starts are confined as the worker is."""
    call = commands(lab, "kill -9 1\nkill -9 -1\ncat /proc/1/environ\nls /proc/1/fd\necho on\n")
    assert call.stdout == "on\n"
    assert call.stderr.count("ermi") == 4, call.stderr


def test_lost_worker_takes_the_shell_along(lab: Lab) -> None:
    """When the interpreter is lost, the shell is what it was at the checkpoint."""
    commands(lab, "x=1\n")
    lab.checkpoint()
    assert lab.call("import os; os._exit(1)\n").restarted
    assert commands(lab, "echo $x\n").stdout == "1\n"


def test_shell_is_confined_as_the_worker(lab: Lab) -> None:
    """Both have the same user, capabilities, filter of system calls, and limits."""
    names = "Uid|Gid|Cap|NoNewPrivs|Seccomp"
    call = commands(lab, f"grep -E '^({names})' /proc/self/status\ncat /proc/self/limits\n")
    code = (
        "import re\n"
        f"lines = [it for it in open('/proc/self/status') if re.match('{names}', it)]\n"
        "print(''.join(lines) + open('/proc/self/limits').read(), end='')\n"
    )
    assert call.stdout == lab.call(code).stdout
    assert "Seccomp:\t2" in call.stdout


def test_fork_bomb(make_lab: LabMaker) -> None:
    """One that goes on behind its command is ended by taking its call back."""
    with make_lab(unit_timeout=5, pids=64) as lab:
        commands(lab, "x=1\n")
        lab.checkpoint()
        run(lab, "bomb() { bomb | bomb & }; bomb\n", "x=2; sleep 0.2\n")
        lab.roll_back()
        lab.checkpoint()
        assert lab.alive()
        assert commands(lab, "echo $x\n").stdout == "1\n"


@pytest.fixture
def without_bash() -> Iterator[str]:
    """An image whose only shell is a plain `sh`."""
    engine = docker.from_env()
    text = f"FROM {DEFAULT_IMAGE}\nUSER 0\nRUN rm -f /bin/bash /usr/bin/bash\nUSER 1000\n"
    image, _ = engine.images.build(fileobj=io.BytesIO(text.encode()), rm=True)
    assert image.id is not None
    yield image.id
    engine.images.remove(image.id, force=True)


@pytest.mark.docker
def test_plain_sh(without_bash: str) -> None:
    """Where there is no bash, `sh` does; its state cannot be saved, and that is said."""
    with open_lab(DockerSandbox(SandboxSpec(image=without_bash))) as lab:
        call = commands(lab, "x=5\ncd /tmp\nfalse\necho $? $x $0\n")
        assert (call.stdout, call.stderr) == ("1 5 sh\n", "")
        assert run(lab, "cat <<E\n$x\nE\n", "pwd\n").stdout == "5\n/tmp\n"
        lab.checkpoint()
        commands(lab, "x=6\n")
        assert lab.roll_back().lost == ("variables of the shell",)
        assert commands(lab, "echo ${x-none}\n").stdout == "none\n"
