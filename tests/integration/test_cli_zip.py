"""Seeding from a ZIP on the command line, for people and for programs."""

import json
from pathlib import Path

import fsspec
import pytest

from command_line import Seeding
from photos import CATALOGUE, HEADER, PATH, png, write_zip

ROWS = f"{HEADER}a/dawn.png,Harbour,\n"
FILES = {"a/dawn.png": png("dawn"), "b.txt": b"?", "c.txt": b"?"}
WARNING = "2 files of the archive are named by no row: 'b.txt', 'c.txt'"


@pytest.fixture
def seeding(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Seeding:
    """Run commands in an empty folder, with the pipeline of photos in the store."""
    monkeypatch.chdir(tmp_path)
    Path("photos.yaml").write_text(CATALOGUE, encoding="utf-8")
    seeding = Seeding(capsys)
    assert seeding("apply", "photos.yaml")[0] == 0
    return seeding


def seed(seeding: Seeding, rows: str, *options: str) -> tuple[int, str, str]:
    write_zip(Path("photos.zip"), rows, FILES)
    return seeding("seed", "zip", PATH, "photos.zip", *options)


def test_an_archive_becomes_tasks_and_unused_files_get_a_warning(seeding: Seeding) -> None:
    assert seed(seeding, ROWS) == (
        0,
        f"'photos.zip' created 1 task in group 1. Pipeline: {PATH}.\n",
        f"warning: {WARNING}\n",
    )


def test_only_the_report_goes_to_standard_output_as_json(seeding: Seeding) -> None:
    status, out, err = seed(seeding, ROWS, "--json")
    assert (status, err) == (0, f"warning: {WARNING}\n")
    assert json.loads(out) == {
        "group_id": 1, "pipeline_id": 1, "created": 1, "rejected": 0, "already_seeded": 0,
        "changed": 0, "updated": 0, "withdrawn": 0,
        "dry_run": False, "source": "photos.zip", "rejects_uri": None, "errors": [],
        "warnings": [WARNING],
    }  # fmt: skip


def test_a_task_is_shown_with_a_link_that_opens_its_file(seeding: Seeding) -> None:
    seed(seeding, ROWS)
    status, task = seeding.json("tasks", "show", "1")
    assert (status, list(task["links"])) == (0, ["photo"])
    with fsspec.open(task["links"]["photo"]) as file:
        assert file.read() == png("dawn")
    status, out, _ = seeding("tasks", "show", "1")
    assert f"    {task['links']['photo']}" in out.splitlines()


def test_rows_that_are_rejected_are_kept_with_the_reasons(seeding: Seeding, tmp_path: Path) -> None:
    status, out, err = seed(seeding, f"{HEADER}A/dawn.png,Harbour,none.txt\n")
    assert (status, err) == (
        1,
        "warning: 3 files of the archive are named by no row: 'a/dawn.png', 'b.txt', 'c.txt'\n"
        "'photos.zip' was rejected, nothing was created: 1 row rejected; row 1, photo: "
        "'A/dawn.png' is not in the archive; did you mean 'a/dawn.png'? (and 1 more problem).\n",
    )
    title, _, uri = out.splitlines()[-1].partition(": ")
    assert title == "Rejects file, with what is wrong with each row"
    with fsspec.open(uri, "rt", encoding="utf-8-sig") as file:
        assert file.read().splitlines() == [
            "photo,place,notes,_row,_errors",
            "A/dawn.png,Harbour,none.txt,1,photo: 'A/dawn.png' is not in the archive; "
            "did you mean 'a/dawn.png'?; notes: 'none.txt' is not in the archive",
        ]


@pytest.mark.parametrize(
    ("rows", "options", "sentence"),
    [
        pytest.param(
            "photo,plce,notes\na/dawn.png,Harbour,\n",
            [],
            "'rows.csv': column 'plce' is not a dataset field of the pipeline; "
            "did you mean 'place'? (and 1 more problem)",
            id="header",
        ),
        pytest.param(
            HEADER,
            [],
            "'rows.csv': the file has a header but no data rows, so there is no task to create",
            id="no rows",
        ),
        pytest.param(
            "PK\3\4",
            [],
            "'rows.csv': the file is not CSV, but an Excel workbook or a ZIP archive; "
            "export it as CSV, or import it as a dataset",
            id="an archive",
        ),
        pytest.param(
            ROWS,
            ["--encoding", "klingon"],
            "'rows.csv': the encoding 'klingon' is not known, or not one of files; "
            "try cp1252, latin-1, utf-16 or shift_jis",
            id="encoding",
        ),
    ],
)
def test_an_error_of_the_whole_csv_is_one_sentence_with_its_name(
    seeding: Seeding, rows: str, options: list[str], sentence: str
) -> None:
    status, _, err = seed(seeding, rows, *options)
    assert (status, err) == (
        1,
        f"'photos.zip' was rejected, nothing was created: {sentence}.\n",
    )
