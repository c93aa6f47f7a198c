"""Read CSV as text, in blocks of whole rows: exact about oddities, and fast where there are none.

A block takes one of two lanes. The careful lane is Python's csv module in strict mode: it defines
what a row is, and names what is wrong with one. The fast lane is Arrow's parser, for blocks in
which nothing is odd; a property-based test holds the two to the same answer.

Rows end at LF, CRLF or CR. A quote opens a cell only as its first character and is literal
elsewhere (as in ``5" pipe``). A line without any character is blank, skipped and counted.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tasks_lib.domain.names import counted, shortened, visible
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.intake.csv_records import Record, end_of_plain_rows, records
from tasks_lib.intake.encodings import ByteReader
from tasks_lib.intake.limits import Limits

BLOCK_BYTES: Final = 2**20
_HEADER_BYTES: Final = 2**14
_BINARY_STARTS: Final = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"PAR1": "a Parquet file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip file whose name does not end in .gz",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "a SQLite database",
}
_OTHER_DELIMITERS: Final = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}


@dataclass(frozen=True)
class BadRow:
    """A row that is rejected: its number, its cells as read, and why."""

    row: int
    cells: list[str]
    problems: list[Problem]


@dataclass(frozen=True)
class RowBlock:
    """Some consecutive rows: the good ones column by column, the unreadable ones apart.

    ``numbers`` is an int64 array, ``columns`` one string array of the same length for each column
    of the header. ``bytes_read`` counts the UTF-8 bytes of the file up to the block's end.
    """

    numbers: pa.Array
    columns: list[pa.Array]
    bad: list[BadRow]
    blank: int
    bytes_read: int


@dataclass
class CsvReader:
    """Reads the header at once and the rows as they are asked for.

    ``encoding`` is only named in messages; the stream is UTF-8 in any case. Raises
    SourceProblemError for what makes the file as a whole unreadable. Cells of bad rows keep bytes
    that are not UTF-8 as surrogate escapes.
    """

    stream: ByteReader
    limits: Limits
    delimiter: str = ","
    encoding: str = "utf-8"
    block_bytes: int = BLOCK_BYTES
    columns: list[str] = field(init=False, default_factory=list)
    _pending: bytes = field(init=False, default=b"")
    _at_end: bool = field(init=False, default=False)
    _row: int = field(init=False, default=0)
    _consumed: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.columns = self._read_header()

    def blocks(self) -> Iterator[RowBlock]:
        """Yield the rows in order, each in exactly one block."""
        while self._pending or not self._at_end:
            block = self._next_block()
            if block is not None:
                yield block

    def _next_block(self) -> RowBlock | None:
        """Read on, and return the whole rows at hand; None when not even one is whole yet."""
        self._fill(self.block_bytes)
        end = end_of_plain_rows(self._pending, self.delimiter, at_end=self._at_end)
        block = self._parse_fast(self._pending[:end]) if end else None
        if block is None and end != 0:
            data = self._pending[:end]
            block, end = self._parse_carefully(data, is_final=end is not None or self._at_end)
        if block is None or not end:
            self._check_row_size()
            return None
        self._advance(end, len(block.numbers) + len(block.bad))
        return block

    def _fill(self, size: int) -> None:
        if not self._at_end:
            more = self.stream.read(size)
            self._at_end = not more
            self._pending += more

    def _advance(self, end: int, rows: int) -> None:
        self._pending = self._pending[end:]
        self._consumed += end
        self._row += rows

    def _check_row_size(self) -> None:
        if self._pending and (self._at_end or len(self._pending) > self.limits.max_row_bytes):
            raise self._unreadable_rest(self._pending, self._row + 1)

    def _unreadable_rest(self, data: bytes, row: int | None) -> SourceProblemError:
        """Explain a row that does not end: a quote without its partner, or simply too much."""
        place = "the header" if row is None else f"row {row:,}"
        lines = io.StringIO(data.decode("latin-1"), newline="")
        cells = next(csv.reader(lines, delimiter=self.delimiter))
        if next(records(data, self.delimiter, is_final=True), None) is not None:
            message = (
                f"{place} is larger than {self.limits.max_row_bytes:,} bytes; "
                "raise SEEDING_MAX_ROW_BYTES if that is meant"
            )
            return SourceProblemError(Problem("row_too_large", message, row))
        opened = shortened(_escaped(cells[-1]), 40)
        message = f"{place}: the quote that opens the cell {opened} is never closed"
        column = self._column_name(len(cells) - 1)
        return SourceProblemError(Problem("unclosed_quote", message, row, column))

    def _column_name(self, index: int) -> str | None:
        return self.columns[index] if index < len(self.columns) else None

    def _read_header(self) -> list[str]:
        self._fill(_HEADER_BYTES)
        _check_is_text(self._pending)
        while (header := self._first_record()) is None:
            if len(self._pending) > self.limits.max_row_bytes or self._at_end:
                raise self._unreadable_rest(self._pending, None)
            self._fill(len(self._pending))
        self._advance(header.end, 0)
        columns = [self._header_cell(cell) for cell in header.cells or []]
        self._check_width(columns)
        return columns

    def _first_record(self) -> Record | None:
        """Return the first record that is not a blank line; None when it is not all there yet."""
        for record in records(self._pending, self.delimiter, is_final=self._at_end):
            if record.cells is None:
                message = "the header has text after the closing quote of a quoted cell"
                raise SourceProblemError(Problem("text_after_quote", message))
            if record.cells:
                return record
        if self._at_end and not self._pending.strip(b"\r\n"):
            raise SourceProblemError(Problem("empty_file", "the file is empty: no header, no rows"))
        return None

    def _header_cell(self, cell: str) -> str:
        try:
            return cell.encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            reason = self._encoding_problem(cell)
            message = f"the header cannot be read: {reason}"
            raise SourceProblemError(Problem("invalid_encoding", message)) from None

    def _check_width(self, columns: list[str]) -> None:
        if len(columns) > self.limits.max_columns:
            message = (
                f"the header has {len(columns):,} columns, {self.limits.max_columns:,} are "
                "allowed; raise SEEDING_MAX_COLUMNS if that is meant"
            )
            raise SourceProblemError(Problem("too_many_columns", message))
        if len(columns) == 1:
            _check_delimiter(columns[0], self.delimiter)

    def _parse_fast(self, data: bytes) -> RowBlock | None:
        """Parse whole rows in which quotes are well placed; None when anything is odd."""
        # With one column Arrow cannot tell a blank line from an empty cell.
        if len(self.columns) == 1 or b"\0" in data:
            return None
        names = [str(index) for index in range(len(self.columns))]
        try:
            table = pa.csv.read_csv(
                pa.BufferReader(data),
                pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
                pa.csv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=True, ignore_empty_lines=False
                ),
                pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid:
            return None
        columns = [column.combine_chunks() for column in table.columns]
        limit = self.limits.max_cell_bytes
        lengths = [pc.binary_length(column) for column in columns]
        if any((pc.max(length).as_py() or 0) > limit for length in lengths):
            return None
        if _has_empty_row(lengths):  # or a blank line: Arrow gives the same for both
            return None
        numbers = pa.array(np.arange(self._row + 1, self._row + 1 + table.num_rows))
        return RowBlock(numbers, columns, [], 0, self._consumed + len(data))

    def _parse_carefully(self, data: bytes, *, is_final: bool) -> tuple[RowBlock, int]:
        """Parse row by row; return the block and how many bytes it took."""
        numbers: list[int] = []
        rows: list[list[str]] = []
        bad: list[BadRow] = []
        blank, end, row = 0, 0, self._row
        for record in records(data, self.delimiter, is_final=is_final):
            end = record.end
            if record.cells == []:
                blank += 1
                continue
            row += 1
            cells, problems = self._checked(record, row)
            if problems:
                bad.append(BadRow(row, cells, problems))
            else:
                numbers.append(row)
                rows.append(cells)
        if is_final and end < len(data):
            raise self._unreadable_rest(data[end:], row + 1)
        columns = [
            pa.array([cells[index] for cells in rows], pa.string())
            for index in range(len(self.columns))
        ]
        block = RowBlock(pa.array(numbers, pa.int64()), columns, bad, blank, self._consumed + end)
        return block, end

    def _checked(self, record: Record, row: int) -> tuple[list[str], list[Problem]]:
        """Return a record's cells as text, and what is wrong with them."""
        if record.cells is None:
            raw = next(csv.reader(io.StringIO(record.raw, newline=""), delimiter=self.delimiter))
            message = (
                "text follows the closing quote of a quoted cell; "
                "write a quote inside a quoted cell twice"
            )
            return [_escaped(cell) for cell in raw], [Problem("text_after_quote", message, row)]
        problems = self._width_problems(record.cells, row)
        cells = []
        for index, raw_cell in enumerate(record.cells):
            cell = _escaped(raw_cell)
            cells.append(cell)
            problem = self._cell_problem(raw_cell, cell)
            if problem is not None:
                code, message = problem
                problems.append(Problem(code, message, row, self._column_name(index)))
        return cells, problems

    def _width_problems(self, cells: list[str], row: int) -> list[Problem]:
        found, expected = len(cells), len(self.columns)
        if found < expected:
            lacking = ", ".join(visible(name) for name in self.columns[found:][:3])
            message = (
                f"has {counted(found, 'cell')}, the header {expected:,}: nothing for {lacking}"
            )
            return [Problem("too_few_cells", message, row)]
        if found > expected:
            extra = shortened(self.delimiter.join(_escaped(cell) for cell in cells[expected:]))
            message = (
                f"has {counted(found, 'cell')}, the header {expected:,}: {extra} is too much; "
                f"quote a cell that holds {self.delimiter!r}"
            )
            return [Problem("too_many_cells", message, row)]
        return []

    def _cell_problem(self, raw: str, cell: str) -> tuple[str, str] | None:
        if len(raw) > self.limits.max_cell_bytes:
            return (
                "cell_too_large",
                f"has {len(raw):,} bytes, {self.limits.max_cell_bytes:,} are allowed",
            )
        if "\0" in raw:
            return "nul_byte", f"{shortened(cell)} holds a NUL character"
        if not cell.isascii() and any("\udc80" <= character <= "\udcff" for character in cell):
            return "invalid_encoding", self._encoding_problem(raw)
        return None

    def _encoding_problem(self, raw: str) -> str:
        """Say which byte is wrong, where, and what to try; ``raw`` has a character a byte."""
        data = raw.encode("latin-1")
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            if not self.encoding.startswith("utf-8"):
                return f"the cell holds bytes that are not {self.encoding}"
            byte = data[error.start]
            return (
                f"byte 0x{byte:02X}, the cell's number {error.start + 1}, is not UTF-8; "
                "give the file's encoding, such as cp1252, latin-1 or shift_jis"
            )
        raise AssertionError(f"{raw!r} is UTF-8")


def _check_is_text(start: bytes) -> None:
    """Raise SourceProblemError for a file whose first bytes say that it is something else."""
    for signature, kind in _BINARY_STARTS.items():
        if start.startswith(signature):
            message = f"the file is {kind}, not CSV; export it as CSV first"
            raise SourceProblemError(Problem("not_csv", message))
    if b"\0" in start[:4]:
        message = (
            "the file begins with NUL characters, so it is no CSV text; if it is UTF-16 "
            "without a byte order mark, give the encoding utf-16-le or utf-16-be"
        )
        raise SourceProblemError(Problem("not_csv", message))


def _check_delimiter(header: str, delimiter: str) -> None:
    """Raise SourceProblemError for a header of one cell that holds other delimiters."""
    for other, name in _OTHER_DELIMITERS.items():
        if other != delimiter and other in header:
            message = (
                f"the header is one cell with {name} in it: {shortened(header)}; "
                f"the delimiter seems to be {other!r}, not {delimiter!r}"
            )
            raise SourceProblemError(Problem("wrong_delimiter", message))


def _has_empty_row(lengths: list[pa.Array]) -> bool:
    is_empty = pc.equal(lengths[0], 0)
    for length in lengths[1:]:
        if not pc.any(is_empty).as_py():
            return False
        is_empty = pc.and_(is_empty, pc.equal(length, 0))
    return bool(pc.any(is_empty).as_py())


def _escaped(raw: str) -> str:
    """Read the bytes behind Latin-1 characters as UTF-8, keeping others as surrogate escapes."""
    if raw.isascii():
        return raw
    return raw.encode("latin-1").decode("utf-8", errors="surrogateescape")
