"""Create the ZIP to seed, and its catalogue; a helper of the benchmarks.

Its photos are random bytes behind a JPEG's first ones, each another content, and are stored as they
are: they would not shrink. The same numbers and seed make the same bytes.
"""

import argparse
import csv
import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import yaml

PIPELINE: Final = "acme/photos/describe-photos"
_JPEG_HEAD: Final = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")
_FIELDS: Final = [
    {"name": "photo", "type": "file", "source": "dataset", "content_types": ["image/*"]},
    {"name": "place", "type": "text", "source": "dataset"},
    {"name": "caption", "type": "long_text", "source": "input"},
]


def write_zip(path: Path, *, members: int, member_bytes: int, seed: int = 1) -> None:
    """Write a ZIP of ``members`` photos and a CSV with a row for each, streaming."""
    with ZipFile(path, "w") as archive:
        with archive.open("photos.csv", "w") as binary, io.TextIOWrapper(binary, "utf-8") as text:
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(("photo", "place"))
            writer.writerows((name, f"Place {number}") for number, name in _names(members))
        for number, name in _names(members):
            noise = random.Random(f"{seed}/{number}").randbytes(member_bytes - len(_JPEG_HEAD))
            archive.writestr(name, _JPEG_HEAD + noise)


def write_photos_catalogue(path: Path) -> None:
    """Write the catalogue whose only pipeline, ``PIPELINE``, takes the ZIP."""
    organization, project, pipeline = PIPELINE.split("/")
    entry = {"name": project, "pipelines": [{"name": pipeline, "fields": _FIELDS}]}
    catalogue = {"organizations": [{"name": organization, "projects": [entry]}]}
    path.write_text(yaml.safe_dump(catalogue, sort_keys=False), "utf-8")


def _names(members: int) -> Iterator[tuple[int, str]]:
    return ((number, f"photos/{number:07d}.jpg") for number in range(members))


def main() -> None:
    """Write a ZIP and its catalogue to the paths of the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate_zip", description=__doc__)
    parser.add_argument("output", type=Path, help="the ZIP to write; its catalogue ends in .yaml")
    parser.add_argument("--members", type=int, default=2_000)
    parser.add_argument("--member-bytes", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    write_zip(given.output, members=given.members, member_bytes=given.member_bytes, seed=given.seed)
    write_photos_catalogue(given.output.with_suffix(".yaml"))


if __name__ == "__main__":
    main()
