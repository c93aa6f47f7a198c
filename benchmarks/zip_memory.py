"""Peak memory of the process of a flow that seeds from a ZIP.

The process has Prefect imported and talks to a real Prefect server; the memory of the database and
of the S3 server is not in it. The figure must not grow with the ZIP.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.databases import Databases, make_store, open_databases
from benchmarks.generate_zip import write_photos_catalogue, write_zip
from benchmarks.load_once import Load, load_once, loading_environment
from benchmarks.servers import prefect_server
from benchmarks.storages import BucketStorages, FolderStorages, Storages, Stored
from benchmarks.zip_load import check_stored, check_tasks

_PLACES: Final = {"folder": "sqlite", "s3": "postgresql"}
"""Kinds of storage, and the database that is used with each."""


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zip_memory", description=__doc__)
    parser.add_argument("--members", type=int, nargs="+", default=[5_000, 50_000], help="sizes")
    parser.add_argument("--member-bytes", type=int, default=40_000)
    parser.add_argument("--storages", nargs="+", choices=_PLACES, default=list(_PLACES))
    options = parser.parse_args()
    with (
        TemporaryDirectory(prefix="seeding-benchmark-") as folder,
        prefect_server(Path(folder)) as api_url,
    ):
        print("| Storage | Database | Files | ZIP | Seconds | Peak resident memory |")
        print("| --- | --- | ---: | ---: | ---: | ---: |", flush=True)
        for members in options.members:
            source = Path(folder, "photos.zip")
            write_zip(source, members=members, member_bytes=options.member_bytes)
            for kind in options.storages:
                expected = Stored(members, members * options.member_bytes)
                print(_measured(kind, source, expected, api_url), flush=True)


def _measured(kind: str, source: Path, expected: Stored, api_url: str) -> str:
    folder = source.parent
    storages: Storages = BucketStorages("stub", folder) if kind == "s3" else FolderStorages(folder)
    with open_databases(_PLACES[kind], folder) as databases:
        environment = loading_environment(
            folder, programs=databases.programs, prefect_api_url=api_url
        )
        load = _load(storages, databases, source, expected, environment)
        return (
            f"| {storages.title} | {databases.title} | {expected.files:,} "
            f"| {source.stat().st_size / 1e6:,.0f} MB "
            f"| {load.seconds:.1f} | {load.peak_bytes / 1e6:,.0f} MB |"
        )


def _load(
    storages: Storages,
    databases: Databases,
    source: Path,
    expected: Stored,
    environment: dict[str, str],
) -> Load:
    """Run the flow into an empty storage and database; raise RuntimeError if files are missing."""
    with storages.fresh() as place, databases.fresh() as url:
        make_store(url, write_catalogue=write_photos_catalogue)
        load = load_once(
            "zip_prefect_flow", url, source, environment=environment | place.environment
        )
        check_stored(place, expected)
        check_tasks(url, expected.files)
        return load


if __name__ == "__main__":
    main()
