"""A client of the Prefect server: check it, post events, start deployments, update artifacts."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

import httpx
import prefect
from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import (
    ArtifactCollectionFilter,
    ArtifactCollectionFilterKey,
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType, WorkPoolStatus
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.logging.configuration import setup_logging
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.settings import (
    PREFECT_CLIENT_MAX_RETRIES,
    get_current_settings,
    temporary_settings,
)
from prefect.utilities.urls import url_for

from tasks_lib.domain.events import Event
from tasks_lib.domain.report import Report
from tasks_lib.errors import PrefectNotReadyError, PrefectUnavailableError, SeedingError
from tasks_lib.operations.groups.read import find_report
from tasks_lib.store.engine import Store

T = TypeVar("T")

_POLL_SECONDS: Final = 0.5
_WORKER_SECONDS: Final = 10.0
"""A worker polls at least as often."""
_EVENTS_SECONDS: Final = 10.0
_DIFFERENCE: Final = timedelta(seconds=5)
_PREFECT_FOLDER: Final = str(Path(prefect.__file__).parent)
"""A larger difference between the server's clock and ours counts."""


class RunFailedError(SeedingError):
    """A deployed flow run failed or was cancelled, and would fail again."""

    code = "run_failed"


def api_url() -> str | None:
    """Return the API that Prefect's own settings name (environment or profile), or None."""
    return get_current_settings().api.url


def check_server() -> datetime:
    """Return the server's time; raise PrefectUnavailableError if it does not answer.

    Times that the server or other machines compare must not come from this machine's clock. Raises
    PrefectNotReadyError where no server is configured. A busy server has as much time as Prefect's
    own client would give it.
    """
    url = api_url()
    if url is None:
        raise PrefectNotReadyError(
            "no Prefect server is configured; run `prefect server start` and set PREFECT_API_URL"
        )
    try:
        timeout = get_current_settings().api.request_timeout
        answer = httpx.get(f"{url}/health", timeout=timeout).raise_for_status()
    except httpx.HTTPError as error:
        raise PrefectUnavailableError(
            f"the Prefect server {url} does not answer: {error}"
        ) from None
    return _read_clock(answer.headers.get("Date"))


def _read_clock(date: str | None) -> datetime:
    """Return the server's time; it has whole seconds only, so a small difference means nothing."""
    now = datetime.now(UTC)
    if date is None:
        return now
    theirs = parsedate_to_datetime(date)
    return now if abs(theirs - now) < _DIFFERENCE else theirs


def silence_console() -> None:
    """Keep Prefect's log off this process's terminal; the server still gets it."""
    setup_logging()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler):
            handler.addFilter(lambda record: not _is_of_prefect(record))


def _is_of_prefect(record: logging.LogRecord) -> bool:
    """Tell records of Prefect's loggers, and of its workers, which are named by their class."""
    return record.name.startswith("prefect.") or record.pathname.startswith(_PREFECT_FOLDER)


def post_events(events: Sequence[Event]) -> None:
    """Send events to the server; raise PrefectUnavailableError unless it accepts them."""
    occurred = datetime.now(UTC).isoformat()
    bodies = [event._asdict() | {"id": str(event.id), "occurred": occurred} for event in events]
    if api_url() is None:
        check_server()
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),  # the caller retries by itself
        get_client(sync_client=True, httpx_settings={"timeout": _EVENTS_SECONDS}) as client,
    ):
        try:
            client.request("POST", "/events", json=bodies)
        except httpx.HTTPError as error:
            raise PrefectUnavailableError(
                f"the Prefect server {api_url()} did not take events: {error}"
            ) from None


def start_deployment(name: str, parameters: dict[str, Any], *, idempotency_key: str) -> UUID:
    """Start the deployment ``name/name``, once per idempotency key, and return the run's id.

    Raises PrefectUnavailableError when the server does not answer, and PrefectNotReadyError when
    the deployment is missing.
    """
    check_server()
    with get_client(sync_client=True) as client, translate_errors():
        return _start(client, name, parameters, idempotency_key)


def has_run(name: str) -> bool:
    """Tell whether the deployment ``name/name`` has a run that works or is due to start.

    Raises PrefectUnavailableError.
    """
    now = check_server()
    begun = FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING])
    due = FlowRunFilterExpectedStartTime(before_=now)
    with get_client(sync_client=True) as client, translate_errors():
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=begun), expected_start_time=due
            ),
            limit=1,
        )
    return bool(runs)


def deployment_around() -> list[dict[str, str]]:
    """Return the deployment of the run that has called this flow, as a related resource.

    Prefect relates an event only to the deployment of its own run, which a subflow does not have.
    Returns an empty list outside of a subflow.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None or run.parent_task_run_id is None:
        return []
    with get_client(sync_client=True) as client, translate_errors():
        outer = client.read_flow_run(UUID(runtime.flow_run.root_flow_run_id))
        if outer.deployment_id is None:
            return []
        name = client.read_deployment(outer.deployment_id).name
    return [
        {
            "prefect.resource.id": f"prefect.deployment.{outer.deployment_id}",
            "prefect.resource.role": "deployment",
            "prefect.resource.name": name,
        }
    ]


def keep_artifact(key: str, markdown: str, description: str) -> None:
    """Update the artifact of this key in place, or create it.

    Raises PrefectUnavailableError.
    """
    check_server()
    named = ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(any_=[key]))
    with get_client(sync_client=True) as client, translate_errors():
        latest = client.read_latest_artifacts(artifact_filter=named)
        if not latest:
            client.create_artifact(
                ArtifactCreate(key=key, type="markdown", data=markdown, description=description)
            )
        elif latest[0].data != markdown:
            client.update_artifact(latest[0].latest_id, ArtifactUpdate(data=markdown))


def is_waiting(flow_run_id: UUID) -> bool:
    """Tell whether a run has not started yet; raise PrefectUnavailableError."""
    check_server()
    with get_client(sync_client=True) as client, translate_errors():
        try:
            state = client.read_flow_run(flow_run_id).state
        except ObjectNotFound:
            return False
        return state is not None and (state.is_scheduled() or state.is_pending())


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise PrefectUnavailableError for an HTTP error of the block."""
    try:
        yield
    except httpx.HTTPError as error:
        raise PrefectUnavailableError(
            f"the Prefect server {api_url()} does not answer: {error}"
        ) from None


def find_deployment_id(client: SyncPrefectClient, name: str) -> UUID:
    """Return the id of the deployment ``flow/deployment``; raise PrefectNotReadyError."""
    try:
        return client.read_deployment_by_name(name).id
    except ObjectNotFound:
        raise PrefectNotReadyError(
            f"the Prefect server has no deployment {name}; register it with: seeding deploy"
        ) from None


def _start(
    client: SyncPrefectClient,
    name: str,
    parameters: dict[str, Any],
    idempotency_key: str | None = None,
) -> UUID:
    run = client.create_flow_run_from_deployment(
        find_deployment_id(client, f"{name}/{name}"),
        parameters=parameters,
        idempotency_key=idempotency_key or uuid4().hex,  # the client may ask twice
    )
    return run.id


def run_seeding(
    name: str,
    parameters: dict[str, Any],
    store: Store,
    notify: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run the deployment of a seeding; return the report that its run has saved in the store.

    See ``run_deployment``.
    """
    return run_deployment(name, parameters, partial(find_report, store), notify)


def run_deployment(
    name: str,
    parameters: dict[str, Any],
    find: Callable[[str], T | None],
    notify: Callable[[str], None] = lambda _: None,
) -> T:
    """Run the deployment ``name/name``; return what ``find`` finds for the id of its run.

    ``notify`` is called with the URL of the run's page, with the name of each state that the run
    enters, and once if no worker takes it. Raises PrefectUnavailableError when the server does not
    answer, and PrefectNotReadyError when it has no such deployment. Without a report, raises an
    error with the run's last message: RunFailedError if the run failed for a reason that stays,
    else one of these.
    """
    check_server()
    with get_client(sync_client=True) as client:
        with translate_errors():
            run_id = _start(client, name, parameters)
        notify(url_for("flow-run", run_id) or str(run_id))
        state = _wait(client, run_id, notify)
    report = find(str(run_id))
    if report is None:
        raise error_of(run_id, state)
    return report


def error_of(run_id: UUID, state: State[Any]) -> SeedingError:
    """Return the error for a run that ended in this state and saved no report.

    ``outcomes`` notes in the state whether the run failed because something was unreachable.
    """
    message = (
        f"the flow run {run_id} ended as {state.name} and left no report in this store: "
        f"{state.message or 'no message'}"
    )
    if state.is_crashed() or (state.is_failed() and state.state_details.retriable):
        return PrefectUnavailableError(message)
    if state.is_completed():
        return PrefectNotReadyError(message)  # its worker writes to another store
    return RunFailedError(message)


def _wait(client: SyncPrefectClient, run_id: UUID, notify: Callable[[str], None]) -> State[Any]:
    """Return the run's final state; raise PrefectUnavailableError if the server stays away."""
    last_name, missed_at = None, time.monotonic() + _WORKER_SECONDS
    while True:
        run = _read_run(client, run_id)
        state = run.state
        if state is not None and state.name != last_name:
            last_name = state.name
            notify(state.name or state.type.value)
        if state is not None and state.is_final():
            return state
        if time.monotonic() >= missed_at and (state is None or state.is_scheduled()):
            obstacle = _why_waiting(client, run)
            if obstacle is not None:
                notify(obstacle)
            missed_at = math.inf if obstacle is not None else time.monotonic() + _WORKER_SECONDS
        time.sleep(_POLL_SECONDS)


def _read_run(client: SyncPrefectClient, run_id: UUID) -> FlowRun:
    """Return the run; Prefect's client gives a server that is restarted about a minute."""
    try:
        return client.read_flow_run(run_id)
    except httpx.HTTPError as error:
        raise PrefectUnavailableError(
            f"the Prefect server {api_url()} does not answer: {error}; the flow run {run_id} may "
            "go on without it"
        ) from None


def _why_waiting(client: SyncPrefectClient, run: FlowRun) -> str | None:
    """Return why no worker takes the run, if its work pool shows the reason."""
    pool = run.work_pool_name
    if pool is None:
        return None
    with translate_errors():
        status = client.read_work_pool(pool).status
    if status is WorkPoolStatus.PAUSED:
        return f"the work pool {pool} is paused; resume it in the Prefect UI"
    if status is WorkPoolStatus.NOT_READY:
        return (
            f"no worker takes runs of the work pool {pool}; "
            f"start one with: prefect worker start --pool {pool}"
        )
    return None
