"""The rows of a dataset become tasks: their values and their origins."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tasks_lib.domain.report import Report, ReportError
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.groups.read import find_report, list_groups
from tasks_lib.operations.seeding.mapped_seeding import MappedRequest
from tasks_lib.operations.tasks.read import Origin, find_task
from tasks_lib.operations.workspace import Workspace
from vault import (
    FIELDS,
    FOREIGN,
    LABEL,
    MORE,
    append,
    apply_vault,
    error_of,
    has_no_groups,
    lines,
    origins_of,
    put,
    seed_dataset,
    seed_dataset_fully,
    set_status,
    statuses_of,
    tasks_of,
    write,
)


def test_each_row_becomes_a_task_with_its_values_as_written(reviews: Workspace) -> None:
    seeded = seed_dataset_fully(reviews)
    assert seeded.report == Report(group_id=1, pipeline_id=1, created=3, source="reviews")
    assert seeded.report.sentence == "'reviews' created 3 tasks in group 1."
    assert seeded.rows_read == 3
    assert tasks_of(reviews) == FIELDS
    assert statuses_of(reviews) == {"pending"}


def test_every_task_records_its_origin(reviews: Workspace) -> None:
    seed_dataset(reviews)
    task = find_task(reviews.store, 2)
    (group,) = list_groups(reviews.store, LABEL)
    assert task.origin == Origin(SeedKind.DATASET, "reviews", 2, version=1)
    assert (task.group_id, task.created_at) == (group.id, group.created_at)
    assert group[:4] == (1, 1, "dataset", "reviews")
    assert (group.tasks, group.rejected) == (3, 0)
    assert origins_of(reviews) == [(1, 1, 1), (2, 1, 2), (3, 1, 3)]


def test_a_task_of_an_appended_row_records_the_version_of_the_row(
    reviews: Workspace, tmp_path: Path
) -> None:
    append(reviews, tmp_path)
    seed_dataset(reviews)
    origins = [find_task(reviews.store, task_id).origin for task_id in (3, 4)]
    assert origins == [
        Origin(SeedKind.DATASET, "reviews", 3, version=1),
        Origin(SeedKind.DATASET, "reviews", 4, version=2),
    ]


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


def test_a_column_may_fill_a_contributors_field(vault: Workspace, tmp_path: Path) -> None:
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


def test_a_field_without_a_source_rejects_the_seeding_and_is_named(
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
    assert has_no_groups(vault)
    assert find_report(vault.store, "run-1") == report


@pytest.mark.parametrize(
    ("mapping", "skip", "code"),
    [
        ({"stars": "weight:$.a"}, (), "path_without_json"),
        ({"stars": "stars"}, ("stars",), "mapped_and_skipped"),
        ({"made": "payload"}, (), "unknown_target"),
        ({"stars": "payload:$.["}, (), "invalid_jsonpath"),
        ({"stars": "payload"}, (), "types_never_fit"),
    ],
)
def test_an_invalid_mapping_creates_nothing(
    vault: Workspace, tmp_path: Path, mapping: dict[str, str], skip: tuple[str, ...], code: str
) -> None:
    row = {"review_id": "1", "body": "b", "stars": "1", "payload": {"a": 1}, "weight": 1}
    put(vault, write(tmp_path, lines(row), "reviews.jsonl"))
    report = seed_dataset(vault, mapping=mapping, skip=skip)
    assert [error.code for error in report.errors] == [code]
    assert (report.is_rejection, has_no_groups(vault)) == (True, True)


def test_skipping_every_field_is_an_error(reviews: Workspace) -> None:
    report = seed_dataset(reviews, skip=("review_id", "body", "stars"))
    assert error_of(report) == (
        "nothing_mapped", None, "no column fills any field; map one by hand, as field=column",
    )  # fmt: skip
    assert has_no_groups(reviews)


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
    assert find_pipeline(reviews.store, LABEL).status == becomes


@pytest.mark.parametrize("status", ["draft", "archived"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_closed_pipelines_take_no_tasks(reviews: Workspace, status: str, dry_run: bool) -> None:
    set_status(reviews, status)
    report = seed_dataset(reviews, dry_run=dry_run)
    assert [error.code for error in report.errors] == ["pipeline_closed"]
    assert f"is {status} and takes no tasks" in report.sentence
    assert tasks_of(reviews) == []


def test_a_dataset_of_another_organization_is_not_found(reviews: Workspace) -> None:
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


def test_a_missing_dataset_is_named_with_the_closest_match(reviews: Workspace) -> None:
    with pytest.raises(NotFoundError, match="there is no dataset 'review'; did you mean 'reviews'"):
        seed_dataset(reviews, dataset="review")


@pytest.mark.parametrize(("pipeline", "dataset"), [("a/\0/c", "x"), (LABEL, "x\udce9")])
def test_a_name_that_no_store_can_hold_is_a_usage_error(pipeline: str, dataset: str) -> None:
    with pytest.raises(UsageError, match="holds a NUL character or bytes that are not UTF-8"):
        MappedRequest(pipeline=pipeline, source=dataset)
