"""Read CSV as text, in blocks of whole rows: exact about oddities, and fast without them.

A block is parsed in one of two ways. The careful parser is Python's csv module in strict mode: it
defines rows, and says what is wrong with one. The fast parser is Arrow's, for blocks without
oddities. A property-based test verifies that both give the same result.

Rows end at LF, CRLF or CR. A quote opens a cell only as its first character and is literal
elsewhere (as in ``5" pipe``). A line without any character is blank, skipped and counted.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tasks_lib.domain.datasets import NamedColumn, name_columns
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import shortened
from tasks_lib.domain.rows.dialects import DEFAULT_DIALECT, Dialect, Quote, is_delimiter
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.csv_files.csv_records import (
    Record,
    cell_reader,
    end_of_plain_rows,
    records,
)
from tasks_lib.intake.csv_files.csv_rows import RowChecker, decode, why_not_encoded
from tasks_lib.intake.csv_files.encodings import Utf8Stream
from tasks_lib.intake.csv_files.not_csv import check_is_csv
from tasks_lib.intake.rows.arrays import number_array, number_scalar, text_array
from tasks_lib.intake.rows.blocks import BadRow, CellBlock
from tasks_lib.intake.rows.limit_problems import row_too_large, too_many_columns
from tasks_lib.intake.rows.rejects import MARK_START

BLOCK_BYTES: Final = 2**20
_HEADER_BYTES: Final = 2**14
_OTHER_DELIMITERS: Final = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
_DELIMITER_LINE: Final = re.compile(rb'"?sep=([^\r\n])"?\1*(?:\r\n?|\n)', re.IGNORECASE)
_END_OF_DOS_FILE: Final = b"\x1a"


@dataclass
class CsvReader:
    """Reads the header when it is made, and the rows on demand.

    Columns without a name are left out; see ``RowChecker``. With ``names_columns`` they get one,
    and so do those of the same name; ``named`` says which. ``dialect`` is the one that was given;
    once the header is read, it is the one that the file has. Raises SourceProblemError if the file
    as a whole cannot be read. Cells of bad rows keep bytes that are not UTF-8 as surrogate escapes.
    """

    stream: Utf8Stream
    limits: Limits
    dialect: Dialect = DEFAULT_DIALECT
    block_bytes: int = BLOCK_BYTES
    names_columns: bool = False
    named: list[NamedColumn] = field(init=False, default_factory=list)
    columns: list[str] = field(init=False, default_factory=list)
    _rows: RowChecker = field(init=False)
    _pending: bytes = field(init=False, default=b"")
    _at_end: bool = field(init=False, default=False)
    _row: int = field(init=False, default=0)
    _consumed: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.dialect = self.dialect._replace(encoding=self.stream.name)
        header = self._read_header()
        optional: list[int] = []
        if self.names_columns and len(header) <= self.limits.max_columns:
            self.named = name_columns(header)
            header = [column.name for column in self.named]
            optional = [index for index, column in enumerate(self.named) if column.is_nameless]
        self._rows = RowChecker(header, self.dialect, self.limits, optional=optional)
        self.columns = self._rows.columns
        self._check_width()

    def blocks(self) -> Iterator[CellBlock]:
        """Yield the rows in order, each in exactly one block."""
        while self._pending or not self._at_end:
            block = self._next_block()
            if block is not None:
                yield block

    def _next_block(self) -> CellBlock | None:
        """Read more, and return the complete rows; None if no row is complete yet."""
        self._fill(self.block_bytes)
        end = end_of_plain_rows(self._pending, self.dialect, at_end=self._at_end)
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
        if self._at_end:
            return
        more = self.stream.read(size)
        self._at_end = not more
        self._pending += more
        if self._at_end and self._pending.endswith((b"\n\x1a", b"\r\x1a")):
            self._pending = self._pending.removesuffix(_END_OF_DOS_FILE)

    def _advance(self, end: int, rows: int) -> None:
        self._pending = self._pending[end:]
        self._consumed += end
        self._row += rows

    def _check_row_size(self) -> None:
        if self._pending and (self._at_end or len(self._pending) > self.limits.max_row_bytes):
            raise self._unreadable_rest(self._pending, self._row + 1)

    def _unreadable_rest(self, data: bytes, row: int | None) -> SourceProblemError:
        """Return the error for a row without end: an unclosed quote, or a row that is too large."""
        place = "the header" if row is None else f"row {row:,}"
        lines = io.StringIO(data.decode("latin-1"), newline="")
        cells = next(cell_reader(lines, self.dialect, strict=False))
        if next(records(data, self.dialect, is_final=True), None) is not None:
            return SourceProblemError(row_too_large(self.limits, row, subject=place))
        opened = shortened(decode(cells[-1]), 40)
        message = (
            f"{place}: the quote that opens the cell {opened} is never closed; close it, or give "
            "the quote none if quotes are text in this file"
        )
        column = None if row is None else self._rows.name_at(len(cells) - 1)
        return SourceProblemError(Problem("unclosed_quote", message, row, column))

    def _read_header(self) -> list[str]:
        self._fill(_HEADER_BYTES)
        check_is_csv(self.stream, self._pending)
        self._take_delimiter_line()
        self._take_evident_delimiter()
        while (header := self._first_record()) is None:
            if len(self._pending) > self.limits.max_row_bytes or self._at_end:
                raise self._unreadable_rest(self._pending, None)
            self._fill(len(self._pending))
        self._advance(header.end, 0)
        return [self._header_cell(cell) for cell in header.cells or []]

    def _take_delimiter_line(self) -> None:
        """Skip a first line such as ``sep=;``, and take the delimiter that it names."""
        line = _DELIMITER_LINE.match(self._pending)
        if line is None or not is_delimiter(named := line[1].decode("latin-1")):
            return
        given = self.dialect.delimiter
        if given not in (named, DEFAULT_DIALECT.delimiter):
            message = (
                f"the first line says that the delimiter is {named!r}, and {given!r} was given; "
                "leave the delimiter out, or remove the line"
            )
            raise SourceProblemError(Problem("wrong_delimiter", message))
        self.dialect = self.dialect._replace(delimiter=named, names_delimiter=True)
        self._advance(line.end(), 0)

    def _take_evident_delimiter(self) -> None:
        """Take another delimiter than the comma if the first two rows leave no doubt about it.

        The header contains no comma, and exactly one of the other delimiters separates it into
        distinct names and the row below into as many cells.
        """
        if self.dialect.delimiter != DEFAULT_DIALECT.delimiter or self.dialect.names_delimiter:
            return
        fitting = [
            dialect
            for delimiter in _OTHER_DELIMITERS
            if delimiter != DEFAULT_DIALECT.delimiter
            and self._fits(dialect := self.dialect._replace(delimiter=delimiter))
        ]
        if len(fitting) == 1:
            self.dialect = fitting[0]

    def _fits(self, dialect: Dialect) -> bool:
        found = records(self._pending, dialect, is_final=self._at_end)
        rows = [record for record in islice(found, 2) if record.cells is not None]
        if len(rows) < 2 or DEFAULT_DIALECT.delimiter in rows[0].raw:
            return False
        names, cells = (record.cells or [] for record in rows)
        return len(names) == len(cells) > 1 and all(names) and len(set(names)) == len(names)

    def _first_record(self) -> Record | None:
        """Return the first record that is not a blank line; None if it is not complete yet."""
        for record in records(self._pending, self.dialect, is_final=self._at_end):
            if record.cells is None:
                message = "the header has text after the closing quote of a quoted cell"
                raise SourceProblemError(Problem("text_after_quote", message))
            if not self._is_blank(record):
                return record
        if self._at_end and not self._pending.strip(self._blanks.encode()):
            raise SourceProblemError(Problem("empty_file", "the file is empty: no header, no rows"))
        return None

    @property
    def _blanks(self) -> str:
        return f"\r\n{self.dialect.delimiter}"

    def _is_blank(self, record: Record) -> bool:
        """Return whether a line has no characters, or only delimiters."""
        is_empty = record.cells is not None and not any(record.cells)
        return is_empty and not record.raw.strip(self._blanks)

    def _header_cell(self, cell: str) -> str:
        reason = why_not_encoded(cell, self.dialect.encoding)
        if reason:
            message = f"the header cannot be read: {reason}"
            raise SourceProblemError(Problem("invalid_encoding", message))
        return decode(cell)

    def _check_width(self) -> None:
        if len(self.columns) > self.limits.max_columns:
            clause = f"the header has {len(self.columns):,} columns"
            raise SourceProblemError(too_many_columns(clause, self.limits))
        if len(self.columns) == 1:
            _check_delimiter(self.columns[0], self.dialect.delimiter)

    def _parse_fast(self, data: bytes) -> CellBlock | None:
        """Parse complete rows with well-placed quotes; None if anything is odd."""
        # With one column Arrow cannot tell a blank line from an empty cell.
        if self._rows.width == 1 or b"\0" in data:
            return None
        is_quoted = self.dialect.quote is not Quote.NONE
        names = [str(index) for index in range(self._rows.width)]
        try:
            table = pa.csv.read_csv(
                pa.BufferReader(data),
                pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
                pa.csv.ParseOptions(
                    delimiter=self.dialect.delimiter,
                    quote_char='"' if is_quoted else False,
                    newlines_in_values=is_quoted,
                    ignore_empty_lines=False,
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
        longest = [pc.max(length).as_py() or 0 for length in lengths]
        if max(longest) > limit or self._rows.uses_nameless(longest):
            return None
        if _has_empty_row(lengths):  # or a blank line: Arrow gives the same for both
            return None
        columns = [columns[index] for index in self._rows.positions]
        if self._has_mark(columns):
            return None
        numbers = number_array(np.arange(self._row + 1, self._row + 1 + table.num_rows))
        return CellBlock(numbers, columns, [], 0, self._consumed + len(data))

    def _has_mark(self, columns: list[pa.Array]) -> bool:
        index = self._rows.errors_column
        return index is not None and bool(
            pc.any(pc.match_substring_regex(columns[index], MARK_START)).as_py()
        )

    def _parse_carefully(self, data: bytes, *, is_final: bool) -> tuple[CellBlock, int]:
        """Parse row by row; return the block and the number of bytes it consumed."""
        numbers: list[int] = []
        rows: list[list[str]] = []
        bad: list[BadRow] = []
        blank, end, row = 0, 0, self._row
        for record in records(data, self.dialect, is_final=is_final):
            end = record.end
            if self._is_blank(record):
                blank += 1
                continue
            row += 1
            checked = self._rows.check(record, row)
            if isinstance(checked, BadRow):
                bad.append(checked)
            else:
                numbers.append(row)
                rows.append(checked)
        if is_final and end < len(data):
            raise self._unreadable_rest(data[end:], row + 1)
        columns = [
            text_array([cells[index] for cells in rows]) for index in range(len(self.columns))
        ]
        block = CellBlock(
            number_array(np.array(numbers, np.int64)), columns, bad, blank, self._consumed + end
        )
        return block, end


def _check_delimiter(header: str, delimiter: str) -> None:
    """Raise SourceProblemError for a header of one cell that contains another delimiter."""
    for other, name in _OTHER_DELIMITERS.items():
        if other != delimiter and other in header:
            message = (
                f"the header is one cell with {name} in it: {shortened(header)}; "
                f"the delimiter seems to be {other!r}, not {delimiter!r}"
            )
            raise SourceProblemError(Problem("wrong_delimiter", message))


def _has_empty_row(lengths: list[pa.Array]) -> bool:
    nothing = number_scalar(0)
    is_empty = pc.equal(lengths[0], nothing)
    for length in lengths[1:]:
        if not pc.any(is_empty).as_py():
            return False
        is_empty = pc.and_(is_empty, pc.equal(length, nothing))
    return bool(pc.any(is_empty).as_py())
