"""The step of the flow that fires chains: it drains what is due, and stays until all is quiet.

A run is woken by the first event of a burst and drains what comes meanwhile, so that ten thousand
tasks take a handful of runs. It stays for longer than the events that wake no run of their own.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks_lib.domain.chains import mermaid
from tasks_lib.domain.names import counted
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.announcing import announce_due
from tasks_lib.operations.chains import Chain, Explained, explain_chain, list_chains
from tasks_lib.operations.draining import Fired, drain_due
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.automations import mirror_switches
from tasks_lib.steps.outcomes import TRIED_AGAIN
from tasks_lib.steps.server import keep_artifact, post_events

logger = logging.getLogger(__name__)
QUIET_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 50.0
GRAPH: Final = "seeding-chains"
_PAUSE_SECONDS: Final = 0.5


@task(task_run_name="fire chains", **TRIED_AGAIN)
def fire(
    chain_id: int | None,
    *,
    quiet_seconds: float = QUIET_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Fired:
    """Drain every chain that is due until none has been for a while; ``chain_id`` comes first."""
    with open_workspace(read_settings()) as workspace:
        follow_switches(workspace)
        fired = Fired()
        started = quiet_since = clock()
        while True:
            made = drain_due(workspace, at=datetime.now(UTC), first=chain_id)
            fired += made
            now = clock()
            if made.created:
                quiet_since = now
                announce(workspace)
                follow_switches(workspace)
            if now - quiet_since >= quiet_seconds or now - started >= LONGEST_SECONDS:
                publish(workspace, chain_id)
                return fired
            time.sleep(_PAUSE_SECONDS)


def follow_switches(workspace: Workspace) -> None:
    """Pause and resume chains as their automations are; without an answer they stay as they are."""
    try:
        mirror_switches(workspace.store)
    except PrefectUnavailableError as error:
        logger.warning("%s; chains are paused and resumed as last seen", error)


def announce(workspace: Workspace) -> None:
    """Tell Prefect of what was made; what it does not take, reconcile tells."""
    try:
        announce_due(workspace.store, post_events, at=datetime.now(UTC))
    except PrefectUnavailableError as error:
        logger.warning("%s; reconcile will announce what was made", error)


def publish(workspace: Workspace, chain_id: int | None) -> None:
    """Put the graph of the chains and, of the one asked for, what keeps it, on the run's page."""
    found = list_chains(workspace.store)
    mine = [chain for chain in found if chain.id == chain_id]
    if mine:
        found = [chain for chain in found if chain.organization == mine[0].organization]
        told = markdown(explain_chain(workspace.store, mine[0].id))
        create_markdown_artifact(told, key=f"seeding-chain-{chain_id}", description=mine[0].name)
    if found:
        create_markdown_artifact(graph(found), description="Chains")


def draw(workspace: Workspace) -> None:
    """Keep an artifact with each organization's chains up to date; without an answer, later."""
    found = sorted(list_chains(workspace.store), key=lambda chain: chain.organization)
    parts = [
        f"## {organization}\n\n{graph(list(chains))}"
        for organization, chains in groupby(found, key=lambda chain: chain.organization)
    ]
    try:
        keep_artifact(GRAPH, "\n\n".join(parts) or "There is no chain.", "Chains")
    except PrefectUnavailableError as error:
        logger.warning("%s; the graph of the chains stays as it is", error)


def graph(found: Sequence[Chain]) -> str:
    """Return chains as Markdown that Prefect's UI draws."""
    return f"```mermaid\n{mermaid([chain.link for chain in found])}\n```"


def markdown(told: Explained) -> str:
    """Return what is known of a chain as Markdown."""
    chain = told.chain
    lines = [f"## {chain.name}", "", "| | |", "| --- | --- |"]
    lines += [f"| source tasks {name} | {count:,} |" for name, count in told.source_tasks.items()]
    lines.append(f"| waiting | {chain.waiting:,} |")
    lines.append(f"| last looked | {chain.looked_at or 'never'} |")
    lines.append(f"| last fired | {chain.fired_at or 'never'} |")
    lines += ["", *(f"- {reason}" for reason in told.reasons)]
    if told.misfits:
        lines += ["", "| task | code | why |", "| --- | --- | --- |"]
        lines += [f"| {m.task_id} | {m.code} | {_cell(m.message)} |" for m in told.misfits]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def finished(fired: Fired) -> State[Any]:
    """Return the state in which the run ends: what was made, in a sentence."""
    misfits = f"; {counted(fired.misfits, 'task')} did not fit" if fired.misfits else ""
    message = f"Made {counted(fired.created, 'task')}{misfits}."
    return Completed(message=message, data=fired._asdict())
