"""The library of tasks: everything that seeds work for people, except the flows themselves.

Python programs import these functions from here; each is loaded at its first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks_lib.python.read_results import results
    from tasks_lib.python.seed_rows import seed
    from tasks_lib.python.wait_for_group import wait_for_group

__version__ = "0.3.0.dev0"
__all__ = ["results", "seed", "wait_for_group"]


def __getattr__(name: str) -> Any:
    match name:
        case "results":
            from tasks_lib.python.read_results import results  # noqa: PLC0415 - loads Arrow

            return results
        case "seed":
            from tasks_lib.python.seed_rows import seed  # noqa: PLC0415 - loads Arrow

            return seed
        case "wait_for_group":
            from tasks_lib.python.wait_for_group import wait_for_group  # noqa: PLC0415

            return wait_for_group
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
