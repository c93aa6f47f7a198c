"""pandas: measures read_csv and to_sql into a table with one text column for each column.

No value is checked, nothing is shaped, and the table has no index, key or constraint.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pandas as pd
from sqlalchemy import create_engine

_ROWS_AT_ONCE: Final = 10_000


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the reading and writing of chunks, in one transaction."""
    return partial(_write, database_url, source)


def _write(database_url: str, source: Path) -> None:
    engine = create_engine(database_url)
    chunks = pd.read_csv(source, dtype=str, keep_default_na=False, chunksize=_ROWS_AT_ONCE)
    with engine.begin() as connection:
        for chunk in chunks:
            chunk.to_sql("reviews", connection, if_exists="append", index=False)
    engine.dispose()
