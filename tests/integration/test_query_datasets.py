"""Query datasets: a refresh imports the new rows of another database, once, by key."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from shops import Shop, add, refresh
from sqlalchemy import text

from tasks_lib.cli.output.documents import dataset_document
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.errors import (
    UsageError,
)
from tasks_lib.operations.datasets import data_vault
from tasks_lib.operations.datasets.query_datasets import (
    QueryRequest,
    RefreshRejectedError,
    add_query,
    refresh_dataset,
)
from tasks_lib.operations.seeding.mapped_seeding import MappedRequest
from tasks_lib.operations.seeding.seed_from_dataset import seed_from_dataset
from tasks_lib.operations.workspace import Workspace
from tasks_lib.transport.databases import check_url
from vault import put, rows_of, seed_dataset, seed_dataset_fully, tasks_of, write


def test_each_refresh_imports_the_new_rows_as_a_version(
    workspace: Workspace, shop: Shop, pipeline: Pipeline
) -> None:
    columns = add(workspace, shop, "SELECT * FROM reviews ORDER BY body", "review_id")
    assert [(name, kind.value) for name, kind in columns] == [
        ("review_id", "text"), ("body", "text"), ("stars", "integer"),
    ]  # fmt: skip
    assert rows_of(workspace) == []
    assert refresh(workspace) == (1, 3, 0, 0)
    assert refresh(workspace) == (None, 0, 3, 0)
    shop.insert(("4", "four", 4))
    assert refresh(workspace) == (2, 1, 3, 0)
    assert rows_of(workspace) == [
        (1, 1, '{"review_id":"NA","body":" two ","stars":null}'),
        (1, 2, '{"review_id":"001","body":"one","stars":5}'),
        (1, 3, '{"review_id":"12345678901234567890","body":"three","stars":1}'),
        (2, 4, '{"review_id":"4","body":"four","stars":4}'),
    ]
    found = dataset_document(data_vault.show_dataset(workspace.store, "acme", "reviews", rows=1))
    assert (found["source"], found["rows"]) == ("query", 4)
    assert found["query"] == {
        "connection": check_url(shop.url), "query": "SELECT * FROM reviews ORDER BY body",
        "key_columns": ("review_id",),
    }  # fmt: skip


def test_without_a_key_only_new_content_is_a_new_row(
    workspace: Workspace, shop: Shop, pipeline: Pipeline
) -> None:
    add(workspace, shop, "SELECT body FROM reviews UNION ALL SELECT body FROM reviews ORDER BY 1")
    assert refresh(workspace) == (1, 3, 0, 0)
    shop.run("UPDATE reviews SET body = 'other' WHERE review_id = '001'")
    assert refresh(workspace) == (2, 1, 2, 0)


def test_a_scheduled_seeding_is_incremental(
    workspace: Workspace, shop: Shop, pipeline: Pipeline
) -> None:
    add(workspace, shop, "SELECT * FROM reviews ORDER BY stars IS NULL, stars DESC", "review_id")
    assert seed_dataset(workspace).created == 3
    again = seed_dataset(workspace, run_id="run-2")
    assert (again.created, again.already_seeded) == (0, 3)
    shop.insert(("4", "four", 4))
    third = seed_dataset(workspace, run_id="run-3")
    assert (third.created, third.already_seeded) == (1, 3)
    assert [row for row, _ in tasks_of(workspace)] == [1, 2, 3, 4]
    assert tasks_of(workspace)[3] == (4, '{"review_id":"4","body":"four","stars":4}')


def test_a_dry_run_reads_the_query_and_writes_nothing(
    workspace: Workspace, shop: Shop, pipeline: Pipeline
) -> None:
    add(workspace, shop, "reviews", "review_id")
    seed_dataset(workspace)
    shop.insert(("4", "four", 4), ("5", "five", 9))
    seeded = seed_dataset_fully(workspace, run_id="run-2", dry_run=True, on_error="skip-rows")
    report = seeded.report
    assert (report.created, report.already_seeded, report.rejected) == (1, 3, 1)
    assert [(error.row, error.code) for error in report.errors] == [(5, "above_maximum")]
    assert seeded.plan is not None
    assert seeded.plan.mapping == {"review_id": "review_id", "body": "body", "stars": "stars"}
    assert (len(rows_of(workspace)), len(tasks_of(workspace))) == (3, 3)


def test_a_bad_row_is_reported_with_its_number_and_nothing_is_imported(
    workspace: Workspace, shop: Shop, pipeline: Pipeline
) -> None:
    add(workspace, shop, "reviews", "stars")
    with pytest.raises(RefreshRejectedError) as raised:
        refresh(workspace)
    assert [(error.row, error.code, error.message) for error in raised.value.report.errors] == [
        (2, "empty_key", "column 'stars' is null, but part of the key"),
    ]  # fmt: skip
    report = seed_dataset(workspace)
    assert (report.created, [error.code for error in report.errors]) == (0, ["empty_key"])
    assert rows_of(workspace) == []


def test_bytes_are_rejected_as_values(workspace: Workspace, shop: Shop, pipeline: Pipeline) -> None:
    kind = "BYTEA" if shop.url.startswith("postgresql") else "BLOB"
    query = f"SELECT review_id, CASE WHEN stars = 1 THEN CAST('x' AS {kind}) END AS b FROM reviews"
    with pytest.raises(RefreshRejectedError) as raised:
        add(workspace, shop, query)
    assert [(error.code, error.message) for error in raised.value.report.errors] == [
        ("unsupported_value",
         "column 'b' holds bytes, for which JSON has no form; cast it to text in the query"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "message"),
    [("nothing_here", "nothing_here"), ("SELECT nope FROM reviews", "nope"),
     ("WITH x AS (SELEKT 1) SELECT * FROM x", "SELEKT")],
)  # fmt: skip
def test_a_failing_query_is_reported_with_the_databases_message(
    workspace: Workspace, shop: Shop, pipeline: Pipeline, query: str, message: str
) -> None:
    with pytest.raises(RefreshRejectedError) as raised:
        add(workspace, shop, query)
    (error,) = raised.value.report.errors
    assert error.code == "query_failed"
    assert error.message.startswith("the query failed: ")
    assert message in error.message
    assert "\n" not in error.message


def test_a_query_cannot_write(workspace: Workspace, shop: Shop, pipeline: Pipeline) -> None:
    with pytest.raises(RefreshRejectedError):
        add(workspace, shop, "WITH x AS (SELECT 1) DELETE FROM reviews")
    with closing(shop.engine.connect()) as connection:
        assert connection.scalar(text("SELECT count(*) FROM reviews")) == 3


def test_the_key_must_be_a_column_and_cannot_change(
    workspace: Workspace, shop: Shop, pipeline: Pipeline
) -> None:
    with pytest.raises(UsageError, match=r"the key names 'id', which the source does not have"):
        add(workspace, shop, "reviews", "id")
    add(workspace, shop, "reviews", "review_id")
    refresh(workspace)
    with pytest.raises(UsageError, match="are identified by review_id"):
        add(workspace, shop, "reviews")
    add(workspace, shop, "SELECT review_id, body FROM reviews WHERE stars > 2", "review_id")
    assert refresh(workspace) == (2, 0, 0, 1)


def test_files_and_queries_do_not_mix(
    workspace: Workspace, shop: Shop, pipeline: Pipeline, tmp_path: Path
) -> None:
    put(workspace, write(tmp_path, "a\n1\n"))
    with pytest.raises(UsageError, match="has been imported from files"):
        add(workspace, shop)
    with pytest.raises(UsageError, match="is not a query, so there is nothing to refresh"):
        refresh(workspace)
    add_query(
        workspace,
        QueryRequest(organization="acme", name="live", connection=shop.url, query="reviews"),
    )
    with pytest.raises(UsageError, match="is read from a database"):
        put(workspace, write(tmp_path, "a\n1\n"), name="live")


def test_two_concurrent_refreshes_import_each_row_once(
    workspace: Workspace, shop: Shop, pipeline: Pipeline
) -> None:
    add(workspace, shop, "reviews", "review_id")
    barrier = threading.Barrier(4)
    imported_rows: list[int] = []

    def run() -> None:
        barrier.wait()
        imported_rows.append(refresh_dataset(workspace, "acme", "reviews").imported)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(imported_rows) == [0, 0, 0, 3]
    assert len(rows_of(workspace)) == 3


def test_a_secret_is_looked_up_by_name_and_never_stored(
    workspace: Workspace, shop: Shop, pipeline: Pipeline
) -> None:
    secrets: Callable[[str], str] = {"shop-url": shop.url}.__getitem__
    known = replace(workspace, read_secret=secrets)
    add_query(
        known,
        QueryRequest(
            organization="acme",
            name="reviews",
            connection="secret:shop-url",
            query="reviews",
            key_columns=("review_id",),
        ),
    )
    request = MappedRequest(pipeline="acme/reviews/label-reviews", source="reviews")
    assert seed_from_dataset(known, request, run_id="run-1").report.created == 3
    dataset = data_vault.show_dataset(workspace.store, "acme", "reviews", rows=0)
    assert dataset.query is not None
    assert dataset.query.connection == "secret:shop-url"
    assert [version.source for version in dataset.versions] == ["secret:shop-url"]
    with pytest.raises(UsageError, match="the secret 'shop-url' cannot be read here"):
        refresh(workspace)


def test_the_types_of_postgresql_keep_their_digits(
    workspace: Workspace, pipeline: Pipeline, postgresql_url: str
) -> None:
    url = postgresql_url.replace("postgres:@", "postgres@")
    query = """SELECT 1.50::numeric AS price, '{"x": [1.50, null]}'::jsonb AS doc, ARRAY[1, 2] AS l,
        TIMESTAMPTZ '2026-01-02 03:04:05+02' AS at, DATE '2026-01-02' AS day, NULL::int AS none,
        '%s :x' AS odd, true AS yes, 9223372036854775807 AS big"""
    columns = add_query(
        workspace, QueryRequest(organization="acme", name="reviews", connection=url, query=query)
    )
    assert [(name, kind.value) for name, kind in columns] == [
        ("price", "number"), ("doc", "json"), ("l", "json"), ("at", "datetime"), ("day", "date"),
        ("none", "integer"), ("odd", "text"), ("yes", "boolean"), ("big", "integer"),
    ]  # fmt: skip
    assert refresh(workspace) == (1, 1, 0, 0)
    assert rows_of(workspace) == [
        (1, 1, '{"price":1.50,"doc":{"x":[1.50,null]},"l":[1,2],'
         '"at":"2026-01-02T01:04:05+00:00","day":"2026-01-02","none":null,"odd":"%s :x",'
         '"yes":true,"big":9223372036854775807}'),
    ]  # fmt: skip


def test_many_rows_keep_their_order_and_their_numbers(workspace: Workspace, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "many.db")) as file:
        file.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)")
        file.executemany("INSERT INTO t (body) VALUES (?)", [(str(n),) for n in range(12_000)])
        file.commit()
    url = f"sqlite:///{tmp_path / 'many.db'}"
    add_query(
        workspace,
        QueryRequest(
            organization="acme", name="reviews", connection=url, query="t", key_columns=("id",)
        ),
    )
    assert refresh(workspace) == (1, 12_000, 0, 0)
    assert refresh(workspace) == (None, 0, 12_000, 0)
    rows = rows_of(workspace)
    assert [row for _, row, _ in rows] == list(range(1, 12_001))
    assert rows[-1] == (1, 12_000, '{"id":12000,"body":"11999"}')
