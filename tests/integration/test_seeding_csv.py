"""A CSV becomes tasks: all of them or none, once, on both databases."""

import gzip
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from tasks_lib.domain.progress import Progress
from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import OnError, SeedKind
from tasks_lib.errors import NotFoundError, StoreUnavailableError, UsageError
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.groups.read import find_report, list_groups
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.tasks.read import Origin, find_task, list_tasks
from tasks_lib.operations.workspace import Workspace
from vault import MIXED, MIXED_ERRORS

CsvFile = Callable[..., str]
PATH = "acme/reviews/label-reviews"
GOOD = "review_id,body,stars\n001,one,5\nNA, two ,\n12345678901234567890,three,1\n"


def seed(workspace: Workspace, source: str, *, run_id: str = "run-1", **options: Any) -> Report:
    request = CsvRequest(pipeline=PATH, source=source, **options)
    return seed_from_csv(workspace, request, run_id=run_id).report


def tasks_of(workspace: Workspace) -> list[tuple[int, str, str]]:
    """Return row, status and the fields' JSON text of every task, in order."""
    page = list_tasks(workspace.store, PATH, limit=10_000)
    return [(task.origin.row, task.status, task.fields) for task in page]


def test_each_row_becomes_a_task_with_its_values_as_written(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    source = csv_file(GOOD)
    report = seed(workspace, source)
    assert report == Report(group_id=1, pipeline_id=1, created=3, source=source)
    assert tasks_of(workspace) == [
        (1, "pending", '{"review_id":"001","body":"one","stars":5}'),
        (2, "pending", '{"review_id":"NA","body":" two ","stars":null}'),
        (3, "pending", '{"review_id":"12345678901234567890","body":"three","stars":1}'),
    ]


def test_every_task_records_its_origin(workspace: Workspace, csv_file: CsvFile) -> None:
    source = csv_file(GOOD)
    seed(workspace, source)
    task = find_task(workspace.store, 2)
    (group,) = list_groups(workspace.store, PATH)
    assert task.origin == Origin(SeedKind.CSV, source, 2)
    assert (task.group_id, task.created_at) == (group.id, group.created_at)
    assert group[:4] == (1, 1, "csv", source)
    assert (group.tasks, group.rejected) == (3, 0)


def test_columns_may_come_in_any_order(workspace: Workspace, csv_file: CsvFile) -> None:
    seed(workspace, csv_file("stars,body,review_id\n5,one,1\n"))
    assert tasks_of(workspace) == [(1, "pending", '{"review_id":"1","body":"one","stars":5}')]


def test_the_same_content_is_seeded_once_whatever_the_file_is_called(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    seed(workspace, csv_file(GOOD))
    again = csv_file(GOOD, "renamed.csv")
    assert seed(workspace, again, run_id="run-2") == Report(
        group_id=1, pipeline_id=1, already_seeded=3, source=again
    )
    assert len(tasks_of(workspace)) == 3


def test_the_same_content_gzipped_is_the_same_content(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    seed(workspace, csv_file(GOOD))
    again = csv_file(gzip.compress(GOOD.encode()), "reviews.csv.gz")
    assert seed(workspace, again, run_id="run-2").already_seeded == 3


def test_a_duplicate_is_seeded_on_request_but_once_per_run(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    source = csv_file(GOOD)
    seed(workspace, source)
    accepted = seed(workspace, source, run_id="run-2", allow_duplicate=True)
    retried = seed(workspace, source, run_id="run-2", allow_duplicate=True)
    assert (accepted.group_id, accepted.created) == (2, 3)
    assert retried == accepted
    assert len(tasks_of(workspace)) == 6


def test_a_retried_run_gets_its_own_report_again(workspace: Workspace, csv_file: CsvFile) -> None:
    source = csv_file(MIXED)
    first = seed(workspace, source, on_error=OnError.SKIP_ROWS)
    assert seed(workspace, source, on_error=OnError.SKIP_ROWS) == first
    assert len(tasks_of(workspace)) == 2


def test_a_run_that_was_rejected_can_be_retried_with_a_better_file(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    assert seed(workspace, csv_file(MIXED)).is_rejection
    assert seed(workspace, csv_file(GOOD)).created == 3
    kept = find_report(workspace.store, "run-1")
    assert kept is not None
    assert kept.created == 3


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            "review_id,body,stars\n",
            [("no_rows", None, "the file has a header but no data rows, so there is no task to "
              "create")],
            id="header only",
        ),
        pytest.param(
            "Review ID,body,stars,\n1,2,3,\n",
            [("unknown_column", "Review ID", "column 'Review ID' is not a dataset field of the "
              "pipeline; did you mean 'review_id'?")],
            id="wrong header",
        ),
        pytest.param(
            "review_id,body,body\n1,2,3\n",
            [
                ("duplicate_column", "body", "column 'body' occurs 2 times, at 2, 3"),
                ("missing_column", "stars", "the header lacks the column 'stars'"),
            ],
            id="doubled column",
        ),
        pytest.param(
            "review_id,body,stars\n1,ok,1\n2,\"never closed,1\n",
            [("unclosed_quote", "body", "row 2: the quote that opens the cell "
              "'never closed,1\\n' is never closed; close it, or give the quote none if quotes are "
              "text in this file")],
            id="unclosed quote",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("on_error", OnError)
def test_an_unusable_file_creates_nothing(
    workspace: Workspace,
    csv_file: CsvFile,
    content: str,
    expected: list[tuple[str, str | None, str]],
    on_error: OnError,
) -> None:
    report = seed(workspace, csv_file(content), on_error=on_error)
    assert [(e.code, e.field, e.message) for e in report.errors] == expected
    assert (report.is_rejection, list_groups(workspace.store, PATH)) == (True, [])


def test_a_dry_run_reports_and_writes_nothing(workspace: Workspace, csv_file: CsvFile) -> None:
    good, mixed = csv_file(GOOD), csv_file(MIXED, "mixed.csv")
    assert seed(workspace, good, dry_run=True) == Report(
        pipeline_id=1, created=3, dry_run=True, source=good
    )
    assert seed(workspace, mixed, dry_run=True) == Report(
        pipeline_id=1, rejected=2, dry_run=True, source=mixed, errors=MIXED_ERRORS
    )
    skipping = seed(workspace, mixed, dry_run=True, on_error=OnError.SKIP_ROWS)
    assert (skipping.created, skipping.rejected, skipping.rejects_uri) == (2, 2, None)
    assert list_groups(workspace.store, PATH) == []
    assert find_report(workspace.store, "run-1") is None
    seed(workspace, good)
    assert seed(workspace, good, dry_run=True).already_seeded == 3


@pytest.mark.parametrize(
    ("status", "starts_as", "becomes"),
    [
        ("active", "pending", "active"),
        ("paused", "paused", "paused"),
        ("completed", "pending", "active"),
    ],
)
def test_the_pipelines_status_decides_how_tasks_start(
    workspace: Workspace, csv_file: CsvFile, status: str, starts_as: str, becomes: str
) -> None:
    set_status(workspace, status)
    seed(workspace, csv_file(GOOD))
    assert {task_status for _, task_status, _ in tasks_of(workspace)} == {starts_as}
    assert find_pipeline(workspace.store, PATH).status == becomes


@pytest.mark.parametrize("status", ["draft", "archived"])
def test_closed_pipelines_take_no_tasks(
    workspace: Workspace, csv_file: CsvFile, status: str
) -> None:
    set_status(workspace, status)
    report = seed(workspace, csv_file(GOOD))
    assert [error.code for error in report.errors] == ["pipeline_closed"]
    assert f"is {status} and takes no tasks" in report.sentence


def test_a_rejected_file_leaves_a_completed_pipeline_completed(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    set_status(workspace, "completed")
    seed(workspace, csv_file(MIXED))
    assert find_pipeline(workspace.store, PATH).status == "completed"


def test_a_missing_pipeline_is_a_usage_error(workspace: Workspace, csv_file: CsvFile) -> None:
    request = CsvRequest(pipeline="acme/reviews/label-review", source=csv_file(GOOD))
    with pytest.raises(NotFoundError, match="did you mean 'acme/reviews/label-reviews'"):
        seed_from_csv(workspace, request, run_id="run-1")


@pytest.mark.parametrize(
    "reference", ["0", "9" * 30, "٣", "a/b", "a/b/c/d", "a/\0/c", "a/\ud800/c"]
)
def test_an_unknown_pipeline_reference_is_not_found(workspace: Workspace, reference: str) -> None:
    with pytest.raises(NotFoundError, match="there is no pipeline"):
        find_pipeline(workspace.store, reference)


def test_numbers_beyond_every_id_find_nothing(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match=r"there is no task 9{30}"):
        find_task(workspace.store, int("9" * 30))
    assert list_tasks(workspace.store, "1", group_id=10**30, limit=10**30) == []


@pytest.mark.parametrize(("pipeline", "source"), [("a/\0/c", "x.csv"), (PATH, "x\udce9.csv")])
def test_a_name_that_no_store_can_hold_is_a_usage_error(pipeline: str, source: str) -> None:
    with pytest.raises(UsageError, match="holds a NUL character or bytes that are not UTF-8"):
        CsvRequest(pipeline=pipeline, source=source)


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "é"])
def test_an_invalid_delimiter_is_a_usage_error(delimiter: str) -> None:
    with pytest.raises(UsageError, match="must be one ASCII character"):
        CsvRequest(pipeline=PATH, source="x.csv", delimiter=delimiter)


def test_two_concurrent_runs_of_one_file_create_one_group(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    source = csv_file("review_id,body,stars\n" + "".join(f"{i},b,1\n" for i in range(2_000)))
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda i: seed(workspace, source, run_id=f"run-{i}"), range(6)))
    assert sorted((r.created, r.already_seeded, r.group_id) for r in reports) == [
        *[(0, 2_000, 1)] * 5,
        (2_000, 0, 1),
    ]
    assert [row for row, _, _ in tasks_of(workspace)] == list(range(1, 2_001))


def test_different_files_are_all_seeded_concurrently(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    sources = [csv_file(f"review_id,body,stars\n{i},b,1\n", f"{i}.csv") for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda s: seed(workspace, s, run_id=s), sources))
    assert [report.created for report in reports] == [1] * 6
    assert len(tasks_of(workspace)) == 6


def test_a_file_that_changes_while_it_is_read_creates_nothing(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    source = csv_file("review_id,body,stars\n" + "1,b,1\n" * 300_000)

    def append_a_row(progress: Progress) -> None:
        if progress.done < progress.total:
            with Path(source).open("a", encoding="utf-8") as file:
                file.write("2,c,2\n")

    seeded = seed_from_csv(
        workspace,
        CsvRequest(pipeline=PATH, source=source),
        run_id="run-1",
        on_progress=append_a_row,
    )
    assert [error.code for error in seeded.report.errors] == ["source_changed"]
    assert list_groups(workspace.store, PATH) == []


def test_progress_is_reported_in_rows_and_bytes_until_the_end(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    source = csv_file("review_id,body,stars\n" + "1,b,1\n" * 300_000)
    reports: list[Progress] = []
    seed_from_csv(
        workspace, CsvRequest(pipeline=PATH, source=source), run_id="r", on_progress=reports.append
    )
    size = Path(source).stat().st_size
    assert reports == sorted(reports)
    assert len(reports) > 1
    assert reports[-1] == Progress(size, size, 300_000)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_cut_midway_creates_nothing(
    workspace: Workspace, csv_file: CsvFile, postgresql: str
) -> None:
    source = csv_file("review_id,body,stars\n" + "1,b,1\n" * 300_000)

    def cut_the_connection(_: Progress) -> None:
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [workspace.store.engine.url.database],
            )

    with pytest.raises(StoreUnavailableError):
        seed_from_csv(
            workspace,
            CsvRequest(pipeline=PATH, source=source),
            run_id="r",
            on_progress=cut_the_connection,
        )
    assert list_groups(workspace.store, PATH) == []
    assert seed(workspace, source).created == 300_000


def set_status(workspace: Workspace, status: str) -> None:
    with workspace.store.write() as session:
        session.execute(text("UPDATE pipelines SET status = :status"), {"status": status})
