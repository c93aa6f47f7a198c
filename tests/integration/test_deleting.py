"""Archived or unused pipelines and datasets are deleted, with everything that belongs to them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from chain_setup import chain
from command_line import Seeding
from people import AT, PATH, claim, finish, make_tasks, set_pipeline_status
from tasks_lib.errors import ConflictError, NotFoundError
from tasks_lib.operations.audit.read import list_entries
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.delete import (
    PipelineDeletion,
    delete_pipeline,
    describe_pipeline_deletion,
)
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.chains.manage import delete_chain
from tasks_lib.operations.datasets.data_vault import list_datasets
from tasks_lib.operations.datasets.delete import DatasetDeletion, delete_dataset
from tasks_lib.operations.groups.undo import undo_group
from tasks_lib.operations.infinite.manage import InfiniteRequest, enable
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.removal import task_removal
from vault import CHECK, LABEL, seed_dataset, seed_pipeline

OF_PIPELINES = ("pipelines", "fields", "task_counts", "task_groups", "tasks", "task_moves")


def rows_of(workspace: Workspace, pipeline_id: int) -> dict[str, int]:
    """Return the number of the pipeline's rows in each table that has a column for it."""
    with workspace.store.read() as session:
        inspector = inspect(session.connection())
        tables = [
            table
            for table in inspector.get_table_names()
            if any(column["name"] == "pipeline_id" for column in inspector.get_columns(table))
        ]
        counted = {
            table: session.scalar(
                text(f"SELECT count(*) FROM {table} WHERE pipeline_id = :id"), {"id": pipeline_id}
            )
            or 0
            for table in tables
        }
    return {table: number for table, number in counted.items() if number}


def test_an_archived_pipeline_is_deleted_with_everything_in_it(
    vault: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_removal, "TASKS_AT_ONCE", 2)
    make_tasks(vault, tmp_path, 5)
    store = vault.store.acting("ann")
    vault = Workspace(store, vault.storage, vault.limits)
    finish(store)
    claim(store)
    seed_pipeline(vault, CHECK, LABEL)
    enable(store, LABEL, InfiniteRequest(keep_available=9, copy_groups=(1,)), at=AT)
    with pytest.raises(ConflictError, match=f"pipeline {LABEL} is active and has tasks"):
        delete_pipeline(vault, LABEL, at=AT)
    number = find_pipeline(store, LABEL).id
    assert len(list_tasks(store, LABEL)) == 11
    set_pipeline_status(store, "archived")
    deleted = PipelineDeletion(number, LABEL, tasks=11, finished=1, groups=2, mappings=0)
    assert describe_pipeline_deletion(store, LABEL) == deleted
    assert delete_pipeline(vault, LABEL, at=AT) == deleted
    assert rows_of(vault, number) == {}
    with pytest.raises(NotFoundError):
        find_pipeline(store, LABEL)
    assert len(list_tasks(store, CHECK)) == 1
    (entry,) = list_entries(store, limit=1).entries
    assert entry[3:] == ("ann", "pipeline.deleted", LABEL, {"tasks": 11, "finished": 1})


def test_a_pipeline_that_is_deleted_and_created_again_is_a_new_source(
    vault: Workspace, tmp_path: Path
) -> None:
    make_tasks(vault, tmp_path, 2)
    finish(vault.store)
    seed_pipeline(vault, CHECK, LABEL)
    set_pipeline_status(vault.store, "archived")
    delete_pipeline(vault, LABEL, at=AT)
    apply_catalogue(vault.store, tmp_path / "catalogue.yaml")
    make_tasks(vault, tmp_path, 2)
    finish(vault.store)
    assert seed_pipeline(vault, CHECK, LABEL, run_id="run-2").created == 1


def test_a_pipeline_without_tasks_is_deleted_unless_it_has_chains(
    vault: Workspace, tmp_path: Path
) -> None:
    make_tasks(vault, tmp_path, 2)
    undo_group(vault.store, 1, by="ann", at=AT)
    one = chain(vault)
    with pytest.raises(ConflictError, match=rf"chains lead from or to .* \({one.id}\)"):
        describe_pipeline_deletion(vault.store, PATH)
    delete_chain(vault.store, one.id)
    assert delete_pipeline(vault, PATH, at=AT).groups == 1
    assert describe_pipeline_deletion(vault.store, CHECK).tasks == 0


def test_an_unused_dataset_is_deleted_with_its_rows(reviews: Workspace) -> None:
    store = reviews.store
    seed_dataset(reviews)
    with pytest.raises(ConflictError, match=r"pipelines were seeded from dataset 'reviews'"):
        delete_dataset(store, "acme", "reviews", at=AT)
    set_pipeline_status(store, "archived")
    assert delete_dataset(store, "acme", "reviews", at=AT) == DatasetDeletion("reviews", 3, 1)
    assert "reviews" not in [entry.name for entry in list_datasets(store, "acme")]
    assert len(list_tasks(store, PATH)) == 3
    with store.read() as session:
        assert session.scalar(text("SELECT count(*) FROM dataset_rows")) == 0
    (entry,) = list_entries(store, limit=1).entries
    assert entry[4:] == ("dataset.deleted", "reviews", {"rows": 3, "versions": 1})


def test_the_commands_name_what_they_delete(
    capsys: pytest.CaptureFixture[str], catalogue_file: Path, csv_file: Callable[..., str]
) -> None:
    seeding = Seeding(capsys)
    source = csv_file("review_id,body,stars\n1,one,5\n2,two,4\n")
    assert seeding("apply", str(catalogue_file))[0] == 0
    assert seeding("seed", "csv", PATH, source)[0] == 0
    assert seeding("dataset", "import", "acme", "reviews", source)[0] == 0
    assert seeding("dataset", "delete", "acme", "reviews") == (
        2,
        "",
        "error: Delete dataset reviews of acme with 2 rows in 1 version? Nobody can answer here: "
        "to agree, pass --yes\n",
    )
    assert seeding("dataset", "delete", "acme", "reviews", "--yes") == (
        0, "Dataset reviews deleted, with 2 rows in 1 version.\n", "",
    )  # fmt: skip
    archived = catalogue_file.read_text(encoding="utf-8").replace(
        "claim_timeout: 30m", "status: archived"
    )
    catalogue_file.write_text(archived, encoding="utf-8")
    assert seeding("apply", str(catalogue_file))[0] == 0
    content = "2 tasks, 1 group and 0 saved mappings"
    assert seeding("pipeline", "delete", PATH) == (
        2,
        "",
        f"error: Delete pipeline {PATH} with {content}? Nobody can answer here: "
        "to agree, pass --yes\n",
    )
    assert seeding("pipeline", "delete", PATH, "--yes") == (
        0, f"Pipeline {PATH} deleted, with {content}.\n", "",
    )  # fmt: skip
    assert seeding.json("pipeline", "list") == (0, [])
