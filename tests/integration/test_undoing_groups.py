"""Undo removes a group's untouched tasks, keeps the others, and counts stay exact."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from chain_setup import LATER, apply_pipelines, chain, finish_tasks
from people import (
    AT,
    NO_TASKS,
    PATH,
    claim,
    counts,
    finish,
    group_counts,
    make_tasks,
    recount,
    recount_groups,
)
from tasks_lib.domain.events import Event
from tasks_lib.domain.statuses import GroupState, TaskStatus
from tasks_lib.errors import ConflictError, NotFoundError
from tasks_lib.operations.chains.due import Fired, fire_due
from tasks_lib.operations.groups.read import find_group, list_groups
from tasks_lib.operations.groups.undo import (
    UndoReport,
    continue_undos,
    rehearse_undo,
    undo_group,
)
from tasks_lib.operations.infinite.manage import InfiniteRequest, disable, enable
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.tasks import move
from tasks_lib.operations.tasks.move import claim_task, release_task
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from tasks_lib.store.removal import task_removal
from tasks_lib.store.removal.undo import KeptTask
from vault import CHECK


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path) -> Store:
    """A store whose pipeline has one group of five tasks."""
    make_tasks(workspace, tmp_path, 5)
    return workspace.store


@pytest.fixture
def chain_workspace(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Three tasks to label, and a pipeline to chain them to."""
    apply_pipelines(workspace, tmp_path)
    return workspace


def drain(workspace: Workspace) -> Fired:
    return fire_due(workspace, at=LATER)


def undo(store: Store, group_id: int = 1, *, flows_again: bool = False) -> UndoReport:
    return undo_group(store, group_id, by="ann", at=AT, flows_again=flows_again)


def ids(store: Store, path: str = PATH) -> list[int]:
    return [task.id for task in list_tasks(store, path)]


def test_untouched_tasks_are_removed_and_touched_ones_are_kept_and_listed(store: Store) -> None:
    finish(store)
    claim(store)
    release_task(store, claim(store).id, at=AT)
    report = UndoReport(
        group_id=1,
        pipeline_id=1,
        state=GroupState.UNDONE,
        removed=2,
        kept=3,
        kept_tasks=[
            KeptTask(1, TaskStatus.FINISHED),
            KeptTask(2, TaskStatus.IN_PROGRESS),
            KeptTask(3, TaskStatus.PENDING),
        ],
    )
    assert rehearse_undo(store, 1) == report._replace(state=GroupState.CREATED, dry_run=True)
    assert ids(store) == [1, 2, 3, 4, 5]
    assert undo(store) == report
    assert ids(store) == [1, 2, 3]
    assert counts(store) == recount(store)
    group, by_status = find_group(store, 1)
    assert (group.state, group.tasks, group.removed) == (GroupState.UNDONE, 3, 2)
    assert (group.undone_by, group.undone_at) == ("ann", AT)
    assert by_status == NO_TASKS | {
        TaskStatus.FINISHED: 1, TaskStatus.IN_PROGRESS: 1, TaskStatus.PENDING: 1,
    }  # fmt: skip


def test_a_task_that_was_only_moved_by_hand_is_removed_with_its_moves(store: Store) -> None:
    for number, status in enumerate(("failed", "escalated", "quarantined", "withdrawn"), 1):
        move.set_status(store, number, TaskStatus(status), at=AT)
    assert undo(store)[2:5] == (GroupState.UNDONE, 5, 0)
    assert counts(store) == recount(store)
    with store.read() as session:
        assert session.scalar(text("SELECT count(*) FROM task_moves")) == 0


def test_to_undo_again_changes_nothing(store: Store) -> None:
    first = undo(store)
    assert undo_group(store, 1, by="ben", at=AT) == first
    assert find_group(store, 1).group.undone_by == "ann"


def test_a_missing_group_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError, match="there is no group 9"):
        undo(store, 9)
    with pytest.raises(NotFoundError, match="there is no group 9"):
        rehearse_undo(store, 9)


def test_the_content_of_an_undone_group_can_be_seeded_again(
    workspace: Workspace, store: Store, tmp_path: Path
) -> None:
    request = CsvRequest(pipeline=PATH, source=str(tmp_path / "people.csv"))
    assert seed_from_csv(workspace, request, run_id="2").report.already_seeded == 5
    undo(store)
    again = seed_from_csv(workspace, request, run_id="3").report
    assert again.created == 5
    assert [(group.id, group.state) for group in list_groups(store, PATH)] == [
        (1, "undone"),
        (again.group_id, "created"),
    ]


def test_an_interrupted_undo_is_continued_by_upkeep(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_removal, "TASKS_AT_ONCE", 2)
    report = undo_group(store, 1, by="ann", at=AT, seconds=0)
    assert report[2:5] == (GroupState.UNDOING, 0, 5)
    assert continue_undos(store, at=AT) == 1
    assert continue_undos(store, at=AT) == 0
    assert undo(store)[2:5] == (GroupState.UNDONE, 5, 0)
    assert counts(store) == recount(store)


def test_a_group_that_infinite_seeding_fills_cannot_be_undone(store: Store) -> None:
    enable(store, PATH, InfiniteRequest(keep_available=7, copy_groups=(1,)), at=AT)
    with pytest.raises(ConflictError, match="infinite seeding creates tasks in group 2"):
        undo(store, 2)
    disable(store, PATH)
    assert undo(store, 2)[2:5] == (GroupState.UNDONE, 2, 0)
    assert counts(store) == recount(store)


def test_a_task_that_was_copied_is_kept(store: Store) -> None:
    enable(store, PATH, InfiniteRequest(keep_available=7, copy_groups=(1,)), at=AT)
    kept = [KeptTask(1, TaskStatus.PENDING), KeptTask(2, TaskStatus.PENDING)]
    assert undo(store)[3:6] == (3, 2, kept)


def test_the_rows_of_an_undone_chain_group_flow_again_only_if_asked_for(
    chain_workspace: Workspace,
) -> None:
    store = chain_workspace.store
    chain(chain_workspace)
    finish_tasks(chain_workspace, 3)
    assert drain(chain_workspace) == Fired(created=3, chains=1)
    assert undo(store, 2)[3:5] == (3, 0)
    assert drain(chain_workspace) == Fired()
    assert ids(store, CHECK) == []


def test_the_rows_of_a_chain_group_flow_again(chain_workspace: Workspace) -> None:
    store = chain_workspace.store
    chain(chain_workspace)
    finish_tasks(chain_workspace, 3)
    assert drain(chain_workspace) == Fired(created=3, chains=1)
    assert undo(store, 2, flows_again=True)[3:5] == (3, 0)
    assert drain(chain_workspace) == Fired(created=3, chains=1)
    assert [task.origin.row for task in list_tasks(store, CHECK)] == [1, 2, 3]


def test_of_a_claim_and_an_undo_exactly_one_wins(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tasks(workspace, tmp_path, 120)
    store = workspace.store
    monkeypatch.setattr(task_removal, "TASKS_AT_ONCE", 5)
    start = threading.Barrier(4)

    def claim_some(name: str) -> list[int]:
        start.wait()
        claimed = [claim_task(store, 1, name, at=AT) for _ in range(20)]
        return [task.id for task in claimed if task is not None]

    def undo_it() -> UndoReport:
        start.wait()
        return undo(store)

    with ThreadPoolExecutor(4) as pool:
        claims = [pool.submit(claim_some, name) for name in ("ann", "ben", "cem")]
        report = pool.submit(undo_it).result()
        claimed = sorted(task_id for one in claims for task_id in one.result())
    assert [(task.id, task.status) for task in list_tasks(store, PATH, limit=200)] == [
        (task_id, "in_progress") for task_id in claimed
    ]
    assert len(set(claimed)) == len(claimed) == report.kept
    assert (report.state, report.removed) == (GroupState.UNDONE, 120 - len(claimed))
    assert counts(store) == recount(store)


def test_two_undos_of_a_group_at_once_remove_each_task_once(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tasks(workspace, tmp_path, 50)
    monkeypatch.setattr(task_removal, "TASKS_AT_ONCE", 3)
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: undo(workspace.store), range(4)))
    assert {report[2:5] for report in reports} == {(GroupState.UNDONE, 50, 0)}
    assert counts(workspace.store) == recount(workspace.store)


def test_an_undone_group_is_announced(store: Store) -> None:
    undo(store)
    events: list[Event] = []
    announce_due(store, events.extend, at=AT)
    (undone,) = [event for event in events if event.event == "seeding.group.undone"]
    assert undone.resource["prefect.resource.id"] == "seeding.pipeline.1"
    assert undone.payload == {
        "group_id": 1, "pipeline_id": 1, "removed": 5, "kept": 0, "by": "ann", "pipeline": PATH,
        "message": f"Group 1 of {PATH} undone by ann: 5 tasks removed, 0 kept.",
    }  # fmt: skip
    assert announce_due(store, events.extend, at=AT) == 0


def test_a_group_that_is_undone_while_its_creation_is_announced_is_announced_again(
    chain_workspace: Workspace,
) -> None:
    store = chain_workspace.store
    chain(chain_workspace)
    finish_tasks(chain_workspace, 1)
    drain(chain_workspace)
    names: list[str] = []

    def publish(events: Sequence[Event]) -> None:
        if any(event.event == "seeding.group.created" for event in events) and not names:
            undo(store, 2)
        names.extend(event.event for event in events if event.event.startswith("seeding.group"))

    later = LATER + timedelta(hours=1)
    announce_due(store, publish, at=later)
    announce_due(store, publish, at=later)
    assert names.count("seeding.group.undone") == 1


@pytest.mark.parametrize("seed", range(4))
def test_random_sequences_agree_with_a_model(
    workspace: Workspace, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    model = Model(workspace, tmp_path)
    acts: list[Callable[[random.Random], None]] = [
        model.seed, model.claim, model.finish, model.release, model.withdraw, model.put_back,
        model.undo,
    ]  # fmt: skip
    for _ in range(40):
        dice.choice(acts)(dice)
    model.check()


class Model:
    """The tasks of a pipeline in plain Python: the status, the group, and whether it is touched."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self.workspace = workspace
        self.folder = folder
        self.statuses: dict[int, str] = {}
        self.groups: dict[int, int] = {}
        self.touched: set[int] = set()
        self.removed: Counter[int] = Counter()
        self.undone: set[int] = set()

    @property
    def store(self) -> Store:
        return self.workspace.store

    def seed(self, dice: random.Random) -> None:
        source = f"{len(self.removed) + len(set(self.groups.values()))}-{dice.random()}.csv"
        make_tasks(self.workspace, self.folder, dice.randint(1, 4), source)
        group_id = list_groups(self.store, PATH)[-1].id
        for task in list_tasks(self.store, PATH, group_id=group_id):
            self.statuses[task.id], self.groups[task.id] = "pending", group_id

    def claim(self, _: random.Random) -> None:
        task = claim_task(self.store, 1, "ann", at=AT)
        pending = sorted(number for number, status in self.statuses.items() if status == "pending")
        assert (task.id if task else None) == (pending[0] if pending else None)
        if task is not None:
            self.statuses[task.id] = "in_progress"
            self.touched.add(task.id)

    def _some(self, dice: random.Random, *statuses: str) -> int | None:
        known = sorted(number for number, status in self.statuses.items() if status in statuses)
        return dice.choice(known) if known else None

    def finish(self, dice: random.Random) -> None:
        task_id = self._some(dice, "in_progress")
        if task_id is not None:
            move.submit_task(self.store, task_id, "ann", {"sentiment": "good"}, at=AT)
            self.statuses[task_id] = "finished"

    def release(self, dice: random.Random) -> None:
        task_id = self._some(dice, "in_progress")
        if task_id is not None:
            release_task(self.store, task_id, at=AT)
            self.statuses[task_id] = "pending"

    def withdraw(self, dice: random.Random) -> None:
        self._set(dice, "withdrawn", "pending", "in_progress")

    def put_back(self, dice: random.Random) -> None:
        self._set(dice, "pending", "withdrawn")

    def _set(self, dice: random.Random, status: str, *starts: str) -> None:
        task_id = self._some(dice, *starts)
        if task_id is not None:
            move.set_status(self.store, task_id, TaskStatus(status), at=AT)
            self.statuses[task_id] = status

    def undo(self, dice: random.Random) -> None:
        groups = sorted(set(self.groups.values()))
        if not groups:
            return
        group_id = dice.choice(groups)
        report = undo(self.store, group_id)
        if group_id not in self.undone:
            self.undone.add(group_id)
            gone = [n for n in self.groups if self.groups[n] == group_id and n not in self.touched]
            self.removed[group_id] += len(gone)
            for number in gone:
                del self.statuses[number]
                del self.groups[number]
        assert report.removed == self.removed[group_id]

    def check(self) -> None:
        tasks = list_tasks(self.store, PATH, limit=1_000)
        assert {task.id: task.status for task in tasks} == self.statuses
        assert counts(self.store).by_status == recount(self.store).by_status
        left = {number: of for number, of in group_counts(self.store).items() if sum(of.values())}
        assert left == recount_groups(self.store)
        for group in list_groups(self.store, PATH):
            assert group.tasks == sum(owner == group.id for owner in self.groups.values())
            assert (group.state == "undone") == (group.id in self.undone)
