"""Open the workspace of the worker's settings, from which a flow run's steps work."""

from contextlib import AbstractContextManager

from prefect import runtime

from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import Settings, read_settings
from tasks_lib.steps.secret_blocks import read_secret
from tasks_lib.store.engine import UNNAMED


def open_configured_workspace(
    settings: Settings | None = None,
) -> AbstractContextManager[Workspace]:
    """Open the workspace that the settings name; its secrets are Secret blocks of Prefect.

    Without ``settings``, they are read from the environment.
    """
    name = runtime.flow_run.name
    actor = f"flow run {name}" if name else UNNAMED
    return open_workspace(settings or read_settings(), read_secret, actor=actor)
