"""Chains that fire when a group is finished: its tasks become one group of the target."""

from pathlib import Path

import pytest

from chain_setup import LATER, apply_pipelines, chain, finish_tasks, origins
from people import AT, make_tasks
from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.events import CHAIN_DUE, Event
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.operations.chains.due import Fired, fire_due
from tasks_lib.operations.chains.manage import explain_chain
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.tasks import move
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.operations.workspace import Workspace
from vault import CHECK


@pytest.fixture
def chained(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with two groups to label, of two tasks and of one, and a chain on groups."""
    apply_pipelines(workspace, tmp_path, 2)
    make_tasks(workspace, tmp_path, 1, "more.csv")
    chain(workspace, trigger=Trigger.GROUP_COMPLETION)
    return workspace


def drain(workspace: Workspace) -> Fired:
    return fire_due(workspace, at=LATER)


def sizes(workspace: Workspace) -> list[int]:
    return [group.tasks for group in list_groups(workspace.store, CHECK)]


def test_the_tasks_of_a_finished_group_become_one_group(chained: Workspace) -> None:
    finish_tasks(chained, 1)
    assert drain(chained) == Fired()
    finish_tasks(chained, 1)
    assert drain(chained) == Fired(created=2, chains=1)
    finish_tasks(chained, 1)
    assert drain(chained) == Fired(created=1, chains=1)
    assert (sizes(chained), origins(chained)) == ([2, 1], [1, 2, 3])


def test_groups_that_are_finished_at_once_become_one_group_each(chained: Workspace) -> None:
    finish_tasks(chained, 3)
    assert drain(chained) == Fired(created=3, chains=1)
    assert (sizes(chained), drain(chained)) == ([2, 1], Fired())


def test_a_group_that_finishes_again_adds_its_new_tasks_only(chained: Workspace) -> None:
    move.set_status(chained.store, 1, TaskStatus.WITHDRAWN, at=AT)
    finish_tasks(chained, 1)
    assert drain(chained) == Fired(created=1, chains=1)
    move.set_status(chained.store, 1, TaskStatus.PENDING, at=AT)
    assert drain(chained) == Fired()
    finish_tasks(chained, 1)
    assert drain(chained) == Fired(created=1, chains=1)
    assert (sizes(chained), origins(chained)) == ([1, 1], [2, 1])


def test_a_blocked_task_holds_its_group_up_and_no_other_one(chained: Workspace) -> None:
    move.set_status(chained.store, 1, TaskStatus.ESCALATED, at=AT)
    finish_tasks(chained, 2)
    assert drain(chained) == Fired(created=1, chains=1)
    assert explain_chain(chained.store, 1).reasons == [
        "none of the groups of the waiting tasks is finished"
    ]
    move.set_status(chained.store, 1, TaskStatus.WITHDRAWN, at=AT)
    assert explain_chain(chained.store, 1).reasons == []
    assert drain(chained) == Fired(created=1, chains=1)


def test_the_last_task_of_a_group_wakes_its_chain(chained: Workspace) -> None:
    events: list[Event] = []
    finish_tasks(chained, 1)
    announce_due(chained.store, events.extend, at=AT)
    assert CHAIN_DUE not in {event.event for event in events}
    move.set_status(chained.store, 2, TaskStatus.WITHDRAWN, at=AT)
    announce_due(chained.store, events.extend, at=LATER)
    assert [event.event for event in events].count(CHAIN_DUE) == 1
