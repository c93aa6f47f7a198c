"""A command loads what it runs: its help loads nothing, and only a few commands load Arrow."""

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tasks_lib.cli import app, run
from tasks_lib.cli.examples import EXAMPLES, commands_of
from tasks_lib.settings import may_name_prefect_server

HEAVY = {
    "alembic", "fastapi", "fsspec", "jsonpath_rfc9535", "msgspec", "numpy", "pandas", "prefect",
    "psycopg", "pyarrow", "pydantic", "pydantic_settings", "regex", "sqlalchemy", "uvicorn", "yaml",
}  # fmt: skip
"""Packages that take time to load. Some of PyArrow's functions load pandas."""

CHILD = """
import json, sys
from tasks_lib.cli import run
for line in json.loads(sys.argv[1]):
    status = run(line)
    assert status == 0, (line, status)
loaded = {name.partition(".")[0] for name in sys.modules}
open(sys.argv[2], "w").write(json.dumps(sorted(loaded)))
"""

READS = {"pydantic", "sqlalchemy"}
SEEDS = READS | {"numpy", "pyarrow"}
PATH = "acme/reviews/label-reviews"


def load(folder: Path, *lines: Sequence[str]) -> set[str]:
    """Return the packages of ``HEAVY`` that commands load, in a folder without settings."""
    names = folder / "loaded.json"
    command = [sys.executable, "-c", CHILD, json.dumps(lines), str(names)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return HEAVY & set(json.loads(names.read_text()))


@pytest.fixture
def folder(catalogue_file: Path, tmp_path: Path) -> Path:
    """A folder with a CSV, beside a store with the catalogue."""
    assert run(["apply", str(catalogue_file)]) == 0
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "reviews.csv").write_text("review_id,body,stars\n1,one,5\n2,two,\n")
    (folder / "quoted.csv").write_text('review_id,body,stars\n3,"a ""b""\n",5\n4,\\,x\n')
    return folder


def test_the_help_of_every_command_loads_nothing(tmp_path: Path) -> None:
    depths = [(example, len(list(commands_of(app, example)))) for example in EXAMPLES]
    helps = [[*example.split()[:depth], "--help"] for example, depth in depths]
    assert load(tmp_path, ["--help"], ["--version"], *helps) == set()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"template {PATH}", READS),
        ("pipeline list", READS),
        (f"groups {PATH}", READS),
        (f"tasks list {PATH}", READS),
        (f"tasks claim {PATH} --as ann", READS),
        ("dataset list acme", READS),
        ("chain list acme", READS),
        ("infinite status", READS),
        ("key create acme", READS),
        ("apply ../catalogue.yaml", READS | {"yaml"}),
        (f"seed csv {PATH} reviews.csv", SEEDS),
        (f"seed csv {PATH} quoted.csv --on-error skip-rows", SEEDS),
        ("dataset import acme reviews reviews.csv", SEEDS),
    ],
)
def test_a_command_loads_what_it_uses(folder: Path, line: str, expected: set[str]) -> None:
    assert load(folder, shlex.split(line)) == expected


def test_a_command_loads_the_modules_of_no_other_command(folder: Path) -> None:
    code = (
        "import sys; from tasks_lib.cli import run; run(sys.argv[1:]); "
        "print(*sorted({name.split('.')[2] for name in sys.modules if "
        "name.startswith('tasks_lib.cli.') and name.count('.') == 2}))"
    )
    command = [sys.executable, "-c", code, "pipeline", "list"]
    child = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    assert child.stdout.splitlines()[-1].split() == [
        "deprecated", "examples", "optional_prefect", "options", "output", "pipelines", "workspace"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pipeline list", "base catalogue counts groups retention streams tasks"),
        (
            f"tasks list {PATH}",
            "base catalogue chains counts datasets groups removal retention streams tasks",
        ),
        (
            f"seed csv {PATH} reviews.csv",
            "base catalogue chains counts groups removal retention runs streams tasks",
        ),
    ],
)
def test_a_command_maps_the_tables_that_it_uses(folder: Path, line: str, expected: str) -> None:
    code = (
        "import sys; from tasks_lib.cli import run; run(sys.argv[1:]); "
        "print(*sorted(name.split('.')[3] for name in sys.modules if "
        "name.startswith('tasks_lib.store.tables.')))"
    )
    command = [sys.executable, "-c", code, *shlex.split(line)]
    child = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    assert child.stdout.splitlines()[-1] == expected


def test_the_end_of_a_command_looks_at_no_module(tmp_path: Path) -> None:
    code = (
        "import atexit, gc; from tasks_lib.cli import main; "
        "atexit.register(lambda: print(len(gc.get_objects()) < gc.get_freeze_count() // 10)); "
        "main()"
    )
    command = [sys.executable, "-c", code, "--version"]
    child = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert child.stdout.splitlines()[-1] == "True"


def test_a_command_on_sqlite_loads_the_dialect_of_no_other_database(folder: Path) -> None:
    code = (
        "import sys; from tasks_lib.cli import run; run(sys.argv[1:]); "
        "print('sqlalchemy.dialects.postgresql' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "tasks", "list", PATH]
    child = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    assert child.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    "modules",
    [
        pytest.param("flows.infinite_seeding", id="the sensor"),
        pytest.param("flows.reconcile", id="upkeep"),
        pytest.param(
            "tasks_lib.api.app, tasks_lib.api.serving.server, tasks_lib.steps.announcing, "
            "tasks_lib.steps.automations, tasks_lib.steps.uploads, "
            "tasks_lib.steps.waiting.suspended_runs",
            id="the HTTP API with Prefect",
        ),
    ],
)
def test_a_process_that_waits_for_work_loads_no_arrow(modules: str) -> None:
    code = f"import sys, {modules}; print({{'numpy', 'pandas', 'pyarrow'}} & set(sys.modules))"
    child = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert child.stdout == "set()\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("../prefect/profiles.toml", '[profiles.here]\nPREFECT_API_URL = "http://x.test/api"\n'),
        (".env", "PREFECT_API_URL=http://x.test/api\n"),
        ("prefect.toml", '[api]\nurl = "http://x.test/api"\n'),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "http://x.test/api"\n'),
    ],
)
def test_prefect_is_asked_where_its_settings_may_name_a_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert not may_name_prefect_server()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    assert may_name_prefect_server()


def test_prefect_is_asked_if_a_variable_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not may_name_prefect_server()
    monkeypatch.setenv("PREFECT_PROFILE", "here")
    assert may_name_prefect_server()
