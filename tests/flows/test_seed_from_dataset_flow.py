"""The dataset flow: its steps, its state, and the artifacts of mapping and tasks."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prefect.utilities.urls import url_for

from flow_runs import artifacts_of, events_of, query_events, run_of, steps_of
from flows.seed_from_dataset import seed_from_dataset
from tasks_lib.errors import NotFoundError
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from vault import FIELDS, LABEL, ROWS, apply_vault, put, tasks_of, write

REPORT = {
    "group_id": 1, "pipeline_id": 1, "created": 3, "rejected": 0, "already_seeded": 0,
    "changed": 0, "updated": 0, "withdrawn": 0,
    "dry_run": False, "source": "reviews-of-a-flow", "rejects_uri": None, "errors": [],
}  # fmt: skip
NAME = "reviews-of-a-flow"
HEAD = "| field | type | source | outcome | why | sample | fails |\n" + "| --- " * 7 + "|\n"


@pytest.fixture
def vault(flow_workspace: None, tmp_path: Path) -> Iterator[Workspace]:
    """The embedded defaults, the pipelines of ``vault``, and a dataset of three rows."""
    with open_workspace(read_settings()) as workspace:
        apply_vault(workspace, tmp_path)
        put(workspace, write(tmp_path, ROWS), name=NAME)
        yield workspace


def test_a_good_dataset_completes_with_its_plan_report_artifacts_and_event(
    prefect: httpx.Client, vault: Workspace
) -> None:
    state = seed_from_dataset(LABEL, NAME, return_state=True)
    run = run_of(prefect, state)
    assert (state.name, state.message) == ("Completed", f"'{NAME}' created 3 tasks in group 1.")
    assert state.result() == REPORT
    assert run["name"] == f"dataset {NAME} -> {LABEL}"
    assert steps_of(prefect, run) == [("plan mapping", "Completed"), ("load rows", "Completed")]
    (kind, mapping), (_, summary) = artifacts_of(prefect, run)
    assert (kind, mapping) == (
        "markdown",
        f"## Mapping\n\n{HEAD}"
        '| `review_id` | text | `review_id` | matched | same name | `"001"`, `"NA"`, '
        '`"12345678901234567890"` | 0 of 3 |\n'
        '| `body` | long_text | `body` | matched | same name | `"one"`, `" two "`, `"three"` '
        "| 0 of 3 |\n"
        "| `stars` | integer, optional | `stars` | matched | same name | `5`, `null`, `1` "
        "| 0 of 3 |\n"
        "| `sentiment` | single_select |  |  | filled in by contributors |  |  |",
    )
    assert "| Rows read | 3 |\n| Created | 3 |\n| Group | 1 |" in summary
    (event,) = events_of(prefect, "seeding.group.created", run)
    assert event["payload"] == {
        "pipeline_id": 1, "pipeline": LABEL, "group_id": 1, "created": 3, "rejected": 0,
        "source": NAME, "message": f"'{NAME}' created 3 tasks in group 1.",
        "run_url": url_for("flow-run", run["id"]),
    }  # fmt: skip
    assert tasks_of(vault) == FIELDS


def test_a_second_run_reports_nothing_new_and_emits_no_event(
    prefect: httpx.Client, vault: Workspace, tmp_path: Path
) -> None:
    put(vault, write(tmp_path, ROWS), name="seeded-twice")
    first = seed_from_dataset(LABEL, "seeded-twice", return_state=True)
    state = seed_from_dataset("1", "seeded-twice", return_state=True)
    assert (state.name, state.message) == (
        "Completed", "'seeded-twice' created no tasks, 3 existed already.",
    )  # fmt: skip
    run = run_of(prefect, state)
    assert run["name"] == f"dataset seeded-twice -> {LABEL}"
    _, (_, summary) = artifacts_of(prefect, run)
    assert "| Source | `seeded-twice` |\n| Already seeded | 3 |\n| Time | " in summary
    assert len(events_of(prefect, "seeding.group.created", run_of(prefect, first))) == 1
    assert query_events(prefect, "seeding.group.created", run) == []


def test_an_invalid_mapping_fails_in_one_sentence_with_the_problem_as_a_table(
    prefect: httpx.Client, vault: Workspace, tmp_path: Path
) -> None:
    put(vault, write(tmp_path, ROWS), name="turned-away")
    state = seed_from_dataset(LABEL, "turned-away", mapping={"body": "bodi"}, return_state=True)
    why = "field 'body': the source has no column 'bodi'; did you mean 'body'?"
    assert (state.name, state.message) == (
        "Failed", f"'turned-away' was rejected, nothing was created: {why}",
    )  # fmt: skip
    run = run_of(prefect, state)
    assert steps_of(prefect, run) == [
        ("plan mapping", "Completed"), ("load rows", "Failed"), ("record rejection", "Completed"),
    ]  # fmt: skip
    (_, mapping), (_, summary), (kind, table) = artifacts_of(prefect, run)
    assert mapping.startswith(f"## Mapping\n\n- **unknown_source_column**: {why}\n\n{HEAD}")
    assert summary.splitlines()[0] == "## Rejected"
    assert (kind, json.loads(table)) == (
        "table",
        [{"row": None, "field": "body", "code": "unknown_source_column", "why": why}],
    )
    (event,) = events_of(prefect, "seeding.group.rejected", run)
    assert (event["payload"]["created"], event["payload"]["group_id"]) == (0, None)
    assert list_groups(vault.store, LABEL) == []


def test_a_missing_dataset_fails_in_one_sentence(prefect: httpx.Client, vault: Workspace) -> None:
    state = seed_from_dataset(LABEL, "reviews-of-a-flo", return_state=True)
    assert (state.name, state.message) == (
        "Failed", f"there is no dataset 'reviews-of-a-flo'; did you mean '{NAME}'?",
    )  # fmt: skip
    with pytest.raises(NotFoundError):
        seed_from_dataset(LABEL, "reviews-of-a-flo")
