"""The beginning of a large file of rejected rows, for the page of a run."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.rows.dialects import Dialect, Quote
from tasks_lib.errors import Problem
from tasks_lib.intake.rows.blocks import BadRow
from tasks_lib.intake.rows.rejects import RejectsFile
from tasks_lib.operations.seeding.rejects import MAX_SHOWN_BYTES, Rejects, read_rejects
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import Settings
from tasks_lib.storage.file_storage import Storage

ROWS = 2_000
DIALECTS = {
    "usual": Dialect(),
    "excel": Dialect(";", names_delimiter=True, encoding="cp1252"),
    "unquoted": Dialect("\t", Quote.NONE),
    "utf-16": Dialect(encoding="utf-16-le"),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace that needs no pipelines."""
    with open_workspace(Settings(home=tmp_path)) as workspace:
        yield replace(workspace, storage=Storage(tmp_path.as_uri()), limits=Limits())


def write(path: Path, dialect: Dialect, cells: list[str], rows: int = ROWS) -> None:
    problems = [Problem("below_minimum", "9 is below the minimum")]
    with RejectsFile(path, ["a", "b"], dialect) as file:
        for row in range(1, rows + 1):
            file.add(BadRow(row, cells, problems))


def read(workspace: Workspace, path: Path, dialect: Dialect) -> Rejects:
    rejects = read_rejects(workspace, path.as_uri(), dialect)
    assert rejects is not None
    return rejects


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("length", range(4))
def test_a_large_file_is_shown_up_to_its_last_whole_row(
    workspace: Workspace, tmp_path: Path, name: str, length: int
) -> None:
    dialect, path = DIALECTS[name], tmp_path / "rejects.csv"
    is_quoted = dialect.quote is not Quote.NONE
    end = '\r\n"; \n,' if is_quoted else '"; ,'
    write(path, dialect, ["ä" * length, f"one{end}"])
    rejects = read(workspace, path, dialect)
    whole = path.read_bytes().decode(dialect.encoding or "utf-8").removeprefix("\ufeff")
    assert whole.startswith(rejects.text)
    lines = rejects.text.splitlines(keepends=True)[1 if dialect.names_delimiter else 0 :]
    header, *rows = csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE,
    )
    assert header == ["a", "b", "_row", "_errors"]
    problem = "9 is below the minimum"
    assert rows == [
        ["ä" * length, f"one{end}", str(row), problem] for row in range(1, len(rows) + 1)
    ]
    row_size = (path.stat().st_size - len(rejects.text.encode(dialect.encoding or "utf-8"))) / (
        ROWS - len(rows)
    )
    assert rejects.first_rows == len(rows)
    shown = len(rejects.text.encode(dialect.encoding or "utf-8"))
    assert MAX_SHOWN_BYTES - row_size - 4 <= shown <= MAX_SHOWN_BYTES


def test_a_row_that_is_too_long_is_not_shown_in_part(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    write(path, Dialect(), ["a", "\n" * MAX_SHOWN_BYTES], rows=2)
    rejects = read(workspace, path, Dialect())
    assert (rejects.text, rejects.first_rows) == ("", 0)


def test_a_file_of_the_size_that_is_shown_is_shown_as_a_whole(
    workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "rejects.csv"
    write(path, Dialect(), ["a", ""], rows=1)
    write(path, Dialect(), ["a", "x" * (MAX_SHOWN_BYTES - path.stat().st_size)], rows=1)
    assert path.stat().st_size == MAX_SHOWN_BYTES
    rejects = read(workspace, path, Dialect())
    whole = path.read_bytes().decode().removeprefix("\ufeff")
    assert (rejects.text, rejects.first_rows) == (whole, None)
