"""A file becomes rows of a dataset: all of them or none, each content once, on both databases."""

import gzip
import io
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.progress import Progress
from tasks_lib.domain.report import ReportError
from tasks_lib.errors import NotFoundError, StoreUnavailableError, UsageError
from tasks_lib.intake.datasets.file_formats import FileFormat
from tasks_lib.operations.datasets.data_vault import list_datasets
from tasks_lib.operations.datasets.import_dataset import import_dataset
from tasks_lib.operations.datasets.import_request import (
    ImportMode,
    ImportRejectedError,
    ImportReport,
    ImportRequest,
)
from tasks_lib.operations.workspace import Workspace
from vault import MORE, ROWS, apply_vault, put, rows_of, write

CSV_ROWS = [
    (1, 1, '{"review_id":"001","body":"one","stars":"5"}'),
    (1, 2, '{"review_id":"NA","body":" two ","stars":null}'),
    (1, 3, '{"review_id":"12345678901234567890","body":"three","stars":"1"}'),
]
JSON_LINES = '{"id": 1.50, "tags": ["a", {"b": null}]}\n\n{"id": 2, "text": "d\\u00e9j\\u00e0"}\n'
JSON_ROWS = [
    (1, 1, '{"id": 1.50, "tags": ["a", {"b": null}]}'),
    (1, 2, '{"id": 2, "text": "d\\u00e9j\\u00e0"}'),
]
JSON_COLUMNS = (
    Column("id", FieldType.NUMBER),
    Column("tags", FieldType.JSON),
    Column("text", FieldType.TEXT),
)


def columns_of(workspace: Workspace, name: str = "reviews") -> tuple[Column, ...]:
    (entry,) = (
        dataset for dataset in list_datasets(workspace.store, "acme") if dataset.name == name
    )
    return entry.columns


def rejection(workspace: Workspace, source: str, **options: Any) -> ImportReport:
    with pytest.raises(ImportRejectedError) as caught:
        put(workspace, source, **options)
    return caught.value.report


def names_of(workspace: Workspace) -> list[str]:
    datasets = list_datasets(workspace.store, "acme")
    return [entry.name for entry in datasets if entry.source == "import"]


def parquet() -> bytes:
    table = pa.table(
        {
            "name": ["a\tb", None],
            "score": pa.array([1, 2**63 - 1], pa.int64()),
            "day": [date(2026, 1, 2), None],
            "tags": [["x", "y"], []],
        }
    )
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()


def test_a_csv_becomes_rows_whose_cells_are_as_written(
    workspace: Workspace, tmp_path: Path
) -> None:
    source = write(tmp_path, ROWS)
    report = put(workspace, source)
    assert report == ImportReport(dataset="reviews", version=1, imported=3, source=source)
    assert report.sentence == "Imported 3 rows as version 1 of reviews."
    assert rows_of(workspace) == CSV_ROWS
    assert columns_of(workspace) == tuple(
        Column(name, FieldType.TEXT) for name in ("review_id", "body", "stars")
    )


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(JSON_LINES, "reviews.jsonl", id="JSON Lines"),
        pytest.param(JSON_LINES, "reviews.json", id="JSON Lines called json"),
        pytest.param(JSON_LINES, "reviews", id="JSON Lines called nothing"),
        pytest.param(
            f"[{JSON_LINES.strip().replace(chr(10) * 2, ',')}]", "reviews.json", id="array"
        ),
        pytest.param(gzip.compress(JSON_LINES.encode()), "reviews.jsonl.gz", id="gzipped"),
    ],
)
def test_json_becomes_rows_with_values_as_written(
    workspace: Workspace, tmp_path: Path, content: str | bytes, name: str
) -> None:
    assert put(workspace, write(tmp_path, content, name)).imported == 2
    assert rows_of(workspace) == JSON_ROWS
    assert columns_of(workspace) == JSON_COLUMNS


def test_parquet_becomes_rows_with_the_types_of_its_schema(
    workspace: Workspace, tmp_path: Path
) -> None:
    assert put(workspace, write(tmp_path, parquet(), "reviews.parquet")).imported == 2
    assert rows_of(workspace) == [
        (1, 1, '{"name":"a\\tb","score":1,"day":"2026-01-02","tags":["x","y"]}'),
        (1, 2, '{"name":null,"score":9223372036854775807,"day":null,"tags":[]}'),
    ]
    assert columns_of(workspace) == (
        Column("name", FieldType.TEXT),
        Column("score", FieldType.INTEGER),
        Column("day", FieldType.DATE),
        Column("tags", FieldType.JSON),
    )


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        pytest.param(
            "a,b\n1,2\n3\n",
            "x.csv",
            [(2, "too_few_cells", "has 1 cell, the header 2: nothing for 'b'")],
            id="CSV",
        ),
        pytest.param(
            '{"a": 1}\n[2]\n{"a": 3, "a": 4}\n',
            "x.jsonl",
            [
                (2, "not_an_object", "'[2]' is an array, not an object"),
                (3, "invalid_json",
                 "'{\"a\": 3, \"a\": 4}' is not valid JSON: the key 'a' occurs twice in one "
                 "object"),
            ],
            id="JSON Lines",
        ),
        pytest.param(
            '[{"a": 1}, {"a": 2}',
            "x.json",
            [(None, "not_json", "the file ends after element 2: it was cut off")],
            id="JSON",
        ),
        pytest.param(
            "PAR1 and no more",
            "x.parquet",
            [(None, "not_parquet", "the file cannot be read as Parquet: Parquet magic bytes not "
              "found in footer. Either the file is corrupted or this is not a parquet file.")],
            id="Parquet",
        ),
        pytest.param(
            "a,b\n", "x.csv", [(None, "no_rows", "the file has no rows")], id="header only"
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", [ImportMode.CREATE, ImportMode.REPLACE])
def test_one_bad_row_rejects_the_import(
    workspace: Workspace,
    tmp_path: Path,
    content: str,
    name: str,
    expected: list[tuple[int | None, str, str]],
    mode: ImportMode,
) -> None:
    source = write(tmp_path, content, name)
    report = rejection(workspace, source, mode=mode)
    assert (report.rejects_uri is None) == (report.rejected == 0)
    assert report.model_copy(update={"rejects_uri": None}) == ImportReport(
        dataset="reviews",
        rejected=len({row for row, _, _ in expected if row}),
        source=source,
        errors=tuple(
            ReportError(row=row, field=None, code=code, message=message)
            for row, code, message in expected
        ),
    )
    assert (names_of(workspace), rows_of(workspace)) == ([], [])


def test_a_rejection_is_one_sentence_that_ends_once(workspace: Workspace, tmp_path: Path) -> None:
    report = rejection(workspace, write(tmp_path, "PAR1 and no more", "x.parquet"))
    assert report.sentence.endswith("this is not a parquet file.")
    assert not report.sentence.endswith("..")


def test_a_rejection_says_in_one_sentence_that_nothing_was_imported(
    workspace: Workspace, tmp_path: Path
) -> None:
    report = rejection(workspace, write(tmp_path, "a,b\n1\n2\n"))
    assert report.sentence == (
        "Nothing was imported into reviews: row 1: has 1 cell, the header 2: nothing for 'b' "
        "(and 1 more problem)."
    )


def test_a_missing_organization_is_named_with_the_closest_match(
    workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError, match="there is no organization 'acne'; did you mean 'acme'"):
        put(workspace, write(tmp_path, ROWS), organization="acne")


def test_organizations_do_not_see_each_others_datasets(
    workspace: Workspace, tmp_path: Path
) -> None:
    apply_vault(workspace, tmp_path)
    source = write(tmp_path, ROWS)
    put(workspace, source)
    put(workspace, write(tmp_path, MORE, "more.csv"), organization="umbrella")
    assert put(workspace, source, organization="umbrella", mode=ImportMode.APPEND).imported == 3
    assert rows_of(workspace) == CSV_ROWS
    assert [row[1] for row in rows_of(workspace, organization="umbrella")] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "dataset"),
        ({"name": "a/b"}, "holds a slash, as paths of pipelines do"),
        ({"name": " a "}, "dataset"),
        ({"name": "a\0"}, "dataset"),
        ({"source": "x\udce9.csv"}, "holds a NUL character or bytes that are not UTF-8"),
        ({"delimiter": ""}, "must be one ASCII character"),
        ({"delimiter": ";;"}, "must be one ASCII character"),
    ],
)  # fmt: skip
def test_a_contradictory_request_is_a_usage_error(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(ImportRequest(organization="acme", name="a", source="x.csv"), **change)


def test_a_csv_may_use_another_dialect(workspace: Workspace, tmp_path: Path) -> None:
    source = write(tmp_path, "a\tb\ncafé\t\n".encode("cp1252"), "reviews.txt")
    put(workspace, source, encoding="cp1252", delimiter="tab", format=FileFormat.CSV)
    assert rows_of(workspace) == [(1, 1, '{"a":"café","b":null}')]


def test_the_given_encoding_is_used_to_detect_the_format(
    workspace: Workspace, tmp_path: Path
) -> None:
    source = write(tmp_path, '[{"a": "é"}]'.encode("utf-16-be"), "reviews")
    put(workspace, source, encoding="utf-16-be")
    assert rows_of(workspace) == [(1, 1, '{"a": "é"}')]


def test_progress_is_reported_in_rows_and_bytes_until_the_end(
    workspace: Workspace, tmp_path: Path
) -> None:
    source = write(tmp_path, "a,b\n" + "some text,more\n" * 200_000)
    reports: list[Progress] = []
    import_dataset(
        workspace, ImportRequest(organization="acme", name="reviews", source=source), reports.append
    )
    size = Path(source).stat().st_size
    assert reports == sorted(reports)
    assert reports[-1] == Progress(size, size, 200_000)


def test_a_file_that_changes_while_it_is_read_is_not_imported(
    workspace: Workspace, tmp_path: Path
) -> None:
    source = write(tmp_path, "a,b\n" + "some text,more\n" * 200_000)

    def append_a_row(progress: Progress) -> None:
        if progress.done < progress.total:
            with Path(source).open("a", encoding="utf-8") as file:
                file.write("2,c\n")

    with pytest.raises(ImportRejectedError) as caught:
        import_dataset(
            workspace,
            ImportRequest(organization="acme", name="reviews", source=source),
            append_a_row,
        )
    assert [error.code for error in caught.value.report.errors] == ["source_changed"]
    assert (names_of(workspace), rows_of(workspace)) == ([], [])


def test_too_many_bad_rows_end_the_import_early(workspace: Workspace, tmp_path: Path) -> None:
    limited = Workspace(workspace.store, workspace.storage, Limits(max_errors=5))
    report = rejection(limited, write(tmp_path, '{"a": 1}\n' + "x\n" * 100_000, "x.jsonl"))
    assert report.errors[0] == ReportError(
        row=None,
        field=None,
        code="too_many_errors",
        message="more than 5 rows are bad, so the rest was not read; correct what is common to "
        "them, or raise SEEDING_MAX_ERRORS",
    )
    assert names_of(workspace) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_cut_midway_imports_nothing(
    workspace: Workspace, tmp_path: Path, postgresql: str
) -> None:
    source = write(tmp_path, "a,b\n" + "some text,more\n" * 200_000)

    def cut_the_connection(_: Progress) -> None:
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [workspace.store.engine.url.database],
            )

    with pytest.raises(StoreUnavailableError):
        import_dataset(
            workspace,
            ImportRequest(organization="acme", name="reviews", source=source),
            cut_the_connection,
        )
    assert (names_of(workspace), rows_of(workspace)) == ([], [])
    assert put(workspace, source).imported == 200_000
