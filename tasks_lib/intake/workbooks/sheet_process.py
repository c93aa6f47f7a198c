"""Run the engine of workbooks in a process of its own, and talk to it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError

_PROGRAM: Final = "calamine_process.py"
_ENCRYPTED: Final = (
    "the workbook is encrypted; open it in Excel or LibreOffice, remove its password, and save it"
)
_TOO_LARGE: Final = "limit exceeded"


class SheetName(NamedTuple):
    """A sheet of a workbook that has cells."""

    name: str
    is_visible: bool


class SheetProcess:
    """The process that reads a workbook; ``sheets`` are in the workbook's order."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits) -> None:
        self._process = process
        self._input, self._output = (
            cast("IO[bytes]", process.stdin),
            cast("IO[bytes]", process.stdout),
        )
        self._limits = limits
        self.sheets = [SheetName(*sheet) for sheet in self._receive()["sheets"]]
        self.first_column = 0
        self.height = 0

    def rows(self, sheet: str) -> Iterator[Sequence[Any]]:
        """Yield the rows of a sheet from its first row on; empty cells are empty texts."""
        self._input.write(json.dumps(sheet).encode() + b"\n")
        self._input.flush()
        opened = self._receive()
        self.first_column, self.height = opened["first_column"], opened["rows"]
        while (rows := self._receive()) is not None:
            yield from rows

    def _receive(self) -> Any:
        line = self._output.readline()
        if not line.endswith(b"\n"):
            self._process.wait()
            raise SourceProblemError(Problem("workbook_too_large", self._why_ended()))
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            reason = answer["error"]
            if _TOO_LARGE in reason:
                message = f"the workbook has more cells than can be read: {reason}; split it"
                raise SourceProblemError(Problem("workbook_too_large", message))
            damaged = f"the workbook cannot be read: {reason}; save it again as .xlsx or .ods"
            message = _ENCRYPTED if reason == "encrypted" else damaged
            raise SourceProblemError(Problem("not_workbook", message))
        return answer

    def _why_ended(self) -> str:
        most = self._limits.max_workbook_bytes
        return (
            f"reading the sheet takes more than {most:,} bytes of memory; save it as CSV, or raise "
            "SEEDING_MAX_WORKBOOK_BYTES"
        )


@contextmanager
def reading_workbook(path: Path, limits: Limits) -> Iterator[SheetProcess]:
    """Start the process, and end it with the block; raise SourceProblemError."""
    with (
        as_file(files(__package__) / _PROGRAM) as program,
        subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", str(program), str(path), str(limits.max_workbook_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            yield SheetProcess(process, limits)
        finally:
            process.kill()
