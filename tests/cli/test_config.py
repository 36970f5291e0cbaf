"""Settings: flag > environment > task > project > user > default, and `conveyor config show`."""

from __future__ import annotations

from tests.cli.command import Command


def test_the_strongest_source_wins(conveyor: Command) -> None:
    """Each source is laid over the weaker ones, field by field; `config show` names it."""
    config = conveyor.home / ".config/conveyor"
    config.mkdir(parents=True)
    (config / "conveyor.toml").write_text(
        "early_stop = false\n[limits]\nturns = 1\ntokens = 11\nseconds = 11\n[model]\nrate = 11\n"
    )
    conveyor.write("conveyor.toml", "[limits]\nturns = 2\ntokens = 12\nseconds = 12\n")
    conveyor.write("task.yaml", "prompt: hi\nlimits:\n  turns: 3\n  tokens: 13\n")
    done = conveyor("config", "show", "task.yaml", "-c", "limits.turns=5", "--json",
                    CONVEYOR_LIMITS__TURNS="4", CONVEYOR_MODE="sequential")  # fmt: skip
    assert done.code == 0
    shown = done.json
    assert shown["limits.turns"] == {"value": 5, "from": "command line"}
    assert shown["limits.tokens"] == {"value": 13, "from": "task.yaml:4"}
    assert shown["limits.seconds"] == {"value": 12, "from": "conveyor.toml"}
    assert shown["model.rate"]["value"] == 11
    assert shown["early_stop"]["value"] is False
    assert shown["mode"] == {"value": "sequential", "from": "environment CONVEYOR_MODE"}
    assert shown["sandbox.kind"] == {"value": "auto", "from": "default"}


def test_a_run_obeys_it(conveyor: Command) -> None:
    """The same order holds for a run: a flag beats the environment, which beats the task."""
    conveyor.script("done")
    conveyor.write(
        "task.yaml",
        """\
prompt: hi
mode: partial
sandbox: {kind: local}
model: {backend: scripted, script: script.txt}
""",
    )
    environment = {"CONVEYOR_MODE": "sequential"}
    assert conveyor("run", "task.yaml", "--json").json["mode"] == "partial"
    assert conveyor("run", "task.yaml", "--json", **environment).json["mode"] == "sequential"
    args = ("run", "task.yaml", "--json", "--mode", "partial")
    assert conveyor(*args, **environment).json["mode"] == "partial"


def test_a_task_from_standard_input(conveyor: Command) -> None:
    """`-` reads it; its paths are relative to the current folder; errors name stdin."""
    conveyor.script("done")
    task = "prompt: hi\nmodel: {backend: scripted, script: script.txt}\nsandbox: {kind: local}\n"
    done = conveyor("run", "-", stdin=task)
    assert (done.code, done.out) == (0, "done\n")
    done = conveyor("run", "-", stdin=task + "nope: 1\n")
    assert (done.code, "stdin:4: nope: unknown field" in done.only_complaint) == (2, True)
    assert conveyor("run", "-", stdin=b"\xff\xff").only_complaint == "stdin: not text in UTF-8"


def test_paths_in_a_task_are_relative_to_it(conveyor: Command) -> None:
    """Wherever the command is started."""
    (conveyor.folder / "sub").mkdir()
    conveyor.write("sub/script.txt", "```python\nprint(open('d').read())\n```\n<<<turn>>>\ndone")
    conveyor.write("sub/data", "content")
    conveyor.write(
        "sub/task.yaml",
        """\
prompt: hi
model: {backend: scripted, script: script.txt}
sandbox: {kind: local, files: {d: data}}
expect: {output_contains: content}
""",
    )
    assert conveyor("run", "sub/task.yaml").code == 0


def test_the_prompt_flag_replaces_the_tasks(conveyor: Command) -> None:
    """Also where the task has none."""
    conveyor.write("task.yaml", "name: it\n")
    shown = conveyor("config", "show", "task.yaml", "-c", "prompt=what", "--json").json
    assert shown["prompt"] == {"value": "what", "from": "command line"}
    assert shown["name"] == {"value": "it", "from": "task.yaml:1"}


def test_a_bad_configuration_file_is_one_line(conveyor: Command) -> None:
    """It is named; a prompt has no place in it."""
    for text, complaint in {
        "limits = [": "conveyor.toml: not valid TOML",
        "nope = 1": "conveyor.toml: nope: unknown field",
        "prompt = 'x'": "conveyor.toml: prompt: belongs in a task file",
        "[limits]\nturns = 'x'": "conveyor.toml: limits.turns: must be a whole number",
    }.items():
        conveyor.write("conveyor.toml", text)
        done = conveyor("config", "show")
        assert done.code == 2
        assert complaint in done.only_complaint


def test_a_bad_variable_is_named(conveyor: Command) -> None:
    """A value that does not fit, a setting that does not exist."""
    done = conveyor("config", "show", CONVEYOR_LIMITS__TURNS="many")
    assert done.code == 2
    assert "CONVEYOR_LIMITS__TURNS" in done.only_complaint
    assert "CONVEYOR_NOPE" in conveyor("config", "show", CONVEYOR_NOPE="1").only_complaint


def test_a_task_named_after_a_long_or_odd_file(conveyor: Command) -> None:
    """The name that a task gets from its file always fits."""
    for name in ("n" * 200 + ".yaml", "\x1b[31m.yaml"):
        conveyor.write(name, "prompt: hi\n")
        assert conveyor("config", "show", name).code == 0


def test_the_table(conveyor: Command) -> None:
    """Setting, value, source; nothing is cut off where it is piped."""
    done = conveyor("config", "show", "-c", "prompt=" + "long " * 40)
    assert done.code == 0
    assert "limits.turns" in done.out


def test_a_runtime_is_never_dropped_in_silence(conveyor: Command) -> None:
    """The local sandbox has none, so asking for both is refused; without an engine, 3."""
    arguments = ("run", "-p", "hi", "--script", conveyor.script("done"))
    refused = conveyor(*arguments, "--sandbox", "local", "-c", "sandbox.runtime=runsc")
    assert refused.code == 2
    assert "runtime is Docker's" in refused.complaint
    without = conveyor(
        *arguments, "-c", "sandbox.runtime=runsc", DOCKER_HOST="unix:///nowhere.sock"
    )
    assert without.code == 3
