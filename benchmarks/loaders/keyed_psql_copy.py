r"""The baseline of loads with a key: measures psql's ``\copy`` of shaped rows with their keys."""

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import make_url

from benchmarks.shaped import COLUMNS, COPY_OPTIONS


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the run of psql, from its start to its end."""
    url = make_url(database_url).set(drivername="postgresql")
    copy = rf"\copy tasks ({COLUMNS}, key) FROM '{source}' WITH ({COPY_OPTIONS})"
    command = ["psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--command", copy]
    return partial(
        subprocess.run, [*command, url.render_as_string(hide_password=False)], check=True
    )
