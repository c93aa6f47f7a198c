"""Speed of seeding a CSV into a pipeline with a key: the first night, and the next ones.

The next night's file holds all rows of the first one and one percent more. A third file has only a
tenth of the rows, with other values, which their tasks take. Each load runs in a process of its
own; each first load into a fresh database. On PostgreSQL the baseline is psql's copy of shaped rows
with their keys into the same table with the same indexes. The rows that a load wrote are counted
before its time counts. The table's seconds are medians.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from benchmarks.candidates import CANDIDATES, database_kinds
from benchmarks.databases import Databases, count_rows, each_database, make_store
from benchmarks.generate import write_catalogue, write_csv
from benchmarks.load_once import Load, load_once
from benchmarks.shaped import SEPARATOR, write_shaped
from benchmarks.tables import collect, medians_of, table

_BASELINE: Final = r"baseline: psql \copy of shaped rows with keys"
_WITHOUT: Final = "without a key"
_FIRST: Final = "with a key, the first night"
_NEXT: Final = "with a key, the next night: 99 % known, 1 % new"
_CHANGED: Final = "with a key and `on_change: update`, only the changed rows: a tenth"


class Bench(NamedTuple):
    """The inputs, the databases, and the environment of the loads."""

    folder: Path
    rows: int
    databases: Databases
    environment: dict[str, str]

    def run(self, *, has_baseline: bool) -> Iterator[tuple[str, Load]]:
        """Yield each load once."""
        keyed = partial(write_catalogue, key=["review_id"])
        if has_baseline:
            with self.databases.fresh() as url:
                make_store(url, with_group=True, write_catalogue=keyed)
                yield _BASELINE, self._load("keyed_psql_copy", url, "first.shaped", self.rows)
        with self.databases.fresh() as url:
            make_store(url)
            yield _WITHOUT, self._load("operation", url, "first.csv", self.rows)
        with self.databases.fresh() as url:
            make_store(url, write_catalogue=keyed)
            yield _FIRST, self._load("operation", url, "first.csv", self.rows)
            yield _NEXT, self._load("operation", url, "next.csv", self.rows + self.rows // 100)
        with self.databases.fresh() as url:
            make_store(url, write_catalogue=partial(keyed, on_change="update"))
            self._load("operation", url, "first.csv", self.rows)
            yield _CHANGED, self._load("operation", url, "changed.csv", self.rows)
            updated = count_rows(url, "task_updates")
            if updated != self.rows // 10:
                raise RuntimeError(f"{updated:,} tasks were updated instead of a tenth")

    def _load(self, loader: str, url: str, source: str, tasks: int) -> Load:
        load = load_once(loader, url, self.folder / source, environment=self.environment)
        found = count_rows(url, "tasks")
        if found != tasks:
            raise RuntimeError(f"{loader} left {found:,} tasks instead of {tasks:,}")
        return load


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keyed_load", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--databases", type=database_kinds, default=list(CANDIDATES))
    options = parser.parse_args()
    with TemporaryDirectory(prefix="seeding-benchmark-") as name:
        folder = Path(name)
        write_csv(folder / "first.csv", rows=options.rows)
        write_csv(folder / "next.csv", rows=options.rows + options.rows // 100)
        write_csv(folder / "changed.csv", rows=options.rows // 10, seed=2)
        if "postgresql" in options.databases:
            _write_keyed(folder, folder / "first.shaped")
        for kind, databases, environment in each_database(options.databases, folder):
            bench = Bench(folder, options.rows, databases, environment)
            print(f"\n## {databases.title}, {options.rows:,} rows\n")
            for line in _table(bench, options.repeats, has_baseline=kind == "postgresql"):
                print(line, flush=True)


def _write_keyed(folder: Path, target: Path) -> None:
    """Write the shaped rows of the first night, with a key for each."""
    write_shaped(folder / "first.csv", folder / "plain.shaped")
    with (
        (folder / "plain.shaped").open(encoding="utf-8") as plain,
        target.open("w", encoding="utf-8") as keyed,
    ):
        for line in plain:
            number = int(line.split(SEPARATOR, 3)[2]) - 1
            keyed.write(f'{line.rstrip()}{SEPARATOR}["R{number:010d}"]\n')
    (folder / "plain.shaped").unlink()


def _table(bench: Bench, repeats: int, *, has_baseline: bool) -> Iterator[str]:
    loads = collect(bench.run(has_baseline=has_baseline) for _ in range(repeats))
    yield from table(loads, bench.rows)
    medians = medians_of(loads)
    yield ""
    if has_baseline:
        yield f"- First night: {medians[_BASELINE] / medians[_FIRST]:.2f} of the baseline's speed"
    yield f"- Next night: {medians[_NEXT] / medians[_FIRST]:.2f} of the first night's time"
    yield f"- Updates a second: {bench.rows // 10 / medians[_CHANGED]:,.0f}"


if __name__ == "__main__":
    main()
