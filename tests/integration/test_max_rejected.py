"""More rejected rows than ``max_rejected`` make a seeding fail, and nothing is created."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from command_line import Seeding
from photos import HEADER, PATH as PHOTO_PATH, photo_workspace, png, write_zip
from tasks_lib.domain.report import Report, ReportError
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import UsageError
from tasks_lib.operations.groups.read import find_report
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.seeding.seed_from_zip import ZipRequest, seed_from_zip
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.tables.files import StoredFileRow
from vault import (
    CHECK,
    LABEL,
    append,
    finish,
    has_no_groups,
    put,
    seed_dataset,
    seed_pipeline,
    tasks_of,
    write,
)

SKIP = OnError.SKIP_ROWS
CsvFile = Callable[..., str]


def rows(good: int, bad: int) -> str:
    """Return a CSV with the bad rows in front, where they could end the reading."""
    lines = [f"bad-{n},body,9\n" for n in range(bad)] + [f"{n},body,5\n" for n in range(good)]
    return "review_id,body,stars\n" + "".join(lines)


def seed(workspace: Workspace, source: str, max_rejected: str, *, dry_run: bool = False) -> Report:
    request = CsvRequest(
        pipeline=LABEL, source=source, on_error=SKIP, max_rejected=max_rejected, dry_run=dry_run
    )
    return seed_from_csv(workspace, request, run_id="run-1").report


def excess(sentence: str) -> ReportError:
    return ReportError(row=None, field=None, code="too_many_rejected", message=sentence)


def bad_row(number: int) -> ReportError:
    message = "'9' is above the maximum 5"
    return ReportError(row=number, field="stars", code="above_maximum", message=message)


def numbers_of_rejects(report: Report) -> list[str]:
    assert report.rejects_uri is not None
    with Path(urlsplit(report.rejects_uri).path).open(encoding="utf-8", newline="") as file:
        return [row["_row"] for row in csv.DictReader(file)]


@pytest.mark.parametrize(("max_rejected", "bad"), [("5%", 5), ("5", 5), ("100%", 99), ("", 99)])
def test_as_many_rejected_rows_as_allowed_are_skipped(
    workspace: Workspace, csv_file: CsvFile, max_rejected: str, bad: int
) -> None:
    source = csv_file(rows(100 - bad, bad))
    assert seed(workspace, source, max_rejected) == Report(
        group_id=1,
        pipeline_id=1,
        created=100 - bad,
        rejected=bad,
        source=source,
        rejects_uri=f"{workspace.storage.root}/rejects/run-1.csv",
        errors=tuple(bad_row(number) for number in range(1, bad + 1)),
    )
    assert len(tasks_of(workspace)) == 100 - bad


@pytest.mark.parametrize("max_rejected", ["5%", "5"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_one_more_rejects_the_file_with_all_its_bad_rows(
    workspace: Workspace, csv_file: CsvFile, max_rejected: str, dry_run: bool
) -> None:
    source = csv_file(rows(94, 6))
    report = seed(workspace, source, max_rejected, dry_run=dry_run)
    allowed = f"6 of 100 rows cannot be used, and max_rejected allows {max_rejected}"
    assert report == Report(
        pipeline_id=1,
        rejected=6,
        dry_run=dry_run,
        source=source,
        rejects_uri=None if dry_run else f"{workspace.storage.root}/rejects/run-1.csv",
        errors=(excess(allowed), *(bad_row(number) for number in range(1, 7))),
    )
    assert report.sentence == (
        f"'reviews.csv' was rejected, nothing was created: 6 rows rejected; {allowed} "
        "(and 6 more problems)."
    )
    assert (tasks_of(workspace), has_no_groups(workspace)) == ([], True)
    assert find_report(workspace.store, "run-1") == (None if dry_run else report)
    if not dry_run:
        assert numbers_of_rejects(report) == ["1", "2", "3", "4", "5", "6"]


def test_the_rejects_file_of_a_large_file_is_complete_although_nothing_is_inserted(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    report = seed(workspace, csv_file(rows(50_000, 3_000)), "10")
    assert (report.created, report.rejected, report.errors[0]) == (
        0, 3_000, excess("3,000 of 53,000 rows cannot be used, and max_rejected allows 10"),
    )  # fmt: skip
    assert numbers_of_rejects(report) == [str(number) for number in range(1, 3_001)]


def test_a_corrected_file_and_a_higher_maximum_are_seeded_afterwards(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    source = csv_file(rows(9, 1))
    assert seed(workspace, source, "9%").created == 0
    assert seed(workspace, source, "10%").created == 9


def test_a_file_without_rows_has_no_share_of_bad_rows(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    report = seed(workspace, csv_file("review_id,body,stars\n"), "0%")
    assert [error.code for error in report.errors] == ["no_rows"]


def test_only_the_rows_of_a_dataset_that_are_new_count(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, rows(100, 0)))
    options = {"on_error": SKIP, "max_rejected": "50%"}
    assert seed_dataset(vault, **options).created == 100
    append(vault, tmp_path, "review_id,body,stars\na,one,9\nb,two,9\nc,three,3\n")
    report = seed_dataset(vault, run_id="run-2", **options)
    assert report == Report(
        pipeline_id=1,
        rejected=2,
        source="reviews",
        rejects_uri=f"{vault.storage.root}/rejects/run-2.csv",
        errors=(
            excess("2 of 3 rows cannot be used, and max_rejected allows 50%"),
            bad_row(101),
            bad_row(102),
        ),
    )
    assert len(tasks_of(vault)) == 100
    again = seed_dataset(vault, run_id="run-3", on_error=SKIP, max_rejected="2")
    assert (again.created, again.rejected, again.already_seeded) == (1, 2, 100)


def test_a_dataset_without_new_rows_is_no_failure(vault: Workspace, tmp_path: Path) -> None:
    put(vault, write(tmp_path, rows(2, 0)))
    seed_dataset(vault)
    report = seed_dataset(vault, run_id="run-2", on_error=SKIP, max_rejected="0%")
    assert report == Report(pipeline_id=1, already_seeded=2, source="reviews")


def test_new_bad_rows_fail_although_the_others_were_seeded(
    vault: Workspace, tmp_path: Path
) -> None:
    put(vault, write(tmp_path, rows(2, 0)))
    seed_dataset(vault)
    append(vault, tmp_path, "review_id,body,stars\na,one,9\n")
    for dry_run in (True, False):
        report = seed_dataset(
            vault, run_id="run-2", on_error=SKIP, max_rejected="0", dry_run=dry_run
        )
        assert (report.is_rejection, report.already_seeded, report.errors) == (
            True,
            0,
            (
                excess("1 of 1 row cannot be used, and max_rejected allows 0"),
                bad_row(3),
            ),
        )


def test_the_finished_tasks_of_a_pipeline_count(vault: Workspace, tmp_path: Path) -> None:
    source = write(tmp_path, "review_id,body,stars\n1,one,\n2,two,2\n3,three,3\n")
    seed_from_csv(vault, CsvRequest(pipeline=LABEL, source=source), run_id="csv")
    finish(vault, [1, 2, 3])
    mapping = {"review_id": "stars"}  # the first task has none
    rejected = seed_pipeline(vault, mapping=mapping, on_error=SKIP, max_rejected="33%")
    assert (rejected.created, rejected.rejected, rejected.errors[0]) == (
        0, 1, excess("1 of 3 rows cannot be used, and max_rejected allows 33%"),
    )  # fmt: skip
    assert has_no_groups(vault, CHECK)
    assert seed_pipeline(vault, mapping=mapping, on_error=SKIP, max_rejected="34%").created == 2


@pytest.fixture(params=["sqlite and a folder", "postgresql and s3"])
def photos(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    with photo_workspace(request, tmp_path) as workspace:
        yield workspace


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param("a.png,,\n", id="known before the files are read"),
        pytest.param("notes.txt,Ridge,\n", id="known once they are read"),
    ],
)
def test_the_rows_of_an_archive_count_and_no_file_is_stored_if_they_are_bad(
    photos: Workspace, tmp_path: Path, bad: str
) -> None:
    files = {"a.png": png("a"), "notes.txt": b"plain text"}
    source = write_zip(tmp_path / "photos.zip", f"{HEADER}a.png,Harbour,\n{bad}", files)

    def seed_zip(max_rejected: str) -> Report:
        request = ZipRequest(
            pipeline=PHOTO_PATH, source=source, on_error=SKIP, max_rejected=max_rejected
        )
        return seed_from_zip(photos, request, run_id=max_rejected).report

    rejected = seed_zip("49%")
    assert (rejected.created, rejected.rejected, rejected.errors[0]) == (
        0, 1, excess("1 of 2 rows cannot be used, and max_rejected allows 49%"),
    )  # fmt: skip
    if bad.startswith("a.png"):
        with photos.store.read() as session:
            assert session.query(StoredFileRow).count() == 0
    assert (seed_zip("50%").created, len(tasks_of(photos, PHOTO_PATH))) == (1, 1)


def test_a_wrong_value_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match=r"^max_rejected is '5 percent'; it must be "):
        CsvRequest(pipeline=LABEL, source="nothing.csv", on_error=SKIP, max_rejected="5 percent")


def test_the_command_ends_with_1_and_prints_why(
    capsys: pytest.CaptureFixture[str], csv_file: CsvFile, catalogue_file: Path
) -> None:
    seeding = Seeding(capsys)
    seeding("apply", str(catalogue_file))
    source = csv_file(rows(1, 1))
    command = ("seed", "csv", LABEL, source, "--on-error", "skip-rows", "--max-rejected")
    status, report = seeding.json(*command, "49%")
    assert (status, report["created"], report["errors"][0]) == (
        1,
        0,
        {
            "row": None, "field": None, "code": "too_many_rejected",
            "message": "1 of 2 rows cannot be used, and max_rejected allows 49%",
        },
    )  # fmt: skip
    assert seeding(*command, "x")[0] == 2
    assert seeding(*command, "50%")[0] == 0
