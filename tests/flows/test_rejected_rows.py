"""Rejected rows on the page of a flow run, shown or linked to, and announced in any case."""

import csv
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from playwright.sync_api import BrowserContext, expect
from prefect.utilities.urls import url_for

from flow_runs import artifacts_of, events_about, run_of
from flows.seed_from_csv import seed_from_csv
from pages import ROOT
from people import AT
from servers import PATIENCE_SECONDS
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.operations.seeding.rejects import MAX_SHOWN_BYTES, Rejects, read_rejects
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.artifacts import artifact_key, rejects_markdown
from tasks_lib.steps.prefect_api import post_events

PATH = "acme/reviews/label-reviews"
HEADER = "review_id,body,stars\n"
FEW = f"{HEADER}1,one,5\n2,Grüße,9\n"
MANY = HEADER + "".join(f"{number},{'x' * 1_000},9\n" for number in range(100))
SHOWN = "2,Grüße,9,2,stars: '9' is above the maximum 5"

pytestmark = pytest.mark.usefixtures("flow_workspace")


def page_of(prefect: httpx.Client, source: str) -> tuple[str, str]:
    """Seed a file, and return the URI of the rejected rows and their Markdown on the run's page."""
    state: Any = seed_from_csv(PATH, source, return_state=True)
    run = run_of(prefect, state)
    *_, (kind, markdown) = artifacts_of(prefect, run)
    assert kind == "markdown"
    storage = read_settings().storage_url
    return f"{storage}/rejects/{run['id']}.csv", markdown


def link_in(markdown: str) -> str:
    (link,) = re.findall(r"\[Open [0-9a-f-]+\.csv\]\((http[^)]+)\) until ", markdown)
    return str(link)


def rows_in(text: str) -> list[str]:
    return [row["_row"] for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))]


def shown_of(content: bytes, rows: int) -> str:
    """Return the beginning of a rejects file as Markdown shows it."""
    lines = content.decode("utf-8-sig").split("\r\n")[: rows + 1]
    return "\n".join(["```csv", *lines, "```"])


def test_of_many_rows_in_a_folder_the_first_are_shown(
    prefect: httpx.Client, csv_file: Callable[..., str], tmp_path: Path
) -> None:
    uri, markdown = page_of(prefect, csv_file(MANY))
    path = tmp_path / "seeding" / "files" / "rejects" / Path(uri).name
    assert markdown == (
        f"## Rejected rows\n\nThe file is on the machine of the worker:\n\n```\n{path}\n```\n\n"
        f"It holds 100 rows in {path.stat().st_size:,} bytes. The first 62 of 100 rows:\n\n"
        f"{shown_of(path.read_bytes(), 62)}\n\n"
        "Nothing was created: correct the source itself and seed it again."
    )
    assert rows_in(path.read_text(encoding="utf-8")) == [str(row) for row in range(1, 101)]


def test_all_rows_in_a_folder_are_behind_a_signed_link_if_the_api_is_known(
    prefect: httpx.Client,
    csv_file: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEEDING_API_URL", "https://api.example.org/")
    uri, markdown = page_of(prefect, csv_file(MANY))
    link = link_in(markdown)
    assert link.startswith(
        f"https://api.example.org/api/v1/rejects/{Path(uri).name}?charset=utf-8&"
    )
    path = tmp_path / "seeding" / "files" / "rejects" / Path(uri).name
    assert f" UTC.\nThe file is on the machine of the worker:\n\n```\n{path}\n```\n" in markdown


@pytest.fixture
def on_s3(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow's files are in a bucket."""
    monkeypatch.setenv("SEEDING_STORAGE_URL", f"s3://{s3_bucket}/files")


@pytest.mark.usefixtures("on_s3")
def test_few_rows_in_a_bucket_are_shown_and_open_in_the_browser(
    prefect: httpx.Client, csv_file: Callable[..., str]
) -> None:
    uri, markdown = page_of(prefect, csv_file(FEW))
    assert f"\n```csv\nreview_id,body,stars,_row,_errors\n{SHOWN}\n```\n" in markdown
    assert f"\nAfterwards, copy it with:\n\n```\naws s3 cp {uri} .\n```\n" in markdown
    answer = httpx.get(link_in(markdown), timeout=PATIENCE_SECONDS)
    assert (answer.status_code, answer.headers["content-type"]) == (
        200,
        "text/plain; charset=utf-8",
    )
    assert answer.headers["content-disposition"].startswith("inline; ")
    assert answer.content.decode("utf-8-sig").splitlines()[1] == SHOWN


@pytest.mark.usefixtures("on_s3")
def test_of_many_rows_in_a_bucket_the_first_are_shown_and_all_are_behind_a_signed_link(
    prefect: httpx.Client, csv_file: Callable[..., str]
) -> None:
    _, markdown = page_of(prefect, csv_file(MANY))
    link = link_in(markdown)
    assert "x-amz-signature=" in link.lower()
    content = httpx.get(link, timeout=PATIENCE_SECONDS).content
    assert rows_in(content.decode()) == [str(row) for row in range(1, 101)]
    assert f"The first 62 of 100 rows:\n\n{shown_of(content, 62)}\n" in markdown


@pytest.mark.usefixtures("on_s3")
@pytest.mark.parametrize("size", [MAX_SHOWN_BYTES, MAX_SHOWN_BYTES + 1])
def test_a_file_is_read_up_to_the_size_that_is_shown(
    s3_bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setenv("SEEDING_MAX_SOURCE_BYTES", "10")  # of sources, which this is not
    content = b"x\n" + b"y" * 65_533 + b"\n" + b"z" * (size - 65_536)
    boto3.client("s3", endpoint_url=s3_server).put_object(
        Bucket=s3_bucket, Key="files/rejects/1.csv", Body=content
    )
    with open_workspace(read_settings()) as workspace:
        rejects = read_rejects(workspace, f"s3://{s3_bucket}/files/rejects/1.csv")
        assert read_rejects(workspace, f"s3://{s3_bucket}/files/rejects/2.csv") is None
    assert rejects is not None
    first_rows = None if size == 65_536 else 1
    expected = (size, content[:65_536].decode(), first_rows)
    assert (rejects.size, rejects.text, rejects.first_rows) == expected


def test_rows_cannot_end_the_block_that_shows_them() -> None:
    text = "review_id,_row,_errors\n````,1,nul: \0\n"
    rejects = Rejects("file:///r/1.csv", len(text), text, None, Path("/r/1.csv"), None, AT)
    report = Report(pipeline_id=1, group_id=1, created=1, rejected=1, source="1.csv")
    assert rejects_markdown(rejects, report).splitlines()[-7:-1] == [
        "", "`````csv", "review_id,_row,_errors", "````,1,nul: ␀", "`````", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (("acme", "reviews", "label-reviews"), "acme-reviews-label-reviews"),
        (("Acme Inc.", "Q4_2026", "é"), "acme-inc-q4-2026"),
        (("日本", "東京", "仕事"), "pipeline-7"),
    ],
)
def test_the_summaries_of_a_pipeline_have_a_readable_key(
    names: tuple[str, str, str], key: str
) -> None:
    organization, project, name = names
    pipeline = Pipeline(
        id=7, name=name, project_id=1, project=project, organization_id=1,
        organization=organization, status=PipelineStatus.ACTIVE,
    )  # fmt: skip
    assert artifact_key(pipeline) == key


def test_the_rejected_rows_are_seen_in_the_browser(
    browser: BrowserContext,
    prefect: httpx.Client,
    prefect_api: str,
    csv_file: Callable[..., str],
) -> None:
    # Playwright runs an event loop in this thread, in which a flow would be asynchronous.
    context = copy_context()
    with ThreadPoolExecutor(1) as pool:
        state = pool.submit(context.run, seed_flow, csv_file(FEW)).result()
    chosen = {"artifacts": {"flow_run_id": {"any_": [str(state.state_details.flow_run_id)]}}}
    (artifact,) = (
        artifact
        for artifact in prefect.post("/artifacts/filter", json=chosen).json()
        if artifact["description"] == "All rejected rows, and what is wrong with each"
    )
    page = browser.new_page()
    page.goto(f"{prefect_api.removesuffix('/api')}/artifacts/artifact/{artifact['id']}")
    expect(page.locator("body")).to_contain_text(SHOWN)


def seed_flow(source: str) -> Any:
    return seed_from_csv(PATH, source, return_state=True)


KILLED = """
import os, signal, sys
from flows.seed_from_csv import seed_from_csv
from tasks_lib.steps import seeding

seeding.publish_artifacts = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
seed_from_csv(sys.argv[1], sys.argv[2], on_error=sys.argv[3])
"""
"""A run that dies as soon as its report is committed."""


@pytest.mark.parametrize(
    ("on_error", "names"),
    [
        ("reject-file", ["seeding.group.rejected", "seeding.rows.rejected"]),
        ("skip-rows", ["seeding.group.created", "seeding.rows.rejected"]),
    ],
)
def test_upkeep_announces_what_a_killed_run_has_rejected(
    prefect: httpx.Client, prefect_api: str, csv_file: Callable[..., str], on_error: str,
    names: list[str],
) -> None:  # fmt: skip
    started = datetime.now(UTC)
    command = [sys.executable, "-c", KILLED, PATH, csv_file(FEW), on_error]
    environment = os.environ | {"PREFECT_API_URL": prefect_api}
    killed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with open_workspace(read_settings()) as workspace:
        assert announce_due(workspace.store, post_events, at=started) == 0
        later = started + timedelta(minutes=2)
        assert announce_due(workspace.store, post_events, at=later) == 2
        assert announce_due(workspace.store, post_events, at=later) == 0
    payloads = events_about(prefect, "seeding.pipeline.1", names, since=started)
    assert sorted(payloads) == names
    (run_id,) = {Path(payload["rejects_uri"]).stem for payload in payloads.values()}
    assert payloads["seeding.rows.rejected"]["code"] == "above_maximum"
    for payload in payloads.values():
        assert (payload["rejected"], payload["pipeline"], payload["run_url"]) == (
            1, PATH, url_for("flow-run", run_id),
        )  # fmt: skip
