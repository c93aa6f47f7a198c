"""The workspace of most commands; ``api``, ``reconcile`` and ``db`` also need the settings."""

from contextlib import AbstractContextManager

from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings


def configured_workspace() -> AbstractContextManager[Workspace]:
    """Open the store and the storage that the settings name; close them on exit.

    Secrets are read from Prefect's Secret blocks. Raises UsageError if a setting is wrong.
    """
    return open_workspace(read_settings(), _read_secret)


def _read_secret(name: str) -> str:
    """Return the value of a Secret block of the Prefect server."""
    from tasks_lib.steps import secret_blocks  # noqa: PLC0415 - loading Prefect takes a second

    return secret_blocks.read_secret(name)
