"""Speed of seeding a CSV: our operation and our flow, compared with the bare database.

Each load runs in a process of its own into a fresh database; the candidates take turns, so that a
busy minute of the machine falls on all of them. The rows that a load wrote are counted before its
time counts. The table's seconds are medians.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from benchmarks.candidates import CANDIDATES, FLOW, OPERATION, Candidate, database_kinds
from benchmarks.databases import (
    Databases,
    count_rows,
    make_store,
    open_databases,
    tasks_fingerprint,
)
from benchmarks.generate import write_csv
from benchmarks.load_once import load_once, loading_environment
from benchmarks.servers import prefect_server
from benchmarks.shaped import write_shaped

_SMALL_ROWS: Final = 1_000
_SMALL_REPEATS: Final = 5
_LIBRARIES: Final = ("prefect", "sqlalchemy", "psycopg", "pyarrow", "pandas", "dlt", "sqlite-utils")


class Options(NamedTuple):
    """The options of the command line."""

    rows: int
    repeats: int
    databases: list[str]


class Timing(NamedTuple):
    """The seconds of a candidate, one for each repeat, and its number of rows."""

    candidate: Candidate
    rows: int
    seconds: list[float]

    @property
    def rows_a_second(self) -> float:
        """The speed of the median load."""
        return self.rows / median(self.seconds)


@dataclass(frozen=True)
class Bench:
    """The inputs' folder, the databases, and the environment of the loads."""

    folder: Path
    databases: Databases
    environment: dict[str, str]
    fingerprints: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def timings(self, candidates: Sequence[Candidate], rows: int, repeats: int) -> list[Timing]:
        """Run the candidates alternately, ``repeats`` times."""
        sizes = [rows // 10 if entry.takes_a_tenth else rows for entry in candidates]
        timings = [Timing(*pair, []) for pair in zip(candidates, sizes, strict=True)]
        for _ in range(repeats):
            for timing in timings:
                timing.seconds.append(self._seconds(timing.candidate, timing.rows))
        return timings

    def _seconds(self, candidate: Candidate, rows: int) -> float:
        """Load into an empty database, and check that all rows arrived."""
        suffix = "shaped" if candidate.takes_shaped_rows else "csv"
        source = self.folder / f"{rows}.{suffix}"
        with self.databases.fresh() as url:
            if candidate.makes_tasks:
                make_store(url, with_group=candidate.takes_shaped_rows)
            load = load_once(candidate.loader, url, source, environment=self.environment)
            self._check(candidate, rows, url)
        print(f"{candidate.name}: {rows:,} rows, {load.seconds:.2f} s", file=sys.stderr)
        return load.seconds

    def _check(self, candidate: Candidate, rows: int, url: str) -> None:
        """Raise RuntimeError if rows are missing or tasks differ from those of other candidates."""
        found = count_rows(url, candidate.table)
        if found != rows:
            raise RuntimeError(f"{candidate.name} left {found:,} rows of {rows:,}")
        if candidate.makes_tasks:
            tasks = tasks_fingerprint(url)
            if self.fingerprints.setdefault(rows, tasks) != tasks:
                raise RuntimeError(f"{candidate.name} made other tasks than those before it")


def main() -> None:
    """Measure, and print Markdown."""
    options = _read_options()
    with TemporaryDirectory(prefix="seeding-benchmark-") as name:
        folder = Path(name)
        _write_inputs(folder, options.rows)
        with prefect_server(folder) as api_url:
            print(_facts(folder / f"{options.rows}.csv", options), flush=True)
            for kind in options.databases:
                for line in _measured(kind, folder, api_url, options):
                    print(line, flush=True)


def _read_options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.csv_load", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--databases", type=database_kinds, default=list(CANDIDATES))
    given = parser.parse_args()
    if given.rows < 10 or given.repeats < 1:
        parser.error("there must be 10 rows and one repeat at least")
    return Options(given.rows, given.repeats, given.databases)


def _write_inputs(folder: Path, rows: int) -> None:
    for size in {rows, rows // 10, _SMALL_ROWS}:
        write_csv(folder / f"{size}.csv", rows=size)
    write_shaped(folder / f"{rows}.csv", folder / f"{rows}.shaped")


def _measured(kind: str, folder: Path, api_url: str, options: Options) -> Iterator[str]:
    """Yield the heading, the table and the notes of one kind of database."""
    with open_databases(kind, folder) as databases:
        environment = loading_environment(
            folder, programs=databases.programs, prefect_api_url=api_url
        )
        bench = Bench(folder, databases, environment)
        yield f"\n## {databases.title}\n"
        candidates = CANDIDATES[kind]
        # The first load on a server makes files that later ones find made: it does not count.
        bench.timings(candidates[:1], options.rows, 1)
        timings = bench.timings(candidates, options.rows, options.repeats)
        yield from _table(timings)
        yield ""
        yield from _notes(timings)
        small = bench.timings((OPERATION, FLOW), _SMALL_ROWS, _SMALL_REPEATS)
        yield f"- {_overhead(*small)}"


def _table(timings: list[Timing]) -> Iterator[str]:
    baseline = timings[0].rows_a_second
    yield "| Load | Rows | Median | Lowest to highest | Rows a second | Of the baseline's speed |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for timing in timings:
        yield (
            f"| {timing.candidate.name} | {timing.rows:,} | {median(timing.seconds):.2f} s "
            f"| {min(timing.seconds):.2f} to {max(timing.seconds):.2f} s "
            f"| {timing.rows_a_second:,.0f} | {timing.rows_a_second / baseline:.0%} |"
        )


def _notes(timings: list[Timing]) -> Iterator[str]:
    for timing in timings:
        if timing.candidate.lacks:
            yield f"- {timing.candidate.name.replace('*', '')}: {timing.candidate.lacks}."
    if any(timing.candidate.takes_a_tenth for timing in timings):
        yield "- The slow ones took a tenth of the rows; they are compared by rows a second."


def _overhead(operation: Timing, flow: Timing) -> str:
    alone, within = median(operation.seconds), median(flow.seconds)
    return (
        f"What Prefect costs a run: {within - alone:.2f} s, the flow's {within:.2f} s less the "
        f"operation's {alone:.2f} s (medians of {_SMALL_REPEATS}, {_SMALL_ROWS:,} rows)."
    )


def _facts(source: Path, options: Options) -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return "\n".join(
        (
            "# CSV loads\n",
            f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores, "
            f"{platform.machine()}, {platform.system()} {platform.release()}",
            f"- Python {platform.python_version()}; {libraries}",
            f"- {options.rows:,} rows of eight columns, {source.stat().st_size / 1e6:,.0f} MB; "
            f"medians of {options.repeats}, the candidates taking turns",
            "- Each load in a fresh process, its imports not counted; the database has its "
            "default settings and is empty but for the store's own tables",
        )
    )


if __name__ == "__main__":
    main()
