"""Pages whose commands need a Prefect server: the commands work and print the shown output."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest
import yaml
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.flow_engine import run_flow_sync
from prefect.states import Late, Pending
from prefect.utilities.urls import url_for

from chain_setup import apply_pipelines, chain, finish_tasks
from flows.seed_from_csv import seed_from_csv
from pages import DOCS, ROOT, is_as_shown, output_of, typed_lines
from people import PATH, finish, make_tasks
from servers import wait_until
from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.upkeep.reconcile import reconcile as sweep
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.prefect_api import post_events
from vault import CHECK, set_status

PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCK_OF_THE_PAGE = "b5ed3b7c-1ab2-4a88-a975-92a144393848"
DEPLOYMENT_OF_THE_PAGE = "0f8fad5b-d9cb-469f-a165-70867728950e"
BY_DEPLOYMENT = "related:deployment:prefect.resource.id"
MISTAKE = "reviews-with-a-mistake.csv"


class Team(NamedTuple):
    """A webhook that records its messages, and the block that points to it."""

    messages: list[dict[str, str]]
    block_id: str


@pytest.fixture
def team(prefect: httpx.Client) -> Iterator[Team]:
    """A team that receives notifications."""
    messages: list[dict[str, str]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep stderr clean."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    Thread(target=server.serve_forever, daemon=True).start()
    block = CustomWebhookNotificationBlock(
        name="team",
        url=f"http://127.0.0.1:{server.server_port}",
        json_data={"subject": "{{subject}}", "body": "{{body}}"},
    )
    yield Team(messages, str(block.save("team", overwrite=True)))
    server.shutdown()
    server.server_close()


@pytest.fixture
def automations(prefect: httpx.Client, prefect_api: str) -> Iterator[list[str]]:
    """The names of the server's automations; any that the test leaves are deleted."""
    names: list[str] = []
    yield names
    with SyncPrefectClient(prefect_api) as client:
        for automation in prefect.post("/automations/filter", json={}).json():
            if automation["name"] in names:
                client.delete_automation(automation["id"])


@pytest.fixture
def typing(prefect_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in a folder with the examples, connected to the Prefect server of these tests."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def export_labels(server: SyncPrefectClient) -> UUID:
    """The deployment of the page's reader that continues when a pipeline is finished."""
    server.create_work_pool(WorkPoolCreate(name="seeding", type="process"))
    return server.create_deployment(
        server.create_flow_from_name("export-labels"), name="export-labels"
    )


@pytest.fixture
def nightly_reviews(server: SyncPrefectClient, export_labels: UUID) -> list[UUID]:
    """Three deployments like that of the page, which no worker runs; each is waited for by itself.

    A deployment's name is unique for its flow only.
    """
    (nightly,) = (
        deployment
        for block in YAML.findall((DOCS / "how-to" / "automations.md").read_text(encoding="utf-8"))
        for deployment in yaml.safe_load(block).get("deployments", ())
        if deployment["name"] == "nightly-reviews"
    )
    assert nightly["schedules"][0]["cron"] == "0 5 * * *"
    return [
        server.create_deployment(
            server.create_flow_from_name(flow),
            name=nightly["name"],
            parameters=nightly["parameters"],
            work_pool_name=nightly["work_pool"]["name"],
        )
        for flow in ("seed-from-csv", "seed-from-zip", "seed-from-dataset")
    ]


@pytest.fixture
def example_automations(
    team: Team, automations: list[str], typing: None, export_labels: UUID, tmp_path: Path
) -> None:
    """The automations of the example, made as the page says; an hour is ten seconds."""
    automations += [
        "seeding: rows were rejected",
        "seeding: a chain has failed",
        "seeding: nothing arrived by six o'clock",
        "seeding: continue when a pipeline is finished",
    ]
    *typed, creation = typed_lines(DOCS / "how-to" / "automations.md")
    assert creation.command == "prefect automation create --from-file automations.yaml"
    ids = {DEPLOYMENT_OF_THE_PAGE: str(export_labels), BLOCK_OF_THE_PAGE: team.block_id}
    for command, shown in [*typed[1:], creation]:  # the first shows what the last will do
        if command == creation.command:
            shorten_an_hour(tmp_path / "automations.yaml")
        here = put_in(ids, command).replace("slack-webhook", "custom-webhook")
        output = output_of(here)
        assert is_as_shown(output, [put_in(ids, line) for line in shown]), f"$ {here}\n{output}"


def put_in(ids: Mapping[str, str], text: str) -> str:
    """Replace the ids of the page by those on the server."""
    for of_page, here in ids.items():
        text = text.replace(of_page, here)
    return text


def shorten_an_hour(path: Path) -> None:
    """Make the automation about six o'clock wait for ten seconds, the least, instead of an hour."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    (waiting,) = (
        automation["trigger"]
        for automation in document["automations"]
        if automation["trigger"]["posture"] == "Proactive"
    )
    assert waiting["within"] == 3_600
    waiting["within"] = 10
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


@pytest.mark.usefixtures("flow_workspace", "example_automations")
def test_the_first_automation_sends_what_was_rejected(team: Team, tmp_path: Path) -> None:
    source = str(tmp_path / "examples" / MISTAKE)
    rejected = seed_from_csv(PATH, source, return_state=True)
    skipped: Any = seed_from_csv(PATH, source, on_error=OnError.SKIP_ROWS, return_state=True)
    wait_until(lambda: len(team.messages) == 2)
    why = "row 2, stars: 'six' is not a whole number such as 42 or -7."
    sentences = (
        f"'{MISTAKE}' was rejected, nothing was created: 1 row rejected; {why}",
        f"'{MISTAKE}' created 2 tasks in group 1, 1 row rejected; the first: {why}",
    )
    assert sorted(team.messages, key=lambda message: message["body"]) == [
        {
            "subject": f"1 rejected in {PATH}",
            "body": f"{sentence}\nRejected rows: {uri_of_rejects(state)}\n"
            f"Flow run: {url_for('flow-run', state.state_details.flow_run_id)}",
        }
        for sentence, state in sorted(zip(sentences, (rejected, skipped), strict=True))
    ]


def uri_of_rejects(state: Any) -> str:
    return f"{read_settings().storage_url}/rejects/{state.state_details.flow_run_id}.csv"


@pytest.mark.usefixtures("flow_workspace", "example_automations")
def test_the_second_automation_sends_why_a_chain_has_failed(team: Team, tmp_path: Path) -> None:
    with open_workspace(read_settings()) as workspace:
        apply_pipelines(workspace, tmp_path, 1)
        chain(workspace)
        finish_tasks(workspace, 1)
        set_status(workspace, "archived", CHECK)
        for _ in range(2):
            sweep(workspace, post_events, now=datetime.now(UTC), cleans_up=False)
    wait_until(lambda: team.messages != [])
    assert team.messages == [
        {
            "subject": "Chain 1 has failed",
            "body": f"Chain 1, from {PATH} to {CHECK}, has failed: pipeline {CHECK} is archived "
            "and takes no tasks; set its status to active in the catalogue and apply it.",
        }
    ]


@pytest.mark.usefixtures("flow_workspace", "example_automations")
def test_the_third_automation_sends_that_nothing_has_arrived(
    team: Team, prefect: httpx.Client, server: SyncPrefectClient, nightly_reviews: list[UUID],
    tmp_path: Path, csv_file: Callable[[str], str],
) -> None:  # fmt: skip
    in_time, without_worker, without_news = nightly_reviews
    source, started = csv_file("review_id,body,stars\n1,one,5\n"), datetime.now(UTC)

    def start(deployment: UUID) -> None:
        """Start a run of the deployment, which a worker would do."""
        parameters = {"source": source}
        run = server.create_flow_run_from_deployment(deployment, parameters=parameters)
        server.set_flow_run_state(run.id, Pending())
        state: Any = run_flow_sync(
            seed_from_csv, flow_run=run, parameters=run.parameters, return_type="state"
        )
        assert state.is_completed()

    start(in_time)
    late = server.create_flow_run_from_deployment(without_worker)
    server.set_flow_run_state(late.id, Late())  # the server would do it in some seconds
    start(without_news)  # the same file once more
    waited_for = {f"prefect.deployment.{one}" for one in (without_worker, without_news)}
    wait_until(lambda: waited_for <= set(missed(prefect, started)))
    # The time of the first one ended before theirs. Anything that it has sent arrives before this.
    seed_from_csv(PATH, str(tmp_path / "examples" / MISTAKE), return_state=True)
    rejected = f"1 rejected in {PATH}"
    wait_until(lambda: rejected in [message["subject"] for message in team.messages])
    wait_until(lambda: len(team.messages) >= 3)
    assert sorted(missed(prefect, started)) == sorted(waited_for)
    message = {
        "subject": "Nothing arrived by six o'clock",
        "body": "The deployment nightly-reviews has created no tasks since five.",
    }
    others = [message for message in team.messages if message["subject"] != rejected]
    assert others == [message, message]


def missed(prefect: httpx.Client, since: datetime) -> list[str]:
    """Return the deployments for which the automation about six o'clock has fired."""
    chosen = {
        "event": {"name": ["prefect.automation.triggered"]},
        "occurred": {"since": since.isoformat()},
    }
    events = prefect.post("/events/filter", json={"filter": chosen, "limit": 50}).json()["events"]
    labels = [event["payload"]["triggering_labels"] for event in events]
    return [label[BY_DEPLOYMENT] for label in labels if BY_DEPLOYMENT in label]


@pytest.mark.usefixtures("flow_workspace", "example_automations")
def test_the_fourth_automation_continues_with_a_flow_of_ones_own(
    server: SyncPrefectClient, export_labels: UUID, tmp_path: Path
) -> None:
    with open_workspace(read_settings()) as workspace:
        make_tasks(workspace, tmp_path, 2)
        for _ in range(2):
            finish(workspace.store)
        sweep(workspace, post_events, now=datetime.now(UTC), cleans_up=False)
    of_mine = DeploymentFilter(id=DeploymentFilterId(any_=[export_labels]))
    wait_until(lambda: server.read_flow_runs(deployment_filter=of_mine) != [])
    (run,) = server.read_flow_runs(deployment_filter=of_mine)
    assert run.parameters == {"pipeline": PATH, "finished": 2}


@pytest.mark.usefixtures("typing")
def test_the_page_about_servers_registers_everything(server: SyncPrefectClient) -> None:
    for command, shown in typed_lines(DOCS / "how-to" / "servers.md"):
        output = output_of(command)
        assert is_as_shown(output, shown), f"$ {command}\n{output}"
    assert server.read_work_pool("seeding").type == "process"
    assert len(server.read_deployments()) == 10


def flows_of(name: str) -> dict[str, Any]:
    """Return the names that a page's Python defines, with the flows of this clone."""
    names: dict[str, Any] = {}
    for block in PYTHON.findall((DOCS / "how-to" / name).read_text(encoding="utf-8")):
        exec(block.replace("tasks_lib.flows", "flows"), names)  # noqa: S102
    return names


@pytest.mark.usefixtures("flow_workspace", "prefect")
def test_a_flow_finds_the_file_of_the_day(tmp_path: Path) -> None:
    today = datetime.now().astimezone().date()
    shutil.copy(ROOT / "examples" / MISTAKE, tmp_path / f"reviews-{today}.csv")
    report = flows_of("nightly-file.md")["nightly_reviews"](str(tmp_path))
    assert (report["created"], report["rejected"]) == (2, 1)


@pytest.mark.usefixtures("flow_workspace", "prefect")
def test_a_flow_imports_a_dataset_and_seeds_from_it() -> None:
    with open_workspace(read_settings()) as workspace:
        apply_catalogue(workspace.store, ROOT / "examples" / "nightly.yaml")
    nightly = flows_of("nightly-dataset.md")["nightly"]
    assert nightly(str(ROOT / "examples" / "monday.csv"))["created"] == 3
    report = nightly(str(ROOT / "examples" / "tuesday.csv"))
    assert (report["created"], report["already_seeded"], report["changed"]) == (1, 2, 1)


@pytest.mark.usefixtures("flow_workspace", "prefect")
def test_the_flows_of_another_project_use_ours(capsys: pytest.CaptureFixture[str]) -> None:
    flows = flows_of("your-own-flow.md")
    source = str(ROOT / "examples" / MISTAKE)
    assert flows["nightly_or_nothing"](source) == 0
    assert flows["nightly_reviews"](source) == 2
    assert "1 rows rejected, see file://" in capsys.readouterr().out


@pytest.mark.usefixtures("flow_workspace")
def test_a_program_seeds_a_frame_and_reads_the_answers(capsys: pytest.CaptureFixture[str]) -> None:
    run_first_block("how-to/seed-dataframes.md")
    run_first_block("reference/python.md")
    with open_workspace(read_settings()) as workspace:
        finish(workspace.store)
    run_first_block("how-to/read-results.md")
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["'predictions' created 2 tasks in group 1.", "2 0"]
    assert [line.split() for line in printed[2:]] == [
        ["review_id", "sentiment", "contributor", "duration_seconds"],
        ["0", "R-1", "good", "ann", "0.0"],
    ]


def run_first_block(page: str) -> None:
    """Run the first block of Python of a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    exec(text.partition("```python\n")[2].partition("```")[0], {})  # noqa: S102 - our own page
