"""Process the uploads of the HTTP API with Prefect: one flow run for each upload."""

from typing import Any, Final
from uuid import UUID

from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.uploads.process import (
    AcquiredUpload,
    acquire_upload,
    note_flow_run,
    release_upload,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.steps import prefect_api
from tasks_lib.store.uploads import LONGEST_LEASE

_QUEUED: Final = LONGEST_LEASE
"""How long a run may wait to start before ``reconcile`` checks on it."""


def start_flow_run(workspace: Workspace, upload_id: str) -> None:
    """Start the flow run for an upload, unless it is being processed or a run waits to start.

    The lease of a run that died expires; then another run is started. Raises
    PrefectUnavailableError, after which the upload is due again at once.
    """
    now = workspace.store.now()
    handover = acquire_upload(workspace.store, upload_id, at=now, until=now + _QUEUED)
    if handover is None:
        return
    try:
        if handover.flow_run_id is not None and prefect_api.is_waiting(UUID(handover.flow_run_id)):
            return
        run_id = prefect_api.start_deployment(
            f"seed-from-{handover.kind}",
            _parameters(handover),
            idempotency_key=f"seeding-upload-{upload_id}-{handover.attempts}",
        )
    except PrefectUnavailableError:
        release_upload(workspace.store, upload_id)
        raise
    note_flow_run(workspace.store, upload_id, str(run_id))


def _parameters(handover: AcquiredUpload) -> dict[str, Any]:
    return {
        "pipeline": str(handover.pipeline_id),
        "source": handover.uri,
        "on_error": handover.on_error.value,
        "max_rejected": handover.max_rejected,
        **handover.options,
        "upload": handover.upload_id,
    }
