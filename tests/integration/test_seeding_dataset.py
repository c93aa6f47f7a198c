"""The rows of a dataset become tasks: all of them or none, each once, on both databases."""

import csv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tasks_lib.domain.report import Report, ReportError
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import NotFoundError, StoreUnavailableError, UsageError
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.progress import Progress
from tasks_lib.operations import queries
from tasks_lib.operations.apply_catalogue import apply_catalogue
from tasks_lib.operations.file_sources import CsvRequest
from tasks_lib.operations.import_dataset import ImportMode
from tasks_lib.operations.mapped_seeding import MappedRequest, plan_seeding, seed_mapped
from tasks_lib.operations.seed_from_csv import seed_from_csv
from tasks_lib.operations.seed_from_dataset import find_source, seed_from_dataset
from tasks_lib.operations.workspace import Workspace
from vault import (
    AUDIT,
    CHECK,
    FIELDS,
    FOREIGN,
    LABEL,
    MORE,
    MORE_FIELDS,
    ROWS,
    apply_vault,
    lines,
    put,
    seed_dataset,
    seed_dataset_fully,
    set_status,
    statuses_of,
    tasks_of,
    write,
)

MIXED = "review_id,body,stars\n1,one,5\n2,,9\n3,three,x\n4,four,4\n"
MIXED_ERRORS = (
    ReportError(row=2, field="body", code="required", message="is required, but the cell is empty"),
    ReportError(row=2, field="stars", code="above_maximum", message="'9' is above the maximum 5"),
    ReportError(
        row=3,
        field="stars",
        code="invalid_integer",
        message="'x' is not a whole number such as 42 or -7",
    ),
)
MIXED_FIELDS = [
    (1, '{"review_id":"1","body":"one","stars":5}'),
    (4, '{"review_id":"4","body":"four","stars":4}'),
]


@pytest.fixture
def vault(workspace: Workspace, tmp_path: Path) -> Workspace:
    """The workspace with the pipelines of ``vault``."""
    apply_vault(workspace, tmp_path)
    return workspace


@pytest.fixture
def reviews(vault: Workspace, tmp_path: Path) -> Workspace:
    """The same with a dataset of three rows."""
    put(vault, write(tmp_path, ROWS))
    return vault


def append(workspace: Workspace, folder: Path, content: str = MORE) -> None:
    put(workspace, write(folder, content, "more.csv"), mode=ImportMode.APPEND)


def error_of(report: Report) -> tuple[str, str | None, str]:
    (error,) = report.errors
    return error.code, error.field, error.message


def nothing_was_made(workspace: Workspace, pipeline: str = LABEL) -> bool:
    return queries.list_groups(workspace.store, pipeline) == []


def test_each_row_becomes_a_task_with_its_values_as_written(reviews: Workspace) -> None:
    seeded = seed_dataset_fully(reviews)
    assert seeded.report == Report(group_id=1, pipeline_id=1, created=3, source="reviews")
    assert seeded.report.sentence == "'reviews' created 3 tasks in group 1."
    assert seeded.rows_read == 3
    assert tasks_of(reviews) == FIELDS
    assert statuses_of(reviews) == {"pending"}


def test_every_task_knows_where_it_came_from(reviews: Workspace) -> None:
    seed_dataset(reviews)
    task = queries.find_task(reviews.store, 2)
    (group,) = queries.list_groups(reviews.store, LABEL)
    assert task.origin == queries.Origin("dataset", "reviews", 2, version=1)
    assert (task.group_id, task.created_at) == (group.id, group.created_at)
    assert group[:4] == (1, 1, "dataset", "reviews")
    assert (group.tasks, group.rejected) == (3, 0)
    assert origins_of(reviews) == [(1, 1, 1), (2, 1, 2), (3, 1, 3)]


def test_a_task_of_an_appended_row_knows_the_version_that_brought_it(
    reviews: Workspace, tmp_path: Path
) -> None:
    append(reviews, tmp_path)
    seed_dataset(reviews)
    origins = [queries.find_task(reviews.store, task_id).origin for task_id in (3, 4)]
    assert origins == [
        queries.Origin("dataset", "reviews", 3, version=1),
        queries.Origin("dataset", "reviews", 4, version=2),
    ]


def origins_of(workspace: Workspace) -> list[tuple[int, int, int]]:
    """Return each task's id, stream and the id of the row that it came from."""
    with workspace.store.read() as session:
        found = session.execute(text("SELECT id, stream_id, origin_id FROM tasks ORDER BY id"))
        return [tuple(row) for row in found]


def test_the_database_refuses_a_second_task_for_a_row_of_a_stream(reviews: Workspace) -> None:
    seed_dataset(reviews)
    copied = (
        "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined, stream_id, origin_id)"
        " SELECT pipeline_id, group_id, row + 100, status, predefined, stream_id, origin_id"
        " FROM tasks WHERE id = 2"
    )
    with pytest.raises(IntegrityError), reviews.store.write() as session:
        session.execute(text(copied))
    assert tasks_of(reviews) == FIELDS


def test_columns_of_another_spelling_match_and_the_rest_is_mapped_by_hand(
    vault: Workspace, tmp_path: Path
) -> None:
    put(vault, write(tmp_path, "Review ID,comment,Stars,extra\n1,fine,4,x\n"))
    seeded = seed_dataset_fully(vault, mapping={"body": "comment"})
    assert tasks_of(vault) == [(1, '{"review_id":"1","body":"fine","stars":4}')]
    assert seeded.plan is not None
    assert seeded.plan.mapping == {"review_id": "Review ID", "body": "comment", "stars": "Stars"}
    assert [column.name for column in seeded.plan.unused] == ["extra"]


def test_a_jsonpath_picks_a_value_from_a_column_of_json(vault: Workspace, tmp_path: Path) -> None:
    content = lines(
        {"id": 1, "payload": {"text": "a", "votes": [{"stars": 4}]}},
        {"id": 2, "payload": {"text": "b", "votes": []}},
    )
    put(vault, write(tmp_path, content, "reviews.jsonl"))
    mapping = {
        "review_id": "id", "body": "payload:$.text", "stars": "payload:$.votes[0].stars",
    }  # fmt: skip
    assert seed_dataset(vault, mapping=mapping).created == 2
    assert tasks_of(vault) == [
        (1, '{"review_id":"1","body":"a","stars":4}'),
        (2, '{"review_id":"2","body":"b","stars":null}'),
    ]


def test_a_field_is_left_out_on_request(reviews: Workspace) -> None:
    assert seed_dataset(reviews, skip=("body", "stars")).created == 3
    assert tasks_of(reviews)[0] == (1, '{"review_id":"001"}')


def test_a_column_may_fill_what_a_contributor_else_would(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, "review_id,body,stars,sentiment\n1,a,,good\n2,b,,\n"))
    seed_dataset(vault)
    assert tasks_of(vault) == [
        (1, '{"review_id":"1","body":"a","stars":null,"sentiment":"good"}'),
        (2, '{"review_id":"2","body":"b","stars":null,"sentiment":null}'),
    ]


CONVERSIONS = """
organizations:
  - name: acme
    projects:
      - name: conversions
        pipelines:
          - name: all
            fields:
              - {name: text_of_number, type: text, source: dataset}
              - {name: number_of_text, type: number, source: dataset}
              - {name: integer_of_number, type: integer, source: dataset}
              - {name: boolean_of_number, type: boolean, source: dataset}
              - {name: text_of_boolean, type: text, source: dataset}
              - {name: day, type: date, source: dataset}
              - {name: document, type: json, source: dataset}
              - {name: tags, type: multi_select, source: dataset, options: [a, b]}
"""


def test_values_are_converted_by_their_spelling(vault: Workspace, tmp_path: Path) -> None:
    apply_vault(vault, tmp_path, CONVERSIONS)
    row = (
        '{"n": 1.50, "t": "-2.0e1", "i": 7, "one": 1, "yes": true, "day": "2026-02-28",'
        ' "document": {"a": [1.10, null]}, "tags": ["b", "a"]}\n'
    )
    put(vault, write(tmp_path, row, "reviews.jsonl"))
    mapping = {
        "text_of_number": "n", "number_of_text": "t", "integer_of_number": "i",
        "boolean_of_number": "one", "text_of_boolean": "yes",
    }  # fmt: skip
    report = seed_dataset(vault, "acme/conversions/all", mapping=mapping)
    assert (report.created, report.errors) == (1, ())
    assert tasks_of(vault, "acme/conversions/all") == [
        (
            1,
            '{"text_of_number":"1.50","number_of_text":-2.0e1,"integer_of_number":7,'
            '"boolean_of_number":true,"text_of_boolean":"true","day":"2026-02-28",'
            '"document":{"a":[1.10,null]},"tags":["b","a"]}',
        )
    ]


def test_a_field_without_a_source_turns_the_seeding_away_by_its_name(
    vault: Workspace, tmp_path: Path
) -> None:
    put(vault, write(tmp_path, "bodi,stars\nx,1\n"))
    report = seed_dataset(vault, mapping={"stars": "star", "sentimant": "bodi"})
    assert report == Report(
        pipeline_id=1,
        source="reviews",
        errors=tuple(
            ReportError(row=None, field=field, code=code, message=message)
            for field, code, message in [
                ("sentimant", "unknown_target",
                 "the pipeline has no field 'sentimant'; did you mean 'sentiment'?"),
                ("review_id", "unmatched_field",
                 "the required field 'review_id' gets no value: no column matches; map it by hand "
                 "or skip it"),
                ("body", "unmatched_field",
                 "the required field 'body' gets no value: no column matches; map it by hand or "
                 "skip it; did you mean 'bodi'?"),
                ("stars", "unknown_source_column",
                 "field 'stars': the source has no column 'star'; did you mean 'stars'?"),
            ]
        ),
    )  # fmt: skip
    assert nothing_was_made(vault)
    assert queries.find_report(vault.store, "run-1") == report


@pytest.mark.parametrize(
    ("mapping", "skip", "code"),
    [
        ({"stars": "body:$.a"}, (), "path_without_json"),
        ({"stars": "stars"}, ("stars",), "mapped_and_skipped"),
        ({"made": "payload"}, (), "unknown_target"),
        ({"stars": "payload:$.["}, (), "invalid_jsonpath"),
        ({"stars": "payload"}, (), "types_never_fit"),
    ],
)
def test_a_mapping_that_cannot_work_makes_nothing(
    vault: Workspace, tmp_path: Path, mapping: dict[str, str], skip: tuple[str, ...], code: str
) -> None:
    row = {"review_id": "1", "body": "b", "stars": "1", "payload": {"a": 1}}
    put(vault, write(tmp_path, lines(row), "reviews.jsonl"))
    report = seed_dataset(vault, mapping=mapping, skip=skip)
    assert [error.code for error in report.errors] == [code]
    assert (report.is_rejection, nothing_was_made(vault)) == (True, True)


def test_when_all_is_skipped_there_is_nothing_to_make(reviews: Workspace) -> None:
    report = seed_dataset(reviews, skip=("review_id", "body", "stars"))
    assert error_of(report) == (
        "nothing_mapped", None, "no column fills any field; map one by hand, as field=column",
    )  # fmt: skip
    assert nothing_was_made(reviews)


def test_seeded_again_nothing_is_made_twice(reviews: Workspace) -> None:
    seed_dataset(reviews)
    again = seed_dataset(reviews, run_id="run-2")
    assert again == Report(pipeline_id=1, already_seeded=3, source="reviews")
    assert again.sentence == "'reviews' created 0 tasks, 3 were there already."
    assert queries.find_report(reviews.store, "run-2") == again
    assert (tasks_of(reviews), len(queries.list_groups(reviews.store, LABEL))) == (FIELDS, 1)


def test_appended_rows_are_what_the_next_run_makes(reviews: Workspace, tmp_path: Path) -> None:
    seed_dataset(reviews)
    append(reviews, tmp_path)
    report = seed_dataset(reviews, run_id="run-2")
    assert report == Report(
        group_id=2, pipeline_id=1, created=2, already_seeded=3, source="reviews"
    )
    assert report.sentence == "'reviews' created 2 tasks in group 2, 3 were there already."
    assert tasks_of(reviews) == [*FIELDS, *MORE_FIELDS]


def test_replaced_rows_are_no_longer_seeded(reviews: Workspace, tmp_path: Path) -> None:
    put(reviews, write(tmp_path, MORE, "more.csv"), mode=ImportMode.REPLACE)
    assert seed_dataset(reviews).created == 2
    assert [fields for _, fields in tasks_of(reviews)] == [fields for _, fields in MORE_FIELDS]


def test_rows_that_take_the_place_of_seeded_ones_are_seeded(
    reviews: Workspace, tmp_path: Path
) -> None:
    seed_dataset(reviews)
    put(reviews, write(tmp_path, MORE, "more.csv"), mode=ImportMode.REPLACE)
    report = seed_dataset(reviews, run_id="run-2")
    assert (report.created, report.already_seeded) == (2, 0)
    assert [row for row, _ in tasks_of(reviews)] == [1, 2, 3, 1, 2]


def test_reseeding_makes_all_tasks_again_and_each_run_once(reviews: Workspace) -> None:
    seed_dataset(reviews)
    reseeded = seed_dataset(reviews, run_id="run-2", reseed=True)
    assert reseeded == Report(group_id=2, pipeline_id=1, created=3, source="reviews")
    assert seed_dataset(reviews, run_id="run-2", reseed=True) == reseeded
    assert tasks_of(reviews) == [*FIELDS, *FIELDS]
    assert seed_dataset(reviews, run_id="run-3").already_seeded == 3
    assert seed_dataset(reviews, run_id="run-4", reseed=True).created == 3
    assert generations_of(reviews) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def generations_of(workspace: Workspace) -> list[int]:
    """Return the generation of the stream that each task came by."""
    with workspace.store.read() as session:
        query = (
            "SELECT s.generation FROM tasks t JOIN streams s ON s.id = t.stream_id ORDER BY t.id"
        )
        return list(session.scalars(text(query)))


def test_reseeding_what_was_never_seeded_seeds_it(reviews: Workspace) -> None:
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


def test_six_runs_at_the_same_moment_make_each_task_once(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, "review_id,body\n" + "".join(f"{i},b\n" for i in range(6_000))))
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda i: seed_dataset(vault, run_id=f"run-{i}"), range(6)))
    assert sorted((r.created, r.already_seeded) for r in reports) == [
        *[(0, 6_000)] * 5,
        (6_000, 0),
    ]
    assert [row for row, _ in tasks_of(vault)] == list(range(1, 6_001))


def test_six_runs_into_a_completed_pipeline_make_each_task_once(reviews: Workspace) -> None:
    set_status(reviews, "completed")
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda i: seed_dataset(reviews, run_id=f"run-{i}"), range(6)))
    assert sorted((r.created, r.already_seeded) for r in reports) == [*[(0, 3)] * 5, (3, 0)]
    assert tasks_of(reviews) == FIELDS


def test_twenty_runs_at_the_same_moment_make_each_task_once(reviews: Workspace) -> None:
    with ThreadPoolExecutor(20) as pool:
        reports = list(pool.map(lambda i: seed_dataset(reviews, run_id=f"run-{i}"), range(20)))
    assert sorted(report.created for report in reports) == [*[0] * 19, 3]
    assert tasks_of(reviews) == FIELDS


def test_reseeding_runs_at_the_same_moment_lose_nothing(reviews: Workspace) -> None:
    def reseed(number: int) -> Report:
        return seed_dataset(reviews, run_id=f"run-{number}", reseed=True)

    with ThreadPoolExecutor(6) as pool:
        created = sum(report.created for report in pool.map(reseed, range(6)))
    with reviews.store.read() as session:
        streams = session.execute(
            text("SELECT stream_id, count(DISTINCT origin_id), count(*) FROM tasks GROUP BY 1")
        ).all()
    assert [tuple(row[1:]) for row in streams] == [(3, 3)] * (created // 3)


def test_one_bad_row_turns_all_away_and_all_bad_rows_are_reported(
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
    assert nothing_was_made(vault)
    assert queries.find_report(vault.store, "run-1") == report


def test_a_skipped_row_is_tried_again_and_goes_in_once_it_is_mapped_better(
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


def test_bad_rows_beside_good_ones_that_are_tasks_already_turn_a_strict_run_away(
    vault: Workspace, tmp_path: Path
) -> None:
    put(vault, write(tmp_path, MIXED))
    seed_dataset(vault, on_error=OnError.SKIP_ROWS)
    report = seed_dataset(vault, run_id="run-2")
    assert (report.is_rejection, report.rejected, report.errors) == (True, 2, MIXED_ERRORS)
    assert tasks_of(vault) == MIXED_FIELDS


def test_when_every_row_is_bad_there_is_no_empty_group(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, "review_id,body,stars\n1,,1\n"))
    report = seed_dataset(vault, on_error=OnError.SKIP_ROWS)
    assert (report.is_rejection, report.rejected) == (True, 1)
    assert nothing_was_made(vault)


def test_a_value_of_the_wrong_kind_is_a_bad_row_and_its_neighbours_are_good(
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
def test_a_hopeless_dataset_is_given_up_early(
    vault: Workspace, tmp_path: Path, on_error: OnError
) -> None:
    put(vault, write(tmp_path, "review_id,body,stars\n1,b,1\n" + "x,y,z\n" * 60_000))
    limited = Workspace(vault.store, vault.storage, Limits(max_errors=5))
    report = seed_dataset(limited, on_error=on_error)
    assert (report.is_rejection, report.errors[0].code) == (True, "too_many_errors")
    assert report.rejected < 60_000
    assert nothing_was_made(vault)
    assert seed_dataset(vault, run_id="run-2", skip=("stars",)).created == 60_001


def test_a_rehearsal_reports_and_writes_nothing(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, MIXED))
    assert seed_dataset(vault, dry_run=True, skip=("stars",), mapping={"body": "stars"}) == Report(
        pipeline_id=1, created=4, dry_run=True, source="reviews"
    )
    assert seed_dataset(vault, dry_run=True) == Report(
        pipeline_id=1, rejected=2, dry_run=True, source="reviews", errors=MIXED_ERRORS
    )
    skipping = seed_dataset(vault, dry_run=True, on_error=OnError.SKIP_ROWS)
    assert (skipping.created, skipping.rejected, skipping.rejects_uri) == (2, 2, None)
    assert (nothing_was_made(vault), queries.find_report(vault.store, "run-1")) == (True, None)
    seed_dataset(vault, on_error=OnError.SKIP_ROWS)
    again = seed_dataset(vault, run_id="run-2", dry_run=True, on_error=OnError.SKIP_ROWS)
    assert (again.created, again.rejected, again.already_seeded) == (0, 2, 2)
    anew = seed_dataset(
        vault, run_id="run-2", dry_run=True, on_error=OnError.SKIP_ROWS, reseed=True
    )
    assert (anew.created, anew.rejected, anew.already_seeded) == (2, 2, 0)
    assert streams_of(vault) == [("dataset:1", 1)]


def streams_of(workspace: Workspace) -> list[tuple[str, int]]:
    with workspace.store.read() as session:
        found = session.execute(text("SELECT source, generation FROM streams ORDER BY id"))
        return [tuple(row) for row in found]


def test_a_run_that_makes_nothing_leaves_no_generation_behind(
    vault: Workspace, tmp_path: Path
) -> None:
    put(vault, write(tmp_path, MIXED))
    seed_dataset(vault)
    seed_dataset(vault, run_id="run-2", reseed=True)
    assert streams_of(vault) == []


@pytest.mark.parametrize(
    ("status", "starts_as", "becomes"),
    [
        ("active", "pending", "active"),
        ("paused", "paused", "paused"),
        ("completed", "pending", "active"),
    ],
)
def test_the_pipelines_status_decides_how_tasks_start(
    reviews: Workspace, status: str, starts_as: str, becomes: str
) -> None:
    set_status(reviews, status)
    seed_dataset(reviews)
    assert statuses_of(reviews) == {starts_as}
    assert queries.find_pipeline(reviews.store, LABEL).status == becomes


@pytest.mark.parametrize("status", ["draft", "archived"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_closed_pipelines_take_no_tasks(reviews: Workspace, status: str, dry_run: bool) -> None:
    set_status(reviews, status)
    report = seed_dataset(reviews, dry_run=dry_run)
    assert [error.code for error in report.errors] == ["pipeline_closed"]
    assert f"is {status} and takes no tasks" in report.sentence
    assert tasks_of(reviews) == []


def test_a_completed_pipeline_stays_completed_unless_there_is_something_new(
    reviews: Workspace, csv_file: Callable[..., str]
) -> None:
    source = csv_file(MORE, "more.csv")
    seed_from_csv(reviews, CsvRequest(LABEL, source), run_id="run-1")
    seed_dataset(reviews, run_id="run-2")
    set_status(reviews, "completed")
    seed_from_csv(reviews, CsvRequest(LABEL, source), run_id="run-3")
    seed_dataset(reviews, run_id="run-4")
    seed_dataset(reviews, run_id="run-5", mapping={"stars": "body"})
    assert queries.find_pipeline(reviews.store, LABEL).status == "completed"
    seed_dataset(reviews, run_id="run-6", reseed=True)
    assert queries.find_pipeline(reviews.store, LABEL).status == "active"


def test_fields_that_change_between_plan_and_load_make_nothing(
    reviews: Workspace, catalogue_file: Path
) -> None:
    request = MappedRequest(LABEL, "reviews")
    pipeline = queries.find_pipeline(reviews.store, LABEL)
    source = find_source(reviews, pipeline, "reviews")
    plan = plan_seeding(reviews, pipeline, source, request)
    changed = catalogue_file.read_text(encoding="utf-8").replace("max: 5", "max: 4")
    catalogue_file.write_text(changed, encoding="utf-8")
    apply_catalogue(reviews.store, catalogue_file)
    seeded = seed_mapped(reviews, pipeline, source, request, plan, run_id="run-1")
    assert error_of(seeded.report) == (
        "pipeline_changed", None,
        f"pipeline {LABEL} was given other fields meanwhile; seed it again",
    )  # fmt: skip
    assert nothing_was_made(reviews)


def test_rows_that_come_between_plan_and_load_are_for_the_next_run(
    reviews: Workspace, tmp_path: Path
) -> None:
    request = MappedRequest(LABEL, "reviews")
    pipeline = queries.find_pipeline(reviews.store, LABEL)
    source = find_source(reviews, pipeline, "reviews")
    plan = plan_seeding(reviews, pipeline, source, request)
    append(reviews, tmp_path)
    report = seed_mapped(reviews, pipeline, source, request, plan, run_id="run-1").report
    assert (report.created, report.already_seeded) == (3, 0)
    assert seed_dataset(reviews, run_id="run-2").created == 2


def test_a_dataset_of_another_organization_is_not_there(reviews: Workspace) -> None:
    with pytest.raises(NotFoundError, match="there is no dataset 'reviews'"):
        seed_dataset(reviews, FOREIGN)


def test_organizations_seed_their_own_dataset_of_the_same_name(
    reviews: Workspace, tmp_path: Path
) -> None:
    put(reviews, write(tmp_path, MORE, "more.csv"), organization="umbrella")
    seed_dataset(reviews)
    seed_dataset(reviews, FOREIGN, run_id="run-2")
    assert tasks_of(reviews) == FIELDS
    assert tasks_of(reviews, FOREIGN) == [(1, '{"review_id":"4"}'), (2, '{"review_id":"5"}')]


def test_a_dataset_that_is_not_there_is_named_with_the_nearest(reviews: Workspace) -> None:
    with pytest.raises(NotFoundError, match="there is no dataset 'review'; did you mean 'reviews'"):
        seed_dataset(reviews, dataset="review")


@pytest.mark.parametrize(("pipeline", "dataset"), [("a/\0/c", "x"), (LABEL, "x\udce9")])
def test_a_name_that_no_store_can_hold_is_a_usage_error(pipeline: str, dataset: str) -> None:
    with pytest.raises(UsageError, match="holds a NUL character or bytes that are not UTF-8"):
        MappedRequest(pipeline, dataset)


def test_progress_is_told_in_rows_up_to_the_end(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, "review_id,body\n" + "1,b\n" * 12_000))
    told: list[Progress] = []
    seed_from_dataset(
        vault, MappedRequest(LABEL, "reviews"), run_id="run-1", on_progress=told.append
    )
    assert told == sorted(told)
    assert len(told) > 1
    assert told[-1] == Progress(12_000, 12_000, 12_000)


def test_progress_of_a_run_that_makes_what_is_new_comes_to_an_end_as_well(
    reviews: Workspace, tmp_path: Path
) -> None:
    seed_dataset(reviews)
    append(reviews, tmp_path)
    told: list[Progress] = []
    seed_from_dataset(
        reviews, MappedRequest(LABEL, "reviews"), run_id="run-2", on_progress=told.append
    )
    assert told == [Progress(2, 5, 2), Progress(5, 5, 2)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_that_is_cut_in_the_middle_makes_nothing(
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
            vault, MappedRequest(LABEL, "reviews"), run_id="r", on_progress=cut_the_connections
        )
    assert nothing_was_made(vault)
    assert seed_dataset(vault).created == 50_000


def test_a_failure_in_the_middle_leaves_the_store_as_it_was(
    vault: Workspace, tmp_path: Path
) -> None:
    put(vault, write(tmp_path, "review_id,body\n" + "1,b\n" * 50_000))

    def fail(_: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        seed_from_dataset(vault, MappedRequest(LABEL, "reviews"), run_id="r", on_progress=fail)
    assert (nothing_was_made(vault), streams_of(vault)) == (True, [])
    assert seed_dataset(vault).created == 50_000


def rejected_rows(report: Report) -> list[Any]:
    path = Path(urlsplit(str(report.rejects_uri)).path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))
