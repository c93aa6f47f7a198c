"""Bad rows of a dataset reject the seeding or are skipped, and are all reported."""

import csv
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.groups.read import find_report
from tasks_lib.operations.workspace import Workspace
from vault import (
    MIXED,
    MIXED_ERRORS,
    has_no_groups,
    lines,
    origins_of,
    put,
    seed_dataset,
    streams_of,
    tasks_of,
    write,
)

MIXED_FIELDS = [
    (1, '{"review_id":"1","body":"one","stars":5}'),
    (4, '{"review_id":"4","body":"four","stars":4}'),
]


def test_one_bad_row_rejects_the_dataset_and_all_bad_rows_are_reported(
    vault: Workspace, tmp_path: Path
) -> None:
    put(vault, write(tmp_path, MIXED))
    report = seed_dataset(vault)
    assert report == Report(
        pipeline_id=1,
        rejected=2,
        source="reviews",
        rejects_uri=f"{vault.storage.root}/rejects/run-1.csv",
        errors=MIXED_ERRORS,
    )
    assert rejected_rows(report) == [
        ["review_id", "body", "stars", "_row", "_errors"],
        ["2", "", "9", "2",
         "body: is required, but the cell is empty; stars: '9' is above the maximum 5"],
        ["3", "three", "x", "3", "stars: 'x' is not a whole number such as 42 or -7"],
    ]  # fmt: skip
    assert has_no_groups(vault)
    assert find_report(vault.store, "run-1") == report


def test_a_skipped_row_is_retried_and_seeded_once_the_mapping_fits(
    vault: Workspace, tmp_path: Path
) -> None:
    put(vault, write(tmp_path, MIXED))
    first = seed_dataset(vault, on_error=OnError.SKIP_ROWS)
    assert (first.group_id, first.created, first.rejected) == (1, 2, 2)
    assert tasks_of(vault) == MIXED_FIELDS
    again = seed_dataset(vault, run_id="run-2", on_error=OnError.SKIP_ROWS)
    assert again == Report(
        pipeline_id=1,
        rejected=2,
        already_seeded=2,
        source="reviews",
        rejects_uri=f"{vault.storage.root}/rejects/run-2.csv",
        errors=MIXED_ERRORS,
    )
    mapped = seed_dataset(
        vault, run_id="run-3", mapping={"body": "review_id"}, skip=("stars",),
        on_error=OnError.SKIP_ROWS,
    )  # fmt: skip
    assert mapped == Report(
        group_id=mapped.group_id, pipeline_id=1, created=2, already_seeded=2, source="reviews"
    )
    assert seed_dataset(vault, run_id="run-4", skip=("stars",)).already_seeded == 4
    assert tasks_of(vault) == [
        *MIXED_FIELDS,
        (2, '{"review_id":"2","body":"2"}'),
        (3, '{"review_id":"3","body":"3"}'),
    ]


def test_bad_rows_reject_a_strict_run_even_if_the_good_rows_are_tasks_already(
    vault: Workspace, tmp_path: Path
) -> None:
    put(vault, write(tmp_path, MIXED))
    seed_dataset(vault, on_error=OnError.SKIP_ROWS)
    report = seed_dataset(vault, run_id="run-2")
    assert (report.is_rejection, report.rejected, report.errors) == (True, 2, MIXED_ERRORS)
    assert tasks_of(vault) == MIXED_FIELDS


def test_no_empty_group_is_created_when_every_row_is_bad(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, "review_id,body,stars\n1,,1\n"))
    report = seed_dataset(vault, on_error=OnError.SKIP_ROWS)
    assert (report.is_rejection, report.rejected) == (True, 1)
    assert has_no_groups(vault)


def test_a_value_of_the_wrong_type_makes_only_its_own_row_bad(
    vault: Workspace, tmp_path: Path
) -> None:
    content = lines(
        {"review_id": "1", "body": "b", "p": {"s": 1}},
        {"review_id": "2", "body": "b", "p": {"s": "many"}},
        {"review_id": "3", "body": "b", "p": {"s": {}}},
        {"review_id": "4", "body": "b", "p": 4},
    )
    put(vault, write(tmp_path, content, "reviews.jsonl"))
    report = seed_dataset(vault, mapping={"stars": "p:$.s"}, on_error=OnError.SKIP_ROWS)
    assert [(error.row, error.field, error.code) for error in report.errors] == [
        (2, "stars", "invalid_integer"),
        (3, "stars", "path_wrong_type"),
    ]
    assert tasks_of(vault) == [
        (1, '{"review_id":"1","body":"b","stars":1}'),
        (4, '{"review_id":"4","body":"b","stars":null}'),
    ]
    assert [origin for _, _, origin in origins_of(vault)] == [1, 4]


@pytest.mark.parametrize("on_error", OnError)
def test_a_dataset_with_too_many_bad_rows_is_abandoned_early(
    vault: Workspace, tmp_path: Path, on_error: OnError
) -> None:
    put(vault, write(tmp_path, "review_id,body,stars\n1,b,1\n" + "x,y,z\n" * 60_000))
    limited = Workspace(vault.store, vault.storage, Limits(max_errors=5))
    report = seed_dataset(limited, on_error=on_error)
    assert (report.is_rejection, report.errors[0].code) == (True, "too_many_errors")
    assert report.rejected < 60_000
    assert has_no_groups(vault)
    assert seed_dataset(vault, run_id="run-2", skip=("stars",)).created == 60_001


def test_a_dry_run_reports_and_writes_nothing(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, MIXED))
    assert seed_dataset(vault, dry_run=True, skip=("stars",), mapping={"body": "stars"}) == Report(
        pipeline_id=1, created=4, dry_run=True, source="reviews"
    )
    assert seed_dataset(vault, dry_run=True) == Report(
        pipeline_id=1, rejected=2, dry_run=True, source="reviews", errors=MIXED_ERRORS
    )
    skipping = seed_dataset(vault, dry_run=True, on_error=OnError.SKIP_ROWS)
    assert (skipping.created, skipping.rejected, skipping.rejects_uri) == (2, 2, None)
    assert (has_no_groups(vault), find_report(vault.store, "run-1")) == (True, None)
    seed_dataset(vault, on_error=OnError.SKIP_ROWS)
    again = seed_dataset(vault, run_id="run-2", dry_run=True, on_error=OnError.SKIP_ROWS)
    assert (again.created, again.rejected, again.already_seeded) == (0, 2, 2)
    anew = seed_dataset(
        vault, run_id="run-2", dry_run=True, on_error=OnError.SKIP_ROWS, reseed=True
    )
    assert (anew.created, anew.rejected, anew.already_seeded) == (2, 2, 0)
    assert streams_of(vault) == [("dataset:1", 1)]


def test_a_run_that_creates_nothing_leaves_no_generation(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, MIXED))
    seed_dataset(vault)
    seed_dataset(vault, run_id="run-2", reseed=True)
    assert streams_of(vault) == []


def rejected_rows(report: Report) -> list[Any]:
    path = Path(urlsplit(str(report.rejects_uri)).path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))
