"""Groups, rejections and failed chains are announced once, also if their run has died."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from recorded_events import Prefect

from chain_setup import apply_pipelines, chain, finish_tasks
from people import AT, PATH, make_tasks
from tasks_lib.domain.events import report_events
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.chains.due import fire_due
from tasks_lib.operations.chains.manage import find_chain
from tasks_lib.operations.groups.read import find_report
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.upkeep.announcing import (
    Pending,
    announce_due,
    count_pending,
    mark_announced,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from vault import CHECK, LABEL, apply_vault, set_status, write

MINUTE = timedelta(minutes=1)
LATER = AT + timedelta(days=3_650)
"""When groups that nobody has told of are due: they are made at the real time."""


@pytest.fixture
def prefect() -> Prefect:
    """A fake Prefect that has received no events."""
    return Prefect()


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path) -> Store:
    """A store with three available tasks, whose group was not announced."""
    make_tasks(workspace, tmp_path, 3)
    return workspace.store


OF_PIPELINE = {"pipeline_id": 1, "pipeline": PATH}


def test_a_group_announced_by_its_creator_is_not_announced_again(
    store: Store, prefect: Prefect
) -> None:
    mark_announced(store, "people.csv")
    assert announce_due(store, prefect, at=LATER) == 0


def test_an_unannounced_group_gets_the_event_that_its_creator_would_have_sent(
    store: Store, prefect: Prefect, tmp_path: Path
) -> None:
    assert announce_due(store, prefect, at=AT) == 0, (
        "the creator has a minute to announce its group"
    )
    assert announce_due(store, prefect, at=LATER) == 1
    assert announce_due(store, prefect, at=LATER) == 0
    (event,) = prefect.events
    report = find_report(store, "people.csv")
    assert report is not None
    pipeline = find_pipeline(store, "1")
    assert [event] == report_events(pipeline, report, "people.csv")
    assert event.payload == OF_PIPELINE | {
        "group_id": 1, "created": 3, "rejected": 0, "source": str(tmp_path / "people.csv"),
        "message": "'people.csv' created 3 tasks in group 1.",
    }  # fmt: skip


MIXED = "review_id,body,stars\na,one,5\nb,two,9\n"
BAD_ROW = "row 2, stars: '9' is above the maximum 5"
PAGE = "http://prefect/runs/flow-run/run-1"


def seed_mixed(workspace: Workspace, source: str, on_error: OnError) -> None:
    """Seed one good row and a bad one in a flow run that ends before it announces its report."""
    request = CsvRequest(pipeline=PATH, source=source, on_error=on_error)
    seed_from_csv(replace(workspace, run_url=PAGE), request, run_id="run-1")


def test_rejected_rows_are_announced_although_their_run_has_died(
    workspace: Workspace, prefect: Prefect, csv_file: Callable[[str], str]
) -> None:
    source = csv_file(MIXED)
    seed_mixed(workspace, source, OnError.SKIP_ROWS)
    assert announce_due(workspace.store, prefect, at=datetime.now(UTC)) == 0
    assert count_pending(workspace.store) == Pending(claims=0, finished_tasks=0, groups=1)
    assert announce_due(workspace.store, prefect, at=LATER) == 2
    assert count_pending(workspace.store) == Pending(claims=0, finished_tasks=0, groups=0)
    report = find_report(workspace.store, "run-1")
    assert report is not None
    pipeline = find_pipeline(workspace.store, PATH)
    assert prefect.events == report_events(pipeline, report, "run-1", PAGE)
    assert [event.event for event in prefect.events] == [
        "seeding.group.created", "seeding.rows.rejected",
    ]  # fmt: skip
    assert prefect.events[1].payload == OF_PIPELINE | {
        "group_id": 1, "created": 1, "rejected": 1, "source": source,
        "message": f"'reviews.csv' created 1 task in group 1, 1 row rejected; the first: "
        f"{BAD_ROW}.",
        "code": "above_maximum",
        "rejects_uri": f"{workspace.storage.root}/rejects/run-1.csv",
        "run_url": PAGE,
    }  # fmt: skip


def test_a_rejected_source_is_announced_although_its_run_has_died(
    workspace: Workspace, prefect: Prefect, csv_file: Callable[[str], str]
) -> None:
    source = csv_file(MIXED)
    seed_mixed(workspace, source, OnError.REJECT_FILE)
    prefect.is_away = True
    with pytest.raises(PrefectUnavailableError):
        announce_due(workspace.store, prefect, at=LATER)
    prefect.is_away = False
    assert announce_due(workspace.store, prefect, at=LATER) == 2
    assert announce_due(workspace.store, prefect, at=LATER) == 0
    payload = OF_PIPELINE | {
        "group_id": None, "created": 0, "rejected": 1, "source": source,
        "message": f"'reviews.csv' was rejected, nothing was created: 1 row rejected; {BAD_ROW}.",
        "code": "above_maximum",
        "rejects_uri": f"{workspace.storage.root}/rejects/run-1.csv",
        "run_url": PAGE,
    }  # fmt: skip
    assert [(event.event, event.payload) for event in prefect.events] == [
        ("seeding.group.rejected", payload), ("seeding.rows.rejected", payload),
    ]  # fmt: skip


def test_a_dry_run_and_content_that_was_seeded_before_are_not_announced(
    workspace: Workspace, store: Store, prefect: Prefect, tmp_path: Path
) -> None:
    mark_announced(store, "people.csv")
    request = CsvRequest(pipeline=PATH, source=str(tmp_path / "people.csv"))
    seed_from_csv(workspace, request, run_id="again")
    seed_from_csv(workspace, replace(request, dry_run=True), run_id="dry")
    assert announce_due(store, prefect, at=LATER) == 0


def test_a_failed_chain_is_announced_once_for_each_reason(
    workspace: Workspace, prefect: Prefect, tmp_path: Path
) -> None:
    apply_pipelines(workspace, tmp_path)
    mark_announced(workspace.store, "people.csv")
    chain(workspace)
    finish_tasks(workspace, 1)
    set_status(workspace, "archived", CHECK)
    for minute in range(3):
        fire_due(workspace, at=AT + timedelta(minutes=minute))
        announce_due(workspace.store, prefect, at=AT)
    failures = [event for event in prefect.events if event.event == "seeding.chain.failed"]
    assert [(event.resource["prefect.resource.name"], event.payload) for event in failures] == [
        (
            CHECK,
            {
                "pipeline_id": 2, "pipeline": CHECK, "chain_id": 1, "source": LABEL,
                "message": f"Chain 1, from {LABEL} to {CHECK}, has failed: pipeline {CHECK} is "
                "archived and takes no tasks; set its status to active in the catalogue and apply "
                "it.",
                "code": "pipeline_closed",
            },
        )
    ]  # fmt: skip
    assert find_chain(workspace.store, 1).failed_at == AT

    set_status(workspace, "active", CHECK)
    fire_due(workspace, at=AT + timedelta(minutes=3))
    finish_tasks(workspace, 1)
    set_status(workspace, "archived", CHECK)
    fire_due(workspace, at=AT + timedelta(minutes=4))
    prefect.events.clear()
    announce_due(workspace.store, prefect, at=AT + timedelta(minutes=4))
    again = [event for event in prefect.events if event.event == "seeding.chain.failed"]
    assert (len(again), again[0].payload) == (1, failures[0].payload)
    assert again[0].id != failures[0].id


@pytest.mark.parametrize(
    ("stars", "name", "facts"),
    [
        (
            "2",
            "seeding.group.created",
            {
                "group_id": 2, "created": 1, "rejected": 1,
                "message": "'label-reviews' created 1 task in group 2, 1 row rejected; the first: "
                "row 1, review_id: is required, but the cell is empty.",
            },
        ),
        (
            "",
            "seeding.group.rejected",
            {
                "group_id": None, "created": 0, "rejected": 2,
                "message": "'label-reviews' was rejected, nothing was created: 2 rows rejected; "
                "row 1, review_id: is required, but the cell is empty (and 1 more problem).",
            },
        ),
    ],
    ids=["some", "all"],
)  # fmt: skip
def test_tasks_that_do_not_fit_are_announced_once_with_the_reason(
    workspace: Workspace, prefect: Prefect, tmp_path: Path, stars: str, name: str,
    facts: dict[str, Any],
) -> None:  # fmt: skip
    apply_vault(workspace, tmp_path)
    source = write(tmp_path, f"review_id,body,stars\n1,one,\n2,two,{stars}\n")
    seed_from_csv(workspace, CsvRequest(pipeline=LABEL, source=source), run_id="csv")
    mark_announced(workspace.store, "csv")
    chain(workspace, mapping={"review_id": "stars"})
    finish_tasks(workspace, 2)
    for minute in range(2):
        fire_due(workspace, at=AT + minute * MINUTE)
        announce_due(workspace.store, prefect, at=AT + minute * MINUTE)
    seedings = [event for event in prefect.events if event.payload["pipeline_id"] == 2]
    assert [event.event for event in seedings] == [name, "seeding.rows.rejected"]
    assert seedings[1].payload == facts | {
        "pipeline_id": 2, "pipeline": CHECK, "source": LABEL, "code": "required",
    }  # fmt: skip


@pytest.mark.parametrize("row", ["1,one,5", "1,one,9"])
def test_the_events_of_a_seeding_have_the_name_and_labels_of_its_group(
    workspace: Workspace, prefect: Prefect, csv_file: Callable[[str], str], row: str
) -> None:
    request = CsvRequest(
        pipeline=PATH,
        source=csv_file(f"review_id,body,stars\n{row}\n"),
        name="late",
        labels=("a=b",),
    )
    seed_from_csv(workspace, request, run_id="run")
    announce_due(workspace.store, prefect, at=LATER)
    named = [(event.payload["name"], event.payload["labels"]) for event in prefect.events]
    assert named == [("late", {"a": "b"})] * len(prefect.events)
    assert prefect.events
