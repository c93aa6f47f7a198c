"""Check the records of a CSV one by one: the cells of its named columns, or what is wrong."""

import io
import re
from collections.abc import Collection, Sequence
from typing import Final

from tasks_lib.domain.fields import ERRORS_NAME, RESERVED_NAMES
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import counted, is_nameless, shortened, visible
from tasks_lib.domain.rows.dialects import Dialect, Quote
from tasks_lib.domain.rows.headers import nameless_column
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.csv_files.csv_records import Record, cell_reader
from tasks_lib.intake.rows.blocks import BadRow
from tasks_lib.intake.rows.rejects import marked_problem

_SPACE_BEFORE_QUOTE: Final = re.compile(r'\s+"')


class RowChecker:
    """Checks records against a header.

    Columns without a name are left out: ``positions`` are those of the others in the header. Cells
    in them and beyond the header may be missing, and must be empty. Those at the ``optional``
    positions may be missing, too.
    """

    def __init__(
        self,
        header: Sequence[str],
        dialect: Dialect,
        limits: Limits,
        *,
        optional: Collection[int] = (),
    ) -> None:
        named = [index for index, name in enumerate(header) if not is_nameless(name)]
        self.width = len(header)
        self.positions = named or list(range(self.width))
        self.columns = [header[index] for index in self.positions]
        self.errors_column = (
            self.columns.index(ERRORS_NAME) if ERRORS_NAME in self.columns else None
        )
        self._names = {index: header[index] for index in self.positions}
        self._nameless = [index for index in range(self.width) if index not in self._names]
        self._optional = frozenset(optional)
        self._header = header
        self._dialect = dialect
        self._limits = limits

    def name_at(self, index: int) -> str | None:
        """Return the name of the column at a position of the file, None if it has none."""
        return self._names.get(index)

    def uses_nameless(self, longest: Sequence[int]) -> bool:
        """Return whether a column without a name has a cell, given each column's longest cell."""
        return any(longest[index] for index in self._nameless)

    def check(self, record: Record, row: int) -> list[str] | BadRow:
        """Return the cells of the named columns, or the row with its problems.

        Raises SourceProblemError if the first row shows that columns without a name are in use.
        """
        if record.cells is None:
            lines = io.StringIO(record.raw, newline="")
            raw = next(cell_reader(lines, self._dialect, strict=False))
            message = (
                "text follows the closing quote of a quoted cell; "
                "write a quote inside a quoted cell twice"
            )
            if '\\"' in record.raw:
                message += ", not after a backslash (in Spark: the option escape is '\"')"
            return self._bad(raw, row, [Problem("text_after_quote", message, row)], is_lossy=True)
        raw = record.cells
        if row == 1:
            self._check_first(raw)
        if self._is_plain(record.raw, len(raw)):
            problems, cells = [], raw
        else:
            problems = [*self._width_problems(raw, row), *self._cell_problems(raw, row)]
            cells = [decode(raw[index]) for index in self.positions if index < len(raw)]
        is_lossy = any(map(self._is_lost, problems))
        if self.errors_column is not None and self.errors_column < len(cells):
            marked = marked_problem(cells[self.errors_column], row)
            if marked is not None:
                problems, is_lossy = [marked], True
        if problems:
            return self._bad(raw, row, problems, is_lossy=is_lossy)
        return [*cells, *[""] * (len(self.columns) - len(cells))]

    def _is_plain(self, line: str, count: int) -> bool:
        """Return whether no cell of a line can be a problem, and none needs to be decoded."""
        return (
            count == self.width
            and not self._nameless
            and line.isascii()
            and "\0" not in line
            and len(line) <= self._limits.max_cell_bytes
        )

    def _is_lost(self, problem: Problem) -> bool:
        """Return whether the rejects file cannot hold what is wrong as it is in the source."""
        keeps_bytes = self._dialect.encoding.startswith("utf-8")
        return (
            problem.code == "too_few_cells"
            or (problem.code == "invalid_encoding" and not keeps_bytes)
            or problem.field in RESERVED_NAMES
        )

    def _bad(
        self, raw: Sequence[str], row: int, problems: list[Problem], *, is_lossy: bool
    ) -> BadRow:
        return BadRow(row, self._arrange(raw), problems, is_lossy)

    def _arrange(self, raw: Sequence[str]) -> list[str]:
        """Return the cells of named columns, then the others unless all of these are empty."""
        cells = [decode(raw[index]) for index in self.positions if index < len(raw)]
        others = [decode(cell) for index, cell in enumerate(raw) if index not in self._names]
        if not any(others):
            return cells
        return cells + [""] * (len(self.columns) - len(cells)) + others

    def _check_first(self, raw: Sequence[str]) -> None:
        problems = [
            nameless_column(self._header[index], index + 1, holds=decode(raw[index]))
            for index in self._nameless
            if index < len(raw) and raw[index]
        ]
        if problems:
            raise SourceProblemError(*problems)

    def _width_problems(self, raw: Sequence[str], row: int) -> list[Problem]:
        problems = []
        count = len(raw)
        lacking = [
            name
            for index, name in self._names.items()
            if index >= count and index not in self._optional
        ]
        if lacking:
            shown = ", ".join(map(visible, lacking[:3]))
            message = (
                f"has {counted(count, 'cell')}, the header {self.width:,}: nothing for {shown}"
            )
            problems.append(Problem("too_few_cells", message, row))
        problems += [
            Problem(
                "too_many_cells",
                f"holds {shortened(decode(raw[index]))} in column {index + 1}, which has no name",
                row,
            )
            for index in self._nameless
            if index < count and raw[index]
        ]
        if any(raw[self.width :]):
            extra = shortened(self._dialect.delimiter.join(map(decode, raw[self.width :])))
            message = (
                f"has {counted(count, 'cell')}, the header {self.width:,}: {extra} is too much; "
                f"{self._quoting_advice(raw)}"
            )
            problems.append(Problem("too_many_cells", message, row))
        return problems

    def _quoting_advice(self, raw: Sequence[str]) -> str:
        delimiter = repr(self._dialect.delimiter)
        if self._dialect.quote is Quote.NONE:
            return f"without quotes no cell can hold {delimiter}"
        if any(map(_SPACE_BEFORE_QUOTE.match, raw)):
            return "remove the space before a quote, which opens a cell only as its first character"
        return f"quote a cell that holds {delimiter}"

    def _cell_problems(self, raw: Sequence[str], row: int) -> list[Problem]:
        problems = []
        for index, cell in enumerate(raw):
            found = self._cell_problem(cell)
            if found is not None:
                code, message = found
                problems.append(Problem(code, message, row, self._names.get(index)))
        return problems

    def _cell_problem(self, raw: str) -> tuple[str, str] | None:
        if len(raw) > self._limits.max_cell_bytes:
            message = (
                f"has {len(raw):,} bytes, {self._limits.max_cell_bytes:,} are allowed; "
                "raise SEEDING_MAX_CELL_BYTES if that is meant"
            )
            return "cell_too_large", message
        if "\0" in raw:
            return "nul_byte", f"{shortened(decode(raw))} holds a NUL character"
        if not raw.isascii():
            message = why_not_encoded(raw, self._dialect.encoding)
            return ("invalid_encoding", message) if message else None
        return None


def why_not_encoded(raw: str, encoding: str) -> str:
    """Say which byte is invalid, and what to try; empty if all are valid.

    ``raw`` has one character for each byte.
    """
    data = raw.encode("latin-1")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        if not encoding.startswith("utf-8"):
            return f"the cell holds bytes that are not {encoding}"
        byte = data[error.start]
        return (
            f"byte 0x{byte:02X}, the cell's number {error.start + 1}, is not UTF-8; "
            "give the file's encoding, such as cp1252, latin-1 or shift_jis"
        )
    return ""


def decode(raw: str) -> str:
    """Decode the bytes behind Latin-1 characters as UTF-8, invalid ones as surrogate escapes."""
    if raw.isascii():
        return raw
    return raw.encode("latin-1").decode("utf-8", errors="surrogateescape")
