"""A file becomes rows of a dataset: all of them or none, each content once, on both databases."""

import gzip
import io
from concurrent.futures import ThreadPoolExecutor
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
MORE_ROWS = [
    '{"review_id":"4","body":"four","stars":"4"}',
    '{"review_id":"5","body":"five","stars":"5"}',
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
    assert rejection(workspace, source, mode=mode) == ImportReport(
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


def test_the_same_content_is_imported_once_whatever_the_file_is_called(
    workspace: Workspace, tmp_path: Path
) -> None:
    put(workspace, write(tmp_path, ROWS))
    again = write(tmp_path, gzip.compress(ROWS.encode()), "again.csv.gz")
    for mode in ImportMode:
        report = put(workspace, again, mode=mode)
        assert report == ImportReport(
            dataset="reviews", version=1, already_imported=3, source=again
        )
    assert report.sentence == (
        "Version 1 of reviews holds these 3 rows already; nothing was imported."
    )
    assert rows_of(workspace) == CSV_ROWS


def test_a_dataset_is_created_once(workspace: Workspace, tmp_path: Path) -> None:
    put(workspace, write(tmp_path, ROWS))
    with pytest.raises(
        UsageError, match="dataset 'reviews' has 3 rows already; choose append or replace"
    ):
        put(workspace, write(tmp_path, MORE, "more.csv"))
    assert rows_of(workspace) == CSV_ROWS


def test_appended_rows_go_on_in_number(workspace: Workspace, tmp_path: Path) -> None:
    put(workspace, write(tmp_path, ROWS))
    report = put(workspace, write(tmp_path, MORE, "more.csv"), mode=ImportMode.APPEND)
    assert (report.version, report.imported) == (2, 2)
    assert rows_of(workspace) == [*CSV_ROWS, (2, 4, MORE_ROWS[0]), (2, 5, MORE_ROWS[1])]


def test_appending_to_a_missing_dataset_creates_it(workspace: Workspace, tmp_path: Path) -> None:
    assert put(workspace, write(tmp_path, ROWS), mode=ImportMode.APPEND).version == 1
    assert rows_of(workspace) == CSV_ROWS


def test_numbers_go_on_without_a_gap_after_blank_lines(
    workspace: Workspace, tmp_path: Path
) -> None:
    put(workspace, write(tmp_path, "a,b\n1,2\n\n\n3,4\n\n"))
    put(workspace, write(tmp_path, "a,b\n\n5,6\n", "more.csv"), mode=ImportMode.APPEND)
    assert [row[:2] for row in rows_of(workspace)] == [(1, 1), (1, 2), (2, 3)]


def test_a_table_with_other_columns_is_not_appended(workspace: Workspace, tmp_path: Path) -> None:
    put(workspace, write(tmp_path, ROWS))
    source = write(tmp_path, "Review ID,body,star\n4,four,4\n", "more.csv")
    report = rejection(workspace, source, mode=ImportMode.APPEND)
    assert [(error.code, error.field, error.message) for error in report.errors] == [
        ("unknown_column", "Review ID",
         "column 'Review ID' is not a column of the dataset; did you mean 'review_id'?"),
        ("unknown_column", "star",
         "column 'star' is not a column of the dataset; did you mean 'stars'?"),
        ("missing_column", "stars", "the header lacks the column 'stars'"),
    ]  # fmt: skip
    assert rows_of(workspace) == CSV_ROWS


def test_columns_of_a_table_may_be_appended_in_any_order(
    workspace: Workspace, tmp_path: Path
) -> None:
    put(workspace, write(tmp_path, ROWS))
    put(
        workspace, write(tmp_path, "stars,body,review_id\n4,x,y\n", "b.csv"), mode=ImportMode.APPEND
    )
    assert rows_of(workspace)[3:] == [(2, 4, '{"stars":"4","body":"x","review_id":"y"}')]
    assert [column.name for column in columns_of(workspace)] == ["review_id", "body", "stars"]


def test_columns_of_appended_objects_are_added(workspace: Workspace, tmp_path: Path) -> None:
    put(workspace, write(tmp_path, '{"id": 1, "when": "x"}\n', "a.jsonl"))
    more = write(tmp_path, '{"id": 1.5, "why": [1]}\n{"when": true}\n', "b.jsonl")
    put(workspace, more, mode=ImportMode.APPEND)
    assert columns_of(workspace) == (
        Column("id", FieldType.NUMBER),
        Column("when", FieldType.JSON),
        Column("why", FieldType.JSON),
    )


def test_replaced_rows_are_kept_but_no_longer_current(workspace: Workspace, tmp_path: Path) -> None:
    put(workspace, write(tmp_path, ROWS))
    other = write(tmp_path, '{"id": 7}\n', "other.jsonl")
    assert put(workspace, other, mode=ImportMode.REPLACE).version == 2
    assert rows_of(workspace) == [*CSV_ROWS, (2, 1, '{"id": 7}')]
    assert columns_of(workspace) == (Column("id", FieldType.INTEGER),)
    (entry, _) = list_datasets(workspace.store, "acme")
    assert (entry.row_count, [version.version for version in entry.versions]) == (1, [2])


def test_replaced_content_can_be_imported_again(workspace: Workspace, tmp_path: Path) -> None:
    first, second = write(tmp_path, ROWS), write(tmp_path, MORE, "more.csv")
    put(workspace, first)
    put(workspace, second, mode=ImportMode.REPLACE)
    back = put(workspace, first, mode=ImportMode.REPLACE)
    assert (back.version, back.imported, back.already_imported) == (3, 3, 0)


def test_replacing_with_a_part_of_the_content_is_a_new_version(
    workspace: Workspace, tmp_path: Path
) -> None:
    first, second = write(tmp_path, ROWS), write(tmp_path, MORE, "more.csv")
    put(workspace, first)
    put(workspace, second, mode=ImportMode.APPEND)
    report = put(workspace, first, mode=ImportMode.REPLACE)
    assert (report.version, report.imported, report.already_imported) == (3, 3, 0)
    (entry, _) = list_datasets(workspace.store, "acme")
    assert (entry.row_count, [version.version for version in entry.versions]) == (3, [3])
    again = put(workspace, first, mode=ImportMode.REPLACE)
    assert (again.version, again.already_imported) == (3, 3)


def test_six_concurrent_imports_of_one_content_import_it_once(
    workspace: Workspace, tmp_path: Path
) -> None:
    source = write(tmp_path, "a,b\n" + "".join(f"{i},x\n" for i in range(2_000)))
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda _: put(workspace, source), range(6)))
    assert sorted((r.imported, r.already_imported, r.version) for r in reports) == [
        *[(0, 2_000, 1)] * 5,
        (2_000, 0, 1),
    ]
    assert [row[:2] for row in rows_of(workspace)] == [(1, number + 1) for number in range(2_000)]


def test_six_concurrent_appends_are_all_kept(workspace: Workspace, tmp_path: Path) -> None:
    sources = [write(tmp_path, "a\n" + f"{name}\n" * 500, f"{name}.csv") for name in range(6)]
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda s: put(workspace, s, mode=ImportMode.APPEND), sources))
    assert sorted(report.version or 0 for report in reports) == [1, 2, 3, 4, 5, 6]
    assert [row[:2] for row in rows_of(workspace)] == [
        (number // 500 + 1, number + 1) for number in range(3_000)
    ]


def test_one_of_six_concurrent_creations_succeeds(workspace: Workspace, tmp_path: Path) -> None:
    def attempt(number: int) -> bool:
        try:
            put(workspace, write(tmp_path, f"a\n{number}\n", f"{number}.csv"))
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(attempt, range(6))) == [False] * 5 + [True]
    assert len(rows_of(workspace)) == 1


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
