"""The automations that wake chains: one for each chain, created and updated in place.

An automation is ours if the chain stores its id, or if it has the chain's name and our tag; no
other is touched. Chains also work without them, since ``reconcile`` fires every chain that is due.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import (
    Automation,
    AutomationCore,
    EventTrigger,
    Posture,
)
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from tasks_lib.domain.events import CHAIN_DUE, chain_resource
from tasks_lib.errors import PrefectUnavailableError, UnavailableError
from tasks_lib.operations.chains.manage import Chain, mirror_automations, record_automation
from tasks_lib.steps.prefect_api import api_url, check_server, find_deployment_id
from tasks_lib.store.engine import Store

logger = logging.getLogger(__name__)
DEPLOYMENT: Final = "seed-chain/seed-chain"
TAG: Final = "seeding-chain"


class Checkup(NamedTuple):
    """A chain's automation: the findings, whether it was repaired, and its last events."""

    chain: Chain
    findings: tuple[str, ...]
    last_fired_at: str | None
    last_failure: str | None
    is_repaired: bool = False


def ensure_automation(store: Store, chain: Chain) -> None:
    """Create or update the chain's automation, and store its id with the chain.

    Raises PrefectUnavailableError.
    """
    with _client() as client:
        ours = _find_ours(client, chain)
        wanted = _define(client, chain)
        automation_id = ours[0].id if ours else client.create_automation(wanted)
        if ours:
            client.update_automation(automation_id, wanted)
        for double in ours[1:]:
            client.delete_automation(double.id)
    record_automation(store, chain.id, str(automation_id), is_enabled=wanted.enabled)


def remove_automation(chain: Chain) -> None:
    """Delete the automation of a deleted chain; raise PrefectUnavailableError."""
    with _client() as client:
        for automation in _find_ours(client, chain):
            client.delete_automation(automation.id)


def mirror_switches(store: Store) -> list[int]:
    """Pause and resume the chains whose automations were switched in the UI; return their ids.

    Raises PrefectUnavailableError.
    """
    with _client() as client:
        enabled = {str(automation.id): automation.enabled for automation in _list_all(client)}
    return mirror_automations(store, enabled)


def follow_switches(store: Store) -> None:
    """Pause and resume chains with their automations; if that fails, keep them as they are."""
    try:
        mirror_switches(store)
    except UnavailableError as error:
        logger.warning("%s; chains are paused and resumed as last seen", error)


def examine(store: Store, chains: Sequence[Chain], *, repairs: bool) -> list[Checkup]:
    """Compare chains with the server's automations, and repair ours on request.

    Raises PrefectUnavailableError.
    """
    with _client() as client:
        checkups = [_examine(client, chain) for chain in chains]
    if not repairs:
        return checkups
    for checkup in checkups:
        if checkup.findings:
            ensure_automation(store, checkup.chain)
    return [checkup._replace(is_repaired=bool(checkup.findings)) for checkup in checkups]


def _examine(client: SyncPrefectClient, chain: Chain) -> Checkup:
    ours = _find_ours(client, chain)
    findings = []
    if not ours:
        findings.append("missing: no automation wakes it, so only the sweep fires it")
    elif not _is_alike(ours[0], _define(client, chain)):
        findings.append("changed: the automation is not as it was made")
    if ours and ours[0].enabled is chain.is_paused:
        state = "on, and the chain paused" if ours[0].enabled else "off, and the chain not paused"
        findings.append(f"disabled: the automation is switched {state}")
    if len(ours) > 1:
        findings.append(f"doubled: {len(ours)} automations wake it")
    fired, failed = [
        _find_last_event(client, ours, name)
        for name in ("prefect.automation.triggered", "prefect.automation.action.failed")
    ]
    why = f"{failed['occurred']}: {failed['payload'].get('reason')}" if failed else None
    fired_at = fired["occurred"] if fired else None
    return Checkup(chain, tuple(findings), fired_at, why)


def _find_last_event(
    client: SyncPrefectClient, ours: Sequence[Automation], name: str
) -> dict[str, Any] | None:
    if not ours:
        return None
    resource = {"id": [f"prefect.automation.{ours[0].id}"]}
    query = {"filter": {"event": {"name": [name]}, "resource": resource}, "limit": 1}
    events = client.request("POST", "/events/filter", json=query).json()["events"]
    return dict(events[0]) if events else None


def _find_ours(client: SyncPrefectClient, chain: Chain) -> list[Automation]:
    """Return the chain's automations, the stored one first."""
    namesakes = client.read_automations_by_name(chain.name)
    tagged = [automation for automation in namesakes if _tag(chain) in automation.tags]
    stored = _read(client, UUID(chain.automation_id)) if chain.automation_id else None
    if stored is None:
        return tagged
    return [stored, *(automation for automation in tagged if automation.id != stored.id)]


def _read(client: SyncPrefectClient, automation_id: UUID) -> Automation | None:
    try:
        return client.read_automation(automation_id)
    except ObjectNotFound:
        return None
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND:
            return None
        raise


def _list_all(client: SyncPrefectClient) -> Iterator[Automation]:
    """Yield all of the server's automations, a page at a time."""
    offset = 0
    while page := client.read_automations(limit=200, offset=offset):
        yield from page
        offset += len(page)


def _define(client: SyncPrefectClient, chain: Chain) -> AutomationCore:
    deployment_id = find_deployment_id(client, DEPLOYMENT)
    source = {"prefect.resource.id": f"seeding.pipeline.{chain.source_pipeline_id}"}
    itself = {"prefect.resource.id": chain_resource(chain.id)}
    return AutomationCore(
        name=chain.name,
        description=f"Seeds {chain.target} with the tasks that finish in {chain.source}. "
        f"Switch it off to pause the chain. Chain {chain.id}.",
        enabled=not chain.is_paused,
        tags=["seeding", TAG, _tag(chain)],
        trigger=EventTrigger(
            match=ResourceSpecification(source),
            match_related=ResourceSpecification(itself),
            expect={CHAIN_DUE},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),  # the event is sent only while no run fires chains
        ),
        actions=[
            RunDeployment(
                source="selected", deployment_id=deployment_id, parameters={"chain_id": chain.id}
            )
        ],
    )


def _is_alike(actual: AutomationCore, wanted: AutomationCore) -> bool:
    def parts(automation: AutomationCore) -> dict[str, Any]:
        document = automation.model_dump(
            mode="json", include={"name", "description", "tags", "trigger", "actions"}
        )
        document["trigger"] = {
            name: document["trigger"].get(name)
            for name in ("type", "match", "match_related", "expect", "within")
        }
        document["actions"] = [
            {name: action.get(name) for name in ("type", "deployment_id", "parameters")}
            for action in document["actions"]
        ]
        return document

    return parts(actual) == parts(wanted)


def _tag(chain: Chain) -> str:
    return f"{TAG}-{chain.id}"


@contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    """Open a client of the configured server, whose errors become PrefectUnavailableError."""
    check_server()
    with get_client(sync_client=True) as client:
        try:
            yield client
        except httpx.HTTPError as error:
            raise PrefectUnavailableError(
                f"a request to the Prefect server {api_url()} failed: {error}"
            ) from None
