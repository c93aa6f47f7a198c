"""The step that fires chains: those that are due, until none has been due for a while.

The first event after a silence starts a run, which stays and also takes the work of all other
chains as it arrives; while it is at work, no event starts another one.
"""

import logging
import math
import time
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import uuid4

from prefect import runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State

from tasks_lib.domain.chains import draw_mermaid
from tasks_lib.domain.names import counted
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.chains.drain import Drain
from tasks_lib.operations.chains.due import Fired
from tasks_lib.operations.chains.manage import (
    Chain,
    ChainExplanation,
    explain_chain,
    find_chain,
    list_chains,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.announcing import announce
from tasks_lib.steps.automations import follow_switches
from tasks_lib.steps.prefect_api import keep_artifact
from tasks_lib.steps.runs.outcomes import completed_state, run_logger, step
from tasks_lib.steps.runs.workspace import open_configured_workspace
from tasks_lib.store.engine import Store

logger = logging.getLogger(__name__)
GRAPH: Final = "seeding-chains"
_SWITCH_SECONDS: Final = 5.0
"""How long a chain may go on after its automation was switched off."""

_LOG_SECONDS: Final = 30.0


@step("fire chains")
def fire(chain_id: int | None) -> Fired:
    """Fire every chain that is due until none has been for a while; ``chain_id`` comes first.

    Raises NotFoundError if there is no such chain.
    """
    settings = read_settings()
    with open_configured_workspace(settings) as workspace:
        if chain_id is not None:
            find_chain(workspace.store, chain_id)
        page = _Page(workspace.store)
        drain = Drain(
            workspace,
            runtime.flow_run.id or str(uuid4()),
            settings.chain_idle,
            on_pass=page.follow_switches,
            on_fired=page.note,
        )
        fired = drain.run(chain_id)
        page.report()
        publish(workspace, chain_id)
        return fired


class _Page:
    """Keeps the run in step with Prefect: the switches of chains, its log, and pending events."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._followed_at = self._logged_at = -math.inf
        self._created = 0

    def follow_switches(self) -> None:
        """Pause and resume chains with their automations, every few seconds."""
        now = time.monotonic()
        if now >= self._followed_at + _SWITCH_SECONDS:
            follow_switches(self._store)
            self._followed_at = now

    def note(self, fired: Fired) -> None:
        """Publish the events of the new tasks and log their number, now and then."""
        self._created += fired.created
        if time.monotonic() >= self._logged_at + _LOG_SECONDS:
            self.report()

    def report(self) -> None:
        """Publish and log what was created since the last time."""
        if self._created:
            announce(self._store)
            run_logger().info("%s created", counted(self._created, "task"))
        self._created, self._logged_at = 0, time.monotonic()


def publish(workspace: Workspace, chain_id: int | None) -> None:
    """Put the graph of the chains on the run's page, and the state of the chain of the run."""
    chains = list_chains(workspace.store)
    mine = [chain for chain in chains if chain.id == chain_id]
    if mine:
        chains = [chain for chain in chains if chain.organization == mine[0].organization]
        state = markdown(explain_chain(workspace.store, mine[0].id))
        create_markdown_artifact(state, key=f"seeding-chain-{chain_id}", description=mine[0].name)
    if chains:
        create_markdown_artifact(graph(chains), description="Chains")


def draw(workspace: Workspace) -> None:
    """Update the artifact with each organization's chains, unless Prefect does not answer."""
    by_organization = sorted(list_chains(workspace.store), key=lambda chain: chain.organization)
    parts = [
        f"## {organization}\n\n{graph(list(chains))}"
        for organization, chains in groupby(by_organization, key=lambda chain: chain.organization)
    ]
    try:
        keep_artifact(GRAPH, "\n\n".join(parts) or "There is no chain.", "Chains")
    except PrefectUnavailableError as error:
        logger.warning("%s; the graph of the chains stays as it is", error)


def graph(chains: Sequence[Chain]) -> str:
    """Return the chains as a Mermaid diagram in Markdown."""
    return f"```mermaid\n{draw_mermaid([chain.link for chain in chains])}\n```"


def markdown(explained: ChainExplanation) -> str:
    """Return the state of a chain as Markdown."""
    chain = explained.chain
    lines = [f"## {chain.name}", "", "| | |", "| --- | --- |"]
    lines += [
        f"| source tasks {name} | {count:,} |" for name, count in explained.source_tasks.items()
    ]
    lines.append(f"| waiting | {chain.waiting:,} |")
    lines.append(f"| last checked | {_moment(chain.looked_at)} |")
    lines.append(f"| last fired | {_moment(chain.fired_at)} |")
    lines += ["", *(f"- {reason}" for reason in explained.reasons)]
    if explained.misfits:
        lines += ["", "| task | code | why |", "| --- | --- | --- |"]
        lines += [f"| {m.task_id} | {m.code} | {_cell(m.message)} |" for m in explained.misfits]
    return "\n".join(lines)


def _moment(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def end_state(fired: Fired) -> State[Any]:
    """Return the state in which the run ends, with a sentence about the tasks that it created."""
    misfits = f"; {counted(fired.misfits, 'task')} did not fit" if fired.misfits else ""
    message = f"Created {counted(fired.created, 'task')}{misfits}."
    return completed_state(message, fired._asdict())
