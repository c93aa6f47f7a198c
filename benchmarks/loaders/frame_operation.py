"""``seed(frame)`` without Prefect: measures everything from opening the store to the commit."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.generate import PIPELINE
from tasks_lib.python.seed_rows import seed


def prepared(database_url: str, source: Path) -> Callable[[], object]:  # noqa: ARG001 - in the settings
    """Return the seeding of the CSV's rows, read into a DataFrame with a type for each column."""
    types = {"stars": "int64", "verified": "bool", "category": "category", "price": str}
    frame = pd.read_csv(source, dtype=types, parse_dates=["bought_on"], keep_default_na=False)
    return partial(seed, frame, PIPELINE)
