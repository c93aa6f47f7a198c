"""Pipelines and a dataset that several modules seed."""

from pathlib import Path

import pytest

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
