"""A mapping is looked at and changed in a form, on a real server, answered through its API."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from flows.seed_from_dataset import seed_from_dataset
from reviewed_flows import PATH, PATIENCE_SECONDS, Reviewed, paused_run
from tasks_lib.operations import queries
from tasks_lib.operations.import_dataset import ImportRequest, import_dataset
from tasks_lib.operations.mapped_seeding import MappedRequest
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.review import Form

ROWS = (
    '{"ID": "r1", "text": "one", "payload": {"stars": 5}}\n'
    '{"ID": "r2", "text": "two", "payload": {"stars": 1}}\n'
)

pytestmark = pytest.mark.usefixtures("flow_workspace")


@pytest.fixture
def dataset(flow_workspace: None, tmp_path: Path) -> str:
    """A dataset of a name of its own, so that its run can be found."""
    name = f"reviews-{uuid4().hex}"
    file = tmp_path / "reviews.jsonl"
    file.write_text(ROWS, encoding="utf-8")
    with open_workspace(read_settings()) as workspace:
        import_dataset(workspace, ImportRequest("acme", name, str(file)))
    return name


def resume(prefect: httpx.Client, run: Any, answer: dict[str, str]) -> Any:
    return prefect.post(f"/flow_runs/{run['id']}/resume", json={"run_input": answer}).json()


ANSWER = {
    "review_id": "ID", "review_id__path": "", "body": "text", "body__path": "",
    "stars": "payload", "stars__path": "$.stars", "sentiment": "(skip)", "sentiment__path": "",
}  # fmt: skip


def tasks() -> list[str]:
    with open_workspace(read_settings()) as workspace:
        return [task.fields for task in queries.list_tasks(workspace.store, PATH)]


def test_the_form_is_answered_and_the_tasks_are_as_chosen(
    prefect: httpx.Client, prefect_api: str, dataset: str
) -> None:
    flow = Reviewed(prefect_api, dataset)
    flow.start()
    run = paused_run(prefect, dataset)
    assert "the required field 'body' gets no value" in run["description"]
    assert resume(prefect, run, ANSWER)["status"] == "ACCEPT"
    flow.join(timeout=PATIENCE_SECONDS)
    assert (flow.state.name, flow.state.message) == (
        "Completed", f"'{dataset}' created 2 tasks in group 1.",
    )  # fmt: skip
    assert tasks() == [
        '{"review_id":"r1","body":"one","stars":5}',
        '{"review_id":"r2","body":"two","stars":1}',
    ]


def test_a_wrong_answer_explains_itself_and_asks_again(
    prefect: httpx.Client, prefect_api: str, dataset: str
) -> None:
    flow = Reviewed(prefect_api, dataset)
    flow.start()
    run = paused_run(prefect, dataset)
    resume(prefect, run, ANSWER | {"body__path": "$.x"})
    first = run["state"]["state_details"]["run_input_keyset"]["schema"]
    again = paused_run(prefect, dataset, unlike=first)
    assert "column 'text' is of type text, and a JSONPath needs json" in again["description"]
    assert tasks() == []
    assert resume(prefect, again, ANSWER)["status"] == "ACCEPT"
    flow.join(timeout=PATIENCE_SECONDS)
    assert flow.state.name == "Completed"
    assert len(tasks()) == 2


def test_a_choice_that_is_none_is_refused_by_the_server(
    prefect: httpx.Client, prefect_api: str, dataset: str
) -> None:
    flow = Reviewed(prefect_api, dataset)
    flow.start()
    run = paused_run(prefect, dataset)
    refused = resume(prefect, run, ANSWER | {"body": "nothing"})
    assert refused["status"] == "REJECT"
    assert "'nothing' is not one of ['ID', 'text', 'payload', '(skip)']" in str(refused)
    assert resume(prefect, run, ANSWER)["status"] == "ACCEPT"
    flow.join(timeout=PATIENCE_SECONDS)
    assert flow.state.name == "Completed"


def test_a_form_that_nobody_answers_cancels_the_run(
    prefect: httpx.Client, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks_lib.steps.mapped_seeding.SECONDS_A_MINUTE", 1)
    state = seed_from_dataset(PATH, dataset, review=True, review_minutes=2, return_state=True)
    assert (state.name, state.message) == (
        "Cancelled",
        "nobody answered the mapping's form within 2 seconds, so nothing was created; run it again",
    )
    assert tasks() == []


def test_the_form_is_filled_in_as_planned_and_keeps_what_was_said_wrong(dataset: str) -> None:
    from tasks_lib.operations.mapped_seeding import plan_seeding
    from tasks_lib.operations.seed_from_dataset import find_source

    with open_workspace(read_settings()) as workspace:
        pipeline = queries.find_pipeline(workspace.store, PATH)
        source = find_source(workspace, pipeline, dataset)
        request = MappedRequest(PATH, dataset, {"review_id": "ID", "body": "text:$.x"})
        form = Form(plan_seeding(workspace, pipeline, source, request), request.mapping)
    assert form.initial == {
        "review_id": "ID", "review_id__path": "", "body": "text", "body__path": "$.x",
        "stars": "(skip)", "stars__path": "", "sentiment": "(skip)", "sentiment__path": "",
    }  # fmt: skip
