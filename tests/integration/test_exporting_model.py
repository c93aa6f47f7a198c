"""Random sequences of exports, failures and kills agree with a model: each task leaves once."""

import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import create_engine, text

from people import finish, make_tasks
from tasks_lib.operations.results import export
from tasks_lib.operations.results.export import ExportRequest, export_results
from tasks_lib.operations.workspace import Workspace
from vault import LABEL

STEPS = 30
MOMENTS = ("_write", "put_file", "remove_file", "_complete")


class _KilledError(BaseException):
    """Ends a run at a moment at which a process may be killed."""


class Exports:
    """A pipeline's tasks, and three destinations: whole, by day, and a table."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self.workspace = workspace
        self.finished: list[int] = []
        self.known: dict[str, list[int]] = {}
        self._lakes = {"whole": folder / "whole", "days": folder / "days"}
        self._table = f"sqlite:///{folder / 'warehouse.db'}?table=labels"
        self._engine = create_engine(self._table.partition("?")[0])

    def export(self, name: str, *, full: bool) -> None:
        """Export everything that is finished."""
        self.run(name, full=full)
        assert sorted(self.read(name)) == sorted(self.finished)
        self.known[name] = list(self.finished)

    def run(self, name: str, *, full: bool) -> None:
        destination = self._table if name == "table" else str(self._lakes[name])
        request = ExportRequest(
            pipeline=LABEL, destination=destination, by_day=name == "days", full=full
        )
        export_results(self.workspace, request)

    def read(self, name: str) -> list[int]:
        if name == "table":
            with self._engine.connect() as connection:
                if not connection.dialect.has_table(connection, "labels"):
                    return []
                return list(connection.scalars(text("SELECT task_id FROM labels")))
        files = self._lakes[name].rglob("*.parquet")
        return [task for path in files for task in pq.read_table(path)["task_id"].to_pylist()]

    def close(self) -> None:
        self._engine.dispose()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_finished_task_leaves_exactly_once(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    make_tasks(workspace, tmp_path, STEPS * 2)
    dice = random.Random(seed)
    exports = Exports(workspace, tmp_path)
    for _ in range(STEPS):
        for _ in range(dice.randrange(3)):
            exports.finished.append(finish(workspace.store).id)
        name = dice.choice(("whole", "days", "table"))
        full = dice.random() < 0.2
        if dice.random() < 0.5:
            kill(exports, name, dice, monkeypatch, full=full)
            # Earlier files are still there: a run may only add files, or replace one by the same.
            assert set(exports.known.get(name, [])) <= set(exports.read(name))
        else:
            exports.export(name, full=full)
    for name in ("whole", "days", "table"):
        exports.export(name, full=False)
    exports.close()


def kill(
    exports: Exports, name: str, dice: random.Random, patch: pytest.MonkeyPatch, *, full: bool
) -> None:
    """Run an export that ends at a random moment, unless it does not come to it."""
    moment, is_before = dice.choice(MOMENTS), dice.random() < 0.5
    act = getattr(export, moment)

    def die(*arguments: Any, **options: Any) -> None:
        if not is_before:
            act(*arguments, **options)
        raise _KilledError

    with patch.context() as patched:
        patched.setattr(export, moment, die)
        try:
            exports.run(name, full=full)
        except _KilledError:
            return
    assert sorted(exports.read(name)) == sorted(exports.finished)
