"""Secrets of the Prefect server, by the names of their blocks."""

from typing import Any

from prefect.blocks.system import Secret

from tasks_lib.errors import UsageError
from tasks_lib.steps.server import check_server


def read_secret(name: str) -> str:
    """Return what the Secret block holds; raise UsageError where there is no such block.

    Raises PrefectUnavailableError where no server answers.
    """
    check_server()
    try:
        block: Any = Secret.load(name)
    except ValueError:
        raise UsageError(
            f"the Prefect server has no Secret block {name!r}; make one in its UI, under Blocks"
        ) from None
    return str(block.get())
