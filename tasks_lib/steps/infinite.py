"""The step of the sensor flow: it watches claims, and shows on one artifact what it does."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from prefect import runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.announcing import announce_due
from tasks_lib.operations.infinite_sensor import Ended, LastHour, Sensor, is_wanted
from tasks_lib.operations.topping_up import top_up_all
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.outcomes import TRIED_AGAIN
from tasks_lib.steps.server import post_events, start_deployment
from tasks_lib.store.engine import Store

logger = logging.getLogger(__name__)
DEPLOYMENT: Final = "infinite-seeding"
_KEY: Final = "seeding-infinite"
_REFRESHED: Final = timedelta(seconds=30)


@task(task_run_name="watch claims", **TRIED_AGAIN)
def watch(minutes: int, takes_over: str) -> Ended:
    """Watch until the time is over, and have the next sensor started then."""
    name = runtime.flow_run.id or str(uuid4())
    with open_workspace(read_settings()) as workspace:
        sensor = Sensor(
            workspace.store,
            name,
            takes_over,
            life=timedelta(minutes=minutes),
            hand_over=lambda: start_next(name),
            tell=LastHourArtifact(workspace.store),
        )
        return sensor.run()


@task(task_run_name="top up", **TRIED_AGAIN)
def top_up_once() -> Ended:
    """Make what is missing now."""
    with open_workspace(read_settings()) as workspace:
        made = top_up_all(workspace.store, at=datetime.now(UTC))
        _announce(workspace.store)
    return Ended(made, "looked once")


def start_next(predecessor: str) -> None:
    """Start the sensor that takes a place, once; where that fails, reconcile will start one."""
    try:
        start_deployment(
            DEPLOYMENT, {"takes_over": predecessor}, idempotency_key=f"{DEPLOYMENT}-{predecessor}"
        )
    except PrefectUnavailableError as error:
        logger.warning("%s; reconcile will start the next sensor", error)


def ensure_sensor(store: Store) -> None:
    """Start a sensor if pipelines are to be watched and nobody does; a failure is only told."""
    at = datetime.now(UTC)
    if not is_wanted(store, at=at):
        return
    try:
        start_deployment(DEPLOYMENT, {}, idempotency_key=f"{DEPLOYMENT}-{at:%Y%m%d%H%M}")
    except PrefectUnavailableError as error:
        logger.warning("%s; pipelines are topped up every minute meanwhile", error)


def finished(ended: Ended) -> State[Any]:
    """Return the state in which the run ends: what was made, in a sentence."""
    return Completed(message=ended.sentence, data={"made": ended.made, "why": ended.why})


class LastHourArtifact:
    """An artifact on the run's page that is updated in place; and the events that are due."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._artifact_id: UUID | None = None
        self._shown_at: datetime | None = None
        self._shown: LastHour | None = None

    def __call__(self, hour: LastHour) -> None:
        """Show it, at most every half a minute and only if it is another."""
        now = datetime.now(UTC)
        if self._shown_at is not None and now < self._shown_at + _REFRESHED:
            return
        _announce(self._store)
        if hour == self._shown:
            return
        self._shown, self._shown_at = hour, now
        if self._artifact_id is None:
            created = create_markdown_artifact(
                markdown(hour), key=_KEY, description="Infinite seeding, the last hour"
            )
            assert isinstance(created, UUID)  # noqa: S101 - not a coroutine: we are not in a loop
            self._artifact_id = created
            return
        with get_client(sync_client=True) as client:
            client.update_artifact(self._artifact_id, ArtifactUpdate(data=markdown(hour)))


def markdown(hour: LastHour) -> str:
    """Return the last hour as Markdown."""
    return "\n".join(
        [
            "## Infinite seeding",
            "",
            "| in the last hour | |",
            "| --- | --- |",
            f"| claims seen | {hour.claims:,} |",
            f"| tasks made | {hour.made:,} |",
            f"| pipelines watched | {hour.watched:,} |",
            f"| of them at their target | {hour.at_target:,} |",
        ]
    )


def _announce(store: Store) -> None:
    """Tell Prefect of what was made; what it does not take, reconcile tells."""
    try:
        announce_due(store, post_events, at=datetime.now(UTC))
    except PrefectUnavailableError as error:
        logger.warning("%s; reconcile will announce what was made", error)
