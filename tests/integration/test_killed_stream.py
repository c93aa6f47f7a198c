"""A dataset seeding that is killed at any moment creates all or nothing, and resumes once."""

import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from sqlalchemy import text

from children import CHILDREN, Moments
from tasks_lib.domain.limits import Limits
from tasks_lib.operations.seeding.mapped_seeding import MappedRequest
from tasks_lib.operations.seeding.seed_from_dataset import seed_from_dataset
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store
from vault import LABEL, put, write

ROWS = 5_000
KILLS = 10


def load(url: str, files: str, run_id: str, ready: Connection) -> None:
    """Reseed the dataset in a child process, signalling the beginning and the end."""
    workspace = Workspace(Store.open(url), Storage(files), Limits())
    ready.send("begins")
    request = MappedRequest(pipeline=LABEL, source="reviews", reseed=True)
    seed_from_dataset(workspace, request, run_id=run_id)
    ready.send("through")


def start(workspace: Workspace, run_id: str) -> tuple[ForkServerProcess, Connection]:
    url = workspace.store.engine.url.render_as_string(hide_password=False)
    here, there = CHILDREN.Pipe()
    child = CHILDREN.Process(target=load, args=(url, workspace.storage.root, run_id, there))
    child.start()
    assert here.recv() == "begins"
    return child, here


def test_every_task_exists_once_after_ten_random_kills_and_resumes(
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
        assert left in (complete_generations(k + 1), complete_generations(k + 2)), (
            "a part of a generation is visible"
        )
        cut_short += moments.note(in_time=len(left) == k + 1)
        request = MappedRequest(pipeline=LABEL, source="reviews", reseed=True)
        resumed = seed_from_dataset(workspace, request, run_id=f"run-{k}").report
        assert (resumed.created, resumed.already_seeded) == (ROWS, 0)
        assert tasks_by_generation(workspace) == complete_generations(k + 2)
    assert cut_short >= KILLS // 4, "the kills came too late to prove anything"


def test_a_new_run_after_a_kill_creates_each_task_once_without_reseeding(
    workspace: Workspace, tmp_path: Path
) -> None:
    put(workspace, write(tmp_path, "review_id,body,stars\n" + "1,body,1\n" * ROWS))
    child, pipe = start(workspace, "run-1")
    while not pipe.poll(0.05) and child.is_alive() and not is_locked(workspace):
        pass
    child.kill()
    child.join()
    task_count = sum(count for _, count, _ in tasks_by_generation(workspace))
    again = seed_from_dataset(
        workspace, MappedRequest(pipeline=LABEL, source="reviews"), run_id="run-2"
    ).report
    assert (again.created, again.already_seeded) == (ROWS - task_count, task_count)
    assert tasks_by_generation(workspace) == complete_generations(1)


def is_locked(workspace: Workspace) -> bool:
    """Return whether a load is writing; on SQLite that cannot be seen without waiting."""
    if not workspace.store.is_postgresql:
        return True
    with workspace.store.read() as session:
        waiting = "SELECT count(*) FROM pg_stat_progress_copy WHERE command = 'COPY FROM'"
        return bool(session.scalar(text(waiting)))


def complete_generations(generations: int) -> list[tuple[int, int, int]]:
    return [(number + 1, ROWS, ROWS) for number in range(generations)]


def tasks_by_generation(workspace: Workspace) -> list[tuple[int, int, int]]:
    """Return each generation of the stream with its numbers of tasks and of rows."""
    with workspace.store.read() as session:
        rows = session.execute(
            text(
                "SELECT s.generation, count(*), count(DISTINCT t.origin_id)"
                " FROM streams s LEFT JOIN tasks t ON t.stream_id = s.id"
                " GROUP BY s.id, s.generation ORDER BY s.generation"
            )
        )
        return [tuple(row) for row in rows]
