"""The documents: their links lead somewhere, what they name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from conveyor_cli.config import Settings, read_task

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Each relative link names a file of the repository, and a heading in it if it says one."""
    for target in LINK.findall(document.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name) if name else document
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_examples_of_tasks_are_valid(document: Path, tmp_path: Path) -> None:
    """A YAML example with a prompt is a task that can be read."""
    for example in YAML.findall(document.read_text()):
        if "prompt" in (yaml.safe_load(example) or {}):
            Settings([read_task(tmp_path / "example.yaml", example)]).task()


@pytest.mark.parametrize(
    "task", sorted((ROOT / "tasks").glob("*.yaml")), ids=lambda path: path.name
)
def test_example_tasks_are_valid(task: Path) -> None:
    """Each task of the repository can be read, and is a check."""
    settings = Settings([read_task(task)]).task()
    assert settings.expect.model_dump(exclude_none=True)
