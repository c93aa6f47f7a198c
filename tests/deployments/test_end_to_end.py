"""End to end: a server, the deployments of prefect.yaml, a worker and flow runs."""

import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import orjson
import pytest
from prefect.blocks.system import Secret
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from starlette.testclient import TestClient

from command_line import Seeding
from deployments.repository import ROOT
from installation import DEPLOYMENT, PATH, Installation
from servers import PATIENCE_SECONDS, wait_until
from tasks_lib.api.app import create_app
from tasks_lib.domain.report import Report, ReportError
from tasks_lib.operations.api_keys import create_key
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.groups.read import find_report, list_groups
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.steps.uploads import start_flow_run
from tasks_lib.store.engine import Store

REVIEWS = ROOT / "examples" / "reviews.csv"
REJECTED = (
    "'bad.csv' was rejected, nothing was created: 1 row rejected; "
    "row 2, stars: '9' is above the maximum 5."
)


@pytest.fixture(scope="module")
def completed_run(installation: Installation) -> FlowRun:
    """A run of the deployment on the example file."""
    return installation.seed(REVIEWS)


@pytest.fixture(scope="module")
def bad_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bad") / "bad.csv"
    path.write_text("review_id,body,stars\n1,fine,5\n2,too good,9\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def failed_run(installation: Installation, bad_file: Path) -> FlowRun:
    """A run of the deployment on a file with a bad row."""
    return installation.seed(bad_file)


def page_of(installation: Installation, run: FlowRun) -> str:
    """Return the address of a run's page."""
    return f"{installation.stack.api_url.removesuffix('/api')}/runs/flow-run/{run.id}"


def group_of(run: FlowRun) -> int:
    """Return the id of the group that a completed run names in its state."""
    assert run.state is not None
    match = re.fullmatch(r"'reviews.csv' created 4 tasks in group (\d+)\.", str(run.state.message))
    assert match is not None
    return int(match[1])


def state_of(run: FlowRun) -> tuple[str | None, str | None]:
    assert run.state is not None
    return run.state.name, run.state.message


def test_a_runs_name_and_state_describe_its_result(completed_run: FlowRun) -> None:
    assert completed_run.name == f"csv reviews.csv -> {PATH}"
    message = f"'reviews.csv' created 4 tasks in group {group_of(completed_run)}."
    assert state_of(completed_run) == ("Completed", message)


def test_a_run_leaves_its_report_in_the_store(
    installation: Installation, completed_run: FlowRun
) -> None:
    report = find_report(installation.workspace.store, str(completed_run.id))
    assert report == Report(
        group_id=group_of(completed_run), pipeline_id=1, created=4, source=str(REVIEWS)
    )


def test_the_tasks_hold_the_values_of_the_file(
    installation: Installation, completed_run: FlowRun
) -> None:
    tasks = list_tasks(installation.workspace.store, PATH, group_id=group_of(completed_run))
    assert [(task.status, task.origin[:3], orjson.loads(task.fields)) for task in tasks] == [
        ("pending", ("csv", str(REVIEWS), row), dict(zip(NAMES, values, strict=True)))
        for row, values in enumerate(VALUES, 1)
    ]


NAMES = ("review_id", "body", "stars")
VALUES = [
    ("001", 'Arrived early, works "as advertised".', 5),
    ("002", "Two lines:\nthe second one is about the box.", 3),
    ("NA", "The id is the text NA, and stays it.", 1),
    ("12345678901234567890", " padded on both sides ", None),
]


def test_the_runs_page_holds_a_summary(installation: Installation, completed_run: FlowRun) -> None:
    artifacts = installation.artifacts(completed_run)
    lines = artifacts["markdown"].splitlines()
    assert set(artifacts) - {"progress"} == {"markdown"}, "a slow load shows a progress bar"
    assert lines == [
        "## Seeded",
        "",
        f"'reviews.csv' created 4 tasks in group {group_of(completed_run)}.",
        "",
        "| | |",
        "| --- | --- |",
        f"| Pipeline | {PATH} (1) |",
        f"| Source | `{REVIEWS}` |",
        "| Rows read | 4 |",
        "| Created | 4 |",
        f"| Group | {group_of(completed_run)} |",
        lines[11],
    ]


def test_the_server_receives_an_event_for_the_group(
    installation: Installation, completed_run: FlowRun
) -> None:
    (event,) = installation.events(completed_run, "seeding.group.created")
    assert event["event"] == "seeding.group.created"
    assert event["resource"] == {
        "prefect.resource.id": "seeding.pipeline.1",
        "prefect.resource.name": PATH,
    }
    assert event["payload"] == {
        "pipeline_id": 1,
        "pipeline": PATH,
        "group_id": group_of(completed_run),
        "created": 4,
        "rejected": 0,
        "source": str(REVIEWS),
        "message": f"'reviews.csv' created 4 tasks in group {group_of(completed_run)}.",
        "run_url": page_of(installation, completed_run),
    }


def test_a_rejected_file_fails_in_one_sentence(
    installation: Installation, failed_run: FlowRun, bad_file: Path
) -> None:
    report = find_report(installation.workspace.store, str(failed_run.id))
    assert state_of(failed_run) == ("Failed", REJECTED)
    assert report == Report(
        pipeline_id=1,
        rejected=1,
        source=str(bad_file),
        rejects_uri=f"{installation.workspace.storage.root}/rejects/{failed_run.id}.csv",
        errors=(
            ReportError(
                row=2, field="stars", code="above_maximum", message="'9' is above the maximum 5"
            ),
        ),
    )


def test_a_rejected_files_logs_show_no_traceback(
    installation: Installation, failed_run: FlowRun
) -> None:
    logs = installation.logs(failed_run)
    rejects = f"{installation.workspace.storage.root}/rejects/{failed_run.id}.csv"
    assert {line for line in logs if REJECTED in line} == {
        f"{REJECTED} 2 rows read, 0 tasks created, 1 row rejected; rejects at {rejects}.",
        f'Finished in state Failed("{REJECTED}")',  # of the step, and of the run
    }
    assert "Traceback" not in "\n".join(logs)


def test_the_server_receives_an_event_for_the_rejection(
    installation: Installation, failed_run: FlowRun, bad_file: Path
) -> None:
    payload = {
        "pipeline_id": 1,
        "pipeline": PATH,
        "group_id": None,
        "created": 0,
        "rejected": 1,
        "source": str(bad_file),
        "message": REJECTED,
        "code": "above_maximum",
        "rejects_uri": f"{installation.workspace.storage.root}/rejects/{failed_run.id}.csv",
        "run_url": page_of(installation, failed_run),
    }
    events = installation.events(failed_run, "seeding.group.rejected", "seeding.rows.rejected")
    assert [event["payload"] for event in events] == [payload, payload]


def test_a_run_takes_settings_from_its_job_variables(
    installation: Installation, tmp_path: Path
) -> None:
    source = tmp_path / "one.csv"
    source.write_text("review_id,body,stars\n1,one,5\n", encoding="utf-8")
    run = installation.seed(source, job_variables={"env": {"SEEDING_MAX_COLUMNS": "2"}})
    report = find_report(installation.workspace.store, str(run.id))
    assert report is not None
    assert [error.code for error in report.errors] == ["too_many_columns"]


def test_a_deployment_takes_credentials_from_a_secret_block(
    installation: Installation, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'secret.db'}"
    store = Store.open(url)
    apply_catalogue(store, ROOT / "examples" / "catalogue.yaml")
    with temporary_settings({PREFECT_API_URL: installation.stack.api_url}):
        Secret(value=url).save("seeding-database-url")
    deploy_with(
        installation, {"SEEDING_DATABASE_URL": "{{ prefect.blocks.secret.seeding-database-url }}"}
    )
    run = installation.seed(REVIEWS, deployment="seed-from-csv/with-secret")
    assert state_of(run) == ("Completed", "'reviews.csv' created 4 tasks in group 1.")
    assert [group.tasks for group in list_groups(store, PATH)] == [4]
    assert url not in "\n".join(installation.logs(run))
    store.close()


def deploy_with(installation: Installation, environment: dict[str, str]) -> None:
    """Deploy the flow a second time, as prefect.yaml would with these job variables."""
    model = installation.client.read_deployment_by_name(DEPLOYMENT)
    installation.client.create_deployment(
        flow_id=model.flow_id,
        name="with-secret",
        entrypoint=model.entrypoint,
        work_pool_name=model.work_pool_name,
        pull_steps=model.pull_steps,
        parameter_openapi_schema=model.parameter_openapi_schema,
        job_variables={"env": environment},
    )


def test_the_server_plans_the_runs_of_active_schedules(installation: Installation) -> None:
    deployment = installation.client.read_deployment_by_name("reconcile/reconcile")
    wait_until(lambda: planned_minutes(installation, deployment.id) == {7, 37})


def planned_minutes(installation: Installation, deployment_id: UUID) -> set[int]:
    runs = installation.client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id]))
    )
    return {
        run.expected_start_time.minute
        for run in runs
        if run.expected_start_time and run.auto_scheduled
    }


def test_the_ui_finds_its_api(installation: Installation) -> None:
    settings = httpx.get(
        f"{installation.stack.ui_url}/ui-settings", timeout=PATIENCE_SECONDS
    ).json()
    assert settings["api_url"] == installation.stack.api_url


def test_an_upload_of_the_api_is_processed_by_one_run(installation: Installation) -> None:
    store = installation.workspace.store
    key = create_key(store, "acme", name="t", lifetime=None, at=datetime.now(UTC))[0]
    content = b"review_id,body,stars\nupload-1,one,5\n"
    path = "/api/v1/workflows/1/tasks/upload"
    with (
        temporary_settings({PREFECT_API_URL: installation.stack.api_url}),
        TestClient(
            create_app(installation.workspace, process=start_flow_run), headers={"X-API-Key": key}
        ) as client,
    ):
        promise = client.post(path, json={"file_name": "reviews.csv"}).json()
        assert client.put(promise["upload_url"], content=content).status_code == 200
        here = f"{path}/{promise['upload_id']}"
        for _ in range(3):
            assert client.post(f"{here}/confirm").status_code == 202
        wait_until(lambda: client.get(here).json()["status"] != "processing")
        done = client.get(here).json()
    assert (done["status"], done["report"]["created"]) == ("completed", 1)
    runs = installation.client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            name=FlowRunFilterName(like_=f"{promise['upload_id']}-reviews.csv")
        )
    )
    assert [run.parameters["upload"] for run in runs] == [promise["upload_id"]]


def test_a_worker_imports_a_dataset_for_the_command_line(
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = Path(str(installation.workspace.store.engine.url.database)).parent
    monkeypatch.setenv("SEEDING_HOME", str(home))
    monkeypatch.chdir(ROOT / "examples")
    command = ("dataset", "import", "acme", "nightly", "--key", "review_id", "--deployed", "--json")
    reports = []
    with temporary_settings({PREFECT_API_URL: installation.stack.api_url}):
        for file in ("monday.csv", "tuesday.csv"):
            status, out, err = Seeding(capsys)(*command, file)
            assert status == 0, err
            reports.append(orjson.loads(out))
    assert [(report["version"], report["imported"], report["changed"]) for report in reports] == [
        (1, 3, 0),
        (2, 1, 1),
    ]
    assert reports[1]["source"] == str(ROOT / "examples" / "tuesday.csv")
