"""Sources of the command line that can be read only once: standard input, and pipes."""

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command_line import Seeding

PATH = "acme/reviews/label-reviews"
GOOD = "review_id,body,stars\n1,one,5\n2,two,\n"
NOT_BY_A_WORKER = (
    "error: a worker cannot read {} of this machine; write it to a file that the worker can read, "
    "or leave out --deployed\n"
)


@pytest.fixture
def seeding(capsys: pytest.CaptureFixture[str], catalogue_file: Path) -> Seeding:
    seeding = Seeding(capsys)
    seeding("apply", str(catalogue_file))
    return seeding


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def type_in(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return type_in


@contextmanager
def pipe_with(path: Path, text: str) -> Iterator[str]:
    """Make a named pipe that gives the text to its first reader."""
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=[text], daemon=True)
    writer.start()
    yield str(path)
    writer.join()


def test_a_csv_is_read_from_standard_input(
    seeding: Seeding, type_in: Callable[[str], None]
) -> None:
    type_in(GOOD)
    status, report = seeding.json("seed", "csv", PATH, "-")
    assert (status, report["created"], report["source"]) == (0, 2, "-")
    type_in(GOOD)
    status, out, _ = seeding("seed", "csv", PATH, "-")
    assert (status, out.partition(":")[0]) == (0, "'standard input' was seeded before")


def test_a_csv_is_read_from_a_pipe(seeding: Seeding, tmp_path: Path) -> None:
    with pipe_with(tmp_path / "pipe", GOOD) as pipe:
        status, report = seeding.json("seed", "csv", PATH, pipe)
    assert (status, report["created"], report["source"]) == (0, 2, pipe)


def test_a_dataset_is_imported_from_standard_input(
    seeding: Seeding, type_in: Callable[[str], None]
) -> None:
    type_in(GOOD)
    status, report = seeding.json("dataset", "import", "acme", "reviews", "-")
    assert (status, report["imported"]) == (0, 2)


def test_no_pipe_is_left_to_a_worker(seeding: Seeding, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for source, shown in (("-", "standard input"), (str(pipe), "pipe")):
        answer = seeding("seed", "csv", PATH, source, "--deployed")
        assert answer == (2, "", NOT_BY_A_WORKER.format(shown))


def test_an_empty_source_is_a_usage_error(seeding: Seeding) -> None:
    message = "error: the source is empty; give a path, a URL, or - for standard input\n"
    assert seeding("seed", "csv", PATH, "") == (2, "", message)


def test_an_option_that_does_not_exist_is_no_source(seeding: Seeding) -> None:
    message = "error: --no-such is no option of this command, and no source\n"
    assert seeding("seed", "csv", PATH, "--no-such") == (2, "", message)
    message = "error: Unknown option: --no-such.\n"
    assert seeding("seed", "csv", PATH, "a.csv", "--no-such") == (2, "", message)
