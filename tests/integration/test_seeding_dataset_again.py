"""Seeding a dataset again, concurrently or in part, creates one task per row."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from tasks_lib.domain.progress import Progress
from tasks_lib.domain.report import Report
from tasks_lib.errors import StoreUnavailableError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.datasets.import_request import ImportMode
from tasks_lib.operations.groups.read import find_report, list_groups
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.mapped_seeding import MappedRequest, plan_seeding, seed_mapped
from tasks_lib.operations.seeding.reports import LoadRejectedError
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.seeding.seed_from_dataset import find_source, seed_from_dataset
from tasks_lib.operations.workspace import Workspace
from vault import (
    AUDIT,
    CHECK,
    FIELDS,
    LABEL,
    MORE,
    MORE_FIELDS,
    append,
    error_of,
    has_no_groups,
    put,
    seed_dataset,
    set_status,
    streams_of,
    tasks_of,
    write,
)


def test_seeding_again_creates_nothing_twice(reviews: Workspace) -> None:
    seed_dataset(reviews)
    again = seed_dataset(reviews, run_id="run-2")
    assert again == Report(pipeline_id=1, already_seeded=3, source="reviews")
    assert again.sentence == "'reviews' created no tasks, 3 existed already."
    assert find_report(reviews.store, "run-2") == again
    assert (tasks_of(reviews), len(list_groups(reviews.store, LABEL))) == (FIELDS, 1)


def test_the_next_run_creates_the_tasks_of_appended_rows(
    reviews: Workspace, tmp_path: Path
) -> None:
    seed_dataset(reviews)
    append(reviews, tmp_path)
    report = seed_dataset(reviews, run_id="run-2")
    assert report == Report(
        group_id=2, pipeline_id=1, created=2, already_seeded=3, source="reviews"
    )
    assert report.sentence == "'reviews' created 2 tasks in group 2, 3 existed already."
    assert tasks_of(reviews) == [*FIELDS, *MORE_FIELDS]


def test_replaced_rows_are_no_longer_seeded(reviews: Workspace, tmp_path: Path) -> None:
    put(reviews, write(tmp_path, MORE, "more.csv"), mode=ImportMode.REPLACE)
    assert seed_dataset(reviews).created == 2
    assert [fields for _, fields in tasks_of(reviews)] == [fields for _, fields in MORE_FIELDS]


def test_rows_that_replace_seeded_ones_are_seeded(reviews: Workspace, tmp_path: Path) -> None:
    seed_dataset(reviews)
    put(reviews, write(tmp_path, MORE, "more.csv"), mode=ImportMode.REPLACE)
    report = seed_dataset(reviews, run_id="run-2")
    assert (report.created, report.already_seeded) == (2, 0)
    assert [row for row, _ in tasks_of(reviews)] == [1, 2, 3, 1, 2]


def test_reseeding_creates_all_tasks_again_once_per_run(reviews: Workspace) -> None:
    seed_dataset(reviews)
    reseeded = seed_dataset(reviews, run_id="run-2", reseed=True)
    assert reseeded == Report(group_id=2, pipeline_id=1, created=3, source="reviews")
    assert seed_dataset(reviews, run_id="run-2", reseed=True) == reseeded
    assert tasks_of(reviews) == [*FIELDS, *FIELDS]
    assert seed_dataset(reviews, run_id="run-3").already_seeded == 3
    assert seed_dataset(reviews, run_id="run-4", reseed=True).created == 3
    assert generations_of(reviews) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def generations_of(workspace: Workspace) -> list[int]:
    """Return the stream generation of each task."""
    with workspace.store.read() as session:
        query = (
            "SELECT s.generation FROM tasks t JOIN streams s ON s.id = t.stream_id ORDER BY t.id"
        )
        return list(session.scalars(text(query)))


def test_reseeding_a_dataset_that_was_never_seeded_seeds_it(reviews: Workspace) -> None:
    assert seed_dataset(reviews, reseed=True).created == 3
    assert seed_dataset(reviews, run_id="run-2").already_seeded == 3


def test_a_retried_run_gets_its_own_report_again(reviews: Workspace, tmp_path: Path) -> None:
    first = seed_dataset(reviews)
    append(reviews, tmp_path)
    assert seed_dataset(reviews) == first
    assert tasks_of(reviews) == FIELDS


def test_pipelines_get_the_rows_independently_of_each_other(reviews: Workspace) -> None:
    assert seed_dataset(reviews).created == 3
    assert seed_dataset(reviews, CHECK, run_id="run-2").created == 3
    assert seed_dataset(reviews, AUDIT, run_id="run-3").created == 3
    assert tasks_of(reviews, CHECK)[0] == (1, '{"review_id":"001","body":"one"}')
    assert tasks_of(reviews, AUDIT)[0] == (1, '{"review_id":"001"}')


def test_six_concurrent_runs_create_each_task_once(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, "review_id,body\n" + "".join(f"{i},b\n" for i in range(6_000))))
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda i: seed_dataset(vault, run_id=f"run-{i}"), range(6)))
    assert sorted((r.created, r.already_seeded) for r in reports) == [
        *[(0, 6_000)] * 5,
        (6_000, 0),
    ]
    assert [row for row, _ in tasks_of(vault)] == list(range(1, 6_001))


def test_six_runs_into_a_completed_pipeline_create_each_task_once(reviews: Workspace) -> None:
    set_status(reviews, "completed")
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda i: seed_dataset(reviews, run_id=f"run-{i}"), range(6)))
    assert sorted((r.created, r.already_seeded) for r in reports) == [*[(0, 3)] * 5, (3, 0)]
    assert tasks_of(reviews) == FIELDS


def test_twenty_concurrent_runs_create_each_task_once(reviews: Workspace) -> None:
    with ThreadPoolExecutor(20) as pool:
        reports = list(pool.map(lambda i: seed_dataset(reviews, run_id=f"run-{i}"), range(20)))
    assert sorted(report.created for report in reports) == [*[0] * 19, 3]
    assert tasks_of(reviews) == FIELDS


def test_concurrent_reseeding_runs_lose_nothing(reviews: Workspace) -> None:
    def reseed(number: int) -> Report:
        return seed_dataset(reviews, run_id=f"run-{number}", reseed=True)

    with ThreadPoolExecutor(6) as pool:
        created = sum(report.created for report in pool.map(reseed, range(6)))
    with reviews.store.read() as session:
        streams = session.execute(
            text("SELECT stream_id, count(DISTINCT origin_id), count(*) FROM tasks GROUP BY 1")
        ).all()
    assert [tuple(row[1:]) for row in streams] == [(3, 3)] * (created // 3)


def test_a_completed_pipeline_stays_completed_unless_tasks_are_created(
    reviews: Workspace, csv_file: Callable[..., str]
) -> None:
    source = csv_file(MORE, "more.csv")
    seed_from_csv(reviews, CsvRequest(pipeline=LABEL, source=source), run_id="run-1")
    seed_dataset(reviews, run_id="run-2")
    set_status(reviews, "completed")
    seed_from_csv(reviews, CsvRequest(pipeline=LABEL, source=source), run_id="run-3")
    seed_dataset(reviews, run_id="run-4")
    seed_dataset(reviews, run_id="run-5", mapping={"stars": "body"})
    assert find_pipeline(reviews.store, LABEL).status == "completed"
    seed_dataset(reviews, run_id="run-6", reseed=True)
    assert find_pipeline(reviews.store, LABEL).status == "active"


def prepare_seeding(workspace: Workspace) -> Callable[[], Report]:
    """Plan a seeding of the dataset; return a function that carries it out."""
    request = MappedRequest(pipeline=LABEL, source="reviews")
    pipeline = find_pipeline(workspace.store, LABEL)
    source = find_source(workspace, pipeline, "reviews")
    plan = plan_seeding(workspace, pipeline, source, request)
    return lambda: seed_mapped(workspace, pipeline, source, request, plan, run_id="run-1").report


def test_fields_changed_between_plan_and_load_reject_the_run(
    reviews: Workspace, catalogue_file: Path
) -> None:
    carry_out = prepare_seeding(reviews)
    changed = catalogue_file.read_text(encoding="utf-8").replace("max: 5", "max: 4")
    catalogue_file.write_text(changed, encoding="utf-8")
    apply_catalogue(reviews.store, catalogue_file)
    with pytest.raises(LoadRejectedError) as caught:
        carry_out()
    assert error_of(caught.value.seeded.report) == (
        "pipeline_changed", None,
        f"pipeline {LABEL} was given other fields meanwhile; seed it again",
    )  # fmt: skip
    assert has_no_groups(reviews)


def test_rows_added_between_plan_and_load_are_left_for_the_next_run(
    reviews: Workspace, tmp_path: Path
) -> None:
    carry_out = prepare_seeding(reviews)
    append(reviews, tmp_path)
    report = carry_out()
    assert (report.created, report.already_seeded) == (3, 0)
    assert seed_dataset(reviews, run_id="run-2").created == 2


def test_progress_is_reported_in_rows_until_the_end(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, "review_id,body\n" + "1,b\n" * 12_000))
    reports: list[Progress] = []
    seed_from_dataset(
        vault,
        MappedRequest(pipeline=LABEL, source="reviews"),
        run_id="run-1",
        on_progress=reports.append,
    )
    assert reports == sorted(reports)
    assert len(reports) > 1
    assert reports[-1] == Progress(12_000, 12_000, 12_000)


def test_progress_of_an_incremental_run_reaches_the_end(reviews: Workspace, tmp_path: Path) -> None:
    seed_dataset(reviews)
    append(reviews, tmp_path)
    reports: list[Progress] = []
    seed_from_dataset(
        reviews,
        MappedRequest(pipeline=LABEL, source="reviews"),
        run_id="run-2",
        on_progress=reports.append,
    )
    assert reports == [Progress(2, 5, 2), Progress(5, 5, 2)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_cut_midway_creates_nothing(
    vault: Workspace, tmp_path: Path, postgresql: str
) -> None:
    put(vault, write(tmp_path, "review_id,body\n" + "1,b\n" * 50_000))

    def cut_the_connections(_: Progress) -> None:
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [vault.store.engine.url.database],
            )

    with pytest.raises(StoreUnavailableError):
        seed_from_dataset(
            vault,
            MappedRequest(pipeline=LABEL, source="reviews"),
            run_id="r",
            on_progress=cut_the_connections,
        )
    assert has_no_groups(vault)
    assert seed_dataset(vault).created == 50_000


def test_a_failure_midway_leaves_the_store_unchanged(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, "review_id,body\n" + "1,b\n" * 50_000))

    def fail(_: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        seed_from_dataset(
            vault, MappedRequest(pipeline=LABEL, source="reviews"), run_id="r", on_progress=fail
        )
    assert (has_no_groups(vault), streams_of(vault)) == (True, [])
    assert seed_dataset(vault).created == 50_000
