"""dlt: measures a pipeline of csv's rows into a table with text columns, by its fastest format.

No value is checked, nothing is shaped, and the table has no index or foreign key; dlt gives each
row two columns of its own, and commits its files one by one.
"""

import csv
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import dlt
from dlt.common.runtime import anon_tracker
from sqlalchemy import URL, make_url

_ROWS_AT_ONCE: Final = 10_000


class _Target(NamedTuple):
    destination: Any
    dataset_name: str
    file_format: Literal["csv", "typed-jsonl"]


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the pipeline's run."""
    # Even with its telemetry off dlt would leave an id of this user in the home folder or /var.
    anon_tracker.get_anonymous_id = str
    target = _target(make_url(database_url))
    pipeline = dlt.pipeline(
        "benchmark", destination=target.destination, dataset_name=target.dataset_name
    )
    rows = dlt.resource(_rows(source), name="reviews")
    return partial(pipeline.run, rows, loader_file_format=target.file_format)


def _target(url: URL) -> _Target:
    if url.get_backend_name() == "sqlite":
        return _Target(dlt.destinations.sqlalchemy(url.render_as_string()), "main", "typed-jsonl")
    # dlt asks for a host; the driver takes the socket's folder, which is in the query.
    with_host = url.set(drivername="postgresql", host="localhost")
    destination = dlt.destinations.postgres(with_host.render_as_string(hide_password=False))
    return _Target(destination, "public", "csv")


def _rows(source: Path) -> Iterator[list[dict[str, str]]]:
    with source.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            yield some
