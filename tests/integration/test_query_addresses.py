"""The address of a query's database: no password is repeated, and a missing database is named."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.errors import (
    SourceDatabaseRefusedError,
    SourceDatabaseUnavailableError,
    UsageError,
)
from tasks_lib.operations.datasets.query_datasets import (
    QueryRequest,
    add_query,
)
from tasks_lib.operations.workspace import Workspace


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:hunter2@127.0.0.1/shop", "postgresql://me@127.0.0.1/shop?password=hunter2"],
)
def test_a_url_with_a_password_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UsageError, match="the URL holds a password") as raised:
        QueryRequest(organization="acme", name="reviews", connection=url, query="reviews")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["postgresql://me:hunter2@127.0.0.1:9/shop", "sqlite:////no/such/shop.db"]
)
def test_an_unreachable_database_is_reported_in_one_sentence(
    workspace: Workspace, pipeline: Pipeline, url: str
) -> None:
    known = replace(workspace, read_secret=lambda _: url)
    with pytest.raises(SourceDatabaseUnavailableError) as raised:
        add_query(
            known,
            QueryRequest(
                organization="acme", name="reviews", connection="secret:shop", query="reviews"
            ),
        )
    assert raised.value.exit_status == 3
    assert " of the dataset cannot be used: " in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "changed",
    [{"database": "no_such_database"}, {"username": "nobody"}],
    ids=str,
)
def test_a_database_that_refuses_is_not_tried_again(
    workspace: Workspace, postgresql_url: str, changed: dict[str, Any]
) -> None:
    url = make_url(postgresql_url).set(**changed).render_as_string(hide_password=False)
    known = replace(workspace, read_secret=lambda _: url)
    request = QueryRequest(
        organization="acme", name="reviews", connection="secret:shop", query="reviews"
    )
    with pytest.raises(SourceDatabaseRefusedError, match=r"does not exist$"):
        add_query(known, request)


def test_a_missing_sqlite_file_is_not_created(workspace: Workspace, tmp_path: Path) -> None:
    missing = tmp_path / "missing.db"
    with pytest.raises(SourceDatabaseUnavailableError):
        add_query(
            workspace,
            QueryRequest(
                organization="acme", name="x", connection=f"sqlite:///{missing}", query="reviews"
            ),
        )
    assert not missing.exists()
