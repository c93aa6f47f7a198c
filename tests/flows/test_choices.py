"""Run forms offer the names in the store, and no scheduled run is lost when they change."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings

from command_line import Seeding
from deployments.repository import ROOT
from flows.reconcile import reconcile
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.forms import choices
from tasks_lib.steps.forms.choices import add_choices, refresh_choices

LABEL = "acme/reviews/label-reviews"
PATHS = sorted(
    [
        LABEL,
        "acme/photos/describe-photos",
        "acme/qa/check-labels",
        "acme/qa/check-descriptions",
        "acme/ideas/collect-ideas",
        "acme/ideas/tell-stories",
    ]
)
ONE_MORE = """
organizations:
  - name: acme
    projects:
      - name: reviews
        pipelines:
          - {name: more, status: active, fields: [{name: body, type: text, source: dataset}]}
"""
ROWS = '{"review_id": "r1", "body": "one", "stars": 5}\n'


@pytest.fixture
def seeding(
    server: SyncPrefectClient,
    prefect_api: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Seeding:
    """The command line, after the first ``apply`` and ``deploy``."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    command = Seeding(capsys)
    assert command("apply", str(ROOT / "examples" / "catalogue.yaml"))[0] == 0
    assert command("deploy")[0] == 0
    return command


@pytest.fixture
def workspace(seeding: Seeding) -> Iterator[Workspace]:
    with open_workspace(read_settings()) as workspace:
        yield workspace


def deployment_of(server: SyncPrefectClient, name: str) -> DeploymentResponse:
    return server.read_deployment_by_name(f"{name}/{name}")


def member(server: SyncPrefectClient, deployment: str, name: str) -> dict[str, Any]:
    schema = deployment_of(server, deployment).parameter_openapi_schema or {}
    parameter: dict[str, Any] = schema["properties"][name]
    return parameter


def offered(server: SyncPrefectClient, deployment: str, name: str) -> list[str] | None:
    """Return the names in the list of a parameter; None if it has no list."""
    first: dict[str, Any] = member(server, deployment, name).get("anyOf", [{}])[0]
    return first.get("enum")


def add_pipeline(seeding: Seeding, tmp_path: Path) -> tuple[int, str, str]:
    file = tmp_path / "more.yaml"
    file.write_text(ONE_MORE, encoding="utf-8")
    return seeding("apply", str(file))


@pytest.mark.parametrize(
    "name",
    ["seed-from-csv", "seed-from-zip", "seed-from-dataset", "seed-from-pipeline", "bulk-create"],
)
def test_deploy_offers_the_pipelines_and_keeps_the_other_inputs(
    seeding: Seeding, server: SyncPrefectClient, name: str
) -> None:
    assert member(server, name, "pipeline") == {
        "title": "Pipeline",
        "description": "The pipeline to seed: its number, or its path "
        "organization/project/pipeline.",
        "examples": [LABEL],
        "position": 0,
        "anyOf": [
            {"title": "Registered", "type": "string", "enum": PATHS},
            {"title": "Path", "type": "string"},
            {"title": "Number", "type": "integer"},
        ],
    }


def test_commands_and_flows_that_add_a_name_add_it_to_the_forms(
    seeding: Seeding, server: SyncPrefectClient, tmp_path: Path
) -> None:
    assert member(server, "seed-from-dataset", "dataset")["type"] == "string"
    assert member(server, "seed-from-dataset", "mapping_name")["type"] == "string"
    add_pipeline(seeding, tmp_path)
    paths = sorted([*PATHS, "acme/reviews/more"])
    assert offered(server, "seed-from-pipeline", "source_pipeline") == paths
    assert offered(server, "bulk-create", "pipeline") == paths
    rows = tmp_path / "reviews.jsonl"
    rows.write_text(ROWS, encoding="utf-8")
    seeding("dataset", "import", "acme", "web-reviews", str(rows))
    assert offered(server, "seed-from-dataset", "dataset") == ["web-reviews"]
    query = ("acme", "shop-reviews", f"sqlite:///{ROOT}/examples/shop.db", "reviews")
    seeding("dataset", "add-sql", *query)
    assert offered(server, "seed-from-dataset", "dataset") == ["shop-reviews", "web-reviews"]
    seeding("seed", "dataset", LABEL, "web-reviews", "--save-mapping", "web")
    assert offered(server, "seed-from-dataset", "mapping_name") == ["web"]
    assert offered(server, "seed-from-pipeline", "mapping_name") == ["web"]


def test_names_that_are_not_in_the_list_and_numbers_are_accepted(
    seeding: Seeding, server: SyncPrefectClient
) -> None:
    deployment = deployment_of(server, "bulk-create")
    for pipeline in (PATHS[0], "acme/new/pipeline", 7, "7"):
        parameters = {"pipeline": pipeline, "count": 1}
        run = server.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        assert run.parameters["pipeline"] == pipeline
    with pytest.raises(PrefectHTTPStatusError, match="409"):
        server.create_flow_run_from_deployment(
            deployment.id, parameters={"pipeline": ["7"], "count": 1}
        )


def test_forms_whose_names_have_not_changed_are_not_updated(
    workspace: Workspace, server: SyncPrefectClient
) -> None:
    before = [deployment.updated for deployment in server.read_deployments()]
    refresh_choices(workspace.store)
    assert [deployment.updated for deployment in server.read_deployments()] == before


def test_a_redeploy_keeps_the_names(seeding: Seeding, server: SyncPrefectClient) -> None:
    status, document = seeding.json("deploy")
    assert (status, {entry["outcome"] for entry in document["deployments"]}) == (0, {"unchanged"})
    assert offered(server, "seed-from-csv", "pipeline") == PATHS


def test_upkeep_restores_the_names_that_prefect_deploy_has_removed(
    seeding: Seeding, server: SyncPrefectClient, prefect_api: str, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=ROOT,
        env=os.environ | {"PREFECT_API_URL": prefect_api, "PREFECT_HOME": str(tmp_path)},
        capture_output=True,
        check=True,
    )
    assert offered(server, "seed-from-csv", "pipeline") is None
    assert reconcile(clean_up=False, return_state=True).name == "Completed"
    assert offered(server, "seed-from-csv", "pipeline") == PATHS


def planned(server: SyncPrefectClient, deployment: DeploymentResponse) -> dict[str, list[datetime]]:
    """Return the times of the runs that each schedule has planned, by its slug."""
    chosen = {
        "deployments": {"id": {"any_": [str(deployment.id)]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        "sort": "EXPECTED_START_TIME_ASC",
    }
    times: dict[str, list[datetime]] = {}
    for run in server.request("POST", "/flow_runs/filter", json=chosen).json():
        due = datetime.fromisoformat(run["expected_start_time"])
        times.setdefault(run["created_by"]["display_value"], []).append(due)
    return times


def plan(server: SyncPrefectClient, deployment: DeploymentResponse, start: datetime) -> None:
    server.request(
        "POST",
        "/deployments/{id}/schedule",
        path_params={"id": str(deployment.id)},
        json={"start_time": start.isoformat()},
    )


def add_schedule(
    server: SyncPrefectClient, deployment: DeploymentResponse, slug: str, *, minutes: int
) -> None:
    anchor = datetime.now(UTC) + timedelta(seconds=30)
    rhythm = IntervalSchedule(interval=timedelta(minutes=minutes), anchor_date=anchor)
    schedule = DeploymentScheduleCreate(schedule=rhythm, active=True, slug=slug)
    server.create_deployment_schedules(deployment.id, [schedule])


def test_runs_that_are_overdue_or_due_soon_are_kept(
    seeding: Seeding, server: SyncPrefectClient, tmp_path: Path
) -> None:
    deployment = deployment_of(server, "bulk-create")
    now = datetime.now(UTC)
    add_schedule(server, deployment, "old", minutes=60)
    plan(server, deployment, now - timedelta(hours=3))
    add_schedule(server, deployment, "young", minutes=10)
    plan(server, deployment, now)
    before = planned(server, deployment)
    assert [due < now for due in before["old"]][:4] == [True, True, True, False]
    assert min(before["young"]) > now
    add_pipeline(seeding, tmp_path)
    after = planned(server, deployment)
    assert "acme/reviews/more" in (offered(server, "bulk-create", "pipeline") or [])
    assert after["old"][: len(before["old"])] == before["old"]
    assert after["young"][: len(before["young"])] == before["young"]


def test_a_deployment_that_is_paused_plans_no_runs(
    seeding: Seeding, server: SyncPrefectClient, tmp_path: Path
) -> None:
    deployment = deployment_of(server, "bulk-create")
    add_schedule(server, deployment, "hourly", minutes=60)
    server.pause_deployment(deployment.id)
    add_pipeline(seeding, tmp_path)
    assert "acme/reviews/more" in (offered(server, "bulk-create", "pipeline") or [])
    assert planned(server, deployment) == {}


def test_a_server_that_does_not_answer_is_a_warning(
    seeding: Seeding,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        caplog.at_level(logging.WARNING, logger=choices.__name__),
    ):
        status, out, _ = add_pipeline(seeding, tmp_path)
    assert (status, out.split()) == (0, ["created", "acme/reviews/more", "(7)"])
    (warning,) = [record.message for record in caplog.records if record.name == choices.__name__]
    assert warning.startswith("the Prefect server http://127.0.0.1:9/api does not answer: ")
    assert warning.endswith("; the lists in the run forms stay as they are")


def test_a_parameter_without_names_has_one_plain_input() -> None:
    plain = {"properties": {"dataset": {"title": "Dataset", "type": "string"}}}
    listed = add_choices(plain, {"Dataset": ["reviews"]})
    assert listed["properties"]["dataset"]["anyOf"] == [
        {"title": "Registered", "type": "string", "enum": ["reviews"]},
        {"title": "Other", "type": "string"},
    ]
    assert add_choices(listed, {"Dataset": []}) == plain


def test_the_list_has_a_limit() -> None:
    plain = {"properties": {"dataset": {"title": "Dataset", "type": "string"}}}
    names = [f"dataset-{number:04}" for number in range(1_001)]
    listed = add_choices(plain, {"Dataset": names})
    assert listed["properties"]["dataset"]["anyOf"][0]["enum"] == names[:1_000]
