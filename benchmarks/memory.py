"""How much memory a seeding takes: measures the peak of the flow's process at several sizes.

The process has Prefect imported and talks to a real Prefect server; the database's own memory is
not in it. The figure must not grow with the file.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.candidates import CANDIDATES, FLOW, database_kinds
from benchmarks.databases import Databases, count_rows, make_store, open_databases
from benchmarks.generate import write_csv
from benchmarks.load_once import Load, load_once, loading_environment
from benchmarks.servers import prefect_server


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--rows", default="1000000,10000000", help="sizes, with commas between")
    parser.add_argument("--databases", type=database_kinds, default=list(CANDIDATES))
    options = parser.parse_args()
    sizes = [int(size) for size in options.rows.split(",")]
    with (
        TemporaryDirectory(prefix="seeding-benchmark-") as folder,
        prefect_server(Path(folder)) as api_url,
    ):
        print("| Database | Rows | File | Seconds | Peak resident memory |")
        print("| --- | ---: | ---: | ---: | ---: |", flush=True)
        for rows in sizes:
            source = Path(folder, "reviews.csv")
            write_csv(source, rows=rows)
            for kind in options.databases:
                print(_measured(kind, source, rows, api_url), flush=True)


def _measured(kind: str, source: Path, rows: int, api_url: str) -> str:
    with open_databases(kind, source.parent) as databases:
        environment = loading_environment(
            source.parent, programs=databases.programs, prefect_api_url=api_url
        )
        load = _load(databases, source, rows, environment)
        return (
            f"| {databases.title} | {rows:,} | {source.stat().st_size / 1e6:,.0f} MB "
            f"| {load.seconds:.1f} | {load.peak_bytes / 1e6:,.0f} MB |"
        )


def _load(databases: Databases, source: Path, rows: int, environment: dict[str, str]) -> Load:
    """Run the flow into a fresh database; raise RuntimeError unless it made all tasks."""
    with databases.fresh() as url:
        make_store(url, with_group=False)
        load = load_once(FLOW.loader, url, source, environment=environment)
        found = count_rows(url, FLOW.table)
        if found != rows:
            raise RuntimeError(f"{found:,} tasks of {rows:,} were made")
        return load


if __name__ == "__main__":
    main()
