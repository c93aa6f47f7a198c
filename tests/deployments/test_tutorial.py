"""The tutorial, typed into a terminal line by line: the reader sees the shown output."""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from browsers import picture
from deployments.repository import ROOT
from pages import DOCS, is_as_shown, lines_for_s3, typed_lines
from servers import answers, free_port, wait_until
from up_process import Up, up

PAGE = DOCS / "get-started" / "tutorial.md"
PATIENCE_SECONDS = 120
"""How long what a worker does in the background may take on a busy machine."""


class Terminal:
    """The reader's second terminal: it has typed the two lines that ``make up`` printed."""

    def __init__(self, first: Up) -> None:
        exports = dict(re.findall(r"^  export (\w+)=(.+)$", first.read_output(), re.MULTILINE))
        assert list(exports) == ["PREFECT_API_URL", "SEEDING_HOME"]
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environment = os.environ | exports | {"COLUMNS": "100", "PATH": programs}

    def type(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout


@pytest.fixture
def stand_in_for_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The lines with which the reader starts a stand-in for S3, on another port."""
    port = str(free_port())
    start, *exports, create = [line.replace("5555", port) for line in lines_for_s3(PAGE)]
    for variable in shlex.split(" ".join(line.removeprefix("export ") for line in exports)):
        monkeypatch.setenv(*variable.split("=", 1))
    folder = Path(sys.executable).parent
    program, *options = shlex.split(start.removesuffix(" &"))
    server = subprocess.Popen(
        [folder / program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}"))
        subprocess.run([sys.executable, *shlex.split(create)[1:]], check=True)
        yield
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def terminal(tmp_path: Path, stand_in_for_s3: None) -> Iterator[Terminal]:
    with up(tmp_path / "home", tmp_path / "up.txt") as first:
        yield Terminal(first)


def test_the_reader_sees_what_the_tutorial_shows(
    terminal: Terminal, browser: BrowserContext
) -> None:
    output = ""
    for command, shown in typed_lines(PAGE):
        deadline = time.monotonic() + PATIENCE_SECONDS
        answer = terminal.type(command)
        looks = re.search(r"^cat | (list|show|status)\b", command)
        while looks and not is_as_shown(answer, shown) and time.monotonic() < deadline:
            answer = terminal.type(command)
        assert is_as_shown(answer, shown), f"{command}\n{answer}"
        output += answer
        if "groups list" in command:
            see_the_suspended_run(browser, output)

    first, *_ = re.findall(r"http://\S+/runs/flow-run/\S+", output)
    page = browser.new_page()
    page.goto(first)
    expect(page.get_by_text("row 2, stars: 'six' is not a whole number").first).to_be_visible()
    expect(page.get_by_text("Failed").first).to_be_visible()
    page.locator("#artifacts").click()
    expect(page.get_by_text("All rejected rows").first).to_be_visible()
    picture(page, "tutorial-rejected")


def see_the_suspended_run(browser: BrowserContext, output: str) -> None:
    """Open the page of the run that was started last."""
    *_, last = re.findall(r"http://\S+/runs/flow-run/[\w-]+", output)
    page = browser.new_page()
    page.goto(last)
    suspended = page.get_by_text("Suspended").first
    expect(suspended).to_be_visible(timeout=PATIENCE_SECONDS * 1_000)
    picture(page, "suspended-run")
    page.close()
