"""A key identifies a task: its row creates it once, whichever way and however often it arrives."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from keyed import HEADER, declare, numbers, seed

from people import counts, recount
from tasks_lib.domain.report import ReportError
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import CatalogueRejectedError
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.tables.tasks import TaskRow
from vault import LABEL, tasks_of

FIRST_NIGHT = f"{HEADER}001,one,5\n1,uno,\n2,two,3\n"
SECOND_NIGHT = f"{HEADER}001,one,5\n1,uno,4\n2,two,3\n3,three,1\n"


@pytest.fixture
def keyed(workspace: Workspace, catalogue_file: Path) -> Workspace:
    """The workspace whose pipeline has the key review_id."""
    declare(workspace, catalogue_file, "key: [review_id]")
    return workspace


def stored_keys(workspace: Workspace) -> list[str | None]:
    with workspace.store.read() as session:
        return [row.key for row in session.query(TaskRow).order_by(TaskRow.id)]


def test_the_second_night_creates_only_the_tasks_of_new_rows(
    keyed: Workspace, csv_file: Callable[..., str]
) -> None:
    first = seed(keyed, csv_file(FIRST_NIGHT, "first.csv"))
    second = seed(keyed, csv_file(SECOND_NIGHT, "second.csv"))
    assert numbers(first) == (True, 3, 0, 0, 0)
    assert numbers(second) == (True, 1, 2, 1, 0)
    assert second.sentence == (
        "'second.csv' created 1 task in group 2, 2 existed already, 1 existed with other values."
    )
    assert tasks_of(keyed, LABEL) == [
        (1, '{"review_id":"001","body":"one","stars":5}'),
        (2, '{"review_id":"1","body":"uno","stars":null}'),
        (3, '{"review_id":"2","body":"two","stars":3}'),
        (4, '{"review_id":"3","body":"three","stars":1}'),
    ]
    assert stored_keys(keyed) == ['["001"]', '["1"]', '["2"]', '["3"]']
    assert counts(keyed.store) == recount(keyed.store)


def test_a_file_of_known_rows_has_no_group_and_the_same_file_is_known_by_its_content(
    keyed: Workspace, csv_file: Callable[..., str]
) -> None:
    source = csv_file(FIRST_NIGHT)
    seed(keyed, source)
    shorter = seed(keyed, csv_file(f"{HEADER}001,one,5\n2,two,1\n", "shorter.csv"))
    assert numbers(shorter) == (False, 0, 1, 1, 0)
    assert shorter.sentence == (
        "'shorter.csv' created no tasks, 1 existed already, 1 existed with other values."
    )
    again = seed(keyed, source)
    assert numbers(again) == (True, 0, 3, 0, 0)
    assert again.sentence == (
        "'reviews.csv' was seeded before: group 1 holds its 3 tasks, so nothing was created."
    )
    assert [group.id for group in list_groups(keyed.store, LABEL)] == [1]


def test_a_dry_run_tells_what_would_be_new_and_writes_nothing(
    keyed: Workspace, csv_file: Callable[..., str]
) -> None:
    seed(keyed, csv_file(FIRST_NIGHT, "first.csv"))
    report = seed(keyed, csv_file(SECOND_NIGHT, "second.csv"), dry_run=True)
    assert numbers(report) == (False, 1, 2, 1, 0)
    known = seed(keyed, csv_file(f"{HEADER}2,two,3\n", "third.csv"), dry_run=True)
    assert numbers(known) == (False, 0, 1, 0, 0)
    assert len(tasks_of(keyed, LABEL)) == 3
    assert [group.id for group in list_groups(keyed.store, LABEL)] == [1]


DUPLICATES = f"{HEADER}a,one,1\nb,two,9\nb,two,2\na,other,1\nc,three,3\nb,again,2\n"
DUPLICATE_ERRORS = (
    ReportError(row=2, field="stars", code="above_maximum", message="'9' is above the maximum 5"),
    ReportError(
        row=4,
        field="review_id",
        code="duplicate_key",
        message="has the same key as row 1: review_id 'a'",
    ),
    ReportError(
        row=6,
        field="review_id",
        code="duplicate_key",
        message="has the same key as row 3: review_id 'b'",
    ),
)


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("are_known", [True, False])
def test_a_second_row_with_the_same_key_is_an_error_that_names_the_first(
    keyed: Workspace, csv_file: Callable[..., str], *, are_known: bool, dry_run: bool
) -> None:
    known = 2 if are_known else 0
    if are_known:
        seed(keyed, csv_file(f"{HEADER}a,one,1\nb,two,2\n", "known.csv"))
    source = csv_file(DUPLICATES, "duplicates.csv")
    strict = seed(keyed, source, dry_run=dry_run)
    assert (numbers(strict), strict.errors) == ((False, 0, 0, 0, 3), DUPLICATE_ERRORS)
    report = seed(keyed, source, on_error=OnError.SKIP_ROWS, dry_run=dry_run)
    has_group = not dry_run
    assert (numbers(report), report.errors) == (
        (has_group, 3 - known, known, 0, 3),
        DUPLICATE_ERRORS,
    )
    if report.rejects_uri is not None:
        with fsspec.open(report.rejects_uri, "rt") as file:
            rows = [line.split(",")[:4] for line in file]
        assert rows[2:] == [["a", "other", "1", "4"], ["b", "again", "2", "6"]]


def test_rows_that_are_a_block_apart_can_have_the_same_key(
    keyed: Workspace, csv_file: Callable[..., str]
) -> None:
    body = "x" * 200
    rows = "".join(f"{number},{body},\n" for number in range(40_000))
    source = csv_file(f"{HEADER}{rows}7,{body},\n")
    report = seed(keyed, source, on_error=OnError.SKIP_ROWS)
    assert numbers(report) == (True, 40_000, 0, 0, 1)
    assert [(error.row, error.message) for error in report.errors] == [
        (40_001, "has the same key as row 8: review_id '7'")
    ]
    seed(keyed, csv_file(f"{HEADER}old,x,\n", "old.csv"))
    news = "".join(f"new {number},{body},\n" for number in range(12_000))
    report = seed(keyed, csv_file(f"{HEADER}{news}new 7,{body},\n", "news.csv"))
    assert [(error.row, error.message) for error in report.errors] == [
        (12_001, "has the same key as row 8: review_id 'new 7'")
    ]
    once_more = f"{HEADER}{rows}{rows.splitlines()[8]}\n"
    again = seed(keyed, csv_file(once_more, "again.csv"), on_error=OnError.SKIP_ROWS)
    assert numbers(again) == (False, 0, 40_000, 0, 1)


def test_twenty_overlapping_loads_at_once_create_each_task_once(
    keyed: Workspace, csv_file: Callable[..., str]
) -> None:
    sources = [
        csv_file(
            HEADER
            + "".join(
                f"{number},body,{number % 5 + 1}\n"
                for number in (range(k * 20, k * 20 + 200)[:: 1 if k % 2 else -1])
            ),
            f"{k}.csv",
        )
        for k in range(20)
    ]
    with ThreadPoolExecutor(20) as pool:
        reports = list(pool.map(lambda source: seed(keyed, source), sources))
    assert [report.created + report.already_seeded for report in reports] == [200] * 20
    assert sum(report.created for report in reports) == 580
    values = [json.loads(fields)["review_id"] for _, fields in tasks_of(keyed, LABEL)]
    assert sorted(values, key=int) == [str(number) for number in range(580)]
    assert counts(keyed.store) == recount(keyed.store)


def test_declaring_a_key_gives_existing_tasks_theirs(
    workspace: Workspace, catalogue_file: Path, csv_file: Callable[..., str]
) -> None:
    seed(workspace, csv_file(FIRST_NIGHT, "first.csv"))
    assert stored_keys(workspace) == [None, None, None]
    (outcome,) = declare(workspace, catalogue_file, "key: [review_id]")
    assert (outcome.outcome, find_pipeline(workspace.store, LABEL).key) == (
        "updated",
        ("review_id",),
    )
    assert stored_keys(workspace) == ['["001"]', '["1"]', '["2"]']
    assert numbers(seed(workspace, csv_file(SECOND_NIGHT, "second.csv"))) == (True, 1, 2, 1, 0)
    declare(workspace, catalogue_file, "key: [body, review_id]")
    assert stored_keys(workspace) == [
        '["one","001"]',
        '["uno","1"]',
        '["two","2"]',
        '["three","3"]',
    ]
    declare(workspace, catalogue_file, "key: []")
    assert stored_keys(workspace) == [None] * 4
    assert find_pipeline(workspace.store, LABEL).key == ()


def test_a_key_can_change_places_with_another(
    workspace: Workspace, catalogue_file: Path, csv_file: Callable[..., str]
) -> None:
    declare(workspace, catalogue_file, "key: [review_id]")
    seed(workspace, csv_file(f"{HEADER}a,b,\nb,a,\n"))
    declare(workspace, catalogue_file, "key: [body]")
    assert stored_keys(workspace) == ['["b"]', '["a"]']


def test_a_key_that_several_tasks_have_is_refused_and_nothing_changes(
    workspace: Workspace, catalogue_file: Path, csv_file: Callable[..., str]
) -> None:
    seed(workspace, csv_file(f"{HEADER}1,same,\n2,same,\n3,other,\n4,same,\n"))
    with pytest.raises(CatalogueRejectedError) as caught:
        declare(workspace, catalogue_file, "key: [body]")
    assert str(caught.value) == (
        f"{catalogue_file} would break existing tasks, nothing was changed:\n"
        f"{catalogue_file}:7:13: pipeline {LABEL}: key [body] does not tell its tasks apart: "
        "3 tasks, 1 to 4, have body 'same'"
    )
    assert stored_keys(workspace) == [None] * 4
    assert find_pipeline(workspace.store, LABEL).key == ()
