"""Rows that are imported by key: new, changed, missing and returning ones, and their tasks."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from keyed import declare

from people import claim
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.datasets.data_vault import export_dataset, show_dataset
from tasks_lib.operations.datasets.import_request import (
    ImportMode,
    ImportRejectedError,
    ImportReport,
    ImportRequest,
)
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from vault import LABEL, put, seed_dataset, tasks_of, write

HEADER = "review_id,body,stars\n"
FIRST = HEADER + "r-1,one,1\nr-2,two,2\nr-3,three,3\n"
SECOND = HEADER + "r-4,four,4\nr-2,TWO,2\nr-1,one,1\n"

Load = Callable[..., ImportReport]


@pytest.fixture
def load(workspace: Workspace, catalogue_file: Path, tmp_path: Path) -> Load:
    """Import a CSV by the key ``review_id``, unless another one is given."""
    declare(workspace, catalogue_file, "")

    def load(content: str, **options: Any) -> ImportReport:
        options = {"key": ("review_id",)} | options
        return put(workspace, write(tmp_path, content), **options)

    return load


def test_new_and_changed_rows_become_a_version_and_the_others_stay(
    workspace: Workspace, load: Load
) -> None:
    assert counts(load(FIRST)) == (1, 3, 0, 0, 0, 0)
    report = load(SECOND)
    assert counts(report) == (2, 1, 1, 1, 0, 0)
    assert report.sentence == (
        "Imported 1 new row as version 2 of reviews: 1 changed, 1 as before."
    )
    assert bodies(workspace) == ["one", "TWO", "three", "four"]
    assert bodies(workspace, version=1) == ["one", "two", "three"]
    entry = show_dataset(workspace.store, "acme", "reviews", rows=0)
    assert (entry.row_count, entry.key) == (4, ("review_id",))
    assert [
        (version.row_count, version.changed_count, version.removed_count)
        for version in entry.versions
    ] == [(3, 0, 0), (1, 1, 0)]
    with pytest.raises(NotFoundError, match=r"no rows of version 3; it has the versions 1 to 2$"):
        bodies(workspace, version=3)


def test_the_same_content_again_changes_nothing(workspace: Workspace, load: Load) -> None:
    load(FIRST)
    load(SECOND)
    report = load(SECOND)
    assert counts(report) == (2, 0, 0, 3, 0, 0)
    assert report.sentence == (
        "Version 2 of reviews holds these 3 rows already; nothing was imported."
    )


def test_older_content_that_arrives_again_is_the_newest(workspace: Workspace, load: Load) -> None:
    load(FIRST)
    load(SECOND)
    assert counts(load(FIRST)) == (3, 0, 1, 2, 0, 0)
    assert bodies(workspace) == ["one", "two", "three", "four"]
    assert bodies(workspace, version=2) == ["one", "TWO", "three", "four"]


def test_columns_in_another_order_change_nothing(workspace: Workspace, load: Load) -> None:
    load(FIRST)
    assert counts(load("stars,body,review_id\n1,one,r-1\n2,two,r-2\n")) == (1, 0, 0, 2, 0, 0)


def test_a_full_source_removes_the_rows_that_it_lacks_until_they_return(
    workspace: Workspace, load: Load
) -> None:
    load(FIRST)
    assert counts(load(HEADER + "r-1,one,1\nr-3,three,3\n", full=True)) == (2, 0, 0, 2, 1, 0)
    assert bodies(workspace) == ["one", "three"]
    assert bodies(workspace, version=1) == ["one", "two", "three"]
    assert counts(load(HEADER + "r-2,again,2\n")) == (3, 1, 0, 0, 0, 0)
    assert bodies(workspace) == ["one", "again", "three"]
    assert bodies(workspace, version=2) == ["one", "three"]
    assert bodies(workspace, version=1) == ["one", "two", "three"]


def test_a_source_that_lacks_more_than_half_changes_nothing_unless_that_is_allowed(
    workspace: Workspace, load: Load
) -> None:
    load(FIRST)
    with pytest.raises(ImportRejectedError, match=r"more than half") as raised:
        load(HEADER + "r-1,new,1\n", full=True)
    assert [error.code for error in raised.value.report.errors] == ["too_many_missing"]
    assert bodies(workspace) == ["one", "two", "three"]
    report = load(HEADER + "r-1,new,1\n", full=True, allow_shrink=True)
    assert counts(report) == (2, 0, 1, 0, 2, 0)
    assert bodies(workspace) == ["new"]


def test_a_second_row_with_the_same_key_names_the_first(workspace: Workspace, load: Load) -> None:
    content = HEADER + "r-1,one,1\nr-2,two,2\nr-1,uno,1\nr-3,three,3\n"
    with pytest.raises(ImportRejectedError) as raised:
        load(content)
    assert [(error.row, error.code, error.message) for error in raised.value.report.errors] == [
        (3, "duplicate_key", 'has the same key as row 1: review_id "r-1"'),
    ]  # fmt: skip
    report = load(content, on_error=OnError.SKIP_ROWS)
    assert counts(report) == (1, 3, 0, 0, 0, 1)
    assert [(error.row, error.code) for error in report.errors] == [(3, "duplicate_key")]
    assert bodies(workspace) == ["one", "two", "three"]


def test_rows_without_a_key_are_rejected_and_spare_the_missing_ones(
    workspace: Workspace, load: Load, tmp_path: Path
) -> None:
    load(FIRST)
    rows = '{"review_id":"r-1","body":"one","stars":"1"}\n{"body":"no key"}\n'
    source = write(tmp_path, rows, "rows.jsonl")
    options: dict[str, Any] = {"key": ("review_id",), "full": True, "allow_shrink": True}
    with pytest.raises(ImportRejectedError) as raised:
        put(workspace, source, **options)
    assert [(error.row, error.code) for error in raised.value.report.errors] == [(2, "empty_key")]
    report = put(workspace, source, on_error=OnError.SKIP_ROWS, **options)
    assert counts(report) == (1, 0, 0, 1, 0, 1)
    assert bodies(workspace) == ["one", "two", "three"]


def test_bad_rows_of_a_plain_import_can_be_skipped(workspace: Workspace, load: Load) -> None:
    content = HEADER + "r-1,one,1\nr-2,two\nr-3,three,3\n"
    with pytest.raises(ImportRejectedError):
        load(content, key=())
    options: dict[str, Any] = {"key": (), "on_error": OnError.SKIP_ROWS}
    with pytest.raises(ImportRejectedError, match="max_rejected"):
        load(content, **options, max_rejected="0")
    assert counts(load(content, **options)) == (1, 2, 0, 0, 0, 1)
    load(HEADER + "r-9,nine,4\n", key=(), mode=ImportMode.APPEND)
    assert seed_dataset(workspace).created == 3
    assert [row for row, _ in tasks_of(workspace)] == [1, 3, 4]


def test_a_dataset_takes_a_key_later_unless_two_rows_would_have_the_same(
    workspace: Workspace, load: Load
) -> None:
    load(FIRST, key=())
    with pytest.raises(UsageError, match="has 3 rows already; choose append or replace, or give"):
        load(SECOND, key=())
    assert counts(load(SECOND)) == (2, 1, 1, 1, 0, 0)
    with pytest.raises(UsageError, match=r"has the key review_id, not body; give key review_id"):
        load(SECOND, key=("body",))
    with pytest.raises(UsageError, match="have the key review_id; give key review_id"):
        load(SECOND, key=(), mode=ImportMode.APPEND)
    load(HEADER + "a,same,1\nb,same,2\n", key=(), mode=ImportMode.REPLACE)
    message = r"cannot have the key body: two of its rows have body \"same\"; choose other columns"
    with pytest.raises(UsageError, match=message):
        load(SECOND, key=("body",))
    assert counts(load(HEADER + "a,other,1\n")) == (4, 0, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": ("a",), "mode": ImportMode.APPEND}, "key and append exclude each other"),
        ({"key": ("a",), "mode": ImportMode.REPLACE}, "key and replace exclude each other"),
        ({"full": True}, "full needs a key"),
        ({"key": ("a", "a")}, "the key names a column twice"),
        ({"max_rejected": "3"}, "max_rejected is '3', but one bad row rejects all rows"),
    ],
)
def test_a_contradictory_request_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ImportRequest(organization="acme", name="reviews", source="x.csv", **options)


def test_a_key_that_the_file_does_not_have_is_named(workspace: Workspace, load: Load) -> None:
    with pytest.raises(UsageError, match=r"the key names 'reviewid'.*did you mean 'review_id'"):
        load(FIRST, key=("reviewid",))


def test_without_a_key_a_pipeline_keeps_the_task_of_a_changed_row(
    workspace: Workspace, load: Load
) -> None:
    load(FIRST)
    assert seed_dataset(workspace).created == 3
    load(SECOND)
    report = seed_dataset(workspace, run_id="run-2")
    assert (report.created, report.already_seeded, report.changed) == (1, 2, 1)
    again = seed_dataset(workspace, run_id="run-3")
    assert (again.group_id, again.created, again.already_seeded, again.changed) == (None, 0, 3, 1)
    rehearsed = seed_dataset(workspace, run_id="run-4", dry_run=True)
    assert (rehearsed.created, rehearsed.already_seeded, rehearsed.changed) == (0, 3, 1)
    assert [body for _, body in bodies_of_tasks(workspace)] == ["one", "two", "three", "four"]
    load(FIRST)
    back = seed_dataset(workspace, run_id="run-5")
    assert (back.created, back.already_seeded, back.changed) == (0, 4, 0)


def test_a_task_names_the_version_of_its_row_that_it_has(
    workspace: Workspace, load: Load, catalogue_file: Path
) -> None:
    declare(workspace, catalogue_file, "key: [review_id]\n            on_change: update")
    load(FIRST)
    seed_dataset(workspace)
    load(SECOND)
    assert versions_of_tasks(workspace) == [1, 1, 1]
    report = seed_dataset(workspace, run_id="run-2")
    assert (report.created, report.changed, report.updated) == (1, 1, 1)
    assert versions_of_tasks(workspace) == [1, 2, 1, 2]


def test_with_a_key_tasks_follow_changed_and_removed_rows(
    workspace: Workspace, load: Load, catalogue_file: Path
) -> None:
    policies = "on_change: update\n            on_missing: withdraw"
    declare(workspace, catalogue_file, f"key: [review_id]\n            {policies}")
    load(FIRST)
    seed_dataset(workspace)
    claim(workspace.store)
    load(HEADER + "r-1,uno,1\nr-2,due,2\n", full=True)
    report = seed_dataset(workspace, run_id="run-2")
    assert (report.changed, report.updated, report.withdrawn) == (2, 1, 0)
    assert [error.code for error in report.errors] == ["task_touched"]
    report = seed_dataset(workspace, run_id="run-3", full=True)
    assert (report.changed, report.updated, report.withdrawn) == (1, 0, 1)
    assert states(workspace) == [
        ("one", "in_progress"), ("due", "pending"), ("three", "withdrawn")
    ]  # fmt: skip
    load(FIRST, full=True)
    report = seed_dataset(workspace, run_id="run-4", full=True)
    assert (report.changed, report.updated, report.withdrawn) == (1, 1, 0)
    assert states(workspace) == [
        ("one", "in_progress"), ("two", "pending"), ("three", "pending")
    ]  # fmt: skip


def test_a_row_that_takes_another_key_of_the_pipeline_is_another_task(
    workspace: Workspace, load: Load, catalogue_file: Path
) -> None:
    declare(workspace, catalogue_file, "key: [review_id, body]")
    load(FIRST)
    seed_dataset(workspace)
    load(HEADER + "r-1,uno,1\nr-5,five,5\n")
    report = seed_dataset(workspace, run_id="run-2")
    assert (report.created, report.already_seeded, report.changed) == (2, 2, 0)
    assert {body for _, body in bodies_of_tasks(workspace)} == {
        "one", "two", "three", "uno", "five"
    }  # fmt: skip
    again = seed_dataset(workspace, run_id="run-3")
    assert (again.created, again.already_seeded) == (0, 4)


def test_six_imports_at_once_leave_the_rows_of_one_after_the_other(
    workspace: Workspace, load: Load, tmp_path: Path
) -> None:
    load(FIRST)

    def run(number: int) -> ImportReport:
        rows = "".join(f"r-{place},{number},{number}\n" for place in range(1, 41))
        content = f"{HEADER}{rows}own-{number},{number},{number}\n"
        return put(workspace, write(tmp_path, content, f"{number}.csv"), key=("review_id",))

    with ThreadPoolExecutor(6) as pool:
        reports = sorted(pool.map(run, range(6)), key=lambda report: report.version or 0)
    assert [counts(report)[:3] for report in reports] == [
        (2, 38, 3), *((version, 1, 40) for version in range(3, 8))
    ]  # fmt: skip
    found = bodies(workspace)
    assert len(found) == 46
    assert len(set(found[:40])) == 1
    for version in range(2, 8):
        assert len(set(bodies(workspace, version=version)[:3])) == 1


def counts(report: ImportReport) -> tuple[int | None, int, int, int, int, int]:
    """Return the version, and the new, changed, unchanged, removed and rejected rows."""
    return (
        report.version,
        report.imported,
        report.changed,
        report.already_imported,
        report.removed,
        report.rejected,
    )


def bodies(workspace: Workspace, *, version: int | None = None) -> list[str]:
    lines = export_dataset(workspace.store, "acme", "reviews", version=version)
    return [json.loads(line)["body"] for line in lines]


def bodies_of_tasks(workspace: Workspace) -> list[tuple[int, str]]:
    return [(row, json.loads(fields)["body"]) for row, fields in tasks_of(workspace)]


def versions_of_tasks(workspace: Workspace) -> list[int | None]:
    return [task.origin.version for task in list_tasks(workspace.store, LABEL)]


def states(workspace: Workspace) -> list[tuple[str, str]]:
    assert find_pipeline(workspace.store, LABEL)
    tasks = list_tasks(workspace.store, LABEL)
    return [(json.loads(task.fields)["body"], task.status) for task in tasks]
