"""Files of records as foreign rows: CSV, JSON, JSON Lines, Parquet and workbooks."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cached_property
from hashlib import sha256
from typing import BinaryIO, Final

from tasks_lib.domain.datasets import common_type
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.names import display_name
from tasks_lib.errors import Problem, SourceProblemError, UsageError
from tasks_lib.intake.csv_files.encodings import Utf8Stream
from tasks_lib.intake.datasets.file_formats import FileFormat, format_of, named_format
from tasks_lib.intake.datasets.foreign_rows import ForeignSource
from tasks_lib.intake.datasets.json_records import find_arrays, split_records
from tasks_lib.intake.datasets.parquet_blocks import parquet_blocks
from tasks_lib.intake.datasets.record_blocks import (
    ColumnTypes,
    csv_blocks,
    json_array_blocks,
    json_lines_blocks,
)
from tasks_lib.intake.rows.blocks import CheckedBlock
from tasks_lib.transport.fetch import SourceFile, fetch
from tasks_lib.transport.temporary import temporary_folder

_WORKBOOKS: Final = frozenset({FileFormat.XLSX, FileFormat.ODS})
_TABLES: Final = frozenset({FileFormat.CSV, FileFormat.PARQUET, *_WORKBOOKS})


@contextmanager
def open_file(source: ForeignSource, limits: Limits) -> Iterator["FileRows"]:
    """Fetch a file by path or URL, and keep it until the context is left."""
    with temporary_folder() as folder:
        yield FileRows(source, fetch(source.uri, folder, limits), limits)


class FileRows:
    """The rows of a local file. Their ``done`` counts the bytes of the file."""

    is_local: Final = True

    def __init__(self, source: ForeignSource, file: SourceFile, limits: Limits) -> None:
        self._source = source
        self._file = file
        self._limits = limits
        self._types: ColumnTypes = {}
        self._warnings: list[str] = []

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns in order of appearance, each of a type that holds its values."""
        return tuple(Column(name, common_type(types)) for name, types in self._types.items())

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about columns that have other names than in the file."""
        return tuple(self._warnings)

    @property
    def is_table(self) -> bool:
        """Whether the format has one header for all rows."""
        return self._format in _TABLES

    @property
    def checksum(self) -> str:
        """The SHA-256 of the unpacked file, and of the options that choose parts of it."""
        source = self._source
        chosen: list[object] = [source.columns, source.records, source.nan_as_null]
        chosen += [source.sheet] if source.sheet else []
        if not any(chosen):
            return self._file.sha256
        return sha256(json.dumps([self._file.sha256, *chosen]).encode()).hexdigest()

    @property
    def total(self) -> int:
        """The size of the unpacked file."""
        return self._file.size

    def blocks(self) -> Generator[CheckedBlock]:
        """Yield the rows.

        Raises SourceProblemError if the file cannot be read any further, has no rows or too many
        columns, or was changed since it was hashed.
        """
        rows = 0
        with self._file.path.open("rb") as file:
            for block in self._read(file):
                rows += len(block.numbers) + len(block.bad)
                yield block
        if not rows:
            raise SourceProblemError(Problem("no_rows", "the file has no rows"))
        if rows == 1 and self._may_be_an_envelope():
            self._check_is_no_envelope()
        self._file.check_unchanged()

    def _may_be_an_envelope(self) -> bool:
        """Whether a single row can be the whole file, by mistake."""
        if self._format is FileFormat.JSON:
            return not self._source.records
        said = self._source.format or named_format(self._source.uri)
        return self._format is FileFormat.JSONL is not said

    def _check_is_no_envelope(self) -> None:
        """Raise SourceProblemError if the file's one object holds a list of objects.

        That may be the rows, so the user decides.
        """
        with self._file.path.open("rb") as file:
            members = find_arrays(Utf8Stream(file, self._source.dialect.encoding), self._limits)
        if members:
            listed = ", ".join(map(repr, members[:5]))
            message = (
                f"the file is one object, which holds a list of objects in {listed}; give "
                f"{members[0]!r} as records to import those, or put the object in brackets, as "
                "[{...}], to import it as one row"
            )
            raise SourceProblemError(Problem("not_json", message))

    @cached_property
    def _format(self) -> FileFormat:
        if self._source.format is not None:
            return self._source.format
        found = format_of(self._file, self._source.dialect.encoding)
        is_lines = found is FileFormat.JSONL
        return FileFormat.JSON if self._source.records and is_lines else found

    def _read(self, file: BinaryIO) -> Iterator[CheckedBlock]:
        limits, types, encoding = self._limits, self._types, self._source.dialect.encoding
        columns, records = self._source.columns, self._source.records
        if columns and not self.is_table:
            raise UsageError(
                f"{self._source.uri} is JSON, and columns can be chosen of CSV, Parquet and "
                "workbooks only; a mapping leaves out what it does not name"
            )
        if records and self._format is not FileFormat.JSON:
            raise UsageError(
                f"{self._source.uri} is read as {self._format.value}, and only JSON has records "
                "in a member"
            )
        if self._source.sheet and self._format not in _WORKBOOKS:
            raise UsageError(
                f"{self._source.uri} is read as {self._format.value}, and only workbooks have "
                "sheets"
            )
        match self._format:
            case FileFormat.CSV:
                dialect = self._source.dialect.of_file(display_name(self._file.uri))
                warnings = self._warnings
                return csv_blocks(file, limits, types, dialect, columns=columns, warnings=warnings)
            case FileFormat.JSON:
                names = split_records(records) if records else ()
                return json_array_blocks(file, limits, types, encoding=encoding, records=names)
            case FileFormat.JSONL:
                return json_lines_blocks(file, limits, types, encoding=encoding)
            case FileFormat.PARQUET:
                path, nan_as_null = self._file.path, self._source.nan_as_null
                return parquet_blocks(path, limits, types, columns=columns, nan_as_null=nan_as_null)
            case FileFormat.XLSX | FileFormat.ODS:
                from tasks_lib.intake.workbooks.sheet_blocks import (  # noqa: PLC0415 - seldom used
                    sheet_blocks,
                )

                path, sheet, warnings = self._file.path, self._source.sheet, self._warnings
                return sheet_blocks(
                    path, limits, types, sheet=sheet, columns=columns, warnings=warnings
                )
