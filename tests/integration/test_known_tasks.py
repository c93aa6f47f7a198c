"""The tasks that have the keys of rows are found, in whichever order the rows come."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from keyed import declare, seed
from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.keys.found_tasks import join
from tasks_lib.store.keys.lookup import find_known
from tasks_lib.store.keys.successive import SuccessiveTasks

BATCH = 20
TASKS = 300
WITHDRAWN = text(f"UPDATE tasks SET status = '{TaskStatus.WITHDRAWN}' WHERE id % 17 = 0")
ORDERS: dict[str, Callable[[list[int]], list[int]]] = {
    "the order of the tasks": list,
    "the other order": lambda rows: rows[::-1],
    "no order": lambda rows: random.Random(1).sample(rows, len(rows)),
    "another start": lambda rows: rows[len(rows) // 2 :] + rows[: len(rows) // 2],
}


def key_of(row: int) -> str:
    return json.dumps([f'r"{row}\\é'], ensure_ascii=False)


def values_of(row: int) -> str:
    """Return the values of a row; some are long."""
    body = "x" * 10_000 if row % 23 == 0 else f"body {row}"
    key = json.loads(key_of(row))[0]
    values = {"review_id": key, "body": body, "stars": None}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


@pytest.fixture
def keyed(workspace: Workspace, catalogue_file: Path, tmp_path: Path) -> Workspace:
    """A workspace with a task of each row; each eleventh was deleted, each 17th withdrawn."""
    declare(workspace, catalogue_file, "key: [review_id]")
    lines = (values_of(row) for row in range(TASKS))
    (tmp_path / "rows.csv").write_text(
        "review_id,body,stars\n"
        + "".join(
            '"{}",{},\n'.format(value["review_id"].replace('"', '""'), value["body"])
            for value in map(json.loads, lines)
        ),
        encoding="utf-8",
    )
    seed(workspace, str(tmp_path / "rows.csv"))
    with workspace.store.write() as session:
        session.execute(text("DELETE FROM tasks WHERE id % 11 = 0"))
        session.execute(WITHDRAWN)
    return workspace


def stored(session: Session) -> dict[str, tuple[int, str]]:
    rows = session.execute(text("SELECT key, id, CAST(predefined AS text) FROM tasks"))
    return {key: (task_id, predefined) for key, task_id, predefined in rows}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("new", [0, 3, 60])
def test_rows_find_their_tasks_in_any_order(keyed: Workspace, order: str, new: int) -> None:
    rows = list(range(TASKS))
    for place in range(new):
        rows.insert(random.Random(place).randrange(len(rows)), TASKS + place)
    rows = ORDERS[order](rows)
    found: dict[str, int] = {}
    changed: list[str] = []
    withdrawn: set[int] = set()
    with keyed.store.read() as session:
        tasks = stored(session)
        successive = None
        if keyed.store.is_postgresql:
            last_id = max(task_id for task_id, _ in tasks.values())
            successive = SuccessiveTasks(session, 1, last_id=last_id)
        for first in range(0, len(rows), BATCH):
            some = rows[first : first + BATCH]
            keys = [key_of(row) for row in some]
            values = [values_of(row) if row % 13 else '{"review_id":"other"}' for row in some]
            known = find_known(
                session,
                1,
                pa.array(keys),
                pa.array(values),
                lambda before, after: before == after,
                successive=successive,
            )
            pairs = zip(known.positions.tolist(), known.task_ids.tolist(), strict=True)
            found |= {keys[position]: task_id for position, task_id in pairs}
            changed += [keys[position] for position in known.changed.tolist()]
            withdrawn |= set(known.withdrawn_ids.tolist())
            of_changed = [found[keys[position]] for position in known.changed.tolist()]
            assert known.changed_ids.tolist() == of_changed
    assert found == {key: task_id for key, (task_id, _) in tasks.items()}
    expected = {key_of(row) for row in rows if row % 13 == 0}
    assert sorted(changed) == sorted(expected & tasks.keys())
    assert withdrawn == {task_id for task_id, _ in tasks.values() if task_id % 17 == 0}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_tasks_that_follow_each_other_are_read_without_a_look_up(
    keyed: Workspace,
) -> None:
    with keyed.store.read() as session:
        rows = [(key, *task) for key, task in stored(session).items()]
        tasks = sorted((task_id, key, values) for key, task_id, values in rows)
        tasks = [task for task in tasks if task[0] % 17 and len(task[2]) < 2_000]
        ids, keys, values = (list(column) for column in zip(*tasks, strict=True))
        successive = SuccessiveTasks(session, 1, last_id=ids[-1])
        successive.learn(pa.array(ids[:BATCH]).to_numpy())
        assert successive.follows
        found = successive.find(pa.array(keys[BATCH:]), pa.array(values[BATCH:]))
    task_ids = [int(task_id) for some in found for task_id in some.task_ids]
    assert task_ids == ids[BATCH:][: len(task_ids)]
    assert len(task_ids) > 0.8 * len(ids[BATCH:])  # the others are too few to be read
    assert not any(len(some.differing) for some in found)


def test_tasks_without_an_order_are_not_followed(keyed: Workspace) -> None:
    with keyed.store.read() as session:
        successive = SuccessiveTasks(session, 1, last_id=TASKS)
        for ids in ([], [7], [9, 8, 7, 6], [1, 101, 201, 301]):
            successive.learn(pa.array(ids, pa.int64()).to_numpy())
            assert not successive.follows


def test_joined_texts_have_the_bytes_of_a_text() -> None:
    assert join(pa.array(["é", "", "b"])) == "é\x02\x02b".encode()
