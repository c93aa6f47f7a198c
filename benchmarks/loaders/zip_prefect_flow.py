"""Our flow on a ZIP, run in process against a Prefect server: measures one call of it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.generate_zip import PIPELINE
from flows.seed_from_zip import seed_from_zip


def prepared(database_url: str, source: Path) -> Callable[[], object]:  # noqa: ARG001
    """Return the flow's call; it reads the database's and the storage's URLs itself."""
    return partial(seed_from_zip, pipeline=PIPELINE, source=str(source))
