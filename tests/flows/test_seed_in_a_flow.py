"""A call of ``seed`` in a flow makes its tasks once, however often the flow's body runs."""

import json
from typing import Any

import pandas as pd
import pytest
from httpx import Client
from prefect import flow, get_client, task
from prefect.client.schemas.objects import State

from flow_runs import steps_of
from tasks_lib import seed
from tasks_lib.domain.report import SourceRejectedError
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

LABEL = "acme/reviews/label-reviews"

pytestmark = pytest.mark.usefixtures("flow_workspace")


def frame(body: str, count: int = 2) -> pd.DataFrame:
    return pd.DataFrame({"review_id": map(str, range(count)), "body": body, "stars": 3})


def bodies() -> list[str]:
    with open_workspace(read_settings()) as workspace:
        return sorted(
            json.loads(task.fields)["body"] for task in list_tasks(workspace.store, LABEL)
        )


def test_a_body_that_is_retried(prefect: Client) -> None:
    bodies_run: list[list[int | None]] = []

    @flow(retries=2)
    def label() -> None:
        attempt = len(bodies_run)
        groups = [
            seed(frame(f"prediction {attempt}"), LABEL).group_id,
            seed(frame(f"prediction {attempt}"), LABEL, idempotency_key="by name").group_id,
            seed(frame(f"another prediction {attempt}"), LABEL).group_id,
        ]
        bodies_run.append(groups)
        if attempt < 2:
            raise RuntimeError("the body fails after its tasks were made")

    label()
    # The second call of an attempt has the rows of the first one, which are tasks already.
    assert bodies_run == [[1, 1, 2]] * 3
    assert bodies() == ["another prediction 0"] * 2 + ["prediction 0"] * 2


def test_another_process_that_runs_the_body_again(prefect: Client) -> None:
    @task
    def label_part(body: str, key: str) -> int | None:
        return seed(frame(body), LABEL, idempotency_key=key).group_id

    @flow
    def label(prefix: str) -> list[int | None]:
        in_flow = seed(frame(f"{prefix} one"), LABEL).group_id
        return [
            in_flow,
            label_part(f"{prefix} two", "part two"),
            label_part("three", ""),
            label_part(f"{prefix} four", ""),
        ]

    first = label("first", return_state=True)
    again = run_again(label, first, {"prefix": "second"})
    # In a task without a key only equal rows are known.
    assert (first.result(), again.result()) == ([1, 2, 3, 4], [1, 2, 3, 5])
    assert sorted(set(bodies())) == [
        "first four", "first one", "first two", "second four", "three",
    ]  # fmt: skip


def run_again(body: Any, state: State[Any], parameters: dict[str, Any]) -> State[Any]:
    """Run the body again under the id of the run that ended in ``state``, as a new process does."""
    from prefect.flow_engine import run_flow
    from prefect.states import Scheduled

    from tasks_lib.steps.runs import acts

    acts._calls.clear()
    with get_client(sync_client=True) as client:
        run_id = state.state_details.flow_run_id
        assert run_id is not None
        client.set_flow_run_state(run_id, Scheduled(), force=True)
        run = client.read_flow_run(run_id)
    result: Any = run_flow(body, run, parameters, return_type="state")
    assert isinstance(result, State)
    return result


def test_the_run_shows_the_load(prefect: Client) -> None:
    @flow
    def label() -> int:
        return seed(frame("one"), LABEL, source="predictions").created

    state = label(return_state=True)
    assert state.result() == 2
    run_id = str(state.state_details.flow_run_id)
    assert steps_of(prefect, {"id": run_id}) == [("load rows", "Completed")]
    artifacts = prefect.post(
        "/artifacts/filter", json={"artifacts": {"flow_run_id": {"any_": [run_id]}}}
    ).json()
    assert any("predictions" in str(artifact["data"]) for artifact in artifacts)


def test_rejected_rows_fail_the_flow(prefect: Client) -> None:
    @flow
    def label() -> None:
        seed(frame("one").assign(stars=9), LABEL)

    with pytest.raises(SourceRejectedError) as caught:
        label()
    assert caught.value.report.rejected == 2
    assert bodies() == []
