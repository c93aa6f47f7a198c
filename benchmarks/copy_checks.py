"""Cost of the checks and indexes of the table of tasks, for a COPY on PostgreSQL.

Each COPY writes the same shaped rows into a fresh store whose table was altered in one or two ways,
in one transaction. The variants take turns. The seconds are processor time of the server's process,
which other work on the machine changes little; they are read from ``/proc`` and are medians. The
rows are counted before a time counts.
"""

import argparse
import os
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import psycopg
from sqlalchemy import make_url

from benchmarks.databases import Databases, make_store, open_databases
from benchmarks.generate import write_csv
from benchmarks.shaped import COLUMNS, COPY_OPTIONS, write_shaped

_COPY: Final = f"COPY tasks ({COLUMNS}) FROM STDIN ({COPY_OPTIONS})"
_DROP_TRIGGER: Final = "DROP TRIGGER seeding_check_groups ON tasks"
_ADD_KEY: Final = (
    "ALTER TABLE tasks ADD FOREIGN KEY (group_id, pipeline_id)"
    " REFERENCES task_groups (id, pipeline_id)"
)
_ROWS_OF_A_PART: Final = 5_000


class Variant(NamedTuple):
    """A table to copy into: how it was altered, and whether the rows come in parts."""

    name: str
    changes: tuple[str, ...] = ()
    in_parts: bool = False


VARIANTS: Final = (
    Variant("as it is: with the trigger, one COPY"),
    Variant("with the foreign key in place of the trigger", (_DROP_TRIGGER, _ADD_KEY)),
    Variant("with neither", (_DROP_TRIGGER,)),
    Variant("as it is, COPY in parts of 5,000 rows", in_parts=True),
    Variant("with neither, COPY in parts of 5,000 rows", (_DROP_TRIGGER,), in_parts=True),
    Variant("no check of the status", ("ALTER TABLE tasks DROP CONSTRAINT ck_tasks_status",)),
    Variant("`text` in place of `json`", ("ALTER TABLE tasks ALTER predefined TYPE text",)),
    Variant(
        "`jsonb` in place of `json`",
        ("ALTER TABLE tasks ALTER predefined TYPE jsonb USING predefined::jsonb",),
    ),
    Variant(
        "no index of pipeline, status and id",
        ("DROP INDEX ix_tasks_pipeline_id_status_id",),
    ),
    Variant(
        "no unique index of group and row",
        ("ALTER TABLE tasks DROP CONSTRAINT uq_tasks_group_id_row",),
    ),
)


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with (
        TemporaryDirectory(prefix="copy-") as folder,
        open_databases("postgresql", Path(folder)) as databases,
    ):
        source, shaped = Path(folder, "reviews.csv"), Path(folder, "shaped")
        write_csv(source, rows=options.rows)
        write_shaped(source, shaped)
        lines = shaped.read_bytes().splitlines(keepends=True)
        seconds: dict[str, list[float]] = {variant.name: [] for variant in VARIANTS}
        for turn in range(options.repeats):
            for variant in VARIANTS:
                seconds[variant.name].append(_copy(databases, variant, lines))
            print(f"turn {turn + 1} of {options.repeats}", file=sys.stderr)
        _print(f"{databases.title}, {options.rows:,} rows", seconds)


def _copy(databases: Databases, variant: Variant, lines: list[bytes]) -> float:
    """Return the processor time of the server's process from the first byte to the commit."""
    size = _ROWS_OF_A_PART if variant.in_parts else len(lines)
    parts = [b"".join(lines[first : first + size]) for first in range(0, len(lines), size)]
    with databases.fresh() as url:
        make_store(url, with_group=True)
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain) as connection:
            for change in variant.changes:
                connection.execute(change.encode())
            connection.commit()
            server = connection.info.backend_pid
            began = _processor_seconds(server)
            for part in parts:
                with connection.cursor().copy(_COPY.encode()) as copy:
                    copy.write(part)
            connection.commit()
            seconds = _processor_seconds(server) - began
            counted = connection.execute("SELECT count(*) FROM tasks").fetchone()
    if counted != (len(lines),):
        raise RuntimeError(f"{variant.name}: {counted} rows of {len(lines):,}")
    return seconds


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _print(title: str, seconds: dict[str, list[float]]) -> None:
    print(f"{title}\n\n| table | processor seconds | of each turn |\n| --- | ---: | --- |")
    for name, times in seconds.items():
        turns = ", ".join(f"{one:.2f}" for one in times)
        print(f"| {name} | {median(times):.2f} | {turns} |")


if __name__ == "__main__":
    main()
