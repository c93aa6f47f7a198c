"""The exit status of a mistake in the command, and the one shape of its error, for all commands."""

import shlex
from pathlib import Path

import pytest

from command_line import Seeding
from tasks_lib.cli.examples import EXAMPLES

PATH = "acme/reviews/label-reviews"


@pytest.fixture
def seeding(capsys: pytest.CaptureFixture[str], catalogue_file: Path, tmp_path: Path) -> Seeding:
    """The command, with the catalogue applied."""
    seeding = Seeding(capsys)
    assert seeding("apply", str(catalogue_file))[0] == 0
    return seeding


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_unknown_option_is_wrong_usage(capsys: pytest.CaptureFixture[str], example: str) -> None:
    seeding, line = Seeding(capsys), [*shlex.split(example), "--qqq"]
    message = "Unknown option: --qqq."
    assert seeding(*line) == (2, "", f"error: {message}\n")
    assert seeding.json(*line) == (2, {"error": {"code": "usage", "message": message}})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--qqq", "Unknown option: --qqq. Options follow a command: examples, apply, "),
        ("seed --json", "Unknown option: --json. Options follow a command: csv, zip, dataset, "),
        ("sed csv", 'Unknown command "sed". Did you mean "seed"? Available commands: examples, '),
        (f"tasks list {PATH} 2", "Unexpected argument: 2."),
        (f"tasks list {PATH} 2 3", "Unexpected arguments: 2, 3."),
    ],
)
def test_a_word_too_many_is_named(
    capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    status, _, err = Seeding(capsys)(*shlex.split(line))
    assert (status, err.startswith(f"error: {message}")) == (2, True)


@pytest.mark.parametrize(
    "line",
    [
        "apply {}",
        f"seed csv {PATH} {{}}",
        f"seed csv {PATH} {{}} --dry-run",
        "dataset import acme words {}",
    ],
)
@pytest.mark.parametrize("source", ["nothing.csv", "."])
def test_a_file_that_cannot_be_opened_is_wrong_usage(
    seeding: Seeding, tmp_path: Path, line: str, source: str
) -> None:
    path = str(tmp_path / source)
    status, out, err = seeding(*shlex.split(line.format(path)))
    assert (status, out, err.count(path)) == (2, "", 1)


def test_what_a_file_holds_is_data(seeding: Seeding, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for line in ("apply {}", f"seed csv {PATH} {{}}", "dataset import acme words {}"):
        assert seeding(*shlex.split(line.format(tmp_path / "empty")))[0] == 1
