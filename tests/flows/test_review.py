"""A mapping is reviewed and changed in a form on a real server, answered through its API."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from flows.seed_from_dataset import seed_from_dataset
from reviewed_flows import PATH, PATIENCE_SECONDS, ReviewedFlow, paused_run
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.datasets.import_dataset import import_dataset
from tasks_lib.operations.datasets.import_request import ImportRequest
from tasks_lib.operations.seeding.mapped_seeding import MappedRequest
from tasks_lib.operations.tasks.read import list_tasks
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
    """A dataset with a unique name, so that its run can be found."""
    name = f"reviews-{uuid4().hex}"
    file = tmp_path / "reviews.jsonl"
    file.write_text(ROWS, encoding="utf-8")
    with open_workspace(read_settings()) as workspace:
        import_dataset(workspace, ImportRequest(organization="acme", name=name, source=str(file)))
    return name


def resume(prefect: httpx.Client, run: Any, answer: dict[str, str]) -> Any:
    """Answer the form, again while the server's SQLite is locked, and return the reaction."""
    while True:
        response = prefect.post(f"/flow_runs/{run['id']}/resume", json={"run_input": answer})
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            return response.raise_for_status().json()


ANSWER = {
    "review_id": "ID", "review_id__path": "", "body": "text", "body__path": "",
    "stars": "payload", "stars__path": "$.stars", "sentiment": "(skip)", "sentiment__path": "",
}  # fmt: skip


def tasks() -> list[str]:
    with open_workspace(read_settings()) as workspace:
        return [task.fields for task in list_tasks(workspace.store, PATH)]


def next_form(prefect: httpx.Client, run: Any, dataset: str) -> Any:
    """Wait for the form after this one, and return the run."""
    shown = run["state"]["state_details"]["run_input_keyset"]["schema"]
    return paused_run(prefect, dataset, unlike=shown)


def schema_of(prefect: httpx.Client, run: Any) -> Any:
    keyset = run["state"]["state_details"]["run_input_keyset"]
    return prefect.get(f"/flow_runs/{run['id']}/input/{keyset['schema']}").json()


def test_a_changed_mapping_is_shown_before_the_tasks_are_created(
    prefect: httpx.Client, prefect_api: str, dataset: str
) -> None:
    flow = ReviewedFlow(prefect_api, dataset)
    flow.start()
    run = paused_run(prefect, dataset)
    assert "the required field 'body' gets no value" in run["description"]
    assert resume(prefect, run, ANSWER)["status"] == "ACCEPT"
    again = next_form(prefect, run, dataset)
    assert again["description"].startswith(
        "**You changed the mapping.** Check the new values, then submit again.\n\n"
        '- `review_id` is filled by `ID` instead of nothing: `"r1"`, `"r2"`\n'
        '- `body` is filled by `text` instead of nothing: `"one"`, `"two"`\n'
        "- `stars` is filled by `payload:$.stars` instead of nothing: `5`, `1`\n\n"
    )
    assert tasks() == []
    assert resume(prefect, again, ANSWER)["status"] == "ACCEPT"
    flow.join(timeout=PATIENCE_SECONDS)
    assert (flow.state.name, flow.state.message) == (
        "Completed", f"'{dataset}' created 2 tasks in group 1.",
    )  # fmt: skip
    assert tasks() == [
        '{"review_id":"r1","body":"one","stars":5}',
        '{"review_id":"r2","body":"two","stars":1}',
    ]


def test_a_mapping_that_is_not_changed_creates_the_tasks_at_once(
    prefect: httpx.Client, prefect_api: str, dataset: str
) -> None:
    flow = ReviewedFlow(prefect_api, dataset, mapping={"review_id": "ID", "body": "text"})
    flow.start()
    run = paused_run(prefect, dataset)
    unchanged = ANSWER | {"stars": "(skip)", "stars__path": ""}
    assert resume(prefect, run, unchanged)["status"] == "ACCEPT"
    flow.join(timeout=PATIENCE_SECONDS)
    assert flow.state.name == "Completed"
    assert len(tasks()) == 2


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"body__path": "$.["}, "'$.[' is not a JSONPath"),
        (
            {"review_id": "(skip)", "body": "(skip)", "stars": "(skip)", "stars__path": ""},
            "no column fills any field; map one by hand, as field=column",
        ),
    ],
    ids=["wrong path", "all skipped"],
)
def test_a_wrong_answer_explains_itself_and_asks_again(
    prefect: httpx.Client, prefect_api: str, dataset: str, wrong: dict[str, str], reason: str
) -> None:
    mapping = {"review_id": "ID", "body": "text", "stars": "payload:$.stars"}
    flow = ReviewedFlow(prefect_api, dataset, mapping=mapping)
    flow.start()
    run = paused_run(prefect, dataset)
    assert resume(prefect, run, ANSWER | wrong)["status"] == "ACCEPT"
    again = next_form(prefect, run, dataset)
    assert again["description"].startswith(
        "**This mapping cannot be used.** Correct it, then submit.\n\n- **"
    )
    assert reason in again["description"]
    assert tasks() == []
    assert resume(prefect, again, ANSWER)["status"] == "ACCEPT"
    last = next_form(prefect, again, dataset)
    assert resume(prefect, last, ANSWER)["status"] == "ACCEPT"
    flow.join(timeout=PATIENCE_SECONDS)
    assert flow.state.name == "Completed"
    assert len(tasks()) == 2


def test_failing_rows_are_explained_and_may_be_accepted(
    prefect: httpx.Client, prefect_api: str, dataset: str
) -> None:
    mapping = {"review_id": "ID", "body": "payload:$.txt", "stars": "payload:$.stars"}
    flow = ReviewedFlow(prefect_api, dataset, mapping=mapping)
    flow.start()
    run = paused_run(prefect, dataset)
    failing = "`body` from `payload:$.txt` fails in 2 of 2 rows of the sample: path_no_match 2"
    assert failing in run["description"]
    answer = ANSWER | {"body": "payload", "body__path": "$.txt"}
    assert resume(prefect, run, answer)["status"] == "ACCEPT"
    again = next_form(prefect, run, dataset)
    assert again["description"].startswith(
        "**Rows of the sample fail with this mapping**, so that nothing would be created. Correct "
        f"it, or submit it unchanged to seed all the same.\n\n- {failing}\n"
    )
    assert resume(prefect, again, answer)["status"] == "ACCEPT"
    flow.join(timeout=PATIENCE_SECONDS)
    assert flow.state.name == "Failed"
    assert tasks() == []


def test_a_field_that_needs_a_column_is_required_and_not_preset_to_skip(
    prefect: httpx.Client, prefect_api: str, dataset: str
) -> None:
    flow = ReviewedFlow(prefect_api, dataset)
    flow.start()
    run = paused_run(prefect, dataset)
    schema = schema_of(prefect, run)
    choices = ["ID", "text", "payload", "(skip)"]
    assert schema["required"] == ["review_id", "body"]
    assert {
        name: schema["properties"][name]
        for name in ("review_id", "body", "stars", "sentiment")
    } == {
        "review_id": {
            "title": "review_id", "type": "string", "enum": choices,
            "description": "text, required. The required field 'review_id' gets no value: "
            "no column matches; map it by hand or skip it",
        },
        "body": {
            "title": "body", "type": "string", "enum": choices,
            "description": "long_text, required. The required field 'body' gets no value: "
            "no column matches; map it by hand or skip it",
        },
        "stars": {
            "title": "stars", "type": "string", "enum": choices,
            "description": "integer, optional", "default": "(skip)",
        },
        "sentiment": {
            "title": "sentiment", "type": "string", "enum": choices,
            "description": "single_select, filled in by contributors unless you choose a column",
            "default": "(skip)",
        },
    }  # fmt: skip
    assert resume(prefect, run, {"review_id": "ID"})["status"] == "REJECT"
    assert resume(prefect, run, ANSWER)["status"] == "ACCEPT"
    assert resume(prefect, next_form(prefect, run, dataset), ANSWER)["status"] == "ACCEPT"
    flow.join(timeout=PATIENCE_SECONDS)
    assert flow.state.name == "Completed"


def test_an_invalid_choice_is_refused_by_the_server(
    prefect: httpx.Client, prefect_api: str, dataset: str
) -> None:
    flow = ReviewedFlow(prefect_api, dataset)
    flow.start()
    run = paused_run(prefect, dataset)
    refused = resume(prefect, run, ANSWER | {"body": "nothing"})
    assert refused["status"] == "REJECT"
    assert "'nothing' is not one of ['ID', 'text', 'payload', '(skip)']" in str(refused)
    assert resume(prefect, run, ANSWER)["status"] == "ACCEPT"
    assert resume(prefect, next_form(prefect, run, dataset), ANSWER)["status"] == "ACCEPT"
    flow.join(timeout=PATIENCE_SECONDS)
    assert flow.state.name == "Completed"


def test_an_unanswered_form_cancels_the_run(
    prefect: httpx.Client, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks_lib.steps.mapped_seeding.SECONDS_A_MINUTE", 1)
    state = seed_from_dataset(PATH, dataset, review=True, review_minutes=2, return_state=True)
    assert (state.name, state.message) == (
        "Cancelled",
        "nobody answered the mapping's form within 2 seconds, so nothing was created; run it again",
    )
    assert tasks() == []


def test_the_form_is_prefilled_with_the_plan_and_keeps_wrong_answers(dataset: str) -> None:
    from tasks_lib.operations.seeding.mapped_seeding import plan_seeding
    from tasks_lib.operations.seeding.seed_from_dataset import find_source

    with open_workspace(read_settings()) as workspace:
        pipeline = find_pipeline(workspace.store, PATH)
        source = find_source(workspace, pipeline, dataset)
        request = MappedRequest(
            pipeline=PATH, source=dataset, mapping={"review_id": "ID", "body": "text:$.x"}
        )
        form = Form(plan_seeding(workspace, pipeline, source, request), request.mapping)
    assert form.initial == {
        "review_id": "ID", "review_id__path": "", "body": "text", "body__path": "$.x",
        "stars": "(skip)", "stars__path": "", "sentiment": "(skip)", "sentiment__path": "",
    }  # fmt: skip
