"""Our flow, run in process against a Prefect server: measures one call of it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import fastapi  # noqa: F401 - Prefect imports it for the first run's parameters

from benchmarks.generate import PIPELINE
from flows.seed_from_csv import seed_from_csv


def prepared(database_url: str, source: Path) -> Callable[[], object]:  # noqa: ARG001
    """Return the flow's call; it reads the database's URL from the environment."""
    return partial(seed_from_csv, pipeline=PIPELINE, source=str(source))
