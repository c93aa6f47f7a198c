"""A seeding from a dataset that is killed at any moment makes all or nothing, and resumes once."""

import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from sqlalchemy import text

from children import CHILDREN, Moments
from tasks_lib.intake.limits import Limits
from tasks_lib.operations.mapped_seeding import MappedRequest
from tasks_lib.operations.seed_from_dataset import seed_from_dataset
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.files import Storage
from tasks_lib.store.engine import Store
from vault import LABEL, put, write

ROWS = 5_000
KILLS = 10


def load(url: str, files: str, run_id: str, ready: Connection) -> None:
    """Run in a child process: seed all of the dataset again, telling of beginning and end."""
    workspace = Workspace(Store.open(url), Storage(files), Limits())
    ready.send("begins")
    request = MappedRequest(LABEL, "reviews", reseed=True)
    seed_from_dataset(workspace, request, run_id=run_id)
    ready.send("through")


def start(workspace: Workspace, run_id: str) -> tuple[ForkServerProcess, Connection]:
    url = workspace.store.engine.url.render_as_string(hide_password=False)
    here, there = CHILDREN.Pipe()
    child = CHILDREN.Process(target=load, args=(url, workspace.storage.root, run_id, there))
    child.start()
    assert here.recv() == "begins"
    return child, here


def test_killed_at_ten_random_moments_and_resumed_every_task_is_there_once(
    workspace: Workspace, tmp_path: Path
) -> None:
    content = "review_id,body,stars\n" + "".join(f"{i},body,{i % 5 + 1}\n" for i in range(ROWS))
    put(workspace, write(tmp_path, content))
    child, pipe = start(workspace, "undisturbed")
    began = time.monotonic()
    assert pipe.recv() == "through"
    duration = time.monotonic() - began
    child.join()
    moments = Moments(duration, seed=4117)
    cut_short = 0
    for k in range(KILLS):
        child, _ = start(workspace, f"run-{k}")
        time.sleep(moments.next())
        child.kill()
        child.join()
        left = tasks_by_generation(workspace)
        assert left in (whole(k + 1), whole(k + 2)), "a part of a generation is visible"
        cut_short += moments.note(in_time=len(left) == k + 1)
        request = MappedRequest(LABEL, "reviews", reseed=True)
        resumed = seed_from_dataset(workspace, request, run_id=f"run-{k}").report
        assert (resumed.created, resumed.already_seeded) == (ROWS, 0)
        assert tasks_by_generation(workspace) == whole(k + 2)
    assert cut_short >= KILLS // 4, "the kills came too late to prove anything"


def test_killed_in_the_middle_a_new_run_without_reseeding_makes_each_task_once(
    workspace: Workspace, tmp_path: Path
) -> None:
    put(workspace, write(tmp_path, "review_id,body,stars\n" + "1,body,1\n" * ROWS))
    child, pipe = start(workspace, "run-1")
    while not pipe.poll(0.05) and child.is_alive() and not is_locked(workspace):
        pass
    child.kill()
    child.join()
    made = sum(count for _, count, _ in tasks_by_generation(workspace))
    again = seed_from_dataset(workspace, MappedRequest(LABEL, "reviews"), run_id="run-2").report
    assert (again.created, again.already_seeded) == (ROWS - made, made)
    assert tasks_by_generation(workspace) == whole(1)


def is_locked(workspace: Workspace) -> bool:
    """Tell whether somebody writes; on SQLite that cannot be seen without waiting."""
    if not workspace.store.is_postgresql:
        return True
    with workspace.store.read() as session:
        waiting = "SELECT count(*) FROM pg_stat_progress_copy WHERE command = 'COPY FROM'"
        return bool(session.scalar(text(waiting)))


def whole(generations: int) -> list[tuple[int, int, int]]:
    return [(number + 1, ROWS, ROWS) for number in range(generations)]


def tasks_by_generation(workspace: Workspace) -> list[tuple[int, int, int]]:
    """Return each generation of the stream with the number of its tasks and of their rows."""
    with workspace.store.read() as session:
        found = session.execute(
            text(
                "SELECT s.generation, count(*), count(DISTINCT t.origin_id)"
                " FROM streams s LEFT JOIN tasks t ON t.stream_id = s.id"
                " GROUP BY s.id, s.generation ORDER BY s.generation"
            )
        )
        return [tuple(row) for row in found]
