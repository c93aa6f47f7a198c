"""The reconcile flow, on a real Prefect server."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from flow_runs import events_about, run_of
from flows.reconcile import reconcile
from people import PATH, claim, finish, make_tasks
from tasks_lib.operations.tasks.read import find_task
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

pytestmark = pytest.mark.usefixtures("flow_workspace")


def test_claims_are_released_and_prefect_is_notified(prefect: httpx.Client, tmp_path: Path) -> None:
    with open_workspace(read_settings()) as workspace:
        make_tasks(workspace, tmp_path, 2)
        started = datetime.now(UTC)
        finish(workspace.store)
        claim(workspace.store, "ben", datetime.now(UTC) - timedelta(hours=1))
        state = reconcile(clean_up=False, return_state=True)
        assert find_task(workspace.store, 2).status == "pending"
    assert run_of(prefect, state)["state"]["message"] == (
        "Released 1 expired claim, announced 2 events."
    )
    names = ["seeding.tasks.claimed", "seeding.tasks.finished"]
    payloads = events_about(prefect, "seeding.pipeline.1", names, since=started)
    assert payloads == {
        "seeding.tasks.claimed": {
            "pipeline_id": 1,
            "pipeline": PATH,
            "count": 2,
            "claims": 2,
            "message": f"2 tasks of {PATH} claimed.",
        },
        "seeding.tasks.finished": {
            "pipeline_id": 1,
            "pipeline": PATH,
            "count": 1,
            "finished": 1,
            "message": f"1 task of {PATH} finished.",
        },
    }


@pytest.mark.usefixtures("without_pauses")
def test_an_unreachable_store_fails_the_run_in_one_sentence(
    prefect: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDING_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/nowhere")
    state = reconcile.with_options(retries=0)(return_state=True)
    message = run_of(prefect, state)["state"]["message"]
    assert message.startswith("the store postgresql+psycopg://nobody@127.0.0.1:1/nowhere cannot be")
