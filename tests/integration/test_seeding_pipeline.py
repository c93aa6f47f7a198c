"""Finished tasks of a pipeline become tasks of another one: each once, on both databases."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from photos import CATALOGUE as PHOTOS, HEADER, PATH as PHOTO_PATH, png, write_zip
from tasks_lib.domain.report import Report, ReportError
from tasks_lib.domain.statuses import OnError, SeedKind
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.datasets.data_vault import export_dataset
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.seeding.seed_from_zip import ZipRequest, seed_from_zip
from tasks_lib.operations.tasks.read import Origin, find_task, link_files, list_tasks
from tasks_lib.operations.workspace import Workspace
from vault import (
    AUDIT,
    CHECK,
    FOREIGN,
    LABEL,
    ROWS,
    apply_vault,
    finish,
    seed_pipeline,
    set_status,
    statuses_of,
    tasks_of,
)

GOOD = '{"sentiment":"good"}'
BY_HAND = {"opinion": "sentiment", "task": "id", "state": "status", "made": "created"}


@pytest.fixture
def label_workspace(
    workspace: Workspace, tmp_path: Path, csv_file: Callable[..., str]
) -> Workspace:
    """The pipelines of ``vault`` with three tasks to label, the first and last of them finished."""
    apply_vault(workspace, tmp_path)
    seed_from_csv(workspace, CsvRequest(pipeline=LABEL, source=csv_file(ROWS)), run_id="csv")
    finish(workspace, [1, 3], GOOD)
    return workspace


def creation_time(workspace: Workspace, task_id: int) -> str:
    return f"{find_task(workspace.store, task_id).created_at:%Y-%m-%dT%H:%M:%SZ}"


def test_finished_tasks_become_tasks_and_others_do_not(label_workspace: Workspace) -> None:
    report = seed_pipeline(label_workspace)
    assert report == Report(group_id=2, pipeline_id=2, created=2, source=LABEL)
    assert tasks_of(label_workspace, CHECK) == [
        (1, '{"review_id":"001","body":"one"}'),
        (3, '{"review_id":"12345678901234567890","body":"three"}'),
    ]
    assert len(tasks_of(label_workspace, LABEL)) == 3


def test_submitted_values_and_task_columns_can_be_mapped(label_workspace: Workspace) -> None:
    assert seed_pipeline(label_workspace, AUDIT, mapping=BY_HAND).created == 2
    since = creation_time(label_workspace, 1)
    assert tasks_of(label_workspace, AUDIT) == [
        (1, f'{{"review_id":"001","opinion":"good","task":1,"state":"finished","made":"{since}"}}'),
        (3, '{"review_id":"12345678901234567890","opinion":"good","task":3,"state":"finished",'
            f'"made":"{since}"}}'),
    ]  # fmt: skip


def test_every_task_records_its_source_task(label_workspace: Workspace) -> None:
    seed_pipeline(label_workspace)
    task = list_tasks(label_workspace.store, CHECK)[1]
    (group,) = list_groups(label_workspace.store, CHECK)
    assert task.origin == Origin(SeedKind.PIPELINE, LABEL, 3)
    assert group[:4] == (task.group_id, 2, "pipeline", LABEL)
    with label_workspace.store.read() as session:
        query = "SELECT origin_id FROM tasks WHERE pipeline_id = 2 ORDER BY id"
        assert list(session.scalars(text(query))) == [1, 3]


def test_the_next_run_creates_the_tasks_finished_since(label_workspace: Workspace) -> None:
    seed_pipeline(label_workspace)
    assert seed_pipeline(label_workspace, run_id="run-2") == Report(
        pipeline_id=2, already_seeded=2, source=LABEL
    )
    finish(label_workspace, [2], GOOD)
    later = seed_pipeline(label_workspace, run_id="run-3")
    assert (later.created, later.already_seeded) == (1, 2)
    assert [row for row, _ in tasks_of(label_workspace, CHECK)] == [1, 3, 2]


def test_the_source_may_be_named_by_its_number(label_workspace: Workspace) -> None:
    report = seed_pipeline(label_workspace, source="1")
    assert (report.created, report.source) == (2, LABEL)
    assert list_tasks(label_workspace.store, CHECK)[0].origin.source == LABEL
    assert seed_pipeline(label_workspace, run_id="run-2").already_seeded == 2


def test_a_retried_run_gets_its_own_report_again(label_workspace: Workspace) -> None:
    first = seed_pipeline(label_workspace)
    finish(label_workspace, [2], GOOD)
    assert seed_pipeline(label_workspace) == first
    reseeded = seed_pipeline(label_workspace, run_id="run-2", reseed=True)
    assert reseeded.created == 3
    assert seed_pipeline(label_workspace, run_id="run-2", reseed=True) == reseeded


def test_nothing_is_created_without_a_finished_task(label_workspace: Workspace) -> None:
    set_status(label_workspace, "completed", AUDIT)
    report = seed_pipeline(label_workspace, AUDIT, CHECK, mapping={"review_id": "body"})
    assert report == Report(pipeline_id=3, source=CHECK)
    assert report.sentence == "'check-reviews' created no tasks: there was nothing to seed."
    assert list_groups(label_workspace.store, AUDIT) == []
    assert find_pipeline(label_workspace.store, AUDIT).status == "completed"


def test_six_concurrent_runs_create_each_task_once(label_workspace: Workspace) -> None:
    with ThreadPoolExecutor(6) as pool:
        reports = list(
            pool.map(lambda i: seed_pipeline(label_workspace, run_id=f"run-{i}"), range(6))
        )
    assert sorted((r.created, r.already_seeded) for r in reports) == [*[(0, 2)] * 5, (2, 0)]
    assert len(tasks_of(label_workspace, CHECK)) == 2


def test_two_pipelines_can_seed_each_other_concurrently(
    label_workspace: Workspace,
) -> None:
    seed_pipeline(label_workspace, AUDIT)
    seed_pipeline(label_workspace, CHECK)
    finish(label_workspace, range(4, 8))

    def both(number: int) -> Report:
        ends = (CHECK, AUDIT) if number % 2 else (AUDIT, CHECK)
        mapping = {} if number % 2 else {"opinion": "body"}
        return seed_pipeline(label_workspace, *ends, run_id=f"both-{number}", mapping=mapping)

    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(both, range(6)))
    assert sum(report.created for report in reports[0::2]) >= 2
    assert len(tasks_of(label_workspace, AUDIT)) == 2 + 2


def test_a_paused_pipeline_gets_paused_tasks(label_workspace: Workspace) -> None:
    set_status(label_workspace, "paused", CHECK)
    seed_pipeline(label_workspace)
    assert statuses_of(label_workspace, CHECK) == {"paused"}


@pytest.mark.parametrize("status", ["draft", "archived", "completed", "paused"])
def test_the_sources_status_does_not_matter(label_workspace: Workspace, status: str) -> None:
    set_status(label_workspace, status, LABEL)
    assert seed_pipeline(label_workspace).created == 2
    assert find_pipeline(label_workspace.store, LABEL).status == status


def test_a_pipeline_of_another_organization_is_refused(label_workspace: Workspace) -> None:
    for ends in ((FOREIGN, LABEL), (LABEL, FOREIGN)):
        with pytest.raises(UsageError, match="and nothing crosses an organization"):
            seed_pipeline(label_workspace, *ends)


def test_a_pipeline_is_not_seeded_from_itself(label_workspace: Workspace) -> None:
    with pytest.raises(UsageError, match=f"pipeline {LABEL} cannot be seeded from itself"):
        seed_pipeline(label_workspace, LABEL, "1")


def test_a_missing_source_is_named_with_the_closest_match(label_workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match=f"did you mean '{LABEL}'"):
        seed_pipeline(label_workspace, source="acme/reviews/label-review")


def test_a_field_without_a_source_rejects_the_seeding(label_workspace: Workspace) -> None:
    report = seed_pipeline(label_workspace, mapping={"review_id": "reviewer"})
    assert report == Report(
        pipeline_id=2,
        source=LABEL,
        errors=(
            ReportError(
                row=None,
                field="review_id",
                code="unknown_source_column",
                message="field 'review_id': the source has no column 'reviewer'; "
                "did you mean 'review_id'?",
            ),
        ),
    )
    assert tasks_of(label_workspace, CHECK) == []


def test_an_empty_submitted_value_is_a_bad_row_where_it_is_required(
    label_workspace: Workspace,
) -> None:
    finish(label_workspace, [3], None)
    report = seed_pipeline(
        label_workspace, mapping={"review_id": "sentiment"}, on_error=OnError.SKIP_ROWS
    )
    assert (report.created, report.rejected) == (1, 1)
    assert [(error.row, error.field, error.code) for error in report.errors] == [
        (3, "review_id", "required")
    ]
    assert tasks_of(label_workspace, CHECK) == [(1, '{"review_id":"good","body":"one"}')]


OWN_NAMES = """
organizations:
  - name: acme
    projects:
      - name: reviews
        pipelines:
          - name: own-names
            fields:
              - {name: id, type: text, source: dataset}
              - {name: status, type: text, source: input, required: false}
"""


def test_a_field_and_a_task_column_of_the_same_name_are_both_there(
    label_workspace: Workspace, tmp_path: Path, csv_file: Callable[..., str]
) -> None:
    apply_vault(label_workspace, tmp_path, OWN_NAMES)
    path = "acme/reviews/own-names"
    seed_from_csv(
        label_workspace,
        CsvRequest(pipeline=path, source=csv_file("id\na\nb\n", "own.csv")),
        run_id="own",
    )
    finish(label_workspace, [4], '{"status":"fine"}')
    finish(label_workspace, [5], "{}")
    rows = [
        {name: value for name, value in json.loads(line).items() if name != "created"}
        for line in export_dataset(label_workspace.store, "acme", "reviews/own-names")
    ]
    assert rows == [
        {"task_id": 4, "task_status": "finished", "id": "a", "status": "fine"},
        {"task_id": 5, "task_status": "finished", "id": "b"},
    ]
    mapping = {"review_id": "id", "opinion": "status", "task": "task_id", "state": "task_status"}
    assert seed_pipeline(label_workspace, AUDIT, path, mapping=mapping).created == 2
    assert [fields for _, fields in tasks_of(label_workspace, AUDIT)] == [
        '{"review_id":"a","opinion":"fine","task":4,"state":"finished"}',
        '{"review_id":"b","opinion":null,"task":5,"state":"finished"}',
    ]


def test_submitted_values_arrive_unchanged(label_workspace: Workspace) -> None:
    odd = {"sentiment": 'tab\t "quotes" back\\slash \x7f \u2028 déjà \N{GRINNING FACE} \r\n end'}
    finish(label_workspace, [1], json.dumps(odd))
    finish(label_workspace, [3], json.dumps(odd, ensure_ascii=False, indent=2))
    assert seed_pipeline(label_workspace, AUDIT, mapping=BY_HAND).created == 2
    assert [json.loads(fields)["opinion"] for _, fields in tasks_of(label_workspace, AUDIT)] == [
        odd["sentiment"]
    ] * 2


FILES = """
organizations:
  - name: acme
    projects:
      - name: photos
        pipelines:
          - name: check-photos
            fields:
              - {name: photo, type: file, source: dataset, content_types: [image/png]}
              - {name: place, type: text, source: dataset}
              - {name: notes, type: file, source: dataset, required: false, max_bytes: 3}
"""


def test_files_arrive_unchanged_and_within_the_targets_limits(
    label_workspace: Workspace, tmp_path: Path
) -> None:
    apply_vault(label_workspace, tmp_path, PHOTOS)
    apply_vault(label_workspace, tmp_path, FILES)
    files = {"dawn.png": png("dawn"), "noon.png": png("noon"), "a.txt": b"abc", "b.txt": b"abcd"}
    rows = f"{HEADER}dawn.png,Harbour,a.txt\nnoon.png,Meadow,b.txt\n"
    source = write_zip(tmp_path / "photos.zip", rows, files)
    seed_from_zip(label_workspace, ZipRequest(pipeline=PHOTO_PATH, source=source), run_id="zip")
    filled_in = '"description":"a harbour"'
    finish(label_workspace, [4, 5], f"{{{filled_in}}}")
    report = seed_pipeline(
        label_workspace, "acme/photos/check-photos", PHOTO_PATH, on_error=OnError.SKIP_ROWS
    )
    assert (report.created, [(e.row, e.field, e.code) for e in report.errors]) == (
        1, [(5, "notes", "file_too_large")],
    )  # fmt: skip
    (first, _), ((row, values),) = (
        tasks_of(label_workspace, PHOTO_PATH),
        tasks_of(label_workspace, "acme/photos/check-photos"),
    )  # fmt: skip
    assert (row, values) == (4, first[1].replace(f",{filled_in}", ""))
    task = list_tasks(label_workspace.store, "acme/photos/check-photos")[0]
    assert list(link_files(label_workspace, task)) == ["photo", "notes"]
