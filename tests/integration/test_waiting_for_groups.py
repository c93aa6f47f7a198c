"""Waits for groups: in place, and as rows of suspended flow runs that are resumed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

import tasks_lib
from people import finish, make_tasks
from servers import wait_until
from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import (
    GroupTimedOutError,
    GroupUndoneError,
    NotFoundError,
    PrefectUnavailableError,
    UsageError,
)
from tasks_lib.operations.groups.undo import undo_group
from tasks_lib.operations.tasks import move
from tasks_lib.operations.upkeep.announcing import Relay
from tasks_lib.operations.waiting.in_place import wait_in_place
from tasks_lib.operations.waiting.look import look
from tasks_lib.operations.waiting.suspended import (
    MAX_RESTARTS,
    Outcome,
    RunState,
    begin_suspension,
    begin_wait,
    end_wait,
    remove_ended_waits,
    resume_due,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from tasks_lib.store.groups.group_waits import list_flow_runs

RUN = "7b354ed7-2abe-4191-9fa7-70617e60769b"
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path) -> Store:
    """A store with two groups, of two tasks and of one."""
    make_tasks(workspace, tmp_path, 2)
    make_tasks(workspace, tmp_path, 1, "more.csv")
    return workspace.store


class Runs:
    """Fake flow runs: records what was asked, and answers from ``states``."""

    def __init__(self, *states: RunState) -> None:
        self.states = list(states)
        self.resumed: list[str] = []
        self.restarted: list[str] = []
        self.ended: set[str] = set()
        self.is_away = False

    def resume(self, flow_run_id: str) -> RunState:
        if self.is_away:
            raise PrefectUnavailableError("the Prefect server is away")
        self.resumed.append(flow_run_id)
        return self.states.pop(0) if self.states else RunState.RESUMED

    def restart(self, flow_run_id: str) -> None:
        self.restarted.append(flow_run_id)

    def has_ended(self, flow_run_id: str) -> bool:
        return flow_run_id in self.ended


def suspend(store: Store, *group_ids: int, run: str = RUN, timeout: timedelta | None = None) -> str:
    """Record that a run waits, as it does just before it is suspended; return the key."""
    wait = begin_wait(store, f"{run} {group_ids}", run, group_ids, timeout=timeout)
    return begin_suspension(store, wait)


def finish_tasks(store: Store, count: int) -> None:
    for _ in range(count):
        finish(store)


def test_a_run_is_resumed_once_when_its_group_is_finished(store: Store) -> None:
    runs = Runs()
    suspend(store, 1)
    assert resume_due(store, runs, at=store.now()) == 0
    finish_tasks(store, 2)
    at = store.now()
    assert resume_due(store, runs, at=at) == 1
    assert resume_due(store, runs, at=at + SECOND) == 0, "it has time to start"
    assert runs.resumed == [RUN]
    assert resume_due(store, runs, at=at + MINUTE) == 1, "but it has not ended its wait"


def test_a_run_that_waits_for_several_groups_is_resumed_when_all_are_finished(
    store: Store,
) -> None:
    runs = Runs()
    suspend(store, 1, 2)
    finish_tasks(store, 2)
    assert resume_due(store, runs, at=store.now()) == 0
    finish_tasks(store, 1)
    assert resume_due(store, runs, at=store.now()) == 1


def test_two_runs_that_wait_for_one_group_are_both_resumed(store: Store) -> None:
    runs = Runs()
    for run in ("one", "two"):
        suspend(store, 2, run=run)
    finish_tasks(store, 3)
    assert resume_due(store, runs, at=store.now()) == 2
    assert sorted(runs.resumed) == ["one", "two"]


def test_a_request_before_the_suspension_is_repeated(store: Store) -> None:
    runs = Runs(RunState.BUSY, RunState.BUSY)
    suspend(store, 2)
    finish_tasks(store, 3)
    at = store.now()
    assert [resume_due(store, runs, at=at + n * SECOND) for n in range(3)] == [0, 0, 1]


def test_a_request_that_fails_is_repeated_when_the_server_is_back(store: Store) -> None:
    runs = Runs()
    suspend(store, 2)
    finish_tasks(store, 3)
    runs.is_away = True
    at = store.now()
    with pytest.raises(PrefectUnavailableError):
        resume_due(store, runs, at=at)
    runs.is_away = False
    assert resume_due(store, runs, at=at + SECOND) == 1


def test_a_run_that_stays_busy_is_asked_less_and_less_often(store: Store) -> None:
    runs = Runs(*[RunState.BUSY] * 100)
    suspend(store, 2)
    finish_tasks(store, 3)
    at = store.now()
    for second in range(600):
        resume_due(store, runs, at=at + second * SECOND)
    assert 15 < len(runs.resumed) < 30


def test_a_run_whose_deadline_has_passed_is_resumed(store: Store) -> None:
    runs = Runs()
    suspend(store, 1, timeout=MINUTE)
    at = store.now()
    assert resume_due(store, runs, at=at + 50 * SECOND) == 0
    assert resume_due(store, runs, at=at + MINUTE) == 1


def test_a_deadline_counts_from_the_first_time_that_the_body_ran(store: Store) -> None:
    first = begin_wait(store, "wait", RUN, [1], timeout=MINUTE)
    again = begin_wait(store, "wait", RUN, [1], timeout=2 * MINUTE)
    assert again == first
    assert begin_suspension(store, first) == "wait 1"
    assert begin_suspension(store, first) == "wait 2", "Prefect takes each key once"


def test_a_run_whose_group_is_undone_is_resumed_to_hear_of_it(store: Store) -> None:
    runs = Runs()
    suspend(store, 1, 2)
    undo_group(store, 2, by="ann", at=store.now())
    assert resume_due(store, runs, at=store.now()) == 1
    with pytest.raises(GroupUndoneError) as caught:
        look(store, [1, 2]).check_undone()
    assert str(caught.value) == (
        "group 2 was undone by ann while it was awaited: 1 task removed; seed it again, or wait "
        "for another"
    )


def test_a_wait_that_is_over_is_remembered_for_a_body_that_runs_again(store: Store) -> None:
    wait = begin_wait(store, "wait", RUN, [1], timeout=None)
    end_wait(store, wait, Outcome.TIMED_OUT)
    end_wait(store, wait, Outcome.FINISHED)
    assert begin_wait(store, "wait", RUN, [1], timeout=None).outcome == "timed_out"
    finish_tasks(store, 2)
    assert resume_due(store, Runs(), at=store.now()) == 0


def test_a_reopened_group_is_awaited_again(store: Store) -> None:
    runs = Runs()
    move.set_status(store, 3, TaskStatus.WITHDRAWN, at=store.now())
    suspend(store, 2)
    assert resume_due(store, runs, at=store.now()) == 1
    move.set_status(store, 3, TaskStatus.PENDING, at=store.now())
    suspend(store, 2)  # the body has run again and found the group open
    assert resume_due(store, runs, at=store.now() + MINUTE) == 0
    finish_tasks(store, 3)
    assert resume_due(store, runs, at=store.now() + MINUTE) == 1


def test_a_crashed_run_is_started_again_a_few_times(store: Store) -> None:
    runs = Runs(*[RunState.CRASHED] * 10)
    suspend(store, 2)
    finish_tasks(store, 3)
    at = store.now()
    for minute in range(10):
        resume_due(store, runs, at=at + minute * MINUTE)
    assert runs.restarted == [RUN] * MAX_RESTARTS
    with store.read() as session:
        assert list_flow_runs(session) == []


def test_the_waits_of_runs_that_have_ended_are_removed(store: Store) -> None:
    runs = Runs(RunState.ENDED)
    for run in ("one", "two", "three"):
        suspend(store, 2 if run == "one" else 1, run=run)
    finish_tasks(store, 1)
    move.set_status(store, 3, TaskStatus.WITHDRAWN, at=store.now())
    assert resume_due(store, runs, at=store.now()) == 0
    runs.ended = {"two"}
    assert remove_ended_waits(store, runs) == 1
    with store.read() as session:
        assert list_flow_runs(session) == ["three"]


def test_relays_at_once_ask_for_a_run_once(store: Store) -> None:
    runs = Runs()
    suspend(store, 2)
    finish_tasks(store, 3)
    at = store.now()
    with ThreadPoolExecutor(4) as pool:
        resumed = list(pool.map(lambda _: resume_due(store, runs, at=at), range(4)))
    assert (sum(resumed), runs.resumed) == (1, [RUN])


def test_a_relay_resumes_although_events_cannot_be_sent(store: Store) -> None:
    def refuse(_: object) -> None:
        raise PrefectUnavailableError("the event bus is dead")

    runs = Runs()
    suspend(store, 2)
    finish_tasks(store, 3)
    with Relay(store, refuse, runs, every_seconds=0.01):
        wait_until(lambda: runs.resumed == [RUN])


def test_a_wait_in_place_shows_how_far_it_is(store: Store) -> None:
    shown: list[tuple[int, int]] = []
    seen = wait_in_place(
        store,
        [1],
        timeout=None,
        on_progress=lambda progress: shown.append((progress.done, progress.total)),
        sleep=lambda _: finish_tasks(store, 1),
    )
    assert (seen.is_finished, shown) == (True, [(0, 2), (1, 2), (2, 2)])


def test_a_wait_in_place_ends_with_the_time(store: Store) -> None:
    clock = iter(range(100))
    move.set_status(store, 1, TaskStatus.ESCALATED, at=store.now())
    seen = wait_in_place(store, [1, 2], timeout=3, clock=lambda: next(clock), sleep=lambda _: None)
    assert not seen.is_finished
    assert seen.sentence == "group 1: 0 of 2 tasks done (1 escalated); group 2: 0 of 1 task done"


def test_a_missing_group_is_named(store: Store) -> None:
    with pytest.raises(NotFoundError, match="there is no group 9"):
        wait_in_place(store, [1, 9], timeout=None)


@pytest.fixture
def configured(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store, named by the settings of this process."""
    monkeypatch.setenv(
        "SEEDING_DATABASE_URL", store.engine.url.render_as_string(hide_password=False)
    )
    return store


def test_a_program_waits_for_the_groups_of_reports_and_ids(configured: Store) -> None:
    finish_tasks(configured, 3)
    report = Report(group_id=1, pipeline_id=1, source="people.csv")
    assert tasks_lib.wait_for_group(report, 2, report.model_dump())


def test_a_report_without_a_group_leaves_nothing_to_wait_for() -> None:
    assert tasks_lib.wait_for_group(Report(pipeline_id=1, source="people.csv"))


def test_a_program_is_told_that_the_time_is_over(configured: Store) -> None:
    with pytest.raises(GroupTimedOutError) as caught:
        tasks_lib.wait_for_group(1, timeout=0)
    assert str(caught.value) == "not finished in 0 seconds: group 1: 0 of 2 tasks done"
    assert not tasks_lib.wait_for_group(1, timeout=timedelta(0), on_timeout="partial")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tasks_lib.wait_for_group(1, timeout=-1), "timeout is -1; it must be 0 or more"),
        (lambda: tasks_lib.wait_for_group("1"), "a group is str; give the report"),  # type: ignore[arg-type]
        (
            lambda: tasks_lib.wait_for_group(1, on_timeout="stop"),  # type: ignore[arg-type]
            "on_timeout is 'stop'; it must be 'raise' or 'partial'",
        ),
    ],
)
def test_a_wrong_argument_is_a_usage_error(call: Callable[[], bool], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()
