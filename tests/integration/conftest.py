"""Pipelines and a dataset that several modules seed."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from shops import Shop

from tasks_lib.operations.workspace import Workspace
from vault import ROWS, apply_vault, put, write


@pytest.fixture
def vault(workspace: Workspace, tmp_path: Path) -> Workspace:
    """The workspace with the pipelines of ``vault``."""
    apply_vault(workspace, tmp_path)
    return workspace


@pytest.fixture
def reviews(vault: Workspace, tmp_path: Path) -> Workspace:
    """The workspace of ``vault`` with a dataset of three rows."""
    put(vault, write(tmp_path, ROWS))
    return vault


@pytest.fixture
def configured(
    workspace: Workspace, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    """The workspace that the settings name, as the functions of ``tasks_lib`` find it."""
    monkeypatch.setenv("SEEDING_DATABASE_URL", database_url)
    return workspace


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, postgresql: str) -> Iterator[Shop]:
    """Another database, of either kind, independently of the store's kind."""
    if request.param == "sqlite":
        shop = Shop(f"sqlite:///{tmp_path / 'shop.db'}")
        yield shop
        shop.engine.dispose()
        return
    name = f"shop_{abs(hash(str(tmp_path)))}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = postgresql.replace("postgresql://postgres:@", "postgresql+psycopg://postgres@")
    shop = Shop(url.replace("/postgres?", f"/{name}?"))
    yield shop
    shop.engine.dispose()
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
