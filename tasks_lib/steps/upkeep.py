"""The step of the flow that catches up on what was left undone."""

from datetime import UTC, datetime
from typing import Any

from prefect import task
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks_lib.operations.reconcile import Reconciled, remove_unreferenced_files
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.outcomes import TRIED_AGAIN


@task(task_run_name="catch up", **TRIED_AGAIN)
def catch_up() -> Reconciled:
    """Remove stored files that no task has, in the workspace that the environment names."""
    settings = read_settings()
    with open_workspace(settings) as workspace:
        return remove_unreferenced_files(
            workspace, now=datetime.now(UTC), grace=settings.unused_file_grace
        )


def finished(reconciled: Reconciled) -> State[Any]:
    """Return the state in which the run ends: what was done, in a sentence."""
    return Completed(message=reconciled.sentence, data=reconciled._asdict())
