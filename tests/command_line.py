"""The command line, run in the tests' own process."""

import json
from typing import Any

import pytest

from tasks_lib.cli import run


class Seeding:
    """Runs commands in this process and returns exit status, standard output and error."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        status = run(arguments)
        captured = self._capsys.readouterr()
        return status, captured.out, captured.err

    def json(self, *arguments: str) -> tuple[int, Any]:
        status, out, _ = self(*arguments, "--json")
        return status, json.loads(out)
