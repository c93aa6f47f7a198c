"""One local stack for all tests of the session, on an installation of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from installation import Installation

from deployments.entry_point import interrupting_signals
from deployments.local_stack import local_stack
from deployments.manifest import ROOT
from servers import free_port
from tasks_lib.operations.apply_catalogue import apply_catalogue
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import Settings, read_settings


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The real thing: server, deployments, worker, and the example catalogue."""
    folder = tmp_path_factory.mktemp("installation")
    settings, environment = _settings_and_environment(folder / "seeding")
    with open_workspace(settings) as workspace, interrupting_signals():
        apply_catalogue(workspace.store, ROOT / "examples" / "catalogue.yaml")
        with (
            local_stack(folder, environment, preferred_port=free_port()) as stack,
            stack.client() as client,
        ):
            yield Installation(stack, client, workspace)


def _settings_and_environment(home: Path) -> tuple[Settings, dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("SEEDING_", "AWS_", "PREFECT_")):
                patch.delenv(name)
        patch.setenv("SEEDING_HOME", str(home))
        return read_settings(), dict(os.environ)
