"""Processor time of one claim, row, batch and chained task: of PostgreSQL and of our processes.

The page *Scale out* computes from these figures. Wall-clock times of a small, shared machine say
little about a large one; processor time does, as long as nobody waits for a lock. So each scenario
also shows which share of PostgreSQL's active sessions waited for a lock, of those that were sampled
while it ran. Clients are processes with a connection of their own, and warm up first. What was
created or claimed is counted before a figure counts.

``held`` shows what limits the claims of one pipeline: others hold claims that they have not
committed yet, and the measured client has to skip their tasks.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import psycopg
import yaml
from sqlalchemy import make_url

from benchmarks.bare_claim import BARE_CLAIM
from benchmarks.chain_drain import filled
from benchmarks.databases import Databases, count_rows, make_store, open_databases, query
from benchmarks.generate import write_catalogue, write_csv
from benchmarks.servers import ExternalApi, external_api
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.chains.due import fire_due
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.store.engine import Store

_CONTEXT: Final = multiprocessing.get_context("spawn")
_SAMPLE_SECONDS: Final = 0.05
_BATCH: Final = 5_000
_HELD_CLAIMS: Final = 2_000
_CLAIMED: Final = "SELECT count(*) FROM task_moves WHERE move = 'claim'"
_ACTIVE: Final = (
    "SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock') FROM pg_stat_activity"
    " WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()"
)

Act = Callable[[], int]
"""Does some work, and returns its units."""
Client = Callable[[int], "Act"]


class Work(NamedTuple):
    """The work of a client: the units, and the processor time of its process."""

    units: int
    seconds: float


class Cost(NamedTuple):
    """The work of all clients, and what it cost."""

    units: int
    seconds: float
    server: float
    client: float
    waiting: float


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cores", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(_SCENARIOS))
    parser.add_argument("--seconds", type=float, default=4, help="of claims and batches")
    parser.add_argument("--rows", type=int, default=200_000, help="of a load, tasks of a chain")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(_SCENARIOS):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}")
    with (
        TemporaryDirectory(prefix="cores-") as folder,
        open_databases("postgresql", Path(folder)) as databases,
    ):
        print(f"## {databases.title}, {os.cpu_count()} cores\n")
        print("| | units a second | server, ms | clients, ms | waited for a lock |")
        print("| --- | ---: | ---: | ---: | ---: |")
        given = Options(Path(folder), options.seconds, options.rows)
        for scenario in options.scenarios or _SCENARIOS:
            for name, cost in _SCENARIOS[scenario](databases, given):
                _print_row(name, cost)


def _print_row(name: str, cost: Cost) -> None:
    server, client = (1e3 * total / cost.units for total in (cost.server, cost.client))
    rate = f"{cost.units / cost.seconds:,.0f}"
    print(f"| {name} | {rate} | {server:.4f} | {client:.4f} | {cost.waiting:.0%} |", flush=True)


class Options(NamedTuple):
    """Where to keep files, how long to claim, and how many rows to load."""

    folder: Path
    seconds: float
    rows: int


def _claims(databases: Databases, options: Options) -> Iterator[tuple[str, Cost]]:
    for clients, pipelines in ((1, 1), (2, 1), (4, 1), (8, 1), (8, 8), (16, 1), (16, 16)):
        with _store_with_tasks(databases, options.folder, pipelines) as url:
            act = partial(_claim, url, pipelines, options.seconds)
            cost = _measure(url, clients, act)
            _check(query(url, _CLAIMED)[0], cost.units)
        yield f"claims, {clients} clients, {pipelines} pipelines", cost


def _held(databases: Databases, options: Options) -> Iterator[tuple[str, Cost]]:
    for held in (0, 8, 32, 90):
        with _store_with_tasks(databases, options.folder, 1) as url, ExitStack() as holders:
            for number in range(held):
                connection = holders.enter_context(psycopg.connect(_plain(url)))
                by = {"pipeline_id": 1, "limit": 1, "by": str(number)}
                connection.execute(BARE_CLAIM, {**by, "at": datetime.now(UTC)})
            yield f"claims beside {held} held ones", _measure(url, 1, partial(_claim_some, url))


def _http(databases: Databases, options: Options) -> Iterator[tuple[str, Cost]]:
    for processes in (1, 2):
        with (
            _store_with_tasks(databases, options.folder, 1) as url,
            external_api(options.folder, url, processes) as api,
        ):
            act = partial(_claim_over_http, api, options.seconds)
            cost = _measure(url, 8, act, ours=_find_api())
            _check(query(url, _CLAIMED)[0], cost.units)
        yield f"claims over HTTP, {processes} processes of the API", cost


def _batches(databases: Databases, options: Options) -> Iterator[tuple[str, Cost]]:
    write_csv(options.folder / "rows.csv", rows=_BATCH)
    with databases.fresh() as url:
        make_store(url)
        with external_api(options.folder, url, 2) as api:
            act = partial(_post, api, options.seconds)
            cost = _measure(url, 4, act, ours=_find_api())
        _check(count_rows(url, "tasks"), cost.units, 4 * _BATCH)
    yield "tasks in batches of 5,000, eight columns", cost


def _loads(databases: Databases, options: Options) -> Iterator[tuple[str, Cost]]:
    for number in range(2):
        write_csv(options.folder / f"{number}.csv", rows=options.rows, seed=number)
    for loads, pipelines in ((1, 1), (2, 1), (2, 2)):
        with databases.fresh() as url:
            make_store(url, write_catalogue=partial(_write_pipelines, pipelines))
            cost = _measure(url, loads, partial(_load, url, options.folder, pipelines))
            _check(count_rows(url, "tasks"), cost.units)
        yield f"rows of {loads} CSV loads at a time, {pipelines} pipelines", cost


def _chains(databases: Databases, options: Options) -> Iterator[tuple[str, Cost]]:
    with filled(databases, options.rows) as url:
        cost = _measure(url, 1, partial(_drain, url))
        _check(count_rows(url, "tasks") - options.rows, cost.units)
    yield "tasks of a chain", cost


_SCENARIOS: Final = {
    "batches": _batches,
    "chains": _chains,
    "claims": _claims,
    "held": _held,
    "http": _http,
    "loads": _loads,
}


def _check(counted: int, units: int, warm_ups: int = 0) -> None:
    if not units or not 0 <= counted - units - warm_ups < 100:
        raise RuntimeError(f"{counted:,} are in the store, {units:,} were reported")


def _measure(url: str, clients: int, client: Client, *, ours: int | None = None) -> Cost:
    """Run the clients, and return the cost; ``ours`` is the process that works for them."""
    start = _CONTEXT.Barrier(clients + 1)
    with (
        psycopg.connect(_plain(url), autocommit=True) as connection,
        _CONTEXT.Pool(clients, initializer=_remember, initargs=(start,)) as pool,
    ):
        server = _parent(connection.info.backend_pid)
        done = pool.map_async(partial(_take_part, client), range(clients), chunksize=1)
        start.wait()
        began, spent = time.monotonic(), _tree_seconds(server)
        spent_by_ours = _tree_seconds(ours) if ours else 0.0
        active = waiting = 0
        while not done.ready():
            row = connection.execute(_ACTIVE).fetchone() or (0, 0)
            active, waiting = active + row[0], waiting + row[1]
            time.sleep(_SAMPLE_SECONDS)
        seconds = time.monotonic() - began
        works = done.get()
        on_server = _tree_seconds(server) - spent
        by_clients = (
            _tree_seconds(ours) - spent_by_ours if ours else sum(work.seconds for work in works)
        )
    units = sum(work.units for work in works)
    return Cost(units, seconds, on_server, by_clients, waiting / max(active, 1))


_start: Barrier


def _remember(barrier: Barrier) -> None:
    global _start  # noqa: PLW0603 - a barrier is handed to a pool's processes only like this
    _start = barrier


def _take_part(client: Client, number: int) -> Work:
    act = client(number)
    _start.wait()
    began = time.process_time()
    units = act()
    return Work(units, time.process_time() - began)


def _claim(url: str, pipelines: int, seconds: float, number: int) -> Act:
    store = Store.open(url)
    pipeline = find_pipeline(store, str(1 + number % pipelines))

    def claim() -> bool:
        return claim_task(store, pipeline.id, f"client-{number}", at=datetime.now(UTC)) is not None

    claim()
    return partial(_repeat, claim, seconds)


def _claim_some(url: str, number: int) -> Act:
    claim = _claim(url, 1, 0, number).args[0]  # type: ignore[attr-defined]
    return lambda: sum(claim() for _ in range(_HELD_CLAIMS))


def _repeat(act: Callable[[], bool], seconds: float) -> int:
    end, units = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        units += act()
    return units


def _claim_over_http(api: ExternalApi, seconds: float, number: int) -> Act:
    send = _sender(api)
    body = json.dumps({"contributor": f"client-{number}"}).encode()

    def claim() -> bool:
        return send("/api/v1/workflows/1/tasks/claim", body) == http.HTTPStatus.OK

    claim()
    return partial(_repeat, claim, seconds)


def _post(api: ExternalApi, seconds: float, number: int) -> Act:
    send = _sender(api)
    fields = {
        "review_id": "R1", "body": f"Arrived two days early and works as described. {number}" * 3,
        "stars": 5, "price": 12.5, "verified": True, "bought_on": "2026-11-30",
        "category": "toys", "page": "https://shop.example.com/products/1",
    }  # fmt: skip
    body = json.dumps({"tasks": [{"fields": fields}] * _BATCH}).encode()

    def post() -> bool:
        return send("/api/v1/workflows/1/tasks", body) == http.HTTPStatus.CREATED

    post()
    return lambda: _BATCH * _repeat(post, seconds)


def _sender(api: ExternalApi) -> Callable[[str, bytes], int]:
    connection = http.client.HTTPConnection(urlsplit(api.address).netloc)
    headers = {"X-API-Key": api.key, "Content-Type": "application/json"}

    def send(path: str, body: bytes) -> int:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    return send


def _load(url: str, folder: Path, pipelines: int, number: int) -> Act:
    workspace = ExitStack()
    settings = read_settings(database_url=url, home=folder / "seeding")
    opened = workspace.enter_context(open_workspace(settings))
    request = CsvRequest(pipeline=str(1 + number % pipelines), source=f"{folder}/{number}.csv")
    return lambda: seed_from_csv(opened, request, run_id=f"run-{number}").report.created


def _drain(url: str, number: int) -> Act:  # noqa: ARG001
    def drain() -> int:
        before = count_rows(url, "chain_inbox")
        with open_workspace(read_settings(database_url=url)) as workspace:
            fire_due(workspace, at=datetime.now(UTC))
        return before - count_rows(url, "chain_inbox")

    return drain


@contextmanager
def _store_with_tasks(databases: Databases, folder: Path, pipelines: int) -> Iterator[str]:
    """Create a store whose pipelines share 60,000 pending tasks."""
    path = folder / "some.csv"
    write_csv(path, rows=60_000 // pipelines)
    with databases.fresh() as url:
        make_store(url, write_catalogue=partial(_write_pipelines, pipelines))
        with open_workspace(read_settings(database_url=url, home=folder / "seeding")) as workspace:
            for number in range(1, pipelines + 1):
                request = CsvRequest(pipeline=str(number), source=str(path))
                seed_from_csv(workspace, request, run_id="benchmark")
        yield url


def _write_pipelines(pipelines: int, path: Path) -> None:
    """Write a catalogue of several pipelines that take the generated file."""
    write_catalogue(path)
    catalogue = yaml.safe_load(path.read_text("utf-8"))
    project = catalogue["organizations"][0]["projects"][0]
    (one,) = project["pipelines"]
    project["pipelines"] = [
        {**one, "name": f"{one['name']}-{number}"} for number in range(pipelines)
    ]
    path.write_text(yaml.safe_dump(catalogue, sort_keys=False, allow_unicode=True), "utf-8")


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _find_api() -> int:
    """Return the process of ``seeding api`` that this process has started."""
    for process, parent in _parents().items():
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        if parent == os.getpid() and b"tasks_lib" in words:
            return process
    raise RuntimeError("there is no process of the HTTP API")


def _tree_seconds(process: int) -> float:
    """Return the processor time of a process and its descendants, also of those that have ended."""
    parents, known = _parents(), {process}
    while more := {child for child, parent in parents.items() if parent in known} - known:
        known |= more
    ticks = sum(sum(map(int, _fields(one)[11:15])) for one in known)
    return ticks / os.sysconf("SC_CLK_TCK")


def _parents() -> dict[int, int]:
    """Return the parent of each process on this machine."""
    numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return {number: int(fields[1]) for number in numbers if (fields := _fields(number))[1:]}


def _parent(process: int) -> int:
    return int(_fields(process)[1])


def _fields(process: int) -> list[str]:
    """Return the fields of ``/proc/N/stat`` after the name; zeros if the process has ended."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ["0"] * 15
    return text.rpartition(")")[2].split()


if __name__ == "__main__":
    main()
