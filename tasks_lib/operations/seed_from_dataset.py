"""Seed a pipeline from a dataset of its organization: each row makes one task, once."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Final

import orjson
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.conversions import Column
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.json_rows import parse_row
from tasks_lib.intake.mapped_rows import Parse, SourceRow
from tasks_lib.intake.progress import OnProgress
from tasks_lib.operations.loading import Seeded
from tasks_lib.operations.mapped_seeding import MappedRequest, plan_seeding, seed_mapped
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.datasets import Dataset, dataset_rows, find_dataset
from tasks_lib.store.tasks import DATASET

_WITHOUT_DIGITS: Final = frozenset({FieldType.TEXT, FieldType.BOOLEAN})


@dataclass(frozen=True)
class DatasetSource:
    """A dataset as a source of tasks."""

    dataset: Dataset
    kind: ClassVar[str] = DATASET

    @property
    def key(self) -> str:
        """The dataset, whatever it is called."""
        return f"dataset:{self.dataset.id}"

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.dataset.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, as they were found at the imports."""
        return self.dataset.columns

    @property
    def parse(self) -> Parse:
        """The function that reads a row's text; a faster one where no number's digits count."""
        has_digits = any(column.type not in _WITHOUT_DIGITS for column in self.columns)
        return parse_row if has_digits else orjson.loads

    def count(self, session: Session) -> int:  # noqa: ARG002
        """Return how many rows the dataset has."""
        return self.dataset.row_count

    def rows(
        self, session: Session, *, unless_in_stream: int | None = None, limit: int = -1
    ) -> Generator[list[SourceRow]]:
        """Yield the rows in order, in batches, without those that the stream has let in."""
        return dataset_rows(session, self.dataset, unless_in_stream=unless_in_stream, limit=limit)


def find_source(workspace: Workspace, pipeline: Pipeline, name: str) -> DatasetSource:
    """Return the dataset of the pipeline's organization; raise NotFoundError."""
    with workspace.store.read() as session:
        return DatasetSource(find_dataset(session, pipeline.organization_id, name))


def seed_from_dataset(
    workspace: Workspace,
    request: MappedRequest,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Plan, and make the tasks; see ``seed_mapped`` for what it raises."""
    with workspace.store.read() as session:
        pipeline = catalogue.find_pipeline(session, request.pipeline)
    source = find_source(workspace, pipeline, request.source)
    plan = plan_seeding(workspace, pipeline, source, request)
    return seed_mapped(
        workspace, pipeline, source, request, plan, run_id=run_id, on_progress=on_progress
    )
