"""Finished tasks of a pipeline become tasks of another one: each once, on both databases."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from photos import CATALOGUE as PHOTOS, HEADER, PATH as PHOTO_PATH, png, zipped
from tasks_lib.domain.report import Report, ReportError
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations import queries
from tasks_lib.operations.file_sources import CsvRequest
from tasks_lib.operations.seed_from_csv import seed_from_csv
from tasks_lib.operations.seed_from_zip import ZipRequest, seed_from_zip
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
def labelled(workspace: Workspace, tmp_path: Path, csv_file: Callable[..., str]) -> Workspace:
    """The pipelines of ``vault``; of three tasks to be labelled the first and last are finished."""
    apply_vault(workspace, tmp_path)
    seed_from_csv(workspace, CsvRequest(LABEL, csv_file(ROWS)), run_id="csv")
    finish(workspace, [1, 3], GOOD)
    return workspace


def made_at(workspace: Workspace, task_id: int) -> str:
    return f"{queries.find_task(workspace.store, task_id).created_at:%Y-%m-%dT%H:%M:%SZ}"


def test_finished_tasks_become_tasks_and_others_do_not(labelled: Workspace) -> None:
    report = seed_pipeline(labelled)
    assert report == Report(group_id=2, pipeline_id=2, created=2, source=LABEL)
    assert tasks_of(labelled, CHECK) == [
        (1, '{"review_id":"001","body":"one"}'),
        (3, '{"review_id":"12345678901234567890","body":"three"}'),
    ]
    assert len(tasks_of(labelled, LABEL)) == 3


def test_what_was_filled_in_and_the_tasks_own_columns_may_be_mapped(labelled: Workspace) -> None:
    assert seed_pipeline(labelled, AUDIT, mapping=BY_HAND).created == 2
    made = made_at(labelled, 1)
    assert tasks_of(labelled, AUDIT) == [
        (1, f'{{"review_id":"001","opinion":"good","task":1,"state":"finished","made":"{made}"}}'),
        (3, '{"review_id":"12345678901234567890","opinion":"good","task":3,"state":"finished",'
            f'"made":"{made}"}}'),
    ]  # fmt: skip


def test_every_task_knows_the_task_that_it_came_from(labelled: Workspace) -> None:
    seed_pipeline(labelled)
    task = queries.list_tasks(labelled.store, CHECK)[1]
    (group,) = queries.list_groups(labelled.store, CHECK)
    assert task.origin == queries.Origin("pipeline", LABEL, 3)
    assert group[:4] == (task.group_id, 2, "pipeline", LABEL)
    with labelled.store.read() as session:
        query = "SELECT origin_id FROM tasks WHERE pipeline_id = 2 ORDER BY id"
        assert list(session.scalars(text(query))) == [1, 3]


def test_what_is_finished_later_is_what_the_next_run_makes(labelled: Workspace) -> None:
    seed_pipeline(labelled)
    assert seed_pipeline(labelled, run_id="run-2") == Report(
        pipeline_id=2, already_seeded=2, source=LABEL
    )
    finish(labelled, [2], GOOD)
    later = seed_pipeline(labelled, run_id="run-3")
    assert (later.created, later.already_seeded) == (1, 2)
    assert [row for row, _ in tasks_of(labelled, CHECK)] == [1, 3, 2]


def test_the_source_may_be_named_by_its_number(labelled: Workspace) -> None:
    report = seed_pipeline(labelled, source="1")
    assert (report.created, report.source) == (2, LABEL)
    assert queries.list_tasks(labelled.store, CHECK)[0].origin.source == LABEL
    assert seed_pipeline(labelled, run_id="run-2").already_seeded == 2


def test_a_retried_run_gets_its_own_report_again(labelled: Workspace) -> None:
    first = seed_pipeline(labelled)
    finish(labelled, [2], GOOD)
    assert seed_pipeline(labelled) == first
    reseeded = seed_pipeline(labelled, run_id="run-2", reseed=True)
    assert reseeded.created == 3
    assert seed_pipeline(labelled, run_id="run-2", reseed=True) == reseeded


def test_without_a_finished_task_nothing_is_made(labelled: Workspace) -> None:
    set_status(labelled, "completed", AUDIT)
    report = seed_pipeline(labelled, AUDIT, CHECK, mapping={"review_id": "body"})
    assert report == Report(pipeline_id=3, source=CHECK)
    assert report.sentence == "'check-reviews' created 0 tasks."
    assert queries.list_groups(labelled.store, AUDIT) == []
    assert queries.find_pipeline(labelled.store, AUDIT).status == "completed"


def test_six_runs_at_the_same_moment_make_each_task_once(labelled: Workspace) -> None:
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda i: seed_pipeline(labelled, run_id=f"run-{i}"), range(6)))
    assert sorted((r.created, r.already_seeded) for r in reports) == [*[(0, 2)] * 5, (2, 0)]
    assert len(tasks_of(labelled, CHECK)) == 2


def test_two_pipelines_that_seed_each_other_at_the_same_moment_both_do(
    labelled: Workspace,
) -> None:
    seed_pipeline(labelled, AUDIT)
    seed_pipeline(labelled, CHECK)
    finish(labelled, range(4, 8))

    def both(number: int) -> Report:
        ends = (CHECK, AUDIT) if number % 2 else (AUDIT, CHECK)
        mapping = {} if number % 2 else {"opinion": "body"}
        return seed_pipeline(labelled, *ends, run_id=f"both-{number}", mapping=mapping)

    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(both, range(6)))
    assert sum(report.created for report in reports[0::2]) >= 2
    assert len(tasks_of(labelled, AUDIT)) == 2 + 2


def test_a_paused_pipeline_gets_paused_tasks(labelled: Workspace) -> None:
    set_status(labelled, "paused", CHECK)
    seed_pipeline(labelled)
    assert statuses_of(labelled, CHECK) == {"paused"}


@pytest.mark.parametrize("status", ["draft", "archived", "completed", "paused"])
def test_the_sources_status_does_not_matter(labelled: Workspace, status: str) -> None:
    set_status(labelled, status, LABEL)
    assert seed_pipeline(labelled).created == 2
    assert queries.find_pipeline(labelled.store, LABEL).status == status


def test_a_pipeline_of_another_organization_is_refused(labelled: Workspace) -> None:
    for ends in ((FOREIGN, LABEL), (LABEL, FOREIGN)):
        with pytest.raises(UsageError, match="and nothing crosses an organization"):
            seed_pipeline(labelled, *ends)


def test_a_pipeline_is_not_seeded_from_itself(labelled: Workspace) -> None:
    with pytest.raises(UsageError, match=f"pipeline {LABEL} cannot be seeded from itself"):
        seed_pipeline(labelled, LABEL, "1")


def test_a_source_that_is_not_there_is_named_with_the_nearest(labelled: Workspace) -> None:
    with pytest.raises(NotFoundError, match=f"did you mean '{LABEL}'"):
        seed_pipeline(labelled, source="acme/reviews/label-review")


def test_a_field_without_a_source_turns_the_seeding_away(labelled: Workspace) -> None:
    report = seed_pipeline(labelled, mapping={"review_id": "reviewer"})
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
    assert tasks_of(labelled, CHECK) == []


def test_what_a_contributor_left_empty_is_a_bad_row_where_it_is_required(
    labelled: Workspace,
) -> None:
    finish(labelled, [3], None)
    report = seed_pipeline(labelled, mapping={"review_id": "sentiment"}, on_error=OnError.SKIP_ROWS)
    assert (report.created, report.rejected) == (1, 1)
    assert [(error.row, error.field, error.code) for error in report.errors] == [
        (3, "review_id", "required")
    ]
    assert tasks_of(labelled, CHECK) == [(1, '{"review_id":"good","body":"one"}')]


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


def test_a_field_called_like_a_column_of_tasks_stands_in_its_place(
    labelled: Workspace, tmp_path: Path, csv_file: Callable[..., str]
) -> None:
    apply_vault(labelled, tmp_path, OWN_NAMES)
    path = "acme/reviews/own-names"
    seed_from_csv(labelled, CsvRequest(path, csv_file("id\na\nb\n", "own.csv")), run_id="own")
    finish(labelled, [4], '{"status":"fine"}')
    finish(labelled, [5], "{}")
    mapping = {"review_id": "id", "opinion": "status"}
    assert seed_pipeline(labelled, AUDIT, path, mapping=mapping).created == 2
    assert [json.loads(fields)["opinion"] for _, fields in tasks_of(labelled, AUDIT)] == [
        "fine", None,
    ]  # fmt: skip


def test_values_that_were_filled_in_arrive_to_the_letter(labelled: Workspace) -> None:
    odd = {"sentiment": 'tab\t "quotes" back\\slash \x7f \u2028 déjà \N{GRINNING FACE} \r\n end'}
    finish(labelled, [1], json.dumps(odd))
    finish(labelled, [3], json.dumps(odd, ensure_ascii=False, indent=2))
    assert seed_pipeline(labelled, AUDIT, mapping=BY_HAND).created == 2
    assert [json.loads(fields)["opinion"] for _, fields in tasks_of(labelled, AUDIT)] == [
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


def test_files_arrive_to_the_letter_and_within_the_targets_bounds(
    labelled: Workspace, tmp_path: Path
) -> None:
    apply_vault(labelled, tmp_path, PHOTOS)
    apply_vault(labelled, tmp_path, FILES)
    files = {"dawn.png": png("dawn"), "noon.png": png("noon"), "a.txt": b"abc", "b.txt": b"abcd"}
    rows = f"{HEADER}dawn.png,Harbour,a.txt\nnoon.png,Meadow,b.txt\n"
    source = zipped(tmp_path / "photos.zip", rows, files)
    seed_from_zip(labelled, ZipRequest(PHOTO_PATH, source), run_id="zip")
    filled_in = '"description":"a harbour"'
    finish(labelled, [4, 5], f"{{{filled_in}}}")
    report = seed_pipeline(
        labelled, "acme/photos/check-photos", PHOTO_PATH, on_error=OnError.SKIP_ROWS
    )
    assert (report.created, [(e.row, e.field, e.code) for e in report.errors]) == (
        1, [(5, "notes", "file_too_large")],
    )  # fmt: skip
    (first, _), ((row, values),) = (
        tasks_of(labelled, PHOTO_PATH), tasks_of(labelled, "acme/photos/check-photos"),
    )  # fmt: skip
    assert (row, values) == (4, first[1].replace(f",{filled_in}", ""))
    made = queries.list_tasks(labelled.store, "acme/photos/check-photos")[0]
    assert list(queries.links_to_files(labelled, made)) == ["photo", "notes"]
