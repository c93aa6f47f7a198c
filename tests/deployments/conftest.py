"""One local stack for all tests of the folder, on an installation of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from chain_setup import ON_TASKS
from deployments.entry_point import interrupting_signals
from deployments.local_stack import local_stack
from deployments.repository import ROOT
from installation import PATH, QA, Installation
from lifetimes import share_in_folder
from servers import free_port
from tasks_lib.domain.chains import Trigger
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.chains.manage import (
    Chain,
    ChainRequest,
    create_chain,
    delete_chain,
    find_chain,
)
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import Settings, read_settings
from tasks_lib.steps import automations


@pytest.fixture(scope="module")
def installation(request: pytest.FixtureRequest) -> Installation:
    """A running installation: server, deployments, worker and the example catalogue."""
    return share_in_folder(request, _installation)


@contextmanager
def _installation(folder: Path) -> Iterator[Installation]:
    settings, environment = _settings_and_environment(folder / "seeding")
    with open_workspace(settings) as workspace, interrupting_signals():
        apply_catalogue(workspace.store, ROOT / "examples" / "catalogue.yaml")
        with (
            local_stack(folder, environment, preferred_port=free_port()) as stack,
            stack.client() as client,
        ):
            yield Installation(stack, client, workspace)


@pytest.fixture
def stack_settings(installation: Installation) -> Iterator[None]:
    """Connect this process to the stack."""
    with temporary_settings({PREFECT_API_URL: installation.stack.api_url}):
        yield


@pytest.fixture
def chain(
    installation: Installation, stack_settings: None, request: pytest.FixtureRequest
) -> Iterator[Chain]:
    """A chain with its automation; both are deleted afterwards."""
    trigger: Trigger = getattr(request, "param", ON_TASKS)
    store = installation.workspace.store
    new_chain = create_chain(
        installation.workspace,
        ChainRequest(target=QA, source=PATH, trigger=trigger),
        at=datetime.now(UTC),
    )
    try:
        automations.ensure_automation(store, new_chain)
        yield find_chain(store, new_chain.id)
    finally:
        automations.remove_automation(delete_chain(store, new_chain.id))


def _settings_and_environment(home: Path) -> tuple[Settings, dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("SEEDING_", "AWS_", "PREFECT_")):
                patch.delenv(name)
        patch.setenv("SEEDING_HOME", str(home))
        patch.setenv("SEEDING_CHAIN_IDLE_SECONDS", "5")
        return read_settings(), dict(os.environ)
