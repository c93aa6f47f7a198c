"""The flow: its run's name and end, its artifacts and events, and what a retry does."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import flow

from flow_runs import artifacts_of, events_of, run_of
from flows.seed_from_csv import seed_from_csv
from tasks_lib.domain.report import SourceRejectedError
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.intake.progress import Progress
from tasks_lib.operations import queries
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.artifacts import ProgressArtifact

CsvFile = Callable[..., str]
PATH = "acme/reviews/label-reviews"
GOOD = "review_id,body,stars\n001,one,5\nNA, two ,\n"
MIXED = "review_id,body,stars\n1,one,5\n2,,9\n"

pytestmark = pytest.mark.usefixtures("flow_workspace")


def run_flow(*arguments: Any, **options: Any) -> Any:
    """Run the flow and return its end state."""
    return seed_from_csv(*arguments, **options, return_state=True)


def test_a_good_file_completes_with_its_report_artifacts_and_event(
    prefect: httpx.Client, csv_file: CsvFile
) -> None:
    source = csv_file(GOOD)
    state = run_flow(PATH, source)
    report = {
        "group_id": 1,
        "pipeline_id": 1,
        "created": 2,
        "rejected": 0,
        "already_seeded": 0,
        "dry_run": False,
        "source": source,
        "rejects_uri": None,
        "errors": [],
    }
    run = run_of(prefect, state)
    assert (state.name, state.message) == ("Completed", "'reviews.csv' created 2 tasks in group 1.")
    assert state.result() == report
    assert run["name"] == f"csv reviews.csv -> {PATH}"
    ((kind, summary),) = artifacts_of(prefect, run)
    assert kind == "markdown"
    assert summary.startswith(
        "## Seeded\n\n'reviews.csv' created 2 tasks in group 1.\n\n| | |\n| --- | --- |\n"
        f"| Pipeline | {PATH} (1) |\n| Source | `{source}` |\n| Rows read | 2 |\n| Created | 2 |\n"
        "| Rejected | 0 |\n| Group | 1 |\n| Time | "
    )
    (event,) = events_of(prefect, "seeding.group.created", run)
    assert event["resource"] == {
        "prefect.resource.id": "seeding.pipeline.1",
        "prefect.resource.name": PATH,
    }
    assert [
        (related["prefect.resource.role"], related["prefect.resource.id"])
        for related in event["related"]
        if related["prefect.resource.id"].startswith("seeding.")
    ] == [("project", "seeding.project.1"), ("organization", "seeding.organization.1")]
    assert event["payload"] == {
        "group_id": 1, "pipeline_id": 1, "created": 2, "rejected": 0, "source": source,
    }  # fmt: skip


def test_a_rejected_file_fails_in_one_sentence_with_the_rows_as_a_table(
    prefect: httpx.Client, csv_file: CsvFile, tmp_path: Path
) -> None:
    source = csv_file(MIXED)
    state = run_flow("1", source)
    sentence = (
        "'reviews.csv' was rejected, nothing was created: 1 row rejected; "
        "row 2, body: is required, but the cell is empty (and 1 more)."
    )
    run = run_of(prefect, state)
    assert (state.name, state.message) == ("Failed", sentence)
    assert run["name"] == f"csv reviews.csv -> {PATH}"
    summary, table, link = artifacts_of(prefect, run)
    assert (summary[0], summary[1].splitlines()[:3]) == ("markdown", ["## Rejected", "", sentence])
    assert "| Rows read | 2 |\n| Created | 0 |\n| Rejected | 1 |" in summary[1]
    assert (table[0], json.loads(table[1])) == (
        "table",
        [
            {"row": 2, "field": "body", "code": "required",
             "why": "is required, but the cell is empty"},
            {"row": 2, "field": "stars", "code": "above_maximum",
             "why": "'9' is above the maximum 5"},
        ],
    )  # fmt: skip
    rejects = (tmp_path / "seeding" / "files").as_uri() + f"/rejects/{run['id']}.csv"
    assert link == ("markdown", f"[{run['id']}.csv]({rejects})")
    logs = {"logs": {"flow_run_id": {"any_": [run["id"]]}}}
    messages = [log["message"] for log in prefect.post("/logs/filter", json=logs).json()]
    assert "Traceback" not in "".join(messages)
    (event,) = events_of(prefect, "seeding.group.rejected", run)
    assert event["payload"]["rejected"] == 1


def test_from_python_a_rejection_is_an_error_that_carries_the_report(
    prefect: httpx.Client, csv_file: CsvFile
) -> None:
    with pytest.raises(SourceRejectedError) as caught:
        seed_from_csv(PATH, csv_file(MIXED))
    assert caught.value.report.rejected == 1


def test_bad_rows_are_skipped_on_request(prefect: httpx.Client, csv_file: CsvFile) -> None:
    state = run_flow(PATH, csv_file(MIXED), on_error="skip-rows")
    assert state.message == "'reviews.csv' created 1 task in group 1, 1 row rejected."


def test_a_rehearsal_leaves_its_report_and_no_group(
    prefect: httpx.Client, csv_file: CsvFile
) -> None:
    state = run_flow(PATH, csv_file(GOOD), dry_run=True)
    assert state.message == "'reviews.csv' would create 2 tasks."
    with open_workspace(read_settings()) as workspace:
        run_id = str(state.state_details.flow_run_id)
        kept = queries.find_report(workspace.store, run_id)
        assert (kept is not None and kept.created, kept is not None and kept.dry_run) == (2, True)
        assert queries.list_groups(workspace.store, PATH) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("acme/reviews/nothing", "x.csv"), NotFoundError, "there is no pipeline"),
        ((PATH, "x.csv", "reject-file", False, False, "", "--"), UsageError, "the delimiter"),
    ],
)
def test_a_wrong_parameter_fails_in_one_sentence(
    prefect: httpx.Client, arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    state = run_flow(*arguments)
    assert (state.name, str(state.message).startswith(message)) == ("Failed", True)
    with pytest.raises(error, match=message):
        state.result()


def test_the_pipelines_number_may_be_a_number(prefect: httpx.Client, csv_file: CsvFile) -> None:
    assert run_flow(1, csv_file(GOOD)).result()["created"] == 2


def drawn(prefect: httpx.Client, at: list[float], *percentages: int) -> list[tuple[str, float]]:
    """Draw progress in a flow run, by a clock that shows ``at``; return the bars left on it."""
    clock = iter(at)

    @flow
    def load() -> None:
        artifact = ProgressArtifact("s3://inbox/large.csv", clock=lambda: next(clock))
        for percent in percentages:
            artifact(Progress(done=percent, total=100, items=1_000 * percent))
        if percentages[-1] == 100:
            artifact.finish()

    run = run_of(prefect, load(return_state=True))
    chosen = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
    found = prefect.post("/artifacts/filter", json=chosen).json()
    return [(artifact["description"], artifact["data"]) for artifact in found]


def test_a_long_load_shows_one_progress_bar_that_is_updated_and_filled(
    prefect: httpx.Client,
) -> None:
    assert drawn(prefect, [0, 1.9, 2.1, 2.1, 3.0], 10, 25, 30) == [("large.csv: 25,000 rows", 25)]
    assert drawn(prefect, [0, 2.1, 2.1, 4.2, 4.2, 4.3], 25, 75, 100) == [
        ("large.csv: 75,000 rows", 100)
    ]


def test_a_short_load_shows_no_progress_bar(prefect: httpx.Client) -> None:
    assert drawn(prefect, [0, 0.5, 1.0], 50, 100) == []


def test_with_a_server_configured_the_command_records_a_flow_run_and_prints_only_json(
    prefect: httpx.Client, prefect_api: str, csv_file: CsvFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    source = csv_file("review_id,body,stars\n1,one,5\n", "by-command.csv")
    command = [Path(sys.executable).with_name("seeding"), "seed", "csv", PATH, source, "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, json.loads(ended.stdout)["created"]) == (0, 1)
    assert "Finished in state Completed" in ended.stderr
    chosen = {"flow_runs": {"name": {"any_": [f"csv by-command.csv -> {PATH}"]}}}
    runs = prefect.post("/flow_runs/filter", json=chosen).json()
    assert [run["state_name"] for run in runs] == ["Completed"]


@contextmanager
def told_of_retries(tell: Callable[[], None]) -> Iterator[None]:
    """Call ``tell`` whenever a step has failed and will be tried again."""

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "Retry" in record.getMessage():
                tell()

    listener, logger = Listener(), logging.getLogger("prefect.task_runs")
    logger.addHandler(listener)
    yield
    logger.removeHandler(listener)


def test_a_store_that_is_locked_for_a_while_is_tried_again(
    prefect: httpx.Client, csv_file: CsvFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDING_BUSY_TIMEOUT_SECONDS", "0.1")
    held, enough = threading.Event(), threading.Event()

    def hold_the_write_lock() -> None:
        with open_workspace(read_settings()) as workspace, workspace.store.write():
            held.set()
            enough.wait(timeout=30)

    holder = threading.Thread(target=hold_the_write_lock)
    holder.start()
    held.wait(timeout=30)
    with told_of_retries(enough.set):
        state = run_flow(PATH, csv_file(GOOD))
    holder.join()
    chosen = {"task_runs": {"flow_run_id": {"any_": [str(state.state_details.flow_run_id)]}}}
    steps = prefect.post("/task_runs/filter", json=chosen).json()
    assert state.message == "'reviews.csv' created 2 tasks in group 1."
    assert {step["name"]: step["run_count"] for step in steps} == {
        "fetch source": 1,
        "load rows": 2,
    }
