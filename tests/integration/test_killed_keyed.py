"""A load of half-known rows that is killed leaves all of its new tasks or none, and resumes."""

import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from keyed import HEADER, declare, seed
from sqlalchemy import text

from children import CHILDREN, Moments
from tasks_lib.domain.limits import Limits
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store
from vault import LABEL

ROWS = 4_000
KILLS = 8


def load(url: str, files: str, source: str, run_id: str, ready: Connection) -> None:
    """Seed the file in a child process, signalling the beginning and the end."""
    store = Store.open(url)
    workspace = Workspace(store, Storage(files), Limits())
    ready.send("begins")
    seed_from_csv(workspace, CsvRequest(pipeline=LABEL, source=source), run_id=run_id)
    ready.send("through")


def test_every_key_has_one_task_after_random_kills_and_resumes(
    workspace: Workspace, catalogue_file: Path, csv_file: Callable[..., str]
) -> None:
    declare(workspace, catalogue_file, "key: [review_id]")

    def night(number: int) -> str:
        """Write a file whose first half repeats the second half of the night before."""
        first = number * ROWS // 2
        rows = "".join(f"{key},body,\n" for key in range(first, first + ROWS))
        return csv_file(HEADER + rows, f"{number}.csv")

    seed(workspace, night(0))
    url = workspace.store.engine.url.render_as_string(hide_password=False)
    began = 0.0
    moments: Moments | None = None
    cut_short = 0
    for number in range(1, KILLS + 2):
        source, run_id = night(number), f"run-{number}"
        here, there = CHILDREN.Pipe()
        arguments = (url, workspace.storage.root, source, run_id, there)
        child = CHILDREN.Process(target=load, args=arguments)
        child.start()
        assert here.recv() == "begins"
        if moments is None:  # the first one is not disturbed
            began = time.monotonic()
            assert here.recv() == "through"
            moments = Moments(time.monotonic() - began, seed=1907)
            child.join()
            continue
        time.sleep(moments.next())
        child.kill()
        child.join()
        before = number * ROWS // 2 + ROWS // 2
        assert tasks(workspace) in {(before, before), (before + ROWS // 2, before + ROWS // 2)}
        cut_short += moments.note(in_time=tasks(workspace)[0] == before)
        request = CsvRequest(pipeline=LABEL, source=source)
        resumed = seed_from_csv(workspace, request, run_id=run_id).report
        assert (resumed.created, resumed.already_seeded) == (ROWS // 2, ROWS // 2)
    assert tasks(workspace) == ((KILLS + 3) * ROWS // 2,) * 2
    assert cut_short >= KILLS // 4, "the kills came too late to prove anything"


def tasks(workspace: Workspace) -> tuple[int, int]:
    """Return the number of tasks and of their keys."""
    with workspace.store.read() as session:
        row = session.execute(text("SELECT count(*), count(DISTINCT key) FROM tasks")).one()
        return row[0], row[1]
