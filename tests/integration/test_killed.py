"""A load that is killed at any moment leaves all of its tasks or none, and resumes exactly once."""

import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from sqlalchemy import text

from children import CHILDREN, Moments
from tasks_lib.domain.limits import Limits
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

ROWS = 5_000
KILLS = 20
PATH = "acme/reviews/label-reviews"


def load(url: str, files: str, source: str, run_id: str, ready: Connection) -> None:
    """Seed the file in a child process, signalling the beginning and the end."""
    store = Store.open(url)
    workspace = Workspace(store, Storage(files), Limits())
    ready.send("begins")
    seed_from_csv(workspace, CsvRequest(pipeline=PATH, source=source), run_id=run_id)
    ready.send("through")


def start(workspace: Workspace, source: str, run_id: str) -> tuple[ForkServerProcess, Connection]:
    url = workspace.store.engine.url.render_as_string(hide_password=False)
    here, there = CHILDREN.Pipe()
    arguments = (url, workspace.storage.root, source, run_id, there)
    child = CHILDREN.Process(target=load, args=arguments)
    child.start()
    assert here.recv() == "begins"
    return child, here


def test_every_task_exists_once_after_twenty_random_kills_and_resumes(
    workspace: Workspace, csv_file: Callable[..., str]
) -> None:
    sources = [
        csv_file(
            "review_id,body,stars\n" + "".join(f"{k}-{i},body,{i % 5 + 1}\n" for i in range(ROWS)),
            f"{k}.csv",
        )
        for k in range(KILLS + 1)
    ]
    child, pipe = start(workspace, sources[KILLS], "undisturbed")
    began = time.monotonic()
    assert pipe.recv() == "through"
    duration = time.monotonic() - began
    child.join()
    (newest,) = tasks_by_group(workspace)
    moments = Moments(duration, seed=4117)
    cut_short = 0
    for k in range(KILLS):
        child, _ = start(workspace, sources[k], f"run-{k}")
        time.sleep(moments.next())
        child.kill()
        child.join()
        left = tasks_by_group(workspace, after=newest)
        assert set(left.values()) <= {(ROWS, 1, ROWS)}, "a part of a group is visible"
        cut_short += moments.note(in_time=not left)
        resumed = seed_from_csv(
            workspace, CsvRequest(pipeline=PATH, source=sources[k]), run_id=f"run-{k}"
        ).report
        assert (resumed.created, resumed.already_seeded) == (ROWS, 0)
        (newest,) = tasks_by_group(workspace, after=newest)
    assert list(tasks_by_group(workspace).values()) == [(ROWS, 1, ROWS)] * (KILLS + 1)
    assert cut_short >= KILLS // 4, "the kills came too late to prove anything"


def tasks_by_group(workspace: Workspace, *, after: int = 0) -> dict[int, tuple[int, int, int]]:
    """Return each group's number of tasks and its lowest and highest row."""
    query = text(
        "SELECT g.id, count(DISTINCT t.row), min(t.row), count(t.row)"
        " FROM task_groups g LEFT JOIN tasks t ON t.group_id = g.id WHERE g.id > :after GROUP BY 1"
    )
    with workspace.store.read() as session:
        groups = session.execute(query, {"after": after})
        return {row[0]: (row[1], row[2], row[3]) for row in groups}
