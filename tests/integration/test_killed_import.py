"""An import by key that is killed changes all of its rows or none, and can be repeated."""

import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from keyed import HEADER
from sqlalchemy import text

from children import CHILDREN, Moments
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.limits import Limits
from tasks_lib.operations.datasets.import_dataset import import_dataset
from tasks_lib.operations.datasets.import_request import ImportReport, ImportRequest
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

ROWS = 2_000
KILLS = 6


def request_of(source: str) -> ImportRequest:
    return ImportRequest(
        organization="acme", name="reviews", source=source, key=("review_id",), full=True
    )


def load(url: str, files: str, source: str, run_id: str, ready: Connection) -> None:
    """Import the file in a child process, signalling the beginning and the end."""
    workspace = Workspace(Store.open(url), Storage(files), Limits())
    ready.send("begins")
    import_dataset(workspace, request_of(source), run_id=run_id)
    ready.send("through")


def test_every_night_is_whole_after_random_kills_and_repetitions(
    workspace: Workspace, pipeline: Pipeline, csv_file: Callable[..., str]
) -> None:
    def night(number: int) -> str:
        """Write a file that moves on by a quarter of its rows, and changes every second one."""
        first = number * ROWS // 4
        bodies = (f"{key},{number if key % 2 else 0},\n" for key in range(first, first + ROWS))
        return csv_file(HEADER + "".join(bodies), f"{number}.csv")

    import_dataset(workspace, request_of(night(0)))
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
        assert state(workspace) in {expected(number - 1), expected(number)}
        cut_short += moments.note(in_time=state(workspace) == expected(number - 1))
        resumed = import_dataset(workspace, request_of(source), run_id=run_id)
        assert numbers(resumed) == (number + 1, ROWS // 4, ROWS * 3 // 8, ROWS * 3 // 8, ROWS // 4)
        assert state(workspace) == expected(number)
    assert cut_short >= KILLS // 4, "the kills came too late to prove anything"


def expected(number: int) -> tuple[int, int, int, int]:
    return number + 1, ROWS, ROWS // 2, number * ROWS // 4


def state(workspace: Workspace) -> tuple[int, int, int, int]:
    """Return the version, and the rows: all, those with the body of this night, removed ones."""
    with workspace.store.read() as session:
        row = session.execute(_STATE).one()
        return row[0], row[1], row[2], row[3]


def numbers(report: ImportReport) -> tuple[int | None, int, int, int, int]:
    return (
        report.version,
        report.imported,
        report.changed,
        report.already_imported,
        report.removed,
    )


_STATE = text(
    """
    SELECT d.version, d.row_count,
        sum(CASE WHEN r.removed_in IS NULL AND CAST(r.value AS TEXT) LIKE
            '%"body":"' || (d.version - 1) || '"%' THEN 1 ELSE 0 END),
        sum(CASE WHEN r.removed_in IS NOT NULL THEN 1 ELSE 0 END)
    FROM datasets d JOIN dataset_rows r ON r.dataset_id = d.id GROUP BY d.version, d.row_count
    """
)
