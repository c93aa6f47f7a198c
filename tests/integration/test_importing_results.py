"""The answers of a pipeline become a dataset, each once, without a file in between."""

import json
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from chain_setup import apply_pipelines, finish_tasks
from children import CHILDREN, Moments
from command_line import Seeding
from people import finish, make_tasks
from tasks_lib import results, seed
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.intake.datasets.file_formats import FileFormat
from tasks_lib.operations.datasets.data_vault import export_dataset, list_datasets
from tasks_lib.operations.datasets.import_dataset import import_dataset
from tasks_lib.operations.datasets.import_request import ImportRejectedError, ImportRequest
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store
from vault import CHECK, FOREIGN, LABEL, put, seed_dataset, tasks_of

SOURCE = f"results://{LABEL}"
KEY = ("task_id",)
KILLS = 5


def ids_in(workspace: Workspace) -> list[int]:
    return [
        json.loads(line)["task_id"] for line in export_dataset(workspace.store, "acme", "reviews")
    ]


def test_finished_tasks_are_imported_once(configured: Workspace, tmp_path: Path) -> None:
    make_tasks(configured, tmp_path, 4)
    for _ in range(2):
        finish(configured.store)
    first = put(configured, SOURCE, key=KEY)
    assert (first.imported, first.source) == (2, SOURCE)
    again = put(configured, SOURCE, key=KEY)
    assert (again.imported, again.changed, again.already_imported) == (0, 0, 2)
    finish(configured.store)
    assert put(configured, SOURCE, key=KEY).imported == 1
    assert ids_in(configured) == [1, 2, 3]
    [columns] = [
        entry.columns
        for entry in list_datasets(configured.store, "acme")
        if entry.name == "reviews"
    ]
    assert [name for name, _ in columns] == results(LABEL, as_arrow=True).column_names
    types = dict(columns)
    assert (types["task_id"], types["sentiment"], types["claimed_at"], types["stars"]) == (
        FieldType.INTEGER,
        FieldType.TEXT,
        FieldType.DATETIME,
        FieldType.INTEGER,
    )


def test_the_results_of_a_group(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 1)
    make_tasks(workspace, tmp_path, 2, "other.csv")
    apply_pipelines(workspace, tmp_path)
    for _ in range(3):
        finish(workspace.store)
    assert put(workspace, f"{SOURCE}?group=2", key=KEY).imported == 2
    assert ids_in(workspace) == [2, 3]
    with pytest.raises(UsageError) as caught:
        put(workspace, f"results://{CHECK}?group=2")
    assert str(caught.value) == f"group 2 is of pipeline {LABEL}, not of {CHECK}"
    for option in ("", "groups=2", "group=", "group=2&limit=1"):
        with pytest.raises(UsageError) as caught:
            put(workspace, f"{SOURCE}?{option}")
        assert str(caught.value).endswith(
            f"expected group and a number, such as results://{LABEL}?group=7"
        )


def test_answers_are_seeded_from_the_dataset(workspace: Workspace, tmp_path: Path) -> None:
    apply_pipelines(workspace, tmp_path)
    finish_tasks(workspace, 2)
    put(workspace, SOURCE, key=KEY, columns=("task_id", "review_id", "body"))
    assert seed_dataset(workspace, CHECK).created == 2
    assert seed_dataset(workspace, CHECK, run_id="run-2").created == 0
    assert tasks_of(workspace, CHECK)[0] == (1, '{"review_id":"people.csv-0","body":"body"}')


def test_a_frame_of_answers_is_seeded(configured: Workspace, tmp_path: Path) -> None:
    apply_pipelines(configured, tmp_path)
    finish_tasks(configured, 2)
    answers = results(LABEL)[["review_id", "body"]]
    assert (seed(answers, CHECK).created, seed(answers, CHECK).created) == (2, 0)


def test_what_cannot_be_imported(workspace: Workspace, tmp_path: Path) -> None:
    apply_pipelines(workspace, tmp_path)
    with pytest.raises(ImportRejectedError) as rejected:
        put(workspace, SOURCE)
    assert str(rejected.value) == (
        f"Nothing was imported into reviews: pipeline {LABEL} has no finished tasks yet."
    )
    with pytest.raises(NotFoundError):
        put(workspace, "results://acme/reviews/nothing")
    with pytest.raises(UsageError) as caught:
        put(workspace, f"results://{FOREIGN}")
    assert str(caught.value) == (
        f"pipeline {FOREIGN} is of organization umbrella, and a dataset of acme can have results "
        "of its own pipelines only"
    )
    with pytest.raises(UsageError) as caught:
        put(workspace, SOURCE, format=FileFormat.CSV)
    assert str(caught.value) == (
        f"{SOURCE} is no file; leave out its format, sheet, records and encoding"
    )


def test_the_command(
    configured: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tasks(configured, tmp_path, 1)
    finish(configured.store)
    seeding = Seeding(capsys)
    arguments = ("dataset", "import", "acme", "labels", SOURCE, "--key", "task_id")
    assert seeding(*arguments)[:2] == (0, "Imported 1 row as version 1 of labels.\n")
    assert seeding(*arguments)[0] == 0


def load(url: str, files: str, run_id: str, ready: Connection) -> None:
    """Import the results in a child process, signalling the beginning and the end."""
    workspace = Workspace(Store.open(url), Storage(files), Limits())
    ready.send("begins")
    import_dataset(workspace, request(), run_id=run_id)
    ready.send("through")


def request() -> ImportRequest:
    return ImportRequest(organization="acme", name="reviews", source=SOURCE, key=KEY)


def test_imports_that_are_killed(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, KILLS + 1)
    url = workspace.store.engine.url.render_as_string(hide_password=False)
    moments: Moments | None = None
    for number in range(1, KILLS + 2):
        finish(workspace.store)
        here, there = CHILDREN.Pipe()
        arguments = (url, workspace.storage.root, f"run-{number}", there)
        child = CHILDREN.Process(target=load, args=arguments)
        child.start()
        assert here.recv() == "begins"
        began = time.monotonic()
        if moments is None:  # the first one is not disturbed
            assert here.recv() == "through"
            moments = Moments(time.monotonic() - began, seed=2112)
        else:
            time.sleep(moments.next())
            child.kill()
        child.join()
        known = len(ids_in(workspace))
        assert known in {number - 1, number}
        moments.note(in_time=known < number)
        import_dataset(workspace, request(), run_id=f"run-{number}")
        assert len(ids_in(workspace)) == number
    assert sorted(ids_in(workspace)) == list(range(1, KILLS + 2))
