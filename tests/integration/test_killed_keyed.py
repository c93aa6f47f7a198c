"""A full load into a pipeline with a key that is killed has done all of its work or none.

The load creates tasks, gives others new values, and withdraws and returns some.
"""

import json
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from keyed import HEADER, declare, seed

from children import Victims
from people import counts, recount
from tasks_lib.domain.limits import Limits
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store
from vault import LABEL

KILLS = 20
STEP = 100
SETTINGS = "key: [review_id]\n            on_change: update\n            on_missing: withdraw"


def load(url: str, files: str, source: str, run_id: str, ready: Connection) -> None:
    """Seed the file in a child process, signalling the beginning and the end."""
    workspace = Workspace(Store.open(url), Storage(files), Limits())
    ready.send("begins")
    request = CsvRequest(pipeline=LABEL, source=source, full=True)
    seed_from_csv(workspace, request, run_id=run_id)
    ready.send("through")


def window(night: int) -> range:
    """Return the keys of a night: two steps after those of the night before, then one back."""
    first = (night + 1) // 2 * 2 * STEP - night // 2 * STEP
    return range(first, first + 5 * STEP)


def body(night: int, key: int) -> str:
    return f"{night}" if key % 2 else "same"


def expected(night: int) -> dict[int, tuple[str, str]]:
    """Return the value and the status of each task by its key after a night."""
    tasks: dict[int, tuple[str, str]] = {}
    for number in range(night + 1):
        tasks = {key: (value, "withdrawn") for key, (value, _) in tasks.items()}
        tasks |= {key: (body(number, key), "pending") for key in window(number)}
    return tasks


def stored(workspace: Workspace) -> dict[int, tuple[str, str]]:
    tasks = list_tasks(workspace.store, LABEL, limit=100_000)
    values = [(json.loads(task.fields), task.status) for task in tasks]
    by_key = {int(one["review_id"]): (one["body"], status.value) for one, status in values}
    assert len(by_key) == len(tasks)
    return by_key


def test_a_night_is_done_wholly_or_not_despite_twenty_random_kills(
    workspace: Workspace, catalogue_file: Path, csv_file: Callable[..., str]
) -> None:
    declare(workspace, catalogue_file, SETTINGS)

    def file_of(night: int) -> str:
        rows = "".join(f"{key},{body(night, key)},\n" for key in window(night))
        return csv_file(HEADER + rows, "reviews.csv")

    seed(workspace, file_of(0), full=True)
    url = workspace.store.engine.url.render_as_string(hide_password=False)
    victims = Victims(load, seed=1907)
    victims.spare(url, workspace.storage.root, file_of(1), "run-1")
    for night in range(2, KILLS + 2):
        source = file_of(night)
        victims.kill(url, workspace.storage.root, source, f"run-{night}")
        left = stored(workspace)
        assert left in (expected(night - 1), expected(night))
        victims.note(in_time=left == expected(night - 1))
        request = CsvRequest(pipeline=LABEL, source=source, full=True)
        resumed = seed_from_csv(workspace, request, run_id=f"run-{night}").report
        known = len(window(night)) - resumed.created
        assert resumed.updated == resumed.changed == known // 2
        assert resumed.withdrawn == STEP * (2 if night % 2 else 1)
        assert stored(workspace) == expected(night)
        assert counts(workspace.store) == recount(workspace.store)
    victims.check()
