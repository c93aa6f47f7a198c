"""How fast a ZIP's files come into S3 and become tasks: our operation against bare boto3 puts.

Each load runs in a process of its own, into a server and a database of its own; the candidates take
turns, so that a busy minute of the machine falls on all of them. The files and the
tasks of a load are counted before its time counts. The table's seconds are medians.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from benchmarks.databases import Databases, count_rows, make_store, open_databases
from benchmarks.generate_zip import write_photos_catalogue, write_zip
from benchmarks.load_once import load_once, loading_environment
from benchmarks.loaders.boto3_puts import THREADS_VARIABLE
from benchmarks.storages import STORAGES, BucketStorages, Place, Storages, Stored

_LIBRARIES: Final = ("boto3", "s3fs", "aiobotocore", "moto", "sqlalchemy", "psycopg")


class FileLoad(NamedTuple):
    """A load to compare: boto3 with so many threads (0: one by one), or ours into a database.

    A slow one takes only a tenth of the files, and is compared by its files a second.
    """

    name: str
    loader: str = "boto3_puts"
    threads: int = 0
    database: str = ""
    takes_a_tenth: bool = False


_ONE_BY_ONE: Final = FileLoad("boto3, one put after the other", takes_a_tenth=True)
_POOLS: Final = tuple(
    FileLoad(f"boto3, {threads} threads", threads=threads) for threads in (4, 8, 16, 32)
)
_OURS: Final = (
    FileLoad("our operation, SQLite", "zip_operation", database="sqlite"),
    FileLoad("our operation, PostgreSQL", "zip_operation", database="postgresql"),
)
LOADS: Final = (_ONE_BY_ONE, *_POOLS, *_OURS)


class Options(NamedTuple):
    """The options of the command line."""

    members: int
    member_bytes: int
    repeats: int
    storages: list[str]


class Timing(NamedTuple):
    """The seconds of a load, one for each repeat, and its number of files."""

    load: FileLoad
    files: int
    seconds: list[float]

    @property
    def files_a_second(self) -> float:
        """The speed of the median load."""
        return self.files / median(self.seconds)


@dataclass(frozen=True)
class Bench:
    """The inputs' folder, the files' size, the databases by kind and the storages."""

    folder: Path
    member_bytes: int
    databases: Mapping[str, Databases]
    storages: Storages

    def timings(self, members: int, repeats: int) -> list[Timing]:
        """Run the loads alternately, ``repeats`` times."""
        timings = [
            Timing(load, members // 10 if load.takes_a_tenth else members, []) for load in LOADS
        ]
        for _ in range(repeats):
            for timing in timings:
                timing.seconds.append(self._seconds(timing.load, timing.files))
        return timings

    def _seconds(self, load: FileLoad, files: int) -> float:
        """Load into an empty storage and database, and check that nothing is missing."""
        with ExitStack() as resources:
            place = resources.enter_context(self.storages.fresh())
            url = ""
            if load.database:
                url = resources.enter_context(self.databases[load.database].fresh())
                make_store(url, write_catalogue=write_photos_catalogue)
            source = self.folder / f"{files}.zip"
            environment = self._environment(load, place)
            seconds = load_once(load.loader, url, source, environment=environment).seconds
            check_stored(place, Stored(files, files * self.member_bytes))
            if url:
                check_tasks(url, files)
        print(f"{load.name}: {files:,} files, {seconds:.2f} s", file=sys.stderr)
        return seconds

    def _environment(self, load: FileLoad, place: Place) -> dict[str, str]:
        environment = loading_environment(self.folder, programs=None, prefect_api_url="")
        return environment | place.environment | {THREADS_VARIABLE: str(load.threads)}


def check_stored(place: Place, expected: Stored) -> None:
    """Raise RuntimeError unless the storage holds as many files and bytes."""
    found = place.stored()
    if found != expected:
        raise RuntimeError(f"{found} is stored, not {expected}")


def check_tasks(url: str, expected: int) -> None:
    """Raise RuntimeError unless the store holds as many tasks, and as many files of theirs."""
    for table in ("tasks", "group_files"):
        found = count_rows(url, table)
        if found != expected:
            raise RuntimeError(f"{table} holds {found:,} rows, not {expected:,}")


def main() -> None:
    """Measure, and print Markdown."""
    options = _read_options()
    with TemporaryDirectory(prefix="seeding-benchmark-") as name, ExitStack() as resources:
        folder = Path(name)
        for size in (options.members, options.members // 10):
            path = folder / f"{size}.zip"
            write_zip(path, members=size, member_bytes=options.member_bytes)
        databases = {
            load.database: resources.enter_context(open_databases(load.database, folder))
            for load in _OURS
        }
        print(_facts(options), flush=True)
        for kind in options.storages:
            bench = Bench(folder, options.member_bytes, databases, BucketStorages(kind, folder))
            for line in _measured(bench, options):
                print(line, flush=True)


def _read_options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zip_load", description=__doc__)
    parser.add_argument("--members", type=int, default=2_000)
    parser.add_argument("--member-bytes", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--storages", nargs="+", choices=STORAGES, default=list(STORAGES))
    given = parser.parse_args()
    if given.members < 10 or given.member_bytes < 100 or given.repeats < 1:
        parser.error("there must be 10 members, of 100 bytes, and one repeat at least")
    return Options(given.members, given.member_bytes, given.repeats, given.storages)


def _measured(bench: Bench, options: Options) -> Iterator[str]:
    """Yield the heading and the table of one kind of storage."""
    yield f"\n## {bench.storages.title}\n"
    timings = bench.timings(options.members, options.repeats)
    single = timings[0].files_a_second
    pool = max(timing.files_a_second for timing in timings if timing.load.threads)
    yield (
        "| Load | Files | Median | Lowest to highest | Files a second "
        "| Of the fastest pool's speed | Times one by one |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for timing in timings:
        speed = timing.files_a_second
        yield (
            f"| {timing.load.name} | {timing.files:,} | {median(timing.seconds):.2f} s "
            f"| {min(timing.seconds):.2f} to {max(timing.seconds):.2f} s "
            f"| {speed:,.0f} | {speed / pool:.0%} | {speed / single:.1f} |"
        )


def _facts(options: Options) -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return "\n".join(
        (
            "# ZIP loads\n",
            f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores, "
            f"{platform.machine()}, {platform.system()} {platform.release()}",
            f"- Python {platform.python_version()}; {libraries}",
            f"- {options.members:,} files of {options.member_bytes:,} bytes that do not shrink, in "
            f"a ZIP on the local disk; medians of {options.repeats}, the candidates taking turns",
            "- Each load in a fresh process, its imports not counted, to a fresh server on the "
            "same cores and into a fresh database",
            "- boto3 makes its client and puts, and no more: its files are in memory before its "
            "clock starts; ours reads, checks, hashes and records them, and makes their tasks",
            "- One put after the other takes a tenth of the files, and is compared by files a "
            "second",
        )
    )


if __name__ == "__main__":
    main()
