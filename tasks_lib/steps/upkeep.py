"""The step of the flow that catches up on what was left undone."""

from datetime import UTC, datetime
from typing import Any

from prefect import task
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks_lib.operations.reconcile import Reconciled, reconcile
from tasks_lib.operations.upload_processing import process_upload
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.chains import draw, follow_switches
from tasks_lib.steps.infinite import ensure_sensor
from tasks_lib.steps.outcomes import TRIED_AGAIN
from tasks_lib.steps.server import post_events
from tasks_lib.steps.uploads import start_flow_run


@task(task_run_name="catch up", **TRIED_AGAIN)
def catch_up(*, cleans_up: bool) -> Reconciled:
    """Catch up in the workspace that the environment names."""
    settings = read_settings()
    with open_workspace(settings) as workspace:
        follow_switches(workspace)
        draw(workspace)
        ensure_sensor(workspace.store)
        return reconcile(
            workspace,
            post_events,
            process=start_flow_run if settings.api_executor != "inline" else process_upload,
            now=datetime.now(UTC),
            cleans_up=cleans_up,
            grace=settings.unused_file_grace,
        )


def finished(reconciled: Reconciled) -> State[Any]:
    """Return the state in which the run ends: what was done, in a sentence."""
    return Completed(message=reconciled.sentence, data=reconciled._asdict())
