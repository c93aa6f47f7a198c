"""Rules for seeding a pipeline: which sources it accepts."""

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.errors import Problem, UsageError

_CLOSED = frozenset({PipelineStatus.DRAFT, PipelineStatus.ARCHIVED})


def check_same_organization(source: Pipeline, target: Pipeline) -> None:
    """Raise UsageError if tasks of ``source`` would leave their organization for ``target``."""
    if source.organization_id != target.organization_id:
        raise UsageError(
            f"pipeline {source.path} belongs to another organization than {target.path}, "
            "and nothing crosses an organization"
        )


def why_closed(pipeline: Pipeline) -> Problem | None:
    """Return the reason why the pipeline accepts no tasks at all, or None."""
    if pipeline.status not in _CLOSED:
        return None
    message = (
        f"pipeline {pipeline.path} is {pipeline.status.value} and takes no tasks; "
        "set its status to active in the catalogue and apply it"
    )
    return Problem("pipeline_closed", message)


def why_no_zip(pipeline: Pipeline) -> Problem | None:
    """Return the reason why a ZIP cannot seed the pipeline, or None."""
    closed = why_closed(pipeline)
    if closed is not None:
        return closed
    if not pipeline.dataset_fields:
        message = f"pipeline {pipeline.path} has no dataset fields for a file to fill"
        return Problem("no_dataset_fields", message)
    return None


def why_no_csv(pipeline: Pipeline) -> Problem | None:
    """Return the reason why a CSV cannot seed the pipeline, or None."""
    refusal = why_no_zip(pipeline)
    if refusal is not None:
        return refusal
    if pipeline.file_fields:
        names = ", ".join(field.name for field in pipeline.file_fields)
        message = (
            f"pipeline {pipeline.path} has file fields ({names}), which a CSV alone cannot fill; "
            "seed a ZIP instead"
        )
        return Problem("has_file_fields", message)
    return None


def why_no_blank_tasks(pipeline: Pipeline) -> Problem | None:
    """Return the reason why the pipeline accepts no blank tasks, or None."""
    closed = why_closed(pipeline)
    if closed is not None or not pipeline.dataset_fields:
        return closed
    names = ", ".join(field.name for field in pipeline.dataset_fields)
    message = (
        f"pipeline {pipeline.path} has dataset fields ({names}), which blank tasks would leave "
        "empty"
    )
    return Problem("has_dataset_fields", message)
