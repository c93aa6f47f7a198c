"""A ZIP becomes tasks with files: all or none, once, on both databases and both storages."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import fsspec
import httpx
import pytest

from photos import CATALOGUE, HEADER, PATH, photo_workspace, png, write_zip
from servers import PATIENCE_SECONDS
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.progress import Progress
from tasks_lib.domain.report import Report, ReportError
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import StorageUnavailableError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.seeding import seed_from_zip as act
from tasks_lib.operations.seeding.reports import LoadRejectedError, Seeded
from tasks_lib.operations.seeding.seed_from_zip import ZipRequest, seed_from_zip
from tasks_lib.operations.tasks.read import find_task, link_files, list_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.tables.files import GroupFileRow, StoredFileRow
from web import FileContent, serve_content

DAWN, NOON, NOTES = png("dawn"), png("noon"), b"taken by hand"
ROWS = f"{HEADER}a/dawn.png,Harbour,notes.txt\na/noon.png,Meadow,\na/dawn.png,Ridge,\n"
FILES = {"a/dawn.png": DAWN, "a/noon.png": NOON, "notes.txt": NOTES}
Zip = Callable[..., str]


@pytest.fixture(params=["sqlite and a folder", "postgresql and s3"])
def photos(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    with photo_workspace(request, tmp_path) as workspace:
        yield workspace


@pytest.fixture
def zip_file(tmp_path: Path) -> Zip:
    """Write an archive and return its path."""

    def write(
        rows: str = ROWS, files: Mapping[str, bytes] = FILES, name: str = "photos.zip", **kind: str
    ) -> str:
        return write_zip(tmp_path / name, rows, files, **kind)

    return write


def seed(workspace: Workspace, source: str, *, run_id: str = "run-1", **options: Any) -> Report:
    return seed_fully(workspace, source, run_id=run_id, **options).report


def seed_fully(
    workspace: Workspace, source: str, *, run_id: str = "run-1", **options: Any
) -> Seeded:
    return seed_from_zip(
        workspace, ZipRequest(pipeline=PATH, source=source, **options), run_id=run_id
    )


def value(workspace: Workspace, name: str, content: bytes, content_type: str) -> dict[str, Any]:
    digest = sha256(content).hexdigest()
    return {
        "uri": f"{workspace.storage.root}/files/{digest[:2]}/{digest}",
        "name": name,
        "size": len(content),
        "sha256": digest,
        "content_type": content_type,
    }


def tasks_of(workspace: Workspace) -> list[tuple[int, str, dict[str, Any]]]:
    page = list_tasks(workspace.store, PATH, limit=10_000)
    return [(task.origin.row, task.status, json.loads(task.fields)) for task in page]


def stored(workspace: Workspace) -> dict[str, bytes]:
    """Return the content of every file in the storage, by URI."""
    root = f"{workspace.storage.root}/files"
    filesystem, path = fsspec.url_to_fs(root, skip_instance_cache=True)
    return {
        filesystem.unstrip_protocol(path_of_file): filesystem.cat_file(path_of_file)
        for path_of_file in filesystem.find(path)
    }


def references(workspace: Workspace) -> set[tuple[int, str]]:
    with workspace.store.read() as session:
        return {(row.group_id, row.uri) for row in session.query(GroupFileRow)}


def test_each_row_becomes_a_task_with_its_files(photos: Workspace, zip_file: Zip) -> None:
    source = zip_file()
    seeded = seed_fully(photos, source)
    assert seeded.report == Report(group_id=1, pipeline_id=1, created=3, source=source)
    assert (seeded.rows_read, seeded.files, seeded.warnings) == (3, 3, ())
    dawn = value(photos, "dawn.png", DAWN, "image/png")
    noon = value(photos, "noon.png", NOON, "image/png")
    notes = value(photos, "notes.txt", NOTES, "text/plain")
    assert tasks_of(photos) == [
        (1, "pending", {"photo": dawn, "place": "Harbour", "notes": notes}),
        (2, "pending", {"photo": noon, "place": "Meadow", "notes": None}),
        (3, "pending", {"photo": dawn, "place": "Ridge", "notes": None}),
    ]
    assert stored(photos) == {dawn["uri"]: DAWN, noon["uri"]: NOON, notes["uri"]: NOTES}
    assert references(photos) == {(1, file["uri"]) for file in (dawn, noon, notes)}
    (group,) = list_groups(photos.store, PATH)
    assert (group.kind, group.source, group.tasks) == ("zip", source, 3)


def test_a_tasks_file_opens_by_its_link(photos: Workspace, zip_file: Zip) -> None:
    seed(photos, zip_file())
    links = link_files(photos, find_task(photos.store, 1))
    assert list(links) == ["photo", "notes"]
    if links["photo"].startswith("file:"):
        with fsspec.open(links["photo"]) as file:
            assert file.read() == DAWN
    else:
        answer = httpx.get(links["photo"], timeout=PATIENCE_SECONDS)
        assert (answer.content, answer.headers["content-type"]) == (DAWN, "image/png")
    assert list(link_files(photos, find_task(photos.store, 2))) == ["photo"]


def test_an_archive_on_s3_is_read_there(photos: Workspace, zip_file: Zip, s3_bucket: str) -> None:
    boto3.client("s3").upload_file(zip_file(), s3_bucket, "inbox/photos.zip")
    assert seed(photos, f"s3://{s3_bucket}/inbox/photos.zip").created == 3
    assert sorted(stored(photos).values()) == sorted([DAWN, NOON, NOTES])


def test_only_the_referenced_files_of_a_ten_gigabyte_archive_are_fetched(
    photos: Workspace, tmp_path: Path
) -> None:
    source = tmp_path / "large.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("rows.csv", f"{HEADER}dawn.png,Harbour,\nnoon.png,Meadow,\n")
        archive.writestr("dawn.png", DAWN)
        _leave_room(archive, "film.mp4", 10 * 2**30)
        archive.writestr("noon.png", NOON)
    with serve_content(FileContent(source)) as web:
        seeded = seed_fully(photos, web.url)
    assert seeded.report == Report(group_id=1, pipeline_id=1, created=2, source=web.url)
    assert seeded.warnings == ("1 file of the archive is named by no row: 'film.mp4'",)
    assert sorted(stored(photos).values()) == sorted([DAWN, NOON])
    assert source.stat().st_size > 10 * 2**30
    assert web.sent < 2**20


def _leave_room(archive: zipfile.ZipFile, name: str, size: int) -> None:
    """Add a member of zeros that are neither written nor read."""
    member = zipfile.ZipInfo(name)
    member.file_size = member.compress_size = size
    member.CRC = 0
    member.header_offset = archive.start_dir
    assert archive.fp is not None
    archive.fp.seek(archive.start_dir)
    archive.fp.write(member.FileHeader(zip64=True))
    archive.start_dir = archive.fp.tell() + size
    archive.filelist.append(member)


def test_the_same_content_repacked_is_seeded_once(photos: Workspace, zip_file: Zip) -> None:
    seed(photos, zip_file())
    again = zip_file(files={**FILES, "more.txt": b"?"}, name="again.zip", csv_name="other.csv")
    seeded = seed_fully(photos, again, run_id="run-2")
    assert seeded.report == Report(group_id=1, pipeline_id=1, already_seeded=3, source=again)
    assert seeded.warnings == ("1 file of the archive is named by no row: 'more.txt'",)
    assert len(tasks_of(photos)) == 3


def test_a_different_file_under_the_same_name_is_new_content(
    photos: Workspace, zip_file: Zip
) -> None:
    seed(photos, zip_file())
    changed = zip_file(files={**FILES, "a/noon.png": png("later")}, name="changed.zip")
    assert seed(photos, changed, run_id="run-2").created == 3
    assert sorted(stored(photos).values()) == sorted([DAWN, NOON, png("later"), NOTES])


def test_a_retried_run_gets_its_own_report_again(photos: Workspace, zip_file: Zip) -> None:
    source = zip_file()
    assert seed(photos, source) == seed(photos, source)
    assert len(tasks_of(photos)) == 3


def test_six_concurrent_runs_of_one_archive_create_its_tasks_once(
    photos: Workspace, zip_file: Zip
) -> None:
    source = zip_file()
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda n: seed(photos, source, run_id=f"run-{n}"), range(6)))
    assert sorted((report.created, report.already_seeded) for report in reports) == [
        *[(0, 3)] * 5,
        (3, 0),
    ]
    assert len(tasks_of(photos)) == 3
    assert len(stored(photos)) == 3


BAD_ROWS = (
    f"{HEADER}a/dawn.png,Harbour,\na/DAWN.PNG,Meadow,\n../dawn.png,Ridge,\nnotes.txt,Pier,\n"
    "large.png,,\n,Fjord,\n"
)
BAD_FILES = {**FILES, "large.png": png("x" * 1000)}
BAD_CELLS = [
    (2, "photo", "file_not_found",
     "'a/DAWN.PNG' is not in the archive; did you mean 'a/dawn.png'?"),
    (3, "photo", "invalid_path",
     "'../dawn.png' holds '..'; give a path inside the archive"),
    (4, "photo", "content_type_not_allowed",
     "'notes.txt' is text/plain, as its content says; allowed are image/*"),
    (5, "photo", "file_too_large", "'large.png' has 1,016 bytes, 1,000 are allowed"),
    (5, "place", "required", "is required, but the cell is empty"),
    (6, "photo", "required", "is required, but the cell is empty"),
]  # fmt: skip


def errors(report: Report) -> list[tuple[int | None, str | None, str, str]]:
    return [(error.row, error.field, error.code, error.message) for error in report.errors]


def test_skipped_rows_come_back_with_the_reason_for_each_file(
    photos: Workspace, zip_file: Zip
) -> None:
    report = seed(photos, zip_file(BAD_ROWS, BAD_FILES), on_error=OnError.SKIP_ROWS)
    assert errors(report) == BAD_CELLS
    assert (report.created, report.rejected) == (1, 5)
    assert [row for row, _, _ in tasks_of(photos)] == [1]
    assert report.rejects_uri is not None
    with fsspec.open(report.rejects_uri, "rt", encoding="utf-8-sig", newline="") as file:
        rejects = list(csv.DictReader(io.StringIO(file.read())))
    assert [(row["photo"], row["_row"], row["_errors"]) for row in rejects][:2] == [
        ("a/DAWN.PNG", "2", f"photo: {BAD_CELLS[0][3]}"),
        ("../dawn.png", "3", f"photo: {BAD_CELLS[1][3]}"),
    ]
    assert references(photos) == {(1, value(photos, "", DAWN, "")["uri"])}


def test_one_bad_row_rejects_the_archive_before_a_file_is_stored(
    photos: Workspace, zip_file: Zip
) -> None:
    source = zip_file(BAD_ROWS, BAD_FILES)
    report = seed(photos, source)
    cells = [cell for cell in BAD_CELLS if cell[2] != "content_type_not_allowed"]
    assert errors(report) == cells
    assert report == Report(
        pipeline_id=1,
        rejected=4,
        source=source,
        rejects_uri=f"{photos.storage.root}/rejects/run-1.csv",
        errors=tuple(ReportError(row=r, field=f, code=c, message=m) for r, f, c, m in cells),
    )
    assert (tasks_of(photos), stored(photos)) == ([], {})


def test_a_file_of_the_wrong_kind_rejects_the_archive(photos: Workspace, zip_file: Zip) -> None:
    source = zip_file(f"{HEADER}a/dawn.png,Harbour,\nnotes.txt,Pier,\n")
    assert errors(seed(photos, source)) == [
        (2, "photo", "content_type_not_allowed",
         "'notes.txt' is text/plain, as its content says; allowed are image/*"),
    ]  # fmt: skip
    assert tasks_of(photos) == []


def test_a_dry_run_checks_the_files_and_stores_nothing(photos: Workspace, zip_file: Zip) -> None:
    source = zip_file()
    assert seed(photos, source, dry_run=True) == Report(
        pipeline_id=1, created=3, dry_run=True, source=source
    )
    bad = zip_file(f"{HEADER}notes.txt,Pier,\n", name="bad.zip")
    assert [code for _, _, code, _ in errors(seed(photos, bad, dry_run=True))] == [
        "content_type_not_allowed"
    ]
    assert (tasks_of(photos), stored(photos)) == ([], {})
    with photos.store.read() as session:
        assert session.query(StoredFileRow).count() == 0


def test_a_dry_run_finds_an_earlier_seeding(photos: Workspace, zip_file: Zip) -> None:
    seed(photos, zip_file())
    assert seed(photos, zip_file(), run_id="run-2", dry_run=True).already_seeded == 3


def test_a_damaged_member_rejects_the_archive(photos: Workspace, zip_file: Zip) -> None:
    source = Path(zip_file())
    content = bytearray(source.read_bytes())
    start = content.index(b"a/noon.png") + len("a/noon.png")
    content[start + 12] ^= 0xFF
    source.write_bytes(content)
    for on_error in OnError:
        report = seed(photos, str(source), on_error=on_error)
        assert [code for _, _, code, _ in errors(report)] == ["damaged_archive"]
    assert tasks_of(photos) == []


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ("photo,place\na/dawn.png,Harbour\n", "missing_column"),
        (HEADER, "no_rows"),
        ("PK\3\4", "not_csv"),
        ('photo,place,notes\n"a,b', "unclosed_quote"),
    ],
)
def test_errors_of_the_csv_are_reported_as_for_a_plain_csv(
    photos: Workspace, zip_file: Zip, rows: str, code: str
) -> None:
    report = seed(photos, zip_file(rows))
    assert [error.code for error in report.errors] == [code]


def test_a_file_that_is_not_a_zip_is_refused(photos: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    path.write_text("not a zip", encoding="utf-8")
    assert [code for _, _, code, _ in errors(seed(photos, str(path)))] == ["not_zip"]


def test_the_csv_can_be_named(photos: Workspace, zip_file: Zip) -> None:
    files = {**FILES, "old.csv": b"photo\n"}
    source = zip_file(files=files)
    assert [code for _, _, code, _ in errors(seed(photos, source))] == ["several_csvs"]
    assert seed(photos, source, csv_name="rows.csv").created == 3


def test_rows_and_files_are_bounded_by_the_limits(photos: Workspace, zip_file: Zip) -> None:
    narrow = Workspace(photos.store, photos.storage, Limits(max_archive_entries=3))
    assert [code for _, _, code, _ in errors(seed(narrow, zip_file()))] == ["too_many_entries"]


def test_progress_reports_files_and_then_rows(photos: Workspace, zip_file: Zip) -> None:
    seen: list[Progress] = []
    request = ZipRequest(pipeline=PATH, source=zip_file())
    seed_from_zip(photos, request, run_id="run-1", on_progress=seen.append)
    total = len(DAWN) + len(NOON) + len(NOTES)
    assert seen[0] == Progress(total, total, 3, "file")
    assert seen[-1].sentence == "3 rows"


def test_fields_changed_between_reading_and_writing_reject_the_archive(
    photos: Workspace, zip_file: Zip, tmp_path: Path
) -> None:
    """The files were checked against the fields before the change."""
    from contextlib import ExitStack

    request = ZipRequest(pipeline=PATH, source=zip_file())
    pipeline = find_pipeline(photos.store, PATH)
    with ExitStack() as resources:
        survey = act.survey_zip(photos, pipeline, request, tmp_path, resources)
        files = act.store_named_files(photos, request, survey)
        changed = tmp_path / "changed.yaml"
        changed.write_text(CATALOGUE.replace("max_bytes: 1000", "max_bytes: 20"), encoding="utf-8")
        apply_catalogue(photos.store, changed)
        with pytest.raises(LoadRejectedError) as caught:
            act.load_zip(photos, pipeline, request, survey, files, run_id="run-1")
    assert [code for _, _, code, _ in errors(caught.value.seeded.report)] == ["pipeline_changed"]
    assert tasks_of(photos) == []


def test_an_unavailable_storage_leaves_nothing(photos: Workspace, zip_file: Zip) -> None:
    nowhere = Storage("s3://no-such-bucket/x", retry_seconds=0)
    away = Workspace(photos.store, nowhere, Limits(retry_seconds=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        with pytest.raises(StorageUnavailableError):
            seed(away, zip_file())
    assert tasks_of(photos) == []
    assert seed(photos, zip_file()).created == 3
