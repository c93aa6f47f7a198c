"""Bulk creation of blank tasks: atomic, once per key or run, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import event

from children import CHILDREN
from people import counts, recount
from servers import PATIENCE_SECONDS
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.report import Report, ReportError
from tasks_lib.errors import ConflictError, NotFoundError, UsageError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.groups.read import find_report, list_groups
from tasks_lib.operations.seeding.bulk_create import BulkRequest, bulk_create
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

PATH = "acme/ideas/collect"
CATALOGUE = """
organizations:
  - name: acme
    projects:
      - name: ideas
        pipelines:
          - {{name: collect, status: {status}, fields: [{{name: idea, type: text, source: input}}]}}
"""


@pytest.fixture
def workspace(workspace: Workspace, tmp_path: Path) -> Workspace:
    """The shared workspace plus pipeline 2, which has no dataset fields."""
    set_status(workspace, "active", tmp_path)
    return workspace


def set_status(workspace: Workspace, status: str, folder: Path) -> None:
    path = folder / "ideas.yaml"
    path.write_text(CATALOGUE.format(status=status), encoding="utf-8")
    apply_catalogue(workspace.store, path)


def create(workspace: Workspace, count: int, *, run_id: str = "run-1", **options: Any) -> Report:
    request = BulkRequest(pipeline=PATH, count=count, **options)
    return bulk_create(workspace, request, run_id=run_id).report


def tasks_of(workspace: Workspace) -> list[tuple[int, int, str, str]]:
    """Return group, row, status and fields of every task."""
    page = list_tasks(workspace.store, PATH, limit=10_000)
    return [(task.group_id, task.origin.row, task.status, task.fields) for task in page]


def test_the_requested_number_of_tasks_is_created_and_counted(workspace: Workspace) -> None:
    assert create(workspace, 3) == Report(group_id=1, pipeline_id=2, created=3, source="bulk")
    assert tasks_of(workspace) == [(1, row, "pending", "{}") for row in (1, 2, 3)]
    assert counts(workspace.store, PATH) == recount(workspace.store, PATH)
    (group,) = list_groups(workspace.store, PATH)
    assert (group.kind, group.source, group.tasks) == ("bulk", "bulk", 3)


def test_a_hundred_thousand_take_one_statement(workspace: Workspace) -> None:
    seen: list[str] = []
    engine = workspace.store.engine

    @event.listens_for(engine, "before_cursor_execute")
    def note(*arguments: object) -> None:
        seen.append(str(arguments[2]))

    create(workspace, 100_000)
    assert sum("INSERT INTO tasks " in statement for statement in seen) == 1
    assert counts(workspace.store, PATH) == recount(workspace.store, PATH)


def test_each_call_creates_its_own_group(workspace: Workspace) -> None:
    reports = [create(workspace, 2, run_id=f"run-{n}") for n in (1, 2)]
    assert [(report.group_id, report.created) for report in reports] == [(1, 2), (2, 2)]


def test_a_retried_run_gets_its_own_report_again(workspace: Workspace) -> None:
    assert create(workspace, 2) == create(workspace, 2)
    assert len(tasks_of(workspace)) == 2


def test_a_key_creates_its_tasks_once(workspace: Workspace) -> None:
    first = create(workspace, 2, key="december")
    again = create(workspace, 2, run_id="run-2", key="december")
    assert (first.created, first.source) == (2, "bulk december")
    assert again == Report(group_id=1, pipeline_id=2, already_seeded=2, source="bulk december")


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_key_with_a_different_count_is_refused(workspace: Workspace, dry_run: bool) -> None:
    create(workspace, 2, key="december")
    with pytest.raises(ConflictError) as caught:
        create(workspace, 3, run_id="run-2", key="december", dry_run=dry_run)
    assert (caught.value.code, str(caught.value)) == (
        "key_reused",
        "the key 'december' came with another count before: group 1 holds its 2 tasks; "
        "take a new key for new tasks",
    )


def test_concurrent_calls_with_one_key_create_the_tasks_once(
    workspace: Workspace,
) -> None:
    with ThreadPoolExecutor(8) as threads:
        reports = list(
            threads.map(lambda n: create(workspace, 5, run_id=f"run-{n}", key="k"), range(16))
        )
    assert sorted(report.created for report in reports) == [0] * 15 + [5]
    assert {report.group_id for report in reports} == {1}
    assert len(tasks_of(workspace)) == 5


def test_a_dry_run_creates_nothing(workspace: Workspace) -> None:
    report = create(workspace, 7, dry_run=True)
    assert report == Report(pipeline_id=2, created=7, dry_run=True, source="bulk")
    assert tasks_of(workspace) == []


@pytest.mark.parametrize("count", [0, -3, 1_001])
def test_a_count_out_of_bounds_names_the_bounds(workspace: Workspace, count: int) -> None:
    workspace = replace(workspace, limits=Limits(max_bulk_count=1_000))
    with pytest.raises(UsageError) as caught:
        create(workspace, count)
    assert (caught.value.code, str(caught.value)) == (
        "count_out_of_range",
        f"the count is {count:,}; it must be from 1 to 1,000 (SEEDING_MAX_BULK_COUNT)",
    )


def test_a_pipeline_with_dataset_fields_is_refused(
    workspace: Workspace,
) -> None:
    report = bulk_create(workspace, BulkRequest(pipeline="1", count=5), run_id="run-1").report
    message = (
        "pipeline acme/reviews/label-reviews has dataset fields (review_id, body, stars), which "
        "blank tasks would leave empty"
    )
    error = ReportError(row=None, field=None, code="has_dataset_fields", message=message)
    assert report == Report(pipeline_id=1, source="bulk", errors=(error,))
    assert find_report(workspace.store, "run-1") == report


@pytest.mark.parametrize(
    ("status", "expected"), [("paused", "paused"), ("completed", "pending"), ("active", "pending")]
)
def test_the_pipelines_status_decides_how_tasks_start(
    workspace: Workspace, tmp_path: Path, status: str, expected: str
) -> None:
    set_status(workspace, status, tmp_path)
    create(workspace, 1)
    assert tasks_of(workspace) == [(1, 1, expected, "{}")]


def test_a_draft_pipeline_takes_no_tasks(workspace: Workspace, tmp_path: Path) -> None:
    set_status(workspace, "draft", tmp_path)
    assert [error.code for error in create(workspace, 1).errors] == ["pipeline_closed"]


def test_a_missing_pipeline_is_named(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match="acme/ideas/none"):
        bulk_create(workspace, BulkRequest(pipeline="acme/ideas/none", count=1), run_id="run-1")


def _create_many(url: str, files: str, started: Event) -> None:
    workspace = Workspace(Store.open(url), Storage(files), Limits())
    started.set()
    bulk_create(workspace, BulkRequest(pipeline=PATH, count=50_000, key="k"), run_id="run-1")


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, 0.4])
def test_a_killed_run_that_is_retried_creates_the_tasks_once(
    workspace: Workspace, delay: float
) -> None:
    url = workspace.store.engine.url.render_as_string(hide_password=False)
    started = CHILDREN.Event()
    child = CHILDREN.Process(target=_create_many, args=(url, workspace.storage.root, started))
    child.start()
    started.wait(PATIENCE_SECONDS)
    child.join(delay)
    child.kill()
    child.join()
    report = create(workspace, 50_000, key="k")
    assert (report.group_id is not None, report.created + report.already_seeded) == (True, 50_000)
    assert counts(workspace.store, PATH) == recount(workspace.store, PATH)
