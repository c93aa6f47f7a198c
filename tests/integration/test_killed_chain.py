"""A drain that is killed at any moment loses no task and creates none twice."""

import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from sqlalchemy import text

from chain_setup import apply_pipelines, chain
from children import CHILDREN, Moments
from tasks_lib.domain.limits import Limits
from tasks_lib.operations.chains.due import fire_due
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

TASKS = 2_000
KILLS = 20
PUT_BACK = (
    "DELETE FROM chain_inbox",
    "DELETE FROM tasks WHERE pipeline_id = 2",
    "DELETE FROM task_groups WHERE pipeline_id = 2",
    "DELETE FROM task_counts WHERE pipeline_id = 2",
    "INSERT INTO chain_inbox (chain_id, task_id, finished_at)"
    " SELECT 1, id, '2026-01-01 00:00:00' FROM tasks WHERE pipeline_id = 1",
)


def drain(url: str, files: str, ready: Connection) -> None:
    """Fire all chains in a child process, signalling the beginning and the end."""
    workspace = Workspace(Store.open(url), Storage(files), Limits())
    ready.send("begins")
    fire_due(workspace, at=datetime.now(UTC))
    ready.send("through")


def start(workspace: Workspace) -> tuple[ForkServerProcess, Connection]:
    url = workspace.store.engine.url.render_as_string(hide_password=False)
    here, there = CHILDREN.Pipe()
    child = CHILDREN.Process(target=drain, args=(url, workspace.storage.root, there))
    child.start()
    assert here.recv() == "begins"
    return child, here


def count_rows(workspace: Workspace) -> tuple[int, int, int, int]:
    """Return the numbers of target tasks, of origins, of counted tasks and of waiting tasks."""
    query = text(
        "SELECT (SELECT count(*) FROM tasks WHERE pipeline_id = 2),"
        " (SELECT count(DISTINCT origin_id) FROM tasks WHERE pipeline_id = 2),"
        " (SELECT coalesce(sum(pending), 0) FROM task_counts WHERE pipeline_id = 2),"
        " (SELECT count(*) FROM chain_inbox)"
    )
    with workspace.store.read() as session:
        tasks, origins, counted, waits = map(int, session.execute(query).one())
    return tasks, origins, counted, waits


def reset(workspace: Workspace) -> None:
    """Make all tasks wait again, as if no chain had ever fired."""
    with workspace.store.write() as session:
        for statement in PUT_BACK:
            session.execute(text(statement))


def test_every_task_is_created_once_despite_twenty_random_kills(
    workspace: Workspace, tmp_path: Path
) -> None:
    apply_pipelines(workspace, tmp_path, TASKS)
    assert chain(workspace).id == 1
    with workspace.store.write() as session:
        session.execute(text("UPDATE tasks SET status = 'finished', filled_in = '{}'"))
    nothing, everything = (0, 0, 0, TASKS), (TASKS, TASKS, TASKS, 0)
    reset(workspace)
    child, pipe = start(workspace)
    began = time.monotonic()
    assert pipe.recv() == "through"
    duration = time.monotonic() - began
    child.join()
    moments = Moments(duration, seed=6)
    cut_short = 0
    for _ in range(KILLS):
        reset(workspace)
        child, _ = start(workspace)
        time.sleep(moments.next())
        child.kill()
        child.join()
        numbers = count_rows(workspace)
        assert numbers in (nothing, everything)
        cut_short += moments.note(in_time=numbers == nothing)
        fire_due(workspace, at=datetime.now(UTC))
        assert count_rows(workspace) == everything
    assert cut_short >= KILLS // 4, "the kills came too late to prove anything"
