"""Speed of exporting finished tasks from PostgreSQL or SQLite to a Parquet file.

The tasks have ten values. Each export runs in a process of its own and takes all of them; the
baseline reads the same rows with pandas and leaves their values in one column of JSON. The rows of
a file are counted before its time counts. An export without news is timed last. With ``--table``
they are exported to a table of the same database too. The seconds are medians.
"""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import pyarrow.parquet as pq
import yaml
from sqlalchemy import create_engine, text

from benchmarks.candidates import CANDIDATES, database_kinds
from benchmarks.databases import each_database, make_store
from benchmarks.generate import write_catalogue, write_csv
from benchmarks.load_once import Load, load_once
from benchmarks.tables import collect, medians_of, table

_PANDAS: Final = "baseline: `pandas.read_sql` and `to_parquet`, values as JSON"
_EXPORT: Final = "our export, a column for each value"
_TABLE: Final = "our export to a table of the same database"
_NO_NEWS: Final = "our export again, without news"
_ANSWERS: Final[list[dict[str, Any]]] = [
    {
        "name": "mood",
        "type": "single_select",
        "options": ["good", "bad"],
        "source": "input",
        "required": True,
    },
    {"name": "comment", "type": "long_text", "source": "input"},
]
_FINISH: Final = """
    UPDATE tasks SET status = 'finished', finish_number = id, claimed_by = 'ada',
        claimed_at = CURRENT_TIMESTAMP, finished_at = CURRENT_TIMESTAMP,
        filled_in = '{"mood":"good","comment":"Clear enough to be labelled at once."}'
"""


class Bench(NamedTuple):
    """The folder of the exports, and a store whose tasks are finished."""

    folder: Path
    url: str
    rows: int
    environment: dict[str, str]
    to_table: bool

    def run(self) -> Iterator[tuple[str, Load]]:
        """Yield each export once."""
        for name, loader in ((_PANDAS, "results_by_pandas"), (_EXPORT, "results_export")):
            target = self.folder / loader
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            load = self._load(loader, target)
            found = sum(pq.read_metadata(path).num_rows for path in target.iterdir())
            if found != self.rows:
                raise RuntimeError(f"{loader} left {found:,} rows instead of {self.rows:,}")
            yield name, load
        yield _NO_NEWS, self._load("results_without_news", target)
        if self.to_table:
            yield _TABLE, self._load("results_to_table", target)

    def _load(self, loader: str, target: Path) -> Load:
        return load_once(loader, self.url, target, environment=self.environment)


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.result_export", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--databases", type=database_kinds, default=list(CANDIDATES))
    parser.add_argument("--table", action="store_true", help="export to a table too")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="seeding-benchmark-") as name:
        folder = Path(name)
        write_csv(folder / "tasks.csv", rows=options.rows)
        for _, databases, environment in each_database(options.databases, folder):
            with databases.fresh() as url:
                _finish_tasks(url, folder, environment)
                bench = Bench(folder, url, options.rows, environment, options.table)
                loads = collect(bench.run() for _ in range(options.repeats))
                print(f"\n## {databases.title}, {options.rows:,} finished tasks\n")
                print("\n".join(table(loads, options.rows)))
                no_news = medians_of(loads)[_NO_NEWS]
                print(f"\n- An export without news: {no_news * 1e3:.0f} ms", flush=True)


def _finish_tasks(url: str, folder: Path, environment: dict[str, str]) -> None:
    """Make a store with the finished tasks of the file; its counts by status are not kept."""
    make_store(url, write_catalogue=_write_catalogue)
    load_once("operation", url, folder / "tasks.csv", environment=environment)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(_FINISH))
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM (FULL, ANALYZE) tasks"))
    engine.dispose()


def _write_catalogue(path: Path) -> None:
    """Write the catalogue of the generated file, with fields for the answers."""
    write_catalogue(path)
    catalogue = yaml.safe_load(path.read_text("utf-8"))
    pipeline = catalogue["organizations"][0]["projects"][0]["pipelines"][0]
    pipeline["fields"] += _ANSWERS
    path.write_text(yaml.safe_dump(catalogue, sort_keys=False, allow_unicode=True), "utf-8")


if __name__ == "__main__":
    main()
