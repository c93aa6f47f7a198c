"""The workspace of most commands; ``api``, ``reconcile`` and ``db`` also need the settings."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from tasks_lib.cli.options.consent import system_user

if TYPE_CHECKING:
    from tasks_lib.operations.workspace import Workspace


def configured_workspace(*, creates_store: bool = False) -> "AbstractContextManager[Workspace]":
    """Open the store and the storage that the settings name; close them on exit.

    Only commands that set up an installation create a store; in any other command, a store that is
    missing is more likely a wrong setting. Secrets are read from Prefect's Secret blocks. Raises
    UsageError if a setting is wrong, and NoStoreError.
    """
    from tasks_lib.operations.workspace import open_workspace
    from tasks_lib.settings import read_settings

    return open_workspace(
        read_settings(), _read_secret, creates_store=creates_store, actor=system_user()
    )


def _read_secret(name: str) -> str:
    """Return the value of a Secret block of the Prefect server."""
    from tasks_lib.steps import secret_blocks

    return secret_blocks.read_secret(name)
