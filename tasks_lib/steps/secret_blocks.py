"""Read the Secret blocks of the Prefect server."""

from typing import Any

from prefect.blocks.system import Secret

from tasks_lib.errors import UsageError
from tasks_lib.steps.prefect_api import check_server


def read_secret(name: str) -> str:
    """Return the value of a Secret block.

    Raises UsageError if there is no such block, and PrefectUnavailableError if no server answers.
    """
    check_server()
    try:
        block: Any = Secret.load(name)
    except ValueError:
        raise UsageError(
            f"the Prefect server has no Secret block {name!r}; make one in its UI, under Blocks"
        ) from None
    return str(block.get())
