"""The pipeline flow: its steps, its state, and the artifacts of mapping and tasks."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prefect.utilities.urls import url_for

from flow_runs import artifacts_of, events_of, run_of, steps_of
from flows.seed_from_pipeline import seed_from_pipeline
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from vault import (
    AUDIT,
    CHECK,
    FOREIGN,
    LABEL,
    ROWS,
    apply_vault,
    finish,
    put,
    seed_dataset,
    tasks_of,
    write,
)


@pytest.fixture
def label_pipelines(flow_workspace: None, tmp_path: Path) -> Iterator[Workspace]:
    """The pipelines of ``vault`` with three tasks to label, one of them finished."""
    with open_workspace(read_settings()) as workspace:
        apply_vault(workspace, tmp_path)
        put(workspace, write(tmp_path, ROWS))
        seed_dataset(workspace)
        finish(workspace, [2], '{"sentiment":"good"}')
        yield workspace


def test_finished_tasks_are_seeded_with_plan_report_artifacts_and_event(
    prefect: httpx.Client, label_pipelines: Workspace
) -> None:
    state = seed_from_pipeline(AUDIT, LABEL, mapping={"opinion": "sentiment"}, return_state=True)
    run = run_of(prefect, state)
    assert (state.name, state.message) == (
        "Completed",
        "'label-reviews' created 1 task in group 2.",
    )
    assert state.result() == {
        "group_id": 2, "pipeline_id": 3, "created": 1, "rejected": 0, "already_seeded": 0,
        "changed": 0, "updated": 0, "withdrawn": 0,
        "dry_run": False, "source": LABEL, "rejects_uri": None, "errors": [],
    }  # fmt: skip
    assert run["name"] == f"pipeline label-reviews -> {AUDIT}"
    assert steps_of(prefect, run) == [("plan mapping", "Completed"), ("load rows", "Completed")]
    (_, mapping), (_, summary) = artifacts_of(prefect, run)
    assert (
        '| `opinion` | text, optional | `sentiment` | mapped | mapped by hand | `"good"` | 0 of 1 |'
    ) in mapping.splitlines()
    assert f"| Source | `{LABEL}` |\n| Rows read | 1 |\n| Created | 1 |" in summary
    (event,) = events_of(prefect, "seeding.group.created", run)
    assert event["payload"] == {
        "pipeline_id": 3, "pipeline": AUDIT, "group_id": 2, "created": 1, "rejected": 0,
        "source": LABEL, "message": "'label-reviews' created 1 task in group 2.",
        "run_url": url_for("flow-run", run["id"]),
    }  # fmt: skip
    assert tasks_of(label_pipelines, AUDIT) == [(2, '{"review_id":"NA","opinion":"good"}')]


def test_a_source_of_another_organization_fails_in_one_sentence(
    prefect: httpx.Client, label_pipelines: Workspace
) -> None:
    state = seed_from_pipeline(CHECK, FOREIGN, return_state=True)
    assert (state.name, state.message) == (
        "Failed",
        f"pipeline {FOREIGN} belongs to another organization than {CHECK}, "
        "and nothing crosses an organization",
    )
    run = run_of(prefect, state)
    assert (run["name"], artifacts_of(prefect, run)) == (
        f"pipeline label-reviews -> {CHECK}", [],
    )  # fmt: skip


def test_pipelines_may_be_given_by_their_numbers(
    prefect: httpx.Client, label_pipelines: Workspace
) -> None:
    state = seed_from_pipeline(2, 1, dry_run=True, return_state=True)
    assert (state.name, state.message) == ("Completed", "'label-reviews' would create 1 task.")
