"""Each finished task is exported once, in files that appear whole."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from command_line import Seeding
from people import AT, claim, finish, make_tasks
from tasks_lib import results
from tasks_lib.domain.result_formats import ResultFormat, TextFormat
from tasks_lib.errors import NotFoundError, StorageRefusedError, UsageError
from tasks_lib.operations.results import export, local_files
from tasks_lib.operations.results.export import ExportReport, ExportRequest, export_results
from tasks_lib.operations.results.read import find_last
from tasks_lib.operations.tasks.move import submit_task
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.operations.workspace import Workspace
from vault import LABEL, change


def run(workspace: Workspace, destination: object, **options: Any) -> ExportReport:
    request = ExportRequest(pipeline=LABEL, destination=str(destination), **options)
    return export_results(workspace, request)


def exported(folder: Path) -> list[int]:
    """Return the tasks in the folder's Parquet files, in the order of the files' names."""
    files = sorted(folder.rglob("*.parquet"), key=lambda path: path.name)
    return [task for path in files for task in pq.read_table(path)["task_id"].to_pylist()]


def names(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def last(workspace: Workspace) -> int:
    """Return the place of the last finished task."""
    return find_last(workspace.store, 1)


def test_each_task_is_exported_once(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 5)
    lake = tmp_path / "lake"
    nothing = ExportReport(pipeline_id=1, destination=str(lake), format=ResultFormat.PARQUET)
    assert run(workspace, lake) == nothing
    assert not lake.exists()
    first = [finish(workspace.store).id for _ in range(2)]
    until = last(workspace)
    name = f"results-1-0000000000000001-{until:016d}.parquet"
    assert run(workspace, lake) == nothing.model_copy(update={"exported": 2, "files": (name,)})
    assert run(workspace, lake) == nothing
    second = [finish(workspace.store).id for _ in range(3)]
    name_2 = f"results-1-{until + 1:016d}-{last(workspace):016d}.parquet"
    assert run(workspace, f"{lake}/").files == (name_2,)
    assert names(lake) == [name, name_2]
    assert exported(lake) == [*first, *second]


def test_parquet_has_the_types_of_the_fields(
    configured: Workspace, database_url: str, tmp_path: Path
) -> None:
    make_tasks(configured, tmp_path, 2)
    finish(configured.store)
    report = run(configured, tmp_path / "lake")
    assert pq.read_table(tmp_path / "lake" / report.files[0]).equals(
        results(LABEL, as_arrow=True).replace_schema_metadata(None)
    )


def test_csv_and_json_lines_keep_the_stored_text(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 1, 'say "yes"')
    finish(workspace.store)
    as_csv = run(workspace, tmp_path / "csv", format=ResultFormat.CSV)
    with (tmp_path / "csv" / as_csv.files[0]).open(newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    as_lines = run(workspace, tmp_path / "jsonl", format=ResultFormat.JSONL)
    [line] = (tmp_path / "jsonl" / as_lines.files[0]).read_text(encoding="utf-8").splitlines()
    members = json.loads(line)
    created = members.pop("created_at")
    assert datetime.fromisoformat(created).tzinfo == UTC
    assert row.pop("created_at") == created
    assert members == {
        "task_id": 1,
        "group_id": 1,
        "group_name": None,
        "key": None,
        "review_id": 'say "yes"-0',
        "body": "body",
        "stars": 5,
        "sentiment": "good",
        "contributor": "ann",
        "claimed_at": AT.isoformat(),
        "finished_at": AT.isoformat(),
        "duration_seconds": 0.0,
        "source_kind": "csv",
        "source": str(tmp_path / 'say "yes"'),
        "source_row": 1,
        "origin_id": None,
        "chain_id": None,
    }
    assert row == {name: "" if value is None else str(value) for name, value in members.items()}


def test_a_workbook_of_excel(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 2, "=1+1")
    for _ in range(2):
        finish(workspace.store)
    report = run(workspace, tmp_path / "lake", format=ResultFormat.XLSX)
    [name] = report.files
    sheet = CalamineWorkbook.from_path(tmp_path / "lake" / name).get_sheet_by_index(0)
    header, *rows = sheet.to_python()
    first = dict(zip(header, rows[0], strict=True))
    assert len(rows) == 2
    assert (first["task_id"], first["review_id"], first["stars"]) == (1, "=1+1-0", 5)
    assert (first["sentiment"], first["key"], first["claimed_at"]) == ("good", "", AT.isoformat())


@pytest.mark.parametrize("by_day", [False, True])
def test_more_rows_than_a_sheet_holds(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_day: bool
) -> None:
    monkeypatch.setattr(local_files, "MOST_ROWS", {ResultFormat.XLSX: 2})
    make_tasks(workspace, tmp_path, 5)
    for _ in range(5):
        finish(workspace.store)
    lake = tmp_path / "lake"
    report = run(workspace, lake, format=ResultFormat.XLSX, by_day=by_day)
    folder = "finished_on=2026-01-02/" if by_day else ""
    stem = f"{folder}results-1-0000000000000001-{last(workspace):016d}"
    assert report.files == (f"{stem}.xlsx", f"{stem}-2.xlsx", f"{stem}-3.xlsx")
    sheets = [
        CalamineWorkbook.from_path(lake / name).get_sheet_by_index(0).to_python()[1:]
        for name in report.files
    ]
    assert [[row[0] for row in rows] for rows in sheets] == [[1, 2], [3, 4], [5]]
    monkeypatch.setattr(local_files, "MOST_ROWS", {})
    full = run(workspace, lake, format=ResultFormat.XLSX, by_day=by_day, full=True)
    assert names(lake) == list(full.files) == [f"{stem}.xlsx"]


def test_a_text_that_no_cell_of_excel_holds(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 1)
    change(
        workspace,
        "UPDATE tasks SET predefined = :status WHERE id = :id",
        json.dumps({"review_id": "a", "body": "x" * 40_000}),
        [1],
    )
    finish(workspace.store)
    with pytest.raises(UsageError) as caught:
        run(workspace, tmp_path / "lake", format=ResultFormat.XLSX)
    assert str(caught.value) == (
        "task 1, column 'body': the text has 40,000 characters, and a cell of Excel 32,767; choose "
        "parquet, csv or jsonl"
    )
    assert not (tmp_path / "lake").exists()
    assert run(workspace, tmp_path / "lake", format=ResultFormat.CSV).exported == 1


def test_a_folder_for_each_day(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 3)
    for days in (0, 1, 0):
        task = claim(workspace.store)
        at = AT + timedelta(days=days)
        submit_task(workspace.store, task.id, "ann", {"sentiment": "good"}, at=at)
    report = run(workspace, tmp_path / "lake", by_day=True)
    name = f"results-1-0000000000000001-{last(workspace):016d}.parquet"
    assert report.files == (f"finished_on=2026-01-02/{name}", f"finished_on=2026-01-03/{name}")
    lake = tmp_path / "lake"
    assert exported(lake / "finished_on=2026-01-02") == [1, 3]
    assert exported(lake / "finished_on=2026-01-03") == [2]


def test_a_group_has_an_export_of_its_own(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 1)
    make_tasks(workspace, tmp_path, 1, "other.csv")
    finished = [finish(workspace.store).id for _ in range(2)]
    lake = tmp_path / "lake"
    assert run(workspace, lake, group=2).exported == 1
    assert exported(lake) == finished[1:]
    assert run(workspace, lake, group=2).exported == 0
    assert run(workspace, tmp_path / "all").exported == 2
    with pytest.raises(NotFoundError):
        run(workspace, lake, group=3)


def test_starting_over_replaces_the_files(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 3)
    lake = tmp_path / "lake"
    for _ in range(2):
        finish(workspace.store)
        run(workspace, lake)
    finish(workspace.store)
    for other in ("results-2-0000000000000001-0000000000000009.parquet", "notes.txt"):
        (lake / other).write_bytes(b"not ours")
    name = f"results-1-0000000000000001-{last(workspace):016d}.parquet"
    report = run(workspace, lake, full=True)
    assert (report.exported, report.files) == (3, (name,))
    assert names(lake) == [
        "notes.txt", name, "results-2-0000000000000001-0000000000000009.parquet",
    ]  # fmt: skip
    assert run(workspace, lake).exported == 0


def test_exports_at_the_same_time(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 20)
    lake = tmp_path / "lake"
    done = []
    for _ in range(4):
        done += [finish(workspace.store).id for _ in range(5)]
        with ThreadPoolExecutor(4) as pool:
            reports = list(pool.map(lambda _: run(workspace, lake), range(4)))
        assert sum(report.exported for report in reports) == 5
        assert exported(lake) == done


class _KilledError(BaseException):
    """Ends a run at a moment at which a process may be killed."""


@pytest.mark.parametrize("moment", ["_write", "put_file", "remove_file", "_complete"])
@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
def test_a_run_that_was_killed_is_repeated(
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    is_before: bool,
) -> None:
    make_tasks(workspace, tmp_path, 6)
    lake = tmp_path / "lake"
    done = [finish(workspace.store).id for _ in range(2)]
    run(workspace, lake)
    done += [finish(workspace.store).id for _ in range(2)]
    act = getattr(export, moment)

    def die(*arguments: Any, **options: Any) -> None:
        if not is_before:
            act(*arguments, **options)
        raise _KilledError

    with monkeypatch.context() as patch:
        patch.setattr(export, moment, die)
        with pytest.raises(_KilledError):
            run(workspace, lake, full=moment == "remove_file")
    done += [finish(workspace.store).id for _ in range(2)]
    run(workspace, lake)
    run(workspace, lake)
    assert exported(lake) == done
    assert [name for name in names(lake) if not name.endswith(".parquet")] == []


def test_a_bucket(workspace: Workspace, tmp_path: Path, s3_bucket: str) -> None:
    make_tasks(workspace, tmp_path, 2)
    finish(workspace.store)
    lake = f"s3://{s3_bucket}/lake"
    first = run(workspace, lake)
    finish(workspace.store)
    second = run(workspace, f"{lake}/")
    assert (first.exported, second.exported, second.destination) == (1, 1, lake)
    bucket = fsspec.filesystem("s3", skip_instance_cache=True)
    found = sorted(bucket.find(lake))
    assert found == [f"{s3_bucket}/lake/{name}" for name in (*first.files, *second.files)]
    everything = run(workspace, lake, full=True)
    bucket.invalidate_cache()
    assert bucket.find(lake) == [f"{s3_bucket}/lake/{everything.files[0]}"]


@pytest.mark.parametrize("destination", ["out.csv", "s3://lake/out.CSV/"])
def test_a_folder_named_like_a_file_of_another_format_is_a_mistake(destination: str) -> None:
    with pytest.raises(UsageError) as caught:
        ExportRequest(pipeline=LABEL, destination=destination)
    assert str(caught.value) == (
        f"{destination} ends like a file of the format csv, but it would be a folder of parquet "
        "files; give the name of a folder and the format csv"
    )
    assert (
        ExportRequest(pipeline=LABEL, destination=destination, format=ResultFormat.CSV).destination
        == destination
    )


def test_a_place_that_cannot_be_written(
    workspace: Workspace, tmp_path: Path, s3_bucket: str
) -> None:
    make_tasks(workspace, tmp_path, 1)
    finish(workspace.store)
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(UsageError) as caught:
        run(workspace, file)
    assert str(caught.value) == f"{file} is a file; give the path or URL of a folder"
    with pytest.raises(StorageRefusedError) as refused:
        run(workspace, file / "folder")
    assert "cannot be written: Not a directory" in str(refused.value)
    with pytest.raises(StorageRefusedError) as refused:
        run(workspace, f"s3://no-{s3_bucket}/lake")
    assert "cannot be written" in str(refused.value)
    assert run(workspace, tmp_path / "lake").exported == 1


@pytest.mark.parametrize("kind", ResultFormat)
def test_the_command_takes_the_name_of_each_format(
    configured: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: ResultFormat
) -> None:
    make_tasks(configured, tmp_path, 1)
    finish(configured.store)
    seeding = Seeding(capsys)
    place = str(tmp_path / "lake")
    status, report = seeding.json("results", "export", LABEL, place, "--format", kind.value)
    assert (status, report["format"], report["exported"]) == (0, kind.value, 1)
    assert report["files"][0].endswith(f".{kind.value}")
    if kind.value in {text.value for text in TextFormat}:
        assert seeding("results", "show", LABEL, "--format", kind.value)[0] == 0


def test_a_password_is_not_stored(workspace: Workspace) -> None:
    request = ExportRequest(pipeline=LABEL, destination="ftp://ann:secret@host/lake")
    assert (request.shown_place, request.scope) == (
        "ftp://host/lake", "parquet ftp://host/lake",
    )  # fmt: skip


def test_news_are_announced_once(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 1)
    finish(workspace.store)
    run(workspace, tmp_path / "lake")
    run(workspace, tmp_path / "lake")
    events: list[Any] = []
    for _ in range(2):
        at = workspace.store.now() + timedelta(minutes=2)
        announce_due(workspace.store, events.extend, at=at)
    [payload] = [e.payload for e in events if e.event == "seeding.results.exported"]
    assert payload == {
        "pipeline": LABEL,
        "pipeline_id": 1,
        "group_id": None,
        "exported": 1,
        "destination": str(tmp_path / "lake"),
        "message": f"Exported 1 task of {LABEL} to {tmp_path / 'lake'}.",
    }


def test_a_relative_folder_is_the_same_as_an_absolute_one(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tasks(workspace, tmp_path, 1)
    finish(workspace.store)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run(workspace, "../lake").exported == 1
    assert run(workspace, tmp_path / "lake").exported == 0


def test_the_command_prints_one_document(
    configured: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeding = Seeding(capsys)
    assert seeding.json("results", "show", LABEL) == (0, {"items": [], "until": 0})
    make_tasks(configured, tmp_path, 2)
    finish(configured.store, values={"sentiment": "good"})
    status, document = seeding.json("results", "show", LABEL, "--group", "1")
    assert (status, [row["task_id"] for row in document["items"]]) == (0, [1])
    assert seeding.json("results", "show", LABEL, "--after", str(document["until"])) == (
        0, {"items": [], "until": document["until"]},
    )  # fmt: skip
    assert seeding("results", "show", LABEL, "--limit", "0") == (
        2, "", "error: the limit is 0; it must be at least 1\n",
    )  # fmt: skip
