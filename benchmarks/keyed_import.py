"""Speed of importing a CSV into a dataset by its key: the first night, and the next one.

The next night's file holds all rows of the first one and one percent more. Each import runs in a
process of its own; each first import into a fresh database. The baseline is a plain import of the
same file. The rows that an import left are counted before its time counts. The table's seconds are
medians.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from benchmarks.candidates import CANDIDATES, database_kinds
from benchmarks.databases import Databases, count_rows, each_database, make_store
from benchmarks.generate import write_csv
from benchmarks.load_once import Load, load_once
from benchmarks.tables import collect, table

_PLAIN: Final = "baseline: without a key"
_FIRST: Final = "with a key, the first night"
_NEXT: Final = "with a key, the next night: 99 % known, 1 % new"


class Bench(NamedTuple):
    """The inputs, the databases, and the environment of the imports."""

    folder: Path
    rows: int
    databases: Databases
    environment: dict[str, str]

    def run(self) -> Iterator[tuple[str, Load]]:
        """Yield each import once."""
        with self.databases.fresh() as url:
            make_store(url)
            yield _PLAIN, self._import("plain_import", url, "first.csv", self.rows)
        with self.databases.fresh() as url:
            make_store(url)
            yield _FIRST, self._import("keyed_import", url, "first.csv", self.rows)
            more = self.rows + self.rows // 100
            yield _NEXT, self._import("keyed_import", url, "next.csv", more)

    def _import(self, loader: str, url: str, source: str, rows: int) -> Load:
        load = load_once(loader, url, self.folder / source, environment=self.environment)
        found = count_rows(url, "dataset_rows")
        if found != rows:
            raise RuntimeError(f"{loader} left {found:,} rows instead of {rows:,}")
        return load


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keyed_import", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--databases", type=database_kinds, default=list(CANDIDATES))
    options = parser.parse_args()
    with TemporaryDirectory(prefix="seeding-benchmark-") as name:
        folder = Path(name)
        write_csv(folder / "first.csv", rows=options.rows)
        write_csv(folder / "next.csv", rows=options.rows + options.rows // 100)
        for _, databases, environment in each_database(options.databases, folder):
            bench = Bench(folder, options.rows, databases, environment)
            print(f"\n## {databases.title}, {options.rows:,} rows\n")
            loads = collect(bench.run() for _ in range(options.repeats))
            print("\n".join(table(loads, options.rows)), flush=True)


if __name__ == "__main__":
    main()
