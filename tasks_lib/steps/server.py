"""Talk to the Prefect server: is there one, run a deployment on it, keep something on a page."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import ArtifactCollectionFilter, ArtifactCollectionFilterKey
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.settings import (
    PREFECT_CLIENT_MAX_RETRIES,
    get_current_settings,
    temporary_settings,
)
from prefect.utilities.urls import url_for

from tasks_lib.domain.events import Event
from tasks_lib.domain.report import Report
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations import queries
from tasks_lib.store.engine import Store

_POLL_SECONDS: Final = 0.5
_EVENTS_SECONDS: Final = 10.0


def api_url() -> str | None:
    """Return the API that Prefect's own settings name (environment or profile), or None."""
    return get_current_settings().api.url


def check_server() -> None:
    """Raise PrefectUnavailableError unless the configured server answers.

    One that is busy is waited for as long as Prefect's own client would wait.
    """
    url = api_url()
    if url is None:
        raise PrefectUnavailableError(
            "no Prefect server is configured; set PREFECT_API_URL, or start one with: make up"
        )
    try:
        patience = get_current_settings().api.request_timeout
        httpx.get(f"{url}/health", timeout=patience).raise_for_status()
    except httpx.HTTPError as error:
        raise PrefectUnavailableError(
            f"the Prefect server {url} does not answer: {error}"
        ) from None


def post_events(events: Sequence[Event]) -> None:
    """Hand events to the server; return once it has them, raise PrefectUnavailableError if not."""
    occurred = datetime.now(UTC).isoformat()
    bodies = [event._asdict() | {"id": str(event.id), "occurred": occurred} for event in events]
    if api_url() is None:
        check_server()
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),  # who calls comes again by itself
        get_client(sync_client=True, httpx_settings={"timeout": _EVENTS_SECONDS}) as client,
    ):
        try:
            client.request("POST", "/events", json=bodies)
        except httpx.HTTPError as error:
            raise PrefectUnavailableError(
                f"the Prefect server {api_url()} did not take events: {error}"
            ) from None


def start_deployment(name: str, parameters: dict[str, Any], *, idempotency_key: str) -> UUID:
    """Start the deployment ``name/name``, once for the key, and return the run's id.

    Raises PrefectUnavailableError when the server does not answer or the deployment is missing.
    """
    check_server()
    with get_client(sync_client=True) as client, _answering():
        return _start(client, name, parameters, idempotency_key)


def keep_artifact(key: str, markdown: str, description: str) -> None:
    """Bring the artifact of this key up to date, in place; make it if there is none.

    Raises PrefectUnavailableError.
    """
    check_server()
    named = ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(any_=[key]))
    with get_client(sync_client=True) as client, _answering():
        kept = client.read_latest_artifacts(artifact_filter=named)
        if not kept:
            client.create_artifact(
                ArtifactCreate(key=key, type="markdown", data=markdown, description=description)
            )
        elif kept[0].data != markdown:
            client.update_artifact(kept[0].latest_id, ArtifactUpdate(data=markdown))


def is_waiting(flow_run_id: UUID) -> bool:
    """Tell whether a run has not begun yet; raise PrefectUnavailableError."""
    check_server()
    with get_client(sync_client=True) as client, _answering():
        try:
            state = client.read_flow_run(flow_run_id).state
        except ObjectNotFound:
            return False
        return state is not None and (state.is_scheduled() or state.is_pending())


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        raise PrefectUnavailableError(
            f"the Prefect server {api_url()} does not answer: {error}"
        ) from None


def _start(
    client: SyncPrefectClient,
    name: str,
    parameters: dict[str, Any],
    idempotency_key: str | None = None,
) -> UUID:
    try:
        deployment = client.read_deployment_by_name(f"{name}/{name}")
    except ObjectNotFound:
        raise PrefectUnavailableError(
            f"the Prefect server has no deployment {name}/{name}; "
            "deploy it with: prefect --no-prompt deploy --all"
        ) from None
    run = client.create_flow_run_from_deployment(
        deployment.id, parameters=parameters, idempotency_key=idempotency_key
    )
    return run.id


def run_seeding(
    name: str,
    parameters: dict[str, Any],
    store: Store,
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run the deployment ``name/name``; return the report that its run has left in the store.

    ``tell`` hears where the run's page is, and the name of each state that the run comes to. Raises
    PrefectUnavailableError when the server does not answer, when it has no such deployment, and,
    with the run's last message, when there is no report.
    """
    check_server()
    with get_client(sync_client=True) as client:
        run_id = _start(client, name, parameters)
        tell(url_for("flow-run", run_id) or str(run_id))
        state = _wait(client, run_id, tell)
    report = queries.find_report(store, str(run_id))
    if report is None:
        raise PrefectUnavailableError(
            f"the flow run {run_id} ended as {state.name} and left no report in this store: "
            f"{state.message or 'no message'}"
        )
    return report


def _wait(client: SyncPrefectClient, run_id: UUID, tell: Callable[[str], None]) -> State[Any]:
    told = None
    while True:
        state = client.read_flow_run(run_id).state
        if state is not None and state.name != told:
            told = state.name
            tell(state.name or state.type.value)
        if state is not None and state.is_final():
            return state
        time.sleep(_POLL_SECONDS)
