"""Results bring the columns of the tasks that they were created from, at any distance."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from chain_setup import LATER, apply_pipelines, chain
from command_line import Seeding
from people import AT, finish
from tasks_lib import results
from tasks_lib.api.app import create_app
from tasks_lib.domain.result_formats import ResultFormat, TextFormat
from tasks_lib.operations.api_keys import create_key
from tasks_lib.operations.chains.due import fire_due
from tasks_lib.operations.infinite.manage import InfiniteRequest, enable
from tasks_lib.operations.infinite.top_up import top_up
from tasks_lib.operations.results.export import ExportRequest, export_results
from tasks_lib.operations.results.read import MEMBERS, Scope, find_scope, open_results
from tasks_lib.operations.results.show import write_results
from tasks_lib.operations.tasks.move import claim_task, submit_task
from tasks_lib.operations.workspace import Workspace
from vault import AUDIT, CHECK, LABEL, change, seed_pipeline


@pytest.fixture
def audited(configured: Workspace, tmp_path: Path) -> Workspace:
    """Tasks to label, checked through a chain, of which the checks and one label are audited."""
    apply_pipelines(configured, tmp_path)
    chain(configured)
    for sentiment in ("good", "bad", "mixed"):
        finish(configured.store, "ann", {"sentiment": sentiment})
    fire_due(configured, at=LATER)
    for verdict in ("right", "wrong"):
        done(configured, CHECK, 2, {"verdict": verdict})
    seed_pipeline(configured, AUDIT, CHECK, mapping={"opinion": "verdict"})
    seed_pipeline(
        configured, AUDIT, LABEL, mapping={"opinion": "sentiment"}, run_id="run-2", skip=["made"]
    )
    for _ in range(5):
        done(configured, AUDIT, 3, {})
    return configured


def done(workspace: Workspace, path: str, pipeline_id: int, values: dict[str, Any]) -> None:
    task = claim_task(workspace.store, pipeline_id, "bob", at=AT)
    assert task is not None, path
    submit_task(workspace.store, task.id, "bob", values, at=AT)


def shown(workspace: Workspace, path: str, **options: Any) -> list[dict[str, Any]]:
    texts: list[bytes] = []
    write_results(workspace.store, texts.append, pipeline=path, with_source=True, **options)
    return [json.loads(line) for line in b"".join(texts).splitlines()]


def test_a_row_has_the_columns_of_its_source(audited: Workspace) -> None:
    frame = results(CHECK, with_source=True)
    own = results(CHECK)
    assert list(frame.columns) == [
        *own.columns,
        *(f"label-reviews.{name}" for name in results(LABEL).columns),
    ]
    assert frame[list(own.columns)].equals(own)
    assert frame["label-reviews.task_id"].tolist() == frame["origin_id"].tolist() == [1, 2]
    assert frame["label-reviews.sentiment"].tolist() == ["good", "bad"]
    assert frame["verdict"].tolist() == ["right", "wrong"]
    assert frame["label-reviews.contributor"].tolist() == ["ann", "ann"]
    assert frame.attrs == own.attrs


def test_the_columns_of_sources_are_returned_over_http(audited: Workspace) -> None:
    key = create_key(audited.store, "acme", name="t", lifetime=None, at=AT)[0]
    with TestClient(create_app(audited), headers={"X-API-Key": key}) as client:
        answer = client.get("/api/v1/workflows/2/results", params={"with_source": "true"})
    assert answer.status_code == 200
    assert [json.loads(line) for line in answer.text.splitlines()] == shown(audited, CHECK)


def test_a_row_has_the_columns_of_sources_behind_its_source(audited: Workspace) -> None:
    frame = results(AUDIT, with_source=True)
    found = frame[
        [
            "opinion",
            "reviews/check-reviews.verdict",
            "reviews/check-reviews.task_id",
            "reviews/label-reviews.sentiment",
            "reviews/label-reviews.task_id",
        ]
    ].astype(object)
    assert found.where(found.notna(), None).to_numpy().tolist() == [
        ["right", "right", 4, "good", 1],
        ["wrong", "wrong", 5, "bad", 2],
        ["good", None, None, "good", 1],
        ["bad", None, None, "bad", 2],
        ["mixed", None, None, "mixed", 3],
    ]


def test_each_surface_has_the_same_columns(audited: Workspace, tmp_path: Path) -> None:
    table = results(AUDIT, with_source=True, as_arrow=True).replace_schema_metadata(None)
    lake = tmp_path / "lake"
    request = ExportRequest(pipeline=AUDIT, destination=str(lake), with_source=True)
    [parquet] = export_results(audited, request).files
    assert parquet.startswith("results-3-with-source-")
    assert pq.read_table(lake / parquet).equals(table)
    rows = shown(audited, AUDIT)
    assert [list(row) for row in rows] == [table.column_names] * 5
    assert [row["reviews/check-reviews.verdict"] for row in rows] == table[
        "reviews/check-reviews.verdict"
    ].to_pylist()
    texts: list[bytes] = []
    write_results(
        audited.store, texts.append, pipeline=AUDIT, kind=TextFormat.CSV, with_source=True
    )
    as_csv = list(csv.DictReader(io.StringIO(b"".join(texts).decode(), newline="")))
    assert as_csv == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ]


def test_an_export_with_sources_is_one_of_its_own(audited: Workspace, tmp_path: Path) -> None:
    alone = ExportRequest(pipeline=AUDIT, destination=str(tmp_path), format=ResultFormat.CSV)
    joined = replace(alone, with_source=True)
    requests = [alone, joined, alone, joined]
    assert [export_results(audited, request).exported for request in requests] == [5, 5, 0, 0]
    export_results(audited, replace(alone, full=True))
    assert len(list(tmp_path.glob("results-3-*.csv"))) == 2


def test_the_commands(
    audited: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seeding = Seeding(capsys)
    status, out, _ = seeding("results", "show", CHECK, "--with-source", "--limit", "1")
    assert (status, json.loads(out)["label-reviews.sentiment"]) == (0, "good")
    lake = str(tmp_path / "lake")
    status, out, _ = seeding("results", "export", CHECK, lake, "--with-source")
    assert (status, out) == (0, f"exported 2 tasks to {lake}, in 1 file.\n")


def test_a_deleted_source_leaves_empty_columns(audited: Workspace) -> None:
    change(audited, "UPDATE tasks SET origin_id = 4711 WHERE id = :id", None, [4])
    [first, second] = shown(audited, CHECK)
    assert {first[name] for name in first if name.startswith("label-reviews.")} == {None}
    assert second["label-reviews.task_id"] == 2


def test_a_copy_has_the_sources_of_its_task(audited: Workspace) -> None:
    done(audited, CHECK, 2, {"verdict": "wrong"})
    request = InfiniteRequest(keep_available=1, target=10, copy_groups=(2,))
    enable(audited.store, CHECK, request, at=AT)
    top_up(audited.store, 2, at=AT)
    done(audited, CHECK, 2, {"verdict": "right"})
    last = shown(audited, CHECK)[-1]
    assert (last["source_kind"], last["origin_id"]) == ("infinite", 4)
    assert (last["label-reviews.task_id"], last["label-reviews.sentiment"]) == (1, "good")


def test_pipelines_that_lead_back_to_themselves(audited: Workspace) -> None:
    seed_pipeline(audited, LABEL, AUDIT, mapping={"body": "opinion"}, skip=["stars"])
    finish(audited.store)
    [row] = shown(audited, LABEL)[-1:]
    assert row["audits/audit-reviews.opinion"] == row["body"]
    assert row["check-reviews.review_id"] == row["review_id"]
    assert row["label-reviews.task_id"] == 1
    assert "label-reviews.label-reviews.task_id" not in row


def test_a_batch_costs_one_query_for_each_step(audited: Workspace) -> None:
    scope = find_scope(audited.store, AUDIT)
    assert isinstance(scope, Scope)
    with open_results(audited.store, scope, with_source=True) as found:
        [rows] = found.batches
    assert [len(row) for row in rows] == [len(MEMBERS) + 1] * 5
