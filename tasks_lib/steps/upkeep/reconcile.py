"""The steps of the upkeep flow: it does the work that events and other runs have left undone."""

from contextlib import suppress
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from prefect import runtime
from prefect.client.schemas.objects import State

from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.chains.drain import StandIn
from tasks_lib.operations.upkeep import reconcile as operation
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.operations.upkeep.reconcile import Reconciled
from tasks_lib.operations.upkeep.rounds import TAKEN_OVER, Chore, Rounds
from tasks_lib.operations.uploads.process import process_upload
from tasks_lib.operations.waiting.suspended import list_resuming, resume_due
from tasks_lib.operations.workspace import Workspace
from tasks_lib.settings import Settings, read_settings
from tasks_lib.steps.automations import follow_switches
from tasks_lib.steps.chains import draw
from tasks_lib.steps.forms.choices import refresh_choices
from tasks_lib.steps.infinite import ensure_sensor
from tasks_lib.steps.prefect_api import has_run, post_events
from tasks_lib.steps.runs.outcomes import completed_state, run_logger, step
from tasks_lib.steps.runs.workspace import open_configured_workspace
from tasks_lib.steps.upkeep import standby
from tasks_lib.steps.upkeep.dead_runs import crash_dead_runs
from tasks_lib.steps.upkeep.dead_waiting_runs import crash_dead_waiting_runs
from tasks_lib.steps.upkeep.old_runs import delete_old_runs
from tasks_lib.steps.upkeep.standby import Standby
from tasks_lib.steps.uploads import start_flow_run
from tasks_lib.steps.waiting.suspended_runs import WaitingRuns

DEPLOYMENT: Final = "reconcile"
MINUTES: Final = 60
"""How long a run stays before the next one takes over."""

_SECOND: Final = timedelta(seconds=1)
_SWEEP: Final = timedelta(seconds=20)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)


@step("reconcile")
def reconcile(*, cleans_up: bool) -> Reconciled:
    """Reconcile the workspace that the environment names, once."""
    settings = read_settings()
    with open_configured_workspace(settings) as workspace:
        draw(workspace)
        refresh_choices(workspace.store)
        return _sweep(workspace, settings, cleans_up=cleans_up)


@step("keep up")
def keep_up(minutes: int, takes_over: str, *, cleans_up: bool) -> str:
    """Reconcile again and again until the time is over; return why it has ended."""
    settings = read_settings()
    name = runtime.flow_run.id or str(uuid4())
    successor = Standby(DEPLOYMENT, {"minutes": minutes, "clean_up": cleans_up, "takes_over": name})
    with open_configured_workspace(settings) as workspace:
        chains = StandIn(workspace, on_pass=lambda: follow_switches(workspace.store))
        chores = [
            Chore(successor.put_off, standby.EVERY),
            Chore(lambda: _announce(workspace), _SECOND),
            Chore(chains.fire, _SECOND),
            Chore(lambda: _sweep_and_log(workspace, settings, cleans_up=False), _SWEEP),
            Chore(lambda: draw(workspace), _MINUTE),
            Chore(lambda: refresh_choices(workspace.store), _MINUTE),
            Chore(crash_dead_runs, _MINUTE),
            Chore(lambda: crash_dead_waiting_runs(list_resuming(workspace.store)), _MINUTE),
            Chore(lambda: delete_old_runs(settings.upkeep_run_age), _HOUR),
        ]
        if cleans_up:
            chores.append(Chore(lambda: _sweep_and_log(workspace, settings, cleans_up=True), _HOUR))
        rounds = Rounds(
            workspace.store,
            name,
            chores,
            life=timedelta(minutes=minutes),
            hand_over=successor.start,
            takes_over=takes_over,
            why_stop=lambda: "the deployment is paused" if successor.is_paused else None,
        )
        try:
            why = rounds.run()
        except Exception:
            _cancel(successor)  # it would meet the same defect; the schedule tries again later
            raise
        if why == TAKEN_OVER:
            _cancel(successor)
        return why


def ensure_upkeep() -> None:
    """Start upkeep unless a run does it or is due to start; raise PrefectUnavailableError."""
    if not has_run(DEPLOYMENT):
        Standby(DEPLOYMENT, {"minutes": MINUTES}, delays=(standby.NOW, standby.SOON)).put_off()


def _cancel(successor: Standby) -> None:
    with suppress(PrefectUnavailableError):  # then it starts, and ends at once
        successor.cancel()


def end_state(reconciled: Reconciled) -> State[Any]:
    """Return the state in which a run that reconciled once ends."""
    return completed_state(reconciled.sentence, reconciled._asdict())


def stayed_state(why: str) -> State[Any]:
    """Return the state in which a run ends that has stayed."""
    return completed_state(f"Ended: {why}.", {"why": why})


def _announce(workspace: Workspace) -> None:
    resume_due(workspace.store, WaitingRuns(), at=workspace.store.now())
    announce_due(workspace.store, post_events, at=workspace.store.now())


def _sweep_and_log(workspace: Workspace, settings: Settings, *, cleans_up: bool) -> None:
    reconciled = _sweep(workspace, settings, cleans_up=cleans_up)
    if reconciled.has_work:
        run_logger().info(reconciled.sentence)


def _sweep(workspace: Workspace, settings: Settings, *, cleans_up: bool) -> Reconciled:
    follow_switches(workspace.store)
    ensure_sensor(workspace.store)
    return operation.reconcile(
        workspace,
        post_events,
        WaitingRuns(),
        process=start_flow_run if settings.api_executor != "inline" else process_upload,
        now=workspace.store.now(),
        cleans_up=cleans_up,
        grace=settings.unused_file_grace,
    )
