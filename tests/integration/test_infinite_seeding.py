"""Infinite seeding: never too few for long, never too many, the right values, on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from infinite import copies, enable_copying, statuses
from people import AT, PATH, claim, counts, make_tasks, recounted
from tasks_lib.domain.events import Event
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations import queries
from tasks_lib.operations.announcing import announce_due
from tasks_lib.operations.infinite_seeding import (
    Wish,
    disable,
    enable,
    list_seedings,
    status,
)
from tasks_lib.operations.lifecycle import claim_by_number, release_expired_claims
from tasks_lib.operations.topping_up import top_up, top_up_all
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store

NAMES = "review_id, body, stars"


def set_pipeline(workspace: Workspace, **values: object) -> None:
    changes = ", ".join(f"{name} = :{name}" for name in values)
    with workspace.store.write() as session:
        session.execute(text(f"UPDATE pipelines SET {changes} WHERE id = 1"), values)


def test_the_first_tasks_are_made_at_once_and_a_claimed_one_is_replaced(
    workspace: Workspace,
) -> None:
    store = workspace.store
    found = enable(store, PATH, Wish(keep_available=2), at=AT)
    assert found._asdict() == {
        "pipeline_id": 1, "pipeline": PATH, "state": "running", "target": None,
        "keep_available": 2, "copy_groups": (), "available": 2, "total": 2, "made": 2,
        "group_id": 1, "message": None,
        "warnings": (
            f"new tasks have nothing in {NAMES}; to copy values, name groups with --copy-group",
        ),
    }  # fmt: skip
    claim(store)
    assert (top_up_all(store, at=AT), top_up_all(store, at=AT)) == (1, 0)
    assert statuses(store) == ["in_progress", "pending", "pending"]
    assert counts(store) == recounted(store)
    assert [group.tasks for group in queries.list_groups(store, PATH)] == [3]


def test_values_are_copied_in_order_round_and_round(workspace: Workspace, tmp_path: Path) -> None:
    enable_copying(workspace, tmp_path, 3, Wish(keep_available=2))
    for _ in range(5):
        claim(workspace.store)
        top_up(workspace.store, 1, at=AT)
    originals = [task.fields for task in queries.list_tasks(workspace.store, PATH, group_id=1)]
    expected = [(place % 3 + 1, originals[place % 3]) for place in range(7)]
    assert copies(workspace.store) == expected


def test_more_than_a_round_at_once_goes_on_where_it_was(
    workspace: Workspace, tmp_path: Path
) -> None:
    enable_copying(workspace, tmp_path, 3, Wish(keep_available=8))
    assert [copied for copied, _ in copies(workspace.store)] == [1, 2, 3, 1, 2, 3, 1, 2]


def test_several_groups_are_one_round_in_the_order_that_is_given(
    workspace: Workspace, tmp_path: Path
) -> None:
    for name in ("a.csv", "b.csv"):
        make_tasks(workspace, tmp_path, 2, name)
    enable(workspace.store, PATH, Wish(keep_available=9, copy_groups=(2, 1)), at=AT)
    assert [copied for copied, _ in copies(workspace.store)] == [3, 4, 1, 2, 3]


def test_the_target_bounds_all_that_the_pipeline_holds_and_prefect_is_told_once(
    workspace: Workspace, tmp_path: Path
) -> None:
    told: list[Event] = []
    make_tasks(workspace, tmp_path, 3)
    found = enable(workspace.store, PATH, Wish(target=5, keep_available=9), at=AT)
    assert (found.state, found.total, found.message) == (
        "at_target", 5, "the pipeline holds 5 tasks, 5 were wished for",
    )  # fmt: skip
    for _ in range(2):
        announce_due(workspace.store, told.extend, at=AT)
    reached = [event for event in told if event.event == "seeding.infinite.target_reached"]
    assert [event.payload for event in reached] == [{"pipeline_id": 1, "target": 5}]


def test_a_target_below_what_there_is_makes_nothing_and_a_higher_one_goes_on(
    workspace: Workspace, tmp_path: Path
) -> None:
    enable_copying(workspace, tmp_path, 3, Wish(keep_available=2))
    lowered = enable(workspace.store, PATH, Wish(4, 9, (1,)), at=AT)
    assert (lowered.state, lowered.total, lowered.made) == ("at_target", 5, 2)
    raised = enable(workspace.store, PATH, Wish(7, 9, (1,)), at=AT)
    assert (raised.state, raised.total, raised.made) == ("at_target", 7, 4)
    assert [copied for copied, _ in copies(workspace.store)] == [1, 2, 3, 1]


@pytest.mark.parametrize("found", ["paused", "completed", "archived", "draft"])
def test_a_pipeline_that_is_not_active_is_left_alone(workspace: Workspace, found: str) -> None:
    set_pipeline(workspace, status=found)
    seeding = enable(workspace.store, PATH, Wish(), at=AT)
    assert (seeding.state, seeding.message, seeding.total) == (
        "left_alone", f"the pipeline is {found}", 0,
    )  # fmt: skip
    set_pipeline(workspace, status="active")
    assert top_up_all(workspace.store, at=AT) == 1


def test_disabled_it_makes_nothing_and_keeps_what_there_is(workspace: Workspace) -> None:
    enable(workspace.store, PATH, Wish(keep_available=3), at=AT)
    found = disable(workspace.store, PATH)
    claim(workspace.store)
    assert (found.state, found.total) == ("disabled", 3)
    assert (top_up_all(workspace.store, at=AT), top_up(workspace.store, 1, at=AT)) == (0, 0)


def test_claims_that_expire_let_nothing_overshoot(workspace: Workspace) -> None:
    set_pipeline(workspace, claim_timeout_seconds=60)
    enable(workspace.store, PATH, Wish(target=4, keep_available=2), at=AT)
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
        (shrink_group, "group 1, whose values are copied, is not what it was"),
        (change_values, "task 3, whose values are copied, is not what it was"),
        (
            change_fields,
            "the pipeline was given other dataset fields than those of the copied values",
        ),
    ],
)
def test_what_is_copied_and_has_changed_stops_it_with_the_reason(
    workspace: Workspace, tmp_path: Path, spoil: Callable[[Workspace], None], message: str
) -> None:
    enable_copying(workspace, tmp_path, 3, Wish(keep_available=2))
    spoil(workspace)
    claim(workspace.store)
    assert top_up_all(workspace.store, at=AT) == 0
    found = status(workspace.store, PATH)
    assert (found.state, found.message, found.made) == (
        "stopped", f"{message}; enable it anew with groups that are there", 2,
    )  # fmt: skip
    again = enable(workspace.store, PATH, Wish(keep_available=2), at=AT)
    assert (again.state, again.available, again.group_id) == ("running", 2, 3)


@pytest.mark.parametrize(
    ("wish", "error", "message"),
    [
        (Wish(copy_groups=(9,)), NotFoundError, f"pipeline {PATH} has no group 9"),
        (Wish(copy_groups=(2,)), UsageError, "group 2 holds copies and grows"),
    ],
)
def test_groups_that_cannot_be_copied_are_refused(
    workspace: Workspace, tmp_path: Path, wish: Wish, error: type[Exception], message: str
) -> None:
    enable_copying(workspace, tmp_path, 1, Wish())
    before = status(workspace.store, PATH)
    with pytest.raises(error, match=message):
        enable(workspace.store, PATH, wish, at=AT)
    assert status(workspace.store, PATH) == before


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"keep_available": 0}, "0 tasks cannot be kept available; it must be from 1 to 100,000"),
        ({"target": 0}, "the target is 0; it must be 1 or more"),
        ({"copy_groups": (1, 1)}, "a group to copy is named twice"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Wish(**values)  # type: ignore[arg-type]


def test_one_that_was_never_enabled_is_disabled_and_not_listed(workspace: Workspace) -> None:
    assert status(workspace.store, PATH).state == "disabled"
    assert list_seedings(workspace.store) == []
    enable(workspace.store, PATH, Wish(), at=AT)
    assert list_seedings(workspace.store) == [status(workspace.store, PATH)]


def test_who_finds_nothing_makes_the_next_task_up_to_the_target(workspace: Workspace) -> None:
    store = workspace.store
    enable(store, PATH, Wish(target=3), at=AT)
    claimed = [claim_by_number(store, 1, name, at=AT) for name in ("ann", "ben", "cy", "dee")]
    assert [task and task.id for task in claimed] == [1, 2, 3, None]
    assert status(store, PATH).state == "at_target"


@pytest.mark.parametrize("found", ["paused", "disabled", "stopped"])
def test_who_finds_nothing_gets_nothing_where_no_tasks_are_made(
    workspace: Workspace, tmp_path: Path, found: str
) -> None:
    store = workspace.store
    enable_copying(workspace, tmp_path, 2, Wish())
    if found == "paused":
        set_pipeline(workspace, status="paused")
    elif found == "disabled":
        disable(store, PATH)
    else:
        change_fields(workspace)
    claim_by_number(store, 1, "ann", at=AT)  # the one that was there, unless it is paused
    assert claim_by_number(store, 1, "ben", at=AT) is None
    assert counts(store).total == 3
    assert status(store, PATH).state == {"paused": "left_alone"}.get(found, found)


def take_all(store: Store, target: int, person: int) -> list[int]:
    """Claim until the target is reached and nothing is left; return the tasks."""
    taken = []
    while counts(store).total < target or counts(store).by_status["pending"]:  # type: ignore[index]
        found = claim_by_number(store, 1, f"person-{person}", at=AT)
        taken += [found.id] if found is not None else []
    return taken


def test_fifty_who_claim_what_nobody_watches_make_and_take_each_task_once(
    workspace: Workspace,
) -> None:
    target = 300
    store = workspace.store
    enable(store, PATH, Wish(target, keep_available=10), at=AT)

    with ThreadPoolExecutor(50) as threads:
        found = threads.map(partial(take_all, store, target), range(50))
        taken = [task for tasks in found for task in tasks]
    assert sorted(taken) == list(range(1, target + 1))
    assert counts(store) == recounted(store)


def test_ten_who_top_up_and_fifty_who_claim_make_and_take_each_task_once(
    workspace: Workspace, tmp_path: Path
) -> None:
    target = 300
    store = workspace.store
    enable_copying(workspace, tmp_path, 7, Wish(target, 20))
    is_over = False

    def keep_up(_: int) -> None:
        while not is_over:
            top_up(store, 1, at=AT)
            assert counts(store).by_status["pending"] <= 20  # type: ignore[index]

    with ThreadPoolExecutor(60) as threads:
        toppers = [threads.submit(keep_up, number) for number in range(10)]
        takers = [threads.submit(take_all, store, target, number) for number in range(50)]
        taken = [task for taker in takers for task in taker.result()]
        is_over = True
        for topper in toppers:
            topper.result()
    assert sorted(taken) == list(range(8, target + 1))
    assert counts(store) == recounted(store)
    assert counts(store).total == target
    assert [copied for copied, _ in copies(store)] == [n % 7 + 1 for n in range(target - 7)]
