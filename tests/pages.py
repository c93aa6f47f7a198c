"""The pages' console blocks: the commands that a reader types, and the output that is shown."""

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from itertools import takewhile
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from tasks_lib.cli import run

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
ANYTHING = "…"
_CONSOLE = re.compile(r"^```console\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FOR_A_SHELL = re.compile(r"[|<>$;]")


class Typed(NamedTuple):
    """A line that the reader types, and the lines that the page then shows."""

    command: str
    shown: list[str]


def typed_lines(page: Path) -> list[Typed]:
    """Return the commands of a page's console blocks with their output, in order."""
    typed: list[Typed] = []
    for block in _CONSOLE.findall(page.read_text(encoding="utf-8")):
        lines = iter(dedent(block).splitlines())
        for line in lines:
            if line.startswith("$ "):
                typed.append(Typed(_whole_command(line.removeprefix("$ "), lines), []))
            else:
                typed[-1].shown.append(line.strip())
    return typed


def _whole_command(line: str, lines: Iterator[str]) -> str:
    """Return a command with the lines after a backslash, and those of a here-document."""
    command = line.strip()
    while command.endswith("\\"):
        command = command.removesuffix("\\") + next(lines).strip()
    if command.endswith("<<'END'"):
        document = takewhile(lambda text: text != "END", lines)
        command = "\n".join([command, *document, "END"])
    return command


def lines_for_s3(tutorial: Path) -> list[str]:
    """Return the lines with which the tutorial starts a stand-in for S3."""
    blocks = _SHELL.findall(tutorial.read_text(encoding="utf-8"))
    [block] = [block for block in blocks if "moto_server" in block]
    return list(block.splitlines())


def is_as_shown(output: str, shown: list[str]) -> bool:
    """Tell whether the output matches the page in all but wrapping; ``…`` matches anything."""
    expected, actual = ("".join(text.split()) for text in ("\n".join(shown), output))
    actual = actual.replace("\ufeff", "")  # the invisible start of a CSV for Excel
    pattern = ".*".join(map(re.escape, expected.split(ANYTHING)))
    return re.fullmatch(pattern, actual, re.DOTALL) is not None


def output_of(command: str) -> str:
    """Run a command as a terminal would and return its output; ``seeding`` runs in this process."""
    words = shlex.split(command)
    if words[0] == "seeding" and not _FOR_A_SHELL.search(re.sub("'[^']*'", "", command)):
        with redirect_stdout(io.StringIO()) as output, redirect_stderr(output):
            run(words[1:])
        return output.getvalue()
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        env=os.environ | {"PATH": programs},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout
