"""Each import is a version of its dataset: the first, appended or replacing; each content once."""

import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.errors import UsageError
from tasks_lib.operations.datasets.data_vault import list_datasets
from tasks_lib.operations.datasets.import_request import (
    ImportMode,
    ImportRejectedError,
    ImportReport,
)
from tasks_lib.operations.workspace import Workspace
from vault import MORE, ROWS, put, rows_of, write

CSV_ROWS = [
    (1, 1, '{"review_id":"001","body":"one","stars":"5"}'),
    (1, 2, '{"review_id":"NA","body":" two ","stars":null}'),
    (1, 3, '{"review_id":"12345678901234567890","body":"three","stars":"1"}'),
]
MORE_ROWS = [
    '{"review_id":"4","body":"four","stars":"4"}',
    '{"review_id":"5","body":"five","stars":"5"}',
]


def columns_of(workspace: Workspace, name: str = "reviews") -> tuple[Column, ...]:
    (entry,) = (
        dataset for dataset in list_datasets(workspace.store, "acme") if dataset.name == name
    )
    return entry.columns


def rejection(workspace: Workspace, source: str, **options: Any) -> ImportReport:
    with pytest.raises(ImportRejectedError) as caught:
        put(workspace, source, **options)
    return caught.value.report


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
