"""Seed a pipeline from the rows that a Python program holds."""

from collections.abc import Mapping
from uuid import uuid4

from tasks_lib.domain.report import Report, SourceRejectedError
from tasks_lib.domain.statuses import OnError
from tasks_lib.intake.frames.open_frame import open_frame
from tasks_lib.operations.seeding.seed_from_frame import FrameRequest, seed_from_frame
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.python.flow_runs import is_in_flow_run
from tasks_lib.settings import read_settings


def seed(
    data: object,
    pipeline: str | int,
    *,
    source: str = "",
    name: str = "",
    labels: Mapping[str, str] | None = None,
    on_error: OnError | str = OnError.REJECT_FILE,
    max_rejected: str = "",
    dry_run: bool = False,
    allow_duplicate: bool = False,
    full: bool = False,
    allow_shrink: bool = False,
    idempotency_key: str = "",
) -> Report:
    """Create one task for each row: all of them or none, and the same rows only once.

    Parameters
    ----------
    data
        A pandas or polars DataFrame, an Arrow table, or an iterable of dicts. Its columns are the
        dataset fields of the pipeline, in any order; the index is one only if it has a name.
    pipeline
        The pipeline's path or id.
    source
        The name of the rows in reports; by default, the kind of the data.
    name
        A name for the group.
    labels
        Labels of the group, at most 20, which its events carry.
    on_error
        Whether a bad row rejects all rows (``reject-file``), or only itself (``skip-rows``).
    max_rejected
        With ``skip-rows``, the most rows to reject, as ``N`` or ``P%``. By default, any number.
    dry_run
        Check every row and create nothing.
    allow_duplicate
        Seed these rows even if the pipeline was seeded with them before.
    full
        The rows are complete: treat tasks whose rows are missing as ``on_missing`` says.
    allow_shrink
        Withdraw even more than half of the source's tasks.
    idempotency_key
        Identifies this call in a flow run, whose body can run again: a call that has created its
        tasks then returns its report and reads no rows. By default the ordinal of the call with
        this pipeline and source in the flow; in a task of Prefect, whose order can change, none.

    Returns the report. Raises SourceRejectedError, with the report, if the rows were rejected;
    UsageError for arguments that cannot be used, such as other data; NotFoundError without such a
    pipeline; and UnavailableError if the store or the storage does not respond.
    """
    frame = open_frame(data)
    request = FrameRequest(
        pipeline=str(pipeline),
        source=source or frame.title,
        name=name,
        labels=tuple(f"{key}={value}" for key, value in (labels or {}).items()),
        on_error=OnError(on_error),
        max_rejected=max_rejected,
        dry_run=dry_run,
        allow_duplicate=allow_duplicate,
        full=full,
        allow_shrink=allow_shrink,
    )
    if is_in_flow_run():
        from tasks_lib.steps.frames import seed_in_run  # noqa: PLC0415 - loads Prefect

        return seed_in_run(frame, request, idempotency_key)
    with open_workspace(read_settings(), creates_store=False) as workspace:
        report = seed_from_frame(workspace, request, frame, run_id=str(uuid4())).report
    if report.is_rejection:
        raise SourceRejectedError(report)
    return report
