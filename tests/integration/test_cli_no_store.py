"""Commands that do not set up an installation create no store: it is more likely a wrong path."""

import shlex
from pathlib import Path

import pytest

from command_line import Seeding
from tasks_lib.cli.examples import EXAMPLES
from tasks_lib.errors import NoStoreError
from tasks_lib.store.engine import Store

SET_UP = ("examples", "apply ", "api ", "db upgrade", "deploy")
OTHERS = [example for example in EXAMPLES if not example.startswith(SET_UP)]


@pytest.fixture
def seeding(capsys: pytest.CaptureFixture[str]) -> Seeding:
    return Seeding(capsys)


@pytest.mark.parametrize("example", OTHERS)
def test_a_command_refuses_a_store_that_is_not_there(
    seeding: Seeding, tmp_path: Path, example: str
) -> None:
    where = f"sqlite:///{tmp_path / 'seeding' / 'seeding.db'}"
    message = f"there is no store yet at {where}"
    hint = "hint: to create one with your pipelines, run: seeding apply FILE\n"
    assert seeding(*shlex.split(example)) == (3, "", f"error: {message}\n{hint}")
    expected = {"error": {"code": "no_store", "message": message}}
    assert seeding.json(*shlex.split(example)) == (3, expected)
    assert not (tmp_path / "seeding").exists()


def test_a_store_is_created_only_on_request(empty_database_url: str) -> None:
    for _ in range(2):  # the first refusal has not created one
        with pytest.raises(NoStoreError, match="there is no store yet at"):
            Store.open(empty_database_url, creates=False)
    Store.open(empty_database_url).close()
    Store.open(empty_database_url, creates=False).close()


def test_an_empty_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "seeding.db").touch()
    with pytest.raises(NoStoreError):
        Store.open(f"sqlite:///{tmp_path / 'seeding.db'}", creates=False)


def test_a_store_in_a_folder_that_cannot_be_made_is_refused(
    seeding: Seeding, monkeypatch: pytest.MonkeyPatch, catalogue_file: Path
) -> None:
    monkeypatch.setenv("SEEDING_HOME", "/proc/none")
    status, out, err = seeding("apply", str(catalogue_file))
    assert (status, out) == (3, "")
    assert err.startswith("error: the folder of /proc/none/seeding.db cannot be made: ")
