"""Prefect for commands that also run without it; loaded only if a server is configured."""

import logging
from typing import TYPE_CHECKING

from tasks_lib.errors import UnavailableError

if TYPE_CHECKING:
    from tasks_lib.operations.chains.manage import Automations, Chain
    from tasks_lib.operations.upkeep.announcing import Publish
    from tasks_lib.operations.uploads.process import Process
    from tasks_lib.operations.waiting.suspended import FlowRuns
    from tasks_lib.operations.workspace import Workspace

logger = logging.getLogger(__name__)


def is_configured() -> bool:
    """Return whether Prefect's own settings name a server; load Prefect only if they may."""
    from tasks_lib.settings import may_name_prefect_server

    if not may_name_prefect_server():
        return False
    from tasks_lib.steps import prefect_api

    return prefect_api.api_url() is not None


def event_publisher() -> "Publish | None":
    """Return the function that sends events to the configured server; None without a server."""
    if not is_configured():
        return None
    from tasks_lib.steps import prefect_api

    return prefect_api.post_events


def waiting_runs() -> "FlowRuns | None":
    """Return the flow runs of the configured server; None without a server."""
    if not is_configured():
        return None
    from tasks_lib.steps.waiting.suspended_runs import WaitingRuns

    return WaitingRuns()


def upload_processor(executor: str) -> "Process":
    """Return the function that processes an upload.

    ``inline`` processes it in this process, ``prefect`` in a flow run. An empty ``executor`` means
    ``prefect`` if a server is configured, else ``inline``.
    """
    if executor == "inline" or (not executor and not is_configured()):
        from tasks_lib.operations.uploads.process import process_upload

        return process_upload
    from tasks_lib.steps import uploads

    return uploads.start_flow_run


def follow_switches(workspace: "Workspace") -> None:
    """Pause and resume chains with their automations on the server, if one is configured."""
    if not is_configured():
        return
    from tasks_lib.steps import automations

    automations.follow_switches(workspace.store)


def announce(workspace: "Workspace") -> None:
    """Publish the events that are due to the configured server, if there is one."""
    if not is_configured():
        return
    from tasks_lib.steps import announcing

    announcing.announce(workspace.store)


def refresh_choices(workspace: "Workspace") -> None:
    """Offer the names in the store in the run forms on the configured server, if there is one."""
    if not is_configured():
        return
    from tasks_lib.steps.forms import choices

    choices.refresh_choices(workspace.store)


def automations() -> "Automations":
    """Return the functions that keep automations on the configured server in line with chains.

    A failure is logged: reconcile fires the chain meanwhile, and ``chain doctor`` repairs it.
    """
    from tasks_lib.operations.chains.manage import NO_AUTOMATIONS, Automations

    if not is_configured():
        return NO_AUTOMATIONS
    from tasks_lib.steps import automations as steps

    def ensure(workspace: "Workspace", chain: "Chain") -> None:
        try:
            steps.ensure_automation(workspace.store, chain)
        except UnavailableError as error:
            logger.warning("%s; later, run: seeding chain doctor --repair", error)

    def remove(chain: "Chain") -> None:
        try:
            steps.remove_automation(chain)
        except UnavailableError as error:
            logger.warning("%s; later, delete %r in its UI", error, chain.name)

    return Automations(ensure, remove)
