"""Names of tables and columns in the queries of datasets."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tasks_lib.errors import SourceDatabaseUnavailableError
from tasks_lib.operations.datasets.query_datasets import (
    QueryRequest,
    RefreshRejectedError,
    add_query,
    refresh_dataset,
)
from tasks_lib.operations.workspace import Workspace


def request_of(path: Path, query: str) -> QueryRequest:
    return QueryRequest(
        organization="acme", name="shop", connection=f"sqlite:///{path}", query=query
    )


@pytest.mark.parametrize("name", ["order", '"order"', '"my table"', "main.order"])
def test_a_table_can_have_the_name_of_a_word_of_sql_or_a_space_in_it(
    workspace: Workspace, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as shop, shop:
        for table in ("order", "my table"):
            shop.execute(f'CREATE TABLE "{table}" (id TEXT)')
            shop.execute(f'INSERT INTO "{table}" VALUES (?)', ["7"])
    (column,) = add_query(workspace, request_of(path, name))
    assert (column.name, refresh_dataset(workspace, "acme", "shop").imported) == ("id", 1)


def test_columns_of_the_same_name_are_refused_with_the_way_out(
    workspace: Workspace, tmp_path: Path
) -> None:
    query = "SELECT 1 AS id, 2 AS id"
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop:
        shop.execute("CREATE TABLE x (id TEXT)")
    with pytest.raises(RefreshRejectedError) as caught:
        add_query(workspace, request_of(tmp_path / "shop.db", query))
    assert [problem.message for problem in caught.value.problems] == [
        "column 'id' occurs 2 times, at 1, 2; give each column a name of its own with AS"
    ]


def test_a_file_that_cannot_be_opened_is_named(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "missing" / "shop.db"
    with pytest.raises(SourceDatabaseUnavailableError) as caught:
        add_query(workspace, request_of(path, "x"))
    assert str(caught.value) == (
        f"the SQLite database {path} of the dataset cannot be used: unable to open database file"
    )
