"""Reading the file of a dataset: its format, its rows and columns, and its errors."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.progress import Progress
from tasks_lib.domain.rows.dialects import Dialect
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.datasets.dataset_intake import DatasetIntake
from tasks_lib.intake.datasets.file_formats import FileFormat, format_of
from tasks_lib.intake.datasets.file_rows import FileRows
from tasks_lib.intake.datasets.foreign_rows import ForeignSource
from tasks_lib.transport.fetch import SourceFile, fetch

Write = Callable[..., str]
LIMITS = Limits(max_errors=2)


def parquet(**columns: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


TABLE = parquet(a=[1, 2], b=["x", None])


@pytest.fixture
def source_of(csv_file: Write, tmp_path: Path) -> Callable[[bytes, str], SourceFile]:
    """Write a file and fetch it."""
    (tmp_path / "fetched").mkdir()
    return lambda data, name: fetch(csv_file(data, name), tmp_path / "fetched", Limits())


Source = Callable[[bytes, str], SourceFile]


def rows_in(
    source: SourceFile,
    limits: Limits = LIMITS,
    written: FileFormat | None = None,
    encoding: str = "",
) -> FileRows:
    dialect = Dialect(encoding=encoding)
    return FileRows(ForeignSource(source.uri, format=written, dialect=dialect), source, limits)


def rows_of(intake: DatasetIntake) -> list[tuple[int, str]]:
    return [
        pair
        for batch in intake.batches()
        for pair in zip(batch.rows.to_pylist(), batch.values.to_pylist(), strict=True)
    ]


def problems_of(intake: DatasetIntake) -> tuple[Problem, ...]:
    with pytest.raises(SourceProblemError) as caught:
        rows_of(intake)
    return caught.value.problems


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("d.csv", b"a\n1\n", "csv"),
        ("d.TSV", b"a\n1\n", "csv"),
        ("d.csv", b"[1]", "csv"),
        ("d.json", b'[{"a":1}]', "json"),
        ("d.json", b' \r\n\t{"a":1}\n', "jsonl"),
        ("d.json", b"", "json"),
        ("d.json", b"PAR1", "parquet"),
        ("d.json", b"\xef\xbb\xbf{}", "jsonl"),
        ("d.json", "[]".encode("utf-16"), "json"),
        ("d.json", "{}".encode("utf-16"), "jsonl"),
        ("d.jsonl", b"[1]", "json"),
        ("d.jsonl", b"", "jsonl"),
        ("d.NDJSON", b"{}", "jsonl"),
        ("d.parquet", b"a\n1\n", "parquet"),
        ("d", b"{}", "jsonl"),
        ("d.txt", b"[{}]", "json"),
        ("d.txt", b"a,b\n", "csv"),
        ("d.dat", TABLE, "parquet"),
        ("d", b" " * 10_000 + b"{}", "csv"),
    ],
    ids=ascii,
)
def test_the_format_follows_from_the_name_or_the_first_bytes(
    name: str, data: bytes, expected: str, source_of: Source
) -> None:
    assert format_of(source_of(data, name)) == FileFormat(expected)


@pytest.mark.parametrize("name", ["d.jsonl.gz", "d.json.gz", "D.GZ"])
def test_the_format_of_a_gzipped_file_is_that_of_its_content(name: str, source_of: Source) -> None:
    assert format_of(source_of(gzip.compress(b'{"a":1}'), name)) == FileFormat.JSONL


def test_the_first_bytes_are_read_in_the_given_encoding(source_of: Source) -> None:
    source = source_of("{}".encode("utf-16-be"), "d.json")
    assert format_of(source, "utf-16-be") == FileFormat.JSONL


@pytest.mark.parametrize(
    ("name", "data", "rows", "types"),
    [
        ("d.csv", b"a,b\n1,x\n2,\n", ['{"a":"1","b":"x"}', '{"a":"2","b":null}'], "text text"),
        (
            "d.json", b'[{"a": 1, "b": "x"}, {"a": 2.50}]',
            ['{"a": 1, "b": "x"}', '{"a": 2.50}'], "number text",
        ),
        (
            "d.jsonl", b'{"a":1,"b":null}\r\n\n{"a":[],"b":true}',
            ['{"a":1,"b":null}', '{"a":[],"b":true}'], "json boolean",
        ),
        ("d.parquet", TABLE, ['{"a":1,"b":"x"}', '{"a":2,"b":null}'], "integer text"),
    ],
    ids=["CSV", "JSON", "JSON Lines", "Parquet"],
)  # fmt: skip
def test_every_format_gives_rows_columns_and_progress(
    name: str, data: bytes, rows: list[str], types: str, source_of: Source
) -> None:
    source, seen = source_of(data, name), list[Progress]()
    file_rows = rows_in(source)
    intake = DatasetIntake(file_rows, LIMITS, on_progress=seen.append)
    assert rows_of(intake) == list(enumerate(rows, start=1))
    assert (intake.good, intake.rejected, intake.problems) == (2, 0, [])
    expected = zip("ab", types.split(), strict=True)
    assert file_rows.columns == tuple(Column(name, FieldType(kind)) for name, kind in expected)
    assert seen[-1] == Progress(len(data), len(data), 2)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("d.csv", b"a,b\n"),
        ("d.json", b"[]"),
        ("d.jsonl", b"\n\n"),
        ("d.jsonl", b""),
        ("d.parquet", parquet(a=pa.array([], pa.int8()))),
    ],
    ids=["CSV", "JSON", "blank JSON Lines", "empty JSON Lines", "Parquet"],
)
def test_a_file_without_rows_is_refused(name: str, data: bytes, source_of: Source) -> None:
    source = source_of(data, name)
    intake = DatasetIntake(rows_in(source), LIMITS)
    assert problems_of(intake) == (Problem("no_rows", "the file has no rows"),)


@pytest.mark.parametrize(
    ("name", "bad", "first"),
    [
        ("d.csv", b"a,b\n1\n1\n", Problem(
            "too_few_cells", "has 1 cell, the header 2: nothing for 'b'", 1)),
        ("d.jsonl", b"1\n2\n", Problem("not_an_object", "'1' is a number, not an object", 1)),
        ("d.json", b"[1,2]", Problem("not_an_object", "'1' is a number, not an object", 1)),
        ("d.parquet", parquet(a=[float("nan")] * 2), Problem(
            "unsupported_value",
            "nan is not a number in JSON; import it as null with nan_as_null", 1, "a")),
    ],
    ids=["CSV", "JSON Lines", "JSON", "Parquet"],
)  # fmt: skip
def test_bad_rows_are_counted_and_too_many_end_the_intake(
    name: str, bad: bytes, first: Problem, source_of: Source
) -> None:
    source = source_of(bad, name)
    intake = DatasetIntake(rows_in(source), LIMITS)
    assert rows_of(intake) == []
    assert (intake.good, intake.rejected) == (0, 2)
    assert intake.problems == [first, first._replace(
        row=2, message=first.message.replace("'1'", "'2'"))]  # fmt: skip
    strict = DatasetIntake(rows_in(source), Limits(max_errors=1))
    message = (
        "more than 1 rows are bad, so the rest was not read; correct what is common to them, "
        "or raise SEEDING_MAX_ERRORS"
    )
    assert problems_of(strict) == (Problem("too_many_errors", message), *strict.problems)


def test_row_errors_are_reported_with_the_error_that_ends_the_file(source_of: Source) -> None:
    source = source_of(b'[{"a":1},2,{"b":', "d.json")
    assert problems_of(DatasetIntake(rows_in(source), LIMITS)) == (
        Problem(
            "not_json",
            "the file ends within element 3: it was cut off, or a quote or bracket is not closed",
            3,
        ),
        Problem("not_an_object", "'2' is a number, not an object", 2),
    )


def test_a_file_that_changes_while_it_is_read_is_refused(source_of: Source) -> None:
    source = source_of(b'{"a":1}\n', "d.jsonl")
    with source.path.open("ab") as file:
        file.write(b'{"a":2}\n')
    message = f"{source.uri} was changed while it was being read; try again when it is whole"
    intake = DatasetIntake(rows_in(source, written=FileFormat.JSONL), LIMITS)
    assert problems_of(intake) == (Problem("source_changed", message),)


@pytest.mark.parametrize("name", ["d.csv", "d.json", "d.jsonl"])
def test_an_unknown_encoding_is_refused(name: str, source_of: Source) -> None:
    source = source_of(b"a\n1\n", name)
    intake = DatasetIntake(rows_in(source, encoding="klingon"), LIMITS)
    message = (
        "the encoding 'klingon' is not known, or not one of files; "
        "try cp1252, latin-1, utf-16 or shift_jis"
    )
    assert problems_of(intake) == (Problem("unknown_encoding", message),)


@pytest.mark.parametrize("name", ["d.json", "d.jsonl"])
def test_many_rows_come_in_order(name: str, source_of: Source) -> None:
    rows = [json.dumps({"n": number, "text": "é" * (number % 50)}) for number in range(12_000)]
    text = "\n".join(rows) if name == "d.jsonl" else "[" + ",\n".join(rows) + "]"
    source = source_of(text.encode(), name)
    intake = DatasetIntake(rows_in(source, written=FileFormat(name[2:])), LIMITS)
    assert rows_of(intake) == list(enumerate(rows, start=1))
