"""The automations that wake chains: one for each, made and changed in place, nobody else's touched.

An automation is ours if its id is stored at the chain, or if it has the chain's name and our tag.
Chains work without them, by the sweep; so nothing here decides what a chain makes.
"""

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

from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.events import PIPELINE_FINISHED, TASKS_FINISHED
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations import chains
from tasks_lib.operations.chains import Chain
from tasks_lib.steps.server import api_url, check_server
from tasks_lib.store.engine import Store

DEPLOYMENT: Final = "seed-chain/seed-chain"
TAG: Final = "seeding-chain"
WITHIN: Final = timedelta(seconds=5)
"""Events of this time wake one run, which stays for longer than that, see ``steps.chains``."""

_EVENTS: Final = {
    Trigger.TASK_COMPLETION: TASKS_FINISHED,
    Trigger.PIPELINE_COMPLETION: PIPELINE_FINISHED,
}


class Checkup(NamedTuple):
    """A chain beside its automation: what is wrong, what was done, and what it last did."""

    chain: Chain
    findings: tuple[str, ...]
    last_fired_at: str | None
    last_failure: str | None
    is_repaired: bool = False


def ensure_automation(store: Store, chain: Chain) -> None:
    """Make the chain's automation or bring it up to date, and note it at the chain.

    Raises PrefectUnavailableError.
    """
    with _client() as client:
        ours = _ours(client, chain)
        wanted = _wanted(client, chain)
        kept = ours[0].id if ours else client.create_automation(wanted)
        if ours:
            client.update_automation(kept, wanted)
        for double in ours[1:]:
            client.delete_automation(double.id)
    chains.record_automation(store, chain.id, str(kept), is_enabled=wanted.enabled)


def remove_automation(chain: Chain) -> None:
    """Delete the automation of a chain that is gone; raise PrefectUnavailableError."""
    with _client() as client:
        for automation in _ours(client, chain):
            client.delete_automation(automation.id)


def mirror_switches(store: Store) -> list[int]:
    """Pause and resume the chains whose automations were switched in the UI; return those.

    Raises PrefectUnavailableError.
    """
    with _client() as client:
        enabled = {str(found.id): found.enabled for found in _all(client)}
    return chains.mirror_automations(store, enabled)


def examine(store: Store, found: Sequence[Chain], *, repairs: bool) -> list[Checkup]:
    """Compare chains with the server's automations, and set right what is ours, if asked to.

    Raises PrefectUnavailableError.
    """
    with _client() as client:
        checkups = [_checkup(client, chain) for chain in found]
    if not repairs:
        return checkups
    for checkup in checkups:
        if checkup.findings:
            ensure_automation(store, checkup.chain)
    return [checkup._replace(is_repaired=bool(checkup.findings)) for checkup in checkups]


def _checkup(client: SyncPrefectClient, chain: Chain) -> Checkup:
    ours = _ours(client, chain)
    findings = []
    if not ours:
        findings.append("missing: no automation wakes it, so only the sweep fires it")
    elif not _is_alike(ours[0], _wanted(client, chain)):
        findings.append("changed: the automation is not as it was made")
    if ours and ours[0].enabled is chain.is_paused:
        told = "on, and the chain paused" if ours[0].enabled else "off, and the chain not paused"
        findings.append(f"disabled: the automation is switched {told}")
    if len(ours) > 1:
        findings.append(f"doubled: {len(ours)} automations wake it")
    fired, failed = [
        _last_event(client, ours, name)
        for name in ("prefect.automation.triggered", "prefect.automation.action.failed")
    ]
    why = f"{failed['occurred']}: {failed['payload'].get('reason')}" if failed else None
    fired_at = fired["occurred"] if fired else None
    return Checkup(chain, tuple(findings), fired_at, why)


def _last_event(
    client: SyncPrefectClient, ours: Sequence[Automation], name: str
) -> dict[str, Any] | None:
    if not ours:
        return None
    resource = {"id": [f"prefect.automation.{ours[0].id}"]}
    chosen = {"filter": {"event": {"name": [name]}, "resource": resource}, "limit": 1}
    events = client.request("POST", "/events/filter", json=chosen).json()["events"]
    return dict(events[0]) if events else None


def _ours(client: SyncPrefectClient, chain: Chain) -> list[Automation]:
    """Return the chain's automations, the stored one first."""
    named = [
        found for found in client.read_automations_by_name(chain.name) if _tag(chain) in found.tags
    ]
    stored = _read(client, UUID(chain.automation_id)) if chain.automation_id else None
    first = [stored] if stored is not None else []
    return first + [found for found in named if stored is None or found.id != stored.id]


def _read(client: SyncPrefectClient, automation_id: UUID) -> Automation | None:
    try:
        return client.read_automation(automation_id)
    except ObjectNotFound:
        return None
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND:
            return None
        raise


def _all(client: SyncPrefectClient) -> Iterator[Automation]:
    """Yield all of the server's automations, a page at a time."""
    offset = 0
    while page := client.read_automations(limit=200, offset=offset):
        yield from page
        offset += len(page)


def _wanted(client: SyncPrefectClient, chain: Chain) -> AutomationCore:
    try:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound:
        raise PrefectUnavailableError(
            f"the Prefect server has no deployment {DEPLOYMENT}; "
            "deploy it with: prefect --no-prompt deploy --all"
        ) from None
    resource = {"prefect.resource.id": f"seeding.pipeline.{chain.source_pipeline_id}"}
    event = _EVENTS[Trigger(chain.trigger)]
    return AutomationCore(
        name=chain.name,
        description=f"Seeds {chain.target} with what finishes in {chain.source}. Made by "
        f"`seeding chain create`; switch it off to pause the chain. Chain {chain.id}.",
        enabled=not chain.is_paused,
        tags=["seeding", TAG, _tag(chain)],
        trigger=EventTrigger(
            match=ResourceSpecification(resource),
            expect={event},
            posture=Posture.Reactive,
            threshold=1,
            within=WITHIN,
        ),
        actions=[
            RunDeployment(
                source="selected", deployment_id=deployment.id, parameters={"chain_id": chain.id}
            )
        ],
    )


def _is_alike(found: AutomationCore, wanted: AutomationCore) -> bool:
    def parts(automation: AutomationCore) -> dict[str, Any]:
        chosen = automation.model_dump(
            mode="json", include={"name", "description", "tags", "trigger", "actions"}
        )
        chosen["trigger"] = {
            name: chosen["trigger"].get(name) for name in ("type", "match", "expect", "within")
        }
        chosen["actions"] = [
            {name: action.get(name) for name in ("type", "deployment_id", "parameters")}
            for action in chosen["actions"]
        ]
        return chosen

    return parts(found) == parts(wanted)


def _tag(chain: Chain) -> str:
    return f"{TAG}-{chain.id}"


@contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    """Open a client of the configured server; what goes wrong with it is said in a sentence."""
    check_server()
    with get_client(sync_client=True) as client:
        try:
            yield client
        except httpx.HTTPError as error:
            raise PrefectUnavailableError(
                f"the Prefect server {api_url()} did not do what was asked: {error}"
            ) from None
