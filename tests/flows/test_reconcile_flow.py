"""The flow that catches up, on a real Prefect server."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from flow_runs import events_about, run_of
from flows.reconcile import reconcile
from people import claim, finish, make_tasks
from tasks_lib.operations import queries
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

pytestmark = pytest.mark.usefixtures("flow_workspace")


def test_claims_are_released_and_prefect_is_told(prefect: httpx.Client, tmp_path: Path) -> None:
    with open_workspace(read_settings()) as workspace:
        make_tasks(workspace, tmp_path, 2)
        started = datetime.now(UTC)
        finish(workspace.store)
        claim(workspace.store, "ben", datetime.now(UTC) - timedelta(hours=1))
        state = reconcile(clean_up=False, return_state=True)
        assert queries.find_task(workspace.store, 2).status == "pending"
    assert run_of(prefect, state)["state"]["message"] == (
        "Released 1 expired claim, announced 2 events."
    )
    told = events_about(prefect, "seeding.pipeline.1", since=started)
    assert told == {
        "seeding.tasks.claimed": {"pipeline_id": 1, "count": 2, "claims": 2},
        "seeding.tasks.finished": {"pipeline_id": 1, "count": 1, "finished": 1},
    }


def test_a_store_that_is_away_fails_the_run_in_a_sentence(
    prefect: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDING_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/nowhere")
    state = reconcile.with_options(retries=0)(return_state=True)
    message = run_of(prefect, state)["state"]["message"]
    assert message.startswith("the store postgresql+psycopg://nobody@127.0.0.1:1/nowhere cannot be")
