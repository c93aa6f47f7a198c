"""A program answers the review of a mapping as its page shows, on a server with CSRF protection."""

import os
import re
import subprocess
import sys

import pytest
from prefect.client.schemas.objects import FlowRun

from installation import PATH, Installation
from pages import DOCS, ROOT
from servers import wait_until
from tasks_lib.operations.datasets.import_dataset import import_dataset
from tasks_lib.operations.datasets.import_request import ImportRequest
from tasks_lib.operations.tasks.read import list_tasks

PAGE = (DOCS / "how-to" / "run-forms.md").read_text(encoding="utf-8")
RUN_ID = "7b354ed7-2abe-4191-9fa7-70617e60769b"
API = "http://127.0.0.1:4200/api"


def block(language: str) -> str:
    """Return the page's block of this language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def run(installation: Installation) -> FlowRun:
    """A run that reviews the mapping of a new dataset."""
    source = str(ROOT / "examples" / "reviews.jsonl")
    request = ImportRequest(organization="acme", name="by-a-program", source=source)
    import_dataset(installation.workspace, request)
    model = installation.client.read_deployment_by_name("seed-from-dataset/seed-from-dataset")
    parameters = {"pipeline": PATH, "dataset": "by-a-program", "review": True}
    return installation.client.create_flow_run_from_deployment(model.id, parameters=parameters)


def wait_for_form(installation: Installation, run: FlowRun, unlike: str = "") -> str:
    """Wait until the run shows a form other than ``unlike``, and return the form's key."""
    keys: list[str] = []

    def is_shown() -> bool:
        installation.stack.check()
        state = installation.client.read_flow_run(run.id).state
        keyset = state.state_details.run_input_keyset if state and state.is_paused() else None
        keys[:] = [keyset["schema"]] if keyset else []
        return bool(keys) and keys[0] != unlike

    wait_until(is_shown)
    return keys[0]


def answer(installation: Installation, run: FlowRun, language: str) -> str:
    """Run a block of the page for this run, again while the server is busy; return its output."""
    command = {"bash": ["bash", "-c"], "python": [sys.executable, "-c"]}[language]
    text = block(language).replace(API, installation.stack.api_url).replace(RUN_ID, str(run.id))
    environment = os.environ | {"PREFECT_API_URL": installation.stack.api_url}
    while True:
        done = subprocess.run(
            [*command, text], env=environment, capture_output=True, text=True, check=True
        )
        if "Service Unavailable" not in done.stdout:
            return done.stdout


def test_a_program_answers_the_review_over_http_and_in_python(
    installation: Installation, run: FlowRun
) -> None:
    workspace = installation.workspace
    before = {task.id for task in list_tasks(workspace.store, PATH, limit=10_000)}
    first = wait_for_form(installation, run)
    assert '"status":"ACCEPT"' in answer(installation, run, "bash")
    wait_for_form(installation, run, unlike=first)
    assert answer(installation, run, "python") == "ACCEPT\n"
    wait_until(lambda: installation.has_ended(run.id))
    ended = installation.client.read_flow_run(run.id).state
    assert ended is not None
    assert ended.name == "Completed"
    made = [
        task.fields
        for task in list_tasks(workspace.store, PATH, limit=10_000)
        if task.id not in before
    ]
    assert made == [
        '{"review_id":"w-101","body":"Does what it says, and quietly."}',
        '{"review_id":"w-102","body":"The lid cracked after \\"one\\" week."}',
        '{"review_id":"w-103","body":"Läuft seit März ohne Pause."}',
    ]
