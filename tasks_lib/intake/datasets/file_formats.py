"""The formats of files of records, and how to recognize one by its name or its first bytes."""

import zipfile
from contextlib import suppress
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final

from tasks_lib.domain.names import display_name
from tasks_lib.intake.csv_files.encodings import ByteReader, Utf8Stream
from tasks_lib.intake.datasets.json_records import is_json
from tasks_lib.transport.fetch import SourceFile


class FileFormat(StrEnum):
    """How a file of records is written."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    XLSX = "xlsx"
    ODS = "ods"


_SUFFIXES: Final = {
    ".csv": FileFormat.CSV,
    ".tsv": FileFormat.CSV,
    ".tab": FileFormat.CSV,
    ".json": FileFormat.JSON,
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
    ".parquet": FileFormat.PARQUET,
    ".xlsx": FileFormat.XLSX,
    ".xlsm": FileFormat.XLSX,
    ".ods": FileFormat.ODS,
}
_PARQUET: Final = b"PAR1"
_START_BYTES: Final = 2**12


def format_of(source: SourceFile, encoding: str = "") -> FileFormat:
    """Return the format that the file's name says, or else its first bytes.

    JSON Lines are often called ``.json``, and arrays ``.jsonl``: a file that begins with a bracket
    is an array, and one whose first line is an object is JSON Lines.
    """
    named = named_format(source.uri)
    if named in {FileFormat.CSV, FileFormat.PARQUET, FileFormat.XLSX, FileFormat.ODS}:
        return named
    workbook = _workbook_format(source.path)
    if workbook is not None:
        return workbook
    with source.path.open("rb") as file:
        if file.read(len(_PARQUET)) == _PARQUET:
            return FileFormat.PARQUET
        file.seek(0)
        start = _start_of(Utf8Stream(file, encoding))
    if start.startswith(b"{"):
        line, line_end, _ = start.partition(b"\n")
        is_lines = named is FileFormat.JSONL or not line_end or is_json(line)
        return FileFormat.JSONL if is_lines else FileFormat.JSON
    return FileFormat.JSON if start.startswith(b"[") else named or FileFormat.CSV


def _workbook_format(path: Path) -> FileFormat | None:
    """Return the format of a workbook, by the parts of the archive that it is."""
    if not zipfile.is_zipfile(path):
        return None
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        parts = set(archive.namelist())
        if "xl/workbook.xml" in parts:
            return FileFormat.XLSX
        if {"mimetype", "content.xml"} <= parts:
            return FileFormat.ODS
    return None


def named_format(uri: str) -> FileFormat | None:
    """Return the format that a file's name says, or None."""
    suffix = PurePosixPath(display_name(uri).lower().removesuffix(".gz")).suffix
    return _SUFFIXES.get(suffix)


def _start_of(stream: ByteReader) -> bytes:
    """Return the first 4 KiB without the blanks that they begin with."""
    start = b""
    while len(start) < _START_BYTES and (block := stream.read(_START_BYTES - len(start))):
        start += block
    return start[:_START_BYTES].lstrip(b" \t\r\n")
