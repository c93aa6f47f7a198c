"""Have Prefect work on the uploads of the External API: each by a run of its seeding's flow."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations import upload_processing
from tasks_lib.operations.upload_processing import Handover
from tasks_lib.operations.workspace import Workspace
from tasks_lib.steps import server

_QUEUED: Final = timedelta(minutes=5)
"""How long a run may wait before somebody looks whether it still does."""


def start_flow_run(workspace: Workspace, upload_id: str) -> None:
    """Start the flow run for an upload, unless somebody works on it or a run waits for its turn.

    A run that died has let go of its upload: then there is another one. Raises
    PrefectUnavailableError, after which the upload is due again at once.
    """
    now = datetime.now(UTC)
    handover = upload_processing.hand_over(workspace.store, upload_id, at=now, until=now + _QUEUED)
    if handover is None:
        return
    try:
        if handover.flow_run_id is not None and server.is_waiting(UUID(handover.flow_run_id)):
            return
        run_id = server.start_deployment(
            f"seed-from-{handover.kind}",
            _parameters(handover),
            idempotency_key=f"seeding-upload-{upload_id}-{handover.attempts}",
        )
    except PrefectUnavailableError:
        upload_processing.take_back(workspace.store, upload_id)
        raise
    upload_processing.note_flow_run(workspace.store, upload_id, str(run_id))


def _parameters(handover: Handover) -> dict[str, str]:
    return {
        "pipeline": str(handover.pipeline_id),
        "source": handover.uri,
        "on_error": handover.on_error.value,
        "upload": handover.upload_id,
    }
