"""Tasks are paused with their pipeline without being changed: readers agree with a model."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from people import AT, NO_TASKS, PATH, claim, counts, group_counts, make_tasks, recount_groups
from tasks_lib.domain.lifecycle import MOVES, Move
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.errors import MoveNotAllowedError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.tasks.move import claim_task, release_task, set_status, submit_task
from tasks_lib.operations.tasks.read import Task, find_task, list_page, list_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from tasks_lib.store.migrations.upgrade import upgrade
from tasks_lib.store.tasks.moves import Moved, Note, Picks, move_tasks
from tasks_lib.store.tasks.rows import count_rows, stream_task_rows

STEPS = 60
SEEDS = range(4)
STATUSES = [PipelineStatus.ACTIVE, PipelineStatus.PAUSED, PipelineStatus.COMPLETED]


class Model:
    """The statuses of the tasks as they are stored, and that of their pipeline."""

    def __init__(self) -> None:
        self.pipeline = PipelineStatus.ACTIVE
        self.stored: dict[int, TaskStatus] = {}
        self.groups: dict[int, int] = {}

    def shown(self, task_id: int) -> TaskStatus:
        """Return the status that readers see."""
        status = self.stored[task_id]
        is_held = status is TaskStatus.PENDING and self.pipeline is PipelineStatus.PAUSED
        return TaskStatus.PAUSED if is_held else status

    def move(self, task_id: int, move: Move) -> list[Moved]:
        """Move a task if its status allows it; return what the store is to return."""
        rule, before = MOVES[move], self.shown(task_id)
        if self.stored[task_id] not in rule.starts:
            return []
        self.stored[task_id] = rule.end
        return [Moved(task_id, before, self.shown(task_id))]

    def oldest(self) -> int | None:
        """Return the task that the next claim gets."""
        if self.pipeline is not PipelineStatus.ACTIVE:
            return None
        waiting = [one for one, status in self.stored.items() if status is TaskStatus.PENDING]
        return min(waiting, default=None)


class Played:
    """A store and a model that take the same steps."""

    def __init__(self, workspace: Workspace, folder: Path, catalogue: Path, seed: int) -> None:
        self.workspace, self.folder, self.catalogue = workspace, folder, catalogue
        self.store = workspace.store
        self.pipeline_id = find_pipeline(self.store, PATH).id
        self.random, self.model, self.sources = Random(seed), Model(), 0

    def step(self) -> None:
        """Take a step that is chosen at random."""
        act = self.random.choice(
            [self.seed, self.change_pipeline, self.claim, self.move, self.move]
        )
        act()

    def seed(self) -> None:
        self.sources += 1
        count = self.random.randint(1, 3)
        make_tasks(self.workspace, self.folder, count, f"{self.sources}.csv")
        if self.model.pipeline is PipelineStatus.COMPLETED:
            self.model.pipeline = PipelineStatus.ACTIVE
        for task in list_tasks(self.store, PATH, limit=1_000):
            self.model.stored.setdefault(task.id, TaskStatus.PENDING)
            self.model.groups[task.id] = task.group_id

    def change_pipeline(self) -> None:
        self.model.pipeline = self.random.choice(STATUSES)
        set_in_catalogue(self.store, self.catalogue, self.model.pipeline)

    def claim(self) -> None:
        task = claim_task(self.store, self.pipeline_id, "ann", at=AT)
        expected = self.model.oldest()
        assert (task.id if task is not None else None) == expected
        if expected is not None:
            self.model.move(expected, Move.CLAIM)

    def move(self) -> None:
        """Make any move with one task, also pause and resume it alone."""
        if not self.model.stored:
            return
        task_id = self.random.choice(sorted(self.model.stored))
        move = self.random.choice([one for one in Move if one is not Move.CLAIM])
        with self.store.write() as session:
            moved = move_tasks(
                session, self.pipeline_id, move, Picks(task_id), Note(None, AT), filled_in="{}"
            )
        assert moved == self.model.move(task_id, move)

    def check(self) -> None:
        """Compare each reader with the model."""
        model = self.model
        shown = {task_id: model.shown(task_id) for task_id in sorted(model.stored)}
        assert {task.id: task.status for task in self.tasks()} == shown
        assert counts(self.store).by_status == NO_TASKS | Counter(shown.values())
        assert group_counts(self.store) == recount_groups(self.store)
        for status in TaskStatus:
            ids = [task_id for task_id, one in shown.items() if one is status]
            page = list_page(self.store, self.pipeline_id, page=1, page_size=1_000, status=status)
            assert ([task.id for task in page.items], page.total) == (ids, len(ids))
            assert self.rows(status) == [(task_id, status) for task_id in ids]
            for group_id in set(model.groups.values()):
                of_group = [task_id for task_id in ids if model.groups[task_id] == group_id]
                page = list_page(
                    self.store, self.pipeline_id, page=1, page_size=1_000, status=status,
                    group_id=group_id,
                )  # fmt: skip
                assert ([task.id for task in page.items], page.total) == (of_group, len(of_group))
        if shown:
            task_id = self.random.choice(sorted(shown))
            assert find_task(self.store, task_id).status is shown[task_id]

    def tasks(self) -> list[Task]:
        return list_tasks(self.store, PATH, limit=1_000)

    def rows(self, status: TaskStatus) -> list[tuple[int, str]]:
        """Return the ids and statuses of the tasks as a source of rows."""
        with self.store.read() as session:
            batches = stream_task_rows(session, self.pipeline_id, status=status)
            found = [(row, line.split('"')[1]) for batch in batches for row, _, line in batch]
            assert count_rows(session, self.pipeline_id, status) == len(found)
        return found


def set_in_catalogue(store: Store, catalogue: Path, status: PipelineStatus) -> None:
    """Apply the catalogue with another status of the pipeline."""
    timeout = "claim_timeout: 30m"
    changed = catalogue.read_text("utf-8").replace(
        timeout, f"{timeout}\n            status: {status}"
    )
    path = catalogue.with_name("changed.yaml")
    path.write_text(changed, encoding="utf-8")
    apply_catalogue(store, path)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_readers_agree_with_the_model(
    workspace: Workspace, tmp_path: Path, catalogue_file: Path, seed: int
) -> None:
    played = Played(workspace, tmp_path, catalogue_file, seed)
    for step in range(STEPS):
        played.step()
        if step % 10 == 9:
            played.check()


def test_a_task_that_is_paused_itself_stays_paused_when_the_pipeline_is_resumed(
    workspace: Workspace, tmp_path: Path, catalogue_file: Path
) -> None:
    store = workspace.store
    make_tasks(workspace, tmp_path, 3)
    pipeline_id = find_pipeline(store, PATH).id
    with store.write() as session:
        move_tasks(session, pipeline_id, Move.PAUSE, Picks(1), Note(None, AT))
    set_in_catalogue(store, catalogue_file, PipelineStatus.PAUSED)
    assert counts(store).by_status == NO_TASKS | {TaskStatus.PAUSED: 3}
    set_in_catalogue(store, catalogue_file, PipelineStatus.ACTIVE)
    assert [task.status for task in list_tasks(store, PATH)] == ["paused", "pending", "pending"]
    assert claim(store).id == 2


def test_the_moves_of_a_task_record_the_statuses_that_readers_saw(
    workspace: Workspace, tmp_path: Path, catalogue_file: Path
) -> None:
    store = workspace.store
    make_tasks(workspace, tmp_path, 1)
    claim(store)
    set_in_catalogue(store, catalogue_file, PipelineStatus.PAUSED)
    assert release_task(store, 1, at=AT).status is TaskStatus.PAUSED
    assert set_status(store, 1, TaskStatus.FAILED, at=AT).status is TaskStatus.FAILED
    with suppress(MoveNotAllowedError):
        submit_task(store, 1, "ann", {}, at=AT)
    assert [(one.move, one.from_status, one.to_status) for one in find_task(store, 1).moves] == [
        ("claim", "pending", "in_progress"),
        ("release", "in_progress", "paused"),
        ("fail", "paused", "failed"),
    ]


_OLD_TASKS = """
    INSERT INTO tasks (pipeline_id, group_id, row, status, predefined)
    VALUES (1, 1, 1, 'paused', '{}'), (1, 1, 2, 'finished', '{}'), (2, 2, 1, 'paused', '{}')
"""
_OLD_COUNTS = """
    INSERT INTO task_counts (pipeline_id, slot, pending, in_progress, paused, finished, escalated,
        quarantined, failed, claims)
    VALUES (1, 0, 0, 0, 1, 1, 0, 0, 0, 1), (2, 0, 0, 0, 1, 0, 0, 0, 0, 0)
"""


@pytest.fixture
def old_store(empty_database_url: str) -> Iterator[Store]:
    """A store of an earlier release: a paused pipeline, and an active one with a paused task."""
    store = Store.open_any(empty_database_url)
    with store.engine.begin() as connection:
        upgrade(connection, "0012")
        for statement in (
            "INSERT INTO organizations (name) VALUES ('acme')",
            "INSERT INTO projects (organization_id, name) VALUES (1, 'reviews')",
            "INSERT INTO pipelines (project_id, name, status) VALUES (1, 'held', 'paused'),"
            " (1, 'open', 'active')",
            "INSERT INTO task_groups (pipeline_id, kind, seed_key, source, created_at, task_count,"
            " rejected_count) VALUES (1, 'csv', 'k', 's', '2026-01-01', 2, 0),"
            " (2, 'csv', 'k', 's', '2026-01-01', 1, 0)",
            _OLD_TASKS,
            _OLD_COUNTS,
        ):
            connection.execute(text(statement))
    yield store
    store.close()


def test_tasks_that_were_paused_with_their_pipeline_follow_it_after_an_upgrade(
    old_store: Store,
) -> None:
    old_store.upgrade()

    def seen(pipeline: str) -> tuple[list[TaskStatus], dict[TaskStatus, int]]:
        path = f"acme/reviews/{pipeline}"
        statuses = [task.status for task in list_tasks(old_store, path)]
        return statuses, {k: v for k, v in counts(old_store, path).by_status.items() if v}

    paused, pending, finished = TaskStatus.PAUSED, TaskStatus.PENDING, TaskStatus.FINISHED
    assert seen("held") == ([paused, finished], {paused: 1, finished: 1})
    assert group_counts(old_store, "acme/reviews/held") == recount_groups(
        old_store, "acme/reviews/held"
    )
    assert seen("open") == ([paused], {paused: 1})
    with old_store.write() as session:
        session.execute(text("UPDATE pipelines SET status = 'active'"))
    assert seen("held") == ([pending, finished], {pending: 1, finished: 1})
    assert seen("open") == ([paused], {paused: 1})
