"""The flow that fires chains, and the sweep, on a real Prefect server."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from chain_setup import apply_pipelines, chain, finish_tasks, origins
from flow_runs import artifacts_of, events_about, run_of
from flows.reconcile import reconcile
from flows.seed_chain import seed_chain
from proxies import Proxy
from tasks_lib.domain.events import TASKS_FINISHED
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.chains.manage import delete_chain
from tasks_lib.operations.upkeep.reconcile import Reconciled, reconcile as sweep_once
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.chains import GRAPH
from tasks_lib.steps.prefect_api import post_events
from vault import AUDIT, LABEL

pytestmark = pytest.mark.usefixtures("flow_workspace")


def test_a_run_fires_its_chain_and_all_others_that_are_due(
    prefect: httpx.Client, tmp_path: Path
) -> None:
    with open_workspace(read_settings()) as workspace:
        apply_pipelines(workspace, tmp_path)
        new_chain = chain(workspace)
        chain(workspace, AUDIT, mapping={"made": "body"})
        finish_tasks(workspace, 2)
        state = seed_chain(new_chain.id, return_state=True)
        assert (origins(workspace), origins(workspace, AUDIT)) == ([1, 2], [])
    run = run_of(prefect, state)
    assert (run["name"], run["state"]["message"]) == (
        f"chain {new_chain.id}", "Created 2 tasks; 2 tasks did not fit.",
    )  # fmt: skip
    summary, graph = [data for _, data in artifacts_of(prefect, run)]
    assert summary.startswith(f"## {new_chain.name}\n")
    assert '    p3 -->|"task-completion"| p1' in graph.splitlines()


def test_a_chain_that_does_not_exist_fails_the_run(prefect: httpx.Client) -> None:
    run = run_of(prefect, seed_chain(99, return_state=True))
    assert (run["state"]["type"], run["state"]["message"]) == ("FAILED", "there is no chain 99")


def test_the_sweep_fires_without_any_event(prefect: httpx.Client, tmp_path: Path) -> None:
    with open_workspace(read_settings()) as workspace:
        apply_pipelines(workspace, tmp_path)
        chain(workspace)
        finish_tasks(workspace, 3)
        state = reconcile(clean_up=False, return_state=True)
        assert origins(workspace) == [1, 2, 3]
    message = run_of(prefect, state)["state"]["message"]
    assert message.startswith("Created 3 chained tasks, ")


def test_a_thousand_tasks_finished_while_the_server_is_away_need_one_sweep(
    prefect: httpx.Client, prefect_api: str, tmp_path: Path
) -> None:
    started = datetime.now(UTC)
    way_to_server = Proxy(prefect_api)
    settings = {PREFECT_API_URL: f"{way_to_server.endpoint}/api"}

    def sweep(workspace: Workspace) -> Reconciled:
        with temporary_settings(settings):
            return sweep_once(workspace, post_events, now=datetime.now(UTC), cleans_up=False)

    with open_workspace(read_settings()) as workspace:
        apply_pipelines(workspace, tmp_path, 1_000)
        chain(workspace)
        assert sweep(workspace).chained_tasks == 0
        way_to_server.cut()
        finish_tasks(workspace, 999)
        with pytest.raises(PrefectUnavailableError, match="did not take events"):
            sweep(workspace)
        assert origins(workspace) == list(range(1, 1_000)), "chains need no Prefect"
        finish_tasks(workspace, 1)
        way_to_server.restore()
        assert sweep(workspace).chained_tasks == 1
        assert origins(workspace) == list(range(1, 1_001))
    way_to_server.cut()
    payloads = events_about(prefect, "seeding.pipeline.1", [TASKS_FINISHED], since=started)
    assert payloads[TASKS_FINISHED] == {
        "pipeline_id": 1,
        "pipeline": LABEL,
        "count": 1_000,
        "finished": 1_000,
        "message": f"1,000 tasks of {LABEL} finished.",
    }


def test_the_sweep_keeps_one_artifact_of_the_chains_up_to_date(
    prefect: httpx.Client, tmp_path: Path
) -> None:
    with open_workspace(read_settings()) as workspace:
        apply_pipelines(workspace, tmp_path)
        new_chain = chain(workspace)
        reconcile(clean_up=False)
        (graph,) = graphs(prefect)
        delete_chain(workspace.store, new_chain.id)
        reconcile(clean_up=False)
    assert graph["data"].splitlines() == [
        "## acme",
        "",
        "```mermaid",
        "flowchart LR",
        '    p1["acme/reviews/check-reviews"]',
        '    p2["acme/reviews/label-reviews"]',
        '    p2 -->|"task-completion"| p1',
        "```",
    ]
    (after,) = graphs(prefect)
    assert (after["id"], after["data"]) == (graph["id"], "There is no chain.")


def graphs(prefect: httpx.Client) -> list[dict[str, Any]]:
    """Return all versions of the artifact."""
    chosen = {"artifacts": {"key": {"any_": [GRAPH]}}}
    artifacts: list[dict[str, Any]] = prefect.post("/artifacts/filter", json=chosen).json()
    return artifacts


@pytest.mark.usefixtures("without_pauses")
def test_an_unreachable_store_fails_the_run_in_one_sentence(
    prefect: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDING_DATABASE_URL", "sqlite:////proc/nowhere/seeding.db")
    message = run_of(prefect, seed_chain(return_state=True))["state"]["message"]
    assert message.startswith("the folder of /proc/nowhere/seeding.db cannot be made")
