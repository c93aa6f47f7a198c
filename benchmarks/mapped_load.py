"""How fast a dataset becomes tasks: our operation against one INSERT ... SELECT, on PostgreSQL.

Each load runs in a process of its own, and both into copies of one database that holds the dataset;
they take turns, so that a busy minute of the machine falls on both. The tasks of both
are compared before a time counts. The table's seconds are medians.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from benchmarks.databases import (
    Databases,
    administer,
    copy_database,
    make_store,
    open_databases,
    query,
)
from benchmarks.load_once import load_once, loading_environment
from benchmarks.mapped_inputs import SHAPES, Shape, write_catalogue, write_rows
from tasks_lib.operations.datasets.import_dataset import import_dataset
from tasks_lib.operations.datasets.import_request import ImportRequest
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

_BASELINE: Final = ("**baseline**: one INSERT ... SELECT, checks nothing", "insert_select")
_OURS: Final = ("our operation: read, map, check, shape, write", "dataset_operation")
_LIBRARIES: Final = ("sqlalchemy", "psycopg", "pyarrow", "orjson")
_VALUES: Final = "SELECT count(*), sum(hashtext(predefined::jsonb::text || row)::bigint) FROM tasks"
"""Selects a fingerprint of the tasks that ignores white space in JSON."""


class Options(NamedTuple):
    """The options of the command line."""

    rows: int
    repeats: int


class Timing(NamedTuple):
    """The seconds of a load, one for each repeat."""

    name: str
    loader: str
    seconds: list[float]


@dataclass(frozen=True)
class Bench:
    """The inputs' folder, the databases, and how many rows each dataset has."""

    folder: Path
    databases: Databases
    rows: int

    def timings(self, shape: Shape, repeats: int) -> list[Timing]:
        """Run baseline and operation alternately, ``repeats`` times."""
        timings = [Timing(*_BASELINE, []), Timing(*_OURS, [])]
        with self._filled(shape) as filled:
            for _ in range(repeats):
                made = {self._timed(filled, shape, timing) for timing in timings}
                if len(made) > 1 or next(iter(made))[0] != self.rows:
                    raise RuntimeError(f"the loads of {shape.name} made different tasks: {made}")
        return timings

    @contextmanager
    def _filled(self, shape: Shape) -> Iterator[str]:
        """Create a database with the dataset in it."""
        source = self.folder / f"{shape.name}.jsonl"
        write_rows(source, shape, rows=self.rows)
        with self.databases.fresh() as url:
            make_store(url, write_catalogue=partial(write_catalogue, shape=shape))
            with open_workspace(read_settings(database_url=url)) as workspace:
                import_dataset(
                    workspace,
                    ImportRequest(organization="acme", name=shape.name, source=str(source)),
                )
            administer(url, "VACUUM ANALYZE")
            yield url

    def _timed(self, filled: str, shape: Shape, timing: Timing) -> tuple[int, ...]:
        """Load into a copy, and return the fingerprint of its tasks."""
        source = self.folder / f"{shape.name}.jsonl"
        environment = loading_environment(self.folder, programs=None, prefect_api_url="")
        with self.databases.fresh() as url:
            copy_database(filled, url)
            load = load_once(timing.loader, url, source, environment=environment)
            made = query(url, _VALUES)
        timing.seconds.append(load.seconds)
        print(f"{timing.name}: {self.rows:,} rows, {load.seconds:.2f} s", file=sys.stderr)
        return made


def main() -> None:
    """Measure, and print Markdown."""
    options = _read_options()
    with TemporaryDirectory(prefix="seeding-benchmark-") as name:
        folder = Path(name)
        with open_databases("postgresql", folder) as databases:
            print(_facts(databases.title, options), flush=True)
            bench = Bench(folder, databases, options.rows)
            for shape in SHAPES.values():
                for line in _table(shape, options.rows, bench.timings(shape, options.repeats)):
                    print(line, flush=True)


def _read_options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mapped_load", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if given.rows < 1 or given.repeats < 1:
        parser.error("there must be one row and one repeat at least")
    return Options(given.rows, given.repeats)


def _table(shape: Shape, rows: int, timings: list[Timing]) -> Iterator[str]:
    baseline = median(timings[0].seconds)
    yield f"\n## A dataset of {shape.title}\n"
    yield "| Load | Median | Lowest to highest | Rows a second | Times the baseline |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, _, seconds in timings:
        middle = median(seconds)
        yield (
            f"| {name} | {middle:.2f} s | {min(seconds):.2f} to {max(seconds):.2f} s "
            f"| {rows / middle:,.0f} | {middle / baseline:.2f} |"
        )
    yield f"\nOurs should take at most {shape.limit} times as long."


def _facts(title: str, options: Options) -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return "\n".join(
        (
            "# Datasets to tasks\n",
            f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores, "
            f"{platform.machine()}, {platform.system()} {platform.release()}; {title}",
            f"- Python {platform.python_version()}; {libraries}",
            f"- {options.rows:,} rows; medians of {options.repeats}, the loads taking turns",
            "- Each load in a fresh process, its imports not counted, into a fresh copy of the "
            "database that holds the dataset; both fill the same table with the same indexes",
        )
    )


if __name__ == "__main__":
    main()
