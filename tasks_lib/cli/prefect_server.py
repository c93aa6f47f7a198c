"""What commands need of Prefect, which is loaded only where there is a server to talk to."""

import logging
from datetime import UTC, datetime

from tasks_lib.errors import UnavailableError
from tasks_lib.operations.announcing import Tell, announce_due
from tasks_lib.operations.chains import NO_AUTOMATIONS, Automations, Chain
from tasks_lib.operations.upload_processing import Process, process_upload
from tasks_lib.store.engine import Store

logger = logging.getLogger(__name__)


def is_configured() -> bool:
    """Tell whether Prefect's own settings name a server."""
    from tasks_lib.steps import server  # noqa: PLC0415 - loading Prefect takes a second

    return server.api_url() is not None


def teller() -> Tell | None:
    """Return what hands events to the configured server; None where there is none."""
    if not is_configured():
        return None
    from tasks_lib.steps import server  # noqa: PLC0415 - loads Prefect

    return server.post_events


def processor(executor: str) -> Process:
    """Return who works on uploads: ``inline`` this process, ``prefect`` runs of deployments.

    Empty means Prefect where it is configured.
    """
    if executor == "inline" or (not executor and not is_configured()):
        return process_upload
    from tasks_lib.steps import uploads  # noqa: PLC0415 - loads Prefect

    return uploads.start_flow_run


def follow_switches(store: Store) -> None:
    """Pause and resume chains as their automations were switched; without an answer, do nothing."""
    if not is_configured():
        return
    from tasks_lib.steps import automations  # noqa: PLC0415 - loads Prefect

    try:
        automations.mirror_switches(store)
    except UnavailableError as error:
        logger.warning("%s; chains are paused and resumed as last seen", error)


def announce(store: Store) -> None:
    """Tell the configured server what it has not heard of; what fails is left to reconcile."""
    tell = teller()
    if tell is None:
        return
    try:
        announce_due(store, tell, at=datetime.now(UTC))
    except UnavailableError as error:
        logger.warning("%s; reconcile will announce what was done", error)


def automations() -> Automations:
    """Return what keeps the configured server's automations in line with chains.

    What fails is told in the log: reconcile fires the chain meanwhile, and its doctor repairs it.
    """
    if not is_configured():
        return NO_AUTOMATIONS
    from tasks_lib.steps import automations as steps  # noqa: PLC0415 - loads Prefect

    def ensure(store: Store, chain: Chain) -> None:
        try:
            steps.ensure_automation(store, chain)
        except UnavailableError as error:
            logger.warning("%s; later, run: seeding chain doctor --repair", error)

    def remove(chain: Chain) -> None:
        try:
            steps.remove_automation(chain)
        except UnavailableError as error:
            logger.warning("%s; later, delete %r in its UI", error, chain.name)

    return Automations(ensure, remove)
