"""The row of a task that was deleted or erased creates no other one, whichever way it arrives."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from keyed import HEADER, declare, numbers, seed
from sqlalchemy import inspect, text

from chain_setup import chain
from people import AT, counts, finish, recount
from tasks_lib.domain.fields import Field
from tasks_lib.domain.rows.keys import MAX_KEY_CHARACTERS, key_of
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import CatalogueRejectedError
from tasks_lib.operations.catalogue.delete import delete_pipeline
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.chains.due import fire_due
from tasks_lib.operations.erasure.task import erase_task
from tasks_lib.operations.groups.undo import undo_group
from tasks_lib.operations.idempotency import Answer, IdempotencyKey
from tasks_lib.operations.retention.expire import delete_expired
from tasks_lib.operations.seeding.create_tasks import create_tasks
from tasks_lib.operations.tasks.move import withdraw_tasks
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.keys import retired as retired_keys
from tasks_lib.store.keys.keyed_tasks import KeyedInsert, KeyedTasks
from vault import CATALOGUE, CHECK, LABEL, apply_vault, put, seed_dataset, seed_pipeline, write

DAY = timedelta(days=1)
LONG = "x" * MAX_KEY_CHARACTERS
KEEP = "retention: {finished: 90d, withdrawn: 7d}"
SETTINGS = f"key: [review_id]\n            on_change: update\n            {KEEP}"
Files = Callable[..., str]


@pytest.fixture
def keyed(workspace: Workspace, catalogue_file: Path, csv_file: Files) -> Workspace:
    """A workspace whose tasks 1 and 2, of the rows ``a`` and LONG, were deleted; 3 is erased.

    Task 4, of the row ``d``, can be claimed.
    """
    declare(workspace, catalogue_file, SETTINGS)
    seed(workspace, csv_file(f"{HEADER}a,one,\n{LONG},two,\nc,three,\nd,four,\n"))
    for _ in range(2):
        finish(workspace.store)
    assert delete_expired(workspace.store, at=AT + 90 * DAY) == 2
    erase_task(workspace.store, 3, at=AT)
    return workspace


def keys_of(workspace: Workspace, pipeline: str = LABEL) -> list[tuple[int, str | None]]:
    tasks = list_tasks(workspace.store, pipeline, limit=100)
    return [(task.id, json.loads(task.fields).get("review_id")) for task in tasks]


def post(workspace: Workspace, *keys: str, idempotency_key: str = "") -> dict[str, Any]:
    def answer(created: Any) -> Answer:
        answered = {"created": created.created, "task_ids": json.loads(created.task_ids)}
        return Answer(201, json.dumps(answered).encode())

    tasks = [{"fields": {"review_id": key, "body": "new"}} for key in keys]
    answered = create_tasks(
        workspace,
        1,
        json.dumps({"tasks": tasks}).encode(),
        source="test",
        answer=answer,
        idempotency_key=IdempotencyKey(1, idempotency_key, "") if idempotency_key else None,
        at=AT,
    )
    parsed: dict[str, Any] = json.loads(answered.content)
    return parsed


def test_rows_of_files_stay_known_and_are_not_compared(keyed: Workspace, csv_file: Files) -> None:
    source = csv_file(f"{HEADER}a,other,\n{LONG},two,\nc,other,\nd,vier,\ne,five,\n", "2.csv")
    report = seed(keyed, source)
    assert numbers(report) == (True, 1, 3, 1, 0)
    assert (report.updated, report.errors) == (1, ())
    assert keys_of(keyed) == [(3, None), (4, "d"), (5, "e")]
    assert counts(keyed.store).by_status == recount(keyed.store).by_status


def test_rows_stay_known_when_the_last_tasks_were_deleted(
    keyed: Workspace, csv_file: Files
) -> None:
    finish(keyed.store)
    assert delete_expired(keyed.store, at=AT + 90 * DAY) == 2
    assert keys_of(keyed) == []
    report = seed(keyed, csv_file(f"{HEADER}a,one,\nc,three,\nd,four,\ne,five,\n", "2.csv"))
    assert numbers(report) == (True, 1, 3, 0, 0)
    assert keys_of(keyed) == [(5, "e")]


def test_a_second_row_with_a_known_key_is_still_an_error(keyed: Workspace, csv_file: Files) -> None:
    report = seed(keyed, csv_file(f"{HEADER}e,five,\na,one,\na,one,\n", "2.csv"))
    assert [(error.row, error.code) for error in report.errors] == [(3, "duplicate_key")]


def test_items_of_a_request_name_the_tasks_that_were_deleted(keyed: Workspace) -> None:
    assert post(keyed, "e", "c", "a", LONG) == {"created": 1, "task_ids": [5, 3, 1, 2]}


def test_the_stored_answer_of_a_request_names_its_deleted_tasks(keyed: Workspace) -> None:
    first = post(keyed, "e", "f", idempotency_key="once")
    withdraw_tasks(keyed.store, first["task_ids"], by="ann", at=AT)
    assert delete_expired(keyed.store, at=AT + 8 * DAY) == 3
    assert post(keyed, "e", "f", idempotency_key="once") == first
    assert post(keyed, "e", "f") == {"created": 0, "task_ids": first["task_ids"]}


def test_rows_of_a_dataset_stay_known(keyed: Workspace, tmp_path: Path) -> None:
    put(keyed, write(tmp_path, f"{HEADER}a,one,\nc,three,\ne,five,\n"))
    assert numbers(seed_dataset(keyed)) == (True, 1, 2, 0, 0)
    assert numbers(seed_dataset(keyed, run_id="run-2", full=True)) == (False, 0, 3, 0, 0)


def test_tasks_of_a_chain_and_a_pipeline_stay_known(workspace: Workspace, tmp_path: Path) -> None:
    named = "          - name: check-reviews\n"
    catalogue = CATALOGUE.replace(
        named, f"{named}            key: [review_id]\n            {KEEP}\n"
    )
    apply_vault(workspace, tmp_path, catalogue)
    seed(workspace, write(tmp_path, f"{HEADER}1,one,\n2,two,\n3,three,\n"))
    seed(workspace, write(tmp_path, "review_id,body\n1,one\n2,two\n", "check.csv"), pipeline=CHECK)
    withdraw_tasks(workspace.store, [4, 5], by="ann", at=AT)
    assert delete_expired(workspace.store, at=AT + 7 * DAY) == 2
    chain(workspace)
    finish(workspace.store)
    assert fire_due(workspace, at=AT + DAY).created == 0
    for _ in range(2):
        finish(workspace.store)
    assert numbers(seed_pipeline(workspace)) == (True, 1, 2, 0, 0)
    assert keys_of(workspace, CHECK) == [(6, "3")]


def test_a_key_that_is_retired_while_a_load_runs_is_not_inserted_again(keyed: Workspace) -> None:
    """On PostgreSQL; on SQLite nobody else writes while a load runs."""
    if not keyed.store.is_postgresql:
        return
    names = ["n1", LONG + "2", "n3"]
    keys = [key_of(keyed_fields(keyed), ["review_id"])(values_of(name)) for name in names]
    with keyed.store.write() as session:
        load = KeyedInsert(
            session,
            pipeline_id=1,
            group_id=1,
            status=TaskStatus.PENDING,
            stream_id=None,
            same_values=str.__eq__,
            updates=None,
            takes_lock=False,
        )
        rows, values = pa.array([11, 12, 13]), pa.array([values_of(name) for name in names])
        load.add(KeyedTasks(rows, values, pa.array(keys)))
        with keyed.store.write() as other:  # tasks that another load has created meanwhile
            retired_keys.retire(other, 1, [(98, keys[0]), (99, keys[1])])
        load.finish()
        assert (load.created, load.already_seeded) == (1, 2)
        session.rollback()


def values_of(name: str) -> str:
    return json.dumps({"review_id": name, "body": "new", "stars": None})


def keyed_fields(workspace: Workspace) -> Sequence[Field]:
    return find_pipeline(workspace.store, LABEL).dataset_fields


def test_a_row_whose_task_was_withdrawn_for_its_absence_becomes_a_task_again(
    workspace: Workspace, catalogue_file: Path, csv_file: Files
) -> None:
    declare(workspace, catalogue_file, f"{SETTINGS}\n            on_missing: withdraw")

    def night(letters: str) -> tuple[int, int, int]:
        rows = "".join(f"{letter},x,\n" for letter in letters)
        report = seed(workspace, csv_file(HEADER + rows, "reviews.csv"), full=True)
        return report.created, report.already_seeded, report.withdrawn

    night("abc")
    withdraw_tasks(workspace.store, [1], by="ann", at=workspace.store.now())
    assert night("ab") == (0, 2, 1)
    assert delete_expired(workspace.store, at=workspace.store.now() + 8 * DAY) == 2
    assert night("abc") == (1, 2, 0)
    assert keys_of(workspace) == [(2, "b"), (4, "c")]


def test_an_erased_task_leaves_nothing_of_its_values(keyed: Workspace, csv_file: Files) -> None:
    seed(keyed, csv_file(f"{HEADER}ann@example.org,one,\n", "2.csv"))
    seed(keyed, csv_file(f"{HEADER}ann@example.org,two,\n", "3.csv"))
    erase_task(keyed.store, 5, at=AT)
    with keyed.store.read() as session:
        for table in inspect(session.connection()).get_table_names():
            rows = session.execute(text(f"SELECT * FROM {table}")).all()
            assert "ann@example" not in str(rows), table
    assert numbers(seed(keyed, csv_file(f"{HEADER}ann@example.org,two,\n", "4.csv")))[1] == 0


def test_the_key_changes_only_after_it_was_dropped(
    keyed: Workspace, catalogue_file: Path, csv_file: Files
) -> None:
    with pytest.raises(CatalogueRejectedError) as refused:
        declare(keyed, catalogue_file, SETTINGS.replace("[review_id]", "[review_id, body]"))
    assert str(refused.value).endswith(
        "key [review_id, body] would make the rows of 3 deleted or erased tasks new ones, because "
        "their values are gone; to accept that, drop the key first (key: [])"
    )
    declare(keyed, catalogue_file, KEEP)
    declare(keyed, catalogue_file, SETTINGS)
    assert numbers(seed(keyed, csv_file(f"{HEADER}c,three,\nd,four,\n", "2.csv")))[1:3] == (1, 1)


def test_an_undo_lets_the_content_in_again_and_keeps_what_was_deleted_known(
    keyed: Workspace, csv_file: Files
) -> None:
    undo_group(keyed.store, 1, by="ann", at=AT)
    report = seed(keyed, csv_file(f"{HEADER}a,one,\nd,four,\n", "2.csv"))
    assert numbers(report) == (True, 1, 1, 0, 0)


def test_a_pipeline_is_deleted_with_its_retired_keys(
    keyed: Workspace, catalogue_file: Path
) -> None:
    declare(keyed, catalogue_file, f"status: archived\n            {SETTINGS}")
    delete_pipeline(keyed, LABEL, at=AT)
    with keyed.store.read() as session:
        assert retired_keys.count(session, 1) == 0
    declare(keyed, catalogue_file, SETTINGS)
