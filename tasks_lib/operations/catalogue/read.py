"""Read pipelines: find them, count their tasks, and print the CSV header that they need."""

from collections.abc import Mapping
from typing import NamedTuple

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import NotFoundError
from tasks_lib.intake.csv_files.template import csv_template
from tasks_lib.store import catalogue
from tasks_lib.store.engine import Store
from tasks_lib.store.tasks.counts import NO_TASKS, get_all_counts, get_counts


class CountedPipeline(NamedTuple):
    """A pipeline and the number of its tasks by status."""

    pipeline: Pipeline
    counts: Mapping[TaskStatus, int]

    @property
    def total(self) -> int:
        """The number of tasks."""
        return sum(self.counts.values())


def find_pipeline(store: Store, reference: str) -> Pipeline:
    """Return the pipeline with this id or path; raise NotFoundError."""
    with store.read() as session:
        return catalogue.find_pipeline(session, reference)


def find_counted_pipeline(store: Store, pipeline_id: int) -> CountedPipeline:
    """Return a pipeline with its counts, read in one transaction; raise NotFoundError."""
    with store.read() as session:
        pipeline = catalogue.get_pipeline(session, pipeline_id)
        return CountedPipeline(pipeline, get_counts(session, pipeline_id).by_status)


def list_pipelines(store: Store, organization: str | None = None) -> list[CountedPipeline]:
    """Return the organization's pipelines, or all, oldest first and without their fields.

    Raises NotFoundError if there is no such organization.
    """
    with store.read() as session:
        organization_id = (
            catalogue.find_organization(session, organization) if organization is not None else None
        )
        counts = get_all_counts(session)
        return [
            CountedPipeline(pipeline, counts.get(pipeline.id, NO_TASKS).by_status)
            for pipeline in catalogue.list_pipelines(session, organization_id)
        ]


def is_in_organization(store: Store, pipeline_id: int, organization_id: int) -> bool:
    """Return True if the organization has a pipeline with this id."""
    with store.read() as session:
        try:
            pipeline = catalogue.get_pipeline(session, pipeline_id)
        except NotFoundError:
            return False
        return pipeline.organization_id == organization_id


def make_csv_template(store: Store, pipeline_id: int) -> str:
    """Return the header that a CSV needs to seed a pipeline, as one line of CSV."""
    with store.read() as session:
        pipeline = catalogue.get_pipeline(session, pipeline_id)
    return csv_template(field.name for field in pipeline.dataset_fields)
