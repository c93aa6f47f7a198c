"""Random sequences of files agree with a model in plain Python: which tasks exist, and why."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from keyed import HEADER, declare, numbers, seed

from people import AT, NO_TASKS, claim, counts, finish, group_counts, recount, recount_groups
from tasks_lib.operations.groups.read import find_group
from tasks_lib.operations.groups.undo import undo_group
from tasks_lib.operations.idempotency import Answer
from tasks_lib.operations.retention.expire import delete_expired
from tasks_lib.operations.seeding.create_tasks import Created, create_tasks
from tasks_lib.operations.seeding.writing import Written
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from vault import LABEL, tasks_of

KEYS = [f"{number:02}" for number in range(12)]
STEPS = 25
POLICIES = """key: [review_id]
            on_change: update
            on_missing: withdraw
            retention: {finished: 1d, withdrawn: 7d}"""
Row = tuple[str, str]


@dataclass
class Model:
    """The values of each task by its key, in order, and how many each file has created."""

    tasks: dict[str, str] = field(default_factory=dict)
    files: dict[tuple[Row, ...], int] = field(default_factory=dict)

    def seed_file(self, rows: tuple[Row, ...]) -> tuple[bool, int, int, int, int]:
        if rows in self.files:
            return True, 0, self.files[rows], 0, 0
        created, same, changed = self.add(rows)
        if not created:
            return False, 0, same, changed, 0
        self.files[rows] = created
        return True, created, same, changed, 0

    def add(self, rows: tuple[Row, ...]) -> tuple[int, int, int]:
        created = same = changed = 0
        for key, body in rows:
            if key not in self.tasks:
                self.tasks[key] = body
                created += 1
            elif self.tasks[key] == body:
                same += 1
            else:
                changed += 1
        return created, same, changed


@pytest.mark.parametrize("dice", range(3))
def test_tasks_and_reports_are_those_of_the_model(
    workspace: Workspace,
    catalogue_file: Path,
    csv_file: Callable[..., str],
    dice: int,
) -> None:
    declare(workspace, catalogue_file, "key: [review_id]")
    chance, model = random.Random(dice), Model()
    files: list[tuple[Row, ...]] = []
    for step in range(STEPS):
        some = chance.sample(KEYS, chance.randrange(1, 6))
        rows = tuple((key, chance.choice(["good", "bad"])) for key in some)
        match chance.choice(["file", "file", "again", "request", "claim", "finish"]):
            case "again" if files:
                rows = chance.choice(files)
                report = seed(workspace, file_of(csv_file, rows, f"{step}.csv"))
                assert numbers(report) == model.seed_file(rows)
            case "request":
                answer = post(workspace, rows)
                created, same, changed = model.add(rows)
                assert (answer.created, answer.known) == (created, Written(created, same, changed))
                assert [key_of(workspace, task) for task in json.loads(answer.task_ids)] == some
            case "claim" if len(model.tasks) > step:
                claim(workspace.store)
            case "finish" if len(model.tasks) > step:
                finish(workspace.store)
            case _:
                files.append(rows)
                report = seed(workspace, file_of(csv_file, rows, f"{step}.csv"))
                assert numbers(report) == model.seed_file(rows)
        assert stored(workspace) == list(model.tasks.items())
    assert counts(workspace.store) == recount(workspace.store)


def file_of(csv_file: Callable[..., str], rows: tuple[Row, ...], name: str) -> str:
    return csv_file(HEADER + "".join(f"{key},{body},\n" for key, body in rows), name)


def post(workspace: Workspace, rows: tuple[Row, ...]) -> Created:
    kept: list[Created] = []

    def keep(created: Created) -> Answer:
        kept.append(created)
        return Answer(201, b"")

    body: dict[str, Any] = {
        "tasks": [{"fields": {"review_id": key, "body": text}} for key, text in rows]
    }
    create_tasks(workspace, 1, json.dumps(body).encode(), source="test", answer=keep, at=AT)
    return kept[0]


def stored(workspace: Workspace) -> list[Row]:
    values = [json.loads(fields) for _, fields in tasks_of(workspace)]
    return [(task["review_id"], task["body"]) for task in values]


def key_of(workspace: Workspace, task_id: int) -> str:
    return stored(workspace)[task_id - 1][0]


@dataclass
class Work:
    """A task of the model: its values, its group, its status, and whether somebody claimed it."""

    body: str
    group: int | None
    status: str = "pending"
    is_touched: bool = False


class FollowingModel:
    """Tasks that follow the rows of one full source, as far as nobody has touched them.

    ``deleted`` are the keys of finished tasks whose retention was over.
    """

    def __init__(self) -> None:
        self.tasks: dict[str, Work] = {}
        self.deleted: set[str] = set()
        self.groups: list[int] = []

    def seed_full(self, rows: tuple[Row, ...], group: int | None) -> tuple[int, int, int, int, int]:
        """Return what seeding the rows as ``group`` counts."""
        created = same = changed = updated = withdrawn = 0
        named = {key for key, _ in rows}
        for key, work in self.tasks.items():
            is_open = work.status not in ("finished", "withdrawn")
            if key not in named and is_open and not work.is_touched:
                work.status = "withdrawn"
                withdrawn += 1
        returned = False
        for key, body in rows:
            if key in self.deleted:
                same += 1
                continue
            if key not in self.tasks:
                self.tasks[key] = Work(body, group)
                created += 1
                continue
            work = self.tasks[key]
            if work.status == "withdrawn":
                work.status, returned = "pending", True
            if work.body == body:
                same += 1
            else:
                changed += 1
                updated += not work.is_touched
                work.body = work.body if work.is_touched else body
        assert (group is not None) == bool(created or updated or withdrawn or returned)
        self.groups += [group] if group is not None else []
        return created, same, changed, updated, withdrawn

    def take(self, status: str) -> bool:
        """Move the oldest pending task; return False if there is none."""
        for work in self.tasks.values():
            if work.status == "pending":
                work.status, work.is_touched = status, True
                return True
        return False

    def undo(self, group: int) -> int:
        """Remove the group's untouched tasks, whose rows can come again."""
        return self.remove(lambda work: work.group == group and not work.is_touched)

    def expire(self) -> int:
        """Delete what is done: rows of finished tasks stay known, those of missing ones do not."""
        finished = {key for key, work in self.tasks.items() if work.status == "finished"}
        self.deleted |= finished
        return self.remove(lambda work: work.status in ("finished", "withdrawn"))

    def remove(self, is_chosen: Callable[[Work], bool]) -> int:
        before = len(self.tasks)
        self.tasks = {key: work for key, work in self.tasks.items() if not is_chosen(work)}
        return before - len(self.tasks)


@pytest.mark.parametrize("dice", range(4))
def test_tasks_follow_their_rows_as_those_of_the_model_do(
    workspace: Workspace,
    catalogue_file: Path,
    csv_file: Callable[..., str],
    dice: int,
) -> None:
    declare(workspace, catalogue_file, POLICIES)
    store, chance, model = workspace.store, random.Random(dice), FollowingModel()
    undone: set[int] = set()
    for _ in range(2 * STEPS):
        match chance.choice(["file", "file", "file", "claim", "finish", "undo", "expire"]):
            case "claim" if model.take("in_progress"):
                claim(store)
            case "finish" if model.take("finished"):
                finish(store)
            case "undo" if model.groups:
                group = chance.choice(model.groups)
                removed = 0 if group in undone else model.undo(group)
                before = find_group(store, group).group.removed
                assert undo_group(store, group, by="ann", at=AT).removed == before + removed
                undone.add(group)
            case "expire":
                assert delete_expired(store, at=store.now() + timedelta(days=8)) == model.expire()
            case _:
                some = chance.sample(KEYS, chance.randrange(1, 9))
                rows = tuple((key, chance.choice(["good", "bad"])) for key in some)
                source = file_of(csv_file, rows, "reviews.csv")
                report = seed(workspace, source, full=True, allow_shrink=True)
                assert (
                    report.created,
                    report.already_seeded,
                    report.changed,
                    report.updated,
                    report.withdrawn,
                ) == model.seed_full(rows, report.group_id)
        tasks = list_tasks(store, LABEL, limit=100)
        assert [(json.loads(task.fields)["body"], task.status) for task in tasks] == [
            (work.body, work.status) for work in model.tasks.values()
        ]
        assert group_counts(store) == {
            group: recount_groups(store).get(group, NO_TASKS) for group in group_counts(store)
        }
    assert counts(store).by_status == recount(store).by_status
