"""The formats of results; apart from their columns, because the command line's help needs them."""

from enum import StrEnum


class ResultFormat(StrEnum):
    """How results are written to files."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"


class TextFormat(StrEnum):
    """How results are written as text."""

    JSONL = "jsonl"
    CSV = "csv"
