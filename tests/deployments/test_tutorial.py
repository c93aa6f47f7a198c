"""The tutorial, typed into a terminal line by line: it says what the reader will see."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import BrowserContext, expect

from browsers import picture
from deployments.manifest import ROOT
from staying import Up, up

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
ANYTHING = "…"
PATIENCE_SECONDS = 120
"""How long what a worker does in the background may take on a busy machine."""


class Typed(NamedTuple):
    """A line that the reader types, and the lines that the page then shows."""

    command: str
    shown: list[str]


def typed_lines() -> list[Typed]:
    found: list[Typed] = []
    for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Typed(line.removeprefix("$ "), []))
            else:
                found[-1].shown.append(line)
    return found


def is_as_shown(said: str, shown: list[str]) -> bool:
    """Tell whether the output is what the page shows; ``…`` there stands for anything."""
    expected, actual = (" ".join(text.split()) for text in ("\n".join(shown), said))
    pattern = re.escape(expected).replace(ANYTHING, ".*").replace(r".*\ ", ".* ?")
    return re.fullmatch(pattern.replace(r"\ .*", " ?.*"), actual) is not None


class Terminal:
    """The reader's second terminal: it has typed the two lines that ``make up`` printed."""

    def __init__(self, first: Up) -> None:
        exports = dict(re.findall(r"^  export (\w+)=(.+)$", first.said(), re.MULTILINE))
        assert list(exports) == ["PREFECT_API_URL", "SEEDING_HOME"]
        self._environment = os.environ | exports | {"COLUMNS": "100"}

    def type(self, command: str) -> str:
        here = command.replace(".venv/bin", str(Path(sys.executable).parent))
        done = subprocess.run(
            ["bash", "-c", here],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with up(tmp_path / "home", tmp_path / "up.txt") as first:
        yield Terminal(first)


def test_the_reader_sees_what_the_tutorial_shows(
    terminal: Terminal, browser: BrowserContext
) -> None:
    output = ""
    for command, shown in typed_lines():
        deadline = time.monotonic() + PATIENCE_SECONDS
        said = terminal.type(command)
        looks = re.search(r" (list|show|status)\b", command)
        while looks and not is_as_shown(said, shown) and time.monotonic() < deadline:
            said = terminal.type(command)
        assert is_as_shown(said, shown), f"{command}\n{said}"
        output += said

    first, *_ = re.findall(r"http://\S+/runs/flow-run/\S+", output)
    page = browser.new_page()
    page.goto(first)
    expect(page.get_by_text("row 2, stars: 'six' is not a whole number").first).to_be_visible()
    expect(page.get_by_text("Failed").first).to_be_visible()
    page.locator("#artifacts").click()
    expect(page.get_by_text("All rejected rows").first).to_be_visible()
    picture(page, "tutorial-rejected")
