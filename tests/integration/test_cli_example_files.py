"""The command ``examples`` copies the example files, and overwrites nothing."""

from pathlib import Path

import pytest

from command_line import Seeding
from deployments.repository import ROOT

EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_file())
FILES = {path.name: path.read_bytes() for path in EXAMPLES}


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def documents(folder: Path, **outcomes: str) -> dict[str, object]:
    return {
        "folder": str(folder),
        "files": [{"file": name, "outcome": outcomes.get(name, "created")} for name in FILES],
    }


def test_the_examples_are_copied_to_a_new_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "a" / "b"
    assert Seeding(capsys).json("examples", str(folder)) == (0, documents(folder))
    assert files_in(folder) == FILES


def test_a_file_that_is_there_already_stays(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "reviews.csv").write_bytes(FILES["reviews.csv"])
    expected = documents(tmp_path, **{"reviews.csv": "unchanged"})
    assert Seeding(capsys).json("examples", str(tmp_path)) == (0, expected)
    assert files_in(tmp_path) == FILES


def test_a_file_with_other_content_is_not_overwritten_and_nothing_is_copied(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "shop.db").write_bytes(b"mine")
    message = (
        f"error: {tmp_path}/shop.db exists and is not the example of this release; "
        "name another folder\n"
    )
    assert Seeding(capsys)("examples", str(tmp_path)) == (2, "", message)
    assert files_in(tmp_path) == {"shop.db": b"mine"}


def test_a_folder_that_cannot_be_written_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    status, out, message = Seeding(capsys)("examples", str(tmp_path / "file"))
    assert (status, out) == (2, "")
    assert message.startswith(f"error: {tmp_path}/file")
