"""Where a command writes: a pipe whose reader has left, a full disk, another encoding, a file."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from command_line import Seeding
from tasks_lib.cli import run

PATH = "acme/reviews/label-reviews"
FULL = "error: the disk is full: [Errno 28] No space left on device; free some space\n"
NO_PIPELINE = (
    "error: there is no pipeline '99'; name one by its number or as organization/project/pipeline\n"
)


@pytest.fixture
def folder(catalogue_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder, beside a store with a dataset whose row needs more than ASCII."""
    assert run(["apply", str(catalogue_file)]) == 0
    source = tmp_path / "words.csv"
    source.write_text("word\n\u65e5\u672c\n", encoding="utf-8")
    assert run(["dataset", "import", "acme", "words", str(source)]) == 0
    return tmp_path


def start(
    *arguments: str, stdout: Any = subprocess.PIPE, environment: Mapping[str, str] | None = None
) -> tuple[int, bytes, str]:
    """Run the command in a process of its own; return its status and what it wrote."""
    child = subprocess.run(
        [sys.executable, "-m", "tasks_lib", *arguments],
        stdout=stdout, stderr=subprocess.PIPE, env=os.environ | (environment or {}), check=False,
    )  # fmt: skip
    return child.returncode, child.stdout or b"", child.stderr.decode()


@pytest.mark.parametrize(
    ("line", "status", "error"),
    [
        ("--help", 3, FULL),
        ("dataset list acme", 3, FULL),
        ("dataset list acme --json", 3, FULL),
        ("dataset export acme words", 3, FULL),
        ("tasks list 99 --json", 2, NO_PIPELINE),
    ],
)
def test_a_full_disk_ends_in_a_sentence(folder: Path, line: str, status: int, error: str) -> None:
    with Path("/dev/full").open("wb") as full:
        assert start(*line.split(), stdout=full) == (status, b"", error)


@pytest.mark.parametrize(
    ("line", "status", "error"),
    [
        ("--help", 0, ""),
        ("dataset list acme", 0, ""),
        ("dataset list acme --json", 0, ""),
        ("dataset export acme words", 0, ""),
        ("tasks list 99 --json", 2, NO_PIPELINE),
    ],
)
def test_a_reader_that_leaves_is_no_error(folder: Path, line: str, status: int, error: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert start(*line.split(), stdout=writer) == (status, b"", error)
    finally:
        os.close(writer)


def test_programs_read_utf_8_whatever_the_locale_is(folder: Path) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    line = ("dataset", "export", "acme", "words")
    row = '{"word":"\u65e5\u672c"}\n'.encode()
    assert start(*line, environment=ascii_only) == (0, row, "")


def test_an_export_replaces_a_file_only_on_request(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeding = Seeding(capsys)
    line = ("dataset", "export", "acme", "words", "-o", str(folder / "out.jsonl"))
    row = '{"word":"\u65e5\u672c"}\n'
    assert seeding(*line) == (0, "", "")
    assert (folder / "out.jsonl").read_text(encoding="utf-8") == row
    (folder / "out.jsonl").write_text("mine")
    error = f"error: {folder / 'out.jsonl'} exists; to replace it, add --overwrite\n"
    assert seeding(*line) == (2, "", error)
    assert (folder / "out.jsonl").read_text() == "mine"
    assert seeding(*line, "--overwrite") == (0, "", "")
    assert (folder / "out.jsonl").read_text(encoding="utf-8") == row
    assert seeding(*line[:-1], "/dev/full", "--overwrite") == (3, "", FULL)
    assert Path("/dev/full").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.csv", "out.csv would hold JSON, not what its name says; name it out.jsonl"),
        (
            "s3://inbox/out.jsonl",
            "Invalid value for --output: s3://inbox/out.jsonl is a URL; give the path of a file on "
            "this machine",
        ),
    ],
)
def test_a_name_that_an_export_cannot_have_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    line = ("dataset", "export", "acme", "words", "--output", name)
    assert Seeding(capsys)(*line) == (2, "", f"error: {message}\n")


def test_a_template_is_not_named_like_another_format() -> None:
    error = "error: out.xlsx would hold CSV, not what its name says; name it out.csv\n"
    assert start("template", "1", "-o", "out.xlsx") == (2, b"", error)
