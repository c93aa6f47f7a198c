"""The CSV flow: its run's name and state, its artifacts and events, and its retries."""

import json
import logging
import re
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
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.flow_engine import run_flow_sync
from prefect.states import Pending as PendingState
from prefect.utilities.urls import url_for

from flow_runs import artifacts_of, attempts_of, events_of, logs_of, run_of, steps_of
from flows.seed_from_csv import seed_from_csv
from tasks_lib.deploy.register import create_work_pool
from tasks_lib.domain.report import SourceRejectedError
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.groups.read import find_report, list_groups
from tasks_lib.operations.upkeep.announcing import Pending, count_pending
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

CsvFile = Callable[..., str]
PATH = "acme/reviews/label-reviews"
GOOD = "review_id,body,stars\n001,one,5\nNA, two ,\n"
MIXED = "review_id,body,stars\n1,one,5\n2,,9\n"
SHOWN = """## Rejected rows

The file is on the machine of the worker:

```
{path}
```

It holds the original columns, the number of each row and what is wrong with it:

```csv
review_id,body,stars,_row,_errors
2,,9,2,"body: is required, but the cell is empty; stars: '9' is above the maximum 5"
```

Nothing was created: correct the source itself and seed it again."""
pytestmark = pytest.mark.usefixtures("flow_workspace")


def run_flow(*arguments: Any, **options: Any) -> Any:
    """Run the flow and return its end state."""
    return seed_from_csv(*arguments, **options, return_state=True)


def alerts_of(logs: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the warnings and errors of a log, without those of Prefect about its steps."""
    return [
        (level, message)
        for level, message in logs
        if level >= logging.WARNING and not message.startswith("Finished in state")
    ]


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
        "changed": 0,
        "updated": 0,
        "withdrawn": 0,
        "dry_run": False,
        "source": source,
        "rejects_uri": None,
        "errors": [],
    }
    run = run_of(prefect, state)
    assert (state.name, state.message) == ("Completed", "'reviews.csv' created 2 tasks in group 1.")
    assert state.result() == report
    assert run["name"] == f"csv reviews.csv -> {PATH}"
    # A load of more than two seconds, on a busy machine, has a progress bar as well.
    ((kind, summary),) = [shown for shown in artifacts_of(prefect, run) if shown[0] != "progress"]
    assert kind == "markdown"
    assert summary.startswith(
        "## Seeded\n\n'reviews.csv' created 2 tasks in group 1.\n\n| | |\n| --- | --- |\n"
        f"| Pipeline | {PATH} (1) |\n| Source | `{source}` |\n| Rows read | 2 |\n| Created | 2 |\n"
        "| Group | 1 |\n| Time | "
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
        "pipeline_id": 1, "pipeline": PATH, "group_id": 1, "created": 2, "rejected": 0,
        "source": source, "message": "'reviews.csv' created 2 tasks in group 1.",
        "run_url": url_for("flow-run", run["id"]),
    }  # fmt: skip


def test_a_rejected_file_fails_in_one_sentence_with_the_rows_as_a_table(
    prefect: httpx.Client, csv_file: CsvFile, tmp_path: Path
) -> None:
    source = csv_file(MIXED)
    state = run_flow("1", source)
    sentence = (
        "'reviews.csv' was rejected, nothing was created: 1 row rejected; "
        "row 2, body: is required, but the cell is empty (and 1 more problem)."
    )
    run = run_of(prefect, state)
    assert (state.name, state.message) == ("Failed", sentence)
    assert run["name"] == f"csv reviews.csv -> {PATH}"
    summary, table, rejected = artifacts_of(prefect, run)
    assert (summary[0], summary[1].splitlines()[:3]) == ("markdown", ["## Rejected", "", sentence])
    assert f"| Source | `{source}` |\n| Rows read | 2 |\n| Rejected | 1 |\n| Time | " in summary[1]
    assert (table[0], json.loads(table[1])) == (
        "table",
        [
            {"row": 2, "field": "body", "code": "required",
             "why": "is required, but the cell is empty"},
            {"row": 2, "field": "stars", "code": "above_maximum",
             "why": "'9' is above the maximum 5"},
        ],
    )  # fmt: skip
    path = tmp_path / "seeding" / "files" / "rejects" / f"{run['id']}.csv"
    assert rejected == ("markdown", SHOWN.format(path=path))
    logs = logs_of(prefect, run)
    assert "Traceback" not in "".join(message for _, message in logs)
    rows = f"2 rows read, 0 tasks created, 1 row rejected; rejects at {path.as_uri()}."
    assert alerts_of(logs) == [(logging.ERROR, f"{sentence} {rows}")]
    assert steps_of(prefect, run) == [
        ("fetch source", "Completed"), ("load rows", "Failed"), ("record rejection", "Completed"),
    ]  # fmt: skip
    assert attempts_of(prefect, run)["load rows"] == 1
    payload = {
        "pipeline_id": 1, "pipeline": PATH, "group_id": None, "created": 0, "rejected": 1,
        "source": source, "message": sentence, "code": "required", "rejects_uri": path.as_uri(),
        "run_url": url_for("flow-run", run["id"]),
    }  # fmt: skip
    for name in ("seeding.group.rejected", "seeding.rows.rejected"):
        assert [event["payload"] for event in events_of(prefect, name, run)] == [payload]
    with open_workspace(read_settings()) as workspace:
        assert count_pending(workspace.store) == Pending(claims=0, finished_tasks=0, groups=0)


def test_a_file_that_does_not_exist_fails_in_the_fetch_step(
    prefect: httpx.Client, tmp_path: Path
) -> None:
    source = str(tmp_path / "nothing.csv")
    state = run_flow(PATH, source)
    run = run_of(prefect, state)
    assert (state.name, state.message) == (
        "Failed",
        f"'nothing.csv' was rejected, nothing was created: {source} does not exist.",
    )
    assert steps_of(prefect, run) == [("fetch source", "Failed"), ("record rejection", "Completed")]
    (event,) = events_of(prefect, "seeding.group.rejected", run)
    assert event["payload"]["source"] == source
    with open_workspace(read_settings()) as workspace:
        report = find_report(workspace.store, run["id"])
    assert report is not None
    assert [error.code for error in report.errors] == ["source_not_found"]


def test_in_python_a_rejection_raises_an_error_with_the_report(
    prefect: httpx.Client, csv_file: CsvFile
) -> None:
    with pytest.raises(SourceRejectedError) as caught:
        seed_from_csv(PATH, csv_file(MIXED))
    assert caught.value.report.rejected == 1


def test_bad_rows_are_skipped_on_request(prefect: httpx.Client, csv_file: CsvFile) -> None:
    state = run_flow(PATH, csv_file(MIXED), on_error="skip-rows")
    assert state.message == "'reviews.csv' created 1 task in group 1, 1 row rejected."
    run = run_of(prefect, state)
    uri = state.result()["rejects_uri"]
    assert alerts_of(logs_of(prefect, run)) == [
        (logging.WARNING, f"2 rows read, 1 task created, 1 row rejected; rejects at {uri}")
    ]
    (event,) = events_of(prefect, "seeding.rows.rejected", run)
    assert (event["payload"]["group_id"], event["payload"]["message"]) == (
        1,
        "'reviews.csv' created 1 task in group 1, 1 row rejected; the first: "
        "row 2, body: is required, but the cell is empty.",
    )


def test_events_of_a_subflow_are_related_to_the_deployment_of_the_outer_flow(
    server: SyncPrefectClient, prefect: httpx.Client, csv_file: CsvFile
) -> None:
    @flow
    def dated() -> Any:
        return seed_from_csv(PATH, csv_file(GOOD), return_state=True)

    create_work_pool(server)
    deployment_id = server.create_deployment(server.create_flow(dated), name="dated")
    started = server.create_flow_run_from_deployment(deployment_id)
    server.set_flow_run_state(started.id, PendingState())
    state: Any = run_flow_sync(dated, flow_run=started, return_type="state")
    inner = run_of(prefect, state)["id"]
    within = FlowRunFilterParentFlowRunId(any_=[started.id])
    (subflow,) = server.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=within))
    assert (str(started.id), subflow.deployment_id) == (inner, None)
    (event,) = events_of(prefect, "seeding.group.created", {"id": str(subflow.id)})
    deployments = [
        (related["prefect.resource.id"], related["prefect.resource.name"])
        for related in event["related"]
        if related["prefect.resource.role"] == "deployment"
    ]
    assert deployments == [(f"prefect.deployment.{deployment_id}", "dated")]


def test_more_rejected_rows_than_the_maximum_fail_the_run(
    prefect: httpx.Client, csv_file: CsvFile
) -> None:
    state = run_flow(PATH, csv_file(MIXED), on_error="skip-rows", max_rejected="49%")
    assert (state.name, state.message) == (
        "Failed",
        "'reviews.csv' was rejected, nothing was created: 1 row rejected; "
        "1 of 2 rows cannot be used, and max_rejected allows 49% (and 2 more problems).",
    )
    (event,) = events_of(prefect, "seeding.group.rejected", run_of(prefect, state))
    assert event["payload"]["code"] == "too_many_rejected"


def test_the_summary_has_no_lines_without_a_meaning(
    prefect: httpx.Client, csv_file: CsvFile
) -> None:
    source = csv_file(GOOD)
    run_flow(PATH, source)
    for state in (run_flow(PATH, source), run_flow(PATH, csv_file("a,b\n1,2\n", "wrong.csv"))):
        summary = artifacts_of(prefect, run_of(prefect, state))[0][1]
        assert not re.search(r"\| 0 \||none|rows a second", summary), summary


def test_a_dry_run_leaves_its_report_and_no_group(prefect: httpx.Client, csv_file: CsvFile) -> None:
    state = run_flow(PATH, csv_file(GOOD), dry_run=True)
    assert state.message == "'reviews.csv' would create 2 tasks."
    with open_workspace(read_settings()) as workspace:
        run_id = str(state.state_details.flow_run_id)
        kept = find_report(workspace.store, run_id)
        assert (kept is not None and kept.created, kept is not None and kept.dry_run) == (2, True)
        assert list_groups(workspace.store, PATH) == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pipeline": "acme/reviews/nothing"}, NotFoundError, "there is no pipeline"),
        ({"delimiter": "--"}, UsageError, "the delimiter"),
        (
            {"on_error": "skip-rows", "max_rejected": "five"},
            UsageError,
            "max_rejected is 'five'; it must be",
        ),
    ],
)
def test_a_wrong_parameter_fails_in_one_sentence(
    prefect: httpx.Client, options: dict[str, str], error: type[Exception], message: str
) -> None:
    state = run_flow(**{"pipeline": PATH, "source": "x.csv"} | options)
    assert (state.name, str(state.message).startswith(message)) == ("Failed", True)
    with pytest.raises(error, match=message):
        state.result()


def test_the_run_of_a_deployment_reads_no_standard_input(
    prefect: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a-deployment")
    state = run_flow(PATH, "-")
    assert (state.name, state.message) == (
        "Failed", "a worker has no standard input to read; give a path or a URL",
    )  # fmt: skip


def test_the_pipelines_number_may_be_an_integer(prefect: httpx.Client, csv_file: CsvFile) -> None:
    assert run_flow(1, csv_file(GOOD)).result()["created"] == 2


def test_with_a_server_configured_the_command_records_a_flow_run_and_prints_only_json(
    prefect: httpx.Client, prefect_api: str, csv_file: CsvFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    source = csv_file("review_id,body,stars\n1,one,5\n", "by-command.csv")
    command = [
        str(Path(sys.executable).with_name("seeding")),
        "seed",
        "csv",
        PATH,
        source,
        "--json",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, json.loads(ended.stdout)["created"]) == (0, 1)
    assert ended.stderr == ""
    chosen = {"flow_runs": {"name": {"any_": [f"csv by-command.csv -> {PATH}"]}}}
    runs = prefect.post("/flow_runs/filter", json=chosen).json()
    assert [run["state_name"] for run in runs] == ["Completed"]


@contextmanager
def listen_for_retries(tell: Callable[[], None]) -> Iterator[None]:
    """Call ``tell`` whenever a step has failed, before it is retried."""

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "Retry" in record.getMessage():
                tell()

    listener, logger = Listener(), logging.getLogger("prefect.task_runs")
    logger.addHandler(listener)
    yield
    logger.removeHandler(listener)


@pytest.mark.usefixtures("without_pauses")
def test_a_step_is_retried_while_the_store_is_locked(
    prefect: httpx.Client, csv_file: CsvFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDING_BUSY_TIMEOUT_SECONDS", "0.1")
    lock_is_held, enough = threading.Event(), threading.Event()

    def hold_the_write_lock() -> None:
        with open_workspace(read_settings()) as workspace, workspace.store.write():
            lock_is_held.set()
            enough.wait()

    def release_it() -> None:
        enough.set()
        holder.join()

    holder = threading.Thread(target=hold_the_write_lock)
    holder.start()
    lock_is_held.wait()
    try:
        with listen_for_retries(release_it):
            state = run_flow(PATH, csv_file(GOOD))
    finally:
        release_it()
    assert state.message == "'reviews.csv' created 2 tasks in group 1."
    assert attempts_of(prefect, run_of(prefect, state)) == {"fetch source": 1, "load rows": 2}
