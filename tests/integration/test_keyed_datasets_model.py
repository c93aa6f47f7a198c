"""Random imports by key, with seedings between them, agree with a model in plain Python."""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from keyed import declare

from people import counts as count_tasks, recount
from tasks_lib.domain.report import Report
from tasks_lib.operations.datasets.data_vault import export_dataset
from tasks_lib.operations.datasets.import_request import ImportReport
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from vault import CHECK, LABEL, apply_vault, put, seed_dataset, write

KEYS = [f"{number:02}" for number in range(10)]
BODIES = ["good", "bad", "odd"]
STEPS = 25
POLICIES = "on_change: update\n            on_missing: withdraw"
Rows = dict[str, str]


@dataclass
class Model:
    """The rows of the dataset by key, in order, with None for a removed one; and the tasks.

    ``plain`` are the bodies of the tasks of the pipeline without a key; ``keyed`` those of the
    other one, with whether they are withdrawn.
    """

    rows: dict[str, str | None] = field(default_factory=dict)
    versions: list[list[tuple[str, str]]] = field(default_factory=list)
    plain: Rows = field(default_factory=dict)
    keyed: dict[str, tuple[str, bool]] = field(default_factory=dict)

    @property
    def current(self) -> Rows:
        return {key: body for key, body in self.rows.items() if body is not None}

    def load(self, arriving: Rows, *, full: bool) -> tuple[int, int, int, int, int]:
        before = self.current
        new = sum(key not in before for key in arriving)
        changed = sum(key in before and before[key] != body for key, body in arriving.items())
        removed = [key for key in before if key not in arriving] if full else []
        self.rows |= arriving
        self.rows |= dict.fromkeys(removed)
        if new or changed or removed:
            self.versions.append(list(self.current.items()))
        return len(self.versions), new, changed, len(arriving) - new - changed, len(removed)

    def seed_plain(self) -> tuple[int, int, int]:
        rows = self.current
        created = [key for key in rows if key not in self.plain]
        changed = sum(key in self.plain and self.plain[key] != rows[key] for key in rows)
        self.plain |= {key: rows[key] for key in created}
        return len(created), len(rows) - len(created) - changed, changed

    def seed_keyed(self, *, full: bool) -> tuple[int, int, int, int]:
        rows = self.current
        created = sum(key not in self.keyed for key in rows)
        changed = sum(key in self.keyed and self.keyed[key][0] != rows[key] for key in rows)
        missing = [
            key for key, (_, withdrawn) in self.keyed.items() if not withdrawn and key not in rows
        ]
        self.keyed |= {key: (body, False) for key, body in rows.items()}
        if full:
            self.keyed |= {key: (self.keyed[key][0], True) for key in missing}
        return created, len(rows) - created - changed, changed, len(missing) if full else 0


@pytest.mark.parametrize("dice", range(3))
def test_rows_versions_and_tasks_are_those_of_the_model(
    workspace: Workspace, catalogue_file: Path, tmp_path: Path, dice: int
) -> None:
    declare(workspace, catalogue_file, f"key: [review_id]\n            {POLICIES}")
    apply_vault(workspace, tmp_path)
    chance, model = random.Random(dice), Model()
    for step in range(STEPS):
        match chance.choice(["import", "import", "plain", "keyed"]) if step else "import":
            case "import":
                keys = chance.sample(KEYS, chance.randrange(1, 7))
                arriving = {key: chance.choice(BODIES) for key in keys}
                full = chance.random() < 0.4
                report = load(workspace, tmp_path, arriving, full=full)
                assert numbers(report) == model.load(arriving, full=full)
            case "plain":
                done = seed_dataset(workspace, CHECK, run_id=f"run-{step}")
                assert (done.created, done.already_seeded, done.changed) == model.seed_plain()
            case "keyed":
                full = chance.random() < 0.5
                rehearsed, done = (
                    seed_dataset(
                        workspace,
                        LABEL,
                        run_id=f"run-{step}",
                        full=full,
                        allow_shrink=True,
                        dry_run=is_dry,
                    )
                    for is_dry in (True, False)
                )
                assert counts(rehearsed) == counts(done)
                assert counts(done) == model.seed_keyed(full=full)
                assert done.updated == done.changed
        version = chance.randrange(len(model.versions)) + 1
        assert rows_of(workspace, version) == model.versions[version - 1]
    assert rows_of(workspace, None) == list(model.current.items())
    assert tasks_of(workspace, CHECK) == {key: (b, False) for key, b in model.plain.items()}
    assert tasks_of(workspace, LABEL) == model.keyed
    assert count_tasks(workspace.store) == recount(workspace.store)


def load(workspace: Workspace, folder: Path, rows: Rows, *, full: bool) -> ImportReport:
    lines = "".join(f"{key},{body},\n" for key, body in rows.items())
    source = write(folder, f"review_id,body,stars\n{lines}")
    return put(workspace, source, key=("review_id",), full=full, allow_shrink=True)


def numbers(report: ImportReport) -> tuple[int | None, int, int, int, int]:
    return (
        report.version,
        report.imported,
        report.changed,
        report.already_imported,
        report.removed,
    )


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.created, report.already_seeded, report.changed, report.withdrawn


def rows_of(workspace: Workspace, version: int | None) -> list[tuple[str, str]]:
    lines = export_dataset(workspace.store, "acme", "reviews", version=version)
    return [(row["review_id"], row["body"]) for row in map(json.loads, lines)]


def tasks_of(workspace: Workspace, pipeline: str) -> dict[str, tuple[str, bool]]:
    tasks = list_tasks(workspace.store, pipeline, limit=1_000)
    values = [(json.loads(task.fields), task.status == "withdrawn") for task in tasks]
    return {fields["review_id"]: (fields["body"], gone) for fields, gone in values}
