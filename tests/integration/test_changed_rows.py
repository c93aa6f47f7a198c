"""With ``on_change: update`` a changed row gives its task new values, unless it was touched."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from keyed import HEADER, declare, seed
from sqlalchemy import text

from chain_setup import chain
from people import AT, claim, counts, finish, recount
from tasks_lib.domain.report import Report, ReportError
from tasks_lib.errors import CatalogueRejectedError
from tasks_lib.operations.chains.due import fire_due
from tasks_lib.operations.idempotency import Answer
from tasks_lib.operations.seeding.create_tasks import Created, create_tasks
from tasks_lib.operations.seeding.writing import Written
from tasks_lib.operations.tasks.move import claim_task, release_task
from tasks_lib.operations.workspace import Workspace
from vault import CATALOGUE, CHECK, apply_vault, tasks_of, write

FIRST = f"{HEADER}a,one,1\nb,two,2\nc,three,3\nd,four,4\n"
SECOND = f"{HEADER}a,uno,1\nb,two,\nc,three,3\nd,vier,4\ne,five,5\n"


@pytest.fixture
def updating(workspace: Workspace, catalogue_file: Path) -> Workspace:
    """The workspace whose pipeline has a key and takes changed values."""
    declare(workspace, catalogue_file, "key: [review_id]\n            on_change: update")
    return workspace


def outcome(report: Report) -> tuple[int, int, int, int]:
    return report.created, report.already_seeded, report.changed, report.updated


def bodies(workspace: Workspace) -> list[tuple[str, str, int | None]]:
    values = [json.loads(fields) for _, fields in tasks_of(workspace)]
    return [(task["review_id"], task["body"], task["stars"]) for task in values]


def records(workspace: Workspace) -> list[tuple[int, int, str]]:
    with workspace.store.read() as session:
        rows = session.execute(
            text("SELECT task_id, group_id, CAST(predefined AS TEXT) FROM task_updates ORDER BY id")
        )
        return [tuple(row) for row in rows]


def test_untouched_tasks_take_the_new_values_and_the_old_ones_are_recorded(
    updating: Workspace, csv_file: Callable[..., str]
) -> None:
    seed(updating, csv_file(FIRST, "first.csv"))
    report = seed(updating, csv_file(SECOND, "second.csv"))
    assert (outcome(report), report.errors) == ((1, 1, 3, 3), ())
    assert report.sentence == (
        "'second.csv' created 1 task in group 2, 1 existed already, 3 existed with other values, "
        "of which 3 were updated."
    )
    assert bodies(updating) == [
        ("a", "uno", 1),
        ("b", "two", None),
        ("c", "three", 3),
        ("d", "vier", 4),
        ("e", "five", 5),
    ]
    assert records(updating) == [
        (1, 2, '{"review_id":"a","body":"one","stars":1}'),
        (2, 2, '{"review_id":"b","body":"two","stars":2}'),
        (4, 2, '{"review_id":"d","body":"four","stars":4}'),
    ]


def test_touched_tasks_are_kept_and_listed(
    updating: Workspace, csv_file: Callable[..., str]
) -> None:
    seed(updating, csv_file(FIRST, "first.csv"))
    claim(updating.store)
    released = claim(updating.store, "bob")
    release_task(updating.store, released.id, at=AT + timedelta(minutes=1))
    report = seed(updating, csv_file(SECOND, "second.csv"))
    message = "has other values than its task, which somebody has claimed; the task was kept"
    assert (outcome(report), report.errors, report.rejected) == (
        (1, 1, 3, 1),
        tuple(
            ReportError(row=row, field=None, code="task_touched", message=message) for row in (1, 2)
        ),
        0,
    )
    assert bodies(updating)[:4] == [
        ("a", "one", 1),
        ("b", "two", 2),
        ("c", "three", 3),
        ("d", "vier", 4),
    ]
    assert counts(updating.store) == recount(updating.store)


def test_an_earlier_file_that_returns_has_the_newest_values(
    updating: Workspace, csv_file: Callable[..., str]
) -> None:
    first, second = csv_file(FIRST, "first.csv"), csv_file(SECOND, "second.csv")
    outcomes = [outcome(seed(updating, source)) for source in (first, second, second, first)]
    assert outcomes == [(4, 0, 0, 0), (1, 1, 3, 3), (0, 5, 0, 0), (0, 1, 3, 3)]
    assert bodies(updating)[0] == ("a", "one", 1)
    assert len(records(updating)) == 6


def test_a_dry_run_counts_updates_and_makes_none(
    updating: Workspace, csv_file: Callable[..., str]
) -> None:
    seed(updating, csv_file(FIRST, "first.csv"))
    report = seed(updating, csv_file(SECOND, "second.csv"), dry_run=True)
    assert outcome(report) == (1, 1, 3, 3)
    assert (bodies(updating)[0], records(updating)) == (("a", "one", 1), [])


def test_items_of_a_request_update_their_tasks(updating: Workspace) -> None:
    kept: list[Created] = []

    def post(*rows: dict[str, Any]) -> Created:
        def keep(created: Created) -> Answer:
            kept.append(created)
            return Answer(201, b"")

        body = json.dumps({"tasks": [{"fields": row} for row in rows]}).encode()
        create_tasks(updating, 1, body, source="test", answer=keep, at=AT)
        return kept[-1]

    post({"review_id": "a", "body": "one"}, {"review_id": "b", "body": "two"})
    second = post({"review_id": "b", "body": "zwei"}, {"review_id": "a", "body": "one"})
    assert (second.task_ids, second.known) == ("[2,1]", Written(0, 1, 1, 1))
    assert second.group_id is not None
    claim(updating.store)
    third = post({"review_id": "a", "body": "uno"})
    assert (third.group_id, third.task_ids, third.known) == (None, "[1]", Written(0, 0, 1))
    assert bodies(updating) == [("a", "one", None), ("b", "zwei", None)]


def test_a_chain_updates_the_tasks_of_its_target(workspace: Workspace, tmp_path: Path) -> None:
    keyed = "          - name: check-reviews\n            key: [review_id]\n"
    catalogue = CATALOGUE.replace(
        "          - name: check-reviews\n", f"{keyed}            on_change: update\n"
    )
    apply_vault(workspace, tmp_path, catalogue)
    seed(workspace, write(tmp_path, f"{HEADER}1,one,\n1,two,\n1,three,\n"))
    chain(workspace)
    for _ in range(3):
        finish(workspace.store)
    fire_due(workspace, at=AT + timedelta(minutes=1))
    assert [fields for _, fields in tasks_of(workspace, CHECK)] == [
        '{"review_id":"1","body":"three"}'
    ]
    assert [json.loads(values)["body"] for _, _, values in records(workspace)] == ["one", "two"]


def test_a_claim_and_an_update_of_the_same_task_do_not_mix(
    updating: Workspace, csv_file: Callable[..., str]
) -> None:
    rows = 60
    seed(updating, csv_file(HEADER + "".join(f"{n},old,\n" for n in range(rows)), "first.csv"))
    source = csv_file(HEADER + "".join(f"{n},new,\n" for n in range(rows)), "second.csv")
    with ThreadPoolExecutor(4) as pool:
        claims = [
            pool.submit(claim_task, updating.store, 1, "ann", at=AT) for _ in range(rows // 2)
        ]
        report = pool.submit(seed, updating, source).result()
        tasks = [task for waiting in claims if (task := waiting.result()) is not None]
        claimed = {task.id: json.loads(task.fields) for task in tasks}
    stored = dict(enumerate(bodies(updating), 1))
    assert {task_id: stored[task_id][1] for task_id in claimed} == {
        task_id: fields["body"] for task_id, fields in claimed.items()
    }
    touched = sum(body == "old" for _, body, _ in stored.values())
    assert outcome(report) == (0, 0, rows, rows - touched)
    assert len(report.errors) == touched
    assert len(records(updating)) == rows - touched


def test_the_policy_needs_a_key(workspace: Workspace, catalogue_file: Path) -> None:
    with pytest.raises(CatalogueRejectedError, match="on_change: update needs a key"):
        declare(workspace, catalogue_file, "on_change: update")
