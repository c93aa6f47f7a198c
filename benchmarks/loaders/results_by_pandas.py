"""pandas: measures read_sql of finished tasks and to_parquet; the values stay texts of JSON."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa  # noqa: F401 - pandas would import it within the measurement
from sqlalchemy import create_engine, text

_QUERY: Final = text("""
    SELECT id, group_id, row, CAST(predefined AS text) AS predefined,
        CAST(filled_in AS text) AS filled_in, claimed_by, claimed_at, finished_at
    FROM tasks WHERE pipeline_id = 1 AND finish_number IS NOT NULL ORDER BY finish_number
""")


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the reading and writing of all rows."""
    return partial(_write, database_url, source)


def _write(database_url: str, source: Path) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        frame = pd.read_sql(_QUERY, connection)
    engine.dispose()
    frame.to_parquet(source / "results.parquet", index=False)
