"""`conveyor doctor`, the lists, `--help` and completion."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.command import Command

COMMANDS = [[], ["run"], ["repl"], ["compare"], ["split"], ["doctor"], ["models"],
            ["models", "list"], ["models", "pull"], ["models", "remove"], ["sandbox"],
            ["sandbox", "build"], ["sandbox", "list"], ["sandbox", "prune"], ["config"],
            ["config", "show"]]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_the_terminal(conveyor: Command, command: list[str]) -> None:
    """At 80 and at 40 columns, no line is longer."""
    for columns in (80, 40):
        done = conveyor(*command, "--help", COLUMNS=str(columns))
        assert done.code == 0
        assert "Usage: conveyor" in done.out
        assert max(map(len, done.out.splitlines())) <= columns
        assert done.err == ""


@pytest.mark.parametrize("args", [["--help"], ["run", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    """It must come at once. (For a command's own options, typer itself takes pydantic.)"""
    code = (
        "import sys; from conveyor_cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True,
                          check=True)  # fmt: skip
    heavy = {"torch", "transformers", "docker", "prompt_toolkit", "yaml", "asyncio"}
    heavy |= {"pydantic"} if "run" not in args else set()
    assert heavy.isdisjoint(done.stderr.split())


def test_doctor_looks_at_everything(conveyor: Command) -> None:
    """Engine, image, model, device, local sandbox; what lacks has a remedy. No model here: 4."""
    done = conveyor("doctor", "--json")
    findings = {finding["name"]: finding for finding in done.json}
    assert {"Docker engine", "torch and transformers", "torch device", "default model"} <= set(
        findings
    )
    assert any(name.startswith("local sandbox: ") for name in findings)
    model = findings["default model"]
    assert not model["fine"]
    assert "conveyor models pull" in model["remedy"]
    lines = conveyor("doctor").out.splitlines()
    assert [line for line in lines if line.startswith("LACK") and "default model" in line]
    assert all(line.startswith(("ok  ", "LACK", "      → ")) for line in lines)


def test_doctor_without_an_engine(conveyor: Command) -> None:
    """It says so, and what to do."""
    done = conveyor("doctor", "--json", DOCKER_HOST="unix:///nonexistent.sock")
    engine = done.json[0]
    assert (engine["name"], engine["fine"]) == ("Docker engine", False)
    assert "--sandbox local" in engine["detail"] + engine["remedy"]


def test_lists(conveyor: Command) -> None:
    """Models known by name, none pulled here."""
    done = conveyor("models", "list")
    assert done.code == 0
    assert "smollm2-135m     not pulled" in done.out


@pytest.mark.docker
def test_the_sandbox_list(conveyor: Command) -> None:
    done = conveyor("sandbox", "list")
    assert done.code == 0
    assert "conveyor-sandbox" in done.out


def test_completion(conveyor: Command) -> None:
    """Values of options are offered: modes, sandboxes, backends, models, files."""
    for line, offered in {
        "conveyor run --mode ": "sequential",
        "conveyor run --sandbox d": "docker",
        "conveyor run --backend s": "scripted",
        "conveyor run --model sm": "smollm2-135m",
        "conveyor models remove ": "smollm2-135m",
        "conveyor split --language p": "python",
        "conveyor co": "compare",
    }.items():
        done = conveyor(_CONVEYOR_COMPLETE="complete_bash", COMP_WORDS=line,
                        COMP_CWORD=str(len(line.split(" ")) - 1))  # fmt: skip
        assert offered in done.out.split(), line
