"""The steps of the sensor flow: watch claims, top up pipelines, and show the last hour's work."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from prefect import runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.objects import State

from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.infinite.sensor import LastHour, Sensor, SensorResult, is_sensor_missing
from tasks_lib.operations.infinite.top_up import top_up_all
from tasks_lib.steps.announcing import announce
from tasks_lib.steps.prefect_api import start_deployment
from tasks_lib.steps.runs.outcomes import completed_state, step
from tasks_lib.steps.runs.workspace import open_configured_workspace
from tasks_lib.store.engine import Store

logger = logging.getLogger(__name__)
DEPLOYMENT: Final = "infinite-seeding"
_KEY: Final = "seeding-infinite"
_UPDATE_SECONDS: Final = 30.0


@step("watch claims")
def watch(minutes: int, takes_over: str) -> SensorResult:
    """Watch until the time is over, then start the next sensor."""
    name = runtime.flow_run.id or str(uuid4())
    with open_configured_workspace() as workspace:
        sensor = Sensor(
            workspace.store,
            name,
            takes_over,
            life=timedelta(minutes=minutes),
            hand_over=lambda: start_next(name),
            show=LastHourArtifact(workspace.store),
        )
        return sensor.run()


@step("top up")
def top_up_once() -> SensorResult:
    """Create the missing tasks once."""
    with open_configured_workspace() as workspace:
        created = top_up_all(workspace.store, at=workspace.store.now())
        announce(workspace.store)
    return SensorResult(created, "checked once")


def start_next(predecessor: str) -> None:
    """Start the sensor's successor, once; if that fails, ``reconcile`` starts one."""
    try:
        start_deployment(
            DEPLOYMENT, {"takes_over": predecessor}, idempotency_key=f"{DEPLOYMENT}-{predecessor}"
        )
    except PrefectUnavailableError as error:
        logger.warning("%s; reconcile will start the next sensor", error)


def ensure_sensor(store: Store) -> None:
    """Start a sensor if pipelines need one and none runs; a failure is only logged."""
    at = store.now()
    if not is_sensor_missing(store, at=at):
        return
    try:
        start_deployment(DEPLOYMENT, {}, idempotency_key=f"{DEPLOYMENT}-{at:%Y%m%d%H%M}")
    except PrefectUnavailableError as error:
        logger.warning("%s; pipelines are topped up every 20 seconds meanwhile", error)


def end_state(ended: SensorResult) -> State[Any]:
    """Return the state in which the run ends, with a sentence about the tasks that it created."""
    return completed_state(ended.sentence, {"made": ended.made, "why": ended.why})


class LastHourArtifact:
    """Update one artifact on the run's page in place, and publish the events that are due."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._artifact_id: UUID | None = None
        self._shown_at: float | None = None
        self._shown: LastHour | None = None

    def __call__(self, hour: LastHour) -> None:
        """Show the hour if it has changed, at most every 30 seconds."""
        now = self._clock()
        if self._shown_at is not None and now < self._shown_at + _UPDATE_SECONDS:
            return
        announce(self._store)
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
            f"| pipelines watched | {hour.enabled:,} |",
            f"| of them at their target | {hour.at_target:,} |",
        ]
    )
