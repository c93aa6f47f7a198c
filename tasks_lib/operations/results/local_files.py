"""Write results to local files, each within the limits of its format."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.domain.results import ResultColumn
from tasks_lib.operations.results.part_files import PartFiles, number_file
from tasks_lib.operations.results.read import MEMBERS
from tasks_lib.output.result_files import ResultFile, open_result_file
from tasks_lib.store.results.result_exports import Part

Rows = Sequence[Sequence[Any]]

MOST_ROWS: Final[Mapping[ResultFormat, int]] = {ResultFormat.XLSX: 1_048_575}
"""The rows that a file of a format can hold; others can hold any number."""


class LocalFiles:
    """The files of a part of results in a local folder; more rows than fit begin another file.

    Which rows are in which file depends on the rows alone, so that the same part makes the same
    files again.
    """

    def __init__(
        self, folder: Path, naming: PartFiles, part: Part, columns: Sequence[ResultColumn]
    ) -> None:
        self._folder = folder
        self._naming = naming
        self._part = part
        self._columns = columns
        self._open: dict[str, ResultFile] = {}
        self._numbers: dict[str, int] = {}
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        """Return the files, which are closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Complete the files."""
        self._opened.close()

    @property
    def rows(self) -> Mapping[str, int]:
        """The names of the files with their numbers of rows."""
        return {name: file.rows for name, file in self._open.items()}

    def write(self, rows: Rows) -> None:
        """Write rows that follow those before in the order of finishing."""
        most = MOST_ROWS.get(self._naming.format)
        for name, of_name in self._naming.split(self._part, rows):
            left = of_name
            while left:
                file = self._file(name)
                room = len(left) if most is None else most - file.rows
                file.write(left[:room])
                left = left[room:]
                if left:
                    self._numbers[name] += 1

    def _file(self, name: str) -> ResultFile:
        """Return the last file of a name."""
        numbered = number_file(name, self._numbers.setdefault(name, 1))
        if numbered not in self._open:
            path = self._folder / numbered
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open_result_file(path, self._naming.format, self._columns, MEMBERS)
            self._opened.callback(file.close)
            self._open[numbered] = file
        return self._open[numbered]
