"""Mappings are saved under a name, reused, and compared with the current source."""

import threading
from pathlib import Path
from typing import Any

from tasks_lib.cli.output.documents import mapping_document
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.report import Report
from tasks_lib.operations.datasets import saved_mappings
from tasks_lib.operations.datasets.import_request import ImportMode
from tasks_lib.operations.seeding.mapped_seeding import MappedRequest, plan_seeding
from tasks_lib.operations.seeding.seed_from_dataset import find_source
from tasks_lib.operations.workspace import Workspace
from vault import LABEL, lines, put, seed_dataset, tasks_of, write

BY_HAND = {"review_id": "ID", "body": "payload:$.text"}
FIRST: dict[str, Any] = {"ID": "r1", "payload": {"text": "one"}}


def import_rows(workspace: Workspace, folder: Path, *rows: dict[str, Any]) -> None:
    source = write(folder, lines(*rows), "rows.jsonl")
    put(workspace, source, mode=ImportMode.REPLACE)


def problems_of(report: Report) -> list[tuple[str, str]]:
    return [(error.code, error.message) for error in report.errors]


def test_a_saved_mapping_is_used_again(
    workspace: Workspace, pipeline: Pipeline, tmp_path: Path
) -> None:
    import_rows(workspace, tmp_path, FIRST)
    assert seed_dataset(workspace, mapping=BY_HAND, save_mapping="web").created == 1
    saved = saved_mappings.show_mapping(workspace.store, LABEL, "web")
    assert mapping_document(saved) == {
        "name": "web", "version": 1, "created_at": saved.created_at, "source": "reviews",
        "columns": [{"name": "ID", "type": "text"}, {"name": "payload", "type": "json"}],
        "mapping": BY_HAND, "skip": ["stars", "sentiment"],
    }  # fmt: skip
    import_rows(workspace, tmp_path, FIRST, {"ID": "r2", "payload": {"text": "two"}})
    report = seed_dataset(workspace, run_id="run-2", mapping_name="web")
    assert (report.created, report.errors) == (2, ())
    assert [fields for _, fields in tasks_of(workspace)][1:] == [
        '{"review_id":"r1","body":"one"}', '{"review_id":"r2","body":"two"}',
    ]  # fmt: skip


def test_only_a_different_mapping_is_a_new_version(
    workspace: Workspace, pipeline: Pipeline, tmp_path: Path
) -> None:
    import_rows(workspace, tmp_path, FIRST)
    seed_dataset(workspace, mapping=BY_HAND, save_mapping="web")
    seed_dataset(workspace, run_id="run-2", mapping=BY_HAND, save_mapping="web")
    other = BY_HAND | {"body": "ID"}
    seed_dataset(workspace, run_id="run-3", mapping=other, save_mapping="web")
    mappings = saved_mappings.list_mappings(workspace.store, LABEL)
    assert [(saved.version, saved.content.mapping) for saved in mappings] == [
        (1, BY_HAND), (2, other),
    ]  # fmt: skip
    report = seed_dataset(workspace, run_id="run-4", mapping_name="web@1", reseed=True)
    assert report.created == 1
    assert tasks_of(workspace)[-1] == (1, '{"review_id":"r1","body":"one"}')
    report = seed_dataset(
        workspace, run_id="run-5", mapping_name="web@1", mapping={"body": "ID"}, reseed=True
    )
    assert tasks_of(workspace)[-1] == (1, '{"review_id":"r1","body":"r1"}')


def test_drift_is_reported_and_stops_the_run_unless_accepted(
    workspace: Workspace, pipeline: Pipeline, tmp_path: Path
) -> None:
    import_rows(workspace, tmp_path, FIRST | {"old": 1, "kind": 1})
    seed_dataset(workspace, mapping=BY_HAND, save_mapping="web")
    import_rows(workspace, tmp_path, FIRST | {"kind": "x", "fresh": True})
    expected = [
        ("mapping_drifted", f"{change}, since version 1 of mapping 'web' was saved; "
         "map the fields again, or accept the drift to go on")
        for change in (
            "column 'old' is gone", "column 'kind' was integer and is text now",
            "column 'fresh' is new",
        )
    ]  # fmt: skip
    for dry_run in (True, False):
        report = seed_dataset(
            workspace, run_id=f"run-{dry_run}", mapping_name="web", dry_run=dry_run
        )
        assert (report.created, problems_of(report)) == (0, expected)
    request = MappedRequest(pipeline=LABEL, source="reviews", mapping_name="web")
    plan = plan_seeding(workspace, pipeline, find_source(workspace, pipeline, "reviews"), request)
    assert [problem.message for problem in plan.problems] == [message for _, message in expected]
    report = seed_dataset(workspace, run_id="run-3", mapping_name="web", accept_drift=True)
    assert (report.created, report.errors) == (1, ())


def test_a_dry_run_and_a_failing_plan_save_nothing(
    workspace: Workspace, pipeline: Pipeline, tmp_path: Path
) -> None:
    import_rows(workspace, tmp_path, FIRST)
    seed_dataset(workspace, mapping=BY_HAND, save_mapping="web", dry_run=True)
    seed_dataset(workspace, mapping={"review_id": "ID"}, save_mapping="web")
    assert saved_mappings.list_mappings(workspace.store, LABEL) == []


def test_concurrent_saves_get_a_version_each(
    workspace: Workspace, pipeline: Pipeline, tmp_path: Path
) -> None:
    import_rows(workspace, tmp_path, FIRST)
    source = find_source(workspace, pipeline, "reviews")
    plans = [
        plan_seeding(
            workspace,
            pipeline,
            source,
            MappedRequest(pipeline=LABEL, source="reviews", mapping=mapping),
        )
        for mapping in (BY_HAND, BY_HAND | {"body": "ID"}, BY_HAND | {"sentiment": "ID"})
    ]
    barrier = threading.Barrier(6)
    versions: list[int] = []

    def save(number: int) -> None:
        barrier.wait()
        saved = saved_mappings.save_mapping(
            workspace, pipeline.id, f"at once {number // 3}", plans[number % 3], "reviews"
        )
        versions.append(saved.version)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == [1, 1, 2, 2, 3, 3]
    mappings = saved_mappings.list_mappings(workspace.store, LABEL)
    assert [(saved.name, saved.version) for saved in mappings] == [
        (f"at once {name}", version) for name in (0, 1) for version in (1, 2, 3)
    ]
