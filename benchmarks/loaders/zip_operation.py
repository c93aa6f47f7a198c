"""Our operation on a ZIP, without Prefect: measures from opening the store to the commit."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

from benchmarks.generate_zip import PIPELINE
from tasks_lib.operations.seeding.seed_from_zip import ZipRequest, seed_from_zip
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import Settings, read_settings


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the seeding of the source; its files go where the environment says."""
    import_module("s3fs")  # which fsspec does at the first use
    return partial(
        _seed,
        read_settings(database_url=database_url),
        ZipRequest(pipeline=PIPELINE, source=str(source)),
    )


def _seed(settings: Settings, request: ZipRequest) -> None:
    with open_workspace(settings) as workspace:
        seed_from_zip(workspace, request, run_id="benchmark")
