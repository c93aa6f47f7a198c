"""Rows that are corrected or deleted in another database, and the tasks that were made of them."""

import json
from pathlib import Path

import pytest
from keyed import declare
from shops import TASKS, Shop, add, refresh

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.operations.datasets.query_datasets import RefreshRejectedError, refresh_dataset
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from vault import LABEL, seed_dataset, seed_dataset_fully, tasks_of


def test_a_row_that_changed_under_its_key_has_a_new_version_and_its_task_is_kept(
    workspace: Workspace, shop: Shop, pipeline: Pipeline
) -> None:
    add(workspace, shop, "reviews", "review_id")
    seed_dataset(workspace)
    shop.run("UPDATE reviews SET body = 'other' WHERE review_id = '001'")
    assert refresh(workspace) == (2, 0, 2, 1)
    assert refresh(workspace) == (None, 0, 3, 0)
    report = seed_dataset(workspace, run_id="run-2")
    assert (report.created, report.already_seeded, report.changed) == (0, 2, 1)
    assert sorted(tasks_of(workspace)) == sorted(TASKS)


def test_of_two_rows_with_one_key_the_first_is_kept_and_the_other_is_told(
    workspace: Workspace, shop: Shop, pipeline: Pipeline
) -> None:
    query = "SELECT review_id, body, 1 AS n FROM reviews UNION ALL SELECT 'NA', 'b', 2 ORDER BY 3"
    add(workspace, shop, query, "review_id")
    report = refresh_dataset(workspace, "acme", "reviews")
    assert (report.imported, report.repeated) == (3, 1)
    assert report.sentence == (
        "reviews: 3 new rows as version 1. 1 row of dataset 'reviews' came with the key of an "
        "earlier row and other values, and was left out."
    )
    assert seed_dataset_fully(workspace).warnings == (
        "1 row of dataset 'reviews' came with the key of an earlier row and other values, and was "
        "left out",
    )


def test_tasks_follow_corrected_and_deleted_rows_of_a_table(
    workspace: Workspace, shop: Shop, catalogue_file: Path
) -> None:
    policies = "on_change: update\n            on_missing: withdraw"
    declare(workspace, catalogue_file, f"key: [review_id]\n            {policies}")
    add(workspace, shop, "SELECT * FROM reviews ORDER BY stars IS NULL, stars DESC", "review_id")
    seed_dataset(workspace)
    shop.run("UPDATE reviews SET body = 'other' WHERE review_id = '001'")
    shop.run("DELETE FROM reviews WHERE review_id = 'NA'")
    shop.insert(("4", "four", 4))
    for dry_run in (True, False):
        report = seed_dataset(workspace, run_id="run-2", full=True, dry_run=dry_run)
        assert (report.created, report.already_seeded) == (1, 1)
        assert (report.changed, report.updated, report.withdrawn) == (1, 1, 1)
    tasks = list_tasks(workspace.store, LABEL)
    assert [(json.loads(task.fields)["body"], task.status) for task in tasks] == [
        ("other", "pending"), ("three", "pending"), (" two ", "withdrawn"), ("four", "pending"),
    ]  # fmt: skip
    shop.insert(("NA", " two ", None))
    again = refresh_dataset(workspace, "acme", "reviews", full=True)
    assert (again.version, again.imported, again.already_imported, again.removed) == (3, 1, 3, 0)
    assert seed_dataset(workspace, run_id="run-3").already_seeded == 4
    assert {task.status for task in list_tasks(workspace.store, LABEL)} == {"pending"}


def test_a_query_that_lacks_more_than_half_of_the_rows_removes_none(
    workspace: Workspace, shop: Shop, pipeline: Pipeline
) -> None:
    add(workspace, shop, "reviews", "review_id")
    seed_dataset(workspace)
    shop.run("DELETE FROM reviews WHERE review_id <> '001'")
    assert refresh(workspace) == (None, 0, 1, 0)
    with pytest.raises(RefreshRejectedError, match="lacks 2 of the 3 rows of dataset 'reviews'"):
        refresh_dataset(workspace, "acme", "reviews", full=True)
    for dry_run in (True, False):
        report = seed_dataset(workspace, run_id="run-2", full=True, dry_run=dry_run)
        assert [error.code for error in report.errors] == ["too_many_missing"]
    report_of = refresh_dataset(workspace, "acme", "reviews", full=True, allow_shrink=True)
    assert (report_of.removed, report_of.sentence) == (
        2, "reviews: 0 new rows as version 2, 2 removed, 1 existed already.",
    )  # fmt: skip
