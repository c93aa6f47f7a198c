"""Infinite seeding tops up a pipeline with the right values, never above its target."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from infinite import copies, enable_copying, statuses
from people import AT, PATH, claim, counts, make_tasks, recount
from tasks_lib.domain.events import Event
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.infinite.manage import (
    InfiniteRequest,
    disable,
    enable,
    get_status,
    list_seedings,
)
from tasks_lib.operations.infinite.top_up import top_up, top_up_all
from tasks_lib.operations.tasks import move
from tasks_lib.operations.tasks.move import claim_task, release_expired_claims
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from tasks_lib.store.tasks.queries import StoredTask

NAMES = "review_id, body, stars"


def set_pipeline(workspace: Workspace, **values: object) -> None:
    changes = ", ".join(f"{name} = :{name}" for name in values)
    with workspace.store.write() as session:
        session.execute(text(f"UPDATE pipelines SET {changes} WHERE id = 1"), values)


def test_the_first_tasks_are_created_at_once_and_a_claimed_one_is_replaced(
    workspace: Workspace,
) -> None:
    store = workspace.store
    seeding = enable(store, PATH, InfiniteRequest(keep_available=2), at=AT)
    assert seeding._asdict() == {
        "pipeline_id": 1, "pipeline": PATH, "state": "running", "target": None,
        "keep_available": 2, "copy_groups": (), "available": 2, "total": 2, "made": 2,
        "group_id": 1, "message": None,
        "warnings": (
            f"new tasks have no values for {NAMES}; to copy values, name the groups to copy",
        ),
    }  # fmt: skip
    claim(store)
    assert (top_up_all(store, at=AT), top_up_all(store, at=AT)) == (1, 0)
    assert statuses(store) == ["in_progress", "pending", "pending"]
    assert counts(store) == recount(store)
    assert [group.tasks for group in list_groups(store, PATH)] == [3]


def test_values_are_copied_in_order_and_start_over(workspace: Workspace, tmp_path: Path) -> None:
    enable_copying(workspace, tmp_path, 3, InfiniteRequest(keep_available=2))
    for _ in range(5):
        claim(workspace.store)
        top_up(workspace.store, 1, at=AT)
    originals = [task.fields for task in list_tasks(workspace.store, PATH, group_id=1)]
    expected = [(place % 3 + 1, originals[place % 3]) for place in range(7)]
    assert copies(workspace.store) == expected


def test_creating_more_than_a_round_continues_where_it_stopped(
    workspace: Workspace, tmp_path: Path
) -> None:
    enable_copying(workspace, tmp_path, 3, InfiniteRequest(keep_available=8))
    assert [copied for copied, _ in copies(workspace.store)] == [1, 2, 3, 1, 2, 3, 1, 2]


def test_several_groups_form_one_round_in_the_given_order(
    workspace: Workspace, tmp_path: Path
) -> None:
    for name in ("a.csv", "b.csv"):
        make_tasks(workspace, tmp_path, 2, name)
    enable(workspace.store, PATH, InfiniteRequest(keep_available=9, copy_groups=(2, 1)), at=AT)
    assert [copied for copied, _ in copies(workspace.store)] == [3, 4, 1, 2, 3]


def test_the_target_bounds_the_pipelines_tasks_and_prefect_is_notified_once(
    workspace: Workspace, tmp_path: Path
) -> None:
    events: list[Event] = []
    make_tasks(workspace, tmp_path, 3)
    seeding = enable(workspace.store, PATH, InfiniteRequest(target=5, keep_available=9), at=AT)
    assert (seeding.state, seeding.total, seeding.message) == (
        "at_target", 5, "the pipeline holds 5 tasks; its target is 5",
    )  # fmt: skip
    for _ in range(2):
        announce_due(workspace.store, events.extend, at=AT)
    reached = [event for event in events if event.event == "seeding.infinite.target_reached"]
    assert [event.payload for event in reached] == [
        {
            "pipeline_id": 1, "pipeline": PATH, "target": 5,
            "message": f"Infinite seeding of {PATH} has reached its target, 5.",
        }
    ]  # fmt: skip


def test_a_target_below_the_task_count_creates_nothing_and_a_higher_one_resumes(
    workspace: Workspace, tmp_path: Path
) -> None:
    enable_copying(workspace, tmp_path, 3, InfiniteRequest(keep_available=2))
    lowered = enable(
        workspace.store, PATH, InfiniteRequest(target=4, keep_available=9, copy_groups=(1,)), at=AT
    )
    assert (lowered.state, lowered.total, lowered.made) == ("at_target", 5, 2)
    raised = enable(
        workspace.store, PATH, InfiniteRequest(target=7, keep_available=9, copy_groups=(1,)), at=AT
    )
    assert (raised.state, raised.total, raised.made) == ("at_target", 7, 4)
    assert [copied for copied, _ in copies(workspace.store)] == [1, 2, 3, 1]


@pytest.mark.parametrize("status", ["paused", "completed", "archived", "draft"])
def test_a_pipeline_that_is_not_active_gets_no_tasks(workspace: Workspace, status: str) -> None:
    set_pipeline(workspace, status=status)
    seeding = enable(workspace.store, PATH, InfiniteRequest(), at=AT)
    assert (seeding.state, seeding.message, seeding.total) == (
        "inactive", f"the pipeline is {status}", 0,
    )  # fmt: skip
    set_pipeline(workspace, status="active")
    assert top_up_all(workspace.store, at=AT) == 1


def test_disabling_creates_nothing_and_keeps_existing_tasks(workspace: Workspace) -> None:
    enable(workspace.store, PATH, InfiniteRequest(keep_available=3), at=AT)
    seeding = disable(workspace.store, PATH)
    assert seeding.warnings == ()
    claim(workspace.store)
    assert (seeding.state, seeding.total) == ("disabled", 3)
    assert (top_up_all(workspace.store, at=AT), top_up(workspace.store, 1, at=AT)) == (0, 0)


def test_expired_claims_cause_no_overshoot(workspace: Workspace) -> None:
    set_pipeline(workspace, claim_timeout_seconds=60)
    enable(workspace.store, PATH, InfiniteRequest(target=4, keep_available=2), at=AT)
    for _ in range(2):
        claim(workspace.store)
        top_up_all(workspace.store, at=AT)
    assert release_expired_claims(workspace.store, at=AT + timedelta(hours=1)) == 2
    assert top_up_all(workspace.store, at=AT) == 0
    assert counts(workspace.store).total == 4


def delete_group(workspace: Workspace) -> None:
    with workspace.store.write() as session:
        for table, column in (
            ("task_moves", "task_id IN (SELECT id FROM tasks WHERE group_id = 1)"),
            ("tasks", "group_id = 1"),
            ("seeding_runs", "group_id = 1"),
            ("task_groups", "id = 1"),
        ):
            session.execute(text(f"DELETE FROM {table} WHERE {column}"))


def change_values(workspace: Workspace) -> None:
    with workspace.store.write() as session:
        session.execute(text("UPDATE tasks SET predefined = '{}' WHERE id = 3"))


def shrink_group(workspace: Workspace) -> None:
    with workspace.store.write() as session:
        session.execute(text("UPDATE task_groups SET task_count = 2 WHERE id = 1"))


def change_fields(workspace: Workspace) -> None:
    with workspace.store.write() as session:
        session.execute(text("UPDATE fields SET constraints = '{}' WHERE name = 'stars'"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (delete_group, "group 1, whose values are copied, was deleted"),
        (shrink_group, "group 1, whose values are copied, has changed"),
        (change_values, "task 3, whose values are copied, has changed"),
        (
            change_fields,
            "the pipeline was given other dataset fields than those of the copied values",
        ),
    ],
)
def test_changed_originals_stop_the_seeding_with_the_reason(
    workspace: Workspace, tmp_path: Path, spoil: Callable[[Workspace], None], message: str
) -> None:
    enable_copying(workspace, tmp_path, 3, InfiniteRequest(keep_available=2))
    spoil(workspace)
    claim(workspace.store)
    assert top_up_all(workspace.store, at=AT) == 0
    seeding = get_status(workspace.store, PATH)
    assert (seeding.state, seeding.message, seeding.made) == (
        "stopped", f"{message}; enable infinite seeding again with groups that exist", 2,
    )  # fmt: skip
    again = enable(workspace.store, PATH, InfiniteRequest(keep_available=2), at=AT)
    assert (again.state, again.available, again.group_id) == ("running", 2, 3)


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        (InfiniteRequest(copy_groups=(9,)), NotFoundError, f"pipeline {PATH} has no group 9"),
        (InfiniteRequest(copy_groups=(2,)), UsageError, "group 2 holds copies and grows"),
    ],
)
def test_groups_that_cannot_be_copied_are_refused(
    workspace: Workspace,
    tmp_path: Path,
    request_: InfiniteRequest,
    error: type[Exception],
    message: str,
) -> None:
    enable_copying(workspace, tmp_path, 1, InfiniteRequest())
    before = get_status(workspace.store, PATH)
    with pytest.raises(error, match=message):
        enable(workspace.store, PATH, request_, at=AT)
    assert get_status(workspace.store, PATH) == before


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"keep_available": 0}, "0 tasks cannot be kept available; it must be from 1 to 100,000"),
        ({"target": 0}, "the target is 0; it must be 1 or more"),
        ({"copy_groups": (1, 1)}, "a group to copy is named twice"),
    ],
)
def test_an_invalid_request_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        InfiniteRequest(**values)


def test_a_pipeline_that_was_never_enabled_is_disabled_and_not_listed(workspace: Workspace) -> None:
    assert get_status(workspace.store, PATH).state == "disabled"
    warning = f"infinite seeding was never enabled for {PATH}; nothing was changed"
    assert disable(workspace.store, PATH).warnings == (warning,)
    assert list_seedings(workspace.store) == []
    enable(workspace.store, PATH, InfiniteRequest(), at=AT)
    assert list_seedings(workspace.store) == [get_status(workspace.store, PATH)]


def test_a_claim_that_finds_no_task_creates_the_next_up_to_the_target(workspace: Workspace) -> None:
    store = workspace.store
    enable(store, PATH, InfiniteRequest(target=3), at=AT)
    claimed = [claim_task(store, 1, name, at=AT) for name in ("ann", "ben", "cy", "dee")]
    assert [task and task.id for task in claimed] == [1, 2, 3, None]
    assert get_status(store, PATH).state == "at_target"


@pytest.mark.parametrize("obstacle", ["paused", "disabled", "stopped"])
def test_a_claim_gets_nothing_where_no_tasks_are_created(
    workspace: Workspace, tmp_path: Path, obstacle: str
) -> None:
    store = workspace.store
    enable_copying(workspace, tmp_path, 2, InfiniteRequest())
    if obstacle == "paused":
        set_pipeline(workspace, status="paused")
    elif obstacle == "disabled":
        disable(store, PATH)
    else:
        change_fields(workspace)
    claim_task(store, 1, "ann", at=AT)  # the only available task, unless it is paused
    assert claim_task(store, 1, "ben", at=AT) is None
    assert counts(store).total == 3
    assert get_status(store, PATH).state == {"paused": "inactive"}.get(obstacle, obstacle)


def take_all(store: Store, target: int, person: int) -> list[int]:
    """Claim until the target is reached and nothing is left; return the tasks."""
    task_ids = []
    while counts(store).total < target or counts(store).by_status[TaskStatus.PENDING]:
        task = claim_task(store, 1, f"person-{person}", at=AT)
        task_ids += [task.id] if task is not None else []
    return task_ids


def test_fifty_claimers_without_a_sensor_create_and_claim_each_task_once(
    workspace: Workspace,
) -> None:
    target = 300
    store = workspace.store
    enable(store, PATH, InfiniteRequest(target=target, keep_available=10), at=AT)

    with ThreadPoolExecutor(50) as threads:
        results = threads.map(partial(take_all, store, target), range(50))
        task_ids = [task for tasks in results for task in tasks]
    assert sorted(task_ids) == list(range(1, target + 1))
    assert counts(store) == recount(store)


def test_ten_toppers_and_fifty_claimers_create_and_claim_each_task_once(
    workspace: Workspace, tmp_path: Path
) -> None:
    target = 300
    store = workspace.store
    enable_copying(workspace, tmp_path, 7, InfiniteRequest(target=target, keep_available=20))
    is_over = False

    def keep_up(_: int) -> None:
        while not is_over:
            top_up(store, 1, at=AT)
            assert counts(store).by_status[TaskStatus.PENDING] <= 20

    with ThreadPoolExecutor(60) as threads:
        toppers = [threads.submit(keep_up, number) for number in range(10)]
        takers = [threads.submit(take_all, store, target, number) for number in range(50)]
        task_ids = [task for taker in takers for task in taker.result()]
        is_over = True
        for topper in toppers:
            topper.result()
    assert sorted(task_ids) == list(range(8, target + 1))
    assert counts(store) == recount(store)
    assert counts(store).total == target
    assert [copied for copied, _ in copies(store)] == [n % 7 + 1 for n in range(target - 7)]


def test_a_claim_gets_nothing_only_once_the_target_is_reached(workspace: Workspace) -> None:
    store = workspace.store
    enable(store, PATH, InfiniteRequest(target=200, keep_available=2), at=AT)

    def take(person: int) -> list[int | None]:
        tasks = [claim_task(store, 1, f"person-{person}", at=AT) for _ in range(20)]
        return [task.id if task is not None else None for task in tasks]

    with ThreadPoolExecutor(10) as threads:
        taken = [task_id for some in threads.map(take, range(10)) for task_id in some]
    assert sorted(map(repr, taken)) == sorted(map(repr, range(1, 201)))
    assert claim_task(store, 1, "late", at=AT) is None


def test_a_claim_gets_one_of_the_last_tasks_that_another_created_meanwhile(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = workspace.store
    enable(store, PATH, InfiniteRequest(target=3, keep_available=2), at=AT)
    assert [claim(store, "ben").id for _ in range(2)] == [1, 2]
    found: list[bool] = []
    claim_once = move._claim

    def claim_before_another(*arguments: Any) -> StoredTask | None:
        task = claim_once(*arguments)
        if not found:
            top_up(store, 1, at=AT)
        found.append(task is not None)
        return task

    monkeypatch.setattr(move, "_claim", claim_before_another)
    task = claim_task(store, 1, "ann", at=AT)
    assert (task.id if task is not None else None, found) == (3, [False, True])
