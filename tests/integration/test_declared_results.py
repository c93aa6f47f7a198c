"""Catalogues declare where results go; they are exported there, and retention waits for that."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from command_line import Seeding
from people import AT, finish, make_tasks
from tasks_lib.errors import (
    CatalogueRejectedError,
    NotFoundError,
    StorageRefusedError,
    UsageError,
)
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.delete import delete_pipeline
from tasks_lib.operations.results.declared import export_declared
from tasks_lib.operations.results.export import ExportRequest, export_results
from tasks_lib.operations.retention.expire import delete_expired
from tasks_lib.operations.workspace import Workspace
from vault import CHECK, LABEL, apply_vault

LATER = AT + timedelta(days=91)


def declare(
    workspace: Workspace, catalogue_file: Path, *lines: str, prunes: bool = False
) -> Sequence[str]:
    """Apply the catalogue of these tests with more lines for its pipeline; return the outcomes."""
    name = "          - name: label-reviews\n"
    more = "".join(f"            {line}\n" for line in lines)
    path = catalogue_file.with_name("declared.yaml")
    whole = catalogue_file.read_text(encoding="utf-8")
    assert name in whole
    path.write_text(whole.replace(name, name + more, 1), encoding="utf-8")
    return [one.outcome for one in apply_catalogue(workspace.store, path, prunes=prunes)]


def lake(folder: Path, name: str = "lake") -> str:
    return f"{{name: {name}, url: {folder / name}}}"


def exported(folder: Path) -> list[int]:
    files = sorted(folder.rglob("*.parquet"))
    return [task for path in files for task in pq.read_table(path)["task_id"].to_pylist()]


def test_results_go_where_the_catalogue_says(
    workspace: Workspace, tmp_path: Path, catalogue_file: Path
) -> None:
    table = f"{{name: table, url: 'sqlite:///{tmp_path / 'warehouse.db'}?table=labels'}}"
    csv = f"{{name: csv, url: '{(tmp_path / 'csv').as_uri()}', format: csv, by_day: yes}}"
    results = f"results: [{lake(tmp_path)}, {table}, {csv}]"
    assert declare(workspace, catalogue_file, results) == ["updated"]
    assert declare(workspace, catalogue_file, results) == ["unchanged"]
    make_tasks(workspace, tmp_path, 2)
    finish(workspace.store)
    report = export_declared(workspace)
    assert [one.exported for one in report.exports] == [1, 1, 1]
    assert report.sentence == "exported new results to 3 of 3 destinations."
    assert exported(tmp_path / "lake") == [1]
    assert [path.suffix for path in (tmp_path / "csv").rglob("finished_on=2026-01-02/*")] == [
        ".csv"
    ]
    assert export_declared(workspace, LABEL).sentence == (
        "nothing was finished since the last exports."
    )
    assert export_declared(workspace, LABEL, full=True).sentence == (
        "exported new results to 3 of 3 destinations."
    )


def test_only_pruning_removes_a_destination(
    workspace: Workspace, tmp_path: Path, catalogue_file: Path
) -> None:
    both = f"results: [{lake(tmp_path)}, {lake(tmp_path, 'pond')}]"
    declare(workspace, catalogue_file, both)
    one = f"results: [{lake(tmp_path)}]"
    assert declare(workspace, catalogue_file, one) == ["unchanged"]
    assert len(export_declared(workspace).exports) == 2
    assert declare(workspace, catalogue_file, one, prunes=True) == ["updated"]
    assert len(export_declared(workspace).exports) == 1
    assert declare(workspace, catalogue_file, prunes=True) == ["updated"]
    assert export_declared(workspace).sentence == "no catalogue declares where results go."
    with pytest.raises(UsageError) as caught:
        export_declared(workspace, LABEL)
    assert str(caught.value) == (
        f"no catalogue declares where the results of {LABEL} go; name a destination, or add "
        "results to its entry in the catalogue"
    )
    with pytest.raises(NotFoundError):
        export_declared(workspace, "acme/reviews/nothing")


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (
            "[{name: lake, url: lake}]",
            "url is 'lake'; expected a URL or an absolute path, because workers run in other "
            "folders",
        ),
        (
            "[{name: lake, url: 'ftp://ann:hunter2@host/lake'}]",
            "url holds a password, which would be kept in the store; leave it to the environment "
            "of the workers, or use secret:BLOCK",
        ),
        ("[{name: lake, url: /lake, format: xml}]", "format is 'xml'; expected "),
        ("[{name: a, url: /a}, {name: a, url: /b}]", "results 'a' occurs twice"),
        (
            "[{name: table, url: 'sqlite:////w.db'}]",
            "the destination names no table; add ?table=NAME, or ",
        ),
        (
            "[{name: table, url: 'sqlite:////w.db?table=a', by_day: true}]",
            "sqlite:////w.db?table=a is a table, which has no format and no folders; leave out ",
        ),
    ],
)
def test_a_destination_that_cannot_be_used_is_refused(
    workspace: Workspace, tmp_path: Path, catalogue_file: Path, results: str, message: str
) -> None:
    with pytest.raises(CatalogueRejectedError) as caught:
        declare(workspace, catalogue_file, f"results: {results}")
    assert message in str(caught.value)
    assert "pipeline acme/reviews/label-reviews" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert export_declared(workspace).exports == ()


def test_a_destination_that_fails_does_not_keep_the_others_from_their_results(
    workspace: Workspace, tmp_path: Path, catalogue_file: Path
) -> None:
    (tmp_path / "file").write_text("x")
    bad = f"{{name: bad, url: {tmp_path / 'file' / 'folder'}}}"
    declare(workspace, catalogue_file, f"results: [{bad}, {lake(tmp_path)}]")
    make_tasks(workspace, tmp_path, 1)
    finish(workspace.store)
    with pytest.raises(StorageRefusedError) as caught:
        export_declared(workspace)
    assert str(caught.value).startswith(f"bad of {LABEL}: ")
    assert exported(tmp_path / "lake") == [1]


def test_retention_waits_for_a_declared_export(
    workspace: Workspace, tmp_path: Path, catalogue_file: Path
) -> None:
    declare(workspace, catalogue_file, "retention: {finished: 90d}", f"results: [{lake(tmp_path)}]")
    make_tasks(workspace, tmp_path, 3)
    finish(workspace.store)
    assert delete_expired(workspace.store, at=LATER) == 0
    export_declared(workspace)
    finish(workspace.store)
    assert delete_expired(workspace.store, at=LATER) == 1
    export_declared(workspace)
    assert delete_expired(workspace.store, at=LATER) == 1
    assert exported(tmp_path / "lake") == [1, 2]


def test_retention_waits_for_an_export_that_ran_lately(
    workspace: Workspace, tmp_path: Path, catalogue_file: Path
) -> None:
    declare(workspace, catalogue_file, "retention: {finished: 90d}")
    make_tasks(workspace, tmp_path, 2)
    make_tasks(workspace, tmp_path, 2, "other.csv")
    now = workspace.store.now()
    for _ in range(4):
        finish(workspace.store)
    group = ExportRequest(pipeline=LABEL, destination=str(tmp_path / "group"), group=2)
    export_results(workspace, group)
    with workspace.store.write() as session:
        session.execute(text("UPDATE result_exports SET exported_until = 0"))
    assert delete_expired(workspace.store, at=now) == 2
    export_results(workspace, group)
    export_results(workspace, ExportRequest(pipeline=LABEL, destination=str(tmp_path / "all")))
    with workspace.store.write() as session:
        session.execute(text("UPDATE result_exports SET exported_until = 0 WHERE group_id IS NULL"))
    assert delete_expired(workspace.store, at=now) == 0
    assert delete_expired(workspace.store, at=now + timedelta(days=31)) == 2


def test_a_pipeline_with_destinations_can_be_deleted(
    workspace: Workspace, tmp_path: Path, catalogue_file: Path
) -> None:
    apply_vault(workspace, tmp_path)
    declare(workspace, catalogue_file, f"results: [{lake(tmp_path)}]")
    export_declared(workspace)
    delete_pipeline(workspace, LABEL, at=AT)
    assert export_declared(workspace).exports == ()
    with pytest.raises(UsageError):
        export_declared(workspace, CHECK)


def test_the_command_exports_to_declared_destinations(
    configured: Workspace,
    tmp_path: Path,
    catalogue_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seeding = Seeding(capsys)
    assert seeding("results", "export") == (0, "no catalogue declares where results go.\n", "")
    declare(configured, catalogue_file, f"results: [{lake(tmp_path)}]")
    make_tasks(configured, tmp_path, 1)
    finish(configured.store)
    assert seeding("results", "export", LABEL) == (
        0, f"exported 1 task to {tmp_path / 'lake'}, in 1 file.\n", "",
    )  # fmt: skip
    status, document = seeding.json("results", "export")
    assert (status, [one["exported"] for one in document["exports"]]) == (0, [0])
    for option in ("by_day", "with_source", "with_files"):
        assert seeding("results", "export", LABEL, f"--{option.replace('_', '-')}") == (
            2, "", f"error: {option} needs a destination; without one, the catalogue decides\n",
        )  # fmt: skip
    path = catalogue_file.with_name("declared.yaml")
    assert seeding("apply", str(path))[1].startswith("unchanged")
    assert seeding("apply", str(catalogue_file), "--prune")[1].startswith("updated")
