"""Our seeding from a dataset: measures everything from opening the store to the commit."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.mapped_inputs import SHAPES
from tasks_lib.operations.seeding.mapped_seeding import MappedRequest
from tasks_lib.operations.seeding.seed_from_dataset import seed_from_dataset
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import Settings, read_settings


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the seeding from the dataset that ``source`` was imported as; its name is a shape."""
    shape = SHAPES[source.stem]
    request = MappedRequest(pipeline=shape.pipeline, source=shape.name, mapping=shape.mapping)
    return partial(_seed, read_settings(database_url=database_url), request)


def _seed(settings: Settings, request: MappedRequest) -> None:
    with open_workspace(settings) as workspace:
        seed_from_dataset(workspace, request, run_id="benchmark")
