"""Seed from rows inside a flow run: the load is a step, and its report an artifact of the run."""

from tasks_lib.domain.report import Report
from tasks_lib.intake.frames.open_frame import Frame
from tasks_lib.operations.seeding import seed_from_frame
from tasks_lib.operations.seeding.reports import Seeded
from tasks_lib.operations.seeding.seed_from_frame import FrameContent, FrameRequest
from tasks_lib.steps.runs.acts import act_id
from tasks_lib.steps.runs.outcomes import step
from tasks_lib.steps.seeding import SeedingRun, publish_result, seeding_run


def seed_in_run(frame: Frame, request: FrameRequest, idempotency_key: str = "") -> Report:
    """Create the tasks of a frame once, however often the run's body runs; return the report.

    Raises SourceRejectedError.
    """
    act = act_id(f"seed {request.pipeline} {request.source}", idempotency_key)
    with seeding_run(request, act=act) as run:
        earlier = seed_from_frame.find_earlier(run.workspace, run.pipeline, request, run.id)
        if earlier is not None:
            return earlier.report
        # Not a step, which could be retried: some frames can be read only once.
        content = seed_from_frame.read_content(run.workspace, run.pipeline, frame, run.folder)
        seeded = load_frame(run, request, content)
        publish_result(run, seeded)
        return seeded.report


@step("load rows")
def load_frame(run: SeedingRun, request: FrameRequest, content: FrameContent) -> Seeded:
    """Check the rows and create their tasks, in one transaction."""
    with run.progress(request.source) as on_progress:
        return seed_from_frame.load_content(
            run.workspace, run.pipeline, request, content, run_id=run.id, on_progress=on_progress
        )
