"""Our operation, without Prefect: measures everything from opening the store to the commit."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.generate import PIPELINE
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import Settings, read_settings


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the seeding of the source."""
    return partial(
        _seed,
        read_settings(database_url=database_url),
        CsvRequest(pipeline=PIPELINE, source=str(source)),
    )


def _seed(settings: Settings, request: CsvRequest) -> None:
    with open_workspace(settings) as workspace:
        seed_from_csv(workspace, request, run_id="benchmark")
