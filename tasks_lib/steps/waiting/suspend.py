"""Wait for groups in a flow run: suspended in a deployed one, in place in any other."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from prefect.context import FlowRunContext, TaskRunContext
from prefect.flow_runs import suspend_flow_run

from tasks_lib.errors import PrefectUnavailableError, UsageError
from tasks_lib.operations.waiting.look import Look, look
from tasks_lib.operations.waiting.suspended import (
    Outcome,
    begin_suspension,
    begin_wait,
    end_wait,
)
from tasks_lib.steps.artifacts import publish_groups
from tasks_lib.steps.prefect_api import deployment_around, translate_errors
from tasks_lib.steps.runs.acts import act_id
from tasks_lib.steps.runs.outcomes import run_logger
from tasks_lib.steps.runs.workspace import open_configured_workspace
from tasks_lib.steps.waiting.suspended_runs import note_heartbeats
from tasks_lib.store.engine import Store
from tasks_lib.store.groups.group_waits import StoredWait


def is_deployed() -> bool:
    """Tell whether the current flow run, or the one around it, is a deployment's."""
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    return run is not None and (run.deployment_id is not None or bool(deployment_around()))


def wait_suspended(group_ids: Sequence[int], *, timeout: timedelta | None, raises: bool) -> bool:
    """Suspend the flow run until the groups are finished; return False if the time is over.

    With ``raises``, GroupTimedOutError is raised then. Raises GroupUndoneError, NotFoundError, and
    UsageError where a run cannot be suspended. When the run is resumed, the body of the flow runs
    again from its beginning and comes here again.
    """
    run_id = _suspendable_run()
    with open_configured_workspace() as workspace:
        store = workspace.store
        names = ",".join(map(str, group_ids))
        wait = begin_wait(store, act_id(f"wait {names}"), run_id, group_ids, timeout=timeout)
        if wait.outcome is None:
            with _without_failing():
                note_heartbeats(run_id)
        while True:
            seen = look(store, group_ids)
            if wait.outcome is None:
                seen.check_undone()
            outcome = _outcome_of(store, wait, seen)
            if outcome is not None:
                _record_end(store, wait, outcome, seen)
                return _finish(outcome, seen, timeout, raises=raises)
            run_logger().info("Waiting for %s.", seen.sentence)
            _show(seen, "The groups that the run waits for, when it was suspended")
            key = begin_suspension(store, wait)
            suspend_flow_run(timeout=None, key=key)  # leaves the process by an exception


def _record_end(store: Store, wait: StoredWait, outcome: Outcome, seen: Look) -> None:
    if wait.outcome is None:
        end_wait(store, wait, outcome)
        _show(seen, "The groups that the run waited for, when it went on")


def _show(seen: Look, description: str) -> None:
    with _without_failing():
        publish_groups(seen, description)


@contextmanager
def _without_failing() -> Iterator[None]:
    """Log that Prefect did not take what the wait can do without, for example since it is busy."""
    try:
        with translate_errors():
            yield
    except PrefectUnavailableError as error:
        run_logger().warning("%s; the run waits all the same", error)


def _outcome_of(store: Store, wait: StoredWait, seen: Look) -> Outcome | None:
    if wait.outcome is not None:
        return Outcome(wait.outcome)
    if seen.is_finished:
        return Outcome.FINISHED
    is_over = wait.deadline is not None and store.now() >= wait.deadline
    return Outcome.TIMED_OUT if is_over else None


def _finish(outcome: Outcome, seen: Look, timeout: timedelta | None, *, raises: bool) -> bool:
    if outcome is Outcome.FINISHED:
        return True
    if raises:
        raise seen.timed_out(timeout)
    run_logger().warning("The time is over; %s.", seen.sentence)
    return False


def _suspendable_run() -> str:
    """Return the id of the current flow run; raise UsageError if it cannot be suspended."""
    context = FlowRunContext.get()
    flow = context.flow if context is not None else None
    run = context.flow_run if context is not None else None
    if TaskRunContext.get() is not None or flow is None or run is None:
        raise UsageError(
            "wait_for_group was called in a task; call it in the body of the flow, which is what "
            "Prefect can suspend"
        )
    if run.parent_task_run_id is not None:
        raise UsageError(
            f"wait_for_group was called in the subflow {flow.name}; call it in the flow of the "
            "deployment, which is what Prefect can suspend"
        )
    if flow.isasync:
        raise UsageError(
            f"wait_for_group was called in the flow {flow.name}, which is defined with async def; "
            "define it with def, or run the waiting part as a flow of its own"
        )
    retries = run.empirical_policy.retries or flow.retries or 0
    if retries:
        raise UsageError(
            f"the flow {flow.name} has retries={retries}, and Prefect does not resume a run that "
            "it has retried; set retries=0 on the flow, and retries on its tasks"
        )
    return str(run.id)
