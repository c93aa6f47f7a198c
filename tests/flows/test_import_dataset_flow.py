"""The flow that imports a file into a dataset: its report, artifacts, and rejections."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flow_runs import artifacts_of, attempts_of, run_of, steps_of
from flows.import_dataset import import_dataset
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.datasets.data_vault import export_dataset
from tasks_lib.operations.datasets.import_dataset import find_report
from tasks_lib.operations.datasets.import_request import ImportRejectedError
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from vault import write

FIRST = "review_id,body\nr-1,one\nr-2,two\n"
SECOND = "review_id,body\nr-2,TWO\nr-3,three\nr-3,again\n"


@pytest.fixture
def store(flow_workspace: None) -> Iterator[Workspace]:
    with open_workspace(read_settings()) as workspace:
        yield workspace


def test_a_nightly_file_updates_the_rows_by_their_key(
    prefect: httpx.Client, store: Workspace, tmp_path: Path
) -> None:
    first = import_dataset(
        "acme", "web", write(tmp_path, FIRST), key=["review_id"], return_state=True
    )
    assert (first.name, first.message) == ("Completed", "Imported 2 rows as version 1 of web.")
    second = import_dataset(
        "acme",
        "web",
        write(tmp_path, SECOND),
        key=["review_id"],
        on_error="skip-rows",
        return_state=True,
    )
    run = run_of(prefect, second)
    assert run["name"] == "import reviews.csv -> acme web"
    assert steps_of(prefect, run) == [("import rows", "Completed")]
    assert second.message == ("Imported 1 new row as version 2 of web: 1 changed. 1 row rejected.")
    (_, summary), (kind, problems) = artifacts_of(prefect, run)
    assert summary.startswith(f"## Imported\n\n{second.message}\n\n| | |\n| --- | --- |\n")
    numbers, _, rejects = summary.rpartition("\n")
    assert numbers.endswith("| Version | 2 |\n| New | 1 |\n| Changed | 1 |\n| Rejected | 1 |")
    report: Any = second.result()
    assert rejects == f"| Rejects file | `{report['rejects_uri']}` |"
    assert (kind, "has the same key as row 2" in problems) == ("table", True)
    assert list(export_dataset(store.store, "acme", "web")) == [
        '{"review_id":"r-1","body":"one"}\n',
        '{"review_id":"r-2","body":"TWO"}\n',
        '{"review_id":"r-3","body":"three"}\n',
    ]
    report = find_report(store, run["id"])
    assert report is not None
    assert report.model_dump(mode="json") == second.result()


def test_a_rejected_file_fails_with_its_reason_after_one_attempt(
    prefect: httpx.Client, store: Workspace, tmp_path: Path
) -> None:
    state = import_dataset(
        "acme", "web", write(tmp_path, SECOND), key=["review_id"], return_state=True
    )
    reason = (
        "Nothing was imported into web: row 3, review_id: has the same key as row 2: "
        'review_id "r-3".'
    )
    assert (state.name, state.message) == ("Failed", reason)
    with pytest.raises(ImportRejectedError, match="has the same key"):
        state.result()
    run = run_of(prefect, state)
    assert attempts_of(prefect, run) == {"import rows": 1}
    (_, summary), (kind, _) = artifacts_of(prefect, run)
    assert (summary.startswith(f"## Rejected\n\n{reason}"), kind) == (True, "table")
    report = find_report(store, run["id"])
    assert report is not None
    assert (report.is_rejection, report.rejected) == (True, 1)


def test_what_cannot_be_imported_fails_with_one_sentence(
    prefect: httpx.Client, store: Workspace, tmp_path: Path
) -> None:
    source = write(tmp_path, FIRST)
    state = import_dataset("acne", "web", source, return_state=True)
    assert state.message == "there is no organization 'acne'; did you mean 'acme'?"
    with pytest.raises(NotFoundError):
        state.result()
    state = import_dataset("acme", "web", source, append=True, replace=True, return_state=True)
    assert state.message == "append and replace exclude each other; leave one of them out"
    with pytest.raises(UsageError):
        state.result()
