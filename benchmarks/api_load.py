"""Throughput of batches of 5,000 tasks over HTTP, compared with raw COPY.

Four clients, each a process, send the same rows of mixed columns batch by batch. The baseline
copies them into the tasks' table over psycopg, ready-made, one group and transaction a batch. Ours
sends them as JSON to ``seeding api``, whose processes check and shape them, keep counts, and answer
with the ids. They take turns on fresh databases; the figures are medians.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import psycopg
from sqlalchemy import make_url

from benchmarks.databases import Databases, count_rows, make_store, open_databases
from benchmarks.generate import ALL_COLUMNS, write_catalogue, write_csv
from benchmarks.servers import external_api
from benchmarks.shaped import COLUMNS, COPY_OPTIONS, SEPARATOR, write_shaped

_CLIENTS: Final = 4
_TASKS: Final = 5_000
_CONTEXT: Final = multiprocessing.get_context("spawn")
_GROUP: Final = (
    "INSERT INTO task_groups (pipeline_id, kind, seed_key, source, created_at, task_count,"
    " rejected_count) VALUES (1, 'csv', %s, 'benchmark', now(), %s, 0) RETURNING id"
)

Send = Callable[[int], None]
"""Sends the batch with this number."""


class Work(NamedTuple):
    """The folder with the rows, their columns, batches of each client, and processes of the API."""

    folder: Path
    columns: int
    batches: int
    processes: int


class Load(NamedTuple):
    """The target of the clients, the batches of each, and the file with the shaped rows."""

    sender: str
    database: str
    address: str
    key: str
    batches: int
    shaped: Path


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=40, help="of each client")
    parser.add_argument(
        "--columns", type=int, choices=range(1, ALL_COLUMNS + 1), action="append",
        help="of the tasks; three and all of them unless said",
    )  # fmt: skip
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="of the API")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--database", choices=["postgresql", "sqlite"], action="append")
    options = parser.parse_args()
    print(
        f"Python {platform.python_version()}, uvicorn {version('uvicorn')}, "
        f"{options.processes} processes, {_CLIENTS} clients\n"
    )
    with TemporaryDirectory(prefix="api-load-") as name:
        folder = Path(name)
        for columns in options.columns or [3, ALL_COLUMNS]:
            write_csv(folder / "rows.csv", rows=_TASKS, columns=columns)
            write_shaped(folder / "rows.csv", folder / "rows.shaped", columns=columns)
            for kind in options.database or ["postgresql", "sqlite"]:
                with open_databases(kind, folder) as databases:
                    work = Work(folder, columns, options.batches, options.processes)
                    _measure(databases, work, options.repeats)


def _measure(databases: Databases, work: Work, repeats: int) -> None:
    senders = ["copy", "http"] if databases.title.startswith("PostgreSQL") else ["http"]
    rates: dict[str, list[float]] = {sender: [] for sender in senders}
    for _ in range(repeats):
        for sender in senders:
            rates[sender].append(_run(databases, work, sender))
            print(f"{sender}: {rates[sender][-1]:,.0f} tasks a second", file=sys.stderr)
    print(f"## {databases.title}, {work.columns} columns\n")
    print("| batches | tasks a second | of the baseline |")
    print("| --- | ---: | ---: |")
    for sender in senders:
        rate = median(rates[sender])
        share = f"{rate / median(rates['copy']):.0%}" if "copy" in rates else ""
        print(f"| {sender} | {rate:,.0f} | {share} |")
    print()


def _run(databases: Databases, work: Work, sender: str) -> float:
    """Return the tasks that all clients together create per second."""
    folder, columns, batches, processes = work
    with databases.fresh() as url:
        make_store(url, write_catalogue=partial(write_catalogue, columns=columns))
        with external_api(folder, url, processes) as api:
            load = Load(sender, url, api.address, api.key, batches, folder / "rows.shaped")
            start = _CONTEXT.Barrier(_CLIENTS)
            with _CONTEXT.Pool(_CLIENTS, initializer=_remember, initargs=(start,)) as pool:
                times = pool.map(partial(_client, load), range(_CLIENTS), chunksize=1)
        made = count_rows(url, "tasks")
    if made != _CLIENTS * (batches + 1) * _TASKS:
        raise RuntimeError(f"{made:,} tasks were made by {_CLIENTS} clients of {sender}")
    began, ended = zip(*times, strict=True)
    return float(_CLIENTS * batches * _TASKS / (max(ended) - min(began)))


_start: Barrier


def _remember(barrier: Barrier) -> None:
    global _start  # noqa: PLW0603 - a barrier is handed to a pool's processes only like this
    _start = barrier


def _client(load: Load, number: int) -> tuple[float, float]:
    """Send the batches; return the start of the first and the end of the last."""
    with {"copy": _copying, "http": _posting}[load.sender](load, number) as send:
        send(0)  # a warm-up
        _start.wait()
        began = time.monotonic()
        for batch in range(1, load.batches + 1):
            send(batch)
        return began, time.monotonic()


@contextmanager
def _copying(load: Load, client: int) -> Iterator[Send]:
    rows = load.shaped.read_text("utf-8").splitlines(keepends=True)
    parts = [row.split(SEPARATOR, 2) for row in rows]
    url = make_url(load.database).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:

        def send(batch: int) -> None:
            cursor = connection.execute(_GROUP, (f"{client}/{batch}", _TASKS))
            ((group_id,),) = cursor.fetchall()
            group = str(group_id)
            data = "".join(SEPARATOR.join((first, group, rest)) for first, _, rest in parts)
            statement = f"COPY tasks ({COLUMNS}) FROM STDIN WITH ({COPY_OPTIONS})"
            with cursor.copy(statement) as copy:
                copy.write(data)
            connection.commit()

        yield send


@contextmanager
def _posting(load: Load, client: int) -> Iterator[Send]:
    rows = load.shaped.read_text("utf-8").splitlines()
    fields = [json.loads(row.split(SEPARATOR)[-1]) for row in rows]
    body = json.dumps({"tasks": [{"fields": values} for values in fields]}).encode()
    connection = http.client.HTTPConnection(urlsplit(load.address).netloc)
    headers = {"X-API-Key": load.key, "Content-Type": "application/json"}

    def send(batch: int) -> None:
        headers["Idempotency-Key"] = f"{client}/{batch}"
        connection.request("POST", "/api/v1/workflows/1/tasks", body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != http.HTTPStatus.CREATED:
            raise RuntimeError(said.decode())

    yield send
    connection.close()


if __name__ == "__main__":
    main()
