"""Tell whether a function is called in a flow run, without loading Prefect for that."""

import sys


def is_in_flow_run() -> bool:
    """Return True in a flow or a task of Prefect."""
    return "prefect" in sys.modules and _has_run()


def _has_run() -> bool:
    from tasks_lib.steps.runs.acts import current_run_id  # noqa: PLC0415 - loads Prefect

    return current_run_id() is not None
