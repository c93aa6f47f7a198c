"""A row whose key a task has creates no other one, whichever way it arrives."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from keyed import HEADER, declare, numbers, seed

import people
from chain_setup import LATER, chain
from people import counts, recount
from photos import png, write_zip
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import CatalogueRejectedError, UsageError
from tasks_lib.operations.chains.due import Fired, fire_due
from tasks_lib.operations.chains.manage import find_chain
from tasks_lib.operations.datasets.import_request import ImportMode
from tasks_lib.operations.datasets.query_datasets import QueryRequest, add_query
from tasks_lib.operations.infinite.manage import InfiniteRequest, disable, enable
from tasks_lib.operations.seeding.seed_from_zip import ZipRequest, seed_from_zip
from tasks_lib.operations.workspace import Workspace
from vault import (
    CATALOGUE,
    CHECK,
    LABEL,
    apply_vault,
    finish,
    put,
    seed_dataset,
    seed_pipeline,
    tasks_of,
    write,
)

KEYED_CHECK = CATALOGUE.replace(
    "          - name: check-reviews\n",
    "          - name: check-reviews\n            key: [review_id]\n",
)
PHOTOS = """
organizations:
  - name: acme
    projects:
      - name: photos
        pipelines:
          - name: describe-photos
            key: [place]
            fields:
              - {name: photo, type: file, source: dataset, content_types: [image/*]}
              - {name: place, type: text, source: dataset}
"""


def test_rows_of_a_dataset(workspace: Workspace, catalogue_file: Path, tmp_path: Path) -> None:
    declare(workspace, catalogue_file, "key: [review_id]")
    seed(workspace, write(tmp_path, f"{HEADER}1,one,\n2,two,\n", "known.csv"))
    put(workspace, write(tmp_path, f"{HEADER}1,one,\n2,other,\n3,three,\n"))
    assert numbers(seed_dataset(workspace)) == (True, 1, 1, 1, 0)
    put(workspace, write(tmp_path, f"{HEADER}4,four,\n3,three,\n"), mode=ImportMode.APPEND)
    assert numbers(seed_dataset(workspace, run_id="run-2")) == (True, 1, 3, 1, 0)
    repeated = seed_dataset(workspace, run_id="run-3", reseed=True)
    assert (repeated.rejected, [error.code for error in repeated.errors]) == (1, ["duplicate_key"])
    assert [row for row, _ in tasks_of(workspace)] == [1, 2, 3, 4]
    assert counts(workspace.store) == recount(workspace.store)


def test_rows_of_another_database(
    workspace: Workspace, catalogue_file: Path, tmp_path: Path
) -> None:
    declare(workspace, catalogue_file, "key: [review_id]")
    seed(workspace, write(tmp_path, f"{HEADER}1,one,\n2,two,\n", "known.csv"))
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop:
        shop.execute("CREATE TABLE reviews (number INTEGER, review_id TEXT, body TEXT)")
        rows = [(1, "1", "one"), (2, "2", "other"), (3, "3", "three"), (4, "3", "three")]
        shop.executemany("INSERT INTO reviews VALUES (?, ?, ?)", rows)
        shop.commit()
    request = QueryRequest(
        organization="acme",
        name="reviews",
        connection=f"sqlite:///{tmp_path}/shop.db",
        query="reviews",
        key_columns=("number",),
    )
    add_query(workspace, request)
    (error,) = seed_dataset(workspace).errors
    assert (error.row, error.code, error.message) == (
        4,
        "duplicate_key",
        "has the same key as row 3: review_id '3'",
    )
    report = seed_dataset(workspace, run_id="run-2", on_error=OnError.SKIP_ROWS)
    assert numbers(report) == (True, 1, 1, 1, 1)


def test_finished_tasks_of_another_pipeline(workspace: Workspace, tmp_path: Path) -> None:
    apply_vault(workspace, tmp_path, KEYED_CHECK)
    seed(workspace, write(tmp_path, f"{HEADER}1,one,\n2,two,\n3,three,\n"))
    seed(workspace, write(tmp_path, "review_id,body\n2,two\n", "check.csv"), pipeline=CHECK)
    finish(workspace, [1, 2])
    assert numbers(seed_pipeline(workspace)) == (True, 1, 1, 0, 0)
    assert numbers(seed_pipeline(workspace, run_id="run-2")) == (False, 0, 2, 0, 0)


def test_finished_tasks_that_a_chain_passes_on(workspace: Workspace, tmp_path: Path) -> None:
    apply_vault(workspace, tmp_path, KEYED_CHECK)
    rows = f"{HEADER}1,one,\n2,two,\n2,two,\n1,other,\n3,three,\n"
    seed(workspace, write(tmp_path, rows))
    seed(workspace, write(tmp_path, "review_id,body\n2,two\n", "check.csv"), pipeline=CHECK)
    chain(workspace)
    finish_all(workspace, 4)
    assert fire_due(workspace, at=LATER) == Fired(created=1, misfits=0, chains=1)
    assert find_chain(workspace.store, 1).waiting == 0
    finish_all(workspace, 1)
    assert fire_due(workspace, at=LATER + timedelta(minutes=1)).created == 1
    assert [fields for _, fields in tasks_of(workspace, CHECK)] == [
        '{"review_id":"2","body":"two"}',
        '{"review_id":"1","body":"one"}',
        '{"review_id":"3","body":"three"}',
    ]
    assert counts(workspace.store, CHECK) == recount(workspace.store, CHECK)


def finish_all(workspace: Workspace, count: int) -> None:
    for _ in range(count):
        people.finish(workspace.store)


def test_rows_of_a_zip(workspace: Workspace, tmp_path: Path) -> None:
    apply_vault(workspace, tmp_path, PHOTOS)
    files = {"dawn.png": png("dawn"), "noon.png": png("noon")}

    def seed_zip(rows: str, name: str) -> tuple[bool, int, int, int, int]:
        source = write_zip(tmp_path / name, f"photo,place\n{rows}", files)
        request = ZipRequest(pipeline="acme/photos/describe-photos", source=source)
        return numbers(seed_from_zip(workspace, request, run_id=name).report)

    assert seed_zip("dawn.png,Harbour\n", "1.zip") == (True, 1, 0, 0, 0)
    rows = "dawn.png,Harbour\nnoon.png,Meadow\n"
    assert seed_zip(rows, "2.zip") == (True, 1, 1, 0, 0)
    assert seed_zip("noon.png,Harbour\n", "3.zip") == (False, 0, 0, 1, 0)
    assert seed_zip(f"{rows}noon.png,Meadow\n", "4.zip") == (False, 0, 0, 0, 1)


def test_infinite_seeding_does_not_go_with_a_key(
    workspace: Workspace, catalogue_file: Path, csv_file: Callable[..., str]
) -> None:
    seed(workspace, csv_file(f"{HEADER}1,one,\n"))
    enable(workspace.store, LABEL, InfiniteRequest(copy_groups=(1,)), at=LATER)
    with pytest.raises(CatalogueRejectedError, match="while infinite seeding creates tasks"):
        declare(workspace, catalogue_file, "key: [review_id]")
    disable(workspace.store, LABEL)
    declare(workspace, catalogue_file, "key: [review_id]")
    with pytest.raises(UsageError, match=r"has a key \(review_id\), which tells its tasks apart"):
        enable(workspace.store, LABEL, InfiniteRequest(copy_groups=(1,)), at=LATER)
