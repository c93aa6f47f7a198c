"""The flow that fires chains, and the sweep, on a real Prefect server."""

from pathlib import Path

import httpx
import pytest

from chained import apply_pipelines, chain, finish_tasks, origins
from flow_runs import artifacts_of, run_of
from flows.reconcile import reconcile
from flows.seed_chain import seed_chain
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from vault import AUDIT

pytestmark = pytest.mark.usefixtures("flow_workspace")


def test_a_run_fires_its_chain_and_all_others_that_are_due(
    prefect: httpx.Client, tmp_path: Path
) -> None:
    with open_workspace(read_settings()) as workspace:
        apply_pipelines(workspace, tmp_path)
        made = chain(workspace)
        chain(workspace, AUDIT, mapping={"made": "body"})
        finish_tasks(workspace, 2)
        state = seed_chain(made.id, return_state=True)
        assert (origins(workspace), origins(workspace, AUDIT)) == ([1, 2], [])
    run = run_of(prefect, state)
    assert (run["name"], run["state"]["message"]) == (
        f"chain {made.id}", "Made 2 tasks; 2 tasks did not fit.",
    )  # fmt: skip
    told, graph = [data for _, data in artifacts_of(prefect, run)]
    assert told.startswith(f"## {made.name}\n")
    assert '    p3 -->|"task-completion"| p1' in graph.splitlines()


def test_without_any_event_the_sweep_fires(prefect: httpx.Client, tmp_path: Path) -> None:
    with open_workspace(read_settings()) as workspace:
        apply_pipelines(workspace, tmp_path)
        chain(workspace)
        finish_tasks(workspace, 3)
        state = reconcile(clean_up=False, return_state=True)
        assert origins(workspace) == [1, 2, 3]
    message = run_of(prefect, state)["state"]["message"]
    assert message.startswith("Made 3 chained tasks, ")


def test_a_store_that_is_away_fails_the_run_in_a_sentence(
    prefect: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDING_DATABASE_URL", "sqlite:////proc/nowhere/seeding.db")
    message = run_of(prefect, seed_chain(return_state=True))["state"]["message"]
    assert message.startswith("the folder of /proc/nowhere/seeding.db cannot be made")
